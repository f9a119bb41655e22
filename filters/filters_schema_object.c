/*
 * filters_schema_object - what the values of keys look like, and an object with the keys of a table; see
 * filters_schema_parts.h.
 */
#include "filters/filters_map.h"
#include "filters/filters_schema_parts.h"

/* Names with values of one kind; names of a kind when there is one. */
json_t *filters_schema_map(json_t *values, const char *kind)
{
    json_t *map = json_pack("{s:s,s:o}", "type", "object", "additionalProperties", values);
    if (kind != NULL) {
        json_object_set_new(map, "propertyNames", filters_schema_pattern(kind));
    }
    return map;
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
        return filters_schema_map(
            filters_schema_if(filters_schema_type("object"), filters_schema_map(count_number(), NULL), count_number()),
            NULL);
    case FILTERS_SHAPE_ENTRIES:
        return filters_schema_map(filters_schema_type("string"), NULL);
    default:
        return filters_schema_type("string");
    }
}

/* What stands under names that the file gives. */
static json_t *named_shape(enum filters_shape shape)
{
    switch (shape) {
    case FILTERS_SHAPE_CONDITION_MAP:
        return filters_schema_map(filters_schema_reference("condition"), "name");
    case FILTERS_SHAPE_GROUPS:
        return filters_schema_map(filters_schema_reference("group"), "name");
    case FILTERS_SHAPE_MAPS:
        return filters_schema_map(filters_schema_reference("map"), "name");
    case FILTERS_SHAPE_ACTION_MAP:
        return filters_schema_map(filters_schema_list(filters_schema_reference("action"), 1), "name");
    case FILTERS_SHAPE_LISTS:
        return filters_schema_map(filters_schema_if(filters_schema_type("array"),
                                                    filters_schema_list(filters_schema_type("string"), 0),
                                                    filters_schema_reference("list_file")),
                                  "name");
    case FILTERS_SHAPE_TEXT_MAP:
        return filters_schema_map(filters_schema_type("string"), NULL);
    case FILTERS_SHAPE_HEADERS:
        return filters_schema_map(simple_shape(FILTERS_SHAPE_TEXTS), NULL);
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
