/*
 * spool_clock - the wall clock has jumped: what waits for a time of it gets another one. See spool_clock_jumped() in spool.h.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct clock_job {
    struct spool_job job;
    int64_t delta_ms, before_ms;
};

static int move_due(struct spool_writer *writer, struct spool_job *base, struct fault *fault)
{
    const struct clock_job *job = LIST_ITEM(base, struct clock_job, job);
    return local_index_move_due(writer->index, job->delta_ms, job->before_ms, fault);
}

/*
 * A full disk must not leave what waits to the old clock, for as long as the jump was. What is deferred before another try succeeds may come due
 * too early by a jump backwards, never too late. Without one (a stop), it waits by the old clock.
 */
static void on_moved(struct spool *spool, struct spool_job *base)
{
    if (fault_is_set(&base->fault) && !spool->closing) {
        spool_stall(spool, base);
        return;
    }
    free(LIST_ITEM(base, struct clock_job, job));
}

static const struct spool_job_kind clock_kind = {NULL, move_due, NULL, on_moved};

void spool_clock_jumped(struct spool *spool, int64_t delta_ms, int64_t before_ms)
{
    struct clock_job *job = expect_calloc(1, sizeof *job);
    *job = (struct clock_job){.job.kind = &clock_kind, .delta_ms = delta_ms, .before_ms = before_ms};
    spool_submit(spool, &job->job);
}
