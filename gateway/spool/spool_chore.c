/*
 * spool_chore - what a batch of the store's left to do: on the lane "tidy" beside the groups, or, step by step, between
 * and in them.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct errand {
    struct spool_job job;
    struct spool *spool;
    struct store_chore *chore;
};

static void go_on(struct errand *errand);

static void run_chore(void *ctx)
{
    struct errand *errand = ctx;
    struct store *store = errand->spool->store;
    store->ops->chore(store, errand->chore);
}

static void on_run(void *ctx)
{
    go_on(ctx);
}

static void on_batch(struct spool *spool, struct spool_job *job)
{
    (void)spool;
    struct errand *errand = LIST_ITEM(job, struct errand, job);
    errand->chore->next = STORE_CHORE_TIDY;
    go_on(errand);
}

/* At the end nothing is begun that would need another step. */
static void go_on(struct errand *errand)
{
    struct spool *spool = errand->spool;
    struct store_chore *chore = errand->chore;
    if (chore->next == STORE_CHORE_TIDY) {
        net_lane_submit(spool->tidy, run_chore, on_run, errand);
    } else if (chore->next == STORE_CHORE_DISK && !spool->closing) {
        net_lane_submit(spool->disk, run_chore, on_run, errand);
    } else if (chore->next == STORE_CHORE_BATCH && !spool->closing) {
        chore->op.asker = &errand->job;
        list_init(&chore->op.link);
        list_append(&spool->pending, &chore->op.link);
        spool_pump(spool);
    } else {
        spool->store->ops->chore_drop(spool->store, &errand->chore);
        free(errand);
    }
}

void spool_chore_take(struct spool *spool, struct list *chores)
{
    for (struct list *link; (link = list_take(chores)) != NULL;) {
        struct errand *errand = expect_calloc(1, sizeof *errand);
        *errand =
            (struct errand){.job.done = on_batch, .spool = spool, .chore = LIST_ITEM(link, struct store_chore, link)};
        go_on(errand);
    }
}
