/*
 * document - a JSON text with places: jansson's values, and line and column for each JSON pointer.
 *
 * jansson gives positions for syntax errors only; one own pass over the text maps every value's pointer to where it
 * stands. Used for rule files and for the gateway's configuration alike. Comments and commas behind the last item are
 * let pass (JSONC). Duplicate keys are errors; depth and size are bounded.
 */
#ifndef MAILWEIR_DOCUMENT_DOCUMENT_H
#define MAILWEIR_DOCUMENT_DOCUMENT_H

#include <jansson.h>

#include "base/must_use.h"
#include "document/problems.h"

#define DOCUMENT_MAX_DEPTH 64
#define DOCUMENT_MAX_SIZE  (16u << 20)

struct document;

/* NULL after a problem was added (syntax with its place, duplicate key, too deep, too large, not UTF-8). */
MUST_USE struct document *document_parse(const char *name, struct bytes text, struct problems *problems);
void document_free(struct document **json);
const char *document_name(const struct document *json);
/* Borrowed; lives as long as the document. */
json_t *document_root(const struct document *json);

/* Where the value of this pointer stands; the nearest parent's place when the pointer names nothing. "" is the root. */
void document_place(const struct document *json, const char *pointer, size_t *line_r, size_t *column_r);
/* Where the key of this member stands: for unknown keys. */
void document_key_place(const struct document *json, const char *pointer, size_t *line_r, size_t *column_r);
/* Adds a problem at the pointer's place. */
void document_problem(const struct document *json, struct problems *problems, enum problem_severity severity,
                      const char *pointer, const char *format, ...) __attribute__((format(printf, 5, 6)));
/*
 * Adds an error for each key of the object at `pointer` that is not in `known` (NULL ends the list), "$schema" and
 * "description" aside, and names the nearest known one. Returns how many.
 */
size_t document_unknown_keys(const struct document *json, struct problems *problems, const char *pointer,
                             json_t *object, const char *const *known);

#endif
