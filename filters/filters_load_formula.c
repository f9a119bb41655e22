/*
 * filters_load_formula - compiles what stands between "${" and "}", and what "of" names; the grammar is in
 * filters_formula.h.
 *
 * Each step knows the type of what it gets, so that a test with the wrong operator, a zone where there is no date and
 * an attribute that nothing has are told when the rules are loaded, with their place inside the text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_formula.h"
#include "filters/filters_load.h"
#include "filters/filters_name.h"

struct compiler {
    struct filters_loader *loader;
    struct arena *arena;
    struct bytes text; /* all of it */
    struct bytes rest; /* not read yet: a tail of text */
    struct buf *error;
    struct filters_formula *formula;
    struct filters_step steps[FILTERS_STEPS_MAX];
    enum { NO_DATE, SOURCE_DATE, STEP_DATE } date; /* what made the date that a zone or a part belongs to */
    size_t date_step;
};

/* ---- reading ---- */

static size_t place(const struct compiler *compiler)
{
    return compiler->text.len - compiler->rest.len;
}

/* Closes the error with its place; -1. */
static int fail_at(struct compiler *compiler, size_t offset)
{
    size_t characters = 1;
    for (size_t i = 0; i < offset; i++) {
        characters += (compiler->text.ptr[i] & 0xc0) != 0x80;
    }
    buf_printf(compiler->error, " (at character %zu of \"%.*s\")", characters,
               (int)(compiler->text.len > 200 ? 200 : compiler->text.len), (const char *)compiler->text.ptr);
    return -1;
}

static void skip_blanks(struct compiler *compiler)
{
    while (compiler->rest.len > 0 && memchr(" \t\r\n", compiler->rest.ptr[0], 4) != NULL) {
        compiler->rest = bytes_from(compiler->rest, 1);
    }
}

static bool next_is(const struct compiler *compiler, uint8_t octet)
{
    return compiler->rest.len > 0 && compiler->rest.ptr[0] == octet;
}

/* What stands before the next of these octets outside quotes and parentheses. */
static struct bytes cut_before(struct compiler *compiler, const char *ends)
{
    bool quoted = false;
    size_t i = 0, depth = 0;
    for (; i < compiler->rest.len; i++) {
        uint8_t octet = compiler->rest.ptr[i];
        if (!quoted && depth == 0 && strchr(ends, octet) != NULL && octet != '\0') {
            break;
        }
        quoted = octet == '\'' ? !quoted : quoted;
        depth += !quoted && octet == '(';
        depth -= !quoted && octet == ')' && depth > 0;
    }
    struct bytes before = bytes_slice(compiler->rest, 0, i);
    compiler->rest = bytes_from(compiler->rest, i);
    return before;
}

static const char *copy_text(struct compiler *compiler, struct bytes text)
{
    return expect_memory(arena_copy(compiler->arena, text));
}

static struct filters_step *add_step(struct compiler *compiler, const char *text)
{
    if (compiler->formula->step_count == FILTERS_STEPS_MAX) {
        buf_printf(compiler->error, "more than %d functions on one value", FILTERS_STEPS_MAX);
        return NULL;
    }
    struct filters_step *step = &compiler->steps[compiler->formula->step_count++];
    *step = (struct filters_step){.text = text};
    return step;
}

/* ---- selectors ---- */

/* "[first]", "[-2]": which of the values. */
static int read_index(struct compiler *compiler)
{
    size_t start = place(compiler);
    struct bytes whole = compiler->rest;
    compiler->rest = bytes_from(compiler->rest, 1);
    struct bytes inside = bytes_trim(cut_before(compiler, "]"));
    bool closed = next_is(compiler, ']');
    compiler->rest = bytes_from(compiler->rest, closed ? 1 : 0);
    bool back = inside.len > 0 && inside.ptr[0] == '-';
    uint64_t number = 0;
    bool is = bytes_is(inside, "first") || bytes_is(inside, "last") ||
              (bytes_to_u64(bytes_from(inside, back ? 1 : 0), &number) && number > 0 && number < 100000);
    if (!closed || !is) {
        buf_append_text(compiler->error, "the brackets choose one of the values: [first], [last], [2], [-2]");
        return fail_at(compiler, start);
    }
    struct filters_step *step =
        add_step(compiler, copy_text(compiler, bytes_slice(whole, 0, whole.len - compiler->rest.len)));
    if (step == NULL) {
        return fail_at(compiler, start);
    }
    step->call.function = FILTERS_SELECT;
    step->index = number == 0 ? (bytes_is(inside, "last") ? -1 : 0) : back ? -(int)number : (int)number - 1;
    return 0;
}

static bool has_attribute(enum filters_object object, enum filters_part part)
{
    switch (object) {
    case FILTERS_OBJECT_ADDRESS:
    case FILTERS_OBJECT_MAILBOX:
        return part == FILTERS_PART_ADDRESS || part == FILTERS_PART_USER || part == FILTERS_PART_DETAIL ||
               part == FILTERS_PART_DOMAIN || (part == FILTERS_PART_NAME && object == FILTERS_OBJECT_MAILBOX);
    case FILTERS_OBJECT_ATTACHMENT:
        return part == FILTERS_PART_NAME || part == FILTERS_PART_TYPE || part == FILTERS_PART_SIZE;
    case FILTERS_OBJECT_PART:
        return part == FILTERS_PART_TYPE || part == FILTERS_PART_TEXT;
    case FILTERS_OBJECT_TEXT:
        break;
    }
    return false;
}

/* ".name" of what the values are. */
static int read_attribute(struct compiler *compiler)
{
    struct filters_formula *formula = compiler->formula;
    size_t start = place(compiler);
    compiler->rest = bytes_from(compiler->rest, 1);
    const char *name = copy_text(compiler, bytes_trim(cut_before(compiler, "|[.")));
    const char *known[FILTERS_KEYS_MAX] = {NULL};
    size_t count = 0;
    for (const struct filters_part_row *row = filters_parts; row->name != NULL; row++) {
        if (!has_attribute(formula->object, row->part)) {
            continue;
        }
        known[count++] = row->name;
        struct filters_step *step =
            strcmp(row->name, name) == 0 ? add_step(compiler, arena_printf(compiler->arena, ".%s", name)) : NULL;
        if (step != NULL) {
            step->call.function = FILTERS_ATTRIBUTE;
            step->attribute = row->part;
            formula->type = row->type;
            formula->nocase = row->nocase;
            formula->object = FILTERS_OBJECT_TEXT;
            filters_load_note_attribute(compiler->loader, row->part);
            return 0;
        }
    }
    buf_printf(compiler->error, "\".%s\": %s", name, count == 0 ? "these values have no attributes" : "there is");
    for (size_t i = 0; i < count; i++) {
        buf_printf(compiler->error, "%s .%s", i == 0 ? "" : ",", known[i]);
    }
    return fail_at(compiler, start);
}

static int read_selectors(struct compiler *compiler)
{
    for (;;) {
        if (next_is(compiler, '[')) {
            if (read_index(compiler) < 0) {
                return -1;
            }
        } else if (next_is(compiler, '.')) {
            if (read_attribute(compiler) < 0) {
                return -1;
            }
        } else {
            return 0;
        }
    }
}

/* ---- the source ---- */

/* "." is the value at hand; ".name" an attribute of it. */
static int read_item(struct compiler *compiler)
{
    struct filters_formula *formula = compiler->formula;
    const struct filters_subject *items = compiler->loader->items;
    if (items == NULL) {
        buf_append_text(
            compiler->error,
            "\".\" is the current value inside \"some\", \"every\" or \"none\", and this is not inside one of them");
        return fail_at(compiler, place(compiler));
    }
    formula->source = (struct filters_reference){.kind = FILTERS_NAME_ITEM, .name = ".", .may_be_empty = true};
    formula->type = items->type;
    formula->nocase = items->nocase;
    formula->object = items->object;
    formula->is_volatile = true;
    formula->per_recipient = items->per_recipient;
    formula->extent = items->extent;
    if (compiler->rest.len == 1 || memchr("|[ ", compiler->rest.ptr[1], 3) != NULL) {
        compiler->rest = bytes_from(compiler->rest, 1);
    }
    return 0;
}

static void take_subject(struct filters_formula *formula, const struct filters_subject *subject)
{
    formula->type = subject->type;
    formula->nocase = subject->nocase;
    formula->object = subject->object;
    formula->extent = subject->extent;
    formula->per_recipient = subject->per_recipient;
    formula->is_volatile = subject->is_volatile;
}

/* What the named source gives; the time of reception is a date like those of header fields. */
static void take_source(struct compiler *compiler)
{
    struct filters_formula *formula = compiler->formula;
    formula->type = FILTERS_TYPE_TEXT;
    switch (formula->source.kind) {
    case FILTERS_NAME_SUBJECT:
        take_subject(formula, formula->source.what);
        break;
    case FILTERS_NAME_DATE:
        formula->part = (enum filters_date_part)formula->source.number;
        formula->type = filters_date_type(formula->part);
        formula->zone = compiler->loader->zone;
        formula->extent = FILTERS_EXTENT_HEADER;
        compiler->date = SOURCE_DATE;
        break;
    case FILTERS_NAME_VARIABLE:
        /* What an earlier rule would set may hang on what is not known yet. */
        formula->extent = FILTERS_EXTENT_HEADER;
        formula->is_volatile = true;
        formula->per_recipient = true;
        break;
    case FILTERS_NAME_ID:
        formula->extent = FILTERS_EXTENT_HEADER;
        break;
    case FILTERS_NAME_GROUP:
    case FILTERS_NAME_NUMBER:
    case FILTERS_NAME_ITEM:
        formula->is_volatile = true;
        break;
    }
}

/* "parts", "parts('text/calendar')". */
static int read_parts(struct compiler *compiler)
{
    struct filters_formula *formula = compiler->formula;
    size_t start = place(compiler);
    compiler->rest = bytes_from(compiler->rest, strlen("parts"));
    struct filters_call call = {.count = 0};
    if (next_is(compiler, '(')) {
        struct bytes inside = bytes_trim(cut_before(compiler, "|[."));
        bool closed = inside.ptr[inside.len - 1] == ')';
        if (!closed ||
            filters_function_arguments(compiler->arena, bytes_slice(inside, 1, inside.len - 2), "parts", &call,
                                       compiler->error) < 0 ||
            call.count > 1) {
            buf_append_text(compiler->error,
                            call.count > 1 || !closed ? "parts() takes one media type, such as 'text/calendar'" : "");
            return fail_at(compiler, start);
        }
    }
    char *type = expect_memory(arena_copy(compiler->arena, call.count == 0 ? bytes_of("") : call.texts[0]));
    for (char *c = type; *c != '\0'; c++) {
        *c = (char)octet_lower((uint8_t)*c);
    }
    formula->source = (struct filters_reference){.kind = FILTERS_NAME_SUBJECT, .may_be_empty = true};
    formula->source.what = filters_load_parts(compiler->loader, type);
    formula->source.name = copy_text(compiler, bytes_slice(compiler->text, start, place(compiler) - start));
    take_source(compiler);
    return 0;
}

/* Whether the source is this word, and no capture or variable is called so. */
static bool is_source(const struct compiler *compiler, const char *word)
{
    size_t len = strlen(word);
    return bytes_equal(bytes_slice(compiler->rest, 0, len), bytes_of(word)) &&
           (compiler->rest.len == len || memchr("(|[. ", compiler->rest.ptr[len], 5) != NULL) &&
           filters_load_is_free(compiler->loader, word);
}

/* "recipients" alone is their number, unless texts are compared; with anything behind it, it is each of them. */
static bool are_recipients(const struct compiler *compiler)
{
    static const char word[] = "recipients";
    return is_source(compiler, word) &&
           (compiler->loader->wants_texts || bytes_trim(compiler->rest).len > sizeof word - 1);
}

static int read_recipients(struct compiler *compiler)
{
    compiler->rest = bytes_from(compiler->rest, strlen("recipients"));
    compiler->formula->source = (struct filters_reference){
        .kind = FILTERS_NAME_SUBJECT, .name = "recipients", .what = filters_load_recipients(compiler->loader)};
    take_source(compiler);
    return 0;
}

static int read_source(struct compiler *compiler)
{
    struct filters_formula *formula = compiler->formula;
    skip_blanks(compiler);
    if (is_source(compiler, "parts")) {
        return read_parts(compiler);
    }
    if (are_recipients(compiler)) {
        return read_recipients(compiler);
    }
    if (next_is(compiler, '.')) {
        return read_item(compiler);
    }
    size_t start = place(compiler);
    struct bytes name = bytes_trim(cut_before(compiler, "|[ \t"));
    if (name.len == 0) {
        buf_append_text(compiler->error,
                        "no value is named here: write one, such as \"subject\" or \"header.Date | date\"");
        return fail_at(compiler, start);
    }
    const char *text = copy_text(compiler, name);
    if (filters_load_name(compiler->loader, text, &formula->source, compiler->error) < 0) {
        return fail_at(compiler, start);
    }
    formula->source.name = text;
    take_source(compiler);
    return 0;
}

/* ---- functions ---- */

static int set_zone(struct compiler *compiler, const struct filters_call *call)
{
    const char *name = copy_text(compiler, call->texts[0]);
    const struct filters_zone *zone = filters_load_zone(compiler->loader, name);
    if (compiler->date == NO_DATE) {
        buf_append_text(compiler->error,
                        "\"zone\" follows a date: {\"of\": \"header.Date | date | zone('Europe/Berlin')\"}");
        return -1;
    }
    if (zone == NULL) {
        buf_printf(compiler->error,
                   "there is no zone \"%s\"; a zone is a name such as \"Europe/Berlin\" or an offset from UTC such as "
                   "\"+01:00\"",
                   name);
        return -1;
    }
    if (compiler->date == SOURCE_DATE) {
        compiler->formula->zone = zone;
    } else {
        compiler->steps[compiler->date_step].zone = zone;
    }
    return 0;
}

/* "month" behind a date: the date is shown by that part. */
static int set_part(struct compiler *compiler, const char *name)
{
    char full[40];
    snprintf(full, sizeof full, "date.%s", name);
    enum filters_date_part part = (enum filters_date_part)filters_date_part(full);
    if (compiler->date == NO_DATE) {
        buf_printf(compiler->error, "\"%s\" follows a date: \"date | %s\", \"header.Date | date | %s\"", name, name,
                   name);
        return -1;
    }
    if (compiler->date == SOURCE_DATE) {
        compiler->formula->part = part;
    } else {
        compiler->steps[compiler->date_step].part = part;
    }
    return 0;
}

static int set_pattern(struct compiler *compiler, struct filters_step *step)
{
    struct buf error;
    buf_init(&error, 500);
    struct filters_pattern *pattern = filters_pattern_new(copy_text(compiler, step->call.texts[0]), false, &error);
    if (pattern == NULL) {
        buf_printf(compiler->error, "the pattern does not compile: %s", buf_text(&error));
    } else {
        filters_load_keep_pattern(compiler->loader, pattern);
        const char *wrong = filters_pattern_replacement_error(pattern, step->call.texts[1]);
        buf_append_text(compiler->error, wrong == NULL ? "" : wrong);
        step->pattern = wrong == NULL ? pattern : NULL;
    }
    buf_done(&error);
    return step->pattern == NULL ? -1 : 0;
}

/* What the function takes beside its arguments. */
static int complete_step(struct compiler *compiler, struct filters_step *step)
{
    switch (step->call.function) {
    case FILTERS_REPLACE_PATTERN:
        return set_pattern(compiler, step);
    case FILTERS_LOOKUP:
        step->map = filters_load_map(compiler->loader, copy_text(compiler, step->call.texts[0]), compiler->error);
        return step->map == NULL ? -1 : 0;
    case FILTERS_TO_DATE:
    case FILTERS_TO_AGE:
        step->zone = compiler->loader->zone;
        return 0;
    default:
        return 0;
    }
}

/* What the function does to the most and the least of a value, as far as a folder's name hangs on it. */
static void note_call(struct filters_reference *reference, const struct filters_call *call)
{
    switch (call->function) {
    case FILTERS_DEFAULT_TO:
        reference->may_be_empty = reference->may_be_empty && call->texts[0].len == 0;
        reference->most = reference->most > call->texts[0].len ? reference->most : 0;
        break;
    case FILTERS_FIRST:
    case FILTERS_LAST:
        if (call->number > 0 && call->number < FILTERS_FOLDER_VALUE_MAX / 4) {
            reference->most = (unsigned)call->number * 4; /* UTF-8: up to four octets each */
        }
        break;
    case FILTERS_LOWER:
    case FILTERS_UPPER:
    case FILTERS_TRIM:
    case FILTERS_UNIQUE:
    case FILTERS_DATE_PART:
    case FILTERS_IN_ZONE:
        break;
    case FILTERS_COUNT:
        reference->may_be_empty = false;
        reference->most = 20;
        break;
    case FILTERS_LENGTH:
    case FILTERS_HASH:
        reference->most = 0;
        break;
    default: /* of "..." a slug is nothing, and so on */
        reference->may_be_empty = true;
        reference->most = 0;
        break;
    }
}

static bool keeps_case(enum filters_function function)
{
    return function == FILTERS_LOWER || function == FILTERS_UPPER || function == FILTERS_TRIM ||
           function == FILTERS_UNIQUE || function == FILTERS_FIRST || function == FILTERS_LAST ||
           function == FILTERS_SPLIT || function == FILTERS_REPLACE || function == FILTERS_DEFAULT_TO;
}

static void note_type(struct compiler *compiler, const struct filters_function_row *row,
                      const struct filters_call *call)
{
    struct filters_formula *formula = compiler->formula;
    if (row->gives != 0) {
        formula->type = call->function == FILTERS_HASH && call->number > 0 ? FILTERS_TYPE_NUMBER : row->gives;
    }
    if (row->function != FILTERS_UNIQUE && row->function != FILTERS_IN_ZONE) {
        formula->object = FILTERS_OBJECT_TEXT;
    }
    formula->nocase = formula->nocase && (keeps_case(row->function) || row->function == FILTERS_IN_ZONE);
    note_call(&formula->source, call);
}

/* A zone or a part is no step of its own: the date before it has its value then, and explain shows them together. */
static void append_to_date(struct compiler *compiler, struct bytes text)
{
    const char **shown =
        compiler->date == SOURCE_DATE ? &compiler->formula->source.name : &compiler->steps[compiler->date_step].text;
    struct buf both;
    buf_init(&both, 4096);
    buf_printf(&both, "%s | %.*s", *shown, (int)text.len, (const char *)text.ptr);
    *shown = copy_text(compiler, buf_bytes(&both));
    buf_done(&both);
}

static int read_function(struct compiler *compiler)
{
    const struct filters_function_row *row;
    struct filters_call call;
    compiler->rest = bytes_from(compiler->rest, 1); /* the "|" */
    skip_blanks(compiler);
    size_t start = place(compiler);
    struct bytes text = bytes_trim(cut_before(compiler, "|["));
    if (filters_function_parse(compiler->arena, text, &row, &call, compiler->error) < 0) {
        return fail_at(compiler, start);
    }
    if (row->function == FILTERS_IN_ZONE || row->function == FILTERS_DATE_PART) {
        int set = row->function == FILTERS_IN_ZONE ? set_zone(compiler, &call) : set_part(compiler, row->name);
        if (set < 0) {
            return fail_at(compiler, start);
        }
        append_to_date(compiler, text);
        note_type(compiler, row, &call);
        return 0;
    }
    struct filters_step *step = add_step(compiler, copy_text(compiler, text));
    if (step == NULL) {
        return fail_at(compiler, start);
    }
    step->call = call;
    if (complete_step(compiler, step) < 0) {
        return fail_at(compiler, start);
    }
    compiler->date = row->function == FILTERS_TO_DATE ? STEP_DATE : NO_DATE;
    compiler->date_step = compiler->formula->step_count - 1;
    note_type(compiler, row, &call);
    if (row->function == FILTERS_TO_AGE && compiler->formula->extent < FILTERS_EXTENT_HEADER) {
        compiler->formula->extent = FILTERS_EXTENT_HEADER; /* the time of reception is known then */
    }
    return 0;
}

static int compile_formula(struct compiler *compiler)
{
    if (read_source(compiler) < 0 || read_selectors(compiler) < 0) {
        return -1;
    }
    for (skip_blanks(compiler); compiler->rest.len > 0; skip_blanks(compiler)) {
        if (!next_is(compiler, '|')) {
            buf_append_text(compiler->error, "write \"|\" between a value and the function to apply to it");
            return fail_at(compiler, place(compiler));
        }
        if (read_function(compiler) < 0 || read_selectors(compiler) < 0) {
            return -1;
        }
    }
    return 0;
}

const struct filters_formula *filters_load_formula(struct filters_loader *loader, struct bytes text, struct buf *error)
{
    struct compiler compiler = {
        .loader = loader, .arena = loader->set->arena, .text = text, .rest = text, .error = error};
    compiler.formula = filters_load_alloc(loader, 1, sizeof *compiler.formula);
    compiler.formula->text = copy_text(&compiler, bytes_trim(text));
    if (compile_formula(&compiler) < 0) {
        return NULL;
    }
    struct filters_step *steps = filters_load_alloc(loader, compiler.formula->step_count, sizeof *steps);
    memcpy(steps, compiler.steps, compiler.formula->step_count * sizeof *steps);
    compiler.formula->steps = steps;
    return compiler.formula;
}

const struct filters_subject *filters_load_of(struct filters_loader *loader, const char *text)
{
    struct buf error;
    size_t len = strlen(text);
    if (len > 3 && strncmp(text, "${", 2) == 0 && text[len - 1] == '}') {
        filters_load_error(loader, "here a value is written without \"${\" and \"}\": \"%.*s\"", (int)len - 3,
                           text + 2);
        return NULL;
    }
    buf_init(&error, 2000);
    const struct filters_formula *formula = filters_load_formula(loader, bytes_of(text), &error);
    const struct filters_subject *subject = NULL;
    if (formula == NULL) {
        filters_load_error(loader, "%s", buf_text(&error));
    } else if (formula->step_count == 0 && formula->source.kind == FILTERS_NAME_SUBJECT) {
        subject = formula->source.what; /* the same as its old name: it shares index and values */
    } else {
        subject = filters_load_subject(loader, &(struct filters_subject){.kind = FILTERS_SUBJECT_FORMULA,
                                                                         .type = formula->type,
                                                                         .extent = formula->extent,
                                                                         .nocase = formula->nocase,
                                                                         .formula = formula,
                                                                         .object = formula->object,
                                                                         .per_recipient = formula->per_recipient,
                                                                         .is_volatile = formula->is_volatile});
    }
    buf_done(&error);
    return subject;
}

/* ---- templates ---- */

/* A value of a whole body is no part of a folder's name or of a reply. */
static bool is_body(const struct filters_formula *formula)
{
    const struct filters_subject *subject = formula->source.kind == FILTERS_NAME_SUBJECT ? formula->source.what : NULL;
    return subject != NULL && formula->step_count == 0 && subject->kind == FILTERS_SUBJECT_BODY;
}

/* Whether the condition holds only where the subject has a value. */
static bool demands(const struct filters_condition *condition, const struct filters_subject *subject)
{
    bool all = condition->kind == FILTERS_ANY; /* of an "any" every branch must, of an "all" one is enough */
    if (condition->kind == FILTERS_EACH) {
        return condition->quantifier == FILTERS_SOME && condition->subject == subject;
    }
    if (condition->kind == FILTERS_NOT) { /* "not": {"exists": false} */
        const struct filters_condition *test = condition->children[0];
        return test->kind == FILTERS_TEST && test->subject == subject && test->op == FILTERS_EXISTS && !test->wanted;
    }
    if (condition->kind == FILTERS_TEST) {
        return condition->subject == subject && condition->op != FILTERS_MATCHES &&
               (condition->op != FILTERS_EXISTS || condition->wanted);
    }
    for (size_t i = 0; (condition->kind == FILTERS_ALL || all) && i < condition->child_count; i++) {
        if (demands(condition->children[i], subject) != all) {
            return !all;
        }
    }
    return all;
}

static int resolve_reference(void *ctx, struct bytes inside, struct filters_reference *reference_r, struct buf *error)
{
    struct filters_loader *loader = ctx;
    const struct filters_formula *formula = filters_load_formula(loader, inside, error);
    if (formula == NULL) {
        return -1;
    }
    if (is_body(formula)) {
        buf_printf(error, "${%s}: templates cannot use values from the body; capture them with \"matches\"",
                   formula->text);
        return -1;
    }
    loader->set->per_recipient = loader->set->per_recipient || (formula->per_recipient && !formula->is_volatile);
    *reference_r = formula->source;
    reference_r->name = formula->text;
    reference_r->what = formula;
    if (formula->source.kind == FILTERS_NAME_SUBJECT && formula->step_count == 0 && loader->condition != NULL) {
        reference_r->may_be_empty = !demands(loader->condition, formula->source.what);
    }
    return 0;
}

const struct filters_template *filters_load_template(struct filters_loader *loader, json_t *object, const char *key)
{
    const char *text = filters_load_text(loader, object, key);
    if (text == NULL) {
        return NULL;
    }
    struct buf error;
    buf_init(&error, 2000);
    struct filters_resolver resolver = {resolve_reference, loader};
    const struct filters_template *template = filters_template_new(loader->set->arena, text, &resolver, &error);
    if (template == NULL) {
        filters_load_error_at(loader, key, "%s", buf_text(&error));
    }
    buf_done(&error);
    return template;
}

const struct filters_template *filters_load_keyword(struct filters_loader *loader, const char *text, struct buf *error)
{
    struct filters_resolver resolver = {resolve_reference, loader};
    return filters_template_new(loader->set->arena, text, &resolver, error);
}
