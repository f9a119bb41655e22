/*
 * spool_history - forgets messages that were settled long ago, or that are more than the history may hold; the oldest
 * first, a few at a time, beside whatever else a group does.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define BATCH    500
#define PAUSE_MS 30000

static void forget_done(struct spool *spool, struct spool_job *job)
{
    bool more = !fault_is_set(&job->op.fault) && job->op.forget.forgotten == BATCH;
    spool->forgetting = false;
    spool->forgot_at = net_now(spool->loop);
    free(job);
    if (more) {
        spool->forgot_at -= PAUSE_MS;
        spool_history_tidy(spool);
    }
}

void spool_history_tidy(struct spool *spool)
{
    if (spool->forgetting || spool->closing || net_now(spool->loop) - spool->forgot_at < PAUSE_MS) {
        return;
    }
    struct spool_job *job = expect_calloc(1, sizeof *job);
    *job = (struct spool_job){
        .done = forget_done,
        .op = {.kind = STORE_FORGET,
               .forget = {.keep_ms = spool->options.history_ms,
                          .keep_messages = spool->options.history_messages,
                          .limit = BATCH}},
    };
    spool->forgetting = true;
    spool_submit(spool, job);
}
