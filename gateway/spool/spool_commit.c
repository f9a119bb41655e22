/*
 * spool_commit - the job that makes one message and its decided deliveries durable, and offers them.
 *
 * Everything is copied when it is asked for: as JSON for the segment and the index, and, for deliveries that are
 * offered in memory, as the items that the offer hands out. So the fast path never reads back what it wrote.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_node.h"
#include "spool/spool_private.h"
#include "store/store_meta.h"

struct part {
    const char *upstream;    /* in `names` */
    struct spool_item *item; /* to be offered, or NULL */
};

struct commit_job {
    struct spool_job job;
    struct spool_memory *memory; /* a body in memory; or NULL */
    struct spool_stage *stage;   /* a body that is uploaded, a chunk of which may still be with the lane; or NULL */
    struct buf rest;             /* of it */
    struct arena *names;
    spool_repeat_fn *on_repeat;
    void *repeat_ctx;
    bool maybe_filed; /* of spool_stage_unique() */
    struct buf meta;
    struct part *parts; /* one for each row */
    spool_commit_fn *done;
    void *ctx;
};

static struct commit_job *of_job(struct spool_job *job)
{
    return LIST_ITEM(job, struct commit_job, job);
}

/* ---- on the loop ---- */

static bool is_held(const struct commit_job *commit, size_t at)
{
    return commit->job.op.add.rows[at].state == STORE_STATE_HELD;
}

/* Offers one delivery; one that is not taken, or not offered, waits its turn in the store. */
static void offer(struct spool *spool, struct commit_job *commit, struct part *part)
{
    struct spool_upstream *upstream = spool_upstream(spool, part->upstream);
    struct spool_item *item = part->item;
    part->item = NULL;
    if (item == NULL) {
        /* It was to go behind a backlog, which may have ended since: whoever fetches has seen the end of it, and not
         * this one. */
        spool_left_behind(spool, part->upstream);
        return;
    }
    item->body->at.message = commit->job.op.add.message;
    item->body->at.place = commit->job.op.add.place;
    item->run = commit->job.op.run;
    /* At the end nobody is there to take it: a batch in limbo may turn out to be kept then; or be another node's. */
    bool is_wanted = spool->offer != NULL && !spool->closing && spool_node_holds(spool, item);
    if (!upstream->backlog && !spool_is_paused(spool, upstream) && is_wanted) {
        spool->offer(spool->offer_ctx, &item);
        upstream->backlog = item != NULL;
    }
    spool_give_back(spool, &item);
}

static void commit_free(struct spool *spool, struct commit_job *commit)
{
    for (size_t i = 0; i < commit->job.op.add.count; i++) {
        spool_item_free(spool, &commit->parts[i].item);
    }
    if (commit->stage != NULL) {
        spool_stage_destroy(&commit->stage);
    }
    spool_upload_free(spool, &commit->job.op.add.upload, commit->job.op.fault.class == FAULT_UNCERTAIN);
    spool_memory_release(spool, &commit->memory);
    arena_free(&commit->names);
    buf_done(&commit->rest);
    buf_done(&commit->meta);
    free(commit->job.op.add.rows);
    free(commit->parts);
    free(commit);
}

static void tell_repeat(struct spool *spool, const struct commit_job *commit)
{
    const struct store_add *add = &commit->job.op.add;
    spool->counts.repeats++;
    log_event(spool->log, LOG_LEVEL_INFO, "duplicate", LOG_STR("id", add->id), LOG_STR("of", add->twin),
              LOG_INT("retried", add->twin_retried + add->reopened));
    if (add->twin_retried + add->reopened > 0) {
        spool_wake(spool, NULL);
    }
    if (commit->on_repeat != NULL) {
        commit->on_repeat(commit->repeat_ctx, add->twin, add->twin_open);
    }
}

static void commit_done(struct spool *spool, struct spool_job *job)
{
    struct commit_job *commit = of_job(job);
    bool failed = fault_is_set(&job->op.fault), kept = !failed && job->op.add.twin[0] == '\0';
    if (fault_is_set(&job->op.beside) && job->op.add.revived) {
        log_event(
            spool->log, LOG_LEVEL_ERROR, "decision_not_written", LOG_STR("id", job->op.add.id),
            LOG_STR("error.code", job->op.beside.code), LOG_STR("error.message", job->op.beside.text),
            LOG_STR("reason",
                    "the message was imported after it had been dropped; a rebuild of the index would drop it again"));
    }
    /* Answered before it is offered: with the 250 we take "responsibility for delivering" (RFC 5321 section 6.1), and
     * what an upstream does with the mail is nothing that the sender should wait for. */
    spool->to_learn += kept;
    if (!failed && !kept) {
        tell_repeat(spool, commit);
    }
    commit->done(commit->ctx, failed ? &job->op.fault : NULL);
    for (size_t i = 0; kept && i < job->op.add.count; i++) {
        if (!is_held(commit, i)) {
            offer(spool, commit, &commit->parts[i]);
        }
    }
    commit_free(spool, commit);
}

/* ---- asking ---- */

/* Composes the meta, and of it the rows. What is a view into it is made one when it does not grow any more. */
static void write_meta(struct commit_job *commit, const struct mail_envelope *envelope,
                       const struct mail_delivery *deliveries, size_t count)
{
    struct buf *meta = &commit->meta;
    struct store_add *add = &commit->job.op.add;
    buf_append_text(meta, "{\"envelope\":");
    size_t start = meta->len, *ends = expect_calloc(count + 1, sizeof *ends);
    store_meta_write_envelope(meta, envelope);
    size_t end = meta->len;
    buf_append_text(meta, ",\"deliveries\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_octet(meta, ',');
        }
        add->rows[i] = store_row_of(&deliveries[i], envelope->from, meta);
        ends[i] = meta->len;
    }
    buf_append_text(meta, add->waits_ms > 0 ? "],\"unheard\":true}" : "]}");
    add->meta = buf_bytes(meta);
    add->envelope = bytes_slice(add->meta, start, end - start);
    for (size_t i = 0; i < count; i++) {
        size_t len = add->rows[i].detail.len;
        add->rows[i].detail = bytes_slice(add->meta, ends[i] - len, len);
    }
    free(ends);
    if (meta->full) {
        fault_set(&commit->job.op.fault, FAULT_LOCAL, "too-large", "spool",
                  "envelope and deliveries of a message take more than %u octets", STORE_META_MAX);
    }
}

/* The item for an offer; NULL when it is so large that it is better read from the store. */
static struct spool_item *make_item(struct commit_job *commit, const struct mail_envelope *envelope,
                                    const struct mail_delivery *delivery, uint64_t size, uint64_t hold)
{
    struct spool_item *item = spool_item_new();
    item->body_size = size;
    item->body->at.checked = true;
    item->uncertain = commit->maybe_filed;
    item->hold = hold;
    if (mail_envelope_copy(item->arena, envelope, &item->envelope) != 0 ||
        mail_delivery_copy(item->arena, delivery, &item->delivery) != 0) {
        struct arena *arena = item->arena;
        arena_free(&arena);
        return NULL;
    }
    spool_item_name(item);
    item->body->memory = commit->memory;
    if (commit->memory != NULL) {
        commit->memory->users++;
    }
    return item;
}

/* The rows' strings must outlive the call; who is offered what is decided now, because the row says in whose hands it
 * is born. */
static void add_parts(struct spool *spool, struct commit_job *commit, const struct mail_envelope *envelope,
                      const struct mail_delivery *deliveries, uint64_t size)
{
    for (size_t i = 0; i < commit->job.op.add.count; i++) {
        struct part *part = &commit->parts[i];
        struct store_row *row = &commit->job.op.add.rows[i];
        row->upstream = part->upstream = expect_memory(arena_text(commit->names, row->upstream));
        row->folder = expect_memory(arena_text(commit->names, row->folder));
        row->rule = arena_text(commit->names, row->rule);
        row->fallback = arena_text(commit->names, row->fallback);
        row->uncertain = commit->maybe_filed;
        const struct spool_upstream *upstream = spool_upstream(spool, part->upstream);
        if (row->state == STORE_STATE_WAITING && spool->offer != NULL && !upstream->backlog &&
            !spool_is_paused(spool, upstream)) {
            part->item = make_item(commit, envelope, &deliveries[i], size, spool_node_hold(spool));
        }
        row->handed = part->item != NULL;
        if (part->item != NULL) {
            spool_item_mark(spool, part->item);
            row->doubt = part->item->delivery.doubt;
        }
        row->doubt = arena_text(commit->names, row->doubt);
    }
}

/* Takes the body over: from memory, or what is left of it beside the upload. */
static void take_body(struct spool *spool, struct commit_job *commit, struct spool_stage **stage)
{
    struct store_add *add = &commit->job.op.add;
    commit->job.op.fault = (*stage)->fault;
    spool_stage_close(*stage);
    add->upload = (*stage)->upload;
    if (add->upload != NULL) {
        commit->stage = *stage;
        commit->rest = commit->stage->waiting;
        buf_init(&commit->stage->waiting, 0);
        add->body = buf_bytes(&commit->rest);
        *stage = NULL;
    } else {
        commit->memory = expect_calloc(1, sizeof *commit->memory);
        commit->memory->users = 1;
        commit->memory->data = (*stage)->waiting;
        add->body = buf_bytes(&commit->memory->data);
        spool->cached += add->body.len;
        buf_init(&(*stage)->waiting, 0);
        spool_stage_destroy(stage);
    }
    commit->job.op.octets = add->body.len;
}

static void take_facts(struct commit_job *commit, const struct spool_stage *stage, const struct mail_envelope *envelope)
{
    struct store_add *add = &commit->job.op.add;
    add->id = expect_memory(arena_text(commit->names, envelope->id));
    add->sender = expect_memory(arena_text(commit->names, envelope->from));
    add->message_id = arena_text(commit->names, envelope->message_id);
    add->received_ms = envelope->received_ms;
    int64_t age_ms = net_wall(stage->spool->loop) - envelope->received_ms;
    add->age_ms = age_ms > 0 ? (uint64_t)age_ms : 0; /* a clock that was put back makes nothing younger than new */
    add->unique = stage->unique;
    add->once_ms = stage->window_ms;
    add->waits_ms = stage->waits_ms;
    add->print = stage->window_ms + stage->waits_ms == 0 ? 0 : store_print_of(envelope);
    commit->maybe_filed = stage->maybe_filed;
    commit->on_repeat = stage->on_repeat;
    commit->repeat_ctx = stage->repeat_ctx;
}

void spool_commit(struct spool_stage **stage, const struct mail_envelope *envelope,
                  const struct mail_delivery *deliveries, size_t count, spool_commit_fn *done, void *ctx)
{
    NET_EXPECT_LOOP((*stage)->spool->loop);
    EXPECT(count <= STORE_DELIVERIES_MAX);
    struct spool *spool = (*stage)->spool;
    struct commit_job *commit = expect_calloc(1, sizeof *commit);
    uint64_t size = (*stage)->size;
    struct mail_envelope whole = *envelope;
    whole.shape = (*stage)->meter.shape;
    commit->job.done = commit_done;
    commit->job.op.kind = STORE_ADD_MESSAGE;
    commit->done = done;
    commit->ctx = ctx;
    commit->parts = expect_calloc(count + 1, sizeof *commit->parts);
    commit->names = arena_new(SIZE_MAX / 2);
    commit->job.op.add.rows = expect_calloc(count + 1, sizeof *commit->job.op.add.rows);
    commit->job.op.add.count = count;
    buf_init(&commit->meta, STORE_META_MAX);
    buf_init(&commit->rest, 0);
    take_facts(commit, *stage, envelope);
    take_body(spool, commit, stage);
    write_meta(commit, &whole, deliveries, count);
    add_parts(spool, commit, &whole, deliveries, size);
    spool_submit(spool, &commit->job);
}
