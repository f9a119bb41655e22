/*
 * dispatch - when which delivery goes out; see dispatch.h. One delivery's way is dispatch_job.c.
 */
#include "dispatch/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "dispatch/dispatch_private.h"
#include "engine/backoff.h"

/* Deliveries that go out to an upstream that failed last, to see whether it works again. */
#define PROBES 2
/* The disk is asked at least this often, because clocks jump and operators release what was held. */
#define LONGEST_WAIT_MS 60000
/* By so much the wall clock may run ahead of the monotonic one, or behind it, before that is a jump. */
#define JUMP_MS 5000

uint64_t dispatch_delay(const struct config_upstream *config, unsigned failures)
{
    const struct backoff backoff = {.initial_ms = config->retry_initial, .maximum_ms = config->retry_maximum};
    uint64_t random; /* upstreams that failed together must not come back in step */
    net_random(&random, sizeof random);
    return backoff_delay(&backoff, failures, random);
}

/* ---- the clock ---- */

/*
 * Stays what it is until somebody sets the wall clock. Due times are of the wall clock because they outlive the
 * machine's uptime; so a jump must be seen, and they moved with it.
 */
static int64_t clock_of(const struct dispatch *dispatch)
{
    return net_wall(dispatch->loop) - (int64_t)(net_now_us(dispatch->loop) / 1000);
}

int64_t dispatch_now(struct dispatch *dispatch)
{
    int64_t now = net_wall(dispatch->loop);
    int64_t delta = clock_of(dispatch) - dispatch->clock;
    if (delta > -JUMP_MS && delta < JUMP_MS) {
        return now;
    }
    dispatch->clock += delta;
    dispatch->ahead_ms += delta > 0 ? delta : 0;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        struct dispatch_upstream *upstream = dispatch->upstreams[i];
        upstream->paused_until += upstream->paused_until == 0 ? 0 : delta;
        upstream->down_since += upstream->down_since == 0 ? 0 : delta;
        upstream->full_since += upstream->full_since == 0 ? 0 : delta;
        upstream->diverted_ms += upstream->diverted_ms == 0 ? 0 : delta;
        upstream->divert_at = 0; /* the next look tells again */
    }
    log_event(dispatch->log, LOG_LEVEL_WARNING, "clock_jumped", LOG_INT("milliseconds", delta));
    spool_clock_jumped(dispatch->spool, delta, now - delta);
    return now;
}

static size_t room(const struct dispatch_upstream *upstream)
{
    /* After a failure a few find out whether it is back: if it is not, only they have lost an attempt. */
    size_t most = upstream->failures > 0 ? PROBES : (size_t)upstream->dispatch->config->active_max;
    return upstream->active < most ? most - upstream->active : 0;
}

static bool is_open(const struct dispatch_upstream *upstream)
{
    return upstream->dispatch->started && !upstream->dispatch->draining && !upstream->gone && !upstream->switching &&
           upstream->paused_until == 0;
}

/* ---- from the disk ---- */

/* Wakes at a wall-clock time, or earlier: see LONGEST_WAIT_MS. */
static void wake_at(struct dispatch_upstream *upstream, int64_t when_ms)
{
    int64_t now = dispatch_now(upstream->dispatch), divert = dispatch_divert_time(upstream);
    when_ms = divert < when_ms ? divert : when_ms;
    int64_t wait = when_ms > now ? when_ms - now : 1;
    net_timer_start(upstream->timer, (uint64_t)(wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS));
}

static void on_due(void *ctx, struct spool_item **items, size_t count, bool more, int64_t next_in_ms)
{
    struct dispatch_upstream *upstream = ctx;
    upstream->fetching = false;
    upstream->more = more || upstream->left_behind;
    for (size_t i = 0; i < count && is_open(upstream); i++) {
        if (room(upstream) > 0) {
            dispatch_job_start(upstream, &items[i]);
        } else {
            upstream->more = true;
        }
    }
    if (is_open(upstream)) {
        wake_at(upstream, next_in_ms >= 0 ? dispatch_now(upstream->dispatch) + next_in_ms : INT64_MAX);
    }
    dispatch_fetch(upstream);
    dispatch_check_drained(upstream->dispatch); /* it may have been the last thing that a drain waits for */
}

void dispatch_look_again(struct dispatch_upstream *upstream)
{
    upstream->more = true;
    upstream->left_behind = true; /* a fetch under way may have looked before */
}

void dispatch_fetch(struct dispatch_upstream *upstream)
{
    size_t most = (size_t)upstream->dispatch->config->active_max;
    bool low = upstream->active <= most - most / 4; /* a query and its commit take as long as many deliveries */
    if (!is_open(upstream) || upstream->fetching || !upstream->more || !low || room(upstream) == 0) {
        return;
    }
    upstream->fetching = true;
    upstream->left_behind = false;
    spool_fetch_due(upstream->dispatch->spool, upstream->config->name, room(upstream), on_due, upstream);
}

void dispatch_wake(struct dispatch_upstream *upstream)
{
    wake_at(upstream, 0);
}

static void on_timer(void *ctx)
{
    struct dispatch_upstream *upstream = ctx;
    dispatch_divert(upstream);
    if (upstream->paused_until > dispatch_now(upstream->dispatch)) {
        wake_at(upstream, upstream->paused_until);
        return;
    }
    upstream->paused_until = 0;
    upstream->more = true;
    dispatch_fetch(upstream);
}

/* ---- from a commit ---- */

struct dispatch_upstream *dispatch_find(const struct dispatch *dispatch, const char *name)
{
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        if (strcmp(dispatch->upstreams[i]->config->name, name) == 0) {
            return dispatch->upstreams[i];
        }
    }
    return NULL;
}

static void on_offer(void *ctx, struct spool_item **item)
{
    struct dispatch *dispatch = ctx;
    struct dispatch_upstream *upstream = dispatch_find(dispatch, (*item)->delivery.upstream);
    if (upstream == NULL || upstream->gone) {
        return; /* an upstream that was taken out of the configuration: its mail waits for the operator */
    }
    /* What waits on the disk is older and goes first. */
    if (is_open(upstream) && !upstream->more && room(upstream) > 0) {
        dispatch_job_start(upstream, item);
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
    if (upstream != NULL && !upstream->gone) {
        dispatch_divert_begin(upstream);
        dispatch_look_again(upstream);
        dispatch_fetch(upstream);
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
                imapc_pool_try_now(upstream->pool); /* it was named: also what its server asked for is over */
            }
            upstream->paused_until = 0;
            dispatch_divert_begin(upstream);
            dispatch_look_again(upstream);
            dispatch_fetch(upstream);
        }
    }
}

/* ---- from jobs ---- */

void dispatch_pause(struct dispatch_upstream *upstream, int64_t until_ms)
{
    upstream->paused_until = until_ms;
    wake_at(upstream, until_ms);
}

void dispatch_upstream_failed(struct dispatch_upstream *upstream, uint64_t retry_after_ms)
{
    if (upstream->paused_until != 0 || upstream->dispatch->draining) {
        return; /* one of many that failed together */
    }
    upstream->failures++;
    if (upstream->down_since == 0) {
        upstream->down_since = dispatch_now(upstream->dispatch);
        dispatch_divert_begin(upstream);
    }
    /* The pool has decided how long (engine/outage.h): one pace, one jitter. */
    uint64_t delay = retry_after_ms > 0 ? retry_after_ms : dispatch_delay(upstream->config, upstream->failures);
    dispatch_pause(upstream, dispatch_now(upstream->dispatch) + (int64_t)delay);
    dispatch_divert(upstream);
}

void dispatch_upstream_worked(struct dispatch_upstream *upstream)
{
    upstream->down_since = 0;
    if (upstream->failures > 0) {
        upstream->failures = 0;
        dispatch_look_again(upstream);
    }
}

void dispatch_check_drained(struct dispatch *dispatch)
{
    bool busy = dispatch->pools_open > 0;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        busy = busy || dispatch->upstreams[i]->active > 0 || dispatch->upstreams[i]->fetching ||
               dispatch->upstreams[i]->diverting;
    }
    if (dispatch->draining && !busy && dispatch->drained != NULL) {
        void (*drained)(void *ctx) = dispatch->drained;
        dispatch->drained = NULL;
        drained(dispatch->drained_ctx);
    }
}

void dispatch_job_gone(struct dispatch_upstream *upstream)
{
    upstream->active--;
    dispatch_fetch(upstream);
    dispatch_check_drained(upstream->dispatch);
}

/* ---- life ---- */

struct dispatch_upstream *dispatch_add(struct dispatch *dispatch)
{
    struct dispatch_upstream *upstream = expect_calloc(1, sizeof *upstream);
    size_t size = (dispatch->upstream_count + 1) * sizeof(struct dispatch_upstream *);
    dispatch->upstreams = expect_memory(realloc(dispatch->upstreams, size));
    dispatch->upstreams[dispatch->upstream_count++] = upstream;
    upstream->dispatch = dispatch;
    upstream->timer = net_timer_new(dispatch->loop, on_timer, upstream);
    upstream->divert_noted = INT64_MAX; /* and divert_at is 0: what waits from before is not known */
    return upstream;
}

struct dispatch *dispatch_new(struct net_loop *loop, struct spool *spool, struct config *config, struct log *log,
                              struct fault *fault)
{
    struct dispatch *dispatch = expect_calloc(1, sizeof *dispatch);
    struct dispatch_plan *plan;
    dispatch->loop = loop;
    dispatch->spool = spool;
    dispatch->log = log;
    dispatch->clock = clock_of(dispatch);
    if (dispatch_plan(dispatch, config, &plan, fault) < 0) {
        dispatch_free(&dispatch);
        return NULL;
    }
    dispatch_plan_apply(&plan);
    return dispatch;
}

void dispatch_set_watcher(struct dispatch *dispatch, dispatch_outcome_fn *fn, void *ctx)
{
    dispatch->watcher = fn;
    dispatch->watcher_ctx = ctx;
}

void dispatch_start(struct dispatch *dispatch)
{
    NET_EXPECT_LOOP(dispatch->loop);
    spool_set_offer(dispatch->spool, on_offer, dispatch);
    spool_set_left(dispatch->spool, on_left, dispatch);
    spool_set_wake(dispatch->spool, on_wake, dispatch);
    dispatch->started = true;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        dispatch_fetch(dispatch->upstreams[i]);
    }
}

void dispatch_pool_gone(struct dispatch *dispatch)
{
    dispatch->pools_open--;
    dispatch_check_drained(dispatch);
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
            imapc_pool_drain(upstream->pool, deadline_ms, on_pool_drained, dispatch);
        }
    }
    net_defer(dispatch->loop, on_pool_drained, dispatch);
}

void dispatch_free(struct dispatch **dispatch)
{
    if (*dispatch == NULL) {
        return;
    }
    for (size_t i = 0; i < (*dispatch)->upstream_count; i++) {
        struct dispatch_upstream *upstream = (*dispatch)->upstreams[i];
        net_timer_free(&upstream->timer);
        imapc_pool_free(&upstream->pool);
        imapc_pool_free(&upstream->next);
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
                                       .waiting = upstream->pool == NULL ? 0 : imapc_pool_waiting(upstream->pool),
                                       .failures = upstream->failures,
                                       .paused_until = upstream->paused_until,
                                       .down_since = upstream->down_since,
                                       .last_fault = &upstream->last_fault,
                                       .last_fault_ms = upstream->last_fault_ms,
                                       .last_filed_ms = upstream->last_filed_ms};
    int64_t left = upstream->paused_until - net_wall(dispatch->loop);
    state_r->pause_left_ms = upstream->paused_until != 0 && left > 0 ? left : 0;
    state_r->counts.active = upstream->active;
    state_r->pause = spool_pause_of(dispatch->spool, upstream->config->name);
    imapc_pool_state(upstream->pool, &state_r->pool);
}
