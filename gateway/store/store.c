/*
 * store - the words of the door; see store.h.
 */
#include "store/store.h"

#include <string.h>

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
