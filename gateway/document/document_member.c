/*
 * document_member - see document_member.h.
 */
#include "document/document_member.h"

const char *document_member_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

int64_t document_member_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

int64_t document_member_number_in(const json_t *object, const char *group, const char *name)
{
    return document_member_number(json_object_get(object, group), name);
}
