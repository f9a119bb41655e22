/*
 * filters_schema_parts - the small pieces of draft-07 that the schema is made of; see filters_schema_parts.h.
 */
#include "filters/filters_schema_parts.h"

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

json_t *filters_schema_operand(json_t *written, const char *reference)
{
    return filters_schema_if(filters_schema_type("object"), filters_schema_reference(reference), written);
}
