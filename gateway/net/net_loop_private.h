/*
 * net_loop_private - what the files of this floor share about the loop.
 */
#ifndef MAILWEIR_NET_NET_LOOP_PRIVATE_H
#define MAILWEIR_NET_NET_LOOP_PRIVATE_H

#include <pthread.h>

#include <uv.h>

#include "base/list.h"
#include "net/net_loop.h"
#include "net/net_turn.h"

/* One read from a socket takes at most this much. */
#define NET_LOOP_SCRATCH 65536

/* net_turn.c's. */
struct net_turns {
    uv_prepare_t prepare;
    const char *doing;                  /* now */
    uint64_t turn_began, stretch_began; /* of work, not of the clock */
    struct net_turn turn;               /* the one under way: its longest stretch so far */
    struct net_turn longest, before;    /* of the minute under way, and of the one before */
    uint64_t window_began;
    uint64_t slow_us;
    net_turn_slow_fn *slow; /* or NULL */
    void *slow_ctx;
};

struct net_loop {
    uv_loop_t uv;
    uv_idle_t deferrer;      /* runs while something is deferred */
    struct list deferred;    /* struct deferral, private to net_loop.c */
    pthread_t thread;        /* that runs it, or has made it */
    uv_async_t poster;       /* wakes it for what was posted */
    pthread_mutex_t posting; /* guards the next */
    struct list posted;      /* struct deferral */
    struct net_turns turns;
    struct net_runner *runner;      /* of its children; NULL: they are run by this process */
    char scratch[NET_LOOP_SCRATCH]; /* what a socket is read into, one read at a time: idle connections need no room */
};

/* net_turn.c: from now on turns are measured, by turns.prepare, which the loop makes and closes. */
void net_turn_start(struct net_loop *loop);

#endif
