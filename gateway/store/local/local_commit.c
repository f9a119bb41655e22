/*
 * local_commit - makes a batch durable.
 *
 *   1. each operation gives what belongs into segments; all that goes to the current segment is written at once
 *   2. fdatasync of each segment that was written, then of the folder when one of them is new
 *   3. one transaction of the index with the changes of every operation
 *
 * A sync that failed is not tried again: the segment takes nothing more, its operations fail, the others go on. A
 * transaction that failed fails all of them, and the octets they wrote are written over by the next batch.
 *
 * A transaction whose sync failed may lie whole in the index's log all the same, and would come to life after a crash.
 * It is in limbo until another transaction was written over it and synced (resolve): only then it has failed for
 * certain. To sync again would prove nothing: the kernel would say yes and mean nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/local/local_private.h"

static const struct local_kind *const kinds[STORE_OP_KINDS] = {
    [STORE_ADD_MESSAGE] = &local_add, [STORE_HAND] = &local_hand,           [STORE_FINISH] = &local_finish,
    [STORE_UNTOUCH] = &local_untouch, [STORE_SET_STATE] = &local_set_state, [STORE_REROUTE] = &local_reroute,
    [STORE_DIVERT] = &local_divert,   [STORE_MEMO] = &local_memo,           [STORE_PAUSE] = &local_pause,
    [STORE_FORGET] = &local_forget,   [STORE_CLOCK] = &local_clock,         [STORE_MOVE] = &local_move,
    [STORE_HEARD] = &local_heard,     [STORE_LEARN] = &local_learn,         [STORE_ERASE] = &local_erase,
};

/* ---- the steps ---- */

/* Gives the fault to each op whose record went into the segment. */
static void fail_segment(struct store_batch *batch, const struct local_segment *segment, const struct fault *fault)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (op->own == segment && !fault_is_set(&op->fault)) {
            op->fault = *fault;
        }
    }
}

static void write_ops(struct local *local, struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        op->own = NULL;
        if (!fault_is_set(&op->fault) && kinds[op->kind]->write != NULL) {
            kinds[op->kind]->write(local, op);
        }
    }
    struct fault fault = FAULT_INIT;
    if (local->piece_count > 0 &&
        local_segment_append(local->current, local->pieces, local->piece_count, &fault) != 0) {
        fail_segment(batch, local->current, &fault);
        /* Out of room is no sign of a bad disk: the next batch writes over what was half written. */
        bool full = strcmp(fault.code, "enospc") == 0 || strcmp(fault.code, "edquot") == 0;
        if (!full) {
            local->current->fault = fault;
        }
    }
    local->piece_count = 0;
    local->gathered = 0;
}

/* Makes the names of new segments durable; of none of them is it known when that fails. */
static void sync_names(struct local *local)
{
    struct fault fault = FAULT_INIT;
    bool fresh = false;
    LIST_EACH(link, &local->dirty)
    {
        fresh = fresh || LIST_ITEM(link, struct local_segment, link)->fresh;
    }
    if (!fresh) {
        return;
    }
    local->syncs++;
    int result = net_file_sync_directory(local->folder, &fault);
    LIST_EACH(link, &local->dirty)
    {
        struct local_segment *segment = LIST_ITEM(link, struct local_segment, link);
        if (result == 0) {
            segment->fresh = false;
        } else if (segment->fresh && !fault_is_set(&segment->fault)) {
            segment->fault = fault;
        }
    }
}

static void sync_segments(struct local *local, struct store_batch *batch)
{
    LIST_EACH(link, &local->dirty)
    {
        struct local_segment *segment = LIST_ITEM(link, struct local_segment, link);
        if (!fault_is_set(&segment->fault)) {
            local->syncs++;
            disregard(net_file_sync(segment->file, &segment->fault));
        }
    }
    sync_names(local);
    LIST_EACH(link, &local->dirty)
    {
        struct local_segment *segment = LIST_ITEM(link, struct local_segment, link);
        if (fault_is_set(&segment->fault)) {
            fail_segment(batch, segment, &segment->fault);
        }
        list_remove(link);
    }
}

static int change_index(struct local *local, struct store_batch *batch, struct fault *fault)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (!fault_is_set(&op->fault) && kinds[op->kind]->index(local, op, fault) != 0) {
            return -1;
        }
    }
    if (local->in_limbo && local_index_set(local->index, "run", local->run, fault) != 0) {
        return -1;
    }
    if (local->indexed_segment != local->next_segment) {
        return local_index_set(local->index, "next_segment", local->next_segment, fault);
    }
    return 0;
}

/* Any transaction does; this one changes nothing. */
static void write_over(struct local *local)
{
    if (local_index_begin(local->index, NULL) != 0) {
        return;
    }
    if (local_index_set(local->index, "run", local->run, NULL) != 0 || local_index_commit(local->index, NULL) != 0) {
        local_index_rollback(local->index);
        return;
    }
    local->in_limbo = false;
}

static enum store_verdict try_transaction(struct local *local, struct store_batch *batch, struct fault *fault)
{
    local->next = local->counts;
    local->life_count = 0;
    buf_clear(&local->decisions);
    if (local_index_begin(local->index, fault) != 0) {
        return STORE_FAILED;
    }
    if (change_index(local, batch, fault) != 0) {
        local_index_rollback(local->index);
        return STORE_FAILED;
    }
    if (local_index_commit(local->index, fault) != 0) {
        local->in_limbo = local->in_limbo || local_index_in_limbo(local->index);
        local_index_rollback(local->index);
        write_over(local);
        return local->in_limbo ? STORE_IN_LIMBO : STORE_FAILED;
    }
    local->in_limbo = false;
    local->syncs++;
    local->indexed_segment = local->next_segment;
    return STORE_COMMITTED;
}

/* Numbers that nobody got are given again. */
static enum store_verdict transact(struct local *local, struct store_batch *batch, struct fault *fault)
{
    uint64_t next_message = local->next_message;
    enum store_verdict verdict = try_transaction(local, batch, fault);
    local->next_message = verdict == STORE_COMMITTED ? local->next_message : next_message;
    return verdict;
}

static bool has_work(const struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        if (!fault_is_set(&LIST_ITEM(link, struct store_op, link)->fault)) {
            return true;
        }
    }
    return false;
}

/* ---- when it is durable ---- */

/* In the order in which it happened: a message may come and go in one batch. */
static void count_lives(struct local *local)
{
    for (size_t i = 0; i < local->life_count; i++) {
        const struct local_life *life = &local->lives[i];
        if (!life->ends) {
            local_live_add(local->live, life->place.segment, 1, life->place.record_len);
        } else if (local_live_remove(local->live, life->place.segment, life->place.record_len)) {
            local_chore_discard(local, life->place.segment);
        } else {
            local_move_consider(local, life->place.segment);
        }
    }
}

/* The changes stand in the index, whatever comes of this: who asked is told that they would not outlive it. */
static void write_decisions(struct local *local, struct store_batch *batch)
{
    struct fault found = FAULT_INIT;
    if (local->decisions.len == 0 || local_journal_write(local->path, buf_bytes(&local->decisions), &found) == 0) {
        return;
    }
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (!fault_is_set(&op->fault) && kinds[op->kind]->decides) {
            fault_set(&op->beside, FAULT_LOCAL, found.code, found.where,
                      "the change was made, but a rebuild of the index would not know about it: %s", found.text);
        }
    }
}

static void finish_all(struct local *local, struct store_batch *batch)
{
    local->counts = local->next;
    write_decisions(local, batch);
    count_lives(local);
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (!fault_is_set(&op->fault) && kinds[op->kind]->after != NULL) {
            kinds[op->kind]->after(local, op);
        }
    }
}

/* Leaves a segment that failed; the octets of a batch that failed elsewhere are given back. */
static void settle_current(struct local *local, uint64_t tail_before, bool committed)
{
    if (local->current == NULL) {
        return;
    }
    if (fault_is_set(&local->current->fault)) {
        local_segment_close(&local->current);
    } else if (!committed) {
        local->current->tail = tail_before;
    } else {
        local->durable = (struct local_spot){local->current->id, local->current->tail};
    }
}

/* SQLite's log (WAL) is appended to like a segment, until it begins anew. */
static void keep_log_ahead(struct local *local)
{
    if (local->log == NULL) {
        char path[LOCAL_PATH_MAX];
        snprintf(path, sizeof path, "%s/index.sqlite-wal", local->path);
        if (net_file_open(&local->log, path, NET_FILE_WRITE, NULL) != 0) {
            return;
        }
    }
    local_ahead_keep(&local->log_ahead, local->log, local_index_log_octets(local->index), LOCAL_LOG_MAX);
}

/* Behind a batch that is durable: what lies behind the tails belongs to none that could still come to life. */
static void keep_ahead(struct local *local)
{
    if (local->current != NULL) {
        local_ahead_keep(&local->current->ahead, local->current->file, local->current->tail,
                         local->options.segment_size);
    }
    keep_log_ahead(local);
}

static uint64_t current_id(const struct local *local)
{
    return local->current == NULL ? 0 : local->current->id;
}

enum store_verdict local_commit(struct store *store, struct store_batch *batch)
{
    struct local *local = local_of(store);
    uint64_t before = current_id(local);
    uint64_t tail = local->current == NULL ? 0 : local->current->tail;
    enum store_verdict verdict = STORE_COMMITTED;
    local->batch = batch;
    local->group++;
    arena_clear(local->heads);
    write_ops(local, batch);
    sync_segments(local, batch);
    if (has_work(batch)) {
        verdict = transact(local, batch, &batch->fault);
    }
    if (verdict != STORE_COMMITTED) {
        store_batch_fail(batch, &batch->fault);
    }
    settle_current(local, current_id(local) == before ? tail : 0, verdict == STORE_COMMITTED && has_work(batch));
    if (verdict == STORE_COMMITTED && has_work(batch)) {
        finish_all(local, batch);
        keep_ahead(local);
    }
    if (before != 0 && before != current_id(local) && local_live_messages(local->live, before) == 0) {
        local_chore_discard(local, before);
    }
    if (local_index_log_octets(local->index) > LOCAL_LOG_MAX) {
        local_chore_tidy(local);
    }
    local->counts.syncs = local->syncs;
    batch->counts = local->counts;
    return verdict;
}

/* Each later transaction that was synced has been written over it. */
enum store_verdict local_resolve(struct store *store, struct store_batch *batch)
{
    struct local *local = local_of(store);
    (void)batch;
    if (local->in_limbo) {
        write_over(local);
    }
    return local->in_limbo ? STORE_IN_LIMBO : STORE_FAILED;
}
