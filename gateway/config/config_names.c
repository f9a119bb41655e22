/*
 * config_names - two values that become one folder's name: a server does not take a character, what stands in its place
 * stands in the other value, and mail of two senders lies in one folder. Told by `check`, of what is at hand: the tests
 * beside the rules, decided a second time with the names as they would be, and the values that the rules compare with.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_private.h"

#define TESTS_MAX  10000
#define VALUES_MAX 10000
#define ARENA_MAX  ((size_t)64 << 20)

struct named {
    const char *fit, *plain; /* folder, or value */
    const char *test;        /* NULL: a value */
};

struct names {
    const struct filters_naming *naming;
    struct problems *problems;
    struct arena *arena;
    struct named *items;
    size_t count, room;
};

static int by_fit(const void *a, const void *b)
{
    const struct named *one = a, *other = b;
    int order = strcmp(one->fit, other->fit);
    return order != 0 ? order : strcmp(one->plain, other->plain);
}

static void add_name(struct names *names, struct named item)
{
    if (names->count < names->room) {
        names->items[names->count++] = item;
    }
}

/* ---- tests ---- */

static void add_test(struct names *names, const struct filters_test_result *fit,
                     const struct filters_test_result *plain)
{
    for (size_t i = 0; i < fit->delivery_count && fit->delivery_count == plain->delivery_count; i++) {
        const struct mail_delivery *one = &fit->deliveries[i], *other = &plain->deliveries[i];
        if (strcmp(one->upstream, names->naming->upstream) == 0 && strcmp(other->upstream, one->upstream) == 0) {
            add_name(names, (struct named){one->folder, other->folder, fit->name});
        }
    }
}

static void take_tests(struct names *names, const struct config *config, const struct filters_set *plain,
                       const struct filters_load_options *options)
{
    struct filters_scratch *scratch = filters_scratch_new();
    size_t count = filters_test_count(config->rule_set);
    for (size_t i = 0; i < count && i < TESTS_MAX && count == filters_test_count(plain); i++) {
        struct filters_test_result results[2];
        filters_test_run(config->rule_set, scratch, i, options->read_file, NULL, names->arena, &results[0]);
        filters_test_run(plain, scratch, i, options->read_file, NULL, names->arena, &results[1]);
        add_test(names, &results[0], &results[1]);
    }
    filters_scratch_free(&scratch);
}

/* ---- values that the rules compare with ---- */

static void add_value(struct names *names, const char *text)
{
    struct buf fit;
    buf_init(&fit, strlen(text) + 1);
    buf_append_text(&fit, text);
    filters_naming_fit(names->naming, &fit);
    add_name(names, (struct named){expect_memory(arena_copy(names->arena, buf_bytes(&fit))),
                                   expect_memory(arena_text(names->arena, text)), NULL});
    buf_done(&fit);
}

/* Strings below "is", "in" and "lists". The depth is that of what the loader has taken. */
static void take_values(struct names *names, json_t *json, bool compared)
{
    const char *key;
    size_t i;
    json_t *item;
    if (json_is_string(json) && compared) {
        add_value(names, json_string_value(json));
    }
    json_array_foreach(json, i, item)
    {
        take_values(names, item, compared);
    }
    json_object_foreach(json, key, item)
    {
        bool values = strcmp(key, "is") == 0 || strcmp(key, "in") == 0 || strcmp(key, "lists") == 0;
        take_values(names, item, compared || values);
    }
}

static void note_template(void *ctx, const char *upstream, const char *folder, bool is_constant)
{
    struct named *found = ctx;
    (void)folder;
    if (!is_constant && strcmp(upstream, found->plain) == 0) {
        found->fit = upstream;
    }
}

/* Whether any rule makes a name from mail there. */
static bool has_template(const struct config *config, const char *upstream)
{
    struct named found = {.plain = upstream};
    filters_each_target(config->rule_set, note_template, &found);
    return found.fit != NULL;
}

/* ---- what is told ---- */

static void tell_meetings(struct names *names, const struct config *config)
{
    qsort(names->items, names->count, sizeof *names->items, by_fit);
    for (size_t i = 1; i < names->count; i++) {
        const struct named *one = &names->items[i - 1], *other = &names->items[i];
        if (strcmp(one->fit, other->fit) != 0 || strcmp(one->plain, other->plain) == 0) {
            continue;
        }
        problems_add(names->problems, PROBLEM_WARNING, config->file, 0, 0, "/upstreams",
                     "\"%s\" and \"%s\" become one %s on upstream \"%s\", whose server does not take \"%s\" in names: "
                     "\"%s\"%s%s%s; another \"replacement\" in the upstream's \"folders\" keeps them apart",
                     one->plain, other->plain, one->test != NULL ? "folder" : "name", names->naming->upstream,
                     names->naming->forbidden, one->fit, one->test != NULL ? " (tests \"" : "",
                     one->test != NULL ? one->test : "", one->test != NULL ? "\" and others)" : "");
    }
    names->count = 0;
}

void config_names_check(const struct config *config, const struct filters_set *plain,
                        const struct filters_naming *naming, const struct filters_load_options *options,
                        struct problems *problems)
{
    struct names names = {
        .naming = naming, .problems = problems, .arena = arena_new(ARENA_MAX), .room = TESTS_MAX + VALUES_MAX};
    names.items = expect_calloc(names.room, sizeof *names.items);
    take_tests(&names, config, plain, options);
    tell_meetings(&names, config);
    for (size_t i = 0; i < options->source_count && has_template(config, naming->upstream); i++) {
        struct bytes text = options->sources[i].text;
        json_t *json = json_loadb((const char *)text.ptr, text.len, 0, NULL);
        take_values(&names, json, false);
        json_decref(json);
    }
    tell_meetings(&names, config);
    free(names.items);
    arena_free(&names.arena);
}
