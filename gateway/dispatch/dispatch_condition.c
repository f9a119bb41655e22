/*
 * dispatch_condition - see dispatch_condition.h.
 */
#include "dispatch/dispatch_condition.h"

#include <string.h>

static const char *const names[] = {[DISPATCH_OPEN] = "open",
                                    [DISPATCH_FAILING] = "failing",
                                    [DISPATCH_THROTTLED] = "throttled",
                                    [DISPATCH_FULL] = "full",
                                    [DISPATCH_PAUSED] = "paused"};
_Static_assert(sizeof names / sizeof names[0] == DISPATCH_CONDITIONS, "a word for each condition");

static bool has_said(const struct dispatch_state *state, const char *code)
{
    return state->last_fault_ms != 0 && strcmp(state->last_fault->code, code) == 0;
}

/* After a start nothing was said yet, and what was known before holds. */
static bool is_full(const struct dispatch_state *state)
{
    return state->last_fault_ms == 0 ? state->full_since != 0 && state->last_filed_ms == 0
                                     : has_said(state, "overquota") && state->last_fault_ms > state->last_filed_ms;
}

/* An operator's word comes first: whatever else is wrong, nothing is tried. */
enum dispatch_condition dispatch_condition_of(const struct dispatch_state *state)
{
    bool waits = state->paused_until != 0;
    if (state->pause.on) {
        return DISPATCH_PAUSED;
    }
    if (waits && (has_said(state, "throttled") || has_said(state, "daily-budget"))) {
        return DISPATCH_THROTTLED;
    }
    if (is_full(state)) {
        return DISPATCH_FULL;
    }
    return waits || state->failures > 0 || state->down_since != 0 ? DISPATCH_FAILING : DISPATCH_OPEN;
}

const char *dispatch_condition_name(enum dispatch_condition condition)
{
    return names[condition];
}

int64_t dispatch_condition_since(const struct dispatch_state *state)
{
    switch (dispatch_condition_of(state)) {
    case DISPATCH_PAUSED:
        return state->pause.since_ms;
    case DISPATCH_FAILING:
        return state->down_since != 0 ? state->down_since : state->last_fault_ms;
    case DISPATCH_FULL:
        return state->full_since != 0 ? state->full_since : state->last_fault_ms;
    case DISPATCH_THROTTLED:
        return state->last_fault_ms;
    case DISPATCH_OPEN:
    case DISPATCH_CONDITIONS:
        break;
    }
    return 0;
}
