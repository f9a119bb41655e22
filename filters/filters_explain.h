/*
 * filters_explain - a decision and how it came about as one JSON text. Internal; see filters_explain() in filters.h.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_EXPLAIN_H
#define MAILWEIR_FILTERS_FILTERS_EXPLAIN_H

#include <jansson.h>

#include "base/must_use.h"
#include "filters/filters.h"

/* decision is NULL when there is none, then the fault says why. -1 when out is full. */
MUST_USE int filters_explain_write(json_t *recipients, const struct filters_decision *decision,
                                   const struct fault *fault, struct buf *out);

#endif
