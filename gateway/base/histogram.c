/*
 * histogram - see histogram.h.
 */
#include "base/histogram.h"

#include <stddef.h>

const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {500,     1000,     2500,     5000,    10000,   25000,
                                                     50000,   100000,   250000,   500000,  1000000, 2500000,
                                                     5000000, 10000000, 30000000, 60000000};

void histogram_add(struct histogram *histogram, uint64_t us)
{
    size_t i = 0;
    while (i < HISTOGRAM_BOUNDS && us > histogram_bounds[i]) {
        i++;
    }
    histogram->buckets[i]++;
    histogram->count++;
    histogram->sum_us += us;
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned percent)
{
    uint64_t seen = 0;
    /* Rounded up: the 99th percentile of one value is that value. */
    uint64_t wanted = (histogram->count * percent + 99) / 100;
    for (size_t i = 0; histogram->count > 0 && i <= HISTOGRAM_BOUNDS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            return histogram_bounds[i < HISTOGRAM_BOUNDS ? i : HISTOGRAM_BOUNDS - 1];
        }
    }
    return 0;
}
