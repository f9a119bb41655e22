/*
 * filters_schema - the JSON Schema (draft-07) of rule files, written from the tables that the loader reads by; see
 * filters.h.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/filters_schema_parts.h"
#include "filters/filters_table.h"

/* ---- objects with something of their own ---- */

/* With a code of its class. */
static json_t *refusal_schema(const char *name, int class)
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
    return filters_schema_if(json_pack("{s:o}", "anyOf", any), described,
                             filters_schema_map(filters_schema_type("string"), NULL));
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
    define(all, "rejection", refusal_schema("rejection", 5));
    define(all, "deferral", refusal_schema("deferral", 4));
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
