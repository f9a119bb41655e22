/*
 * filters_lint - warnings about rules that are right and yet hardly meant: unreachable, shadowed, unused, explosive.
 */
#include <string.h>

#include "filters/filters_load.h"

#define SHADOWS_LOOKED_AT 500u /* ending rules before a rule that it is compared with */

void filters_lint_pattern(struct filters_loader *loader, const struct filters_pattern *pattern)
{
    struct bytes part;
    if (filters_pattern_may_explode(pattern, &part)) {
        filters_load_warning_at(loader, NULL,
                                "\"%.*s\" repeats what repeats: on some texts the match limit will cut it, and the "
                                "rule's \"on_error\" decides; "
                                "make the inner one possessive or say what stands between",
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
    if (b->operator== FILTERS_EXISTS && b->wanted && a->operator!= FILTERS_EXISTS) {
        return true;
    }
    if (a->nocase != b->nocase) {
        return false;
    }
    bool a_words = a->operator== FILTERS_IS || a->operator== FILTERS_IN;
    bool b_words = b->operator== FILTERS_IS || b->operator== FILTERS_IN;
    if (a_words && b_words && a->set != NULL && b->set != NULL) {
        return filters_words_within(a->set, b->set);
    }
    if (a->operator!= b->operator) {
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

static void warn(struct filters_loader *loader, const struct filters_rule *rule, const char *what,
                 const struct filters_rule *by)
{
    problems_add(loader->problems, PROBLEM_WARNING, rule->file, rule->line, rule->column, "",
                 "rule \"%s\" can never act: %s \"%s\" (%s:%zu)", rule->name, what, by->name, by->file, by->line);
}

/* The rule that ends the run for every message that this one would see; NULL when there is none. */
static const struct filters_rule *shadow_of(const struct filters_group *group, size_t position)
{
    const struct filters_rule *rule = &group->rules[position];
    size_t looked_at = 0;
    for (size_t i = position; i > 0 && looked_at < SHADOWS_LOOKED_AT; i--) {
        const struct filters_rule *before = &group->rules[i - 1];
        bool ends = before->ends || (group->first && !before->watch && before->until_ms == 0);
        if (before->disabled || !ends) {
            continue;
        }
        looked_at++;
        if (before->condition == NULL || (rule->condition != NULL && implies(rule->condition, before->condition))) {
            return before;
        }
    }
    return NULL;
}

static void lint_group(struct filters_loader *loader, const struct filters_group *group)
{
    for (size_t i = 0; i < group->rule_count; i++) {
        const struct filters_rule *shadow = group->rules[i].disabled ? NULL : shadow_of(group, i);
        if (shadow != NULL && shadow->condition == NULL) {
            warn(loader, &group->rules[i], "every message ends at", shadow);
            return; /* the same is true for all that follow */
        }
        if (shadow != NULL) {
            warn(loader, &group->rules[i], "its messages end at", shadow);
        }
    }
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
                         "the %s \"%s\" is used by no rule", what, named->name);
        }
    }
}

/* Whether the condition asks for what only a decoded message tells. */
static bool asks_parts(const struct filters_condition *condition)
{
    if (condition->kind == FILTERS_TEST) {
        return condition->subject->stage == FILTERS_STAGE_BODY &&
               condition->subject->kind != FILTERS_SUBJECT_MIME_LIMIT &&
               condition->subject->kind != FILTERS_SUBJECT_MIME_ERROR;
    }
    if (condition->kind == FILTERS_EACH && condition->subject->stage == FILTERS_STAGE_BODY) {
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
                problems_add(
                    loader->problems, PROBLEM_WARNING, rule->file, rule->line, rule->column, "",
                    "rule \"%s\" refuses by what is in the message, and a message that is too large or too deep to be "
                    "decoded passes it: say what becomes of those by a rule {\"field\": \"mime_limit\", \"exists\": "
                    "true}",
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
                         "the variable \"%.*s\" is set and never used", (int)key.len, (const char *)key.ptr);
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
