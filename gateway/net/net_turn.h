/*
 * net_turn - how long the loop's turns take, and what with: while one thing is done, everybody else waits.
 *
 * A turn is what happens between two looks at what the kernel has, without the time in which there was nothing to do.
 * What it did is the last word that was said by net_turn_doing() before the longest stretch of it.
 */
#ifndef MAILWEIR_NET_NET_TURN_H
#define MAILWEIR_NET_NET_TURN_H

#include "net/net_loop.h"

struct net_turn {
    uint64_t took_us;
    const char *doing; /* "" when nothing was said */
    uint64_t doing_us;
};

/* What comes next, in a few words that live for ever; from the loop. It costs two looks at the clock. */
void net_turn_doing(struct net_loop *loop, const char *what);

typedef void net_turn_slow_fn(void *ctx, const struct net_turn *turn);
/* Has fn called from the loop behind each turn that took longer than slow_us. One watcher; NULL: none any more. */
void net_turn_watch(struct net_loop *loop, uint64_t slow_us, net_turn_slow_fn *fn, void *ctx);

/* The longest of the last one to two minutes. */
void net_turn_longest(const struct net_loop *loop, struct net_turn *turn_r);

#endif
