/*
 * backoff - how long to wait after failures in a row: exponential with jitter. Pure: the random number is an argument.
 */
#ifndef MAILWEIR_ENGINE_BACKOFF_H
#define MAILWEIR_ENGINE_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint64_t initial_ms; /* after the first failure */
    uint64_t maximum_ms;
};

/*
 * Milliseconds to wait after `failures` failures in a row (0 gives 0): the initial wait, doubled for each further one
 * up to the maximum; of that, between three quarters and all, as `random` (any 64 bits) says, so that many clients do
 * not return at once.
 */
uint64_t backoff_delay(const struct backoff *backoff, unsigned failures, uint64_t random);

#endif
