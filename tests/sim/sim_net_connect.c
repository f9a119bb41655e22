/*
 * sim_net_connect - the servers of the world by their names, and the connections that the gateway opens to them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_net_private.h"

#define SERVERS_MAX 16

static struct {
    char host[64];
    enum sim_link_name name;
    sim_link_accept_fn *accept;
    const struct sim_link_events *events;
    void *server;
    enum sim_link_way ways[SIM_MACHINES];
} servers[SERVERS_MAX];
static size_t server_count;

void sim_link_serve(const char *host, sim_link_accept_fn *accept, const struct sim_link_events *events, void *server)
{
    EXPECT(server_count < SERVERS_MAX);
    size_t at = server_count++;
    snprintf(servers[at].host, sizeof servers[at].host, "%s", host);
    servers[at].accept = accept;
    servers[at].events = events;
    servers[at].server = server;
}

void sim_link_set_name(const char *host, enum sim_link_name name)
{
    for (size_t i = 0; i < server_count; i++) {
        if (strcmp(servers[i].host, host) == 0) {
            servers[i].name = name;
        }
    }
}

void sim_link_set_way(unsigned machine, const char *host, enum sim_link_way way)
{
    for (size_t i = 0; i < server_count; i++) {
        if (strcmp(servers[i].host, host) == 0) {
            servers[i].ways[machine] = way;
            sim_link_way_changed(machine, i + 1);
        }
    }
}

enum sim_link_way sim_link_way_of(const struct sim_link *link)
{
    return link->server == 0 ? SIM_LINK_WAY_WHOLE : servers[link->server - 1].ways[link->machine];
}

static size_t server_of(const struct net_stream *stream)
{
    size_t at = 0;
    while (at < server_count && strcmp(servers[at].host, stream->to.host) != 0) {
        at++;
    }
    return at;
}

static void on_connect_timeout(void *ctx)
{
    struct net_stream *stream = ctx;
    stream->timer = NULL;
    sim_stream_fail(stream, "timeout", "connect", "connection timed out");
}

static void on_connect(void *ctx)
{
    struct net_stream *stream = ctx;
    size_t at = server_of(stream);
    stream->timer = NULL;
    if (at == server_count || servers[at].name == SIM_LINK_NAME_UNKNOWN) {
        sim_stream_fail(stream, "connect", "connect", "the name cannot be resolved: unknown node or service");
        return;
    }
    if (servers[at].ways[stream->machine] != SIM_LINK_WAY_WHOLE) {
        uint64_t left = stream->connects_until > sim_now() ? stream->connects_until - sim_now() : 0;
        stream->timer = sim_gateway_after(left, on_connect_timeout, stream);
        return;
    }
    struct sim_link *link = sim_link_new(servers[at].events, NULL);
    link->stream = stream;
    link->server = at + 1;
    snprintf(stream->peer, sizeof stream->peer, "192.0.2.%zu", at + 1);
    link->ctx = servers[at].accept(servers[at].server, link, &link->trouble);
    if (link->ctx == NULL) {
        link->peer_gone = true;
        link->stream = NULL;
        sim_link_free_if_over(link);
        sim_stream_fail(stream, "econnrefused", "connect", "connection refused");
        return;
    }
    stream->link = link;
    stream->connected = true;
    sim_stream_note(stream, NET_STREAM_CONNECTED);
    sim_link_plan_in(link);
}

struct net_stream *net_stream_connect(struct net_loop *loop, const struct net_address *to, uint64_t timeout_ms,
                                      const struct net_stream_limits *limits, net_stream_fn *fn, void *ctx)
{
    struct net_stream *stream = sim_stream_new(loop, limits);
    stream->fn = fn;
    stream->ctx = ctx;
    stream->to = *to;
    snprintf(stream->label, sizeof stream->label, "%s:%u", to->host, to->port);
    stream->connects_until = sim_now() + timeout_ms * SIM_MS;
    uint64_t delay = sim_random_between(sim_gateway_random(), 100, 60 * SIM_MS);
    size_t at = server_of(stream);
    enum sim_link_name name = at < server_count ? servers[at].name : SIM_LINK_NAME_UNKNOWN;
    /* An address where nobody listens costs its share of the time, and the next one is tried. */
    delay += name == SIM_LINK_NAME_HALF     ? timeout_ms * SIM_MS / 2
             : name == SIM_LINK_NAME_SILENT ? timeout_ms * SIM_MS
                                            : 0;
    bool is_lost = delay > timeout_ms * SIM_MS;
    stream->timer =
        sim_gateway_after(is_lost ? timeout_ms * SIM_MS : delay, is_lost ? on_connect_timeout : on_connect, stream);
    return stream;
}
