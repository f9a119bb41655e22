/*
 * sim_net_watch - the stand-in for net_watch: the simulated disk tells nothing, as a network file system does, and the gateway has to look by itself.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_watch.h"

struct net_watch {
    struct net_loop *loop;
};

struct net_watch *net_watch_new(struct net_loop *loop, net_watch_fn *fn, void *ctx)
{
    (void)fn, (void)ctx;
    struct net_watch *watch = expect_calloc(1, sizeof *watch);
    watch->loop = loop;
    return watch;
}

int net_watch_add(struct net_watch *watch, const char *path)
{
    (void)watch, (void)path;
    return -1;
}

void net_watch_clear(struct net_watch *watch)
{
    (void)watch;
}

void net_watch_free(struct net_watch **watch)
{
    free(*watch);
    *watch = NULL;
}
