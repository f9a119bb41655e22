/*
 * filters_match - decides conditions in three values: yes, no, not known yet (and: failed, when a limit was hit).
 *
 * all: the first "no" decides; any: the first "yes" does; "not known yet" stays so under not. Children are tried in the order
 * in which they are written, so what a limit does to a rule can be read from the rule.
 */
#include <string.h>

#include "base/expect.h"
#include "filters/filters_run.h"

static enum filters_verdict decide(struct filters_run *run, const struct filters_condition *condition);

/* all and any are the same loop: `decisive` ends it, its opposite is the result when no child says otherwise. */
static enum filters_verdict decide_children(struct filters_run *run, const struct filters_condition *condition,
                                            enum filters_verdict decisive, enum filters_verdict otherwise)
{
    enum filters_verdict result = otherwise;
    for (size_t i = 0; i < condition->child_count; i++) {
        enum filters_verdict verdict = decide(run, condition->children[i]);
        if (verdict == decisive || verdict == FILTERS_FAILED) {
            return verdict;
        }
        if (verdict == FILTERS_UNKNOWN) {
            result = FILTERS_UNKNOWN;
        }
    }
    return result;
}

static enum filters_verdict decide_not(struct filters_run *run, const struct filters_condition *condition)
{
    size_t captures = run->capture_count;
    enum filters_verdict verdict = decide(run, condition->children[0]);
    run->capture_count = captures; /* what must not match captures nothing */
    return verdict == FILTERS_YES ? FILTERS_NO : verdict == FILTERS_NO ? FILTERS_YES : verdict;
}

static bool is_any_word(const struct filters_condition *condition, struct bytes value)
{
    for (size_t i = 0; i < condition->word_count; i++) {
        struct bytes word = condition->words[i];
        if (condition->ignore_case ? bytes_equal_nocase(word, value) : bytes_equal(word, value)) {
            return true;
        }
    }
    return false;
}

static int add_capture(struct filters_run *run, const struct filters_pattern *pattern, struct bytes text)
{
    size_t count = filters_pattern_groups(pattern) + 1u;
    size_t *groups = arena_array(run->arena, count * 2, sizeof *groups);
    if (groups == NULL || run->capture_count == run->capture_size) {
        fault_set(run->fault, FAULT_LOCAL, "rules-memory", "rules", "a rule captured more than it may keep");
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        groups[2 * i] = groups[2 * i + 1] = SIZE_MAX;
        filters_matcher_group(run->matcher, i, &groups[2 * i], &groups[2 * i + 1]);
    }
    run->captures[run->capture_count++] = (struct filters_capture){.pattern = pattern, .text = text, .groups = groups};
    return 0;
}

static enum filters_verdict match_value(struct filters_run *run, const struct filters_condition *condition, struct bytes value)
{
    if (condition->operator == FILTERS_IS) {
        return is_any_word(condition, value) ? FILTERS_YES : FILTERS_NO;
    }
    int matched = filters_pattern_match(condition->pattern, run->matcher, value);
    if (matched < 0) {
        fault_set(run->fault, FAULT_LOCAL, "pattern-limit", "rules", "pattern \"%s\": %s",
                  filters_pattern_text(condition->pattern), filters_matcher_error(run->matcher));
        return FILTERS_FAILED;
    }
    if (matched == 1 && add_capture(run, condition->pattern, value) < 0) {
        return FILTERS_FAILED;
    }
    return matched == 1 ? FILTERS_YES : FILTERS_NO;
}

static enum filters_verdict decide_test(struct filters_run *run, const struct filters_condition *condition)
{
    const struct filters_fetched *fetched;
    if (filters_run_fetch(run, condition->subject, &fetched) < 0) {
        return FILTERS_FAILED;
    }
    if (fetched->state == FILTERS_NOT_YET) {
        return FILTERS_UNKNOWN;
    }
    for (size_t i = 0; i < fetched->count; i++) {
        enum filters_verdict verdict = match_value(run, condition, fetched->values[i]);
        if (verdict != FILTERS_NO) {
            return verdict;
        }
    }
    return FILTERS_NO;
}

static enum filters_verdict decide(struct filters_run *run, const struct filters_condition *condition)
{
    switch (condition->kind) {
    case FILTERS_ALL:
        return decide_children(run, condition, FILTERS_NO, FILTERS_YES);
    case FILTERS_ANY:
        return decide_children(run, condition, FILTERS_YES, FILTERS_NO);
    case FILTERS_NOT:
        return decide_not(run, condition);
    case FILTERS_TEST:
        break;
    }
    return decide_test(run, condition);
}

enum filters_verdict filters_run_rule(struct filters_run *run, const struct filters_rule *rule)
{
    run->capture_count = 0;
    return rule->condition == NULL ? FILTERS_YES : decide(run, rule->condition);
}
