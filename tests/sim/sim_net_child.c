/*
 * sim_net_child - gateway/net/net_child.h: in a simulated world there are no programs to run.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_child.h"
#include "sim.h"

struct net_child {
    struct sim_event *event;
    net_child_fn *fn;
    void *ctx;
};

static void on_turn(void *ctx)
{
    struct net_child *child = ctx;
    struct fault fault = FAULT_INIT;
    child->event = NULL;
    fault_set(&fault, FAULT_TEMP, "child-start", "child", "the simulation has no programs");
    child->fn(child->ctx, bytes_of(""), &fault);
}

struct net_child *net_child_run(struct net_loop *loop, const struct net_child_options *options, net_child_fn *fn,
                                void *ctx)
{
    (void)loop, (void)options;
    struct net_child *child = expect_calloc(1, sizeof *child);
    child->fn = fn;
    child->ctx = ctx;
    child->event = sim_gateway_after(0, on_turn, child);
    return child;
}

bool net_child_may_run(const struct net_loop *loop, const char *const *arguments)
{
    (void)loop, (void)arguments;
    return true;
}

void net_child_free(struct net_child **child)
{
    if (*child != NULL) {
        sim_cancel(&(*child)->event);
        free(*child);
        *child = NULL;
    }
}
