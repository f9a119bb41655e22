/*
 * filters_function - the functions of templates; see filters_template.h for what each does.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_FUNCTION_H
#define MAILWEIR_FILTERS_FILTERS_FUNCTION_H

#include "base/arena.h"
#include "base/buf.h"

#define FILTERS_FUNCTION_ARGUMENTS 2

enum filters_function {
    FILTERS_LOWER,
    FILTERS_UPPER,
    FILTERS_TRIM,
    FILTERS_SLUG,
    FILTERS_FIRST,
    FILTERS_DEFAULT_TO,
    FILTERS_REPLACE,
};

struct filters_call {
    enum filters_function function;
    struct bytes texts[FILTERS_FUNCTION_ARGUMENTS];
    uint64_t number; /* first(n); 0: the first word */
};

/* Compiles "lower" or "replace('a', 'b')". -1, with what is wrong appended to error. */
int filters_function_parse(struct arena *arena, struct bytes text, struct filters_call *call_r, struct buf *error);
/* Appends the function of value to out; what out's maximum cannot take is cut off. */
void filters_function_apply(const struct filters_call *call, struct bytes value, struct buf *out);

#endif
