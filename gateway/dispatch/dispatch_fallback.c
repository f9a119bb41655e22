/*
 * dispatch_fallback - when an upstream has been down for its "fallback_after", what waits for it and names a fallback
 * goes there.
 *
 * Nothing is moved back: when the upstream works again, what comes from then on goes to it. What was moved leaves
 * nothing to try it with, so after each pause the next delivery is the probe; when that fails it goes the same way.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "dispatch/dispatch_private.h"

static void on_diverted(void *ctx, uint64_t moved, const struct fault *fault)
{
    struct dispatch_upstream *upstream = ctx;
    struct dispatch *dispatch = upstream->dispatch;
    upstream->diverting = false;
    upstream->counts.diverted += moved;
    if (fault != NULL) {
        log_event(dispatch->log, LOG_LEVEL_ERROR, "fallback_failed", LOG_STR("upstream", upstream->config->name),
                  LOG_STR("error.code", fault->code), LOG_STR("error.message", fault->text),
                  LOG_STR("note", "what waits for it goes to its fallback later"));
    }
    for (size_t i = 0; moved > 0 && i < dispatch->upstream_count; i++) {
        if (dispatch->upstreams[i] != upstream) {
            dispatch_look_again(dispatch->upstreams[i]);
            dispatch_fetch(dispatch->upstreams[i]);
        }
    }
    if (upstream->divert_again && fault == NULL) {
        dispatch_divert(upstream);
    }
    dispatch_check_drained(dispatch);
}

bool dispatch_is_diverted(const struct dispatch_upstream *upstream, int64_t now_ms)
{
    return upstream->down_since != 0 && upstream->failures > 0 && !upstream->gone &&
           now_ms - upstream->down_since >= (int64_t)upstream->config->fallback_after;
}

void dispatch_divert(struct dispatch_upstream *upstream)
{
    struct dispatch *dispatch = upstream->dispatch;
    if (!dispatch->started || dispatch->draining || !dispatch_is_diverted(upstream, dispatch_now(dispatch))) {
        return;
    }
    upstream->divert_again = upstream->diverting;
    if (upstream->diverting) {
        return;
    }
    const char **known = expect_calloc(dispatch->upstream_count + 1, sizeof *known);
    size_t count = 0;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        if (!dispatch->upstreams[i]->gone && dispatch->upstreams[i] != upstream) {
            known[count++] = dispatch->upstreams[i]->config->name;
        }
    }
    int64_t down_for_ms = dispatch_now(dispatch) - upstream->down_since;
    upstream->diverting = true;
    spool_divert(dispatch->spool, upstream->config->name, known, count, (uint64_t)down_for_ms, on_diverted, upstream);
    free(known);
}
