/*
 * net_timer - timers with one owner; see net_loop.h.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_loop_private.h"

struct net_timer {
    struct net_loop *loop;
    uv_timer_t uv;
    net_timer_fn *fn;
    void *ctx;
};

struct net_timer *net_timer_new(struct net_loop *loop, net_timer_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(loop);
    struct net_timer *timer = expect_calloc(1, sizeof *timer);
    timer->loop = loop;
    timer->fn = fn;
    timer->ctx = ctx;
    EXPECT(uv_timer_init(&loop->uv, &timer->uv) == 0);
    timer->uv.data = timer;
    return timer;
}

static void on_timer(uv_timer_t *uv)
{
    struct net_timer *timer = uv->data;
    net_turn_doing(timer->loop, "a timer");
    timer->fn(timer->ctx);
}

void net_timer_start(struct net_timer *timer, uint64_t milliseconds)
{
    NET_EXPECT_LOOP(timer->loop);
    /* libuv counts from the beginning of the turn; without what has passed since, a timer could come too early. */
    uint64_t began = uv_now(timer->uv.loop);
    uint64_t now = uv_hrtime() / 1000000;
    uint64_t passed = now > began ? now - began : 0;
    EXPECT(uv_timer_start(&timer->uv, on_timer, milliseconds + passed, 0) == 0);
}

void net_timer_stop(struct net_timer *timer)
{
    NET_EXPECT_LOOP(timer->loop);
    uv_timer_stop(&timer->uv);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void net_timer_free(struct net_timer **timer)
{
    if (*timer == NULL) {
        return;
    }
    NET_EXPECT_LOOP((*timer)->loop);
    uv_close((uv_handle_t *)&(*timer)->uv, on_closed);
    *timer = NULL;
}
