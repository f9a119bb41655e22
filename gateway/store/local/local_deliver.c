/*
 * local_deliver - HAND, FINISH, UNTOUCH: whose hands a delivery is in, and what an attempt made of it; CLOCK: when it
 * is due.
 *
 * The column "handed" names the run of the process in whose hands a delivery is, 0 when it is in nobody's. What an
 * earlier run had in its hands may have been filed.
 */
#include <stdlib.h>

#include "store/local/local_journal.h"
#include "store/local/local_private.h"

static int hand_deliveries(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_hand *hand = &op->hand;
    op->run = local->run;
    for (size_t i = 0; i < hand->count; i++) {
        int given = local_index_hand(local->index, &hand->keys[i], local->run, fault);
        if (given < 0) {
            return -1;
        }
        hand->given[i] = given == 1;
    }
    return 0;
}

const struct local_kind local_hand = {.index = hand_deliveries};

static int untouch_delivery(struct local *local, struct store_op *op, struct fault *fault)
{
    return local_index_give_back(local->index, &op->untouch, op->run, fault) < 0 ? -1 : 0;
}

const struct local_kind local_untouch = {.index = untouch_delivery};

/* It has another place from now on. That stands in the decisions, too: what the record says is a folder that there is
 * not, and a rebuilt index would send there what may lie here. */
static int redirect_delivery(struct local *local, const struct store_finish *finish, int64_t now_ms,
                             struct fault *fault)
{
    char id[STORE_ID_LEN], note[STORE_NOTE_MAX], *sender = NULL;
    if (local_index_name(local->index, finish->key.message, id, &sender, fault) != 0) {
        return -1;
    }
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    struct store_row row = store_row_of(finish->instead, sender, &detail);
    int result = local_index_redirect(local->index, finish->key, &row, fault);
    local_journal_line(&local->decisions,
                       json_pack("{s:s, s:i, s:o}", "id", id, "number", (int)finish->key.number, "instead",
                                 json_loadb((const char *)row.detail.ptr, row.detail.len, 0, NULL)));
    store_finish_note(finish, note);
    free(sender);
    buf_done(&detail);
    return result != 0 ? -1 : local_index_add_note(local->index, finish->key, now_ms, note, fault);
}

/* Who finishes what is not in his hands (any more) is told so; nothing changes. */
static int finish_delivery(struct local *local, struct store_op *op, struct fault *fault)
{
    const struct store_finish *finish = &op->finish;
    int64_t now_ms = local_now(local);
    int changed = local_index_finish(local->index, finish, now_ms, op->run, fault);
    if (changed < 0) {
        return -1; /* the disk's fault and not the op's: the whole batch is made again */
    }
    if (changed == 0) {
        fault_set(&op->fault, FAULT_PERM, "not-in-hand", "spool", "delivery %u of message %llu is in other hands",
                  finish->key.number, (unsigned long long)finish->key.message);
        return 0;
    }
    if (finish->instead != NULL && redirect_delivery(local, finish, now_ms, fault) != 0) {
        return -1;
    }
    if (finish->instead == NULL && finish->note != NULL &&
        local_index_add_note(local->index, finish->key, now_ms, finish->note, fault) != 0) {
        return -1;
    }
    if (finish->state != STORE_STATE_FILED && local_index_add_attempt(local->index, finish, now_ms, fault) != 0) {
        return -1;
    }
    local->next.waiting -= finish->state != STORE_STATE_WAITING;
    local->next.dead += finish->state == STORE_STATE_DEAD;
    return finish->state == STORE_STATE_FILED ? local_batch_settle(local, finish->key.message, fault) : 0;
}

const struct local_kind local_finish = {.index = finish_delivery, .decides = true};

static int move_due(struct local *local, struct store_op *op, struct fault *fault)
{
    return local_index_move_due(local->index, op->clock.delta_ms, op->clock.before_ms, fault);
}

const struct local_kind local_clock = {.index = move_due};
