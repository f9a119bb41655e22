/*
 * spool_heard - a sender who waited for the upstreams has heard yes. Nobody waits for that to be durable: should it be
 * lost, the same message again would be taken for a repeat of this one, for a while.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

static void on_kept(struct spool *spool, struct spool_job *job)
{
    (void)spool;
    free((char *)job->op.heard.id);
    free(job);
}

void spool_heard(struct spool *spool, const char *id)
{
    NET_EXPECT_LOOP(spool->loop);
    struct spool_job *job = expect_calloc(1, sizeof *job);
    *job = (struct spool_job){.done = on_kept, .op = {.kind = STORE_HEARD, .heard = {.id = expect_strdup(id)}}};
    spool_submit(spool, job);
}
