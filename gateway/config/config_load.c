/*
 * config_load - from files to a checked configuration with its rule set; see config.h.
 *
 * Reads through net_file only, before the loop runs or on a lane. Nothing is logged here: problems go to the caller.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config.h"
#include "config/config_check.h"
#include "config/config_table.h"
#include "net/net_file.h"

#define TRACE_ROOM       8192 /* octets of Return-Path, Received and other fields of ours */
#define CONFIG_FILE_MAX  (4u << 20)
#define RULE_FILES_MAX   1000
#define SOURCES_MAX      10000
#define CONFIG_ARENA_MAX (256u << 20)

struct rule_files {
    struct config *config;
    struct problems *problems;
    struct filters_source *sources;
    size_t count;
    /* the pattern that is being matched */
    const char *folder;
    const char *pattern;
    char **names;
    size_t name_count;
};

static char *folder_of(struct arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');
    if (slash == NULL) {
        return expect_memory(arena_text(arena, "."));
    }
    size_t len = slash == file ? 1 : (size_t)(slash - file);
    return expect_memory(arena_copy(arena, bytes_at(file, len)));
}

static void add_path(struct config *config, struct config_strings *list, const char *path)
{
    size_t count = list->count;
    const char **items = (const char **)(uintptr_t)list->items;
    if (count == SOURCES_MAX) {
        return;
    }
    if ((count & (count - 1)) == 0) { /* room in powers of two */
        items = expect_memory(arena_array(config->arena, count == 0 ? 1 : count * 2, sizeof *items));
        for (size_t i = 0; i < count; i++) {
            items[i] = list->items[i];
        }
        list->items = items;
    }
    items[list->count++] = expect_memory(arena_text(config->arena, path));
}

uint64_t config_stamp_add(uint64_t stamp, uint64_t file)
{
    return stamp * 31 + file;
}

void config_note_source(struct config *config, const char *path)
{
    size_t before = config->sources.count;
    add_path(config, &config->sources, path);
    if (config->sources.count > before) {
        config->stamp = config_stamp_add(config->stamp, net_file_stamp(path));
    }
}

void config_note_path(struct config *config, const char *path)
{
    add_path(config, &config->paths, path);
}

/* The file's text in the arena, or an empty view with NULL after a problem was added. */
static struct bytes read_text(struct arena *arena, const char *file, struct problems *problems)
{
    struct buf text;
    struct fault fault = FAULT_INIT;
    struct bytes result = {NULL, 0};
    buf_init(&text, CONFIG_FILE_MAX);
    if (net_file_read_all(file, &text, &fault) < 0) {
        problems_add(problems, PROBLEM_ERROR, file, 0, 0, "", "cannot be read: %s", fault.text);
    } else {
        char *copy = expect_memory(arena_copy(arena, buf_bytes(&text)));
        result = bytes_at(copy, text.len);
    }
    buf_wipe(&text); /* it may hold a literal password */
    return result;
}

/* ---- rule files ---- */

static int note_name(void *ctx, const char *name)
{
    struct rule_files *files = ctx;
    if (name[0] != '.' && fnmatch(files->pattern, name, 0) == 0 && files->name_count < RULE_FILES_MAX) {
        files->names[files->name_count++] = expect_memory(arena_text(files->config->arena, name));
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_source(struct rule_files *files, const char *path)
{
    if (files->count >= RULE_FILES_MAX) {
        problems_add(files->problems, PROBLEM_ERROR, path, 0, 0, "", "more than %d rule files", RULE_FILES_MAX);
        return;
    }
    config_note_source(files->config, path);
    struct bytes text = read_text(files->config->arena, path, files->problems);
    if (text.ptr != NULL) {
        files->sources[files->count++] = (struct filters_source){.name = path, .text = text};
    }
}

static void add_matching(struct rule_files *files, const char *path)
{
    struct arena *arena = files->config->arena;
    files->folder = folder_of(arena, path);
    files->pattern = strrchr(path, '/') + 1;
    files->name_count = 0;
    config_note_source(files->config, files->folder);
    struct fault fault = FAULT_INIT;
    if (net_file_list(files->folder, note_name, files, &fault) < 0) {
        problems_add(files->problems, PROBLEM_ERROR, files->config->file, 0, 0, "/rules", "%s: %s", files->folder,
                     fault.text);
        return;
    }
    if (files->name_count == 0) {
        problems_add(files->problems, PROBLEM_WARNING, files->config->file, 0, 0, "/rules", "no file matches %s", path);
    }
    qsort(files->names, files->name_count, sizeof *files->names, by_name);
    for (size_t i = 0; i < files->name_count; i++) {
        add_source(files, expect_memory(arena_printf(arena, "%s/%s", files->folder, files->names[i])));
    }
}

static void collect_rule_files(struct rule_files *files, const char *folder)
{
    struct arena *arena = files->config->arena;
    files->sources = expect_memory(arena_array(arena, RULE_FILES_MAX, sizeof *files->sources));
    files->names = expect_memory(arena_array(arena, RULE_FILES_MAX, sizeof *files->names));
    for (size_t i = 0; i < files->config->rules.count; i++) {
        const char *path = files->config->rules.items[i];
        path = expect_memory(path[0] == '/' ? arena_text(arena, path) : arena_printf(arena, "%s/%s", folder, path));
        if (strpbrk(strrchr(path, '/'), "*?[") != NULL) {
            add_matching(files, path);
        } else {
            add_source(files, path);
        }
    }
}

int config_read_beside(void *ctx, const char *from, const char *path, struct buf *out, struct fault *fault)
{
    struct buf full;
    buf_init(&full, 8192);
    const char *slash = strrchr(from, '/');
    if (path[0] != '/' && slash != NULL) {
        buf_append(&full, from, (size_t)(slash - from) + 1);
    }
    buf_append_text(&full, path);
    if (ctx != NULL) {
        struct config *config = ctx;
        config_note_source(config, buf_text(&full));
        add_path(config, &config->named, buf_text(&full));
    }
    int result = net_file_read_all(buf_text(&full), out, fault);
    buf_done(&full);
    return result;
}

/* Whether a rule text may mean this file by that path: as it stands in the configuration's rules, or beside one of them. */
static bool is_named(const char *named, const char *path)
{
    size_t len = strlen(named), tail = strlen(path);
    return strcmp(named, path) == 0 ||
           (path[0] != '/' && len > tail && named[len - tail - 1] == '/' && strcmp(named + len - tail, path) == 0);
}

static int read_named(void *ctx, const char *from, const char *path, struct buf *out, struct fault *fault)
{
    const struct config *config = ctx;
    (void)from;
    for (size_t i = 0; i < config->named.count; i++) {
        if (is_named(config->named.items[i], path)) {
            return net_file_read_all(config->named.items[i], out, fault);
        }
    }
    fault_set(fault, FAULT_PERM, "not-named", path,
              "not a file that the rules in force name, and no other is read here");
    return -1;
}

/* What the configuration says is added to the options. */
static struct filters_set *rules_of(const struct config *config, struct filters_load_options options,
                                    struct problems *problems)
{
    const char **names = expect_calloc(config->upstreams.count + 1, sizeof *names);
    for (size_t i = 0; i < config->upstreams.count; i++) {
        names[i] = config_upstream_at(config, i)->name;
    }
    options.upstreams = names;
    options.upstream_count = config->upstreams.count;
    options.read_ctx = (void *)(uintptr_t)config;
    options.fallback = (struct filters_default){.upstream = config->default_reject ? NULL : config->default_upstream,
                                                .fallback = config->default_fallback,
                                                .folder = config->default_folder,
                                                .flags = config->default_flags.items,
                                                .flag_count = config->default_flags.count};
    struct filters_set *set = filters_load(&options, problems);
    free(names);
    return set;
}

struct filters_set *config_rules(const struct config *config, const struct filters_source *sources, size_t count,
                                 struct problems *problems)
{
    struct filters_load_options options = {.sources = sources, .source_count = count, .read_file = read_named};
    return rules_of(config, options, problems);
}

static void load_rules(struct config *config, const char *folder, struct problems *problems)
{
    struct rule_files files = {.config = config, .problems = problems};
    collect_rule_files(&files, folder);
    struct filters_load_options options = {
        .sources = files.sources, .source_count = files.count, .read_file = config_read_beside};
    config->rule_set = rules_of(config, options, problems);
}

static void check_own_folder(const struct config *config, const char *upstream, const char *folder, const char *pointer,
                             const struct filters_folder *folders, size_t count, struct problems *problems)
{
    bool known = false; /* anything of this upstream */
    for (size_t i = 0; upstream != NULL && folder != NULL && i < count; i++) {
        if (strcmp(folders[i].upstream, upstream) == 0) {
            known = true;
            if (strcmp(folders[i].folder, folder) == 0 || bytes_is_nocase(bytes_of(folder), "INBOX")) {
                return;
            }
        }
    }
    if (known && folder[0] != '\\') {
        problems_add(problems, PROBLEM_WARNING, config->file, 0, 0, pointer,
                     "there is no folder \"%s\" on upstream \"%s\": it would be created", folder, upstream);
    }
}

void config_check_folders(struct config *config, const struct filters_folder *folders, size_t count,
                          struct problems *problems)
{
    struct rule_files files = {.config = config, .problems = problems};
    collect_rule_files(&files, folder_of(config->arena, config->file));
    struct filters_load_options options = {.sources = files.sources,
                                           .source_count = files.count,
                                           .read_file = config_read_beside,
                                           .folders = folders,
                                           .folder_count = count};
    struct filters_set *set = rules_of(config, options, problems);
    filters_set_free(&set);
    check_own_folder(config, config->default_upstream, config->default_folder, "/default/folder", folders, count,
                     problems);
    check_own_folder(config, config->dead_upstream, config->dead_folder, "/dead_letters/folder", folders, count,
                     problems);
}

/* ---- the whole ---- */

/* Where tokens come from, as the pool wants to know it. */
static void resolve_token(struct config_upstream *upstream)
{
    struct imapc_token_options *token = &upstream->token;
    token->command = upstream->token_command.count > 0 ? upstream->token_command.items : NULL;
    if (token->key_file != NULL) {
        token->subject = token->subject != NULL ? token->subject : upstream->username;
        token->scope = token->scope != NULL ? token->scope : "https://mail.google.com/";
    }
}

/* What the profile says stands where the operator says nothing. */
static void resolve_upstreams(struct config *config)
{
    struct config_upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        imapc_profile_resolve(imapc_profile_at((size_t)upstreams[i].profile), upstreams[i].settings);
        resolve_token(&upstreams[i]);
    }
}

/* No listener announces more than every upstream takes, with room for the fields that are put in front. */
static void bound_message_sizes(struct config *config)
{
    struct config_listener *listeners = config->listeners.items;
    uint64_t most = UINT64_MAX;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        uint64_t known = config_upstream_at(config, i)->settings[IMAPC_MESSAGE_MAX];
        most = known > TRACE_ROOM && known - TRACE_ROOM < most ? known - TRACE_ROOM : most;
    }
    for (size_t i = 0; i < config->listeners.count; i++) {
        listeners[i].max_message_size = listeners[i].max_message_size < most ? listeners[i].max_message_size : most;
    }
}

static void read_config(struct config *config, const struct document *json, struct problems *problems)
{
    struct config_reader reader = {.json = json,
                                   .problems = problems,
                                   .arena = config->arena,
                                   .folder = folder_of(config->arena, config->file),
                                   .noting = config};
    config_read(&reader, &config_root_table, "", document_root(json), config);
    resolve_upstreams(config);
    bound_message_sizes(config);
    config_check(config, json, problems);
    load_rules(config, reader.folder, problems);
}

struct config *config_load(const char *file, struct problems *problems)
{
    struct config *config = config_load_untested(file, problems);
    if (config != NULL && filters_tests_check(config->rule_set, config_read_beside, config, problems) > 0) {
        config_free(&config);
    }
    return config;
}

struct config *config_load_untested(const char *file, struct problems *problems)
{
    struct config *config = expect_calloc(1, sizeof *config);
    config->arena = arena_new(CONFIG_ARENA_MAX);
    config->file = expect_memory(arena_text(config->arena, file));
    config_note_source(config, file);
    struct bytes text = read_text(config->arena, file, problems);
    struct document *json = text.ptr == NULL ? NULL : document_parse(config->file, text, problems);
    if (json != NULL) {
        read_config(config, json, problems);
    }
    document_free(&json);
    if (problems_errors(problems) > 0) {
        config_free(&config);
    }
    return config;
}

struct config *config_load_part(const char *file, struct problems *problems)
{
    struct config *config = expect_calloc(1, sizeof *config);
    config->arena = arena_new(CONFIG_ARENA_MAX);
    config->file = expect_memory(arena_text(config->arena, file));
    struct bytes text = read_text(config->arena, file, problems);
    struct document *json = text.ptr == NULL ? NULL : document_parse(config->file, text, problems);
    if (json == NULL || !json_is_object(document_root(json))) {
        document_free(&json);
        config_free(&config);
        return NULL;
    }
    struct config_reader reader = {
        .json = json, .problems = problems, .arena = config->arena, .folder = folder_of(config->arena, config->file)};
    config_read(&reader, &config_root_table, "", document_root(json), config);
    document_free(&json);
    return config;
}

struct config *config_load_rules(const char *file, struct problems *problems)
{
    struct problems *unasked = problems_new();
    struct config *config = config_load_part(file, unasked);
    if (config == NULL) {
        for (size_t i = 0; i < problems_count(unasked); i++) {
            const struct problem *problem = problems_at(unasked, i);
            problems_add(problems, (int)problem->severity, problem->file, problem->line, problem->column,
                         problem->pointer, "%s", problem->text);
        }
    } else {
        load_rules(config, folder_of(config->arena, config->file), problems);
    }
    problems_free(&unasked);
    if (config != NULL && config->rule_set == NULL) {
        config_free(&config);
    }
    return config;
}

int config_admin_address(const struct config *config, struct net_address *address_r, struct fault *fault)
{
    char text[4200];
    if (config->admin.address.host[0] != '\0') {
        *address_r = config->admin.address;
        return 0;
    }
    snprintf(text, sizeof text, "unix:%s/admin.sock", config->spool_path);
    return net_address_parse(address_r, bytes_of(text), fault);
}

struct config *config_hold(struct config *config)
{
    config->holders++;
    return config;
}

void config_free(struct config **config)
{
    struct config *held = *config;
    *config = NULL;
    if (held == NULL || held->holders-- > 0) {
        return;
    }
    filters_set_free(&held->rule_set);
    arena_wipe(&held->arena);
    free(held);
}

const struct config_listener *config_listener_at(const struct config *config, size_t index)
{
    return (const struct config_listener *)config->listeners.items + index;
}

const struct config_upstream *config_upstream_at(const struct config *config, size_t index)
{
    return (const struct config_upstream *)config->upstreams.items + index;
}
