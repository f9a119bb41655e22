/*
 * spool_history - forgets messages that were settled long ago, or that are more than the history may hold; the oldest first, a few at
 * a time, beside whatever else a group does.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define BATCH    500
#define PAUSE_MS 30000

struct forget_job {
    struct spool_job job;
    int64_t before_ms;
    uint64_t most; /* settled messages that are kept */
    unsigned count;
};

static int forget_index(struct spool_writer *writer, struct spool_job *base, struct fault *fault)
{
    struct forget_job *job = LIST_ITEM(base, struct forget_job, job);
    uint64_t settled;
    job->count = 0;
    if (local_index_count_settled(writer->index, &settled, fault) != 0) {
        return -1;
    }
    if (settled <= job->most) {
        return local_index_forget(writer->index, job->before_ms, BATCH, &job->count, fault);
    }
    uint64_t excess = settled - job->most;
    return local_index_forget(writer->index, INT64_MAX, excess < BATCH ? (unsigned)excess : BATCH, &job->count, fault);
}

static void forget_done(struct spool *spool, struct spool_job *base)
{
    struct forget_job *job = LIST_ITEM(base, struct forget_job, job);
    bool more = !fault_is_set(&base->fault) && job->count == BATCH;
    spool->forgetting = false;
    spool->forgot_at = net_now(spool->loop);
    free(job);
    if (more) {
        spool->forgot_at -= PAUSE_MS;
        spool_history_tidy(spool);
    }
}

static const struct spool_job_kind forget_kind = {NULL, forget_index, NULL, forget_done};

void spool_history_tidy(struct spool *spool)
{
    if (spool->forgetting || spool->closing || net_now(spool->loop) - spool->forgot_at < PAUSE_MS) {
        return;
    }
    struct forget_job *job = expect_calloc(1, sizeof *job);
    *job = (struct forget_job){
        .job.kind = &forget_kind,
        .before_ms = net_wall(spool->loop) - (int64_t)spool->options.history_ms,
        .most = spool->options.history_messages,
    };
    spool->forgetting = true;
    spool_submit(spool, &job->job);
}
