/*
 * document_member - members of JSON that we have written: an answer of the gateway, a record of the spool. What is
 * absent, or of another kind, reads as nothing; what people have written is read with its places (document.h).
 */
#ifndef MAILWEIR_DOCUMENT_DOCUMENT_MEMBER_H
#define MAILWEIR_DOCUMENT_DOCUMENT_MEMBER_H

#include <jansson.h>
#include <stdint.h>

/* A view of the string; "" when there is none. object may be NULL. */
const char *document_member_text(const json_t *object, const char *name);
/* 0 when there is none. object may be NULL. */
int64_t document_member_number(const json_t *object, const char *name);
/* Of the object that lies in it at `group`. */
int64_t document_member_number_in(const json_t *object, const char *group, const char *name);

#endif
