/*
 * net_lane - a worker thread with a queue of its own beside the loop ("disk", "read", "filter").
 *
 * Lanes keep slow work off the loop and apart from each other: a slow pattern never holds up an fsync (libuv's
 * pool is shared by all, so it is not used). Jobs of one lane run one after the other, in the order submitted.
 */
#ifndef MAILWEIR_NET_NET_LANE_H
#define MAILWEIR_NET_NET_LANE_H

#include "net/net_loop.h"

struct net_lane;

/* work runs on the lane's thread and may block; done runs later on the loop's. ctx belongs to the job while it runs. */
typedef void net_lane_fn(void *ctx);

/* name: up to 15 octets, the thread's name. */
struct net_lane *net_lane_new(struct net_loop *loop, const char *name);
/* The queue has no limit of its own: whoever submits bounds what is under way. done may be NULL. */
void net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx);
/* Jobs submitted whose done has not yet been called. */
size_t net_lane_waiting(const struct net_lane *lane);
/* Finishes the queued work, calls the outstanding done functions, joins the thread; blocks. Sets *lane to NULL. */
void net_lane_free(struct net_lane **lane);

#endif
