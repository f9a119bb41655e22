/*
 * spool_finish - the job that records what became of a delivery, or that nothing did.
 *
 * A settlement that cannot be written is tried again until it can: to forget that a message was filed would file it
 * twice. The delivery stays in hand meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct finish_job {
    struct spool_job job;
    struct spool_item *item;
    char doubt[DOUBT_TEXT_MAX];
    bool left; /* nobody wanted it */
    spool_commit_fn *done;
    void *ctx;
};

void spool_finish_resume(struct spool *spool, struct spool_upstream *upstream)
{
    while (upstream->giving_back == 0 && !list_is_empty(&upstream->fetches)) {
        struct spool_fetcher *fetcher = LIST_ITEM(list_take(&upstream->fetches), struct spool_fetcher, link);
        fetcher->go_on(spool, fetcher);
    }
}

static void finish_done(struct spool *spool, struct spool_job *job)
{
    struct finish_job *finish = LIST_ITEM(job, struct finish_job, job);
    const struct fault *fault = fault_is_set(&job->op.fault) ? &job->op.fault : NULL;
    if (fault != NULL && fault->class != FAULT_PERM && !spool->closing) {
        spool_stall(spool, job);
        return;
    }
    if (finish->done != NULL) {
        finish->done(finish->ctx, fault);
    }
    if (finish->left) {
        struct spool_upstream *upstream = spool_upstream(spool, finish->item->delivery.upstream);
        spool_left_behind(spool, finish->item->delivery.upstream);
        upstream->giving_back--;
        spool_finish_resume(spool, upstream);
    }
    spool_item_free(spool, &finish->item);
    free(finish);
}

static struct finish_job *new_job(struct spool_item **item)
{
    struct finish_job *finish = expect_calloc(1, sizeof *finish);
    *finish = (struct finish_job){.job.done = finish_done, .item = *item};
    *item = NULL;
    return finish;
}

static struct store_key key_of(const struct finish_job *finish)
{
    return (struct store_key){finish->item->body->at.message, finish->item->delivery.number};
}

static void untouch_delivery(struct spool *spool, struct finish_job *finish, bool uncertain, const char *doubt)
{
    finish->job.op.kind = STORE_UNTOUCH;
    finish->job.op.run = finish->item->run;
    finish->job.op.untouch = (struct store_untouch){.key = key_of(finish), .uncertain = uncertain, .doubt = doubt};
    spool_submit(spool, &finish->job);
}

void spool_give_back(struct spool *spool, struct spool_item **item)
{
    if (*item == NULL || spool->closing) {
        spool_item_free(spool, item); /* at the end it counts as in hand: looked for at the next start */
        return;
    }
    struct finish_job *finish = new_job(item);
    finish->left = true;
    spool_upstream(spool, finish->item->delivery.upstream)->giving_back++;
    untouch_delivery(spool, finish, finish->item->uncertain, finish->item->delivery.doubt);
}

void spool_finish(struct spool *spool, struct spool_item **item, const struct spool_outcome *outcome,
                  spool_commit_fn *done, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    static const enum store_state states[] = {
        [SPOOL_FILED] = STORE_STATE_FILED,   [SPOOL_DEFERRED] = STORE_STATE_WAITING,
        [SPOOL_DEAD] = STORE_STATE_DEAD,     [SPOOL_UNTOUCHED] = STORE_STATE_WAITING,
        [SPOOL_MOVED] = STORE_STATE_WAITING,
    };
    struct finish_job *finish = new_job(item);
    finish->done = done;
    finish->ctx = ctx;
    memcpy(finish->doubt, outcome->doubt, sizeof finish->doubt);
    if (outcome->kind == SPOOL_UNTOUCHED) {
        untouch_delivery(spool, finish, outcome->uncertain, finish->doubt);
        return;
    }
    finish->job.op.kind = STORE_FINISH;
    finish->job.op.run = finish->item->run;
    finish->job.op.finish = (struct store_finish){
        .key = key_of(finish),
        .state = states[outcome->kind],
        .instead = outcome->kind == SPOOL_MOVED ? outcome->instead : NULL,
        .again_in_ms = outcome->again_in_ms,
        .attempts = finish->item->attempts + 1,
        .uncertain = outcome->uncertain,
        .doubt = finish->doubt,
        .why = outcome->fault,
        .note = outcome->note,
        .uidvalidity = outcome->uidvalidity,
        .uid = outcome->uid,
        .folder = outcome->kind == SPOOL_FILED ? outcome->folder : NULL,
    };
    spool_submit(spool, &finish->job);
}
