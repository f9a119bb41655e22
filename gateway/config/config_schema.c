/*
 * config_schema - see config_schema.h.
 */
#include "config/config_schema.h"

#include <stdlib.h>
#include <string.h>

#include "config/config_table.h"

static json_t *schema_of_table(const struct config_table *table);

static json_t *pattern(const char *regex)
{
    return json_pack("{ss ss}", "type", "string", "pattern", regex);
}

static json_t *words(const char *const *list)
{
    json_t *values = json_array();
    for (; *list != NULL; list++) {
        json_array_append_new(values, json_string(*list));
    }
    return json_pack("{so}", "enum", values);
}

static json_t *secret(void)
{
    return json_pack("{s[{ss} {ss s{s{ss}} s[s] sb} {ss s{s{ss}} s[s] sb}]}", "oneOf", "type", "string", /* a literal */
                     "type", "object", "properties", "env", "type", "string", "required", "env", "additionalProperties",
                     0, "type", "object", "properties", "file", "type", "string", "required", "file",
                     "additionalProperties", 0);
}

static json_t *schema_of_address(void)
{
    return pattern("^(unix:/.+|\\[[0-9A-Fa-f:.]+\\]:[0-9]+|[^:\\[\\]/]+:[0-9]+)$");
}

static json_t *one_or_list(json_t *one)
{
    return json_pack("{s[O{ss si so}]}", "anyOf", one, "type", "array", "minItems", 1, "items", one);
}

static json_t *number_schema(const struct config_key *key)
{
    json_t *schema = json_pack("{ss sI}", "type", "integer", "minimum", (json_int_t)key->least);
    if (key->most != 0) {
        json_object_set_new(schema, "maximum", json_integer((json_int_t)key->most));
    }
    return schema;
}

static json_t *schema_of_kind(const struct config_key *key)
{
    switch (key->kind) {
    case CONFIG_NUMBER:
        return number_schema(key);
    case CONFIG_SIZE:
        return json_pack("{s[{ss sI} o]}", "oneOf", "type", "integer", "minimum", (json_int_t)0,
                         pattern("^[0-9]+(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB)?$"));
    case CONFIG_DURATION:
        return pattern("^(0|[0-9]+(ms|s|m|h|d|w))$");
    case CONFIG_BOOL:
        return json_pack("{ss}", "type", "boolean");
    case CONFIG_WORD:
    case CONFIG_SWITCH:
        return words(key->words);
    case CONFIG_ADDRESS:
        return schema_of_address();
    case CONFIG_ADDRESSES:
        return one_or_list(schema_of_address());
    case CONFIG_SECRET:
        return secret();
    case CONFIG_STRINGS:
        return json_pack("{ss s{ss}}", "type", "array", "items", "type", "string");
    case CONFIG_OBJECT:
        return schema_of_table(key->table);
    case CONFIG_LIST:
        return json_pack("{ss so}", "type", "array", "items", schema_of_table(key->table));
    case CONFIG_MAP:
        return json_pack("{ss s{s{ss}} so}", "type", "object", "properties", "description", "type", "string",
                         "additionalProperties", schema_of_table(key->table));
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_KINDS:
        break;
    }
    return json_pack("{ss}", "type", "string");
}

static json_t *schema_of_key(const struct config_key *key)
{
    json_t *schema = schema_of_kind(key);
    json_object_set_new(schema, "description", json_string(key->help));
    if (key->fallback != NULL) {
        json_object_set_new(schema, "default",
                            key->kind == CONFIG_NUMBER ? json_integer(strtoll(key->fallback, NULL, 10))
                            : key->kind == CONFIG_BOOL ? json_boolean(strcmp(key->fallback, "true") == 0)
                                                       : json_string(key->fallback));
    }
    return schema;
}

static json_t *schema_of_table(const struct config_table *table)
{
    json_t *properties = json_pack("{s{ss} s{ss}}", "$schema", "type", "string", "description", "type", "string");
    json_t *required = json_array();
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        json_object_set_new(properties, key->name, schema_of_key(key));
        if (key->required) {
            json_array_append_new(required, json_string(key->name));
        }
    }
    json_t *schema = json_pack("{ss so sb}", "type", "object", "properties", properties, "additionalProperties", 0);
    if (json_array_size(required) > 0) {
        json_object_set(schema, "required", required);
    }
    json_decref(required);
    return schema;
}

json_t *config_schema(void)
{
    json_t *schema = schema_of_table(&config_root_table);
    json_object_set_new(json_object_get(json_object_get(schema, "properties"), "spool"), "anyOf",
                        json_pack("[{s[s]} {s[s]}]", "required", "path", "required", "postgresql"));
    json_object_set_new(schema, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    json_object_set_new(schema, "title", json_string("mailweir configuration"));
    return schema;
}
