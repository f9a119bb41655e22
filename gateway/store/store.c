/*
 * store - the words of the door; see store.h.
 */
#include "store/store.h"

#include <string.h>

#include "store/store_batch.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

static const char *const states[] = {
    [STORE_STATE_WAITING] = "waiting", [STORE_STATE_HELD] = "held",       [STORE_STATE_DEAD] = "dead",
    [STORE_STATE_FILED] = "filed",     [STORE_STATE_DROPPED] = "dropped", [STORE_STATE_MOVED] = "moved",
};
_Static_assert(sizeof states / sizeof states[0] == STORE_STATES, "each state has a word");

const char *store_state_name(enum store_state state)
{
    return (size_t)state < STORE_STATES ? states[state] : "unknown";
}

bool store_state_is_settled(enum store_state state)
{
    return state == STORE_STATE_FILED || state == STORE_STATE_DROPPED || state == STORE_STATE_MOVED;
}

int store_state_of(const char *name)
{
    for (int i = 0; i < STORE_STATES; i++) {
        if (strcmp(states[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

uint64_t store_turn_of(const char *sender, const char *folder)
{
    struct store_sum *sum = store_sum_new();
    store_sum_add(sum, bytes_at(sender, strlen(sender) + 1));
    store_sum_add(sum, bytes_of(folder));
    uint64_t lane = store_sum_value(sum);
    store_sum_free(&sum);
    return lane;
}

uint64_t store_print_of(const struct mail_envelope *envelope)
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

/* ---- rows ---- */

struct store_row store_row_of(const struct mail_delivery *delivery, const char *sender, struct buf *out)
{
    size_t start = out->len;
    store_meta_write_delivery(out, delivery);
    return (struct store_row){
        .number = delivery->number,
        .state = delivery->held ? STORE_STATE_HELD : STORE_STATE_WAITING,
        .upstream = delivery->upstream,
        .folder = delivery->folder,
        .rule = delivery->rule,
        .fallback = delivery->fallback,
        .turn = store_turn_of(sender, delivery->folder),
        .doubt = delivery->doubt,
        .detail = bytes_from(buf_bytes(out), start),
    };
}

/* ---- what operators do ---- */

static const struct {
    unsigned from; /* a bit for each state */
    enum store_state to;
    const char *word;
} verbs[] = {
    [STORE_RETRY] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_DEAD, STORE_STATE_WAITING, "retried"},
    [STORE_HOLD] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_DEAD, STORE_STATE_HELD, "held"},
    [STORE_RELEASE] = {1u << STORE_STATE_HELD, STORE_STATE_WAITING, "released"},
    [STORE_DROP] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_HELD | 1u << STORE_STATE_DEAD, STORE_STATE_DROPPED,
                    "dropped"},
};

bool store_verb_next(enum store_verb verb, enum store_state from, enum store_state *to_r)
{
    *to_r = verbs[verb].to;
    return (verbs[verb].from & 1u << from) != 0;
}

const char *store_verb_done(enum store_verb verb)
{
    return verbs[verb].word;
}

void store_batch_init(struct store_batch *batch)
{
    *batch = (struct store_batch){.count = 0};
    list_init(&batch->ops);
    list_init(&batch->chores);
}

void store_batch_add(struct store_batch *batch, struct store_op *op)
{
    list_append(&batch->ops, &op->link);
    batch->count++;
}

void store_batch_fail(struct store_batch *batch, const struct fault *fault)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (!fault_is_set(&op->fault)) {
            op->fault = *fault;
        }
    }
}
