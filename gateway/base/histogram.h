/*
 * histogram - how long something took, counted by the octave: fixed bounds from half a millisecond to a minute.
 *
 * Whoever measures owns one and adds to it; whoever writes metrics reads it. All bounds are alike, so that any two can
 * be compared.
 */
#ifndef MAILWEIR_BASE_HISTOGRAM_H
#define MAILWEIR_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS 16

/* Upper bounds, inclusive, in microseconds, rising. What is above the last counts in the bucket behind it. */
extern const uint64_t histogram_bounds[HISTOGRAM_BOUNDS];

struct histogram {
    uint64_t buckets[HISTOGRAM_BOUNDS + 1]; /* not cumulated */
    uint64_t count;
    uint64_t sum_us;
};

void histogram_add(struct histogram *histogram, uint64_t us);
/* An estimate (the bound of its bucket) of the value that `percent` of all do not pass, in microseconds; 0 when empty.
 */
uint64_t histogram_percentile(const struct histogram *histogram, unsigned percent);

#endif
