/*
 * dispatch_fallback - what waits for an upstream that stays down or full goes where its rule says ("else", "fallback").
 *
 * The spool is looked through once when the trouble begins; it then tells how long the trouble must last until the next
 * delivery may go, and whatever comes later says the same of itself. So nothing is looked at again and again.
 *
 * Nothing is moved back: when the upstream works again, what comes from then on goes to it. What was moved leaves
 * nothing to try it with, so after each pause the next delivery is the probe; when that fails it goes the same way.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "dispatch/dispatch_private.h"

/* An upstream that fails and works by turns has its whole queue looked through no more often than this. */
#define LOOK_PAUSE_MS 30000
/* What could not be moved is tried again after this. */
#define AGAIN_MS 10000

/* Where mail may go: what is configured. */
static bool is_configured(void *ctx, const char *name)
{
    const struct dispatch_upstream *upstream = dispatch_find(ctx, name);
    return upstream != NULL && !upstream->gone;
}

static int64_t time_in(int64_t now_ms, uint64_t wait_ms)
{
    return wait_ms > (uint64_t)(INT64_MAX - now_ms) ? INT64_MAX : now_ms + (int64_t)wait_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- the times ---- */

static void look_at(struct dispatch_upstream *upstream, int64_t when)
{
    bool is_sooner = when < upstream->divert_at;
    upstream->divert_at = earlier(upstream->divert_at, when);
    upstream->divert_noted = earlier(upstream->divert_noted, when);
    if (is_sooner && dispatch_divert_time(upstream) != INT64_MAX) {
        dispatch_wake(upstream);
    }
}

void dispatch_divert_begin(struct dispatch_upstream *upstream)
{
    int64_t now = dispatch_now(upstream->dispatch), first = upstream->diverted_ms + LOOK_PAUSE_MS;
    int64_t latest = time_in(now, upstream->config->fallback_after);
    look_at(upstream, upstream->diverted_ms == 0 || first < now ? now : earlier(first, latest));
}

int64_t dispatch_divert_of(const struct dispatch_upstream *upstream, const struct mail_delivery *delivery)
{
    uint64_t wait;
    if (!dispatch_is_in_trouble(upstream) || !mail_delivery_may_leave(delivery)) {
        return INT64_MAX;
    }
    int64_t now = dispatch_now(upstream->dispatch);
    struct mail_trouble trouble = dispatch_trouble_of(upstream, now);
    bool is_open = mail_delivery_way_out(delivery, &trouble, is_configured, upstream->dispatch, &wait) >= 0;
    return is_open ? now : time_in(now, wait);
}

void dispatch_divert_note(struct dispatch_upstream *upstream, int64_t when)
{
    if (when != INT64_MAX) {
        look_at(upstream, when);
    }
}

/* ---- going ---- */

static void on_diverted(void *ctx, uint64_t moved, uint64_t wait_ms, const struct fault *fault)
{
    struct dispatch_upstream *upstream = ctx;
    struct dispatch *dispatch = upstream->dispatch;
    int64_t now = dispatch_now(dispatch);
    upstream->diverting = false;
    upstream->counts.diverted += moved;
    upstream->divert_at = earlier(fault != NULL ? now + AGAIN_MS : time_in(now, wait_ms), upstream->divert_noted);
    if (fault != NULL) {
        log_event(dispatch->log, LOG_LEVEL_ERROR, "fallback_failed", LOG_STR("upstream", upstream->config->name),
                  LOG_STR("error.code", fault->code), LOG_STR("error.message", fault->text),
                  LOG_STR("note", "mail that waits for this upstream goes to the fallback later"));
    }
    for (size_t i = 0; moved > 0 && i < dispatch->upstream_count; i++) {
        dispatch_look_again(dispatch->upstreams[i]);
        dispatch_fetch(dispatch->upstreams[i]);
    }
    if (dispatch_divert_time(upstream) != INT64_MAX) {
        dispatch_wake(upstream);
    }
    dispatch_check_drained(dispatch);
}

void dispatch_divert(struct dispatch_upstream *upstream)
{
    struct dispatch *dispatch = upstream->dispatch;
    int64_t now = dispatch_now(dispatch);
    if (dispatch_divert_time(upstream) > now) {
        return;
    }
    struct mail_trouble trouble = dispatch_trouble_of(upstream, now);
    const char **known = expect_calloc(dispatch->upstream_count + 1, sizeof *known);
    size_t count = 0;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        if (!dispatch->upstreams[i]->gone) {
            known[count++] = dispatch->upstreams[i]->config->name;
        }
    }
    upstream->diverting = true;
    upstream->diverted_ms = now;
    upstream->divert_noted = INT64_MAX;
    spool_divert(dispatch->spool, upstream->config->name, known, count, &trouble, on_diverted, upstream);
    free(known);
}
