/*
 * filters_load_if - the conditions of a rule: all, any, not, named ones, and tests.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"

#define NAMED_DEPTH_MAX 32

/* RFC 5322 section 3.6.8, and "*" for every field. */
static bool is_field_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= ' ' || *c == ':' || (unsigned char)*c >= 0x7f) {
            return false;
        }
    }
    return name[0] != '\0';
}

static void load_headers(struct filters_loader *loader, json_t *value, struct filters_subject *subject)
{
    filters_load_texts(loader, value, "header", &subject->headers, &subject->header_count);
    for (size_t i = 0; i < subject->header_count; i++) {
        if (!is_field_name(subject->headers[i])) {
            filters_load_error_at(loader, "header", "\"%s\" is not the name of a header field", subject->headers[i]);
        }
    }
    if (subject->header_count == 0) {
        filters_load_error_at(loader, "header", "no header field is named");
    }
}

static const struct filters_field_row *find_field(struct filters_loader *loader, const char *name)
{
    const char *names[FILTERS_KEYS_MAX] = {NULL};
    for (size_t i = 0; filters_fields[i].name != NULL; i++) {
        if (strcmp(filters_fields[i].name, name) == 0) {
            return &filters_fields[i];
        }
        names[i] = filters_fields[i].name;
    }
    if (filters_load_is_header(name)) {
        filters_load_header_instead(loader, "field", name);
    } else {
        filters_load_unknown(loader, "field", "field", name, names);
    }
    return NULL;
}

/* Applies "part" to the subject. False after a problem. */
static bool load_part(struct filters_loader *loader, json_t *value, const struct filters_field_row *row,
                      struct filters_subject *subject)
{
    const char *name = filters_load_text(loader, value, "part");
    if (name == NULL) {
        return true;
    }
    const char *names[FILTERS_KEYS_MAX] = {NULL};
    size_t count = 0;
    for (const struct filters_part_row *part = filters_parts; part->name != NULL; part++) {
        if ((row->parts & FILTERS_PART_BIT(part->part)) == 0) {
            continue;
        }
        names[count++] = part->name;
        if (strcmp(part->name, name) == 0) {
            subject->part = part->part;
            subject->type = part->type;
            subject->nocase = part->nocase;
            return true;
        }
    }
    if (count == 0) {
        filters_load_error_at(loader, "part", "\"%s\" has no parts", row->name);
    } else {
        filters_load_unknown(loader, "part", "part", name, names);
    }
    return false;
}

static void load_zone(struct filters_loader *loader, json_t *value, struct filters_subject *subject)
{
    const char *zone = filters_load_text(loader, value, "zone");
    bool dated = (subject->type & (FILTERS_TYPE_TIME | FILTERS_TYPE_DATE | FILTERS_TYPE_WEEKDAY)) != 0;
    if (zone == NULL) {
        subject->zone = dated ? loader->zone : NULL;
        return;
    }
    if (!dated) {
        filters_load_error_at(loader, "zone", "\"zone\" is for time, weekday and date");
        return;
    }
    subject->zone = filters_load_zone(loader, zone);
    if (subject->zone == NULL) {
        filters_load_error_at(
            loader, "zone",
            "\"%s\" is neither a zone such as \"Europe/Berlin\" nor an offset from UTC such as \"+01:00\"", zone);
    }
}

/* Whether the operator and what stands behind it are of texts, as far as they tell. */
static bool compares_texts(json_t *value)
{
    static const char *const operators[] = {"contains", "starts_with", "ends_with", "matches"};
    json_t *wanted = json_object_get(value, "is") == NULL ? json_object_get(value, "in") : json_object_get(value, "is");
    json_t *first = json_is_array(wanted) ? json_array_get(wanted, 0) : wanted;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (json_object_get(value, operators[i]) != NULL) {
            return true;
        }
    }
    const char *text = json_string_value(first);
    return json_is_object(first) || (text != NULL && !octet_is_digit((uint8_t)text[0]));
}

/* "of", where it stands alone. */
static const struct filters_subject *load_of(struct filters_loader *loader, json_t *value)
{
    static const char *const others[] = {"field", "header", "part", "zone", "nested"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (json_object_get(value, others[i]) != NULL) {
            filters_load_error_at(
                loader, others[i],
                "\"%s\" cannot be used beside \"of\"; write it inside: {\"of\": \"header.From.domain\"}, "
                "{\"of\": \"time | zone('Europe/Berlin')\"}",
                others[i]);
            return NULL;
        }
    }
    const char *text = filters_load_text(loader, value, "of");
    size_t mark = filters_load_down(loader, "of");
    loader->wants_texts = compares_texts(value);
    const struct filters_subject *subject = text == NULL ? NULL : filters_load_of(loader, text);
    loader->wants_texts = false;
    filters_load_up(loader, mark);
    return subject;
}

/* "nested": whether messages within the message count; they do without it. */
static void load_nested(struct filters_loader *loader, json_t *value, struct filters_subject *subject)
{
    json_t *nested = json_object_get(value, "nested");
    if (nested == NULL) {
        return;
    }
    if (subject->kind != FILTERS_SUBJECT_BODY && subject->kind != FILTERS_SUBJECT_ATTACHMENT) {
        filters_load_error_at(loader, "nested", "\"nested\" is for body and attachment");
    }
    subject->outer_only = json_is_false(nested);
}

/* What belongs to a counter, where none is looked at. */
static void refuse_alone(struct filters_loader *loader, json_t *value)
{
    static const char *const own[] = {"counter", "key", "within"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (json_object_get(value, own[i]) != NULL) {
            filters_load_error_at(
                loader, own[i],
                "\"%s\" belongs to a test of a counter: {\"counter\": \"storm\", \"key\": \"${subject}\", "
                "\"over\": 10, \"within\": \"1h\"}",
                own[i]);
        }
    }
}

static const struct filters_subject *load_subject(struct filters_loader *loader, json_t *value)
{
    bool has_field = json_object_get(value, "field") != NULL, has_header = json_object_get(value, "header") != NULL;
    bool has_of = json_object_get(value, "of") != NULL;
    if (json_object_get(value, "counter") != NULL && !has_field && !has_header && !has_of) {
        return filters_load_counter(loader, value);
    }
    refuse_alone(loader, value);
    if (has_of) {
        return load_of(loader, value);
    }
    if (has_field == has_header) {
        filters_load_error(
            loader,
            has_field
                ? "a test has either \"field\" or \"header\": for two tests, write them under \"all\" or \"any\""
                : "a condition is \"all\", \"any\", \"not\", \"condition\", or a test with \"field\" or \"header\" (or "
                  "\"of\")");
        return NULL;
    }
    const struct filters_field_row *row = &filters_header_field;
    const char *name = filters_load_text(loader, value, "field");
    if (has_field) {
        row = name == NULL ? NULL : find_field(loader, name);
    }
    if (row == NULL) {
        return NULL;
    }
    struct filters_subject subject = {
        .kind = row->kind, .type = row->type, .extent = row->extent, .nocase = row->nocase};
    if (has_header) {
        load_headers(loader, value, &subject);
    }
    if (!load_part(loader, value, row, &subject)) {
        return NULL;
    }
    load_zone(loader, value, &subject);
    load_nested(loader, value, &subject);
    return filters_load_subject(loader, &subject);
}

static const struct filters_condition *load_test(struct filters_loader *loader, json_t *value)
{
    struct filters_condition *condition = filters_load_alloc(loader, 1, sizeof *condition);
    condition->kind = FILTERS_TEST;
    condition->subject = load_subject(loader, value);
    if (condition->subject == NULL) {
        return NULL;
    }
    bool ignore_case = json_is_true(json_object_get(value, "ignore_case"));
    condition->nocase = ignore_case || condition->subject->nocase;
    condition->per_recipient = condition->subject->per_recipient;
    if (filters_load_operator(loader, value, condition) < 0) {
        return NULL;
    }
    condition->per_recipient =
        condition->per_recipient || (condition->operand != NULL && condition->operand->per_recipient);
    return condition;
}

static const struct filters_condition *load_children(struct filters_loader *loader, json_t *list,
                                                     enum filters_condition_kind kind)
{
    if (!json_is_array(list) || json_array_size(list) == 0) {
        filters_load_error(loader, "must be a list of one or more conditions");
        return NULL;
    }
    struct filters_condition *condition = filters_load_alloc(loader, 1, sizeof *condition);
    condition->kind = kind;
    condition->children = filters_load_alloc(loader, json_array_size(list), sizeof(struct filters_condition *));
    bool complete = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t mark = filters_load_item(loader, i);
        condition->children[i] = filters_load_condition(loader, json_array_get(list, i));
        complete = complete && condition->children[i] != NULL;
        condition->per_recipient = condition->per_recipient || (complete && condition->children[i]->per_recipient);
        filters_load_up(loader, mark);
    }
    condition->child_count = json_array_size(list);
    return complete ? condition : NULL;
}

static const struct filters_condition *load_not(struct filters_loader *loader, json_t *value)
{
    size_t patterns = loader->pattern_count;
    const struct filters_condition *child = filters_load_condition(loader, value);
    loader->pattern_count = patterns; /* what must not match captures nothing */
    if (child == NULL) {
        return NULL;
    }
    struct filters_condition *condition = filters_load_alloc(loader, 1, sizeof *condition);
    condition->kind = FILTERS_NOT;
    condition->children = filters_load_alloc(loader, 1, sizeof(struct filters_condition *));
    condition->children[0] = child;
    condition->child_count = 1;
    condition->per_recipient = child->per_recipient;
    return condition;
}

void filters_load_named_condition(struct filters_loader *loader, struct filters_named *named)
{
    if (named->state != FILTERS_NAMED_NEW) {
        return;
    }
    const struct filters_pattern *patterns[FILTERS_RULE_PATTERNS_MAX];
    size_t pattern_count = loader->pattern_count;
    memcpy(patterns, loader->patterns, pattern_count * sizeof *patterns);
    const struct filters_load_place place = filters_load_go_to(loader, named);
    loader->pattern_count = 0;
    const struct filters_subject *items = loader->items;
    bool in_named = loader->in_named;
    loader->items = NULL;
    loader->in_named = true;

    named->state = FILTERS_NAMED_LOADING;
    const struct filters_condition *condition = filters_load_condition(loader, named->value);
    if (condition != NULL) {
        struct filters_condition *copy = filters_load_alloc(loader, 1, sizeof *copy);
        *copy = *condition;
        copy->name = named->name;
        named->condition = copy;
        filters_lint_condition(loader, copy, NULL);
    }
    named->state = FILTERS_NAMED_LOADED;
    named->patterns = filters_load_alloc(loader, loader->pattern_count, sizeof(struct filters_pattern *));
    memcpy(named->patterns, loader->patterns, loader->pattern_count * sizeof *patterns);
    named->pattern_count = loader->pattern_count;

    memcpy(loader->patterns, patterns, pattern_count * sizeof *patterns);
    loader->pattern_count = pattern_count;
    loader->items = items;
    loader->in_named = in_named;
    filters_load_go_back(loader, &place);
}

static const struct filters_condition *use_named(struct filters_loader *loader, json_t *value)
{
    const char *name = json_string_value(value);
    struct filters_named *named = name == NULL ? NULL : map_get(loader->conditions, bytes_of(name));
    if (named == NULL) {
        if (name == NULL) {
            filters_load_error(loader, "\"condition\" is the name of a condition in \"conditions\"");
        } else {
            filters_load_unknown(loader, NULL, "condition", name, filters_load_names(loader, loader->conditions));
        }
        return NULL;
    }
    named->used = true;
    if (named->state == FILTERS_NAMED_LOADING) {
        filters_load_error(loader, "the condition \"%s\" uses itself", name);
        return NULL;
    }
    if (named->state == FILTERS_NAMED_NEW) {
        if (++loader->depth > NAMED_DEPTH_MAX) {
            filters_load_error(loader, "named conditions are nested in more than %d levels", NAMED_DEPTH_MAX);
        } else {
            filters_load_named_condition(loader, named);
        }
        loader->depth--;
    }
    for (size_t i = 0; i < named->pattern_count && loader->pattern_count < FILTERS_RULE_PATTERNS_MAX; i++) {
        loader->patterns[loader->pattern_count++] = named->patterns[i];
    }
    return named->condition;
}

/* What is decided for each value: the object without its "of", or its test, which then looks at the value itself. */
static json_t *inner_of(json_t *value)
{
    json_t *inner = json_copy(value);
    json_object_del(inner, "of");
    json_object_del(inner, "description");
    for (const struct filters_key *key = filters_junction_keys; key->name != NULL; key++) {
        if (json_object_get(inner, key->name) != NULL) {
            return inner;
        }
    }
    json_object_set_new(inner, "of", json_string("."));
    return inner;
}

/* "some", "every", "none": {"of": values, and a test of each of them}. */
static const struct filters_condition *load_each(struct filters_loader *loader, json_t *value,
                                                 enum filters_quantifier quantifier)
{
    if (!json_is_object(value) || !json_is_string(json_object_get(value, "of"))) {
        filters_load_error(loader,
                           "write an object with \"of\" (the values) and a test for each of them, such as {\"of\": "
                           "\"header.To.addresses\", \"ends_with\": \"@example.net\"}");
        return NULL;
    }
    size_t mark = filters_load_down(loader, "of");
    loader->wants_texts = true;
    const struct filters_subject *subject = filters_load_of(loader, json_string_value(json_object_get(value, "of")));
    loader->wants_texts = false;
    filters_load_up(loader, mark);
    if (subject == NULL) {
        return NULL;
    }
    const struct filters_subject *outer = loader->items;
    size_t patterns = loader->pattern_count;
    json_t *inner = inner_of(value);
    loader->items = subject;
    const struct filters_condition *child = filters_load_condition(loader, inner);
    loader->items = outer;
    json_decref(inner);
    if (quantifier == FILTERS_NONE) {
        loader->pattern_count = patterns; /* as under "not" */
    }
    if (child == NULL) {
        return NULL;
    }
    struct filters_condition *condition = filters_load_alloc(loader, 1, sizeof *condition);
    condition->kind = FILTERS_EACH;
    condition->quantifier = quantifier;
    condition->subject = subject;
    condition->children = filters_load_alloc(loader, 1, sizeof(struct filters_condition *));
    condition->children[0] = child;
    condition->child_count = 1;
    condition->per_recipient = child->per_recipient || subject->per_recipient;
    return condition;
}

static const struct filters_condition *load_junction(struct filters_loader *loader, json_t *inside, const char *word)
{
    static const char *const quantifiers[] = {
        [FILTERS_SOME] = "some", [FILTERS_EVERY] = "every", [FILTERS_NONE] = "none"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(quantifiers[i], word) == 0) {
            return load_each(loader, inside, (enum filters_quantifier)i);
        }
    }
    if (strcmp(word, "all") == 0 || strcmp(word, "any") == 0) {
        return load_children(loader, inside, word[1] == 'l' ? FILTERS_ALL : FILTERS_ANY);
    }
    return strcmp(word, "not") == 0 ? load_not(loader, inside) : use_named(loader, inside);
}

/* A junction beside another, or beside a test. True when it was told. */
static bool has_company(struct filters_loader *loader, json_t *value, const char *word)
{
    static const char *const tests[] = {"field", "header", "of", "counter", NULL};
    const char *other = NULL;
    for (const struct filters_key *key = filters_junction_keys; key->name != NULL; key++) {
        other = strcmp(key->name, word) != 0 && json_object_get(value, key->name) != NULL ? key->name : other;
    }
    for (size_t i = 0; tests[i] != NULL; i++) {
        other = json_object_get(value, tests[i]) != NULL ? tests[i] : other;
    }
    if (other != NULL) {
        filters_load_error_at(loader, other,
                              "\"%s\" and \"%s\" are two conditions: write them under \"all\" or \"any\"", word, other);
    }
    return other != NULL;
}

const struct filters_condition *filters_load_condition(struct filters_loader *loader, json_t *value)
{
    struct filters_key operators[FILTERS_KEYS_MAX] = {{.name = NULL}};
    if (!json_is_object(value)) {
        filters_load_error(loader,
                           json_is_array(value)
                               ? "a condition is an object: write {\"all\": [...]} when all of these must "
                                 "hold, {\"any\": [...]} when one is enough"
                               : "a condition is an object, such as {\"field\": \"from\", \"is\": \"a@b.example\"}");
        return NULL;
    }
    for (const struct filters_key *key = filters_junction_keys; key->name != NULL; key++) {
        json_t *inside = json_object_get(value, key->name);
        if (inside == NULL) {
            continue;
        }
        const struct filters_key only[] = {*key, {.name = NULL}};
        if (has_company(loader, value, key->name)) {
            return NULL;
        }
        filters_load_object(loader, value, "a condition", only, NULL);
        size_t mark = filters_load_down(loader, key->name);
        const struct filters_condition *condition = load_junction(loader, inside, key->name);
        filters_load_up(loader, mark);
        return condition;
    }
    size_t count = 0;
    if (filters_load_foreign(loader, value)) {
        return NULL;
    }
    for (const struct filters_operator_row *row = filters_operators; row->name != NULL; row++) {
        operators[count++] = (struct filters_key){row->name, row->shape, false, row->help};
    }
    filters_load_object(loader, value, "a test", filters_test_subject_keys, operators);
    return load_test(loader, value);
}
