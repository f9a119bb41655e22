/*
 * filters_prefilter - which of many patterns can match at all, by one pass over the values that they look at. Internal.
 *
 * Nearly every pattern has a text that all its matches have in them (filters_scan.h: the needle), and nearly no message
 * has it; so has each word of a "contains". Where many of them look at one subject, all their needles are looked for at
 * once, and only those whose needle is there are tried. What is left out would have matched nothing: decisions are the
 * same without it.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_PREFILTER_H
#define MAILWEIR_FILTERS_FILTERS_PREFILTER_H

#include "filters/filters_run.h"

/* At the end of loading: makes the prefilters of the set's subjects. */
void filters_prefilter_build(struct filters_set *set);
void filters_prefilter_free(struct filters_prefilter **prefilter);

#endif
