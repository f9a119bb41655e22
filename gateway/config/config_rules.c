/*
 * config_rules - the rule files that a configuration names, and rules from elsewhere under the same configuration. See
 * config.h.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_private.h"
#include "net/net_file.h"
#include "net/net_loop.h"

#define RULE_FILES_MAX 1000

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

static int note_match(void *ctx, const char *name)
{
    struct rule_files *files = ctx;
    /* A ConfigMap is mounted with "..data" and "..2026_…" beside its files, and editors leave ".x.swp". */
    if (name[0] != '.' && fnmatch(files->pattern, name, 0) == 0 && files->name_count < RULE_FILES_MAX) {
        files->names[files->name_count++] = expect_memory(arena_text(files->config->arena, name));
    }
    return 0;
}

static int by_file_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_rule_file(struct rule_files *files, const char *path)
{
    if (files->count >= RULE_FILES_MAX) {
        problems_add(files->problems, PROBLEM_ERROR, path, 0, 0, "", "more than %d rule files", RULE_FILES_MAX);
        return;
    }
    config_note_source(files->config, path);
    struct bytes text = config_file_text(files->config->arena, path, files->problems);
    if (text.ptr != NULL) {
        files->sources[files->count++] = (struct filters_source){.name = path, .text = text};
    }
}

static void add_matching(struct rule_files *files, const char *path)
{
    struct arena *arena = files->config->arena;
    files->folder = config_folder_of(arena, path);
    files->pattern = strrchr(path, '/') + 1;
    files->name_count = 0;
    /* The folder as well: a file that comes or goes changes no other. */
    config_note_source(files->config, files->folder);
    struct fault fault = FAULT_INIT;
    if (net_file_list(files->folder, note_match, files, &fault) < 0) {
        problems_add(files->problems, PROBLEM_ERROR, files->config->file, 0, 0, "/rules", "%s: %s", files->folder,
                     fault.text);
        return;
    }
    if (files->name_count == 0) {
        problems_add(files->problems, PROBLEM_WARNING, files->config->file, 0, 0, "/rules", "no file matches %s", path);
    }
    /* A folder has no order of its own; the first rule that stops must be the same on every machine. */
    qsort(files->names, files->name_count, sizeof *files->names, by_file_name);
    for (size_t i = 0; i < files->name_count; i++) {
        add_rule_file(files, expect_memory(arena_printf(arena, "%s/%s", files->folder, files->names[i])));
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
            add_rule_file(files, path);
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
        config_note_named(ctx, buf_text(&full));
    }
    int result = net_file_read_all(buf_text(&full), out, fault);
    buf_done(&full);
    return result;
}

/* Whether a rule text may mean this file by that path: as it stands in the configuration's rules, or beside one of
 * them. */
static bool is_named(const char *named, const char *path)
{
    size_t len = strlen(named), tail = strlen(path);
    return strcmp(named, path) == 0 ||
           (path[0] != '/' && len > tail && named[len - tail - 1] == '/' && strcmp(named + len - tail, path) == 0);
}

int config_read_named(void *ctx, const char *from, const char *path, struct buf *out, struct fault *fault)
{
    const struct config *config = ctx;
    (void)from;
    for (size_t i = 0; i < config->named.count; i++) {
        if (is_named(config->named.items[i], path)) {
            return net_file_read_all(config->named.items[i], out, fault);
        }
    }
    fault_set(fault, FAULT_PERM, "not-named", path,
              "this file is not named by the rules in force, and no other file is read here");
    return -1;
}

static struct filters_naming naming_of(const struct config_upstream *upstream)
{
    const char *own = upstream->folders_forbidden;
    return (struct filters_naming){
        .upstream = upstream->name,
        .forbidden = own != NULL ? own : upstream_profile_forbidden(upstream_profile_at(upstream->profile)),
        .replacement = upstream->folders_replacement == NULL ? '_' : upstream->folders_replacement[0]};
}

/* What the configuration says is added to the options; but for what its servers do not take in names, where `plain`. */
static struct filters_set *load_rules(const struct config *config, struct filters_load_options options, bool plain,
                                      struct problems *problems)
{
    struct filters_source *sources = expect_calloc(options.source_count + 1, sizeof *sources);
    const char *probe = config_probe_rule(config);
    size_t first = probe != NULL;
    sources[0] = (struct filters_source){.name = "probe", .text = bytes_of(probe == NULL ? "" : probe)};
    for (size_t i = 0; i < options.source_count; i++) {
        sources[first + i] = options.sources[i];
    }
    options.sources = sources;
    options.source_count += first;
    const char **names = expect_calloc(config->upstreams.count + 1, sizeof *names);
    struct filters_naming *namings = expect_calloc(config->upstreams.count + 1, sizeof *namings);
    for (size_t i = 0; i < config->upstreams.count; i++) {
        names[i] = config_upstream_at(config, i)->name;
        namings[i] = naming_of(config_upstream_at(config, i));
    }
    options.namings = namings;
    options.naming_count = plain ? 0 : config->upstreams.count;
    options.upstreams = names;
    options.upstream_count = config->upstreams.count;
    options.read_ctx = (void *)(uintptr_t)config;
    options.now_ms = net_wall(NULL);
    options.fallback = (struct filters_default){.upstream = config->default_reject ? NULL : config->default_upstream,
                                                .fallback = config->default_fallback,
                                                .folder = config->default_folder,
                                                .flags = config->default_flags.items,
                                                .flag_count = config->default_flags.count};
    struct filters_set *set = filters_load(&options, problems);
    free(sources);
    free(names);
    free(namings);
    return set;
}

static struct filters_set *rules_of(const struct config *config, struct filters_load_options options,
                                    struct problems *problems)
{
    return load_rules(config, options, false, problems);
}

struct filters_set *config_rules(const struct config *config, const struct filters_source *sources, size_t count,
                                 struct problems *problems)
{
    struct filters_load_options options = {.sources = sources, .source_count = count, .read_file = config_read_named};
    return rules_of(config, options, problems);
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
    collect_rule_files(&files, config_folder_of(config->arena, config->file));
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

void config_check_names(struct config *config, struct problems *problems)
{
    struct problems *said = problems_new(); /* by loading it, and known */
    struct rule_files files = {.config = config, .problems = said};
    bool any = false;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        any = any || naming_of(config_upstream_at(config, i)).forbidden != NULL;
    }
    if (any) {
        collect_rule_files(&files, config_folder_of(config->arena, config->file));
        struct filters_load_options options = {
            .sources = files.sources, .source_count = files.count, .read_file = config_read_beside};
        struct filters_set *plain = load_rules(config, options, true, said);
        for (size_t i = 0; plain != NULL && i < config->upstreams.count; i++) {
            const struct filters_naming naming = naming_of(config_upstream_at(config, i));
            if (naming.forbidden != NULL) {
                config_names_check(config, plain, &naming, &options, problems);
            }
        }
        filters_set_free(&plain);
    }
    problems_free(&said);
}

/* ---- folders that the rules name as they are ---- */

static void count_target(void *ctx, const char *upstream, const char *folder, bool is_constant)
{
    (void)upstream;
    (void)folder;
    *(size_t *)ctx += is_constant;
}

static void keep_target(void *ctx, const char *upstream, const char *folder, bool is_constant)
{
    struct config *config = ctx;
    if (is_constant) {
        struct filters_folder *kept = (struct filters_folder *)(uintptr_t)config->written + config->written_count++;
        *kept = (struct filters_folder){.upstream = arena_text(config->arena, upstream),
                                        .folder = arena_text(config->arena, folder)};
    }
}

/* The set goes to those who decide: what others ask about it is kept. */
static void keep_targets(struct config *config)
{
    size_t count = 0;
    if (config->rule_set != NULL) {
        filters_each_target(config->rule_set, count_target, &count);
        config->written = arena_array(config->arena, count + 1, sizeof *config->written);
    }
    if (config->written != NULL) {
        filters_each_target(config->rule_set, keep_target, config);
    }
}

bool config_names_folder(const struct config *config, const char *upstream, const char *folder)
{
    for (size_t i = 0; i < config->written_count; i++) {
        const struct filters_folder *written = &config->written[i];
        if (written->upstream != NULL && written->folder != NULL && strcmp(written->upstream, upstream) == 0 &&
            strcmp(written->folder, folder) == 0) {
            return true;
        }
    }
    return false;
}

void config_load_rule_files(struct config *config, const char *folder, struct problems *problems)
{
    struct rule_files files = {.config = config, .problems = problems};
    collect_rule_files(&files, folder);
    struct filters_load_options options = {
        .sources = files.sources, .source_count = files.count, .read_file = config_read_beside};
    config->rule_files = files.sources;
    config->rule_file_count = files.count;
    config->rule_set = rules_of(config, options, problems);
    keep_targets(config);
}
