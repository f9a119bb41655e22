/*
 * sim_net_listener - the listeners of gateway/net/net_stream.h over simulated links, and how clients of the world reach them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_net_private.h"

#define LISTENERS_MAX 16

struct net_listener {
    struct net_loop *loop;
    struct net_address address;
    struct net_stream_limits limits;
    net_accept_fn *fn;
    void *ctx;
};

static struct net_listener *of_machines[SIM_MACHINES][LISTENERS_MAX];

static struct net_listener **listeners_here(void)
{
    return of_machines[sim_machine()];
}

void sim_listeners_crash(void)
{
    memset(listeners_here(), 0, sizeof of_machines[0]);
}

static struct net_listener *listener_at(uint16_t port)
{
    struct net_listener *const *listeners = listeners_here();
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (listeners[i] != NULL && listeners[i]->address.port == port) {
            return listeners[i];
        }
    }
    return NULL;
}

static void accept_link(void *ctx)
{
    struct sim_link *link = ctx;
    struct net_listener *listener = listener_at(link->port);
    struct net_stream *stream = link->stream;
    link->in.event = NULL;
    if (listener == NULL || link->peer_gone) {
        stream->link = NULL;
        link->stream = NULL;
        stream->freed = true;
        sim_stream_destroy(stream);
        sim_link_tell_closed(link, true);
        sim_link_free_if_over(link);
        return;
    }
    stream->connected = true;
    listener->fn(listener->ctx, stream);
    if (!link->peer_gone) {
        link->events->on_open(link->ctx);
    }
}

struct sim_link *sim_link_connect(uint16_t port, const char *from, const struct sim_link_events *events, void *ctx,
                                  const struct sim_link_trouble *trouble)
{
    struct net_listener *listener = listener_at(port);
    if (listener == NULL) {
        return NULL;
    }
    struct sim_link *link = sim_link_new(events, ctx);
    link->trouble = *trouble;
    link->port = port;
    link->stream = sim_stream_new(listener->loop, &listener->limits);
    link->stream->link = link;
    snprintf(link->stream->label, sizeof link->stream->label, "%s", from);
    snprintf(link->stream->peer, sizeof link->stream->peer, "%s", from);
    link->in.event = sim_gateway_after(sim_link_delay(link), accept_link, link);
    return link;
}

int net_listener_open(struct net_listener **listener_r, struct net_loop *loop, const struct net_address *address,
                      const struct net_stream_limits *limits, net_accept_fn *fn, void *ctx, struct fault *fault)
{
    if (listener_at(address->port) != NULL) {
        fault_set(fault, FAULT_LOCAL, "eaddrinuse", address->host, "cannot listen on port %u", address->port);
        return -1;
    }
    struct net_listener **listeners = listeners_here();
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (listeners[i] == NULL) {
            struct net_listener *listener = expect_calloc(1, sizeof *listener);
            *listener =
                (struct net_listener){.loop = loop, .address = *address, .limits = *limits, .fn = fn, .ctx = ctx};
            listeners[i] = listener;
            *listener_r = listener;
            return 0;
        }
    }
    sim_fail("more than %d listeners", LISTENERS_MAX);
}

uint16_t net_listener_port(const struct net_listener *listener)
{
    return listener->address.port;
}

void net_listener_free(struct net_listener **listener)
{
    struct net_listener **listeners = listeners_here();
    for (size_t i = 0; *listener != NULL && i < LISTENERS_MAX; i++) {
        if (listeners[i] == *listener) {
            listeners[i] = NULL;
        }
    }
    free(*listener);
    *listener = NULL;
}
