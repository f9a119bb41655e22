/*
 * filters_formula - the values of a formula: its source, then one step after the other; see filters_formula.h.
 *
 * Every step makes a new list from the last one. Values are texts in the run's arena; what a step costs is charged to
 * the decision's time.
 */
#include "filters/filters_formula.h"

#include <stdio.h>
#include <string.h>

#include "filters/filters_name.h"
#include "filters/filters_run.h"
#include "filters/filters_text.h"
#include "mail/mail_date.h"

/* ---- the source ---- */

static int add_captured(struct filters_run *run, const struct filters_reference *reference,
                        struct filters_fetched *values)
{
    struct bytes text;
    if (!filters_name_group(run, reference, &text)) {
        return 0;
    }
    return filters_run_add_text(run, values, text);
}

static int add_variable(struct filters_run *run, unsigned number, struct filters_fetched *values)
{
    struct bytes text = run->variables[number];
    return text.ptr == NULL ? 0 : filters_run_add_text(run, values, text);
}

static int add_reception(struct filters_run *run, const struct filters_formula *formula, struct filters_fetched *values)
{
    char text[FILTERS_DATE_TEXT];
    int64_t number = filters_date_of(run->message->now_ms, formula->part, formula->zone, text);
    return filters_run_add_number(run, values, number, text);
}

static int add_item(struct filters_run *run, struct filters_fetched *values)
{
    return run->item == NULL ? 0 : filters_run_add_value(run, values, run->item);
}

/* A list of its own, or the subject's, which stays as it is. */
static int add_source(struct filters_run *run, const struct filters_formula *formula, struct filters_fetched *values)
{
    const struct filters_fetched *fetched;
    switch (formula->source.kind) {
    case FILTERS_NAME_GROUP:
    case FILTERS_NAME_NUMBER:
        return add_captured(run, &formula->source, values);
    case FILTERS_NAME_VARIABLE:
        return add_variable(run, formula->source.number, values);
    case FILTERS_NAME_ID:
        return filters_run_add_text(run, values,
                                    bytes_of(run->message->envelope->id == NULL ? "" : run->message->envelope->id));
    case FILTERS_NAME_DATE:
        return add_reception(run, formula, values);
    case FILTERS_NAME_ITEM:
        return add_item(run, values);
    case FILTERS_NAME_SUBJECT:
        break;
    }
    if (filters_run_fetch(run, formula->source.what, &fetched) < 0) {
        return -1;
    }
    *values = *fetched;
    return 0;
}

/* ---- steps that make one value of one ---- */

/* One more digit; false when it is more than a number holds. */
static bool push_digit(int64_t *number, int digit)
{
    if (*number > INT64_MAX / 10 - 1) {
        return false;
    }
    *number = *number * 10 + digit;
    return true;
}

static bool is_decimal(struct bytes text, int64_t *scaled_r)
{
    bool minus = text.len > 0 && text.ptr[0] == '-';
    text = bytes_from(text, text.len > 0 && (minus || text.ptr[0] == '+') ? 1 : 0);
    int64_t number = 0;
    size_t digits = 0, decimals = 0;
    bool point = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.' && !point && digits > 0) {
            point = true;
        } else if (!octet_is_digit(text.ptr[i]) || ++digits > 18) {
            return false;
        } else if (!point || decimals < FILTERS_DECIMALS) {
            decimals += point;
            if (!push_digit(&number, text.ptr[i] - '0')) {
                return false;
            }
        }
    }
    for (; decimals < FILTERS_DECIMALS; decimals++) {
        if (!push_digit(&number, 0)) {
            return false;
        }
    }
    *scaled_r = minus ? -number : number;
    return digits > 0;
}

bool filters_decimal(struct bytes text, int64_t *scaled_r)
{
    return is_decimal(bytes_trim(text), scaled_r);
}

static bool moment_of(struct bytes text, int64_t *ms_r)
{
    text = bytes_trim(text);
    return filters_date_iso(text, ms_r) || mail_date_parse(text, ms_r);
}

static int to_date(struct filters_run *run, const struct filters_step *step, struct bytes text,
                   struct filters_fetched *out)
{
    int64_t ms;
    char shown[FILTERS_DATE_TEXT];
    if (!moment_of(text, &ms)) {
        return 0;
    }
    int64_t number = filters_date_of(ms, step->part, step->zone, shown);
    return filters_run_add_number(run, out, number, shown);
}

static int to_age(struct filters_run *run, struct bytes text, struct filters_fetched *out)
{
    int64_t ms;
    char shown[40];
    if (!moment_of(text, &ms)) {
        return 0;
    }
    int64_t age = run->message->now_ms - ms;
    snprintf(shown, sizeof shown, "%llds", (long long)(age / 1000));
    return filters_run_add_number(run, out, age, shown);
}

static int to_number(struct filters_run *run, struct bytes text, struct filters_fetched *out)
{
    int64_t number;
    text = bytes_trim(text);
    if (!is_decimal(text, &number)) {
        return 0;
    }
    char shown[32];
    snprintf(shown, sizeof shown, "%.*s", (int)text.len, (const char *)text.ptr);
    return filters_run_add_number(run, out, number, shown);
}

static int length_of(struct filters_run *run, struct bytes text, struct filters_fetched *out)
{
    int64_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        length += (text.ptr[i] & 0xc0) != 0x80;
    }
    return filters_run_add_number(run, out, length, NULL);
}

/* hash(n) is a number that has a text too. */
static int hash_of(struct filters_run *run, const struct filters_step *step, struct bytes text,
                   struct filters_fetched *out)
{
    struct buf made;
    uint64_t number = 0;
    buf_init(&made, FILTERS_VALUE_MAX);
    filters_function_apply(&step->call, text, &made);
    bool is_number = step->call.number > 0 && bytes_to_u64(buf_bytes(&made), &number);
    int result = is_number ? filters_run_add_number(run, out, (int64_t)number, NULL)
                           : filters_run_add_text(run, out, buf_bytes(&made));
    buf_done(&made);
    return result;
}

static int look_up(struct filters_run *run, const struct filters_step *step, struct bytes text,
                   struct filters_fetched *out)
{
    const char *value = filters_map_find(step->map, text);
    return value == NULL ? 0 : filters_run_add_text(run, out, bytes_of(value));
}

static int replace_pattern(struct filters_run *run, const struct filters_step *step, struct bytes text,
                           struct filters_fetched *out)
{
    struct buf made;
    buf_init(&made, FILTERS_VALUE_MAX);
    int result = filters_pattern_replace(step->pattern, run->matcher, text, step->call.texts[1], &made);
    if (result < 0) {
        fault_set(run->fault, FAULT_LOCAL, "pattern-limit", "rules", "pattern \"%s\": %s",
                  filters_pattern_text(step->pattern), filters_matcher_error(run->matcher));
    } else {
        result = filters_run_add_text(run, out, buf_bytes(&made));
    }
    buf_done(&made);
    return result;
}

static int apply_text(struct filters_run *run, const struct filters_step *step, struct bytes text,
                      struct filters_fetched *out)
{
    struct buf made;
    buf_init(&made, FILTERS_VALUE_MAX);
    filters_function_apply(&step->call, text, &made);
    int result = filters_run_add_text(run, out, buf_bytes(&made));
    buf_done(&made);
    return result;
}

static int split_text(struct filters_run *run, const struct filters_step *step, struct bytes text,
                      struct filters_fetched *out)
{
    struct bytes at = step->call.texts[0];
    for (ptrdiff_t found = 0; found >= 0;) {
        found = bytes_find(text, at);
        struct bytes part = found < 0 ? text : bytes_slice(text, 0, (size_t)found);
        if (filters_run_add_text(run, out, bytes_trim(part)) < 0) {
            return -1;
        }
        text = found < 0 ? text : bytes_from(text, (size_t)found + at.len);
    }
    return 0;
}

static int apply_one(struct filters_run *run, const struct filters_step *step, const struct filters_value *value,
                     struct filters_fetched *out)
{
    switch (step->call.function) {
    case FILTERS_REPLACE_PATTERN:
        return replace_pattern(run, step, value->text, out);
    case FILTERS_SPLIT:
        return split_text(run, step, value->text, out);
    case FILTERS_LENGTH:
        return length_of(run, value->text, out);
    case FILTERS_HASH:
        return hash_of(run, step, value->text, out);
    case FILTERS_LOOKUP:
        return look_up(run, step, value->text, out);
    case FILTERS_TO_NUMBER:
        return to_number(run, value->text, out);
    case FILTERS_TO_DATE:
        return to_date(run, step, value->text, out);
    case FILTERS_TO_AGE:
        return to_age(run, value->text, out);
    case FILTERS_ATTRIBUTE:
        return filters_run_add_attribute(run, out, value, step->attribute);
    default:
        return apply_text(run, step, value->text, out);
    }
}

/* ---- steps over all values ---- */

static int join(struct filters_run *run, const struct filters_step *step, const struct filters_fetched *in,
                struct filters_fetched *out)
{
    struct buf all;
    buf_init(&all, FILTERS_VALUE_MAX);
    for (size_t i = 0; i < in->count; i++) {
        buf_append_bytes(&all, i == 0 ? bytes_at(NULL, 0) : step->call.texts[0]);
        buf_append_bytes(&all, in->values[i].text);
    }
    int result = in->count == 0 ? 0 : filters_run_add_text(run, out, buf_bytes(&all));
    buf_done(&all);
    return result;
}

static bool is_among(const struct filters_fetched *values, struct bytes text)
{
    for (size_t i = 0; i < values->count; i++) {
        if (bytes_equal(values->values[i].text, text)) {
            return true;
        }
    }
    return false;
}

static int unique(struct filters_run *run, const struct filters_fetched *in, struct filters_fetched *out)
{
    for (size_t i = 0; i < in->count; i++) {
        if (!is_among(out, in->values[i].text) && filters_run_add_value(run, out, &in->values[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int select_one(struct filters_run *run, const struct filters_step *step, const struct filters_fetched *in,
                      struct filters_fetched *out)
{
    int64_t index = step->index < 0 ? (int64_t)in->count + step->index : step->index;
    return index < 0 || (size_t)index >= in->count ? 0 : filters_run_add_value(run, out, &in->values[index]);
}

static int apply_each(struct filters_run *run, const struct filters_step *step, const struct filters_fetched *in,
                      struct filters_fetched *out)
{
    for (size_t i = 0; i < in->count; i++) {
        if (!filters_run_may_test(run, in->values[i].text.len)) {
            return filters_run_out_of_time(run);
        }
        if (apply_one(run, step, &in->values[i], out) < 0) {
            return -1;
        }
    }
    return 0;
}

static int apply_step(struct filters_run *run, const struct filters_step *step, const struct filters_fetched *in,
                      struct filters_fetched *out)
{
    static const struct filters_value nothing = {.number = 0};
    switch (step->call.function) {
    case FILTERS_COUNT:
        return filters_run_add_number(run, out, (int64_t)in->count, NULL);
    case FILTERS_JOIN:
        return join(run, step, in, out);
    case FILTERS_UNIQUE:
        return unique(run, in, out);
    case FILTERS_SELECT:
        return select_one(run, step, in, out);
    case FILTERS_DEFAULT_TO:
        return in->count == 0 ? apply_one(run, step, &nothing, out) : apply_each(run, step, in, out);
    default:
        return apply_each(run, step, in, out);
    }
}

int filters_formula_values(struct filters_run *run, const struct filters_formula *formula,
                           struct filters_fetched *values_r, filters_step_fn *fn, void *ctx)
{
    struct filters_fetched values = {.state = FILTERS_FETCHED};
    if (formula->extent > run->extent) {
        values_r->state = FILTERS_NOT_YET;
        return 0;
    }
    if (add_source(run, formula, &values) < 0) {
        return -1;
    }
    if (fn != NULL) {
        fn(ctx, formula->source.name, &values);
    }
    for (size_t i = 0; i < formula->step_count && values.state == FILTERS_FETCHED; i++) {
        struct filters_fetched next = {.state = FILTERS_FETCHED};
        if (apply_step(run, &formula->steps[i], &values, &next) < 0) {
            return -1;
        }
        values = next;
        if (fn != NULL) {
            fn(ctx, formula->steps[i].text, &values);
        }
    }
    *values_r = values;
    return 0;
}

struct bytes filters_formula_fill(void *ctx, const struct filters_reference *reference)
{
    struct filters_run *run = ctx;
    struct filters_fetched values = {.state = FILTERS_NOT_YET};
    if (filters_formula_values(run, reference->what, &values, NULL, NULL) < 0) {
        return bytes_at(NULL, 0); /* the fault is filled: the decision fails */
    }
    run->incomplete = run->incomplete || values.state == FILTERS_NOT_YET;
    return values.state == FILTERS_NOT_YET || values.count == 0 ? bytes_at(NULL, 0) : values.values[0].text;
}
