/*
 * filters_load - files of rules into a set; see filters.h and filters_load.h.
 *
 * All files are parsed first and their names noted, so that a rule may use a list, a condition or a group of any file.
 */
#include "filters/filters_load.h"
#include "filters/filters_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/expect.h"
#include "filters/filters_builder.h"
#include "filters/filters_date.h"
#include "filters/filters_index.h"
#include "filters/filters_map.h"
#include "filters/filters_prefilter.h"

#define SET_MAX     (UINT64_C(1) << 32)
#define POINTER_MAX 4096

static void load_name(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    const char *name = filters_load_text(loader, value, "name");
    rule->name = name == NULL ? "" : name;
    if (name != NULL &&
        (name[0] == '\0' || strlen(name) > 100 || strcmp(name, "default") == 0 || bytes_has_control(bytes_of(name)))) {
        filters_load_error_at(loader, "name",
                              "a rule's name must have 1 to 100 printable characters and must not be \"default\"");
    }
}

static void load_on_error(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    const char *word = filters_load_text(loader, value, "on_error");
    for (size_t i = 0; word != NULL; i++) {
        if (filters_on_error_words[i] == NULL) {
            filters_load_unknown(loader, "on_error", "choice", word, filters_on_error_words);
            return;
        }
        if (strcmp(filters_on_error_words[i], word) == 0) {
            rule->on_error = (enum filters_on_error)i;
            return;
        }
    }
}

static void load_then(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    json_t *actions = json_object_get(value, "then");
    if (actions == NULL) {
        return;
    }
    size_t mark = filters_load_down(loader, "then");
    filters_load_actions(loader, actions, &rule->actions, &rule->action_count);
    for (size_t i = 0; i < rule->action_count; i++) {
        rule->ends = rule->ends || filters_action_ends(rule->actions[i].kind);
    }
    filters_load_up(loader, mark);
}

/* The member's word among these, by its number; 0 without it. */
static unsigned load_word(struct filters_loader *loader, json_t *value, const char *key, const char *const *words)
{
    const char *word = filters_load_text(loader, value, key);
    for (unsigned i = 0; word != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    if (word != NULL) {
        filters_load_unknown(loader, key, "choice", word, words);
    }
    return 0;
}

/* Whether the day exists: "2026-02-30" is read as the second of March. */
static bool is_day(int64_t ms, const char *text)
{
    struct date date;
    char shown[40];
    date_of(ms, &date);
    snprintf(shown, sizeof shown, "%04d-%02d-%02d", date.year, date.month, date.day);
    return strcmp(shown, text) == 0;
}

/* The day itself belongs to it, in the zone of the set. */
static void load_until(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    const char *text = filters_load_text(loader, value, "until");
    int64_t ms;
    if (text == NULL) {
        return;
    }
    if (strlen(text) != 10 || !filters_time(text, &ms)) {
        filters_load_error_at(loader, "until", "must be a date such as \"2026-12-31\": the last day of the rule");
        return;
    }
    if (!is_day(ms, text)) {
        filters_load_warning_at(loader, "until", "there is no %s", text);
    }
    rule->until_ms = filters_zone_day_end(loader->zone, ms);
    if (loader->options->now_ms >= rule->until_ms) {
        filters_load_warning_at(loader, "until",
                                "%s is past: the rule is no longer tried; remove it, or set a later day", text);
    }
}

/* Whether and how the rule is tried. */
static void load_state(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    json_t *state = json_object_get(value, "state");
    bool said = json_is_object(state); /* {"state": {"off": "reason"}} */
    rule->off = filters_load_text(loader, said ? state : value, "off");
    if (said && (rule->off == NULL || json_object_size(state) != 1)) {
        filters_load_error_at(loader, "state", "must be \"active\", \"watch\", or {\"off\": \"the reason\"}");
    }
    rule->disabled = json_is_false(json_object_get(value, "enabled")) || rule->off != NULL;
    rule->watch = load_word(loader, value, "state", filters_state_words) == 1;
    if (rule->off != NULL && json_is_true(json_object_get(value, "enabled"))) {
        filters_load_error_at(loader, "off",
                              "the rule has both \"enabled\" and \"state\": {\"off\"}; keep one of them");
    }
    load_until(loader, value, rule);
}

static void load_rule(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    loader->pattern_count = 0;
    rule->name = "";
    rule->number = loader->set->rule_count++;
    rule->file = filters_load_copy(loader, document_name(loader->json));
    document_place(loader->json, buf_text(&loader->path), &rule->line, &rule->column);
    if (!filters_load_object(loader, value, "a rule", filters_rule_keys, NULL)) {
        return;
    }
    load_name(loader, value, rule);
    load_on_error(loader, value, rule);
    load_state(loader, value, rule);
    json_t *condition = json_object_get(value, "if");
    if (condition != NULL) {
        size_t mark = filters_load_down(loader, "if");
        size_t errors = problems_errors(loader->problems);
        rule->condition = filters_load_condition(loader, condition);
        if (rule->condition == NULL && problems_errors(loader->problems) == errors) {
            /* Without a condition it would act on every message. A broken named condition is told at its own place. */
            filters_load_error(loader, "the condition cannot be used: mend the error in the named condition first");
        }
        filters_load_up(loader, mark);
    }
    loader->condition = rule->condition;
    load_then(loader, value, rule);
    loader->condition = NULL;
    filters_lint_actions(loader, rule->actions, rule->action_count, "then");
    if (rule->condition != NULL) {
        filters_lint_condition(loader, rule->condition, "if");
    }
    rule->ends = rule->ends && !rule->watch && rule->until_ms == 0;
}

/* Appends to the group's rules; the array grows by whole lists, the old one stays behind in the arena. */
static void load_rules(struct filters_loader *loader, json_t *list, struct filters_group *group)
{
    if (!filters_load_list(loader, list, "rules", FILTERS_RULES_MAX - loader->set->rule_count)) {
        return;
    }
    size_t count = json_array_size(list);
    struct filters_rule *rules = filters_load_alloc(loader, group->rule_count + count, sizeof *rules);
    if (group->rule_count > 0) {
        memcpy(rules, group->rules, group->rule_count * sizeof *rules);
    }
    for (size_t i = 0; i < count; i++) {
        size_t mark = filters_load_item(loader, i);
        load_rule(loader, json_array_get(list, i), &rules[group->rule_count + i]);
        filters_load_up(loader, mark);
    }
    group->rules = rules;
    group->rule_count += count;
}

static void load_group(struct filters_loader *loader, json_t *value, struct filters_group *group)
{
    if (!filters_load_object(loader, value, "a group", filters_group_keys, NULL)) {
        return;
    }
    group->first = load_word(loader, value, "match", filters_match_words) == 1;
    json_t *rules = json_object_get(value, "rules");
    if (rules != NULL) {
        size_t mark = filters_load_down(loader, "rules");
        load_rules(loader, rules, group);
        filters_load_up(loader, mark);
    }
    json_t *defaults = json_object_get(value, "default");
    if (defaults != NULL) {
        loader->pattern_count = 0;
        size_t mark = filters_load_down(loader, "default");
        filters_load_actions(loader, defaults, &group->defaults, &group->default_count);
        filters_load_up(loader, mark);
        filters_lint_actions(loader, group->defaults, group->default_count, "default");
    }
}

static void load_groups(struct filters_loader *loader, json_t *groups)
{
    const char *name;
    json_t *value;
    json_object_foreach(groups, name, value)
    {
        struct filters_group *group = map_get(loader->groups, bytes_of(name));
        /* A group of that name in another file was told as a problem; only the first is loaded. */
        if (group != NULL && group->rules == NULL && strcmp(group->file, document_name(loader->json)) == 0) {
            size_t mark = filters_load_down(loader, name);
            load_group(loader, value, group);
            filters_load_up(loader, mark);
        }
    }
}

static void load_file(struct filters_loader *loader)
{
    json_t *root = document_root(loader->json);
    if (!filters_load_object(loader, root, "a rule file", filters_file_keys, NULL)) {
        return;
    }
    static const char *const order[] = {"rules", "groups", "tests"};
    for (size_t i = 0; i < 3; i++) {
        json_t *value = json_object_get(root, order[i]);
        if (value == NULL) {
            continue;
        }
        size_t mark = filters_load_down(loader, order[i]);
        if (i == 0) {
            load_rules(loader, value, &loader->set->groups[0]);
        } else if (i == 1) {
            load_groups(loader, value);
        } else {
            filters_load_tests(loader, value);
        }
        filters_load_up(loader, mark);
    }
}

/* Names go into logs, metrics and tests: each one stands for one rule. */
static void check_names(struct filters_loader *loader)
{
    struct map *seen = map_new(FILTERS_RULES_MAX, NULL);
    for (size_t i = 0; i < loader->set->group_count; i++) {
        for (size_t j = 0; j < loader->set->groups[i].rule_count; j++) {
            struct filters_rule *rule = &loader->set->groups[i].rules[j];
            struct filters_rule *other = map_get(seen, bytes_of(rule->name));
            if (other != NULL && rule->name[0] != '\0') {
                problems_add(loader->problems, PROBLEM_ERROR, rule->file, rule->line, rule->column, "",
                             "another rule is called \"%s\" already: %s:%zu", rule->name, other->file, other->line);
            } else {
                disregard(map_set(seen, bytes_of(rule->name), rule));
            }
        }
    }
    map_free(&seen, NULL);
}

/* Depth first over "goto": a way back would let rules run for ever. */
static bool leads_back(struct filters_loader *loader, unsigned group, uint8_t *state)
{
    if (state[group] != 0) {
        return state[group] == 1;
    }
    state[group] = 1;
    const struct filters_group *here = &loader->set->groups[group];
    bool found = false;
    for (size_t i = 0; i < here->rule_count && !found; i++) {
        for (size_t j = 0; j < here->rules[i].action_count && !found; j++) {
            const struct filters_action *action = &here->rules[i].actions[j];
            if (action->kind == FILTERS_GOTO && leads_back(loader, action->group, state)) {
                problems_add(loader->problems, PROBLEM_ERROR, here->rules[i].file, here->rules[i].line,
                             here->rules[i].column, "", "\"goto\" in rule \"%s\" leads in a circle",
                             here->rules[i].name);
                found = true;
            }
        }
    }
    state[group] = 2;
    return false;
}

static void copy_fallback(struct filters_set *set, const struct filters_default *fallback)
{
    set->fallback.upstream = arena_text(set->arena, fallback->upstream);
    set->fallback.fallback = arena_text(set->arena, fallback->fallback);
    set->fallback.folder = arena_text(set->arena, fallback->folder == NULL ? "INBOX" : fallback->folder);
    const char **flags = expect_memory(arena_array(set->arena, fallback->flag_count, sizeof *flags));
    for (size_t i = 0; i < fallback->flag_count; i++) {
        flags[i] = expect_memory(arena_text(set->arena, fallback->flags[i]));
    }
    set->fallback.flags = flags;
    set->fallback.flag_count = fallback->flag_count;
}

/* One for the whole set: a file that says nothing goes by what another says. */
static void load_zone(struct filters_loader *loader, json_t *root)
{
    const char *name = filters_load_text(loader, root, "zone");
    const struct filters_zone *zone = name == NULL ? NULL : filters_load_zone(loader, name);
    if (name == NULL) {
        return;
    }
    if (zone == NULL) {
        filters_load_error_at(
            loader, "zone",
            "there is no zone \"%s\"; a zone is a name such as \"Europe/Berlin\" or an offset from UTC "
            "such as \"+01:00\"",
            name);
    } else if (loader->zone != NULL && loader->zone != zone) {
        filters_load_error_at(loader, "zone", "another rule file says \"%s\": all files must agree",
                              filters_zone_name(loader->zone));
    } else {
        loader->zone = zone;
    }
}

static void load_all(struct filters_loader *loader, struct document **documents)
{
    size_t count = loader->options->source_count;
    for (size_t i = 0; i < count; i++) {
        const struct filters_source *source = &loader->options->sources[i];
        documents[i] = document_parse(source->name, source->text, loader->problems);
        loader->json = documents[i];
        if (documents[i] != NULL) {
            filters_load_named(loader, document_root(documents[i]));
            filters_load_variables(loader, document_root(documents[i]));
            load_zone(loader, document_root(documents[i]));
            filters_load_authservs(loader, document_root(documents[i]));
        }
    }
    for (size_t i = 0; i < count; i++) {
        loader->json = documents[i];
        if (documents[i] != NULL) {
            load_file(loader);
        }
    }
    filters_load_unused(loader);
    filters_load_unused_maps(loader);
    check_names(loader);
    filters_load_check_tests(loader);
    uint8_t *state = expect_calloc(loader->set->group_count, 1);
    for (unsigned i = 0; i < loader->set->group_count; i++) {
        leads_back(loader, i, state);
    }
    free(state);
}

static void loader_init(struct filters_loader *loader)
{
    struct date date;
    date_of(loader->options->now_ms, &date);
    loader->today = loader->options->now_ms == 0 ? 0 : date.year * 10000 + date.month * 100 + date.day;
    loader->set->loaded_ms = loader->options->now_ms;
    buf_init(&loader->path, POINTER_MAX);
    loader->lists = map_new(FILTERS_NAMED_MAX, NULL);
    loader->conditions = map_new(FILTERS_NAMED_MAX, NULL);
    loader->subjects = map_new(FILTERS_NAMED_MAX, NULL);
    loader->variables = map_new(FILTERS_NAMED_MAX, NULL);
    loader->groups = map_new(FILTERS_NAMED_MAX, NULL);
    loader->maps = map_new(FILTERS_NAMED_MAX, NULL);
    loader->actions = map_new(FILTERS_NAMED_MAX, NULL);
    loader->counters = map_new(FILTERS_NAMED_MAX, NULL);
    loader->shared_patterns = map_new(FILTERS_NAMED_MAX, NULL);
}

static void loader_done(struct filters_loader *loader)
{
    buf_done(&loader->path);
    map_free(&loader->lists, NULL);
    map_free(&loader->conditions, NULL);
    map_free(&loader->subjects, NULL);
    map_free(&loader->variables, NULL);
    map_free(&loader->groups, NULL);
    map_free(&loader->maps, NULL);
    map_free(&loader->actions, NULL);
    map_free(&loader->counters, NULL);
    map_free(&loader->shared_patterns, NULL);
}

struct filters_set *filters_load(const struct filters_load_options *options, struct problems *problems)
{
    struct filters_set *set = expect_calloc(1, sizeof *set);
    set->arena = arena_new(SET_MAX);
    set->groups = expect_memory(arena_array(set->arena, FILTERS_GROUPS_MAX, sizeof *set->groups));
    set->group_count = 1;
    copy_fallback(set, &options->fallback);
    struct filters_loader loader = {.options = options, .problems = problems, .set = set};
    loader_init(&loader);
    size_t errors = problems_errors(problems);
    struct document **documents = expect_calloc(options->source_count + 1, sizeof *documents);
    load_all(&loader, documents);
    if (problems_errors(problems) == errors) {
        filters_lint(&loader);
        filters_load_counters(&loader);
        filters_prefilter_build(set);
        for (size_t i = 0; i < set->group_count; i++) {
            set->groups[i].index = filters_index_new(set, &set->groups[i]);
            EXPECT(filters_tried_prepare(set, &set->groups[i]) == 0);
        }
    } else {
        filters_set_free(&set);
    }
    for (size_t i = 0; i < options->source_count; i++) {
        document_free(&documents[i]);
    }
    free(documents);
    loader_done(&loader);
    return set;
}

void filters_set_free(struct filters_set **set)
{
    if (*set == NULL) {
        return;
    }
    for (size_t i = 0; i < (*set)->subject_count; i++) {
        filters_prefilter_free(&(*set)->subjects[i]->prefilter);
    }
    for (size_t i = 0; i < (*set)->pattern_count; i++) {
        filters_pattern_free(&(*set)->patterns[i]);
    }
    for (size_t i = 0; i < (*set)->word_set_count; i++) {
        filters_words_free(&(*set)->word_sets[i]);
    }
    for (size_t i = 0; i < (*set)->group_count; i++) {
        filters_index_free(&(*set)->groups[i].index);
    }
    for (size_t i = 0; i < (*set)->zone_count; i++) {
        filters_zone_free(&(*set)->zones[i]);
    }
    for (size_t i = 0; i < (*set)->map_count; i++) {
        filters_map_free(&(*set)->maps[i]);
    }
    free((*set)->zones);
    free((*set)->maps);
    free((*set)->patterns);
    free((*set)->word_sets);
    free((*set)->subjects);
    free((*set)->variables);
    arena_free(&(*set)->arena);
    free(*set);
    *set = NULL;
}

/* Everywhere where it may lie, so that the folders are looked after on each upstream. */
static void each_place(const struct filters_target *target, filters_target_fn *fn, void *ctx)
{
    fn(ctx, target->upstream, filters_template_text(target->folder), filters_template_is_constant(target->folder));
    if (target->fallback != NULL) {
        fn(ctx, target->fallback, filters_template_text(target->folder), filters_template_is_constant(target->folder));
    }
    for (size_t i = 0; i < target->way_count; i++) {
        const struct filters_way *way = &target->ways[i];
        const struct filters_template *folder = way->folder == NULL ? target->folder : way->folder;
        fn(ctx, way->upstream == NULL ? target->upstream : way->upstream, filters_template_text(folder),
           filters_template_is_constant(folder));
    }
}

static void each_target(const struct filters_action *actions, size_t count, filters_target_fn *fn, void *ctx)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < actions[i].target_count; k++) {
            each_place(&actions[i].targets[k], fn, ctx);
        }
    }
}

void filters_each_target(const struct filters_set *set, filters_target_fn *fn, void *ctx)
{
    for (size_t i = 0; i < set->group_count; i++) {
        const struct filters_group *group = &set->groups[i];
        for (size_t k = 0; k < group->rule_count; k++) {
            const struct filters_rule *rule = &group->rules[k];
            each_target(rule->actions, rule->disabled ? 0 : rule->action_count, fn, ctx);
        }
        each_target(group->defaults, group->default_count, fn, ctx);
    }
    if (set->fallback.upstream != NULL) {
        fn(ctx, set->fallback.upstream, set->fallback.folder, true);
    }
    if (set->fallback.upstream != NULL && set->fallback.fallback != NULL) {
        fn(ctx, set->fallback.fallback, set->fallback.folder, true);
    }
}

size_t filters_rule_count(const struct filters_set *set)
{
    return set->rule_count;
}

struct filters_rule_info filters_rule_at(const struct filters_set *set, size_t index)
{
    const struct filters_group *group = set->groups;
    for (; index >= group->rule_count; group++) {
        index -= group->rule_count;
    }
    const struct filters_rule *rule = &group->rules[index];
    return (struct filters_rule_info){rule->name, group->name, rule->file, rule->line, rule->disabled, rule->watch};
}

bool filters_needs_body(const struct filters_set *set)
{
    return set->needs_body;
}
