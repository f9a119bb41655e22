/*
 * filters_match - decides conditions in three values: yes, no, not known yet (and: failed, when a limit was hit).
 *
 * all: the first "no" decides; any: the first "yes" does; "not known yet" stays so under not. Children are tried in the
 * order in which they are written, so what a limit does to a rule can be read from the rule.
 */
#include <string.h>

#include "filters/filters_run.h"
#include "filters/filters_trace.h"

static enum filters_verdict decide_condition(struct filters_run *run, const struct filters_condition *condition);

/* all and any are the same loop: `decisive` ends it, its opposite is the result when no child says otherwise. */
static enum filters_verdict decide_children(struct filters_run *run, const struct filters_condition *condition,
                                            enum filters_verdict decisive, enum filters_verdict otherwise)
{
    enum filters_verdict result = otherwise;
    for (size_t i = 0; i < condition->child_count; i++) {
        enum filters_verdict verdict = decide_condition(run, condition->children[i]);
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
    enum filters_verdict verdict = decide_condition(run, condition->children[0]);
    return verdict == FILTERS_YES ? FILTERS_NO : verdict == FILTERS_NO ? FILTERS_YES : verdict;
}

/* Room for one more, with its groups: kept for the rules that follow. -1 with a fault. */
static int grow_captures(struct filters_run *run)
{
    size_t size = run->capture_size == 0 ? 4 : run->capture_size * 2;
    struct filters_capture *captures = arena_array(run->arena, size, sizeof *captures);
    size_t added = size - run->capture_size;
    size_t *groups = arena_array(run->arena, added * 2 * FILTERS_PATTERN_MAX_GROUPS, sizeof *groups);
    if (captures == NULL || groups == NULL) {
        return filters_run_full(run);
    }
    if (run->capture_size > 0) {
        memcpy(captures, run->captures, run->capture_size * sizeof *captures);
    }
    for (size_t i = 0; i < added; i++) {
        captures[run->capture_size + i].groups = groups + i * 2 * FILTERS_PATTERN_MAX_GROUPS;
    }
    run->captures = captures;
    run->capture_size = size;
    return 0;
}

/* How many there can be is known when they are there: a count that the loader makes beforehand is one that must be kept
 * in step. */
static int add_capture(struct filters_run *run, const struct filters_pattern *pattern, struct bytes text)
{
    if (run->capture_count == run->capture_size && grow_captures(run) < 0) {
        return -1;
    }
    size_t *groups = run->captures[run->capture_count].groups;
    for (unsigned i = 0; i <= filters_pattern_groups(pattern); i++) {
        groups[2 * i] = groups[2 * i + 1] = SIZE_MAX;
        disregard(filters_matcher_group(run->matcher, i, &groups[2 * i], &groups[2 * i + 1]));
    }
    run->captures[run->capture_count++] = (struct filters_capture){.pattern = pattern, .text = text, .groups = groups};
    return 0;
}

int filters_run_match_forms(struct filters_run *run, const struct filters_pattern *pattern,
                            const struct filters_value *value, struct bytes *form_r)
{
    /* Most patterns match nothing: where one form tells that of both, the other is not looked at. */
    if (value->is_ascii && filters_pattern_is_of_words(pattern) &&
        filters_pattern_match(pattern, run->matcher, value->paragraphs) == 0) {
        return 0;
    }
    *form_r = value->text;
    int matched = filters_pattern_match(pattern, run->matcher, value->text);
    if (matched == 0) {
        *form_r = value->paragraphs;
        matched = filters_pattern_match(pattern, run->matcher, value->paragraphs);
    }
    return matched;
}

static enum filters_verdict match_pattern(struct filters_run *run, const struct filters_condition *condition,
                                          const struct filters_pattern *pattern, const struct filters_value *value)
{
    struct bytes form;
    int matched = filters_run_match(run, pattern, value, &form);
    if (matched == 0) {
        return FILTERS_NO;
    }
    if (matched < 0) {
        fault_set(run->fault, FAULT_LOCAL, "pattern-limit", "rules", "pattern \"%s\": %s",
                  filters_pattern_text(pattern), filters_matcher_error(run->matcher));
        return FILTERS_FAILED;
    }
    if (condition->pattern == NULL) {
        return FILTERS_YES; /* one of a list: which groups there are cannot be known by those who name them */
    }
    return add_capture(run, pattern, form) < 0 ? FILTERS_FAILED : FILTERS_YES;
}

static enum filters_verdict match_patterns(struct filters_run *run, const struct filters_condition *condition,
                                           const struct filters_value *value)
{
    for (size_t i = 0; i < condition->pattern_count; i++) {
        if (filters_run_rules_out(run, condition->subject, filters_pattern_number(condition->patterns[i]))) {
            continue;
        }
        if (!filters_run_may_test(run, value->text.len + value->paragraphs.len)) {
            disregard(filters_run_out_of_time(run));
            return FILTERS_FAILED;
        }
        enum filters_verdict verdict = match_pattern(run, condition, condition->patterns[i], value);
        if (verdict != FILTERS_NO) {
            return verdict;
        }
    }
    return FILTERS_NO;
}

static bool ends_with(struct bytes text, struct bytes word)
{
    return text.len >= word.len && bytes_equal(bytes_from(text, text.len - word.len), word);
}

static bool has_word(const struct filters_condition *condition, struct bytes text, struct bytes word)
{
    return condition->op == FILTERS_CONTAINS      ? bytes_find(text, word) >= 0
           : condition->op == FILTERS_STARTS_WITH ? bytes_equal(bytes_slice(text, 0, word.len), word)
                                                  : ends_with(text, word);
}

/* What paragraphs leave out of lines: then a word that holds it is looked for in the lines, too. */
static bool is_of_lines(struct bytes word)
{
    return !bytes_is_ascii(word) || bytes_find_octet(word, '\n') >= 0 || strchr(" \t>", word.ptr[0]) != NULL ||
           strchr(" \t", word.ptr[word.len - 1]) != NULL;
}

/* paragraphs: ptr NULL when the text has none. */
static bool match_any_word(const struct filters_condition *condition, struct bytes text, struct bytes paragraphs)
{
    for (size_t i = 0; i < condition->word_count; i++) {
        struct bytes word = condition->words[i];
        bool both = paragraphs.ptr == NULL || condition->op != FILTERS_CONTAINS || is_of_lines(word);
        if ((both && has_word(condition, text, word)) ||
            (paragraphs.ptr != NULL && has_word(condition, paragraphs, word))) {
            return true;
        }
    }
    return false;
}

/* One value with one value of the operand, both as the condition compares. */
static bool match_two(const struct filters_condition *condition, struct bytes text, struct bytes with)
{
    switch (condition->op) {
    case FILTERS_CONTAINS:
        return with.len > 0 && bytes_find(text, with) >= 0;
    case FILTERS_STARTS_WITH:
        return with.len > 0 && bytes_equal(bytes_slice(text, 0, with.len), with);
    case FILTERS_ENDS_WITH:
        return with.len > 0 && ends_with(text, with);
    default:
        return bytes_equal(text, with);
    }
}

static bool match_numbers(const struct filters_condition *condition, int64_t number, int64_t with)
{
    switch (condition->op) {
    case FILTERS_OVER:
        return number > with;
    case FILTERS_UNDER:
        return number < with;
    case FILTERS_AT_LEAST:
        return number >= with;
    case FILTERS_AT_MOST:
        return number <= with;
    default:
        return number == with;
    }
}

/* A number as it is compared with one of another type: scaled where either is. A count that is too large for that is
 * larger than all. */
static int64_t to_scale(int64_t number, enum filters_type type, enum filters_type other)
{
    int64_t scale = 1;
    for (unsigned i = 0; i < FILTERS_DECIMALS; i++) {
        scale *= 10;
    }
    bool is_count = type == FILTERS_TYPE_NUMBER && other == FILTERS_TYPE_DECIMAL;
    return !is_count ? number : number > INT64_MAX / scale ? INT64_MAX : number * scale;
}

static enum filters_verdict match_operand(struct filters_run *run, const struct filters_condition *condition,
                                          struct filters_value *value)
{
    const struct filters_fetched *with;
    enum filters_type type = condition->subject->type, with_type = condition->operand->type;
    bool texts = (type & (FILTERS_TYPE_TEXT | FILTERS_TYPE_NETWORK)) != 0;
    if (filters_run_fetch(run, condition->operand, &with) < 0) {
        return FILTERS_FAILED;
    }
    if (with->state == FILTERS_NOT_YET) {
        return FILTERS_UNKNOWN;
    }
    for (size_t i = 0; i < with->count; i++) {
        struct filters_value *other = &with->values[i];
        if (condition->nocase && texts && (filters_run_fold(run, value) < 0 || filters_run_fold(run, other) < 0)) {
            return FILTERS_FAILED;
        }
        bool fold = condition->nocase && texts;
        bool is = texts ? match_two(condition, fold ? value->folded : value->text, fold ? other->folded : other->text)
                        : match_numbers(condition, to_scale(value->number, type, with_type),
                                        to_scale(other->number, with_type, type));
        if (is) {
            return FILTERS_YES;
        }
    }
    return FILTERS_NO;
}

static bool match_range(const struct filters_condition *condition, int64_t number)
{
    for (size_t i = 0; i < condition->range_count; i++) {
        const struct filters_range *range = &condition->ranges[i];
        bool above = number >= range->low, below = number <= range->high;
        if (range->low <= range->high ? above && below : above || below) {
            return true;
        }
    }
    return false;
}

static enum filters_verdict match_text(struct filters_run *run, const struct filters_condition *condition,
                                       struct filters_value *value)
{
    if (condition->nocase && filters_run_fold(run, value) < 0) {
        return FILTERS_FAILED;
    }
    struct bytes text = condition->nocase ? value->folded : value->text;
    switch (condition->op) {
    case FILTERS_IS:
        return filters_words_has(condition->set, text) ? FILTERS_YES : FILTERS_NO;
    case FILTERS_IN:
        return filters_words_has_address(condition->set, text) ? FILTERS_YES : FILTERS_NO;
    default:
        return match_any_word(condition, text, condition->nocase ? value->paragraphs_folded : value->paragraphs)
                   ? FILTERS_YES
                   : FILTERS_NO;
    }
}

static enum filters_verdict match_value(struct filters_run *run, const struct filters_condition *condition,
                                        struct filters_value *value)
{
    if (!filters_run_may_test(run, value->text.len + value->paragraphs.len)) {
        disregard(filters_run_out_of_time(run));
        return FILTERS_FAILED;
    }
    if (condition->operand != NULL) {
        return match_operand(run, condition, value);
    }
    if (condition->op == FILTERS_MATCHES) {
        return condition->pattern == NULL ? match_patterns(run, condition, value)
                                          : match_pattern(run, condition, condition->pattern, value);
    }
    switch (condition->subject->type) {
    case FILTERS_TYPE_TEXT:
        return match_text(run, condition, value);
    case FILTERS_TYPE_NETWORK:
        return filters_words_has_network(condition->set, value->text) ? FILTERS_YES : FILTERS_NO;
    default:
        return match_range(condition, value->number) ? FILTERS_YES : FILTERS_NO;
    }
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
    if (condition->op == FILTERS_EXISTS) {
        return (fetched->count > 0) == condition->wanted ? FILTERS_YES : FILTERS_NO;
    }
    unsigned number;
    if (filters_condition_number(condition, &number) && filters_run_rules_out(run, condition->subject, number)) {
        return FILTERS_NO;
    }
    for (size_t i = 0; i < fetched->count; i++) {
        enum filters_verdict verdict = match_value(run, condition, &fetched->values[i]);
        if (verdict != FILTERS_NO) {
            return verdict;
        }
    }
    return FILTERS_NO;
}

/* The child for each value: "some" ends at the first yes, "every" at the first no, "none" is the opposite of "some". */
static enum filters_verdict decide_each(struct filters_run *run, const struct filters_condition *condition)
{
    const struct filters_fetched *fetched;
    if (filters_run_fetch(run, condition->subject, &fetched) < 0) {
        return FILTERS_FAILED;
    }
    if (fetched->state == FILTERS_NOT_YET) {
        return FILTERS_UNKNOWN;
    }
    /* The list may be fetched anew while it is walked, when the same formula stands inside. */
    struct filters_fetched values = *fetched;
    const struct filters_value *outer = run->item;
    bool every = condition->quantifier == FILTERS_EVERY;
    enum filters_verdict decisive = every ? FILTERS_NO : FILTERS_YES, result = every ? FILTERS_YES : FILTERS_NO;
    for (size_t i = 0; i < values.count && result != decisive && result != FILTERS_FAILED; i++) {
        run->item = &values.values[i];
        enum filters_verdict verdict = decide_condition(run, condition->children[0]);
        result = verdict == decisive || verdict == FILTERS_FAILED || verdict == FILTERS_UNKNOWN ? verdict : result;
    }
    run->item = outer;
    if (condition->quantifier != FILTERS_NONE || result == FILTERS_FAILED || result == FILTERS_UNKNOWN) {
        return result;
    }
    return result == FILTERS_YES ? FILTERS_NO : FILTERS_YES;
}

static enum filters_verdict decide_kind(struct filters_run *run, const struct filters_condition *condition)
{
    switch (condition->kind) {
    case FILTERS_ALL:
        return decide_children(run, condition, FILTERS_NO, FILTERS_YES);
    case FILTERS_ANY:
        return decide_children(run, condition, FILTERS_YES, FILTERS_NO);
    case FILTERS_NOT:
        return decide_not(run, condition);
    case FILTERS_EACH:
        return decide_each(run, condition);
    case FILTERS_TEST:
        break;
    }
    return decide_test(run, condition);
}

static enum filters_verdict decide_condition(struct filters_run *run, const struct filters_condition *condition)
{
    size_t captures = run->capture_count;
    if (run->trace != NULL) {
        filters_trace_enter(run->trace);
    }
    enum filters_verdict verdict = decide_kind(run, condition);
    if (run->trace != NULL) {
        filters_trace_leave(run->trace, run, condition, verdict, captures);
    }
    bool opposite =
        condition->kind == FILTERS_NOT || (condition->kind == FILTERS_EACH && condition->quantifier == FILTERS_NONE);
    if (verdict != FILTERS_YES || opposite) {
        /* A branch that did not hold gives no values, nor does what must not match. */
        run->capture_count = captures;
    }
    return verdict;
}

enum filters_verdict filters_run_rule(struct filters_run *run, const struct filters_rule *rule)
{
    run->capture_count = 0;
    if (rule->condition == NULL) {
        return FILTERS_YES;
    }
    if (run->never[rule->number] != 0 && run->trace == NULL) {
        return FILTERS_NO;
    }
    enum filters_verdict verdict = decide_condition(run, rule->condition);
    /* A message with a thousand recipients asks a thousand times: what does not look at them says the same again. */
    run->never[rule->number] = verdict == FILTERS_NO && !rule->condition->per_recipient;
    return verdict;
}
