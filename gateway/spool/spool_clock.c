/*
 * spool_clock - the wall clock has jumped: what waits for a time of it gets another one. See spool_clock_jumped() in
 * spool.h.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

static void on_moved(struct spool *spool, struct spool_job *job);

static struct spool_job *next_of(struct spool *spool)
{
    return LIST_ITEM(list_take(&spool->jumps), struct store_op, link)->asker;
}

/* One behind the other: a later jump is of times that the earlier one has moved. */
static void submit_next(struct spool *spool)
{
    if (!spool->jumping && !list_is_empty(&spool->jumps)) {
        struct spool_job *job = next_of(spool);
        spool->jumping = true;
        spool_submit(spool, job);
    }
}

static void forget_all(struct spool *spool)
{
    while (!list_is_empty(&spool->jumps)) {
        free(next_of(spool));
    }
}

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
    if (fault_is_set(&job->op.fault)) {
        forget_all(spool);
    }
    free(job);
    spool->jumping = false;
    submit_next(spool);
}

void spool_clock_jumped(struct spool *spool, int64_t delta_ms, int64_t before_ms)
{
    NET_EXPECT_LOOP(spool->loop);
    spool_node_jumped(spool, delta_ms);
    struct spool_job *job = expect_calloc(1, sizeof *job);
    *job = (struct spool_job){.done = on_moved,
                              .op = {.kind = STORE_CLOCK, .clock = {.delta_ms = delta_ms, .before_ms = before_ms}}};
    spool_line_up(&spool->jumps, job);
    submit_next(spool);
}
