/*
 * spool_memo - the job that writes an upstream's memo; one at a time for each upstream. See spool_memo.h.
 */
#include "spool/spool_memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct memo_job {
    struct spool_job job;
    char *upstream, *text;
};

static void submit_memo(struct spool *spool, const char *name, const struct spool_upstream *upstream);

static void memo_done(struct spool *spool, struct spool_job *base)
{
    struct memo_job *job = LIST_ITEM(base, struct memo_job, job);
    struct spool_upstream *upstream = spool_upstream(spool, job->upstream);
    if (fault_is_set(&base->op.fault) && !spool->closing) {
        spool_stall(spool, base);
        return;
    }
    upstream->memo_under_way = false;
    upstream->memo_at = spool->looks;
    if (!fault_is_set(&base->op.fault) && strcmp(upstream->memo, job->text) != 0) {
        upstream->memo_under_way = true;
        submit_memo(spool, job->upstream, upstream);
    }
    free(job->upstream);
    free(job->text);
    free(job);
}

static void submit_memo(struct spool *spool, const char *name, const struct spool_upstream *upstream)
{
    struct memo_job *job = expect_calloc(1, sizeof *job);
    *job = (struct memo_job){.upstream = expect_strdup(name), .text = expect_strdup(upstream->memo)};
    job->job = (struct spool_job){.done = memo_done,
                                  .op = {.kind = STORE_MEMO, .memo = {.upstream = job->upstream, .text = job->text}}};
    spool_submit(spool, &job->job);
}

void spool_memo_set(struct spool *spool, const char *name, const char *text)
{
    NET_EXPECT_LOOP(spool->loop);
    struct spool_upstream *upstream = spool_upstream(spool, name);
    if (upstream->memo != NULL && strcmp(upstream->memo, text) == 0) {
        return;
    }
    free(upstream->memo);
    upstream->memo = expect_strdup(text);
    upstream->memo_at = spool->looks;
    if (!upstream->memo_under_way) {
        upstream->memo_under_way = true;
        submit_memo(spool, name, upstream);
    }
}

void spool_memo_take(struct spool *spool, const char *name, const char *text, uint64_t look)
{
    if (spool_mark_take(spool, name, text)) {
        return;
    }
    struct spool_upstream *upstream = spool_upstream(spool, name);
    if (upstream->memo_under_way || upstream->memo_at >= look ||
        (upstream->memo != NULL && strcmp(upstream->memo, text) == 0)) {
        return;
    }
    free(upstream->memo);
    upstream->memo = expect_strdup(text);
    if (spool->remembered != NULL && !spool->closing) {
        spool->remembered(spool->remembered_ctx, name);
    }
}

void spool_memo_watch(struct spool *spool, spool_memo_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    spool->remembered = fn;
    spool->remembered_ctx = ctx;
}

const char *spool_memo(struct spool *spool, const char *upstream)
{
    NET_EXPECT_LOOP(spool->loop);
    return spool_upstream(spool, upstream)->memo;
}
