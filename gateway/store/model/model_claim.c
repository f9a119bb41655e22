/*
 * model_claim - due deliveries in nobody's hands: half by turns, half the longest due.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/model/model_private.h"

#define TURNS 64

struct claiming {
    struct model *model;
    struct store_claim *claim;
    struct model_delivery **taken;
    size_t count;
};

static bool is_taken(const struct claiming *claiming, const struct model_delivery *delivery)
{
    bool taken = false;
    for (size_t i = 0; i < claiming->count; i++) {
        taken = taken || claiming->taken[i] == delivery;
    }
    return taken;
}

static bool waits(const struct claiming *claiming, const struct model_delivery *delivery)
{
    return delivery->state == STORE_STATE_WAITING && strcmp(delivery->upstream, claiming->claim->upstream) == 0;
}

static bool is_earlier(const struct model_delivery *a, const struct model_delivery *b)
{
    if (b == NULL || a->due_ms != b->due_ms) {
        return b == NULL || a->due_ms < b->due_ms;
    }
    return a->message->seq != b->message->seq ? a->message->seq < b->message->seq : a->number < b->number;
}

/* The longest due of those that can be had; of this turn, unless turn is NULL. */
static struct model_delivery *next_due(const struct claiming *claiming, const int64_t *turn)
{
    struct model_delivery *found = NULL;
    int64_t now_ms = model_now(claiming->model);
    LIST_EACH(link, &claiming->model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            struct model_delivery *delivery = model_delivery_at(inner);
            if (waits(claiming, delivery) && delivery->due_ms <= now_ms &&
                !model_is_in_hands(claiming->model, delivery) && (turn == NULL || delivery->turn == *turn) &&
                !is_taken(claiming, delivery) && is_earlier(delivery, found)) {
                found = delivery;
            }
        }
    }
    return found;
}

static void take_claim(struct claiming *claiming, const int64_t *turn, size_t quota)
{
    struct model_delivery *delivery;
    while (claiming->count < quota && (delivery = next_due(claiming, turn)) != NULL) {
        claiming->taken[claiming->count++] = delivery;
    }
}

/* The next turn above `from` in which something waits; false when there is none. */
static bool next_turn(const struct claiming *claiming, int64_t from, int64_t *turn_r)
{
    bool found = false;
    LIST_EACH(link, &claiming->model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            const struct model_delivery *delivery = model_delivery_at(inner);
            if (waits(claiming, delivery) && delivery->turn > from && (!found || delivery->turn < *turn_r)) {
                *turn_r = delivery->turn;
                found = true;
            }
        }
    }
    return found;
}

/* From the one behind who was served last, round once. */
static size_t find_turns(const struct claiming *claiming, int64_t cursor, int64_t turns[TURNS])
{
    size_t count = 0;
    int64_t from = cursor, turn;
    while (count < TURNS && next_turn(claiming, from, &turn)) {
        turns[count++] = from = turn;
    }
    from = INT64_MIN;
    while (count < TURNS && next_turn(claiming, from, &turn) && turn <= cursor) {
        turns[count++] = from = turn;
    }
    return count;
}

static int64_t *cursor_of(struct model *model, const char *upstream)
{
    int64_t *cursor = map_get(model->cursors, bytes_of(upstream));
    if (cursor == NULL) {
        cursor = expect_calloc(1, sizeof *cursor);
        EXPECT(map_set(model->cursors, bytes_of(upstream), cursor) == 0);
    }
    return cursor;
}

static void take_turns(struct claiming *claiming)
{
    int64_t turns[TURNS], *cursor = cursor_of(claiming->model, claiming->claim->upstream);
    size_t half = claiming->claim->limit / 2, count = find_turns(claiming, *cursor, turns);
    for (size_t i = 0; count >= 2 && i < count && claiming->count < half; i++) {
        size_t most = claiming->count + half / count + 1;
        take_claim(claiming, &turns[i], most < half ? most : half);
        *cursor = turns[i];
    }
}

static void tell_claim(struct claiming *claiming)
{
    for (size_t i = 0; i < claiming->count; i++) {
        const struct model_delivery *delivery = claiming->taken[i];
        const struct model_message *message = delivery->message;
        const struct store_item item = {
            .key = {message->seq, delivery->number},
            .id = message->id,
            .envelope = buf_bytes(&message->envelope),
            .detail = buf_bytes(&delivery->detail),
            .attempts = delivery->attempts,
            .uncertain = model_is_doubtful(claiming->model, delivery),
            .doubt = bytes_of(delivery->doubt),
            .place = {.segment = 1, .body_len = message->body_len, .body_sum = message->body_sum},
            .due = delivery->due_ms,
        };
        claiming->claim->fn(claiming->claim->ctx, &item);
    }
}

static int64_t next_due_in(const struct claiming *claiming)
{
    int64_t now_ms = model_now(claiming->model), least = -1;
    LIST_EACH(link, &claiming->model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            const struct model_delivery *delivery = model_delivery_at(inner);
            int64_t in_ms = delivery->due_ms - now_ms;
            if (waits(claiming, delivery) && in_ms > 0 && (least < 0 || in_ms < least)) {
                least = in_ms;
            }
        }
    }
    return least;
}

int model_claim(struct store *store, struct store_claim *claim, struct fault *fault)
{
    struct model *model = model_of(store);
    struct claiming claiming = {.model = model, .claim = claim};
    (void)fault;
    claim->more = false;
    claim->next_due_in_ms = -1;
    claim->paused =
        map_get(model->pauses, bytes_of("")) != NULL || map_get(model->pauses, bytes_of(claim->upstream)) != NULL;
    if (!claim->paused) {
        claiming.taken = expect_calloc(claim->limit + 1, sizeof(struct model_delivery *));
        take_turns(&claiming);
        take_claim(&claiming, NULL, claim->limit);
        claim->more = next_due(&claiming, NULL) != NULL;
        claim->next_due_in_ms = next_due_in(&claiming);
        tell_claim(&claiming);
        free(claiming.taken);
    }
    return 0;
}
