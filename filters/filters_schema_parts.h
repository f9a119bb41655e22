/*
 * filters_schema_parts - what the files that write the JSON Schema share. Internal.
 *
 * Each function makes a piece of draft-07; who calls it owns it. What an editor tells is as near to the slip as can be:
 * alternatives are told apart by "if" (a key that is there, a type), never by "anyOf", whose error names the whole.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_SCHEMA_PARTS_H
#define MAILWEIR_FILTERS_FILTERS_SCHEMA_PARTS_H

#include <jansson.h>

#include "filters/filters_table.h"

json_t *filters_schema_reference(const char *name);
json_t *filters_schema_type(const char *name);
/* A list of at least so many. */
json_t *filters_schema_list(json_t *items, int least);
/* One of these, or a list of them; `one` is a text, or a reference to an object. */
json_t *filters_schema_one_or_list(json_t *one, int least);
json_t *filters_schema_words(const char *const *words);
json_t *filters_schema_requires(const char *key);
/* otherwise may be NULL. */
json_t *filters_schema_if(json_t *when, json_t *then, json_t *otherwise);
/* An object with the keys of the table, and the two that are allowed everywhere; `name` finds what the keys' values
 * are like. */
json_t *filters_schema_object(const char *name, const struct filters_key *keys);
/* Names with values of one kind; names of a kind when there is one. */
json_t *filters_schema_map(json_t *values, const char *kind);
/* What a key of that shape takes. */
json_t *filters_schema_shape(enum filters_shape shape);
/* Adds the key to the object's properties. */
void filters_schema_property(json_t *properties, const char *object, const struct filters_key *key, json_t *value);

/* What the text behind the key of the object is like, its default, and examples of its value: sets them. */
void filters_schema_complete(json_t *value, const char *object, const char *key);
/* Texts of a kind: "value" is what stands in "of". NULL for others. */
json_t *filters_schema_pattern(const char *kind);
/* Values whose last function gives that type. */
json_t *filters_schema_pattern_of(enum filters_type type);
/* Whole rules, tests, conditions, actions for an editor to insert; NULL where there are none. */
json_t *filters_schema_snippets(const char *definition);

/* Conditions, what stands in quantifiers, and actions. */
json_t *filters_schema_condition(void);
json_t *filters_schema_each(void);
json_t *filters_schema_action(void);
/* What operators are compared with, beside what is written out. */
json_t *filters_schema_operand(json_t *written, const char *reference);

#endif
