/*
 * spool_queue - jobs on their way to the lane that commits: gathered into groups, one group at a time; and what the
 * spool knows of each upstream's queue.
 *
 * It knows nothing of what the jobs are for. What comes after a group stands with whoever set spool.on_group.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

static void run_group(void *ctx)
{
    struct spool_group *group = ctx;
    struct store *store = group->spool->store;
    group->verdict = store->ops->commit(store, &group->batch);
}

void spool_take_counts(struct spool *spool, const struct store_counts *counts)
{
    spool->counts.waiting = counts->waiting;
    spool->counts.held = counts->held;
    spool->counts.dead = counts->dead;
    spool->counts.messages = counts->messages;
    spool->counts.syncs = counts->syncs;
    spool->counts.compacted = counts->compacted;
    spool->counts.set_aside = counts->set_aside;
}

void spool_group_answer(struct spool *spool, struct spool_group **group)
{
    for (struct list *link; (link = list_take(&(*group)->batch.ops)) != NULL;) {
        struct spool_job *job = LIST_ITEM(link, struct store_op, link)->asker;
        job->done(spool, job);
    }
    free(*group);
    *group = NULL;
}

/*
 * One group at a time, of all that has come meanwhile: a second one beside it would sync the same log again, while
 * those that wait share the next sync. So an idle spool answers after one sync, and a busy one needs fewer for each
 * message the busier it is. What one group takes has a limit, for the first in it is answered with the last.
 */
void spool_pump(struct spool *spool)
{
    if (spool->group_running || list_is_empty(&spool->pending)) {
        return;
    }
    struct spool_group *group = expect_calloc(1, sizeof *group);
    size_t octets = 0;
    group->spool = spool;
    group->began_us = net_now_us(spool->loop);
    list_init(&group->link);
    store_batch_init(&group->batch);
    while (!list_is_empty(&spool->pending) && group->batch.count < SPOOL_GROUP_JOBS && octets < SPOOL_GROUP_OCTETS) {
        struct store_op *op = LIST_ITEM(list_take(&spool->pending), struct store_op, link);
        octets += op->octets;
        store_batch_add(&group->batch, op);
    }
    spool->group_running = true;
    net_lane_submit(spool->disk, run_group, spool->on_group, group);
}

void spool_ride(struct spool *spool, struct spool_job *job)
{
    NET_EXPECT_LOOP(spool->loop);
    spool_line_up(&spool->pending, job);
}

void spool_submit(struct spool *spool, struct spool_job *job)
{
    spool_ride(spool, job);
    spool_pump(spool);
}

void spool_stall(struct spool *spool, struct spool_job *job)
{
    /* Not at once: whatever refused it a moment ago (a full disk, a failed sync) refuses it again, in a loop that
     * would leave the disk no time for the mail that makes room. */
    if (list_is_empty(&spool->stalled)) {
        net_timer_start(spool->stall_timer, SPOOL_TROUBLE_MS);
    }
    job->op.fault = job->op.beside = FAULT_INIT;
    job->op.failed_with_batch = false;
    list_append(&spool->stalled, &job->op.link);
}

struct spool_upstream *spool_upstream(struct spool *spool, const char *name)
{
    struct spool_upstream *upstream = map_get(spool->upstreams, bytes_of(name));
    if (upstream == NULL) {
        upstream = expect_calloc(1, sizeof *upstream);
        list_init(&upstream->fetches);
        EXPECT(map_set(spool->upstreams, bytes_of(name), upstream) == 0);
    }
    return upstream;
}

void spool_wake(struct spool *spool, const char *upstream)
{
    if (spool->wake != NULL && !spool->closing) {
        spool->wake(spool->wake_ctx, upstream);
    }
}

void spool_left_behind(struct spool *spool, const char *name)
{
    struct spool_upstream *upstream = spool_upstream(spool, name);
    bool news = !upstream->backlog && !spool_is_paused(spool, upstream) && spool->offer != NULL;
    upstream->left++; /* counted, not flagged: a fetch under way holds it against what there was when it began */
    upstream->backlog = upstream->backlog || news;
    if (news && spool->left != NULL && !spool->closing) {
        spool->left(spool->left_ctx, name);
    }
}

bool spool_is_paused(const struct spool *spool, const struct spool_upstream *upstream)
{
    return spool->pause.on || upstream->pause.on;
}
