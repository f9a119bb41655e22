/*
 * spool_change - operators' changes of the queue, a few hundred deliveries at a time, so that reception goes on beside
 * them; see spool_change.h.
 */
#include "spool/spool_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define BATCH 500

struct change_job {
    struct spool_job job;
    struct store_select select;
    struct spool_change_result result; /* of all batches */
    struct spool_asker asker;
};

/* What stands beside the change could not be written: that it is done is told all the same. */
static const struct fault *fault_of(const struct spool_job *job)
{
    return fault_is_set(&job->op.fault) ? &job->op.fault : fault_is_set(&job->op.beside) ? &job->op.beside : NULL;
}

static void change_done(struct spool *spool, struct spool_job *job)
{
    struct change_job *change = LIST_ITEM(job, struct change_job, job);
    struct store_set_state *set = &job->op.set_state;
    const struct fault *fault = fault_of(job);
    if (!fault_is_set(&job->op.fault)) {
        change->result.changed += set->changed;
        change->result.busy += set->busy;
        change->result.doubtful += set->doubtful;
    }
    if (fault == NULL && set->found == set->limit && !spool->closing) {
        set->after = set->last;
        spool_submit(spool, job);
        return;
    }
    if (change->result.changed > 0 && (set->verb == STORE_RETRY || set->verb == STORE_RELEASE)) {
        spool_wake(spool, NULL);
    }
    change->asker.done(change->asker.ctx, &change->result, fault);
    free(change);
}

void spool_change(struct spool *spool, enum store_verb verb, const struct store_select *select,
                  const struct spool_asker *asker)
{
    NET_EXPECT_LOOP(spool->loop);
    struct change_job *change = expect_calloc(1, sizeof *change);
    *change = (struct change_job){.select = *select, .asker = *asker};
    change->job = (struct spool_job){
        .done = change_done,
        .op = {.kind = STORE_SET_STATE,
               .set_state =
                   {.verb = verb, .select = &change->select, .by = asker->by, .again = asker->again, .limit = BATCH}},
    };
    spool_submit(spool, &change->job);
}

/* ---- reroute ---- */

static void reroute_done(struct spool *spool, struct spool_job *job)
{
    struct change_job *change = LIST_ITEM(job, struct change_job, job);
    const struct store_reroute *reroute = &job->op.reroute;
    if (!fault_is_set(&job->op.fault)) {
        change->result = (struct spool_change_result){reroute->changed, reroute->busy, reroute->doubtful};
    }
    if (change->result.changed > 0) {
        spool_wake(spool, NULL);
    }
    change->asker.done(change->asker.ctx, &change->result, fault_of(job));
    free(change);
}

void spool_change_reroute(struct spool *spool, const char *id, const struct mail_delivery *deliveries, size_t count,
                          const struct spool_asker *asker)
{
    NET_EXPECT_LOOP(spool->loop);
    struct change_job *change = expect_calloc(1, sizeof *change);
    *change = (struct change_job){.asker = *asker};
    change->job = (struct spool_job){
        .done = reroute_done,
        .op = {.kind = STORE_REROUTE,
               .reroute = {.id = id, .by = asker->by, .again = asker->again, .deliveries = deliveries, .count = count}},
    };
    spool_submit(spool, &change->job);
}

/* ---- erasing ---- */

struct erase_job {
    struct spool_job job;
    struct spool_change_result result;
    spool_change_fn *done;
    void *ctx;
    char address[];
};

static void erase_done(struct spool *spool, struct spool_job *job)
{
    struct erase_job *erase = LIST_ITEM(job, struct erase_job, job);
    bool failed = fault_is_set(&job->op.fault);
    if (!failed) {
        erase->result.changed += job->op.erase.erased;
        erase->result.busy += job->op.erase.open;
    }
    if (!failed && job->op.erase.next != 0 && !spool->closing) {
        job->op.erase.before = job->op.erase.next;
        spool_submit(spool, job);
        return;
    }
    erase->done(erase->ctx, &erase->result, failed ? &job->op.fault : NULL);
    free(erase);
}

void spool_change_erase(struct spool *spool, const char *address, spool_change_fn *done, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    size_t len = strlen(address) + 1;
    struct erase_job *erase = expect_calloc(1, sizeof *erase + len);
    memcpy(erase->address, address, len);
    erase->done = done;
    erase->ctx = ctx;
    erase->job = (struct spool_job){.done = erase_done,
                                    .op = {.kind = STORE_ERASE, .erase = {.address = erase->address, .limit = BATCH}}};
    spool_submit(spool, &erase->job);
}

/* ---- pauses ---- */

struct pause_job {
    struct spool_job job;
    char upstream[256], by[SPOOL_BY_MAX];
    spool_change_fn *done;
    void *ctx;
};

static void pause_done(struct spool *spool, struct spool_job *job)
{
    struct pause_job *pause = LIST_ITEM(job, struct pause_job, job);
    bool failed = fault_is_set(&job->op.fault), paused = job->op.pause.paused;
    struct spool_change_result result = {.changed = !failed && job->op.pause.changed};
    if (!failed) {
        spool->paused_at = spool->looks;
        spool_set_pause(spool, pause->upstream, paused, job->op.pause.since_ms, pause->by);
    }
    if (!failed && !paused) {
        spool_wake(spool, pause->upstream[0] == '\0' ? NULL : pause->upstream);
    }
    pause->done(pause->ctx, &result, fault_of(job));
    free(pause);
}

void spool_change_pause(struct spool *spool, const char *upstream, bool paused, const char *by, spool_change_fn *done,
                        void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    struct pause_job *pause = expect_calloc(1, sizeof *pause);
    *pause = (struct pause_job){.done = done, .ctx = ctx};
    snprintf(pause->upstream, sizeof pause->upstream, "%s", upstream == NULL ? "" : upstream);
    snprintf(pause->by, sizeof pause->by, "%s", by == NULL ? "" : by);
    pause->job = (struct spool_job){
        .done = pause_done,
        .op = {.kind = STORE_PAUSE, .pause = {.upstream = pause->upstream, .paused = paused, .by = pause->by}}};
    spool_submit(spool, &pause->job);
}
