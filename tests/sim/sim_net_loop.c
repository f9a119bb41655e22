/*
 * sim_net_loop - gateway/net/net_loop.h over the virtual clock. Signals never come.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_loop.h"
#include "net/net_turn.h"
#include "sim.h"
#include "sim_fiber.h"

struct net_loop {
    bool stopped;
};

struct net_loop *net_loop_new(void)
{
    return expect_calloc(1, sizeof(struct net_loop));
}

static bool is_stopped(void *ctx)
{
    struct net_loop *loop = ctx;
    return loop->stopped;
}

void net_loop_run(struct net_loop *loop)
{
    loop->stopped = false;
    sim_run(is_stopped, loop, UINT64_MAX);
}

void net_loop_stop(struct net_loop *loop)
{
    loop->stopped = true;
}

void net_loop_free(struct net_loop **loop)
{
    free(*loop);
    *loop = NULL;
}

uint64_t net_now(const struct net_loop *loop)
{
    (void)loop;
    return sim_now() / SIM_MS;
}

uint64_t net_now_us(const struct net_loop *loop)
{
    (void)loop;
    sim_fiber_may_pause();
    return sim_now();
}

int64_t net_wall(const struct net_loop *loop)
{
    (void)loop;
    sim_fiber_may_pause();
    return sim_wall();
}

void net_random(void *data, size_t len)
{
    sim_random_fill(sim_gateway_random(), data, len);
}

void net_defer(struct net_loop *loop, void (*fn)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(loop);
    sim_gateway_after(0, fn, ctx);
}

void net_post(struct net_loop *loop, void (*fn)(void *ctx), void *ctx)
{
    (void)loop;
    sim_gateway_after(0, fn, ctx);
}

/* A turn takes no time here. */
void net_turn_doing(struct net_loop *loop, const char *what)
{
    (void)loop;
    (void)what;
}

void net_turn_watch(struct net_loop *loop, uint64_t slow_us, net_turn_slow_fn *fn, void *ctx)
{
    (void)loop;
    (void)slow_us;
    (void)fn;
    (void)ctx;
}

void net_turn_longest(const struct net_loop *loop, struct net_turn *turn_r)
{
    (void)loop;
    *turn_r = (struct net_turn){.doing = ""};
}

/* What stands for another thread here is a lane's fiber. */
bool net_loop_is_here(const struct net_loop *loop)
{
    (void)loop;
    return !sim_fiber_is_inside();
}

struct net_timer {
    struct sim_event *event;
    net_timer_fn *fn;
    void *ctx;
};

struct net_timer *net_timer_new(struct net_loop *loop, net_timer_fn *fn, void *ctx)
{
    (void)loop;
    struct net_timer *timer = expect_calloc(1, sizeof *timer);
    timer->fn = fn;
    timer->ctx = ctx;
    return timer;
}

static void on_timer(void *ctx)
{
    struct net_timer *timer = ctx;
    timer->event = NULL;
    timer->fn(timer->ctx);
}

void net_timer_start(struct net_timer *timer, uint64_t milliseconds)
{
    NET_EXPECT_LOOP(NULL);
    sim_cancel(&timer->event);
    timer->event = sim_gateway_after(milliseconds * SIM_MS, on_timer, timer);
}

void net_timer_stop(struct net_timer *timer)
{
    sim_cancel(&timer->event);
}

void net_timer_free(struct net_timer **timer)
{
    if (*timer != NULL) {
        sim_cancel(&(*timer)->event);
        free(*timer);
        *timer = NULL;
    }
}

struct net_signal {
    int number;
};

struct net_signal *net_signal_new(struct net_loop *loop, int number, net_signal_fn *fn, void *ctx)
{
    (void)loop, (void)fn, (void)ctx;
    struct net_signal *handler = expect_calloc(1, sizeof *handler);
    handler->number = number;
    return handler;
}

void net_signal_free(struct net_signal **handler)
{
    free(*handler);
    *handler = NULL;
}
