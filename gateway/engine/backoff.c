/*
 * backoff - exponential waits with jitter; see backoff.h.
 */
#include "engine/backoff.h"

uint64_t backoff_delay(const struct backoff *backoff, unsigned failures, uint64_t random)
{
    uint64_t delay = backoff->initial_ms;
    if (failures == 0) {
        return 0;
    }
    while (--failures > 0 && delay < backoff->maximum_ms) {
        delay = delay > UINT64_MAX / 2 ? UINT64_MAX : delay * 2;
    }
    if (delay > backoff->maximum_ms) {
        delay = backoff->maximum_ms;
    }
    /* Jitter goes down only: nobody waits longer than the configured maximum. */
    return delay - random % (delay / 4 + 1);
}
