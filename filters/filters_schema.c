/*
 * filters_schema - the JSON Schema (draft-07) of rule files, written from the tables that the loader reads by; see
 * filters.h.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/filters_map.h"
#include "filters/filters_schema_parts.h"
#include "filters/filters_table.h"

json_t *filters_schema_reference(const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/definitions/%s", name));
}

json_t *filters_schema_type(const char *name)
{
    return json_pack("{s:s}", "type", name);
}

json_t *filters_schema_list(json_t *items, int least)
{
    return json_pack("{s:s,s:i,s:o}", "type", "array", "minItems", least, "items", items);
}

json_t *filters_schema_requires(const char *key)
{
    return json_pack("{s:[s]}", "required", key);
}

json_t *filters_schema_if(json_t *when, json_t *then, json_t *otherwise)
{
    json_t *rule = json_pack("{s:o,s:o}", "if", when, "then", then);
    if (otherwise != NULL) {
        json_object_set_new(rule, "else", otherwise);
    }
    return rule;
}

json_t *filters_schema_one_or_list(json_t *one, int least)
{
    if (json_object_get(one, "$ref") != NULL) {
        json_t *list = json_pack("{s:s,s:i,s:O}", "type", "array", "minItems", least, "items", one);
        return filters_schema_if(filters_schema_type("array"), list, one);
    }
    json_t *both = json_copy(one);
    json_object_set_new(both, "type", json_pack("[s,s]", "string", "array"));
    json_object_set_new(both, "minItems", json_integer(least));
    json_object_set_new(both, "items", one);
    return both;
}

json_t *filters_schema_words(const char *const *words)
{
    json_t *list = json_array();
    for (; *words != NULL; words++) {
        json_array_append_new(list, json_string(*words));
    }
    return json_pack("{s:o}", "enum", list);
}

/* Names with values of one kind; names of a kind when there is one. */
static json_t *map_of(json_t *values, const char *kind)
{
    json_t *map = json_pack("{s:s,s:o}", "type", "object", "additionalProperties", values);
    if (kind != NULL) {
        json_object_set_new(map, "propertyNames", filters_schema_pattern(kind));
    }
    return map;
}

json_t *filters_schema_operand(json_t *written, const char *reference)
{
    return filters_schema_if(filters_schema_type("object"), filters_schema_reference(reference), written);
}

/* A text or an object. */
static json_t *text_or(const char *definition)
{
    return filters_schema_if(filters_schema_type("object"), filters_schema_reference(definition),
                             filters_schema_type("string"));
}

/* One of them, or a list, each a text or an object. */
static json_t *texts_or(const char *definition)
{
    json_t *list = filters_schema_list(text_or(definition), 0);
    return filters_schema_if(filters_schema_type("array"), list, text_or(definition));
}

static json_t *count_number(void)
{
    return json_pack("{s:s,s:i}", "type", "integer", "minimum", 0);
}

/* What a shape that is not an object of its own looks like. */
static json_t *simple_shape(enum filters_shape shape)
{
    switch (shape) {
    case FILTERS_SHAPE_TEXTS:
        return filters_schema_one_or_list(filters_schema_type("string"), 0);
    case FILTERS_SHAPE_WHEN:
        return filters_schema_one_or_list(filters_schema_type("string"), 1);
    case FILTERS_SHAPE_BOOLEAN:
        return filters_schema_type("boolean");
    case FILTERS_SHAPE_TRUE:
        return json_pack("{s:b}", "const", 1);
    case FILTERS_SHAPE_NUMBER:
        return filters_schema_type("integer");
    case FILTERS_SHAPE_REFUSED:
        return json_pack("{s:[s,s,s]}", "type", "boolean", "integer", "string");
    case FILTERS_SHAPE_ON_ERROR:
        return filters_schema_words(filters_on_error_words);
    case FILTERS_SHAPE_DATE_SOURCE:
        return filters_schema_words(filters_date_words);
    case FILTERS_SHAPE_MATCH:
        return filters_schema_words(filters_match_words);
    case FILTERS_SHAPE_MAP_BY:
        return filters_schema_words(filters_map_words);
    case FILTERS_SHAPE_COUNTERS:
        return map_of(filters_schema_if(filters_schema_type("object"), map_of(count_number(), NULL), count_number()),
                      NULL);
    case FILTERS_SHAPE_ENTRIES:
        return map_of(filters_schema_type("string"), NULL);
    default:
        return filters_schema_type("string");
    }
}

/* What stands under names that the file gives. */
static json_t *named_shape(enum filters_shape shape)
{
    switch (shape) {
    case FILTERS_SHAPE_CONDITION_MAP:
        return map_of(filters_schema_reference("condition"), "name");
    case FILTERS_SHAPE_GROUPS:
        return map_of(filters_schema_reference("group"), "name");
    case FILTERS_SHAPE_MAPS:
        return map_of(filters_schema_reference("map"), "name");
    case FILTERS_SHAPE_ACTION_MAP:
        return map_of(filters_schema_list(filters_schema_reference("action"), 1), "name");
    case FILTERS_SHAPE_LISTS:
        return map_of(filters_schema_if(filters_schema_type("array"),
                                        filters_schema_list(filters_schema_type("string"), 0),
                                        filters_schema_reference("list_file")),
                      "name");
    case FILTERS_SHAPE_TEXT_MAP:
        return map_of(filters_schema_type("string"), NULL);
    case FILTERS_SHAPE_HEADERS:
        return map_of(simple_shape(FILTERS_SHAPE_TEXTS), NULL);
    default:
        return simple_shape(shape);
    }
}

json_t *filters_schema_shape(enum filters_shape shape)
{
    switch (shape) {
    case FILTERS_SHAPE_CONDITION:
        return filters_schema_reference("condition");
    case FILTERS_SHAPE_CONDITIONS:
        return filters_schema_list(filters_schema_reference("condition"), 1);
    case FILTERS_SHAPE_EACH:
        return filters_schema_reference("each");
    case FILTERS_SHAPE_ACTIONS:
        return filters_schema_list(filters_schema_reference("action"), 1);
    case FILTERS_SHAPE_RULES:
        return filters_schema_list(filters_schema_reference("rule"), 0);
    case FILTERS_SHAPE_TESTS:
        return filters_schema_list(filters_schema_reference("test"), 0);
    case FILTERS_SHAPE_AUTHSERV:
        return filters_schema_list(filters_schema_reference("authserv"), 0);
    case FILTERS_SHAPE_TARGETS:
        return filters_schema_one_or_list(filters_schema_reference("target"), 1);
    case FILTERS_SHAPE_WAYS: {
        json_t *ways = filters_schema_one_or_list(filters_schema_reference("way"), 1);
        json_object_set_new(json_object_get(ways, "then"), "maxItems", json_integer(8));
        return ways;
    }
    case FILTERS_SHAPE_WAYS_FILED:
        return texts_or("way_filed");
    case FILTERS_SHAPE_FILED:
        return texts_or("filed");
    case FILTERS_SHAPE_STATE:
        return filters_schema_operand(filters_schema_words(filters_state_words), "state");
    case FILTERS_SHAPE_HEADER_EDIT:
        return filters_schema_reference("header_edit");
    case FILTERS_SHAPE_EXPECT:
        return filters_schema_reference("expect");
    default:
        return named_shape(shape);
    }
}

void filters_schema_property(json_t *properties, const char *object, const struct filters_key *key, json_t *value)
{
    if (json_object_get(value, "$ref") != NULL) { /* draft-07 looks at nothing beside $ref */
        value = json_pack("{s:[o]}", "allOf", value);
    }
    filters_schema_complete(value, object, key->name);
    json_object_set_new(value, "description", json_string(key->help));
    json_object_set_new(properties, key->name, value);
}

json_t *filters_schema_object(const char *name, const struct filters_key *keys)
{
    json_t *properties = json_object(), *required = json_array();
    json_object_set_new(properties, "$schema", json_object());
    json_object_set_new(properties, "description", json_object());
    for (; keys->name != NULL; keys++) {
        filters_schema_property(properties, name, keys, filters_schema_shape(keys->shape));
        if (keys->required) {
            json_array_append_new(required, json_string(keys->name));
        }
    }
    return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required", required,
                     "additionalProperties", 0);
}

/* ---- objects with something of their own ---- */

/* With a code of its class. */
static json_t *refusal(const char *name, int class)
{
    json_t *object = filters_schema_object(name, filters_refusal_keys);
    json_t *code = json_object_get(json_object_get(object, "properties"), "code");
    json_object_set_new(code, "minimum", json_integer(class * 100));
    json_object_set_new(code, "maximum", json_integer(class * 100 + 99));
    return object;
}

/* Either described, or its entries: then none of the keys that describe is there. */
static json_t *map_object(void)
{
    json_t *any = json_array(), *described = filters_schema_object("map", filters_map_keys);
    json_t *column = json_object_get(json_object_get(described, "properties"), "column");
    json_object_set_new(column, "minimum", json_integer(2));
    json_object_set_new(column, "maximum", json_integer(100));
    for (const struct filters_key *key = filters_map_keys; key->name != NULL; key++) {
        json_array_append_new(any, filters_schema_requires(key->name));
    }
    json_object_set_new(described, "oneOf", json_pack("[{s:[s]},{s:[s]}]", "required", "file", "required", "entries"));
    return filters_schema_if(json_pack("{s:o}", "anyOf", any), described, map_of(filters_schema_type("string"), NULL));
}

/* A message in a file, or header fields and text right here. */
static json_t *test_object(void)
{
    json_t *test = filters_schema_object("test", filters_case_keys);
    json_t *here = json_pack("{s:[o,o]}", "anyOf", filters_schema_requires("headers"), filters_schema_requires("body"));
    json_object_update_new(
        test, filters_schema_if(filters_schema_requires("message"), json_pack("{s:O}", "not", here), here));
    json_t *to = json_object_get(json_object_get(test, "properties"), "to");
    json_object_set_new(to, "minItems", json_integer(1));
    return test;
}

/* Where it goes otherwise: somewhere else. */
static json_t *way_object(const char *name)
{
    json_t *way = filters_schema_object(name, filters_way_keys);
    json_object_set_new(way, "anyOf",
                        json_pack("[o,o]", filters_schema_requires("upstream"), filters_schema_requires("folder")));
    return way;
}

static json_t *state_object(void)
{
    const struct filters_key keys[] = {{"off", FILTERS_SHAPE_TEXT, true, "why the rule is not tried"}, {.name = NULL}};
    return filters_schema_object("state", keys);
}

static json_t *authserv_object(void)
{
    json_t *host = filters_schema_object("authserv", filters_authserv_keys);
    json_t *clients = json_object_get(json_object_get(host, "properties"), "from_clients");
    json_object_set_new(clients, "minItems", json_integer(1));
    return host;
}

static json_t *expect_object(void)
{
    json_t *expect = filters_schema_object("expect", filters_expect_keys);
    json_object_set_new(expect, "minProperties", json_integer(1));
    return expect;
}

/* {"of": ...}, {"list": ...}, {"file": ...}, as far as they may stand here: told apart by their key. */
static json_t *operand_object(bool has_value, bool has_lists)
{
    json_t *all = json_array(), *one = json_array();
    const struct {
        const char *key, *definition;
        bool may;
    } rows[] = {{"of", "value", has_value}, {"list", "list_name", has_lists}, {"file", "list_file", has_lists}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].may) {
            json_array_append_new(all, filters_schema_if(filters_schema_requires(rows[i].key),
                                                         filters_schema_reference(rows[i].definition), NULL));
            json_array_append_new(one, filters_schema_requires(rows[i].key));
        }
    }
    return json_pack("{s:s,s:o,s:o}", "type", "object", "oneOf", one, "allOf", all);
}

static void define(json_t *all, const char *name, json_t *definition)
{
    json_t *snippets = filters_schema_snippets(name);
    if (snippets != NULL) {
        json_object_set_new(definition, "defaultSnippets", snippets);
    }
    json_object_set_new(all, name, definition);
}

static json_t *definitions(void)
{
    const struct {
        const char *name;
        const struct filters_key *keys;
    } objects[] = {
        {"rule", filters_rule_keys},           {"group", filters_group_keys},
        {"target", filters_target_keys},       {"header_edit", filters_add_keys},
        {"list_file", filters_list_file_keys}, {"filed", filters_filed_keys},
        {"list_name", filters_list_name_keys}, {"value", filters_of_keys},
        {"way_filed", filters_way_keys},
    };
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        define(all, objects[i].name, filters_schema_object(objects[i].name, objects[i].keys));
    }
    define(all, "rejection", refusal("rejection", 5));
    define(all, "deferral", refusal("deferral", 4));
    define(all, "way", way_object("way"));
    define(all, "state", state_object());
    define(all, "authserv", authserv_object());
    define(all, "test", test_object());
    define(all, "expect", expect_object());
    define(all, "map", map_object());
    define(all, "operand", operand_object(true, true));
    define(all, "operand_value", operand_object(true, false));
    define(all, "operand_list", operand_object(false, true));
    define(all, "condition", filters_schema_condition());
    define(all, "each", filters_schema_each());
    define(all, "action", filters_schema_action());
    return all;
}

void filters_schema(struct buf *out)
{
    json_t *schema = filters_schema_object("file", filters_file_keys);
    json_object_set_new(schema, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    json_object_set_new(schema, "title", json_string("mailweir rule file"));
    json_object_set_new(schema, "definitions", definitions());
    char *text = json_dumps(schema, JSON_INDENT(1) | JSON_SORT_KEYS);
    buf_append_text(out, text == NULL ? "" : text);
    buf_append_text(out, "\n");
    free(text);
    json_decref(schema);
}
