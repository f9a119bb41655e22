/*
 * filters_lint_rule - warnings about what is right by its parts: actions in an order in which some of them do nothing,
 * conditions that can never hold together, "not" over several values.
 */
#include <string.h>

#include "filters/filters_formula.h"
#include "filters/filters_load.h"
#include "filters/filters_name.h"

#define GATHERED_MAX 64u /* tests that are compared with each other */

/* ---- actions ---- */

static bool files(const struct filters_action *action)
{
    return action->kind == FILTERS_FILEINTO || action->kind == FILTERS_COPY;
}

/* What changes only what is filed after it. */
static bool prepares(const struct filters_action *action)
{
    return action->kind == FILTERS_HOLD || action->kind == FILTERS_ADDHEADER || action->kind == FILTERS_DELETEHEADER ||
           action->kind == FILTERS_REPLACEHEADER || action->kind == FILTERS_TAG_SUBJECT;
}

static void warn_action(struct filters_loader *loader, const char *key, size_t index, const char *word,
                        const char *text)
{
    size_t mark = filters_load_down(loader, key);
    filters_load_item(loader, index);
    filters_load_warning_at(loader, NULL, "\"%s\" %s", word, text);
    filters_load_up(loader, mark);
}

static bool files_later(const struct filters_action *actions, size_t from, size_t count)
{
    for (; from < count; from++) {
        if (files(&actions[from])) {
            return true;
        }
    }
    return false;
}

void filters_lint_actions(struct filters_loader *loader, const struct filters_action *actions, size_t count,
                          const char *key)
{
    bool filed = false; /* by this list, by "fileinto" */
    for (size_t i = 0; i < count; i++) {
        const struct filters_action *action = &actions[i];
        const char *word = filters_action_keys[action->kind].name;
        bool refuses = action->kind == FILTERS_REJECT || action->kind == FILTERS_DEFER;
        if (i > 0 && filters_action_ends(actions[i - 1].kind) && !filters_action_ends(action->kind)) {
            filters_load_warning_at(loader, key, "the actions after \"%s\" are never done",
                                    filters_action_keys[actions[i - 1].kind].name);
            return;
        }
        if (prepares(action) && filed && !files_later(actions, i + 1, count)) {
            warn_action(loader, key, i, word, "changes only what is filed after it: write it before \"fileinto\"");
            return;
        }
        if (refuses && (filed || (i > 0 && files(&actions[i - 1])))) {
            warn_action(loader, key, i, word, "refuses the whole message: what is filed before it is not filed at all");
            return;
        }
        filed = filed || action->kind == FILTERS_FILEINTO;
    }
}

/* ---- conditions ---- */

/* A message has one of it for the recipient that is decided for. */
static bool is_single(const struct filters_subject *subject)
{
    const struct filters_formula *formula = subject->formula;
    if (formula == NULL) {
        return subject->kind <= FILTERS_SUBJECT_LIST_ID;
    }
    for (size_t i = 0; i < formula->step_count; i++) {
        if (formula->steps[i].call.function == FILTERS_SPLIT) {
            return false;
        }
    }
    return formula->source.kind != FILTERS_NAME_SUBJECT || is_single(formula->source.what);
}

static bool is_equality(const struct filters_condition *test)
{
    return test->kind == FILTERS_TEST && test->op == FILTERS_IS && test->set != NULL &&
           test->subject->type == FILTERS_TYPE_TEXT && is_single(test->subject);
}

static bool share_a_word(const struct filters_condition *a, const struct filters_condition *b)
{
    size_t cursor = 0;
    struct bytes word;
    while (filters_words_next(a->set, &cursor, &word)) {
        if (filters_words_has(b->set, word)) {
            return true;
        }
    }
    return false;
}

/* The tests for equal words that must all hold: those of an "all" in an "all", and of named conditions, too. */
static size_t gather_tests(const struct filters_condition *all, const struct filters_condition **tests, size_t count)
{
    for (size_t i = 0; i < all->child_count && count < GATHERED_MAX; i++) {
        const struct filters_condition *child = all->children[i];
        if (child->kind == FILTERS_ALL) {
            count = gather_tests(child, tests, count);
        } else if (is_equality(child)) {
            tests[count++] = child;
        }
    }
    return count;
}

static void lint_all(struct filters_loader *loader, const struct filters_condition *all, const char *key)
{
    const struct filters_condition *tests[GATHERED_MAX];
    size_t count = gather_tests(all, tests, 0);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            const struct filters_condition *a = tests[i], *b = tests[k];
            if (a->subject == b->subject && a->nocase == b->nocase && !share_a_word(a, b)) {
                filters_load_warning_at(loader, key,
                                        "this condition can never hold: two tests under \"all\" want different values "
                                        "of a field that has only one; under \"any\" one of them is enough");
                return;
            }
        }
    }
}

/* Fields and parts of which a message commonly has several. */
static bool is_several(const struct filters_subject *subject)
{
    if (subject->formula != NULL) {
        return false; /* it says itself which of them it means */
    }
    if (subject->part == FILTERS_PART_COUNT || subject->type != FILTERS_TYPE_TEXT) {
        return false;
    }
    static const char *const fields[] = {"To", "Cc", "Bcc", "Received", "*"};
    if (subject->kind == FILTERS_SUBJECT_ATTACHMENT || subject->header_count > 1) {
        return true;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields && subject->header_count == 1; i++) {
        if (bytes_is_nocase(bytes_of(subject->headers[0]), fields[i])) {
            return true;
        }
    }
    return false;
}

/* Whether it is a test of several values, or one of an "any". */
static bool asks_several(const struct filters_condition *condition)
{
    for (size_t i = 0; condition->kind == FILTERS_ANY && i < condition->child_count; i++) {
        if (asks_several(condition->children[i])) {
            return true;
        }
    }
    return condition->kind == FILTERS_TEST && condition->op != FILTERS_EXISTS && is_several(condition->subject);
}

static void lint_not(struct filters_loader *loader, const struct filters_condition *negation, const char *key)
{
    if (asks_several(negation->children[0])) {
        filters_load_warning_at(loader, key,
                                "over several values, \"not\" holds when none of them matches: write \"none\" for "
                                "that, and {\"not\": {\"every\": ...}} for \"at least one does not match\"");
    }
}

static void lint(struct filters_loader *loader, const struct filters_condition *condition, const char *key, bool in_all)
{
    if (condition->kind == FILTERS_ALL && !in_all) {
        lint_all(loader, condition, key);
    }
    if (condition->kind == FILTERS_NOT) {
        lint_not(loader, condition, key);
    }
    for (size_t i = 0; condition->kind != FILTERS_TEST && i < condition->child_count; i++) {
        if (condition->children[i]->name == NULL) { /* a named one is told of once, where it stands */
            lint(loader, condition->children[i], key, condition->kind == FILTERS_ALL);
        }
    }
}

void filters_lint_condition(struct filters_loader *loader, const struct filters_condition *condition, const char *key)
{
    if (key == NULL || condition->name == NULL) {
        lint(loader, condition, key, false);
    }
}
