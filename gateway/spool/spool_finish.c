/*
 * spool_finish - the job that records what became of a delivery.
 *
 * A settlement that cannot be written is tried again until it can: to forget that a message was filed would file it twice. The
 * delivery stays held meanwhile.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct finish_job {
    struct spool_job job;
    struct spool_item *item;
    struct spool_outcome outcome;
    bool last;                /* the message has no open delivery any more */
    struct local_place place; /* where it lies */
    spool_commit_fn *done;
    void *ctx;
};

static struct finish_job *of_job(struct spool_job *job)
{
    return LIST_ITEM(job, struct finish_job, job);
}

/* ---- on the lane ---- */

static struct local_index_change change_of(const struct finish_job *finish)
{
    static const enum store_state states[] = {
        [SPOOL_FILED] = STORE_STATE_FILED,
        [SPOOL_DEFERRED] = STORE_STATE_WAITING,
        [SPOOL_DEAD] = STORE_STATE_DEAD,
        [SPOOL_UNTOUCHED] = STORE_STATE_WAITING,
    };
    const struct spool_outcome *outcome = &finish->outcome;
    return (struct local_index_change){
        .message = finish->item->body->message,
        .number = finish->item->delivery.number,
        .state = states[outcome->kind],
        .due_ms = outcome->kind == SPOOL_DEFERRED ? outcome->next_ms : outcome->now_ms,
        .changed_ms = outcome->now_ms,
        .attempts = finish->item->attempts + 1,
        .uncertain = outcome->kind != SPOOL_FILED && outcome->uncertain,
        .doubt = outcome->kind != SPOOL_FILED ? outcome->doubt : NULL,
        .uidvalidity = outcome->uidvalidity,
        .uid = outcome->uid,
        .folder = outcome->kind == SPOOL_FILED ? outcome->folder : NULL,
    };
}

static int finish_index(struct spool_writer *writer, struct spool_job *job, struct fault *fault)
{
    struct finish_job *finish = of_job(job);
    struct local_index_change change = change_of(finish);
    const struct store_key key = {change.message, change.number};
    const char *note = finish->outcome.note;
    finish->last = false;
    if (finish->outcome.kind == SPOOL_UNTOUCHED) {
        return local_index_give_back(writer->index, key, change.uncertain, change.doubt, fault);
    }
    if (local_index_change_delivery(writer->index, &change, fault) != 0 ||
        (note != NULL && local_index_add_note(writer->index, key, change.changed_ms, note, fault) != 0)) {
        return -1;
    }
    if (finish->outcome.kind != SPOOL_FILED) {
        return local_index_add_attempt(writer->index, &change, &finish->outcome.fault, fault);
    }
    unsigned open = 0;
    if (local_index_settle(writer->index, change.message, change.changed_ms, &open, &finish->place, fault) != 0) {
        return -1;
    }
    finish->last = open == 0;
    return 0;
}

/* ---- on the loop ---- */

static void count_outcome(struct spool *spool, const struct finish_job *finish)
{
    if (finish->outcome.kind == SPOOL_FILED || finish->outcome.kind == SPOOL_DEAD) {
        spool->counts.waiting--;
    }
    if (finish->outcome.kind == SPOOL_DEAD) {
        spool->counts.dead++;
    }
    if (finish->last) {
        spool->counts.messages--;
        if (local_live_remove(spool->live, finish->place.segment, finish->place.record_len)) {
            spool_discard_segment(spool, finish->place.segment);
        } else {
            spool_compact_consider(spool, finish->place.segment);
        }
    }
}

static void finish_done(struct spool *spool, struct spool_job *job)
{
    struct finish_job *finish = of_job(job);
    if (fault_is_set(&job->fault) && !spool->closing) {
        spool_stall(spool, job);
        return;
    }
    spool_held_remove(spool->held, spool_item_key(finish->item->body->message, finish->item->delivery.number));
    if (!fault_is_set(&job->fault)) {
        count_outcome(spool, finish);
    }
    if (finish->done != NULL) {
        finish->done(finish->ctx, fault_is_set(&job->fault) ? &job->fault : NULL);
    }
    spool_item_free(spool, &finish->item);
    free(finish);
}

static const struct spool_job_kind finish_kind = {NULL, finish_index, NULL, finish_done};

void spool_finish(struct spool *spool, struct spool_item **item, const struct spool_outcome *outcome,
                  spool_commit_fn *done, void *ctx)
{
    struct finish_job *finish = expect_calloc(1, sizeof *finish);
    *finish =
        (struct finish_job){.job.kind = &finish_kind, .item = *item, .outcome = *outcome, .done = done, .ctx = ctx};
    *item = NULL;
    if (finish->item->body->damaged && outcome->kind == SPOOL_DEFERRED) {
        finish->outcome.kind = SPOOL_DEAD; /* no retry makes it whole */
    }
    spool_submit(spool, &finish->job);
}
