/*
 * sim_net_watch - the stand-in for net_watch: the world's operators do not write files, they ask for reloads.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_watch.h"

struct net_watch {
    size_t paths;
};

struct net_watch *net_watch_new(struct net_loop *loop, net_watch_fn *fn, void *ctx)
{
    (void)loop, (void)fn, (void)ctx;
    return expect_calloc(1, sizeof(struct net_watch));
}

int net_watch_add(struct net_watch *watch, const char *path)
{
    (void)path;
    watch->paths++;
    return 0;
}

void net_watch_clear(struct net_watch *watch)
{
    watch->paths = 0;
}

void net_watch_free(struct net_watch **watch)
{
    free(*watch);
    *watch = NULL;
}
