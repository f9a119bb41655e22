/*
 * spool_clock - the wall clock has jumped: what waits for a time of it gets another one. See spool_clock_jumped() in
 * spool.h.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

/*
 * A full disk must not leave what waits to the old clock, for as long as the jump was. What is deferred before another
 * try succeeds may come due too early by a jump backwards, never too late. Without one (a stop), it waits by the old
 * clock.
 */
static void on_moved(struct spool *spool, struct spool_job *job)
{
    if (fault_is_set(&job->op.fault) && !spool->closing) {
        spool_stall(spool, job);
        return;
    }
    free(job);
}

void spool_clock_jumped(struct spool *spool, int64_t delta_ms, int64_t before_ms)
{
    NET_EXPECT_LOOP(spool->loop);
    struct spool_job *job = expect_calloc(1, sizeof *job);
    *job = (struct spool_job){.done = on_moved,
                              .op = {.kind = STORE_CLOCK, .clock = {.delta_ms = delta_ms, .before_ms = before_ms}}};
    spool_submit(spool, job);
}
