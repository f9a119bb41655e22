/*
 * local_add - ADD_MESSAGE: the record in a segment, the rows in the index.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/local/local_private.h"

static void write_upload(struct local *local, struct store_op *op)
{
    struct store_add *add = &op->add;
    struct local_record record;
    if (local_upload_complete(local, add->upload, add->body, add->meta, &record, &op->fault) != 0) {
        return;
    }
    struct local_segment *segment = local_upload_segment(add->upload);
    local_batch_own(local, op, segment);
    add->place = (struct store_place){
        .segment = segment->id,
        .record_len = local_record_size(&record),
        .body_len = record.body_len,
        .body_sum = record.body_sum,
    };
}

static void write_memory(struct local *local, struct store_op *op)
{
    struct store_add *add = &op->add;
    struct local_record record = {
        .body_len = add->body.len,
        .meta_len = (uint32_t)add->meta.len,
        .body_sum = store_sum_of(add->body),
        .meta_sum = store_sum_of(add->meta),
    };
    disregard(local_batch_append(local, op, &record, add->body, add->meta, &add->place));
}

static void add_write(struct local *local, struct store_op *op)
{
    if (op->add.count == 0) {
        return; /* history only */
    }
    if (op->add.upload != NULL) {
        write_upload(local, op);
    } else {
        write_memory(local, op);
    }
}

/* The dead letters of the twin are due again: nobody would get what the sender thinks well kept. 1, or -1. */
static int retry_dead(struct local *local, struct store_add *add, struct fault *fault)
{
    if (local_index_retry_dead(local->index, add->twin, local_now(local), &add->twin_retried, fault) != 0) {
        return -1;
    }
    local->next.dead -= add->twin_retried;
    local->next.waiting += add->twin_retried;
    return 1;
}

/* What was decided about a message's deliveries when they were dropped does not hold any more, also for an index that
 * is made anew. */
static void undo_decisions(struct local *local, const struct store_add *add, const char *id)
{
    for (size_t i = 0; i < add->count; i++) {
        local_journal_line(&local->decisions, json_pack("{s:s, s:i, s:s}", "id", id, "number", (int)add->rows[i].number,
                                                        "state", store_state_name(add->rows[i].state)));
    }
}

/* The record of a repeat is of another name than its message: without this, an index that is made anew would take it
 * for another message. */
static void note_repeat(struct local *local, const struct store_add *add)
{
    local_journal_line(&local->decisions, json_pack("{s:s, s:s}", "id", add->twin, "adopted", add->id));
}

/* Whether the sender comes again with what he has not heard yes about: 1, and what was dropped of it is due again; 0;
 * or -1 with a fault. */
static int find_unheard(struct local *local, struct store_add *add, struct fault *fault)
{
    struct local_reopened reopened;
    if (add->waits_ms == 0 || add->count == 0) {
        return 0;
    }
    int64_t now_ms = local_now(local);
    int got = local_index_reopen(local->index, add->print, &add->place, now_ms - (int64_t)add->waits_ms, now_ms,
                                 &reopened, fault);
    if (got != 1) {
        return got;
    }
    snprintf(add->twin, sizeof add->twin, "%s", reopened.id);
    add->twin_open = reopened.open;
    add->reopened = reopened.reopened;
    add->adopted = reopened.adopted;
    local->next.waiting += reopened.reopened;
    if (reopened.reopened > 0) {
        undo_decisions(local, add, add->twin);
    }
    note_repeat(local, add);
    if (reopened.adopted) {
        local->next.messages++;
        local_batch_lives(local, &add->place, false);
    }
    return retry_dead(local, add, fault);
}

/* Whether the same was received a short time ago: 1, 0, or -1 with a fault. */
static int find_twin(struct local *local, struct store_add *add, struct fault *fault)
{
    const char *id;
    if (add->once_ms == 0 || add->count == 0) {
        return 0;
    }
    int64_t since_ms = local_now(local) - (int64_t)add->once_ms;
    int got = local_index_find_print(local->index, add->print, &add->place, since_ms, &id, &add->twin_open, fault);
    if (got == 1) {
        snprintf(add->twin, sizeof add->twin, "%s", id);
        note_repeat(local, add);
        got = retry_dead(local, add, fault);
    }
    return got;
}

/* Whether the message is known: 1 with the operation's fault; 0 also when it comes back after it was dropped, and is
 * taken anew; -1. */
static int find_known(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_add *add = &op->add;
    int known = add->unique ? local_index_knows(local->index, add->id, fault) : 0;
    if (known != 1) {
        return known;
    }
    int dropped = local_index_forget_dropped(local->index, add->id, fault);
    add->revived = dropped == 1;
    if (add->revived) {
        undo_decisions(local, add, add->id);
    } else if (dropped == 0) {
        fault_set(&op->fault, FAULT_PERM, "known", "spool", "message %s is known already", add->id);
    } else if (dropped == 2) {
        fault_set(&op->fault, FAULT_PERM, "dropped", "spool",
                  "message %s is known already: some of its deliveries were dropped here, the others were not",
                  add->id);
    }
    return dropped < 0 ? -1 : dropped != 1;
}

static int add_message(struct local *local, const struct store_add *add, int64_t now_ms, struct fault *fault)
{
    const struct local_index_message message = {
        .seq = add->message,
        .id = add->id,
        .received_ms = add->received_ms,
        .place = add->place,
        .open = (unsigned)add->count,
        .settled_ms = add->count == 0 ? now_ms : 0,
        .sender = add->sender,
        .message_id = add->message_id,
        .print = add->once_ms + add->waits_ms == 0 ? 0 : add->print,
        .unheard_ms = add->waits_ms > 0 ? now_ms : 0,
        .envelope = add->envelope,
    };
    if (local_index_add_message(local->index, &message, fault) != 0) {
        return -1;
    }
    for (size_t i = 0; i < add->count; i++) {
        if (local_index_add_delivery(local->index, add->message, &add->rows[i], now_ms, local->run, fault) != 0) {
            return -1;
        }
        (*local_batch_count(local, add->rows[i].state))++;
    }
    return 0;
}

static int add_index(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_add *add = &op->add;
    add->revived = add->adopted = false;
    add->twin[0] = '\0';
    add->twin_open = add->twin_retried = add->reopened = 0;
    op->run = local->run;
    int known = find_known(local, op, fault);
    known = known == 0 ? find_unheard(local, add, fault) : known;
    known = known == 0 ? find_twin(local, add, fault) : known;
    if (known != 0) {
        return known < 0 ? -1 : 0;
    }
    add->message = local->next_message++;
    if (add->count > 0) {
        local->next.messages++;
        local_batch_lives(local, &add->place, false);
    }
    return add_message(local, add, local_now(local), fault);
}

static void add_after(struct local *local, struct store_op *op)
{
    (void)local;
    if (op->add.upload != NULL && (op->add.twin[0] == '\0' || op->add.adopted)) {
        local_upload_keep(&op->add.upload);
    }
}

const struct local_kind local_add = {.write = add_write, .index = add_index, .after = add_after, .decides = true};
