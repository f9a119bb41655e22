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
    local_commit_own(local, op, segment);
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
    uint8_t *head = expect_memory(arena_alloc(local->heads, LOCAL_RECORD_HEAD));
    local_record_encode(&record, head);
    const struct bytes pieces[3] = {bytes_at(head, LOCAL_RECORD_HEAD), add->body, add->meta};
    local_commit_append(local, op, &record, pieces, &add->place);
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

/* Whether the same was received a short time ago: 1, 0, or -1 with a fault. */
static int find_twin(struct local *local, struct store_add *add, struct fault *fault)
{
    const char *id;
    unsigned open = 0;
    add->twin[0] = '\0';
    add->twin_retried = 0;
    if (add->once_ms == 0 || add->count == 0) {
        return 0;
    }
    int64_t since_ms = local_now(local) - (int64_t)add->once_ms;
    int got = local_index_find_print(local->index, add->print, &add->place, since_ms, &id, &open, fault);
    if (got == 1) {
        snprintf(add->twin, sizeof add->twin, "%s", id);
        add->twin_open = open > 0;
        /* Nobody would get it, though the sender hears that it is well kept. */
        got =
            local_index_retry_dead(local->index, add->twin, local_now(local), &add->twin_retried, fault) != 0 ? -1 : 1;
        local->next.dead -= add->twin_retried;
        local->next.waiting += add->twin_retried;
    }
    return got;
}

/* What was decided about its deliveries when they were dropped does not hold any more, also for an index that is made anew. */
static void undo_decisions(struct local *local, const struct store_add *add)
{
    for (size_t i = 0; i < add->count; i++) {
        local_journal_line(&local->decisions,
                           json_pack("{s:s, s:i, s:s}", "id", add->id, "number", (int)add->rows[i].number, "state",
                                     store_state_name(add->rows[i].state)));
    }
}

/* Whether the message is known: 1 with the operation's fault; 0 also when it comes back after it was dropped, and is taken anew; -1. */
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
        undo_decisions(local, add);
    } else if (dropped == 0) {
        fault_set(&op->fault, FAULT_PERM, "known", "spool", "message %s is known already", add->id);
    } else if (dropped == 2) {
        fault_set(&op->fault, FAULT_PERM, "dropped", "spool",
                  "message %s is known already: a part of its deliveries was dropped here, the rest was not", add->id);
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
        .print = add->once_ms == 0 ? 0 : add->print,
        .envelope = add->envelope,
    };
    if (local_index_add_message(local->index, &message, fault) != 0) {
        return -1;
    }
    for (size_t i = 0; i < add->count; i++) {
        if (local_index_add_delivery(local->index, add->message, &add->rows[i], now_ms, local->run, fault) != 0) {
            return -1;
        }
        (*local_commit_count(local, add->rows[i].state))++;
    }
    return 0;
}

static int add_index(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_add *add = &op->add;
    add->revived = false;
    int known = find_known(local, op, fault);
    if (known == 0) {
        known = find_twin(local, add, fault);
    }
    if (known != 0) {
        return known < 0 ? -1 : 0;
    }
    add->message = local->next_message++;
    if (add->count > 0) {
        local->next.messages++;
        local_commit_lives(local, &add->place, false);
    }
    return add_message(local, add, local_now(local), fault);
}

static void add_after(struct local *local, struct store_op *op)
{
    (void)local;
    if (op->add.upload != NULL && op->add.twin[0] == '\0') {
        local_upload_keep(&op->add.upload);
    }
}

const struct local_kind local_add = {.write = add_write, .index = add_index, .after = add_after, .decides = true};
