/*
 * spool_commit - the job that makes one message and its decided deliveries durable, and offers them.
 *
 * Everything is copied when it is asked for: as JSON for the segment and the index, and, for deliveries that are offered in memory, as the
 * items that the offer hands out. So the fast path never reads back what it wrote.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/store_meta.h"
#include "spool/spool_private.h"

/* Where one JSON object lies in the meta. */
struct slice {
    size_t start, len;
};

struct part {
    struct slice detail;
    const char *upstream, *folder, *rule; /* in `names` */
    const char *fallback;                 /* or NULL */
    uint64_t lane;
    unsigned number;
    bool held;
    const char *doubt;       /* in `names`; or NULL */
    struct spool_item *item; /* to be offered, or NULL */
};

struct commit_job {
    struct spool_job job;
    struct spool_stage *stage;   /* a body in a segment of its own; or NULL */
    struct spool_memory *memory; /* a body in memory; or NULL */
    struct arena *names;
    const char *id, *sender, *message_id;
    int64_t received_ms;
    uint64_t window_ms, print; /* to recognise what was sent before; 0: do not */
    char twin[40];             /* the id of what it repeats; nothing is kept then */
    unsigned twin_open;        /* how many deliveries of that are open */
    spool_repeat_fn *on_repeat;
    void *repeat_ctx;
    bool unique, maybe_filed; /* of spool_stage_unique() */
    bool revived;             /* it had been dropped */
    struct fault unwritten;   /* why a rebuilt index would not know that */
    unsigned twin_retried;    /* dead letters of the twin that are tried again */
    struct buf meta;
    struct slice envelope;
    struct part *parts;
    size_t count;
    uint64_t message; /* its number */
    struct local_place place;
    uint8_t head[LOCAL_RECORD_HEAD];
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
    struct local_record record;
    if (spool_stage_complete(commit->stage, buf_bytes(&commit->meta), &record, &commit->job.fault) != 0) {
        return;
    }
    struct local_segment *segment = commit->stage->own.segment;
    spool_writer_own(writer, &commit->job, segment);
    commit->place = (struct local_place){
        .segment = segment->id,
        .record_len = local_record_size(&record),
        .body_len = record.body_len,
        .body_sum = record.body_sum,
    };
}

static void write_memory(struct spool_writer *writer, struct commit_job *commit)
{
    struct bytes body = buf_bytes(&commit->memory->data), meta = buf_bytes(&commit->meta);
    struct local_record record = {
        .body_len = body.len,
        .meta_len = (uint32_t)meta.len,
        .body_sum = store_sum_of(body),
        .meta_sum = store_sum_of(meta),
    };
    local_record_encode(&record, commit->head);
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

/* Whether the same was received a short time ago: 1, 0, or -1 with a fault. */
static int find_twin(struct spool_writer *writer, struct commit_job *commit, struct fault *fault)
{
    const char *id;
    commit->twin[0] = '\0';
    commit->twin_retried = 0;
    if (commit->window_ms == 0 || commit->count == 0) {
        return 0;
    }
    int64_t since_ms = commit->received_ms - (int64_t)commit->window_ms;
    int got =
        local_index_find_print(writer->index, commit->print, &commit->place, since_ms, &id, &commit->twin_open, fault);
    if (got == 1) {
        snprintf(commit->twin, sizeof commit->twin, "%s", id);
        /* Nobody would get it, though the sender hears that it is well kept. */
        got =
            local_index_retry_dead(writer->index, commit->twin, commit->received_ms, &commit->twin_retried, fault) != 0
                ? -1
                : 1;
    }
    return got;
}

/* A message that is known: 1 with the job's fault; 0 when it comes back after it was dropped, and is taken anew; -1. */
static int come_back(struct spool_writer *writer, struct commit_job *commit, struct fault *fault)
{
    int dropped = local_index_forget_dropped(writer->index, commit->id, fault);
    commit->revived = dropped == 1;
    if (dropped == 0) {
        fault_set(&commit->job.fault, FAULT_PERM, "known", "spool", "message %s is known already", commit->id);
    } else if (dropped == 2) {
        fault_set(&commit->job.fault, FAULT_PERM, "dropped", "spool",
                  "message %s is known already: a part of its deliveries was dropped here, the rest was not",
                  commit->id);
    }
    return dropped < 0 ? -1 : dropped != 1;
}

/* What was decided about its deliveries when they were dropped does not hold any more, also for an index that is made anew. */
static void commit_after(struct spool_writer *writer, struct spool_job *job)
{
    struct commit_job *commit = of_job(job);
    struct buf lines;
    if (!commit->revived) {
        return;
    }
    buf_init(&lines, LOCAL_JOURNAL_MAX);
    for (size_t i = 0; i < commit->count; i++) {
        const char *state = store_state_name(commit->parts[i].held ? STORE_STATE_HELD : STORE_STATE_WAITING);
        local_journal_line(&lines, json_pack("{s:s, s:i, s:s}", "id", commit->id, "number",
                                             (int)commit->parts[i].number, "state", state));
    }
    local_journal_write(writer->spool, buf_bytes(&lines), &commit->unwritten);
    buf_done(&lines);
}

static int commit_index(struct spool_writer *writer, struct spool_job *job, struct fault *fault)
{
    struct commit_job *commit = of_job(job);
    commit->revived = false;
    if (commit->unique) {
        int known = local_index_knows(writer->index, commit->id, fault);
        known = known == 1 ? come_back(writer, commit, fault) : known;
        if (known != 0) {
            return known < 0 ? -1 : 0;
        }
    }
    int known = find_twin(writer, commit, fault);
    if (known != 0) {
        return known < 0 ? -1 : 0;
    }
    struct local_index_message message = {
        .seq = commit->message,
        .id = commit->id,
        .received_ms = commit->received_ms,
        .place = commit->place,
        .open = (unsigned)commit->count,
        .settled_ms = commit->count == 0 ? commit->received_ms : 0,
        .sender = commit->sender,
        .message_id = commit->message_id,
        .print = commit->print,
        .envelope = slice_of(commit, commit->envelope),
    };
    int result = local_index_add_message(writer->index, &message, fault);
    for (size_t i = 0; result == 0 && i < commit->count; i++) {
        const struct part *part = &commit->parts[i];
        struct local_index_delivery delivery = {
            .message = commit->message,
            .number = part->number,
            .state = part->held ? STORE_STATE_HELD : STORE_STATE_WAITING,
            .upstream = part->upstream,
            .folder = part->folder,
            .rule = part->rule,
            .fallback = part->fallback,
            .lane = part->lane,
            .due_ms = commit->received_ms,
            .changed_ms = commit->received_ms,
            .uncertain = commit->maybe_filed,
            .handed = part->item != NULL ? writer->run : 0,
            .doubt = part->doubt,
            .detail = slice_of(commit, part->detail),
        };
        result = local_index_add_delivery(writer->index, &delivery, fault);
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
    local_live_add(spool->live, commit->place.segment, 1, commit->place.record_len);
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->parts[i].held) {
            spool->counts.held++;
        } else {
            spool->counts.waiting++;
        }
    }
}

/* Gives up an item that nobody took: its delivery is not held any more. */
static void drop_item(struct spool *spool, struct spool_item **item)
{
    if (*item != NULL) {
        spool_held_remove(spool->held, spool_item_key((*item)->body->message, (*item)->delivery.number));
        spool_item_free(spool, item);
    }
}

/* Offers one delivery; one that is not taken, or not offered, waits its turn on the disk. */
static void offer(struct spool *spool, struct commit_job *commit, struct part *part)
{
    struct spool_upstream *upstream = spool_upstream(spool, part->upstream);
    struct spool_item *item = part->item;
    bool news = !upstream->backlog && !spool_is_paused(spool, upstream) && spool->offer != NULL;
    part->item = NULL;
    if (news && item != NULL) {
        item->body->place = commit->place;
        spool->offer(spool->offer_ctx, &item);
        if (item == NULL) {
            return;
        }
    }
    upstream->left++;
    upstream->backlog = upstream->backlog || news;
    if (news && item == NULL && spool->left != NULL) {
        /* It was to go behind a backlog that has ended since: whoever fetches has seen the end of it, and not this one. */
        spool->left(spool->left_ctx, part->upstream);
    }
    drop_item(spool, &item);
}

static void commit_free(struct spool *spool, struct commit_job *commit)
{
    for (size_t i = 0; i < commit->count; i++) {
        drop_item(spool, &commit->parts[i].item);
    }
    if (commit->stage != NULL && (fault_is_set(&commit->job.fault) || commit->twin[0] != '\0')) {
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
    bool failed = fault_is_set(&job->fault), kept = !failed && commit->twin[0] == '\0';
    if (fault_is_set(&commit->unwritten)) {
        log_event(
            spool->log, LOG_LEVEL_ERROR, "decision_not_written", LOG_STR("id", commit->id),
            LOG_STR("error.code", commit->unwritten.code), LOG_STR("error.message", commit->unwritten.text),
            LOG_STR("reason", "it was imported after it had been dropped; a rebuild of the index would drop it again"));
    }
    if (kept) {
        count_parts(spool, commit);
    } else if (!failed) {
        spool->counts.duplicates++;
        spool->counts.dead -= commit->twin_retried;
        spool->counts.waiting += commit->twin_retried;
        log_event(spool->log, LOG_LEVEL_INFO, "duplicate", LOG_STR("id", commit->id), LOG_STR("of", commit->twin),
                  LOG_INT("retried", commit->twin_retried));
        if (commit->twin_retried > 0) {
            spool_wake(spool, NULL);
        }
        if (commit->on_repeat != NULL) {
            commit->on_repeat(commit->repeat_ctx, commit->twin, commit->twin_open > 0);
        }
    }
    commit->done(commit->ctx, failed ? &job->fault : NULL);
    for (size_t i = 0; kept && i < commit->count; i++) {
        if (!commit->parts[i].held) {
            offer(spool, commit, &commit->parts[i]);
        }
    }
    commit_free(spool, commit);
}

static const struct spool_job_kind commit_kind = {commit_write, commit_index, commit_after, commit_done};

/* ---- asking ---- */

static struct slice slice_since(const struct buf *meta, size_t start)
{
    return (struct slice){start, meta->len - start};
}

static void write_meta(struct commit_job *commit, const struct mail_envelope *envelope,
                       const struct mail_delivery *deliveries)
{
    struct buf *meta = &commit->meta;
    buf_append_text(meta, "{\"envelope\":");
    size_t start = meta->len;
    store_meta_write_envelope(meta, envelope);
    commit->envelope = slice_since(meta, start);
    buf_append_text(meta, ",\"deliveries\":[");
    for (size_t i = 0; i < commit->count; i++) {
        if (i > 0) {
            buf_append_octet(meta, ',');
        }
        start = meta->len;
        store_meta_write_delivery(meta, &deliveries[i]);
        commit->parts[i].detail = slice_since(meta, start);
    }
    buf_append_text(meta, "]}");
    if (meta->full) {
        fault_set(&commit->job.fault, FAULT_LOCAL, "too-large", "spool",
                  "envelope and deliveries of a message take more than %u octets", STORE_META_MAX);
    }
}

/* The item for an offer; NULL when it is so large that it is better read from the disk. */
static struct spool_item *make_item(struct commit_job *commit, const struct mail_envelope *envelope,
                                    const struct mail_delivery *delivery, uint64_t size)
{
    struct spool_item *item = spool_item_new();
    item->body_size = size;
    item->body->message = commit->message;
    item->body->checked = true;
    item->uncertain = commit->maybe_filed;
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

/* Of all that makes two messages the same but the body, which the index compares by length and checksum. Never 0. */
static uint64_t print_of(const struct mail_envelope *envelope)
{
    const char *listener = envelope->client.listener == NULL ? "" : envelope->client.listener;
    const char *user = envelope->client.user == NULL ? "" : envelope->client.user;
    struct store_sum *sum = store_sum_new();
    store_sum_add(sum, bytes_at(listener, strlen(listener) + 1));
    store_sum_add(sum, bytes_at(user, strlen(user) + 1));
    store_sum_add(sum, bytes_at(envelope->from, strlen(envelope->from) + 1));
    for (size_t i = 0; i < envelope->to_count; i++) {
        store_sum_add(sum, bytes_at(envelope->to[i].address, strlen(envelope->to[i].address) + 1));
    }
    uint64_t print = store_sum_value(sum);
    store_sum_free(&sum);
    return print == 0 ? 1 : print;
}

static void add_parts(struct spool *spool, struct commit_job *commit, const struct mail_envelope *envelope,
                      const struct mail_delivery *deliveries, uint64_t size)
{
    for (size_t i = 0; i < commit->count; i++) {
        struct part *part = &commit->parts[i];
        part->number = deliveries[i].number;
        part->held = deliveries[i].held;
        part->upstream = expect_memory(arena_text(commit->names, deliveries[i].upstream));
        part->folder = expect_memory(arena_text(commit->names, deliveries[i].folder));
        part->rule = arena_text(commit->names, deliveries[i].rule);
        part->fallback = arena_text(commit->names, deliveries[i].fallback);
        part->lane = store_turn_of(envelope->from, deliveries[i].folder);
        const struct spool_upstream *upstream = spool_upstream(spool, part->upstream);
        if (!part->held && spool->offer != NULL && !upstream->backlog && !spool_is_paused(spool, upstream)) {
            part->item = make_item(commit, envelope, &deliveries[i], size);
        }
        part->doubt = arena_text(commit->names, deliveries[i].doubt);
        if (part->item != NULL) {
            spool_held_add(spool->held, spool_item_key(commit->message, part->number));
            spool_item_mark(spool, part->item);
            part->doubt = arena_text(commit->names, part->item->delivery.doubt);
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

void spool_commit(struct spool_stage **stage, const struct mail_envelope *envelope,
                  const struct mail_delivery *deliveries, size_t count, spool_commit_fn *done, void *ctx)
{
    EXPECT(count <= STORE_DELIVERIES_MAX);
    struct spool *spool = (*stage)->spool;
    struct commit_job *commit = expect_calloc(1, sizeof *commit);
    uint64_t size = (*stage)->size;
    struct mail_envelope whole = *envelope;
    whole.shape = (*stage)->meter.shape;
    commit->job.kind = &commit_kind;
    commit->done = done;
    commit->ctx = ctx;
    commit->count = count;
    commit->parts = expect_calloc(count + 1, sizeof *commit->parts);
    commit->names = arena_new(SIZE_MAX / 2);
    commit->message = spool->next_message++;
    commit->id = expect_memory(arena_text(commit->names, envelope->id));
    commit->sender = expect_memory(arena_text(commit->names, envelope->from));
    commit->message_id = arena_text(commit->names, envelope->message_id);
    commit->window_ms = (*stage)->window_ms;
    commit->unique = (*stage)->unique;
    commit->maybe_filed = (*stage)->maybe_filed;
    commit->print = commit->window_ms == 0 ? 0 : print_of(envelope);
    commit->on_repeat = (*stage)->on_repeat;
    commit->repeat_ctx = (*stage)->repeat_ctx;
    commit->received_ms = envelope->received_ms;
    buf_init(&commit->meta, STORE_META_MAX);
    take_body(spool, commit, stage);
    write_meta(commit, &whole, deliveries);
    add_parts(spool, commit, &whole, deliveries, size);
    spool_submit(spool, &commit->job);
}
