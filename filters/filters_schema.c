/*
 * filters_schema - the JSON Schema (draft-07) of rule files, written from the tables that the loader reads by; see
 * filters.h.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/filters_map.h"
#include "filters/filters_table.h"

static json_t *reference(const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/definitions/%s", name));
}

static json_t *type(const char *name)
{
    return json_pack("{s:s}", "type", name);
}

static json_t *list_of(json_t *items)
{
    return json_pack("{s:s,s:i,s:o}", "type", "array", "minItems", 1, "items", items);
}

static json_t *map_of(json_t *values)
{
    return json_pack("{s:s,s:o}", "type", "object", "additionalProperties", values);
}

static json_t *either(json_t *a, json_t *b)
{
    return json_pack("{s:[o,o]}", "anyOf", a, b);
}

static json_t *one_of_words(const char *const *words)
{
    json_t *list = json_array();
    for (; *words != NULL; words++) {
        json_array_append_new(list, json_string(*words));
    }
    return json_pack("{s:o}", "enum", list);
}

static json_t *field_names(void)
{
    json_t *list = json_array();
    for (const struct filters_field_row *row = filters_fields; row->name != NULL; row++) {
        json_array_append_new(list, json_pack("{s:s,s:s}", "const", row->name, "description", row->help));
    }
    return json_pack("{s:o}", "anyOf", list);
}

static json_t *part_names(void)
{
    json_t *list = json_array();
    for (const struct filters_part_row *row = filters_parts; row->name != NULL; row++) {
        if (row->part == FILTERS_PART_TEXT) {
            continue; /* of "parts" alone, which no field names */
        }
        json_array_append_new(list, json_pack("{s:s,s:s}", "const", row->name, "description", row->help));
    }
    return json_pack("{s:o}", "anyOf", list);
}

static json_t *scalar(void)
{
    return either(type("string"), type("number"));
}

/* {"list": ...}, {"file": ...}, {"of": ...} beside what is written out. */
static json_t *operand_of(json_t *written, bool has_lists)
{
    json_t *list = json_pack("[o,o]", written, reference("value"));
    if (has_lists) {
        json_array_append_new(list, reference("list_name"));
        json_array_append_new(list, reference("list_file"));
    }
    return json_pack("{s:o}", "anyOf", list);
}

static json_t *count_number(void)
{
    return json_pack("{s:s,s:i}", "type", "integer", "minimum", 0);
}

static json_t *when(void)
{
    return json_pack("{s:s,s:s}", "type", "string", "pattern", "^(refused|(down|full)( *> *[0-9]+(ms|s|m|h|d|w))?)$");
}

/* What a shape that is not an object of its own looks like; NULL for the others. */
static json_t *simple_shape(enum filters_shape shape)
{
    switch (shape) {
    case FILTERS_SHAPE_TEXT:
        return type("string");
    case FILTERS_SHAPE_TEXTS:
        return either(type("string"), json_pack("{s:s,s:o}", "type", "array", "items", type("string")));
    case FILTERS_SHAPE_PAIR:
        return json_pack("{s:s,s:i,s:i,s:o}", "type", "array", "minItems", 2, "maxItems", 2, "items", scalar());
    case FILTERS_SHAPE_BOOLEAN:
        return type("boolean");
    case FILTERS_SHAPE_TRUE:
        return json_pack("{s:b}", "const", 1);
    case FILTERS_SHAPE_NUMBER:
        return type("integer");
    case FILTERS_SHAPE_TEXT_MAP:
        return map_of(type("string"));
    case FILTERS_SHAPE_HEADERS:
        return map_of(simple_shape(FILTERS_SHAPE_TEXTS));
    case FILTERS_SHAPE_REFUSED:
        return json_pack("{s:[s,s,s]}", "type", "boolean", "integer", "string");
    case FILTERS_SHAPE_FIELD:
        return field_names();
    case FILTERS_SHAPE_PART:
        return part_names();
    case FILTERS_SHAPE_ON_ERROR:
        return one_of_words(filters_on_error_words);
    case FILTERS_SHAPE_DATE_SOURCE:
        return one_of_words(filters_date_words);
    case FILTERS_SHAPE_WHEN:
        return either(when(), list_of(when()));
    case FILTERS_SHAPE_AUTHSERV:
        return list_of(reference("authserv"));
    case FILTERS_SHAPE_MATCH:
        return one_of_words(filters_match_words);
    case FILTERS_SHAPE_DATE:
        return json_pack("{s:s,s:s}", "type", "string", "pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$");
    case FILTERS_SHAPE_DURATION:
        return json_pack("{s:s,s:s}", "type", "string", "pattern", "^[0-9]+(ms|s|m|h|d|w)$");
    case FILTERS_SHAPE_COUNTERS:
        return map_of(either(count_number(), map_of(count_number())));
    case FILTERS_SHAPE_MAP_BY:
        return one_of_words(filters_map_words);
    case FILTERS_SHAPE_ENTRIES:
        return map_of(type("string"));
    default:
        return NULL;
    }
}

/* What the parts of a rule file are. */
static json_t *part_shape(enum filters_shape shape)
{
    switch (shape) {
    case FILTERS_SHAPE_CONDITION:
        return reference("condition");
    case FILTERS_SHAPE_CONDITIONS:
        return list_of(reference("condition"));
    case FILTERS_SHAPE_CONDITION_MAP:
        return map_of(reference("condition"));
    case FILTERS_SHAPE_ACTIONS:
        return list_of(reference("action"));
    case FILTERS_SHAPE_RULES:
        return json_pack("{s:s,s:o}", "type", "array", "items", reference("rule"));
    case FILTERS_SHAPE_GROUPS:
        return map_of(reference("group"));
    case FILTERS_SHAPE_TESTS:
        return json_pack("{s:s,s:o}", "type", "array", "items", reference("test"));
    case FILTERS_SHAPE_TARGETS:
        return either(reference("target"), list_of(reference("target")));
    case FILTERS_SHAPE_WAYS:
        return either(reference("way"), list_of(reference("way")));
    case FILTERS_SHAPE_WAYS_FILED: {
        json_t *one = either(type("string"), reference("way"));
        return either(one, json_pack("{s:s,s:O}", "type", "array", "items", one));
    }
    case FILTERS_SHAPE_STATE:
        return either(one_of_words(filters_state_words),
                      json_pack("{s:s,s:{s:{s:s}},s:[s],s:b}", "type", "object", "properties", "off", "type", "string",
                                "required", "off", "additionalProperties", 0));
    case FILTERS_SHAPE_REFUSAL:
        return either(type("string"), reference("refusal"));
    case FILTERS_SHAPE_HEADER_EDIT:
        return reference("header_edit");
    case FILTERS_SHAPE_EXPECT:
        return reference("expect");
    default:
        return simple_shape(shape);
    }
}

static json_t *shape_of(enum filters_shape shape)
{
    switch (shape) {
    case FILTERS_SHAPE_WORDS:
        return operand_of(either(type("string"), list_of(type("string"))), true);
    case FILTERS_SHAPE_PATTERNS:
        return json_pack("{s:[o,o,o,o]}", "anyOf", type("string"), list_of(type("string")), reference("list_name"),
                         reference("list_file"));
    case FILTERS_SHAPE_SCALAR:
        return operand_of(scalar(), false);
    case FILTERS_SHAPE_SCALARS:
        return operand_of(either(scalar(), list_of(scalar())), true);
    case FILTERS_SHAPE_EACH:
        return reference("each");
    case FILTERS_SHAPE_MAPS:
        return map_of(reference("map"));
    case FILTERS_SHAPE_LIST:
        return json_pack("{s:[o,o,o,o,o]}", "anyOf", list_of(type("string")), type("string"), reference("list_file"),
                         reference("list_name"), reference("value"));
    case FILTERS_SHAPE_LISTS:
        return map_of(either(json_pack("{s:s,s:o}", "type", "array", "items", type("string")), reference("list_file")));
    case FILTERS_SHAPE_ACTION_MAP:
        return map_of(list_of(reference("action")));
    case FILTERS_SHAPE_FILED:
        return json_pack("{s:[o,o,o]}", "anyOf", type("string"), reference("filed"),
                         json_pack("{s:s,s:o}", "type", "array", "items", either(type("string"), reference("filed"))));
    default:
        return part_shape(shape);
    }
}

static void add_property(json_t *properties, const char *name, enum filters_shape shape, const char *help)
{
    json_t *value = shape_of(shape);
    if (json_object_get(value, "$ref") != NULL) { /* draft-07 looks at nothing beside $ref */
        value = json_pack("{s:[o]}", "allOf", value);
    }
    json_object_set_new(value, "description", json_string(help));
    json_object_set_new(properties, name, value);
}

/* An object with the keys of the table, and the two that are allowed everywhere. */
static json_t *object_of(const struct filters_key *keys)
{
    json_t *properties = json_object(), *required = json_array();
    json_object_set_new(properties, "$schema", type("string"));
    json_object_set_new(properties, "description", json_object());
    for (; keys->name != NULL; keys++) {
        add_property(properties, keys->name, keys->shape, keys->help);
        if (keys->required) {
            json_array_append_new(required, json_string(keys->name));
        }
    }
    return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required", required,
                     "additionalProperties", 0);
}

/* One alternative per key: an object with exactly this one. */
static void add_alternatives(json_t *alternatives, const struct filters_key *keys)
{
    for (; keys->name != NULL; keys++) {
        const struct filters_key one[] = {{keys->name, keys->shape, true, keys->help},
                                          strcmp(keys->name, "count") == 0 ? filters_count_keys[0]
                                                                           : (struct filters_key){.name = NULL},
                                          {.name = NULL}};
        json_array_append_new(alternatives, object_of(one));
    }
}

static const char *const subjects[] = {"field", "header", "of", "counter", NULL};

/* ---- tests: "if" the object has this subject, "then" these keys: so an editor's error names the wrong key ---- */

static json_t *pattern_of(const char *pattern)
{
    return json_pack("{s:s,s:s}", "type", "string", "pattern", pattern);
}

/* One operand of that type as it is written out. */
static json_t *typed_scalar(enum filters_type kind)
{
    switch (kind) {
    case FILTERS_TYPE_NUMBER:
        return either(json_pack("{s:s,s:i}", "type", "integer", "minimum", 0), pattern_of("^[0-9]+([KMGT]i?B|B)?$"));
    case FILTERS_TYPE_TIME:
        return pattern_of("^([01][0-9]|2[0-4]):[0-5][0-9](:[0-5][0-9])?$");
    case FILTERS_TYPE_DATE:
        return pattern_of("^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$");
    case FILTERS_TYPE_WEEKDAY:
        return pattern_of(
            "^([Ss][Uu][Nn]|[Mm][Oo][Nn]|[Tt][Uu][Ee]|[Ww][Ee][Dd]|[Tt][Hh][Uu]|[Ff][Rr][Ii]|[Ss][Aa][Tt])$");
    default:
        return type("string");
    }
}

static json_t *typed_operand(const struct filters_operator_row *row, enum filters_type kind)
{
    bool texts = (kind & (FILTERS_TYPE_TEXT | FILTERS_TYPE_NETWORK)) != 0;
    switch (row->shape) {
    case FILTERS_SHAPE_SCALARS:
        return operand_of(either(typed_scalar(kind), list_of(typed_scalar(kind))), texts);
    case FILTERS_SHAPE_SCALAR:
        return operand_of(typed_scalar(kind), false);
    case FILTERS_SHAPE_PAIR:
        return json_pack("{s:s,s:i,s:i,s:o}", "type", "array", "minItems", 2, "maxItems", 2, "items",
                         typed_scalar(kind));
    case FILTERS_SHAPE_LIST:
        return texts ? shape_of(row->shape) : either(typed_scalar(kind), list_of(typed_scalar(kind)));
    default:
        return shape_of(row->shape);
    }
}

/* Exactly one of the operators that work for the type, with the operand that it takes. */
static void add_operators(json_t *test, enum filters_type kind)
{
    json_t *one = json_array(), *properties = json_object_get(test, "properties");
    for (const struct filters_operator_row *row = filters_operators; row->name != NULL; row++) {
        if ((row->types & (unsigned)kind) == 0) {
            continue;
        }
        json_t *value = typed_operand(row, kind);
        if (json_object_get(value, "$ref") != NULL) {
            value = json_pack("{s:[o]}", "allOf", value);
        }
        json_object_set_new(value, "description", json_string(row->help));
        json_object_set_new(properties, row->name, value);
        json_array_append_new(one, json_pack("{s:[s]}", "required", row->name));
    }
    json_object_set_new(test, "oneOf", one);
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
    return json_pack("{s:o,s:s}", "enum", names, "description", "which part of it");
}

/* A test of the row: by a part that gives numbers, or by another or none. */
static json_t *test_of(const struct filters_field_row *row, const char *subject, bool numbers)
{
    struct filters_key keys[8];
    size_t count = 0;
    bool dated = (row->type & (FILTERS_TYPE_TIME | FILTERS_TYPE_DATE | FILTERS_TYPE_WEEKDAY)) != 0;
    bool shown = row->kind == FILTERS_SUBJECT_BODY || row->kind == FILTERS_SUBJECT_ATTACHMENT;
    for (const struct filters_key *key = filters_test_subject_keys; key->name != NULL; key++) {
        bool is_this = strcmp(key->name, subject) == 0;
        bool belongs = strcmp(key->name, "ignore_case") == 0 || (dated && strcmp(key->name, "zone") == 0) ||
                       (shown && strcmp(key->name, "nested") == 0);
        if (is_this || belongs) {
            keys[count] = *key;
            keys[count++].required = is_this;
        }
    }
    keys[count] = (struct filters_key){.name = NULL};
    json_t *test = object_of(keys), *parts = parts_of(row, numbers);
    if (parts != NULL) {
        json_object_set_new(json_object_get(test, "properties"), "part", parts);
    }
    add_operators(test, numbers ? FILTERS_TYPE_NUMBER : row->type);
    return test;
}

static json_t *if_then_else(json_t *when, json_t *then, json_t *otherwise)
{
    json_t *rule = json_pack("{s:o,s:o}", "if", when, "then", then);
    if (otherwise != NULL) {
        json_object_set_new(rule, "else", otherwise);
    }
    return rule;
}

/* The test of a row, whichever its part. */
static json_t *any_test_of(const struct filters_field_row *row, const char *subject)
{
    json_t *numbers = parts_of(row, true);
    if (numbers == NULL) {
        return test_of(row, subject, false);
    }
    json_t *when = json_pack("{s:{s:o},s:[s]}", "properties", "part", numbers, "required", "part");
    return if_then_else(when, test_of(row, subject, true), test_of(row, subject, false));
}

static json_t *field_test(void)
{
    json_t *all = json_array();
    for (const struct filters_field_row *row = filters_fields; row->name != NULL; row++) {
        json_t *when = json_pack("{s:{s:{s:s}},s:[s]}", "properties", "field", "const", row->name, "required", "field");
        json_array_append_new(all, if_then_else(when, any_test_of(row, "field"), NULL));
    }
    return json_pack("{s:{s:o},s:o}", "properties", "field", field_names(), "allOf", all);
}

/* A value's type is not known here: any operator may be right. */
static json_t *of_test(void)
{
    json_t *alternatives = json_array();
    for (const struct filters_operator_row *row = filters_operators; row->name != NULL; row++) {
        const struct filters_key keys[] = {
            {"of", FILTERS_SHAPE_TEXT, true, "a value as templates write it"},
            {row->name, row->shape, true, row->help},
            {"ignore_case", FILTERS_SHAPE_BOOLEAN, false, "compare without regard to case"},
            {.name = NULL}};
        json_array_append_new(alternatives, object_of(keys));
    }
    return json_pack("{s:o}", "anyOf", alternatives);
}

/* How many messages were counted: a number, with what belongs to counters alone. */
static json_t *counter_test(void)
{
    struct filters_key keys[4];
    size_t count = 0;
    for (const struct filters_key *key = filters_test_subject_keys; key->name != NULL; key++) {
        if (strcmp(key->name, "counter") == 0 || strcmp(key->name, "key") == 0 || strcmp(key->name, "within") == 0) {
            keys[count] = *key;
            keys[count++].required = strcmp(key->name, "key") != 0;
        }
    }
    keys[count] = (struct filters_key){.name = NULL};
    json_t *test = object_of(keys);
    add_operators(test, FILTERS_TYPE_NUMBER);
    return test;
}

static json_t *requires(const char *key)
{
    return json_pack("{s:[s]}", "required", key);
}

static json_t *condition(void)
{
    json_t *all = json_array(), *one = json_array();
    for (const struct filters_key *key = filters_junction_keys; key->name != NULL; key++) {
        const struct filters_key keys[] = {{key->name, key->shape, true, key->help}, {.name = NULL}};
        json_array_append_new(all, if_then_else(requires(key->name), object_of(keys), NULL));
        json_array_append_new(one, requires(key->name));
    }
    json_array_append_new(all, if_then_else(requires("field"), field_test(), NULL));
    json_array_append_new(all, if_then_else(requires("header"), any_test_of(&filters_header_field, "header"), NULL));
    json_array_append_new(all, if_then_else(requires("of"), of_test(), NULL));
    json_array_append_new(all, if_then_else(requires("counter"), counter_test(), NULL));
    for (size_t i = 0; subjects[i] != NULL; i++) {
        json_array_append_new(one, requires(subjects[i]));
    }
    return json_pack("{s:s,s:o,s:o}", "type", "object", "oneOf", one, "allOf", all);
}

/* "some", "every", "none": "of", and one operator or one junction for each value. */
static json_t *each(void)
{
    json_t *alternatives = json_array();
    const struct filters_key of = {"of", FILTERS_SHAPE_TEXT, true, "the values, as templates write them"};
    for (const struct filters_key *key = filters_junction_keys; key->name != NULL; key++) {
        const struct filters_key keys[] = {of, {key->name, key->shape, true, key->help}, {.name = NULL}};
        json_array_append_new(alternatives, object_of(keys));
    }
    for (const struct filters_operator_row *row = filters_operators; row->name != NULL; row++) {
        const struct filters_key keys[] = {
            of,
            {row->name, row->shape, true, row->help},
            {"ignore_case", FILTERS_SHAPE_BOOLEAN, false, "compare without regard to case"},
            {.name = NULL}};
        json_array_append_new(alternatives, object_of(keys));
    }
    return json_pack("{s:o}", "anyOf", alternatives);
}

static json_t *action(void)
{
    json_t *alternatives = json_array();
    add_alternatives(alternatives, filters_action_keys);
    return json_pack("{s:o}", "anyOf", alternatives);
}

/* Either described, or its entries: then none of the keys that describe is there. */
static json_t *map_object(void)
{
    json_t *none = json_array(), *described = object_of(filters_map_keys), *entries = map_of(type("string"));
    for (const struct filters_key *key = filters_map_keys; key->name != NULL; key++) {
        json_array_append_new(none, json_pack("{s:[s]}", "required", key->name));
    }
    json_object_set_new(entries, "not", json_pack("{s:o}", "anyOf", none));
    json_object_set_new(described, "oneOf", json_pack("[{s:[s]},{s:[s]}]", "required", "file", "required", "entries"));
    return either(described, entries);
}

static json_t *definitions(void)
{
    const struct {
        const char *name;
        const struct filters_key *keys;
    } objects[] = {
        {"rule", filters_rule_keys},       {"group", filters_group_keys},     {"target", filters_target_keys},
        {"refusal", filters_refusal_keys}, {"header_edit", filters_add_keys}, {"list_file", filters_list_file_keys},
        {"test", filters_case_keys},       {"expect", filters_expect_keys},   {"list_name", filters_list_name_keys},
        {"value", filters_of_keys},        {"filed", filters_filed_keys},     {"authserv", filters_authserv_keys},
        {"way", filters_way_keys},
    };
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        json_object_set_new(all, objects[i].name, object_of(objects[i].keys));
    }
    json_object_set_new(json_object_get(all, "way"), "anyOf",
                        json_pack("[o,o]", requires("upstream"), requires("folder")));
    json_object_set_new(all, "condition", condition());
    json_object_set_new(all, "each", each());
    json_object_set_new(all, "map", map_object());
    json_object_set_new(all, "action", action());
    return all;
}

void filters_schema(struct buf *out)
{
    json_t *schema = object_of(filters_file_keys);
    json_object_set_new(schema, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    json_object_set_new(schema, "title", json_string("mailweir rule file"));
    json_object_set_new(schema, "definitions", definitions());
    char *text = json_dumps(schema, JSON_INDENT(1) | JSON_SORT_KEYS);
    buf_append_text(out, text == NULL ? "" : text);
    buf_append_text(out, "\n");
    free(text);
    json_decref(schema);
}
