/*
 * filters_formula - one value expression, compiled: what stands between "${" and "}" in a template, and what "of" looks
 * at. Internal.
 *
 *   formula   = source *selector *( "|" function *selector )
 *   source    = NAME | "." [NAME] | "parts" [ "(" 'type' ")" ]           what NAME means: filters_load_name()
 *   function  = NAME [ "(" argument *( "," argument ) ")" ]              filters_function.c has the table
 *   argument  = "'" text "'" | number
 *   selector  = "[" ( "first" | "last" | [ "-" ] number ) "]" | "." NAME
 *
 * A formula has any number of values, each a text and, by its type, a number. A template takes the first; a test holds
 * when one of them passes. Its type is known when it is compiled.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_FORMULA_H
#define MAILWEIR_FILTERS_FILTERS_FORMULA_H

#include "base/must_use.h"
#include "filters/filters_date.h"
#include "filters/filters_function.h"
#include "filters/filters_map.h"
#include "filters/filters_set.h"
#include "filters/filters_template.h"

#define FILTERS_STEPS_MAX 12

struct filters_step {
    struct filters_call call;
    const char *text;                      /* as written, for explain */
    int index;                             /* SELECT: from 0, or from the end: -1 is the last */
    enum filters_part attribute;           /* ATTRIBUTE */
    const struct filters_pattern *pattern; /* REPLACE_PATTERN */
    const struct filters_map *map;         /* LOOKUP */
    enum filters_date_part part;           /* TO_DATE */
    const struct filters_zone *zone;       /* TO_DATE; NULL: UTC */
};

struct filters_formula {
    const char *text;                /* as written */
    struct filters_reference source; /* what it is: filters_name.h */
    enum filters_date_part part;     /* of a source that is the time of reception */
    const struct filters_zone *zone; /* the same */
    const struct filters_step *steps;
    size_t step_count;
    enum filters_type type; /* of its values */
    bool nocase;
    enum filters_extent extent;
    bool per_recipient;
    bool is_volatile;           /* depends on captures, variables or the item at hand: it is worked out each time */
    enum filters_object object; /* what its values are, beside texts */
};

struct filters_run;
struct filters_fetched;
struct filters_value;

/* Told of each step's values, for explain. */
typedef void filters_step_fn(void *ctx, const char *text, const struct filters_fetched *values);

/*
 * The formula's values, in the run's arena; NOT_YET when the message has not come far enough. -1 with a fault. fn may
 * be NULL.
 */
MUST_USE int filters_formula_values(struct filters_run *run, const struct filters_formula *formula,
                                    struct filters_fetched *values_r, filters_step_fn *fn, void *ctx);
/* The first value's text, empty when there is none: a struct filters_filler's function with the run as ctx; the
 * reference's `what` is the formula. */
struct bytes filters_formula_fill(void *run, const struct filters_reference *reference);

#endif
