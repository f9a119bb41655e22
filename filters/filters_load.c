/*
 * filters_load - files of rules into a set; see filters.h and filters_load.h.
 */
#include "filters/filters_load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"

#define SET_MAX (1u << 30)
#define PATH_MAX_LENGTH 4096

size_t filters_load_down(struct filters_loader *loader, const char *key)
{
    size_t mark = loader->path.len;
    buf_append_text(&loader->path, "/");
    for (; *key != '\0'; key++) {
        if (*key == '~' || *key == '/') {
            buf_append_text(&loader->path, *key == '~' ? "~0" : "~1");
        } else {
            buf_append_octet(&loader->path, (uint8_t)*key);
        }
    }
    return mark;
}

size_t filters_load_item(struct filters_loader *loader, size_t index)
{
    size_t mark = loader->path.len;
    buf_printf(&loader->path, "/%zu", index);
    return mark;
}

void filters_load_up(struct filters_loader *loader, size_t mark)
{
    buf_truncate(&loader->path, mark);
}

static void add_error(struct filters_loader *loader, const char *format, va_list args)
{
    char text[2000];
    vsnprintf(text, sizeof text, format, args);
    filters_json_problem(loader->json, loader->problems, FILTERS_ERROR, buf_text(&loader->path), "%s", text);
}

void filters_load_error(struct filters_loader *loader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(loader, format, args);
    va_end(args);
}

void filters_load_error_at(struct filters_loader *loader, const char *key, const char *format, ...)
{
    size_t mark = filters_load_down(loader, key);
    va_list args;
    va_start(args, format);
    add_error(loader, format, args);
    va_end(args);
    filters_load_up(loader, mark);
}

void filters_load_keys(struct filters_loader *loader, json_t *object, const char *const *known)
{
    filters_json_unknown_keys(loader->json, loader->problems, buf_text(&loader->path), object, known);
}

void *filters_load_alloc(struct filters_loader *loader, size_t count, size_t size)
{
    return expect_memory(arena_array(loader->set->arena, count, size));
}

const char *filters_load_text(struct filters_loader *loader, json_t *object, const char *key, bool required)
{
    json_t *value = json_object_get(object, key);
    if (value == NULL) {
        if (required) {
            filters_load_error(loader, "\"%s\" is missing", key);
        }
        return NULL;
    }
    if (!json_is_string(value)) {
        filters_load_error_at(loader, key, "\"%s\" must be a text", key);
        return NULL;
    }
    return expect_memory(arena_text(loader->set->arena, json_string_value(value)));
}

int filters_load_texts(struct filters_loader *loader, json_t *object, const char *key, const char *const **list_r,
                       size_t *count_r)
{
    json_t *value = json_object_get(object, key);
    size_t count = value == NULL ? 0 : json_is_array(value) ? json_array_size(value) : 1;
    const char **list = filters_load_alloc(loader, count, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(item)) {
            filters_load_error_at(loader, key, "\"%s\" must be a text or a list of texts", key);
            return -1;
        }
        list[i] = expect_memory(arena_text(loader->set->arena, json_string_value(item)));
    }
    *list_r = count == 0 ? NULL : list;
    *count_r = count;
    return 0;
}

static void load_rule(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    static const char *const known[] = {"name", "if", "then", NULL};
    loader->pattern_count = 0;
    rule->name = "";
    rule->file = expect_memory(arena_text(loader->set->arena, filters_json_name(loader->json)));
    filters_json_place(loader->json, buf_text(&loader->path), &rule->line, &rule->column);
    if (!json_is_object(value)) {
        filters_load_error(loader, "a rule is an object with \"name\", \"if\" and \"then\"");
        return;
    }
    filters_load_keys(loader, value, known);
    const char *name = filters_load_text(loader, value, "name", true);
    rule->name = name == NULL ? "" : name;
    if (name != NULL && (name[0] == '\0' || strcmp(name, "default") == 0)) {
        filters_load_error_at(loader, "name", "a rule's name is not empty and not \"default\"");
    }
    json_t *condition = json_object_get(value, "if");
    if (condition != NULL) {
        size_t mark = filters_load_down(loader, "if");
        rule->condition = filters_load_condition(loader, condition);
        filters_load_up(loader, mark);
    }
    json_t *actions = json_object_get(value, "then");
    if (actions == NULL) {
        filters_load_error(loader, "\"then\" is missing: what the rule does");
        return;
    }
    size_t mark = filters_load_down(loader, "then");
    filters_load_actions(loader, actions, rule);
    filters_load_up(loader, mark);
    if (loader->pattern_count > loader->set->capture_max) {
        loader->set->capture_max = loader->pattern_count;
    }
}

/* The array grows by whole files; the old one stays behind in the arena. */
static struct filters_rule *add_rules(struct filters_loader *loader, size_t count)
{
    struct filters_set *set = loader->set;
    struct filters_rule *rules = filters_load_alloc(loader, set->rule_count + count, sizeof *rules);
    if (set->rule_count > 0) {
        memcpy(rules, set->rules, set->rule_count * sizeof *rules);
    }
    struct filters_rule *first = rules + set->rule_count;
    set->rules = rules;
    set->rule_count += count;
    return first;
}

static void load_rules(struct filters_loader *loader, json_t *list)
{
    if (!json_is_array(list)) {
        filters_load_error(loader, "\"rules\" must be a list of rules");
        return;
    }
    if (loader->set->rule_count + json_array_size(list) > FILTERS_RULES_MAX) {
        filters_load_error(loader, "more than %d rules", FILTERS_RULES_MAX);
        return;
    }
    struct filters_rule *rule = add_rules(loader, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t mark = filters_load_item(loader, i);
        load_rule(loader, json_array_get(list, i), rule++);
        filters_load_up(loader, mark);
    }
}

static void load_file(struct filters_loader *loader)
{
    static const char *const known[] = {"rules", "tests", NULL};
    json_t *root = filters_json_root(loader->json);
    if (!json_is_object(root)) {
        filters_load_error(loader, "a rule file is an object with \"rules\"");
        return;
    }
    filters_load_keys(loader, root, known);
    json_t *rules = json_object_get(root, "rules");
    if (rules != NULL) {
        size_t mark = filters_load_down(loader, "rules");
        load_rules(loader, rules);
        filters_load_up(loader, mark);
    }
    json_t *tests = json_object_get(root, "tests");
    if (tests != NULL) {
        size_t mark = filters_load_down(loader, "tests");
        filters_load_tests(loader, tests);
        filters_load_up(loader, mark);
    }
}

/* Names go into logs, metrics and tests: each one stands for one rule. */
static void check_names(struct filters_loader *loader)
{
    struct map *seen = map_new(FILTERS_RULES_MAX, NULL);
    for (size_t i = 0; i < loader->set->rule_count; i++) {
        struct filters_rule *rule = &loader->set->rules[i];
        struct filters_rule *other = map_get(seen, bytes_of(rule->name));
        if (rule->name[0] == '\0') {
            continue; /* already told */
        }
        if (other != NULL) {
            filters_problems_add(loader->problems, FILTERS_ERROR, rule->file, rule->line, rule->column, "",
                                 "another rule is called \"%s\" already: %s:%zu", rule->name, other->file, other->line);
        } else {
            map_set(seen, bytes_of(rule->name), rule);
        }
    }
    map_free(&seen, NULL);
}

static void copy_fallback(struct filters_set *set, const struct filters_default *fallback)
{
    set->fallback.upstream = arena_text(set->arena, fallback->upstream);
    set->fallback.folder = arena_text(set->arena, fallback->folder == NULL ? "INBOX" : fallback->folder);
    const char **flags = expect_memory(arena_array(set->arena, fallback->flag_count, sizeof *flags));
    for (size_t i = 0; i < fallback->flag_count; i++) {
        flags[i] = expect_memory(arena_text(set->arena, fallback->flags[i]));
    }
    set->fallback.flags = flags;
    set->fallback.flag_count = fallback->flag_count;
}

struct filters_set *filters_load(const struct filters_load_options *options, struct filters_problems *problems)
{
    struct filters_set *set = expect_calloc(1, sizeof *set);
    set->arena = arena_new(SET_MAX);
    copy_fallback(set, &options->fallback);
    struct filters_loader loader = {.options = options, .problems = problems, .set = set};
    buf_init(&loader.path, PATH_MAX_LENGTH);
    size_t errors = filters_problems_errors(problems);
    for (size_t i = 0; i < options->source_count; i++) {
        struct filters_json *json = filters_json_parse(options->sources[i].name, options->sources[i].text, problems);
        loader.json = json;
        if (json != NULL) {
            load_file(&loader);
        }
        filters_json_free(&json);
    }
    check_names(&loader);
    buf_done(&loader.path);
    if (filters_problems_errors(problems) > errors) {
        filters_set_free(&set);
    }
    return set;
}

void filters_set_free(struct filters_set **set)
{
    if (*set == NULL) {
        return;
    }
    for (size_t i = 0; i < (*set)->pattern_count; i++) {
        filters_pattern_free(&(*set)->patterns[i]);
    }
    free((*set)->patterns);
    free((*set)->subjects);
    arena_free(&(*set)->arena);
    free(*set);
    *set = NULL;
}
