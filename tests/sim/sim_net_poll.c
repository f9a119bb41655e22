/*
 * sim_net_poll - gateway/net/net_poll.h as far as worlds have descriptors: they have none, and no store of theirs hints.
 */
#include "net/net_poll.h"

#include <stddef.h>

#include "sim.h"

struct net_poll *net_poll_new(struct net_loop *loop, int fd, net_poll_fn *fn, void *ctx)
{
    (void)loop;
    (void)fn;
    (void)ctx;
    sim_fail("descriptor %d is to be watched, and this world has no descriptors", fd);
}

void net_poll_free(struct net_poll **poll)
{
    *poll = NULL;
}
