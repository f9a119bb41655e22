/*
 * dispatch_upstream - one upstream: how it is made, what its timer does, and how its account's trouble begins and ends.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "dispatch/dispatch_private.h"

static void on_timer(void *ctx)
{
    struct dispatch_upstream *upstream = ctx;
    dispatch_divert(upstream);
    if (upstream->paused_until > dispatch_now(upstream->dispatch)) {
        dispatch_wake_at(upstream, upstream->paused_until);
        return;
    }
    upstream->paused_until = 0;
    upstream->more = true;
    dispatch_fetch(upstream);
}

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

void dispatch_heed_halt(struct dispatch_upstream *upstream)
{
    if (upstream->pool != NULL && !upstream->switching) {
        bool paused = spool_pause_of(upstream->dispatch->spool, upstream->config->name).on;
        upstream_pool_halt(upstream->pool, paused || upstream->without_slot);
    }
}

void dispatch_upstream_failed(struct dispatch_upstream *upstream, uint64_t retry_after_ms)
{
    if (upstream->paused_until != 0 || upstream->dispatch->draining) {
        return; /* one of many that failed together */
    }
    upstream->failures++;
    dispatch_leave_to_others(upstream);
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
        upstream->left_to_others = false;
        dispatch_look_again(upstream);
    }
}
