/*
 * filters_lint - warnings about rules that are right and yet hardly meant: unreachable, shadowed, unused, explosive.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"

#define SHADOW_WORDS_MAX 1000u    /* of a set: a larger one is found by its subject alone */
#define SHADOW_KEYS_MAX  2000000u /* tests of all rules of a group */

void filters_lint_pattern(struct filters_loader *loader, const struct filters_pattern *pattern)
{
    struct bytes part;
    if (filters_pattern_may_explode(pattern, &part)) {
        filters_load_warning_at(loader, NULL,
                                "\"%.*s\" is a repetition inside a repetition: on some texts the pattern will hit the "
                                "match limit, and the rule's \"on_error\" decides; make the inner repetition "
                                "possessive, or write what is between the repetitions",
                                (int)part.len, (const char *)part.ptr);
    }
}

static bool implies(const struct filters_condition *a, const struct filters_condition *b);

static bool same_words(const struct filters_condition *a, const struct filters_condition *b)
{
    if (a->word_count != b->word_count) {
        return false;
    }
    for (size_t i = 0; i < a->word_count; i++) {
        if (!bytes_equal(a->words[i], b->words[i])) {
            return false;
        }
    }
    return true;
}

static bool same_ranges(const struct filters_condition *a, const struct filters_condition *b)
{
    return a->range_count == b->range_count &&
           (a->range_count == 0 || memcmp(a->ranges, b->ranges, a->range_count * sizeof *a->ranges) == 0);
}

/* Whether a message for which test a holds is one for which test b holds, as far as that can be read from them. */
static bool test_implies(const struct filters_condition *a, const struct filters_condition *b)
{
    if (a->subject != b->subject || a->subject->is_volatile || a->operand != NULL || b->operand != NULL) {
        return false;
    }
    if (b->op == FILTERS_EXISTS && b->wanted && a->op != FILTERS_EXISTS) {
        return true;
    }
    if (a->nocase != b->nocase) {
        return false;
    }
    bool a_words = a->op == FILTERS_IS || a->op == FILTERS_IN;
    bool b_words = b->op == FILTERS_IS || b->op == FILTERS_IN;
    if (a_words && b_words && a->set != NULL && b->set != NULL) {
        return filters_words_within(a->set, b->set);
    }
    if (a->op != b->op) {
        return false;
    }
    if (a->patterns != NULL || b->patterns != NULL) {
        return a->patterns == b->patterns;
    }
    if (a->pattern != NULL) {
        return b->pattern != NULL && strcmp(filters_pattern_text(a->pattern), filters_pattern_text(b->pattern)) == 0;
    }
    return a->wanted == b->wanted && same_words(a, b) && same_ranges(a, b) && a->set == b->set;
}

static bool all_imply(const struct filters_condition *any, const struct filters_condition *b)
{
    for (size_t i = 0; i < any->child_count; i++) {
        if (!implies(any->children[i], b)) {
            return false;
        }
    }
    return true;
}

static bool one_implies(const struct filters_condition *all, const struct filters_condition *b)
{
    for (size_t i = 0; i < all->child_count; i++) {
        if (implies(all->children[i], b)) {
            return true;
        }
    }
    return false;
}

static bool implies_each(const struct filters_condition *a, const struct filters_condition *all)
{
    for (size_t i = 0; i < all->child_count; i++) {
        if (!implies(a, all->children[i])) {
            return false;
        }
    }
    return true;
}

static bool implies_one(const struct filters_condition *a, const struct filters_condition *any)
{
    for (size_t i = 0; i < any->child_count; i++) {
        if (implies(a, any->children[i])) {
            return true;
        }
    }
    return false;
}

static bool implies(const struct filters_condition *a, const struct filters_condition *b)
{
    if (a == b) {
        return true;
    }
    if (a->kind == FILTERS_EACH || b->kind == FILTERS_EACH) {
        return false; /* not looked into */
    }
    if (b->kind == FILTERS_ALL) {
        return implies_each(a, b);
    }
    if (a->kind == FILTERS_ANY) {
        return all_imply(a, b);
    }
    if (a->kind == FILTERS_ALL && one_implies(a, b)) {
        return true;
    }
    if (b->kind == FILTERS_ANY) {
        return implies_one(a, b);
    }
    if (a->kind == FILTERS_NOT && b->kind == FILTERS_NOT) {
        return implies(b->children[0], a->children[0]);
    }
    return a->kind == FILTERS_TEST && b->kind == FILTERS_TEST && test_implies(a, b);
}

static void warn_of_rule(struct filters_loader *loader, const struct filters_rule *rule, const char *what,
                         const struct filters_rule *by)
{
    problems_add(loader->problems, PROBLEM_WARNING, rule->file, rule->line, rule->column, "",
                 "rule \"%s\" can never act: %s \"%s\" (%s:%zu)", rule->name, what, by->name, by->file, by->line);
}

/* ---- shadows: a rule whose messages all end at one before it ---- */

/*
 * The rules so far that end the run, found by the test that another rule must share with them to be theirs: thousands
 * of rules are compared with the few that they could have something in common with.
 */
struct shadows {
    const struct filters_group *group;
    struct map *by_test;                   /* key -> struct places */
    struct places *others;                 /* their conditions begin with "not" or a quantifier */
    const struct filters_rule *everything; /* the first that has no condition */
};

struct places {
    uint32_t *rules;
    size_t count, size;
};

static void place_add(struct places *places, size_t rule)
{
    if (places->count > 0 && places->rules[places->count - 1] == rule) {
        return;
    }
    if (places->count == places->size) {
        places->size = places->size == 0 ? 2 : places->size * 2;
        places->rules = expect_memory(realloc(places->rules, places->size * sizeof *places->rules));
    }
    places->rules[places->count++] = (uint32_t)rule;
}

static void places_free(void *value)
{
    struct places *places = value;
    free(places->rules);
    free(places);
}

/* kind: "w" a word of a set, "s" any large set, "e" exists, "o" another operator with what it compares with. */
static void key_of(const struct filters_condition *test, char kind, struct bytes word, struct buf *key)
{
    buf_clear(key);
    buf_printf(key, "%u %c %d ", test->subject->number, kind, kind == 'o' ? (int)test->op : 0);
    buf_append_bytes(key, bytes_slice(word, 0, 200));
}

static bool has_set(const struct filters_condition *test)
{
    return test->set != NULL && (test->op == FILTERS_IS || test->op == FILTERS_IN);
}

/* What an equal test has too: a part of what it compares with. */
static struct bytes operand_of(const struct filters_condition *test)
{
    if (test->pattern != NULL) {
        return bytes_of(filters_pattern_text(test->pattern));
    }
    if (test->range_count > 0) {
        return bytes_at(test->ranges, sizeof *test->ranges);
    }
    return test->word_count > 0 ? test->words[0] : bytes_at(NULL, 0);
}

static void note_key(struct shadows *shadows, const struct buf *key, size_t rule)
{
    struct places *places = map_get(shadows->by_test, buf_bytes(key));
    if (places == NULL) {
        places = expect_calloc(1, sizeof *places);
        if (map_set(shadows->by_test, buf_bytes(key), places) < 0) {
            places_free(places);
            return;
        }
    }
    place_add(places, rule);
}

static void note_test(struct shadows *shadows, const struct filters_condition *test, size_t rule, struct buf *key)
{
    if (test->op == FILTERS_EXISTS && test->wanted) {
        key_of(test, 'e', bytes_at(NULL, 0), key);
        note_key(shadows, key, rule);
    }
    if (!has_set(test)) {
        key_of(test, 'o', operand_of(test), key);
        note_key(shadows, key, rule);
    } else if (filters_words_count(test->set) > SHADOW_WORDS_MAX) {
        key_of(test, 's', bytes_at(NULL, 0), key);
        note_key(shadows, key, rule);
    } else {
        size_t cursor = 0;
        struct bytes word;
        while (filters_words_next(test->set, &cursor, &word)) {
            key_of(test, 'w', word, key);
            note_key(shadows, key, rule);
        }
    }
}

/* By one test that whatever implies the condition implies too: of an "all" the first will do, of an "any" it may be
 * each. */
static void note_condition(struct shadows *shadows, const struct filters_condition *condition, size_t rule,
                           struct buf *key)
{
    switch (condition->kind) {
    case FILTERS_TEST:
        note_test(shadows, condition, rule, key);
        break;
    case FILTERS_ALL:
        note_condition(shadows, condition->children[0], rule, key);
        break;
    case FILTERS_ANY:
        for (size_t i = 0; i < condition->child_count; i++) {
            note_condition(shadows, condition->children[i], rule, key);
        }
        break;
    case FILTERS_NOT:
    case FILTERS_EACH:
        place_add(shadows->others, rule);
        break;
    }
}

static const struct filters_rule *shadow_among(const struct shadows *shadows, const struct places *places,
                                               const struct filters_rule *rule)
{
    for (size_t i = places == NULL ? 0 : places->count; i > 0; i--) {
        const struct filters_rule *before = &shadows->group->rules[places->rules[i - 1]];
        if (implies(rule->condition, before->condition)) {
            return before;
        }
    }
    return NULL;
}

static const struct filters_rule *shadow_of_test(const struct shadows *shadows, const struct filters_condition *test,
                                                 const struct filters_rule *rule, struct buf *key)
{
    struct bytes word = bytes_at(NULL, 0);
    size_t cursor = 0;
    const struct filters_rule *found = NULL;
    const char kinds[] = {'e', has_set(test) ? 'w' : 'o', 's'};
    if (has_set(test)) {
        disregard(filters_words_next(test->set, &cursor, &word));
    }
    for (size_t i = 0; i < sizeof kinds && found == NULL; i++) {
        key_of(test, kinds[i], kinds[i] == 'w' ? word : kinds[i] == 'o' ? operand_of(test) : bytes_at(NULL, 0), key);
        found = shadow_among(shadows, map_get(shadows->by_test, buf_bytes(key)), rule);
    }
    return found;
}

static const struct filters_rule *shadow_of(const struct shadows *shadows, const struct filters_condition *condition,
                                            const struct filters_rule *rule, struct buf *key)
{
    if (condition->kind == FILTERS_TEST) {
        return shadow_of_test(shadows, condition, rule, key);
    }
    if (condition->kind == FILTERS_NOT || condition->kind == FILTERS_EACH) {
        return shadow_among(shadows, shadows->others, rule);
    }
    const struct filters_rule *found = NULL;
    for (size_t i = 0; i < condition->child_count && found == NULL; i++) {
        found = shadow_of(shadows, condition->children[i], rule, key);
    }
    return found;
}

static void note_rule(struct shadows *shadows, const struct filters_rule *rule, size_t position, struct buf *key)
{
    bool ends = rule->ends || (shadows->group->first && !rule->watch && rule->until_ms == 0);
    if (rule->disabled || !ends) {
        return;
    }
    if (rule->condition == NULL) {
        shadows->everything = rule;
    } else {
        note_condition(shadows, rule->condition, position, key);
    }
}

static void lint_group(struct filters_loader *loader, const struct filters_group *group)
{
    struct shadows shadows = {.group = group, .by_test = map_new(SHADOW_KEYS_MAX, NULL)};
    struct buf key;
    buf_init(&key, 1000);
    shadows.others = expect_calloc(1, sizeof *shadows.others);
    for (size_t i = 0; i < group->rule_count; i++) {
        const struct filters_rule *rule = &group->rules[i];
        if (shadows.everything != NULL && !rule->disabled) {
            warn_of_rule(loader, rule, "every message ends at", shadows.everything);
            break; /* the same is true for all that follow */
        }
        const struct filters_rule *shadow =
            rule->disabled || rule->condition == NULL ? NULL : shadow_of(&shadows, rule->condition, rule, &key);
        if (shadow != NULL) {
            warn_of_rule(loader, rule, "every message that meets the condition ends at", shadow);
        }
        note_rule(&shadows, rule, i, &key);
    }
    buf_done(&key);
    map_free(&shadows.by_test, places_free);
    places_free(shadows.others);
}

static void lint_unused(struct filters_loader *loader, const struct map *map, const char *what)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(map, &cursor, &key, &value)) {
        const struct filters_named *named = value;
        size_t line, column;
        if (!named->used) {
            document_key_place(named->json, named->pointer, &line, &column);
            problems_add(loader->problems, PROBLEM_WARNING, document_name(named->json), line, column, named->pointer,
                         "no rule uses the %s \"%s\"", what, named->name);
        }
    }
}

/* Whether the condition asks for what only a decoded message tells. */
static bool asks_parts(const struct filters_condition *condition)
{
    if (condition->kind == FILTERS_TEST) {
        return condition->subject->extent == FILTERS_EXTENT_BODY &&
               condition->subject->kind != FILTERS_SUBJECT_MIME_LIMIT &&
               condition->subject->kind != FILTERS_SUBJECT_MIME_ERROR;
    }
    if (condition->kind == FILTERS_EACH && condition->subject->extent == FILTERS_EXTENT_BODY) {
        return true;
    }
    for (size_t i = 0; i < condition->child_count; i++) {
        if (asks_parts(condition->children[i])) {
            return true;
        }
    }
    return false;
}

static bool rejects(const struct filters_rule *rule)
{
    for (size_t i = 0; i < rule->action_count; i++) {
        if (rule->actions[i].kind == FILTERS_REJECT) {
            return true;
        }
    }
    return false;
}

static bool asks_limits(const struct filters_set *set)
{
    for (size_t i = 0; i < set->subject_count; i++) {
        if (set->subjects[i]->kind == FILTERS_SUBJECT_MIME_LIMIT) {
            return true;
        }
    }
    return false;
}

/* What is not decoded is not seen: a rule that refuses by it lets such messages pass. Told once, of the first. */
static void lint_open(struct filters_loader *loader)
{
    const struct filters_set *set = loader->set;
    for (size_t i = 0; i < set->group_count && !asks_limits(set); i++) {
        for (size_t k = 0; k < set->groups[i].rule_count; k++) {
            const struct filters_rule *rule = &set->groups[i].rules[k];
            if (!rule->disabled && rule->condition != NULL && rejects(rule) && asks_parts(rule->condition)) {
                problems_add(loader->problems, PROBLEM_WARNING, rule->file, rule->line, rule->column, "",
                             "rule \"%s\" refuses messages by their content, but a message that is too large or too "
                             "deep to decode gets past the rule: handle such messages with a rule {\"field\": "
                             "\"mime_limit\", \"exists\": true}",
                             rule->name);
                return;
            }
        }
    }
}

static void lint_variables(struct filters_loader *loader)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(loader->variables, &cursor, &key, &value)) {
        const struct filters_variable *variable = value;
        if (!variable->used) {
            problems_add(loader->problems, PROBLEM_WARNING, variable->file, variable->line, variable->column, "",
                         "the variable \"%.*s\" is set but never used", (int)key.len, (const char *)key.ptr);
        }
    }
}

void filters_lint(struct filters_loader *loader)
{
    const struct filters_set *set = loader->set;
    for (size_t i = 0; i < set->group_count; i++) {
        lint_group(loader, &set->groups[i]);
        if (i > 0 && !set->groups[i].used) {
            problems_add(loader->problems, PROBLEM_WARNING, set->groups[i].file, set->groups[i].line,
                         set->groups[i].column, "", "no \"goto\" leads into the group \"%s\"", set->groups[i].name);
        }
    }
    lint_open(loader);
    lint_unused(loader, loader->lists, "list");
    lint_unused(loader, loader->conditions, "condition");
    lint_unused(loader, loader->maps, "map");
    lint_unused(loader, loader->actions, "list of actions");
    lint_variables(loader);
}
