/*
 * cli_rules - see cli_rules.h.
 */
#include "cli/cli_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "document/document.h"
#include "net/net_file.h"
#include "net/net_loop.h"

#define FILES_MAX 1000
#define ARENA_MAX (256u << 20)

struct files {
    struct arena *arena;
    const char *folder;
    struct filters_source sources[FILES_MAX];
    size_t count;
    struct problems *problems;
};

static void add_file(struct files *files, const char *path)
{
    struct buf text;
    struct fault fault = FAULT_INIT;
    buf_init(&text, DOCUMENT_MAX_SIZE + 1);
    if (files->count == FILES_MAX) {
        problems_add(files->problems, PROBLEM_ERROR, path, 0, 0, "", "more than %d rule files", FILES_MAX);
    } else if (net_file_read_all(path, &text, &fault) < 0) {
        problems_add(files->problems, PROBLEM_ERROR, path, 0, 0, "", "cannot be read: %s", fault.text);
    } else {
        char *copy = expect_memory(arena_copy(files->arena, buf_bytes(&text)));
        files->sources[files->count++] =
            (struct filters_source){expect_memory(arena_text(files->arena, path)), bytes_at(copy, text.len)};
    }
    buf_done(&text);
}

static int add_name(void *ctx, const char *name)
{
    struct files *files = ctx;
    size_t len = strlen(name);
    bool is = (len > 5 && strcmp(name + len - 5, ".json") == 0) || (len > 6 && strcmp(name + len - 6, ".jsonc") == 0);
    if (name[0] != '.' && is) {
        add_file(files, expect_memory(arena_printf(files->arena, "%s/%s", files->folder, name)));
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct filters_source *)a)->name, ((const struct filters_source *)b)->name);
}

/* A folder is all its *.json and *.jsonc files, in order of their names; anything else is a file. */
static void add_path(struct files *files, const char *path)
{
    struct fault fault = FAULT_INIT;
    size_t first = files->count;
    files->folder = path;
    if (net_file_list(path, add_name, files, &fault) < 0) {
        add_file(files, path);
    } else {
        qsort(files->sources + first, files->count - first, sizeof *files->sources, by_name);
    }
}

/* A configuration has "listeners" or "upstreams"; a rule file has neither. */
static bool is_configuration(const char *path)
{
    struct buf text;
    struct fault fault = FAULT_INIT;
    buf_init(&text, DOCUMENT_MAX_SIZE);
    bool is = false;
    if (net_file_read_all(path, &text, &fault) == 0) {
        struct problems *problems = problems_new(); /* what is wrong with it is told when it is loaded */
        struct document *document = document_parse(path, buf_bytes(&text), problems);
        json_t *root = document == NULL ? NULL : document_root(document);
        is = json_object_get(root, "listeners") != NULL || json_object_get(root, "upstreams") != NULL;
        document_free(&document);
        problems_free(&problems);
    }
    buf_wipe(&text);
    return is;
}

static void print_problems(const struct problems *problems)
{
    struct buf text;
    buf_init(&text, 4u << 20);
    problems_print(problems, &text);
    fputs(buf_text(&text), stderr);
    buf_done(&text);
}

static void load_files(struct cli_rules *rules, const char *const *paths, size_t count, const char *fallback,
                       struct problems *problems)
{
    struct files *files = expect_calloc(1, sizeof *files);
    files->arena = arena_new(ARENA_MAX);
    files->problems = problems;
    for (size_t i = 0; i < count; i++) {
        add_path(files, paths[i]);
    }
    struct bytes folder = bytes_of(fallback == NULL ? "default:INBOX" : fallback);
    struct bytes upstream = bytes_cut(&folder, ':');
    struct filters_load_options options = {
        .sources = files->sources,
        .source_count = files->count,
        .any_upstream = true,
        .now_ms = net_wall(NULL),
        .fallback = {.upstream = expect_memory(arena_copy(files->arena, upstream)),
                     .folder = folder.len == 0 ? "INBOX" : expect_memory(arena_copy(files->arena, folder))},
        .read_file = config_read_beside,
    };
    if (problems_errors(problems) == 0) {
        rules->own = filters_load(&options, problems);
    }
    rules->set = rules->own;
    arena_free(&files->arena);
    free(files);
}

int cli_rules_load(struct cli_rules *rules_r, const char *const *paths, size_t count, const char *fallback)
{
    struct problems *problems = problems_new();
    struct cli_rules rules = {.config = NULL};
    if (count == 1 && is_configuration(paths[0])) {
        rules.config = config_load_rules(paths[0], problems);
        rules.set = rules.config == NULL ? NULL : rules.config->rule_set;
    } else {
        load_files(&rules, paths, count, fallback, problems);
    }
    print_problems(problems);
    problems_free(&problems);
    *rules_r = rules;
    return rules.set == NULL ? -1 : 0;
}

void cli_rules_done(struct cli_rules *rules)
{
    config_free(&rules->config);
    filters_set_free(&rules->own);
}

static json_t *texts_of(const struct files *files, struct problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < files->count; i++) {
        const struct filters_source *source = &files->sources[i];
        json_t *text = json_stringn((const char *)source->text.ptr, source->text.len);
        if (text == NULL) {
            problems_add(problems, PROBLEM_ERROR, source->name, 0, 0, "", "the rule file is not UTF-8");
        } else {
            json_array_append_new(list, json_pack("{s:s,s:o}", "name", source->name, "text", text));
        }
    }
    return list;
}

json_t *cli_rules_texts(const char *const *paths, size_t count)
{
    struct problems *problems = problems_new();
    struct files *files = expect_calloc(1, sizeof *files);
    files->arena = arena_new(ARENA_MAX);
    files->problems = problems;
    for (size_t i = 0; i < count; i++) {
        if (is_configuration(paths[i])) {
            problems_add(problems, PROBLEM_ERROR, paths[i], 0, 0, "",
                         "this is a configuration: name the rule files, or their folder");
        } else {
            add_path(files, paths[i]);
        }
    }
    json_t *list = texts_of(files, problems);
    if (problems_errors(problems) > 0) {
        json_decref(list);
        list = NULL;
    }
    print_problems(problems);
    problems_free(&problems);
    arena_free(&files->arena);
    free(files);
    return list;
}
