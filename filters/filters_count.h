/*
 * filters_count - counters: how many messages were counted before, under a key, within a time. Internal.
 *
 * A test asks, an action says what is to be counted; who acknowledges the message counts (struct filters_counters). So
 * whoever explains or tests rules changes nothing.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_COUNT_H
#define MAILWEIR_FILTERS_FILTERS_COUNT_H

#include "filters/filters_run.h"

/* Octets of a key; a longer one is cut. */
#define FILTERS_COUNTER_KEY_MAX 200u

/* The number for the message at hand. -1 with a fault. */
MUST_USE int filters_count_values(struct filters_run *run, const struct filters_subject *subject,
                                  struct filters_fetched *fetched);

#endif
