/*
 * local_divert - DIVERT: what waits for an upstream that stays down or full goes where its rule says.
 *
 * Each delivery gives way to a new one of the same message, as in a reroute: the old one keeps its history. Only what
 * was certainly not filed goes; whatever is uncertain waits for its own upstream, which alone can tell. Both halves
 * also stand in the decisions, so that a rebuilt index does not file twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/local/local_private.h"
#include "store/store_meta.h"

struct keys {
    struct store_key *keys;
    unsigned count;
};

static int note_key(void *ctx, struct store_key key)
{
    struct keys *keys = ctx;
    keys->keys[keys->count++] = key;
    return 0;
}

/* The delivery as it stands in the index. */
struct loaded {
    struct arena *arena;
    struct mail_delivery delivery;
    bool readable;
};

static void on_loaded(void *ctx, const struct local_index_due *due)
{
    struct loaded *loaded = ctx;
    loaded->readable = store_meta_read_delivery(due->detail, loaded->arena, &loaded->delivery, NULL) == 0;
    loaded->delivery.doubt = arena_copy(loaded->arena, due->doubt);
}

static int end_old(struct local *local, const struct store_divert *divert, struct store_key key,
                   const struct store_diverted *diverted, struct fault *fault)
{
    char note[STORE_NOTE_MAX];
    int64_t now_ms = local_now(local);
    store_divert_note(divert, diverted, now_ms, note);
    local_journal_line(&local->decisions, json_pack("{s:s, s:i, s:s}", "id", diverted->id, "number", (int)key.number,
                                                    "state", store_state_name(STORE_STATE_MOVED)));
    local->next.waiting--;
    if (local_index_set_state(local->index, key, STORE_STATE_MOVED, now_ms, local->run, fault) != 0 ||
        local_index_add_note(local->index, key, now_ms, note, fault) != 0) {
        return -1;
    }
    return local_batch_settle(local, key.message, fault);
}

/* The new one comes before the old one ends, so that the message never looks settled. */
static int divert_one(struct local *local, struct store_divert *divert, struct store_key key, struct fault *fault)
{
    struct loaded loaded = {.arena = divert->arena};
    struct store_diverted *diverted = &divert->diverted[divert->count];
    uint64_t last;
    char *sender = NULL;
    if (local_index_load(local->index, key, on_loaded, &loaded, fault) < 0) {
        return -1;
    }
    if (!loaded.readable) {
        return 0; /* it is set aside when it is fetched, and keeps the others here no more than there */
    }
    if (local_index_last_number(local->index, key.message, &last, fault) != 0 ||
        local_index_name(local->index, key.message, diverted->id, &sender, fault) != 0) {
        return -1;
    }
    struct mail_delivery *delivery = &loaded.delivery;
    int result = store_divert_goes(divert, delivery, diverted);
    if (result < 0) {
        fault_set(fault, FAULT_LOCAL, "too-large", "spool", "the facts of a delivery do not fit into memory");
    } else if (result == 1) {
        divert->count++;
        diverted->from = key.number;
        diverted->to = delivery->number = (unsigned)last + 1;
        result = local_change_add(local, key.message, diverted->id, sender, delivery, fault) != 0
                     ? -1
                     : end_old(local, divert, key, diverted, fault);
    }
    free(sender);
    return result;
}

static int divert_index(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_divert *divert = &op->divert;
    struct keys keys = {.keys = expect_calloc(divert->limit + 1, sizeof *keys.keys)};
    divert->count = 0;
    divert->wait_ms = UINT64_MAX;
    arena_clear(divert->arena);
    int result = local_index_each_divertible(local->index, divert->upstream, divert->after, divert->limit, note_key,
                                             &keys, fault);
    for (unsigned i = 0; result == 0 && i < keys.count; i++) {
        result = divert_one(local, divert, keys.keys[i], fault);
    }
    divert->found = keys.count;
    divert->last = keys.count == 0 ? divert->after : keys.keys[keys.count - 1];
    free(keys.keys);
    return result;
}

const struct local_kind local_divert = {.index = divert_index, .decides = true};
