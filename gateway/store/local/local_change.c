/*
 * local_change - what operators decide: SET_STATE, REROUTE, PAUSE; and MEMO and FORGET.
 *
 * A decision also stands in a file beside the index (local_journal.h), so that an index that is made anew without the
 * old one does not undo it: its line goes to local->decisions, which the commit writes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/local/local_private.h"
#include "store/store_meta.h"

/* ---- one delivery ---- */

struct wanted {
    struct store_key key;
    enum store_state from, to;
    const char *note;
    bool doubtful;    /* it may lie where it was to go */
    bool again;       /* that is said to be over */
    bool is_decision; /* a retry decides nothing that a rebuilt index would not do anyway */
};

static bool is_doubtful(const struct local *local, const struct local_index_found *found)
{
    return found->uncertain || (found->handed != 0 && found->handed != local->run);
}

/* The history's words; the operator's word ends the doubt, and what is filed then is told as perhaps filed twice. */
static int tell_changed(struct local *local, const struct wanted *wanted, int64_t now_ms, struct fault *fault)
{
    char note[300];
    const char *doubt = !wanted->doubtful ? ""
                        : wanted->again
                            ? ", to be sent again without a look, though an earlier attempt may have filed it"
                        : store_state_is_settled(wanted->to) ? ", though an earlier attempt may have filed it"
                                                             : "";
    snprintf(note, sizeof note, "%s%s", wanted->note, doubt);
    if (wanted->doubtful && wanted->again &&
        local_index_set_doubt(local->index, wanted->key, false, STORE_DOUBT_NOTED, fault) != 0) {
        return -1;
    }
    return local_index_add_note(local->index, wanted->key, now_ms, note, fault);
}

static int change_one(struct local *local, const struct wanted *wanted, struct fault *fault)
{
    char id[STORE_ID_LEN];
    int64_t now_ms = local_now(local);
    if (local_index_set_state(local->index, wanted->key, wanted->to, now_ms, local->run, fault) != 0 ||
        tell_changed(local, wanted, now_ms, fault) != 0 ||
        local_index_name(local->index, wanted->key.message, id, NULL, fault) != 0) {
        return -1;
    }
    if (wanted->is_decision) {
        local_journal_line(&local->decisions, json_pack("{s:s, s:i, s:s}", "id", id, "number", (int)wanted->key.number,
                                                        "state", store_state_name(wanted->to)));
    }
    (*local_batch_count(local, wanted->from))--;
    if (!store_state_is_settled(wanted->to)) {
        (*local_batch_count(local, wanted->to))++;
        return 0;
    }
    return local_batch_settle(local, wanted->key.message, fault);
}

/* ---- SET_STATE ---- */

static int set_state(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_set_state *set = &op->set_state;
    struct local_index_found *found = expect_calloc(set->limit + 1, sizeof *found);
    size_t count = 0;
    char note[200];
    snprintf(note, sizeof note, "%s by %s", store_verb_done(set->verb), set->by == NULL ? "an operator" : set->by);
    set->changed = set->busy = set->doubtful = 0;
    int result = local_index_select(local->index, set->select, set->after, set->limit, found, &count, fault);
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct wanted wanted = {.key = found[i].key,
                                .from = found[i].state,
                                .note = note,
                                .doubtful = is_doubtful(local, &found[i]),
                                .again = set->again && set->verb == STORE_RETRY,
                                .is_decision = set->verb != STORE_RETRY};
        if (!store_verb_next(set->verb, found[i].state, &wanted.to)) {
            continue;
        }
        bool busy = found[i].handed == local->run;
        bool spared = !busy && store_verb_spares(set, wanted.doubtful);
        set->busy += busy;
        set->doubtful += spared;
        set->changed += !busy && !spared;
        result = busy || spared ? 0 : change_one(local, &wanted, fault);
    }
    set->found = (unsigned)count;
    set->last = count == 0 ? set->after : found[count - 1].key;
    free(found);
    return result;
}

const struct local_kind local_set_state = {.index = set_state, .decides = true};

/* ---- REROUTE ---- */

int local_change_add(struct local *local, uint64_t message, const char *id, const char *sender,
                     const struct mail_delivery *delivery, struct fault *fault)
{
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    struct store_row row = store_row_of(delivery, sender, &detail);
    int result = local_index_add_delivery(local->index, message, &row, local_now(local), local->run, fault);
    local_journal_line(&local->decisions, json_pack("{s:s, s:[o]}", "id", id, "deliveries",
                                                    json_loadb((const char *)row.detail.ptr, row.detail.len, 0, NULL)));
    (*local_batch_count(local, row.state))++;
    buf_done(&detail);
    if (result == 0) {
        result =
            local_index_note_place(local->index, message, delivery->upstream, delivery->folder, delivery->rule, fault);
    }
    return result != 0 ? -1 : local_index_open_more(local->index, message, 1, fault);
}

/* noted: of what gives way to it, a copy may lie where it was to go. */
static int add_rerouted(struct local *local, const struct store_reroute *reroute, uint64_t message, bool noted,
                        struct fault *fault)
{
    uint64_t number;
    char id[STORE_ID_LEN], *sender = NULL;
    if (local_index_last_number(local->index, message, &number, fault) != 0 ||
        local_index_name(local->index, message, id, &sender, fault) != 0) {
        return -1;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < reroute->count; i++) {
        struct mail_delivery delivery = reroute->deliveries[i];
        delivery.number = (unsigned)(number + 1 + i);
        delivery.doubt = noted ? STORE_DOUBT_NOTED : NULL;
        result = local_change_add(local, message, id, sender, &delivery, fault);
    }
    free(sender);
    return result;
}

/* All open deliveries of one message give way to new ones, or none when one of them is being delivered. */
static int reroute_message(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_reroute *reroute = &op->reroute;
    struct local_index_found *found = expect_calloc(STORE_DELIVERIES_MAX, sizeof *found);
    const struct store_select select = {.id = reroute->id};
    size_t count = 0;
    bool noted = false;
    char note[200];
    snprintf(note, sizeof note, "rerouted by %s", reroute->by == NULL ? "an operator" : reroute->by);
    reroute->changed = reroute->busy = reroute->doubtful = 0;
    int result =
        local_index_select(local->index, &select, (struct store_key){0}, STORE_DELIVERIES_MAX, found, &count, fault);
    for (size_t i = 0; i < count; i++) {
        reroute->busy += found[i].handed == local->run;
        reroute->doubtful += is_doubtful(local, &found[i]);
        noted = noted || found[i].noted || is_doubtful(local, &found[i]);
    }
    if (result == 0 && count > 0 && reroute->busy == 0 && (reroute->doubtful == 0 || reroute->again)) {
        result = add_rerouted(local, reroute, found[0].key.message, noted, fault);
        /* Rerouted to nowhere: nobody has what it brought. */
        enum store_state to = reroute->count == 0 ? STORE_STATE_DROPPED : STORE_STATE_MOVED;
        for (size_t i = 0; result == 0 && i < count; i++) {
            const struct wanted wanted = {.key = found[i].key,
                                          .from = found[i].state,
                                          .to = to,
                                          .note = note,
                                          .doubtful = is_doubtful(local, &found[i]),
                                          .is_decision = true};
            result = change_one(local, &wanted, fault);
            reroute->changed++;
        }
        reroute->doubtful = 0; /* none is left alone */
    }
    free(found);
    return result;
}

const struct local_kind local_reroute = {.index = reroute_message, .decides = true};

/* ---- PAUSE ---- */

static int pause_index(struct local *local, struct store_op *op, struct fault *fault)
{
    op->pause.since_ms = local_now(local);
    const struct store_pause_row pause = {
        .upstream = op->pause.upstream, .since_ms = op->pause.since_ms, .by = op->pause.by == NULL ? "" : op->pause.by};
    local_journal_pause(&local->decisions, &pause, op->pause.paused);
    int changed = local_index_set_pause(local->index, &pause, op->pause.paused, fault);
    op->pause.changed = changed > 0;
    return changed < 0 ? -1 : 0;
}

const struct local_kind local_pause = {.index = pause_index, .decides = true};

/* ---- MEMO, FORGET ---- */

static int memo(struct local *local, struct store_op *op, struct fault *fault)
{
    return local_index_set_memo(local->index, op->memo.upstream, op->memo.text, fault);
}

const struct local_kind local_memo = {.index = memo};

static int heard(struct local *local, struct store_op *op, struct fault *fault)
{
    return local_index_heard(local->index, op->heard.id, fault);
}

const struct local_kind local_heard = {.index = heard};

static int forget_settled(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_forget *forget = &op->forget;
    uint64_t settled;
    forget->forgotten = 0;
    if (local_index_count_settled(local->index, &settled, fault) != 0) {
        return -1;
    }
    uint64_t excess = settled > forget->keep_messages ? settled - forget->keep_messages : 0;
    if (excess == 0) {
        return local_index_forget(local->index, local_now(local) - (int64_t)forget->keep_ms, forget->limit,
                                  &forget->forgotten, fault);
    }
    return local_index_forget(local->index, INT64_MAX, excess < forget->limit ? (unsigned)excess : forget->limit,
                              &forget->forgotten, fault);
}

const struct local_kind local_forget = {.index = forget_settled};
