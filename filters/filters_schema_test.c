/*
 * filters_schema_test - conditions and actions in the JSON Schema: "if" an object has this key, "then" it is that kind,
 * so that an editor's error names the key that is wrong.
 */
#include <string.h>

#include "filters/filters_schema_parts.h"

static const char *const subjects[] = {"field", "header", "of", "counter", NULL};

/* ---- what an operator is compared with ---- */

/* One operand of that type as it is written out; types that are not known when the schema is read take any. */
static json_t *scalar(unsigned types)
{
    json_t *text = types == FILTERS_TYPE_NUMBER     ? filters_schema_pattern("size")
                   : types == FILTERS_TYPE_TIME     ? filters_schema_pattern("time")
                   : types == FILTERS_TYPE_DATE     ? filters_schema_pattern("date")
                   : types == FILTERS_TYPE_WEEKDAY  ? filters_schema_pattern("weekday")
                   : types == FILTERS_TYPE_NETWORK  ? filters_schema_pattern("network")
                   : types == FILTERS_TYPE_DECIMAL  ? filters_schema_pattern("decimal")
                   : types == FILTERS_TYPE_DURATION ? filters_schema_pattern("duration")
                                                    : filters_schema_type("string");
    if (types == FILTERS_TYPE_NUMBER) {
        json_object_set_new(text, "type", json_pack("[s,s]", "string", "integer"));
        json_object_set_new(text, "minimum", json_integer(0));
    } else if (types == FILTERS_TYPE_DECIMAL || (types & (types - 1)) != 0) {
        json_object_set_new(text, "type", json_pack("[s,s]", "string", "number"));
    }
    return text;
}

/* One, or a list of one or more. */
static json_t *scalars(unsigned types)
{
    json_t *list = filters_schema_list(scalar(types), 1);
    return filters_schema_if(filters_schema_type("array"), list, scalar(types));
}

/* "in": a list, or its name. */
static json_t *list_schema(unsigned types)
{
    json_t *written = filters_schema_if(filters_schema_type("array"), filters_schema_list(scalar(types), 1),
                                        filters_schema_type("string"));
    bool ordered = (types & (FILTERS_TYPE_TEXT | FILTERS_TYPE_NETWORK)) == 0;
    return filters_schema_operand(written, ordered ? "operand_list" : "operand");
}

/* What the operator takes where values are of these types. */
static json_t *operand(const struct filters_operator_row *row, unsigned types)
{
    json_t *texts = filters_schema_one_or_list(filters_schema_type("string"), 1);
    switch (row->shape) {
    case FILTERS_SHAPE_SCALARS:
        json_decref(texts);
        return filters_schema_operand(scalars(types), "operand");
    case FILTERS_SHAPE_SCALAR:
        json_decref(texts);
        return filters_schema_operand(scalar(types), "operand_value");
    case FILTERS_SHAPE_PAIR:
        json_decref(texts);
        return json_pack("{s:s,s:i,s:i,s:o}", "type", "array", "minItems", 2, "maxItems", 2, "items", scalar(types));
    case FILTERS_SHAPE_LIST:
        json_decref(texts);
        return list_schema(types);
    case FILTERS_SHAPE_WORDS:
        json_decref(texts);
        return filters_schema_operand(filters_schema_one_or_list(filters_schema_pattern("word"), 1), "operand");
    case FILTERS_SHAPE_PATTERNS:
        return filters_schema_operand(texts, "operand_list");
    default:
        json_decref(texts);
        return filters_schema_shape(row->shape);
    }
}

/* Exactly one of the operators that work for the types, with what it takes. */
static void add_operators(json_t *test, unsigned types)
{
    json_t *one = json_array(), *properties = json_object_get(test, "properties");
    for (const struct filters_operator_row *row = filters_operators; row->name != NULL; row++) {
        if ((row->types & types) == 0) {
            continue;
        }
        const struct filters_key key = {row->name, row->shape, false, row->help};
        filters_schema_property(properties, "condition", &key, operand(row, types));
        json_array_append_new(one, filters_schema_requires(row->name));
    }
    json_object_set_new(test, "oneOf", one);
}

#define ANY_TYPE                                                                                                       \
    (FILTERS_TYPE_TEXT | FILTERS_TYPE_NETWORK | FILTERS_TYPE_NUMBER | FILTERS_TYPE_TIME | FILTERS_TYPE_DATE |          \
     FILTERS_TYPE_WEEKDAY | FILTERS_TYPE_DECIMAL | FILTERS_TYPE_DURATION)

/* ---- tests ---- */

/* An object with these of the keys that tests have, the first of them demanded. */
static json_t *test_with(const char *const *names, size_t required)
{
    struct filters_key keys[8];
    size_t count = 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        for (const struct filters_key *key = filters_test_subject_keys; key->name != NULL; key++) {
            if (strcmp(key->name, names[i]) == 0) {
                keys[count] = *key;
                keys[count++].required = i < required;
            }
        }
    }
    keys[count] = (struct filters_key){.name = NULL};
    return filters_schema_object("condition", keys);
}

static bool is_number_part(const struct filters_part_row *part)
{
    return part->type == FILTERS_TYPE_NUMBER;
}

/* The parts of the row that give numbers, or those that give texts; NULL when there is none. */
static json_t *parts_of(const struct filters_field_row *row, bool numbers)
{
    json_t *names = json_array();
    for (const struct filters_part_row *part = filters_parts; part->name != NULL; part++) {
        if ((row->parts & FILTERS_PART_BIT(part->part)) != 0 && is_number_part(part) == numbers) {
            json_array_append_new(names, json_string(part->name));
        }
    }
    if (json_array_size(names) == 0) {
        json_decref(names);
        return NULL;
    }
    return json_pack("{s:o}", "enum", names);
}

/* Editors show and complete only what is there: examples are those of the row. */
static void add_part(json_t *test, json_t *parts)
{
    const struct filters_key key = {"part", FILTERS_SHAPE_PART, false,
                                    "which part of the field, such as the domain of an address"};
    json_t *properties = json_object_get(test, "properties"), *names = json_incref(json_object_get(parts, "enum"));
    filters_schema_property(properties, "condition", &key, parts);
    json_object_set_new(json_object_get(properties, "part"), "examples", names);
    json_object_del(json_object_get(properties, "part"), "defaultSnippets");
}

/* A test of the row: by a part that gives numbers, or by another or none. */
static json_t *test_of(const struct filters_field_row *row, const char *subject, bool numbers)
{
    bool dated = (row->type & (FILTERS_TYPE_TIME | FILTERS_TYPE_DATE | FILTERS_TYPE_WEEKDAY)) != 0;
    bool shown = row->kind == FILTERS_SUBJECT_BODY || row->kind == FILTERS_SUBJECT_ATTACHMENT;
    const char *const names[] = {subject, "ignore_case", dated ? "zone" : shown ? "nested" : NULL, NULL};
    json_t *test = test_with(names, 1), *parts = parts_of(row, numbers);
    if (parts != NULL) {
        add_part(test, parts);
    }
    if (strcmp(subject, "header") == 0) {
        json_object_set_new(json_object_get(json_object_get(test, "properties"), subject), "minItems", json_integer(1));
    }
    add_operators(test, numbers ? (unsigned)FILTERS_TYPE_NUMBER : (unsigned)row->type);
    return test;
}

/* The test of a row, whichever its part. */
static json_t *any_test_of(const struct filters_field_row *row, const char *subject)
{
    json_t *numbers = parts_of(row, true);
    if (numbers == NULL) {
        return test_of(row, subject, false);
    }
    json_t *when = json_pack("{s:{s:o},s:[s]}", "properties", "part", numbers, "required", "part");
    return filters_schema_if(when, test_of(row, subject, true), test_of(row, subject, false));
}

/* The names with what each is, for editors that show it. */
static json_t *field_names(void)
{
    json_t *names = json_array(), *helps = json_array();
    for (const struct filters_field_row *row = filters_fields; row->name != NULL; row++) {
        json_array_append_new(names, json_string(row->name));
        json_array_append_new(helps, json_string(row->help));
    }
    return json_pack("{s:o,s:o}", "enum", names, "enumDescriptions", helps);
}

static json_t *field_test(void)
{
    json_t *all = json_array();
    for (const struct filters_field_row *row = filters_fields; row->name != NULL; row++) {
        json_t *when = json_pack("{s:{s:{s:s}},s:[s]}", "properties", "field", "const", row->name, "required", "field");
        json_array_append_new(all, filters_schema_if(when, any_test_of(row, "field"), NULL));
    }
    return json_pack("{s:{s:o},s:o}", "properties", "field", field_names(), "allOf", all);
}

static json_t *of_type(unsigned types)
{
    static const char *const names[] = {"of", "ignore_case", NULL};
    json_t *test = test_with(names, 1);
    add_operators(test, types);
    return test;
}

/* Where the last function tells the value's type, its operators; else any may be right. */
static json_t *of_test(void)
{
    static const enum filters_type types[] = {FILTERS_TYPE_NUMBER, FILTERS_TYPE_DECIMAL, FILTERS_TYPE_DURATION,
                                              FILTERS_TYPE_DATE,   FILTERS_TYPE_TIME,    FILTERS_TYPE_WEEKDAY};
    json_t *test = of_type(ANY_TYPE);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        json_t *when = json_pack("{s:{s:o}}", "properties", "of", filters_schema_pattern_of(types[i]));
        test = filters_schema_if(when, of_type(types[i]), test);
    }
    return test;
}

/* How many messages were counted: a number, with what belongs to counters alone. */
static json_t *counter_test(void)
{
    static const char *const names[] = {"counter", "within", "key", NULL};
    json_t *test = test_with(names, 2);
    add_operators(test, FILTERS_TYPE_NUMBER);
    return test;
}

/* ---- conditions ---- */

json_t *filters_schema_condition(void)
{
    json_t *all = json_array(), *one = json_array();
    for (const struct filters_key *key = filters_junction_keys; key->name != NULL; key++) {
        const struct filters_key keys[] = {{key->name, key->shape, true, key->help}, {.name = NULL}};
        json_array_append_new(
            all, filters_schema_if(filters_schema_requires(key->name), filters_schema_object("condition", keys), NULL));
        json_array_append_new(one, filters_schema_requires(key->name));
    }
    json_array_append_new(all, filters_schema_if(filters_schema_requires("field"), field_test(), NULL));
    json_array_append_new(
        all, filters_schema_if(filters_schema_requires("header"), any_test_of(&filters_header_field, "header"), NULL));
    json_array_append_new(all, filters_schema_if(filters_schema_requires("of"), of_test(), NULL));
    json_array_append_new(all, filters_schema_if(filters_schema_requires("counter"), counter_test(), NULL));
    for (size_t i = 0; subjects[i] != NULL; i++) {
        json_array_append_new(one, filters_schema_requires(subjects[i]));
    }
    return json_pack("{s:s,s:o,s:o}", "type", "object", "oneOf", one, "allOf", all);
}

/* "some", "every", "none": "of", and one operator or one junction for each value. */
json_t *filters_schema_each(void)
{
    static const char *const names[] = {"of", "ignore_case", NULL};
    json_t *each = test_with(names, 1);
    add_operators(each, ANY_TYPE);
    json_t *one = json_object_get(each, "oneOf"), *properties = json_object_get(each, "properties");
    json_t *junctions = json_array();
    for (const struct filters_key *key = filters_junction_keys; key->name != NULL; key++) {
        filters_schema_property(properties, "condition", key, filters_schema_shape(key->shape));
        json_array_append_new(one, filters_schema_requires(key->name));
        json_array_append_new(junctions, filters_schema_requires(key->name));
    }
    /* A junction's tests say it themselves. */
    json_t *plain = json_pack("{s:o}", "not", filters_schema_requires("ignore_case"));
    json_object_update_new(each, filters_schema_if(json_pack("{s:o}", "anyOf", junctions), plain, NULL));
    return each;
}

/* ---- actions ---- */

/* "set": one variable or more. */
static json_t *assignments(void)
{
    return json_pack("{s:s,s:i,s:o,s:o}", "type", "object", "minProperties", 1, "propertyNames",
                     filters_schema_pattern("variable"), "additionalProperties", filters_schema_pattern("template"));
}

static json_t *action_value(const struct filters_key *key)
{
    if (strcmp(key->name, "set") == 0) {
        return assignments();
    }
    if (key->shape == FILTERS_SHAPE_REFUSAL) {
        bool rejects = strcmp(key->name, "reject") == 0;
        return filters_schema_operand(filters_schema_pattern("template"), rejects ? "rejection" : "deferral");
    }
    return filters_schema_shape(key->shape);
}

/* Exactly one of the actions; beside "count" there may be its key. */
json_t *filters_schema_action(void)
{
    json_t *action = filters_schema_object("action", filters_count_keys), *one = json_array();
    json_t *properties = json_object_get(action, "properties");
    for (const struct filters_key *key = filters_action_keys; key->name != NULL; key++) {
        filters_schema_property(properties, "action", key, action_value(key));
        json_array_append_new(one, filters_schema_requires(key->name));
    }
    json_object_set_new(action, "oneOf", one);
    json_object_set_new(action, "dependencies", json_pack("{s:[s]}", filters_count_keys[0].name, "count"));
    return action;
}
