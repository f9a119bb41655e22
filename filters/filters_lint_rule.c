/*
 * filters_lint_rule - warnings about one rule whose parts are right by themselves: actions in an order in which some of
 * them do nothing, conditions that can never hold together, "not" over several values.
 */
#include <string.h>

#include "filters/filters_load.h"

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

static void warn_action(struct filters_loader *loader, size_t index, const char *word, const char *text)
{
    size_t then = filters_load_down(loader, "then");
    filters_load_item(loader, index);
    filters_load_warning_at(loader, NULL, "\"%s\" %s", word, text);
    filters_load_up(loader, then);
}

static void lint_actions(struct filters_loader *loader, const struct filters_rule *rule)
{
    bool filed = false; /* by this rule, by "fileinto" */
    for (size_t i = 0; i < rule->action_count; i++) {
        const struct filters_action *action = &rule->actions[i];
        const char *word = filters_action_keys[action->kind].name;
        if (prepares(action) && filed) {
            bool later = false;
            for (size_t k = i + 1; k < rule->action_count; k++) {
                later = later || files(&rule->actions[k]);
            }
            if (!later) {
                warn_action(loader, i, word, "changes only what is filed after it: write it before \"fileinto\"");
                return;
            }
        }
        if (action->kind == FILTERS_REJECT && (filed || (i > 0 && files(&rule->actions[i - 1])))) {
            warn_action(loader, i, word, "refuses the whole message: nothing of what stands before it is filed");
            return;
        }
        filed = filed || action->kind == FILTERS_FILEINTO;
    }
}

/* ---- conditions ---- */

/* A message has one of it for the recipient that is decided for. */
static bool is_single(const struct filters_subject *subject)
{
    return subject->kind != FILTERS_SUBJECT_HEADER && subject->kind != FILTERS_SUBJECT_BODY &&
           subject->kind != FILTERS_SUBJECT_ATTACHMENT;
}

static bool is_equality(const struct filters_condition *test)
{
    return test->kind == FILTERS_TEST && test->operator== FILTERS_IS && test->set != NULL &&
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

static void lint_all(struct filters_loader *loader, const struct filters_condition *all)
{
    for (size_t i = 0; i < all->child_count; i++) {
        for (size_t k = i + 1; k < all->child_count && is_equality(all->children[i]); k++) {
            const struct filters_condition *a = all->children[i], *b = all->children[k];
            if (is_equality(b) && a->subject == b->subject && a->nocase == b->nocase && !share_a_word(a, b)) {
                filters_load_warning_at(loader, "if",
                                        "it can never hold: two tests under \"all\" want different values of the same "
                                        "field, which has one at a time; under \"any\" one is enough");
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

static void lint_not(struct filters_loader *loader, const struct filters_condition *negation)
{
    const struct filters_condition *test = negation->children[0];
    if (test->kind == FILTERS_TEST && test->operator!= FILTERS_EXISTS && is_several(test->subject)) {
        filters_load_warning_at(loader, "if",
                                "\"not\" over several values holds when none of them is so: say that by \"none\", and "
                                "\"one of them is not\" by {\"not\": {\"every\": ...}}");
    }
}

static void lint_condition(struct filters_loader *loader, const struct filters_condition *condition)
{
    if (condition->name != NULL) {
        return; /* told once would be enough, and it is used by many */
    }
    if (condition->kind == FILTERS_ALL) {
        lint_all(loader, condition);
    }
    if (condition->kind == FILTERS_NOT) {
        lint_not(loader, condition);
    }
    for (size_t i = 0; condition->kind != FILTERS_TEST && i < condition->child_count; i++) {
        lint_condition(loader, condition->children[i]);
    }
}

void filters_lint_rule(struct filters_loader *loader, const struct filters_rule *rule)
{
    lint_actions(loader, rule);
    if (rule->condition != NULL) {
        lint_condition(loader, rule->condition);
    }
}
