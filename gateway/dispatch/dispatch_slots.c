/*
 * dispatch_slots - the connections to an account, where several nodes have one queue: all of them together never have
 * more than its "connections". See struct store_slots.
 *
 * Who has work asks for connections with the next beat, which comes at once when what there are do not suffice, and
 * gets what others have not, and what is fair: they close theirs when what goes over them is filed. A node that gets
 * none leaves its mail to those who have some.
 */
#include "dispatch/dispatch_private.h"
#include "spool/spool_node.h"

/* Whether it would take what others leave. */
static bool could(const struct dispatch_upstream *upstream)
{
    return dispatch_is_open(upstream) || (upstream->without_slot && !upstream->gone && !upstream->switching &&
                                          upstream->paused_until == 0 && !upstream->dispatch->draining);
}

static void ask(void *ctx)
{
    struct dispatch *dispatch = ctx;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        struct dispatch_upstream *upstream = dispatch->upstreams[i];
        if (upstream->pool == NULL) {
            continue;
        }
        struct upstream_needs needs;
        upstream_pool_needs(upstream->pool, &needs);
        /* What is asked for may be another's before the answer is here: until then there is no further one. */
        upstream_pool_share(upstream->pool, needs.open, upstream->allowed);
        upstream->asked_for = needs.wanted;
        upstream->asked_turn = needs.turn;
        spool_node_add_slots(dispatch->spool, &(struct store_slots){.account = upstream->config->name,
                                                                    .most = (unsigned)needs.most,
                                                                    .open = (unsigned)needs.open,
                                                                    .wanted = (unsigned)needs.wanted,
                                                                    .could = could(upstream),
                                                                    .wants_turn = needs.turn});
    }
}

static void heed_slots(struct dispatch_upstream *upstream, const struct store_slots *slots)
{
    bool had_none = upstream->without_slot;
    dispatch_leave_to_others(upstream);
    upstream->allowed = slots->allowed;
    upstream->given = slots->given;
    upstream->without_slot = slots->given == 0 && slots->could && (slots->wanted > 0 || slots->is_due);
    upstream_pool_share(upstream->pool, slots->given, slots->allowed);
    upstream_pool_take_turn(upstream->pool, slots->has_turn);
    if (had_none != upstream->without_slot) {
        dispatch_heed_halt(upstream);
    }
    if (!upstream->without_slot && (had_none || slots->is_due)) {
        dispatch_look_again(upstream);
        dispatch_fetch(upstream);
    }
}

/* Others may have them by now, and what was under way. */
static void lose_all(struct dispatch_upstream *upstream)
{
    upstream->without_slot = true;
    dispatch_heed_halt(upstream);
    upstream_pool_share(upstream->pool, 0, 0);
    upstream_pool_drop(upstream->pool);
}

static void told(void *ctx, const struct store_slots *slots)
{
    struct dispatch *dispatch = ctx;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        struct dispatch_upstream *upstream = dispatch->upstreams[i];
        if (upstream->pool != NULL && slots == NULL) {
            lose_all(upstream);
        }
    }
    struct dispatch_upstream *upstream = slots == NULL ? NULL : dispatch_find(dispatch, slots->account);
    if (upstream != NULL && upstream->pool != NULL) {
        heed_slots(upstream, slots);
    }
}

static void on_lack(void *ctx)
{
    struct dispatch_upstream *upstream = ctx;
    struct upstream_needs needs;
    upstream_pool_needs(upstream->pool, &needs);
    /* One that others wait for has ended. */
    bool frees = upstream->allowed < upstream->given && needs.open < upstream->given;
    if (frees) {
        upstream->given = needs.open;
    }
    if (frees || needs.wanted > upstream->asked_for || needs.turn != upstream->asked_turn) {
        spool_node_hurry(upstream->dispatch->spool);
    }
}

void dispatch_slots_begin(struct dispatch_upstream *upstream)
{
    if (upstream->dispatch->shares) {
        upstream->allowed = SIZE_MAX;
        upstream_pool_share(upstream->pool, 0, upstream->allowed);
        upstream_pool_set_lacks(upstream->pool, on_lack, upstream);
        upstream->asked_for = 0;
    }
}

void dispatch_slots_start(struct dispatch *dispatch)
{
    dispatch->shares = spool_node_set_slots(dispatch->spool, ask, told, dispatch);
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        if (dispatch->upstreams[i]->pool != NULL) {
            dispatch_slots_begin(dispatch->upstreams[i]);
        }
    }
}

void dispatch_slots_stop(struct dispatch *dispatch)
{
    if (dispatch->shares) {
        disregard(spool_node_set_slots(dispatch->spool, NULL, NULL, NULL));
        dispatch->shares = false;
    }
}
