/*
 * filters_function - the functions that follow behind "|": their table, how their arguments are written, and what those
 * do that make one text of one text. What works on several values, dates and maps is in filters_formula. Internal.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_FUNCTION_H
#define MAILWEIR_FILTERS_FILTERS_FUNCTION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/must_use.h"
#include "filters/filters_table.h"

#define FILTERS_ARGUMENTS_MAX 2

enum filters_function {
    FILTERS_LOWER,
    FILTERS_UPPER,
    FILTERS_TRIM,
    FILTERS_SLUG,
    FILTERS_FIRST,
    FILTERS_LAST,
    FILTERS_DEFAULT_TO,
    FILTERS_REPLACE,
    FILTERS_REPLACE_PATTERN,
    FILTERS_SPLIT,
    FILTERS_JOIN,
    FILTERS_UNIQUE,
    FILTERS_COUNT,
    FILTERS_LENGTH,
    FILTERS_HASH,
    FILTERS_LOOKUP,
    FILTERS_TO_NUMBER,
    FILTERS_TO_DATE,
    FILTERS_TO_AGE,
    FILTERS_IN_ZONE,
    FILTERS_DATE_PART, /* year, month ... time */
    /* Not functions of their own: */
    FILTERS_SELECT,    /* [first], [2] */
    FILTERS_ATTRIBUTE, /* .name of an attachment */
};

enum filters_argument_kind { FILTERS_ARGUMENT_NONE, FILTERS_ARGUMENT_TEXT, FILTERS_ARGUMENT_NUMBER };

struct filters_function_row {
    const char *name; /* NULL ends the table */
    enum filters_function function;
    unsigned least, most; /* arguments */
    enum filters_argument_kind kind;
    enum filters_type gives; /* 0: what it gets */
    const char *written, *help;
};
extern const struct filters_function_row filters_functions[];

struct filters_call {
    enum filters_function function;
    struct bytes texts[FILTERS_ARGUMENTS_MAX];
    unsigned count;
    uint64_t number; /* first(n), last(n), hash(n); 0: without */
};

/*
 * Compiles "lower" or "replace('a', 'b')"; a quote in a text is written twice. -1, with what is wrong appended to
 * error.
 */
MUST_USE int filters_function_parse(struct arena *arena, struct bytes text, const struct filters_function_row **row_r,
                                    struct filters_call *call_r, struct buf *error);
/* The texts between "(" and ")". -1, with what is wrong appended to error. */
MUST_USE int filters_function_arguments(struct arena *arena, struct bytes inside, const char *name,
                                        struct filters_call *call, struct buf *error);
/* Appends the function of value to out; what out's maximum cannot take is cut off. For those from LOWER to REPLACE, and
 * HASH. */
void filters_function_apply(const struct filters_call *call, struct bytes value, struct buf *out);

#endif
