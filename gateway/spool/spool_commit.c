/*
 * spool_commit - the job that makes one message and its decided deliveries durable, and offers them.
 *
 * Everything is copied when it is asked for: as JSON for the segment and the index, and, for deliveries that are offered in memory, as the
 * items that the offer hands out. So the fast path never reads back what it wrote.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_meta.h"
#include "spool/spool_private.h"

/* Where one JSON object lies in the meta. */
struct slice {
    size_t start, len;
};

struct part {
    struct slice detail;
    const char *upstream; /* in `names` */
    unsigned number;
    bool held;
    struct spool_item *item; /* to be offered, or NULL */
};

struct commit_job {
    struct spool_job job;
    struct spool_stage *stage;   /* a body in a segment of its own; or NULL */
    struct spool_memory *memory; /* a body in memory; or NULL */
    struct arena *names;
    const char *id;
    int64_t received_ms;
    struct buf meta;
    struct slice envelope;
    struct part *parts;
    size_t count;
    uint64_t message; /* its number; the lane gives it */
    struct spool_place place;
    uint8_t head[SPOOL_RECORD_HEAD];
    spool_commit_fn *done;
    void *ctx;
};

static struct commit_job *of_job(struct spool_job *job)
{
    return LIST_ITEM(job, struct commit_job, job);
}

/* ---- on the lane ---- */

static void write_own(struct spool_writer *writer, struct commit_job *commit)
{
    struct spool_record record;
    if (spool_stage_complete(commit->stage, buf_bytes(&commit->meta), &record, &commit->job.fault) != 0) {
        return;
    }
    struct spool_segment *segment = commit->stage->own.segment;
    spool_writer_own(writer, &commit->job, segment);
    commit->place = (struct spool_place){
        .segment = segment->id,
        .record_len = spool_record_size(&record),
        .body_len = record.body_len,
        .body_sum = record.body_sum,
    };
}

static void write_memory(struct spool_writer *writer, struct commit_job *commit)
{
    struct bytes body = buf_bytes(&commit->memory->data), meta = buf_bytes(&commit->meta);
    struct spool_record record = {
        .body_len = body.len,
        .meta_len = (uint32_t)meta.len,
        .body_sum = spool_record_sum(body),
        .meta_sum = spool_record_sum(meta),
    };
    spool_record_encode(&record, commit->head);
    const struct bytes pieces[3] = {bytes_at(commit->head, sizeof commit->head), body, meta};
    spool_writer_append(writer, &commit->job, &record, pieces, &commit->place);
}

static void commit_write(struct spool_writer *writer, struct spool_job *job)
{
    struct commit_job *commit = of_job(job);
    if (commit->count == 0) {
        return; /* discarded: history only */
    }
    if (commit->stage != NULL) {
        write_own(writer, commit);
    } else {
        write_memory(writer, commit);
    }
}

static struct bytes slice_of(const struct commit_job *commit, struct slice slice)
{
    return bytes_slice(buf_bytes(&commit->meta), slice.start, slice.len);
}

static int commit_index(struct spool_writer *writer, struct spool_job *job, struct fault *fault)
{
    struct commit_job *commit = of_job(job);
    commit->message = writer->next_message++;
    struct spool_index_message message = {
        .seq = commit->message,
        .id = commit->id,
        .received_ms = commit->received_ms,
        .place = commit->place,
        .open = (unsigned)commit->count,
        .settled_ms = commit->count == 0 ? commit->received_ms : 0,
        .envelope = slice_of(commit, commit->envelope),
    };
    int result = spool_index_add_message(writer->index, &message, fault);
    for (size_t i = 0; result == 0 && i < commit->count; i++) {
        const struct part *part = &commit->parts[i];
        struct spool_index_delivery delivery = {
            .message = commit->message,
            .number = part->number,
            .state = part->held ? SPOOL_STATE_HELD : SPOOL_STATE_WAITING,
            .upstream = part->upstream,
            .due_ms = commit->received_ms,
            .changed_ms = commit->received_ms,
            .handed = part->item != NULL ? writer->run : 0,
            .detail = slice_of(commit, part->detail),
        };
        result = spool_index_add_delivery(writer->index, &delivery, fault);
    }
    return result;
}

/* ---- on the loop ---- */

static void count_parts(struct spool *spool, const struct commit_job *commit)
{
    if (commit->count == 0) {
        return;
    }
    spool->counts.messages++;
    spool_live_add(spool->live, commit->place.segment, 1, commit->place.record_len);
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->parts[i].held) {
            spool->counts.held++;
        } else {
            spool->counts.waiting++;
        }
    }
}

/* Offers one delivery; one that is not taken, or not offered, waits its turn on the disk. */
static void offer(struct spool *spool, struct commit_job *commit, struct part *part)
{
    struct spool_upstream *upstream = spool_upstream(spool, part->upstream);
    struct spool_item *item = part->item;
    part->item = NULL;
    uint64_t key = spool_item_key(commit->message, part->number);
    if (spool_held_has(spool->held, key)) {
        spool_item_free(spool, &item); /* a query was faster */
        return;
    }
    if (item != NULL && !upstream->backlog && spool->offer != NULL) {
        item->body->message = commit->message;
        item->body->place = commit->place;
        spool_held_add(spool->held, key);
        spool->offer(spool->offer_ctx, &item);
        if (item == NULL) {
            return;
        }
        spool_held_remove(spool->held, key);
        upstream->backlog = true;
    }
    upstream->left++;
    spool_item_free(spool, &item);
}

static void commit_free(struct spool *spool, struct commit_job *commit)
{
    for (size_t i = 0; i < commit->count; i++) {
        spool_item_free(spool, &commit->parts[i].item);
    }
    if (commit->stage != NULL && fault_is_set(&commit->job.fault)) {
        spool_stage_free(&commit->stage);
    } else if (commit->stage != NULL) {
        spool_stage_destroy(&commit->stage);
    }
    spool_memory_release(spool, &commit->memory);
    arena_free(&commit->names);
    buf_done(&commit->meta);
    free(commit->parts);
    free(commit);
}

static void commit_done(struct spool *spool, struct spool_job *job)
{
    struct commit_job *commit = of_job(job);
    bool failed = fault_is_set(&job->fault);
    if (!failed) {
        count_parts(spool, commit);
    }
    commit->done(commit->ctx, failed ? &job->fault : NULL);
    for (size_t i = 0; !failed && i < commit->count; i++) {
        if (!commit->parts[i].held) {
            offer(spool, commit, &commit->parts[i]);
        }
    }
    commit_free(spool, commit);
}

static const struct spool_job_kind commit_kind = {commit_write, commit_index, commit_done};

/* ---- asking ---- */

static struct slice slice_since(const struct buf *meta, size_t start)
{
    return (struct slice){start, meta->len - start};
}

static void write_meta(struct commit_job *commit, const struct mail_envelope *envelope, const struct mail_delivery *deliveries)
{
    struct buf *meta = &commit->meta;
    buf_append_text(meta, "{\"envelope\":");
    size_t start = meta->len;
    spool_meta_write_envelope(meta, envelope);
    commit->envelope = slice_since(meta, start);
    buf_append_text(meta, ",\"deliveries\":[");
    for (size_t i = 0; i < commit->count; i++) {
        if (i > 0) {
            buf_append_octet(meta, ',');
        }
        start = meta->len;
        spool_meta_write_delivery(meta, &deliveries[i]);
        commit->parts[i].detail = slice_since(meta, start);
    }
    buf_append_text(meta, "]}");
    if (meta->full) {
        fault_set(&commit->job.fault, FAULT_LOCAL, "too-large", "spool",
                  "envelope and deliveries of a message take more than %u octets", SPOOL_META_MAX);
    }
}

/* The item for an offer; NULL when it is so large that it is better read from the disk. */
static struct spool_item *make_item(struct commit_job *commit, const struct mail_envelope *envelope,
                                    const struct mail_delivery *delivery, uint64_t size)
{
    struct spool_item *item = spool_item_new();
    item->body_size = size;
    item->body->checked = true;
    if (spool_meta_copy_envelope(item->arena, envelope, &item->envelope) != 0 ||
        spool_meta_copy_delivery(item->arena, delivery, &item->delivery) != 0) {
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

static void add_parts(struct spool *spool, struct commit_job *commit, const struct mail_envelope *envelope,
                      const struct mail_delivery *deliveries, uint64_t size)
{
    for (size_t i = 0; i < commit->count; i++) {
        struct part *part = &commit->parts[i];
        part->number = deliveries[i].number;
        part->held = deliveries[i].held;
        part->upstream = expect_memory(arena_text(commit->names, deliveries[i].upstream));
        if (!part->held && spool->offer != NULL && !spool_upstream(spool, part->upstream)->backlog) {
            part->item = make_item(commit, envelope, &deliveries[i], size);
        }
    }
}

/* Takes the body over: from memory, or with the stage that has it in a segment of its own. */
static void take_body(struct spool *spool, struct commit_job *commit, struct spool_stage **stage)
{
    commit->job.fault = (*stage)->fault;
    spool_stage_close(*stage);
    if ((*stage)->has_own) {
        commit->stage = *stage;
        *stage = NULL;
        return;
    }
    commit->memory = expect_calloc(1, sizeof *commit->memory);
    commit->memory->users = 1;
    commit->memory->data = (*stage)->waiting;
    buf_init(&(*stage)->waiting, 0);
    spool->cached += commit->memory->data.len;
    commit->job.octets = commit->memory->data.len;
    spool_stage_destroy(stage);
}

void spool_commit(struct spool_stage **stage, const struct mail_envelope *envelope, const struct mail_delivery *deliveries,
                  size_t count, spool_commit_fn *done, void *ctx)
{
    EXPECT(count <= SPOOL_DELIVERIES_MAX);
    struct spool *spool = (*stage)->spool;
    struct commit_job *commit = expect_calloc(1, sizeof *commit);
    uint64_t size = (*stage)->size;
    commit->job.kind = &commit_kind;
    commit->done = done;
    commit->ctx = ctx;
    commit->count = count;
    commit->parts = expect_calloc(count + 1, sizeof *commit->parts);
    commit->names = arena_new(SPOOL_META_MAX);
    commit->id = expect_memory(arena_text(commit->names, envelope->id));
    commit->received_ms = envelope->received_ms;
    buf_init(&commit->meta, SPOOL_META_MAX);
    take_body(spool, commit, stage);
    write_meta(commit, envelope, deliveries);
    add_parts(spool, commit, envelope, deliveries, size);
    spool_submit(spool, &commit->job);
}
