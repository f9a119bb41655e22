/*
 * dispatch - when which delivery goes out; see dispatch.h. One delivery's way is dispatch_attempt.c.
 */
#include "dispatch/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "dispatch/dispatch_private.h"

/* ---- from a commit ---- */

static void on_offer(void *ctx, struct spool_item **item)
{
    struct dispatch *dispatch = ctx;
    struct dispatch_upstream *upstream = dispatch_find(dispatch, (*item)->delivery.upstream);
    dispatch_now(dispatch); /* a jump is seen here also while nothing is sent */
    if (upstream == NULL || upstream->gone) {
        return; /* an upstream that was taken out of the configuration: its mail waits for the operator */
    }
    /* What waits on the disk is older and goes first. */
    if (dispatch_is_open(upstream) && !upstream->more && dispatch_room(upstream) > 0) {
        dispatch_attempt_start(upstream, item);
    } else {
        dispatch_look_again(upstream);
        dispatch_fetch(upstream);
        dispatch_divert_note(upstream, dispatch_divert_of(upstream, &(*item)->delivery));
    }
}

/* A delivery that was not offered came to the disk. */
static void on_left(void *ctx, const char *name)
{
    struct dispatch_upstream *upstream = dispatch_find(ctx, name);
    dispatch_now(ctx);
    if (upstream != NULL && !upstream->gone) {
        dispatch_divert_begin(upstream);
        dispatch_look_again(upstream);
        dispatch_fetch(upstream);
    }
}

/* An operator pauses: what the pool has and has not begun waits in the spool. */
static void on_halt(void *ctx, const char *name)
{
    struct dispatch *dispatch = ctx;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        if (name == NULL || strcmp(dispatch->upstreams[i]->config->name, name) == 0) {
            dispatch_heed_halt(dispatch->upstreams[i]);
        }
    }
}

/* An operator made deliveries due: whatever was waited for, now is the time. */
static void on_wake(void *ctx, const char *name)
{
    struct dispatch *dispatch = ctx;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        struct dispatch_upstream *upstream = dispatch->upstreams[i];
        if (name == NULL || strcmp(upstream->config->name, name) == 0) {
            if (name != NULL && upstream->pool != NULL) {
                upstream_pool_try_now(upstream->pool); /* it was named: also what its server asked for is over */
            }
            dispatch_heed_halt(upstream);
            upstream->paused_until = 0;
            dispatch_divert_begin(upstream);
            dispatch_look_again(upstream);
            dispatch_fetch(upstream);
        }
    }
}

/* ---- life ---- */

struct dispatch *dispatch_new(struct net_loop *loop, struct spool *spool, struct config *config, struct log *log,
                              struct fault *fault)
{
    struct dispatch *dispatch = expect_calloc(1, sizeof *dispatch);
    struct dispatch_plan *plan;
    dispatch->loop = loop;
    dispatch->spool = spool;
    dispatch->log = log;
    dispatch->start = dispatch_attempt_start;
    dispatch->clock = dispatch_clock_of(dispatch);
    if (dispatch_plan(dispatch, config, &plan, fault) < 0) {
        dispatch_free(&dispatch);
        return NULL;
    }
    dispatch_plan_apply(&plan);
    return dispatch;
}

void dispatch_set_watcher(struct dispatch *dispatch, dispatch_outcome_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(dispatch->loop);
    dispatch->watcher = fn;
    dispatch->watcher_ctx = ctx;
}

void dispatch_start(struct dispatch *dispatch)
{
    NET_EXPECT_LOOP(dispatch->loop);
    spool_set_offer(dispatch->spool, on_offer, dispatch);
    spool_set_left(dispatch->spool, on_left, dispatch);
    spool_set_wake(dispatch->spool, on_wake, dispatch);
    spool_set_halt(dispatch->spool, on_halt, dispatch);
    dispatch_pace_watch(dispatch);
    dispatch->started = true;
    dispatch_slots_start(dispatch);
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        dispatch_fetch(dispatch->upstreams[i]);
    }
}

static void on_pool_drained(void *ctx)
{
    dispatch_pool_gone(ctx);
}

void dispatch_drain(struct dispatch *dispatch, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(dispatch->loop);
    dispatch->draining = true;
    dispatch->drained = done;
    dispatch->drained_ctx = ctx;
    dispatch->pools_open = 1; /* so that the answer comes also when there is none */
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        struct dispatch_upstream *upstream = dispatch->upstreams[i];
        net_timer_stop(upstream->timer);
        dispatch->pools_open += upstream->pool != NULL;
        if (upstream->pool != NULL && !upstream->switching) {
            upstream_pool_drain(upstream->pool, deadline_ms, on_pool_drained, dispatch);
        }
    }
    net_defer(dispatch->loop, on_pool_drained, dispatch);
}

void dispatch_free(struct dispatch **dispatch)
{
    if (*dispatch == NULL) {
        return;
    }
    NET_EXPECT_LOOP((*dispatch)->loop);
    dispatch_slots_stop(*dispatch);
    for (size_t i = 0; i < (*dispatch)->upstream_count; i++) {
        struct dispatch_upstream *upstream = (*dispatch)->upstreams[i];
        net_timer_free(&upstream->timer);
        upstream_pool_free(&upstream->pool);
        upstream_pool_free(&upstream->next);
        config_free(&upstream->source);
        free(upstream->kept_user);
        free(upstream);
    }
    config_free(&(*dispatch)->config);
    free((*dispatch)->upstreams);
    free(*dispatch);
    *dispatch = NULL;
}

void dispatch_count(const struct dispatch *dispatch, struct dispatch_counts *counts_r)
{
    *counts_r = (struct dispatch_counts){0};
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        const struct dispatch_upstream *upstream = dispatch->upstreams[i];
        counts_r->filed += upstream->counts.filed;
        counts_r->deferred += upstream->counts.deferred;
        counts_r->dead += upstream->counts.dead;
        counts_r->untouched += upstream->counts.untouched;
        counts_r->uncertain += upstream->counts.uncertain;
        counts_r->diverted += upstream->counts.diverted;
        counts_r->possible_duplicates += upstream->counts.possible_duplicates;
        counts_r->octets += upstream->counts.octets;
        counts_r->active += upstream->active;
    }
}

size_t dispatch_upstream_count(const struct dispatch *dispatch)
{
    size_t count = 0;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        count += !dispatch->upstreams[i]->gone;
    }
    return count;
}

/* The index-th of those that are configured. */
static const struct dispatch_upstream *upstream_at(const struct dispatch *dispatch, size_t index)
{
    size_t at = 0;
    while (dispatch->upstreams[at]->gone || index-- > 0) {
        at++;
    }
    return dispatch->upstreams[at];
}

void dispatch_state(const struct dispatch *dispatch, size_t index, struct dispatch_state *state_r)
{
    const struct dispatch_upstream *upstream = upstream_at(dispatch, index);
    *state_r = (struct dispatch_state){.config = upstream->config,
                                       .counts = upstream->counts,
                                       .append = &upstream->append,
                                       .waiting = upstream->pool == NULL ? 0 : upstream_pool_waiting(upstream->pool),
                                       .failures = upstream->failures,
                                       .paused_until = upstream->paused_until,
                                       .down_since = upstream->down_since,
                                       .full_since = upstream->full_since,
                                       .last_fault = &upstream->last_fault,
                                       .last_fault_ms = upstream->last_fault_ms,
                                       .last_filed_ms = upstream->last_filed_ms};
    int64_t left = upstream->paused_until - net_wall(dispatch->loop);
    state_r->pause_left_ms = upstream->paused_until != 0 && left > 0 ? left : 0;
    state_r->counts.active = upstream->active;
    state_r->pause = spool_pause_of(dispatch->spool, upstream->config->name);
    upstream_pool_state(upstream->pool, &state_r->pool);
}
