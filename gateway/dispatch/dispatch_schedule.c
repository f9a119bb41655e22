/*
 * dispatch_schedule - the times of an upstream: when the spool is asked for what is due, what stands in the way of
 * that, and the clock by which all of it goes. What a delivery is sent by is not known here: dispatch.start.
 */
#include <string.h>

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
    /* Much sooner than the half hour of RFC 5321 section 4.5.4.1, which speaks of many hosts that have one message
     * each: here all mail goes to one account, and one probe tells for all of it. */
    uint64_t random; /* upstreams that failed together must not come back in step */
    net_random(&random, sizeof random);
    return backoff_delay(&backoff, failures, random);
}

struct dispatch_upstream *dispatch_find(const struct dispatch *dispatch, const char *name)
{
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        if (strcmp(dispatch->upstreams[i]->config->name, name) == 0) {
            return dispatch->upstreams[i];
        }
    }
    return NULL;
}

/* ---- the clock ---- */

/*
 * Stays what it is until somebody sets the wall clock. Due times are of the wall clock because they outlive the
 * machine's uptime; so a jump must be seen, and they moved with it.
 */
int64_t dispatch_clock_of(const struct dispatch *dispatch)
{
    return net_wall(dispatch->loop) - (int64_t)(net_now_us(dispatch->loop) / 1000);
}

int64_t dispatch_now(struct dispatch *dispatch)
{
    int64_t now = net_wall(dispatch->loop);
    int64_t delta = dispatch_clock_of(dispatch) - dispatch->clock;
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

/* ---- trouble that mail may flee from ---- */

/* A clock that was put back makes no trouble younger than new. */
static uint64_t ms_since(int64_t begin_ms, int64_t now_ms)
{
    return begin_ms < now_ms ? (uint64_t)(now_ms - begin_ms) : 0;
}

struct mail_trouble dispatch_trouble_of(const struct dispatch_upstream *upstream, int64_t now_ms)
{
    bool is_down = upstream->down_since != 0 && upstream->failures > 0 && !upstream->gone;
    return (struct mail_trouble){
        .down = is_down && !dispatch_works_elsewhere(upstream),
        .full = upstream->full_since != 0 && !upstream->gone,
        .down_ms = upstream->down_since == 0 ? 0 : ms_since(upstream->down_since, now_ms),
        .full_ms = upstream->full_since == 0 ? 0 : ms_since(upstream->full_since, now_ms),
        .patience_ms = upstream->config->fallback_after,
    };
}

bool dispatch_is_in_trouble(const struct dispatch_upstream *upstream)
{
    struct mail_trouble trouble = dispatch_trouble_of(upstream, 0);
    return trouble.down || trouble.full;
}

int64_t dispatch_divert_time(const struct dispatch_upstream *upstream)
{
    bool waits = upstream->dispatch->started && !upstream->dispatch->draining && !upstream->diverting;
    return waits && dispatch_is_in_trouble(upstream) ? upstream->divert_at : INT64_MAX;
}

/* ---- from the disk ---- */

size_t dispatch_room(const struct dispatch_upstream *upstream)
{
    /* After a failure a few find out whether it is back: if it is not, only they have lost an attempt. */
    size_t probes = upstream->left_to_others ? 1 : PROBES;
    size_t most = upstream->failures > 0 ? probes : (size_t)upstream->dispatch->config->active_max;
    return upstream->active < most ? most - upstream->active : 0;
}

bool dispatch_is_open(const struct dispatch_upstream *upstream)
{
    return upstream->dispatch->started && !upstream->dispatch->draining && !upstream->gone && !upstream->switching &&
           !upstream->without_slot && upstream->paused_until == 0;
}

void dispatch_wake_at(struct dispatch_upstream *upstream, int64_t when_ms)
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
    for (size_t i = 0; i < count && dispatch_is_open(upstream); i++) {
        if (dispatch_room(upstream) > 0) {
            upstream->dispatch->start(upstream, &items[i]);
        } else {
            upstream->more = true;
        }
    }
    if (dispatch_is_open(upstream)) {
        dispatch_wake_at(upstream, next_in_ms >= 0 ? dispatch_now(upstream->dispatch) + next_in_ms : INT64_MAX);
    }
    dispatch_fetch(upstream);
    dispatch_check_drained(upstream->dispatch); /* it may have been the last thing that a drain waits for */
}

void dispatch_note_origin(struct dispatch_upstream *upstream)
{
    struct upstream_origin origin;
    upstream_pool_origin(upstream->pool, &origin);
    spool_set_origin(upstream->dispatch->spool, upstream->config->name, origin.account, origin.place);
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
    if (!dispatch_is_open(upstream) || upstream->fetching || !upstream->more || !low || dispatch_room(upstream) == 0) {
        return;
    }
    upstream->fetching = true;
    upstream->left_behind = false;
    dispatch_note_origin(upstream);
    spool_fetch_due(upstream->dispatch->spool, upstream->config->name, dispatch_room(upstream), on_due, upstream);
}

void dispatch_wake(struct dispatch_upstream *upstream)
{
    dispatch_wake_at(upstream, 0);
}

void dispatch_pause(struct dispatch_upstream *upstream, int64_t until_ms)
{
    upstream->paused_until = until_ms;
    dispatch_wake_at(upstream, until_ms);
}

/* ---- the end of a drain ---- */

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

void dispatch_attempt_gone(struct dispatch_upstream *upstream)
{
    upstream->active--;
    dispatch_fetch(upstream);
    dispatch_check_drained(upstream->dispatch);
}

void dispatch_pool_gone(struct dispatch *dispatch)
{
    dispatch->pools_open--;
    dispatch_check_drained(dispatch);
}
