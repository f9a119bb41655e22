/*
 * net_lane - a worker thread with a queue of its own beside the loop ("disk", "read", "filter").
 *
 * Lanes keep slow work off the loop and apart from each other: a slow pattern never holds up an fsync (libuv's
 * pool is shared by all, so it is not used). Jobs of one lane run one after the other, in the order submitted; those of
 * a wide lane run several at once, in turns: whoever has used least of late comes first.
 */
#ifndef MAILWEIR_NET_NET_LANE_H
#define MAILWEIR_NET_NET_LANE_H

#include "base/must_use.h"
#include "net/net_loop.h"

struct net_lane;

/* work runs on the lane's thread and may block; done runs later on the loop's. ctx belongs to the job while it runs. */
typedef void net_lane_fn(void *ctx);

/* name: up to 15 octets, the thread's name; it must live for ever (net_turn.h). */
MUST_USE struct net_lane *net_lane_new(struct net_loop *loop, const char *name);
/*
 * A wide lane: as many threads as the machine has cores, and one more that takes light jobs only, so that no number of
 * heavy ones makes a light one wait for the end of one of them.
 */
#define NET_LANE_WORKERS_MAX 17
MUST_USE struct net_lane *net_lane_new_wide(struct net_loop *loop, const char *name);

/* How many threads it has. */
size_t net_lane_width(const struct net_lane *lane); /* for tests */

/* Whose job it is, and what it may cost. Time used is counted for both keys, and half of it is forgotten each second.
 */
struct net_lane_turn {
    uint64_t group;   /* a client's network */
    uint64_t member;  /* one session of it */
    uint64_t cost_us; /* as far as one can tell beforehand */
};
/*
 * For wide lanes. Next is the job with the least of what its group and its member have used and what it may cost, less
 * the time that it has waited: nobody waits for ever. done comes in the order in which jobs end.
 */
void net_lane_submit_turn(struct net_lane *lane, const struct net_lane_turn *turn, net_lane_fn *work, net_lane_fn *done,
                          void *ctx);
/* In a work function: the number of its thread within this lane, from 0, below NET_LANE_WORKERS_MAX. */
unsigned net_lane_worker(const struct net_lane *lane);
/* The queue has no limit of its own: whoever submits bounds what is under way. done may be NULL. */
void net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx);
/* Jobs submitted whose done has not yet been called. */
size_t net_lane_waiting(const struct net_lane *lane); /* for tests */
/* Finishes the queued work, calls the outstanding done functions, joins the thread; blocks. Sets *lane to NULL. */
void net_lane_free(struct net_lane **lane);

#endif
