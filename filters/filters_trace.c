/*
 * filters_trace - see filters_trace.h.
 */
#include "filters/filters_trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_formula.h"
#include "filters/filters_text.h"

#define SHOWN_VALUES 20
#define SHOWN_OCTETS 300u
#define SHOWN_WORDS  5

void filters_trace_init(struct filters_trace *trace)
{
    trace->recipients = json_array();
    trace->rules = NULL;
    trace->depth = 0;
    trace->size = 64;
    trace->stack = expect_calloc(trace->size, sizeof *trace->stack);
}

void filters_trace_done(struct filters_trace *trace)
{
    json_decref(trace->recipients);
    trace->recipients = NULL;
    free(trace->stack);
}

static void put_escaped(uint32_t character, struct buf *out)
{
    if (character == '\n' || character == '\r' || character == '\t') {
        buf_append_text(out, character == '\n' ? "\\n" : character == '\r' ? "\\r" : "\\t");
    } else if (filters_text_is_control(character)) {
        buf_printf(out, "\\u{%x}", (unsigned)character);
    } else {
        filters_text_append(out, character);
    }
}

/* What nobody would see is shown by what JSON and C write for it: a terminal wants no controls, and who compares must
 * see them. */
static json_t *text_value(struct bytes text)
{
    struct bytes cut = filters_text_cut(text, SHOWN_OCTETS);
    struct buf out;
    buf_init(&out, SHOWN_OCTETS * 10);
    struct bytes rest = cut;
    while (rest.len > 0) {
        uint32_t character;
        rest = bytes_from(rest, filters_text_next(rest, &character));
        put_escaped(character, &out);
    }
    buf_append_text(&out, cut.len < text.len ? "..." : "");
    json_t *value = json_stringn((const char *)buf_bytes(&out).ptr, out.len);
    buf_done(&out);
    return value == NULL ? json_string("") : value;
}

static const char *field_name(const struct filters_subject *subject)
{
    for (const struct filters_field_row *row = filters_fields; row->name != NULL; row++) {
        if (row->kind == subject->kind) {
            return row->name;
        }
    }
    static const struct {
        enum filters_kind kind;
        const char *name;
    } others[] = {{FILTERS_SUBJECT_ATTACHMENTS, "attachments"},
                  {FILTERS_SUBJECT_PARTS, "parts"},
                  {FILTERS_SUBJECT_AUTH, "auth"},
                  {FILTERS_SUBJECT_COUNTER, "counter"},
                  {FILTERS_SUBJECT_ADDRESSEES, "recipients"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (others[i].kind == subject->kind) {
            return others[i].name;
        }
    }
    return "header";
}

static const char *part_name(enum filters_part part)
{
    for (const struct filters_part_row *row = filters_parts; row->name != NULL; row++) {
        if (row->part == part) {
            return row->name;
        }
    }
    return "";
}

static void describe_subject(const struct filters_subject *subject, struct buf *out)
{
    if (subject->formula != NULL) {
        buf_append_text(out, subject->formula->text);
        return;
    }
    buf_append_text(out, field_name(subject));
    for (size_t i = 0; i < subject->header_count; i++) {
        buf_printf(out, "%s%s", i == 0 ? " " : ", ", subject->headers[i]);
    }
    if (subject->kind == FILTERS_SUBJECT_COUNTER) {
        buf_printf(out, " %s within %llds", subject->key == NULL ? "" : filters_template_text(subject->key),
                   (long long)(subject->within_ms / 1000));
    }
    if (subject->part != FILTERS_PART_WHOLE) {
        buf_printf(out, " %s", part_name(subject->part));
    }
}

void filters_trace_recipient(struct filters_trace *trace, const char *address)
{
    if (trace == NULL) {
        return;
    }
    json_t *recipient = json_object();
    trace->rules = json_array();
    json_object_set_new(recipient, "to", text_value(bytes_of(address)));
    json_object_set_new(recipient, "rules", trace->rules);
    json_array_append_new(trace->recipients, recipient);
}

void filters_trace_rule_begin(struct filters_trace *trace)
{
    if (trace == NULL) {
        return;
    }
    trace->depth = 0;
    trace->stack[0] = json_array();
    trace->began_us = trace->clock_us == NULL ? 0 : trace->clock_us(trace->ctx);
}

static const char *verdict_name(enum filters_verdict verdict)
{
    static const char *const names[] = {
        [FILTERS_NO] = "no", [FILTERS_YES] = "yes", [FILTERS_UNKNOWN] = "unknown", [FILTERS_FAILED] = "failed"};
    return names[verdict];
}

void filters_trace_rule_end(struct filters_trace *trace, const struct filters_group *group,
                            const struct filters_rule *rule, enum filters_verdict verdict, const char *why)
{
    if (trace == NULL) {
        return;
    }
    json_t *entry = json_object();
    json_object_set_new(entry, "rule", json_string(rule->name));
    if (group->name != NULL) {
        json_object_set_new(entry, "group", json_string(group->name));
    }
    json_object_set_new(entry, "file", json_string(rule->file));
    json_object_set_new(entry, "line", json_integer((json_int_t)rule->line));
    json_object_set_new(entry, "result", json_string(rule->disabled ? "disabled" : verdict_name(verdict)));
    if (rule->watch || rule->off != NULL) {
        json_object_set_new(entry, rule->watch ? "state" : "off",
                            text_value(bytes_of(rule->watch ? "watch" : rule->off)));
    }
    if (why != NULL) {
        json_object_set_new(entry, "error", text_value(bytes_of(why)));
    }
    if (trace->clock_us != NULL) {
        json_object_set_new(entry, "us", json_integer((json_int_t)(trace->clock_us(trace->ctx) - trace->began_us)));
    }
    if (json_array_size(trace->stack[0]) > 0) {
        json_object_set(entry, "if", json_array_get(trace->stack[0], 0));
    }
    json_decref(trace->stack[0]);
    json_array_append_new(trace->rules, entry);
}

void filters_trace_note(struct filters_trace *trace, const char *what)
{
    if (trace == NULL) {
        return;
    }
    json_t *entry = json_object();
    json_object_set_new(entry, "note", text_value(bytes_of(what)));
    json_array_append_new(trace->rules, entry);
}

void filters_trace_enter(struct filters_trace *trace)
{
    if (trace->depth + 1 >= trace->size) {
        trace->size *= 2;
        trace->stack = expect_memory(realloc(trace->stack, trace->size * sizeof *trace->stack));
    }
    trace->stack[++trace->depth] = json_array();
}

static json_t *values_of(const struct filters_fetched *fetched)
{
    json_t *list = json_array();
    for (size_t i = 0; i < fetched->count && i < SHOWN_VALUES; i++) {
        json_array_append_new(list, text_value(fetched->values[i].text));
    }
    return list;
}

static json_t *values_seen(const struct filters_run *run, const struct filters_subject *subject)
{
    return values_of(&run->fetched[subject->number]);
}

static void add_step(void *ctx, const char *text, const struct filters_fetched *fetched)
{
    json_t *steps = ctx, *step = json_object();
    json_object_set_new(step, "step", text_value(bytes_of(text)));
    json_object_set_new(step, "values", values_of(fetched));
    json_array_append_new(steps, step);
}

/* What each step of the formula gave. It is worked out once more: what it is made of has been fetched. */
static void add_steps(json_t *entry, struct filters_run *run, const struct filters_subject *subject)
{
    if (subject->formula == NULL || subject->formula->step_count == 0) {
        return;
    }
    json_t *steps = json_object_get(entry, "steps");
    if (steps == NULL) {
        steps = json_array();
        json_object_set_new(entry, "steps", steps);
    }
    struct filters_fetched values;
    struct fault *fault = run->fault, aside = FAULT_INIT;
    run->fault = &aside; /* what hit a limit hits it again, and was told */
    disregard(filters_formula_values(run, subject->formula, &values, add_step, steps));
    run->fault = fault;
}

/* A trace is taken of a run that is under way; the run is not const where it is made. */
static struct filters_run *trace_run(const struct filters_run *run)
{
    return (struct filters_run *)(uintptr_t)run;
}

static json_t *groups_captured(const struct filters_capture *capture)
{
    json_t *list = json_array();
    for (unsigned i = 0; i <= filters_pattern_groups(capture->pattern); i++) {
        size_t start = capture->groups[2 * i], end = capture->groups[2 * i + 1];
        if (start == SIZE_MAX) {
            json_array_append_new(list, json_null());
            continue;
        }
        const char *name = filters_pattern_group_name(capture->pattern, i);
        json_t *group = json_object();
        json_object_set_new(group, "text", text_value(bytes_slice(capture->text, start, end - start)));
        json_object_set_new(group, "start", json_integer((json_int_t)start));
        json_object_set_new(group, "end", json_integer((json_int_t)end));
        if (name != NULL) {
            json_object_set_new(group, "name", json_string(name));
        }
        json_array_append_new(list, group);
    }
    return list;
}

/* Appends the condition as people write it: from is "a@b"; header Subject matches "^x" without case. */
static void describe_condition(const struct filters_condition *condition, struct buf *out);

void filters_trace_leave(struct filters_trace *trace, const struct filters_run *run,
                         const struct filters_condition *condition, enum filters_verdict verdict,
                         size_t captures_before)
{
    static const char *const kinds[] = {"all", "any", "not", "each"};
    static const char *const quantifiers[] = {
        [FILTERS_SOME] = "some", [FILTERS_EVERY] = "every", [FILTERS_NONE] = "none"};
    json_t *parts = trace->stack[trace->depth--];
    json_t *entry = json_object();
    if (condition->name != NULL) {
        json_object_set_new(entry, "condition", json_string(condition->name));
    }
    if (condition->kind == FILTERS_TEST) {
        struct buf text;
        buf_init(&text, 4096);
        describe_condition(condition, &text);
        json_object_set_new(entry, "test", text_value(buf_bytes(&text)));
        json_object_set_new(entry, "saw", values_seen(run, condition->subject));
        add_steps(entry, trace_run(run), condition->subject);
        if (condition->operand != NULL) {
            json_object_set_new(entry, "with", values_seen(run, condition->operand));
            add_steps(entry, trace_run(run), condition->operand);
        }
        buf_done(&text);
    } else {
        bool each = condition->kind == FILTERS_EACH;
        json_object_set_new(entry, "kind",
                            json_string(each ? quantifiers[condition->quantifier] : kinds[condition->kind]));
        json_object_set(entry, "parts", parts);
        if (each) {
            struct buf text;
            buf_init(&text, 4096);
            describe_subject(condition->subject, &text);
            json_object_set_new(entry, "of", text_value(buf_bytes(&text)));
            buf_done(&text);
            add_steps(entry, trace_run(run), condition->subject);
        }
    }
    if (condition->kind == FILTERS_TEST && run->capture_count > captures_before) {
        json_object_set_new(entry, "captured", groups_captured(&run->captures[captures_before]));
    }
    json_object_set_new(entry, "result", json_string(verdict_name(verdict)));
    json_decref(parts);
    json_array_append_new(trace->stack[trace->depth], entry);
}

/* ---- conditions in words ---- */

static void describe_words(const struct filters_condition *condition, struct buf *out)
{
    for (size_t i = 0; i < condition->word_count && i < SHOWN_WORDS; i++) {
        buf_printf(out, "%s\"%.*s\"", i == 0 ? " " : ", ", (int)filters_text_cut(condition->words[i], 200).len,
                   (const char *)condition->words[i].ptr);
    }
    if (condition->word_count > SHOWN_WORDS) {
        buf_printf(out, " and %zu more", condition->word_count - SHOWN_WORDS);
    }
}

static void describe_number(const struct filters_condition *condition, int64_t number, struct buf *out)
{
    switch (condition->subject->type) {
    case FILTERS_TYPE_TIME:
        buf_printf(out, " %02d:%02d:%02d", (int)(number / 3600), (int)(number / 60 % 60), (int)(number % 60));
        break;
    case FILTERS_TYPE_DATE:
        buf_printf(out, " %04d-%02d-%02d", (int)(number / 10000), (int)(number / 100 % 100), (int)(number % 100));
        break;
    case FILTERS_TYPE_WEEKDAY:
        buf_printf(out, " %s", filters_weekdays[number]);
        break;
    case FILTERS_TYPE_DECIMAL:
        buf_printf(out, " %g", (double)number / 1e6);
        break;
    case FILTERS_TYPE_DURATION:
        buf_printf(out, " %llds", (long long)(number / 1000));
        break;
    case FILTERS_TYPE_TEXT:
    case FILTERS_TYPE_NETWORK:
    case FILTERS_TYPE_NUMBER:
        buf_printf(out, " %lld", (long long)number);
        break;
    }
}

/* The one range of an operator, as the rule writes it: numbers are kept as ranges that include both ends. */
static void describe_range(const struct filters_condition *condition, struct buf *out)
{
    const struct filters_range *range = &condition->ranges[0];
    switch (condition->op) {
    case FILTERS_OVER:
        describe_number(condition, range->low - 1, out);
        break;
    case FILTERS_UNDER:
        describe_number(condition, range->high + 1, out);
        break;
    case FILTERS_AT_LEAST:
        describe_number(condition, range->low, out);
        break;
    case FILTERS_AT_MOST:
        describe_number(condition, range->high, out);
        break;
    default:
        describe_number(condition, range->low, out);
        buf_append_text(out, " and");
        describe_number(condition, range->high, out);
        break;
    }
}

static void describe_ranges(const struct filters_condition *condition, struct buf *out)
{
    if (condition->op != FILTERS_IS && condition->op != FILTERS_IN) {
        describe_range(condition, out);
        return;
    }
    for (size_t i = 0; i < condition->range_count && i < SHOWN_WORDS; i++) {
        const struct filters_range *range = &condition->ranges[i];
        buf_append_text(out, i == 0 ? "" : ",");
        buf_append_text(out, range->low == range->high ? "" : " from");
        describe_number(condition, range->low, out);
        if (range->high != range->low) {
            buf_append_text(out, " to");
            describe_number(condition, range->high, out);
        }
    }
}

static size_t entry_count(const struct filters_condition *condition)
{
    return condition->set != NULL        ? filters_words_count(condition->set)
           : condition->patterns != NULL ? condition->pattern_count
           : condition->range_count > 0  ? condition->range_count
                                         : condition->word_count;
}

/* What it is compared with. */
static void describe_operand(const struct filters_condition *condition, struct buf *out)
{
    if (condition->operand != NULL) {
        buf_append_text(out, " that of ");
        describe_subject(condition->operand, out);
    } else if (condition->pattern != NULL) {
        buf_printf(out, " \"%s\"", filters_pattern_text(condition->pattern));
    } else if (condition->list != NULL || condition->patterns != NULL) {
        buf_printf(out, " %s%s (%zu entries)", condition->list == NULL ? "a list" : "the list ",
                   condition->list == NULL ? "" : condition->list, entry_count(condition));
    } else if (condition->range_count > 0) {
        describe_ranges(condition, out);
    } else if (condition->word_count > 0) {
        describe_words(condition, out);
    } else if (condition->set != NULL) {
        buf_printf(out, " a list (%zu entries)", filters_words_count(condition->set));
    }
}

static void describe_condition(const struct filters_condition *condition, struct buf *out)
{
    describe_subject(condition->subject, out);
    if (condition->op == FILTERS_EXISTS) {
        buf_append_text(out, condition->wanted ? " exists" : " does not exist");
        return;
    }
    buf_printf(out, " %s", filters_operators[condition->op].name);
    describe_operand(condition, out);
    if (condition->nocase && !condition->subject->nocase) {
        buf_append_text(out, " (ignoring case)");
    }
}
