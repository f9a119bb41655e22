/*
 * net_turn - how long the loop's turns take, and what with; see net_turn.h.
 *
 * libuv calls what is ready from inside of its wait, so the wait's end cannot be seen from outside. It counts the time
 * that it spent idle, though, and a clock that stands still meanwhile shows the rest.
 */
#include "net/net_turn.h"

#include "net/net_loop_private.h"

#define WINDOW_US ((uint64_t)60 * 1000 * 1000)

/* Microseconds of work since the loop began. */
static uint64_t busy_us(struct net_loop *loop)
{
    return (uv_hrtime() - uv_metrics_idle_time(&loop->uv)) / 1000;
}

/* Ends the stretch under way. */
static void end_stretch(struct net_turns *turns, uint64_t now)
{
    uint64_t took = now - turns->stretch_began;
    if (took > turns->turn.doing_us) {
        turns->turn.doing_us = took;
        turns->turn.doing = turns->doing;
    }
    turns->stretch_began = now;
}

void net_turn_doing(struct net_loop *loop, const char *what)
{
    end_stretch(&loop->turns, busy_us(loop));
    loop->turns.doing = what;
}

static void keep_longest(struct net_turns *turns)
{
    uint64_t now = uv_hrtime() / 1000;
    if (now - turns->window_began >= WINDOW_US) {
        turns->before = now - turns->window_began < 2 * WINDOW_US ? turns->longest : (struct net_turn){.doing = ""};
        turns->longest = (struct net_turn){.doing = ""};
        turns->window_began = now;
    }
    if (turns->turn.took_us > turns->longest.took_us) {
        turns->longest = turns->turn;
    }
}

static void on_turn(uv_prepare_t *prepare)
{
    struct net_loop *loop = prepare->data;
    struct net_turns *turns = &loop->turns;
    uint64_t now = busy_us(loop);
    end_stretch(turns, now);
    turns->turn.took_us = now - turns->turn_began;
    const struct net_turn turn = turns->turn;
    keep_longest(turns);
    if (turns->slow != NULL && turn.took_us > turns->slow_us) {
        turns->slow(turns->slow_ctx, &turn);
    }
    /* What the watcher does (a line of the log) is the next turn's. */
    turns->turn_began = turns->stretch_began = now;
    turns->turn = (struct net_turn){.doing = ""};
    turns->doing = "";
}

void net_turn_start(struct net_loop *loop)
{
    struct net_turns *turns = &loop->turns;
    turns->turn = turns->longest = turns->before = (struct net_turn){.doing = ""};
    turns->doing = "";
    turns->turn_began = turns->stretch_began = busy_us(loop);
    turns->window_began = uv_hrtime() / 1000;
    turns->prepare.data = loop;
    uv_prepare_start(&turns->prepare, on_turn);
    uv_unref((uv_handle_t *)&turns->prepare);
}

void net_turn_watch(struct net_loop *loop, uint64_t slow_us, net_turn_slow_fn *fn, void *ctx)
{
    loop->turns.slow_us = slow_us;
    loop->turns.slow = fn;
    loop->turns.slow_ctx = ctx;
}

void net_turn_longest(const struct net_loop *loop, struct net_turn *turn_r)
{
    const struct net_turns *turns = &loop->turns;
    *turn_r = turns->before.took_us > turns->longest.took_us ? turns->before : turns->longest;
}
