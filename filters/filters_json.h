/*
 * filters_json - a JSON text with places: jansson's values, and line and column for each JSON pointer.
 *
 * jansson gives positions for syntax errors only; one own pass over the text maps every value's pointer to where it stands. Used
 * for rule files and for the gateway's configuration alike. Duplicate keys are errors; depth and size are bounded.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_JSON_H
#define MAILWEIR_FILTERS_FILTERS_JSON_H

#include <jansson.h>

#include "filters/filters.h"

#define FILTERS_JSON_MAX_DEPTH 64
#define FILTERS_JSON_MAX_SIZE  (16u << 20)

struct filters_json;

/* NULL after a problem was added (syntax with its place, duplicate key, too deep, too large, not UTF-8). */
struct filters_json *filters_json_parse(const char *name, struct bytes text, struct filters_problems *problems);
void filters_json_free(struct filters_json **json);
const char *filters_json_name(const struct filters_json *json);
/* Borrowed; lives as long as the document. */
json_t *filters_json_root(const struct filters_json *json);

/* Where the value of this pointer stands; the nearest parent's place when the pointer names nothing. "" is the root. */
void filters_json_place(const struct filters_json *json, const char *pointer, size_t *line_r, size_t *column_r);
/* Where the key of this member stands: for unknown keys. */
void filters_json_key_place(const struct filters_json *json, const char *pointer, size_t *line_r, size_t *column_r);
/* Adds a problem at the pointer's place. */
void filters_json_problem(const struct filters_json *json, struct filters_problems *problems, int severity,
                          const char *pointer, const char *format, ...) __attribute__((format(printf, 5, 6)));
/*
 * Adds an error for each key of the object at `pointer` that is not in `known` (NULL ends the list), "$schema" and "description" aside,
 * and names the nearest known one. Returns how many.
 */
size_t filters_json_unknown_keys(const struct filters_json *json, struct filters_problems *problems,
                                 const char *pointer, json_t *object, const char *const *known);
/* The word of `known` nearest to `word` by edit distance, or NULL when none is near. */
const char *filters_nearest(const char *word, const char *const *known);

#endif
