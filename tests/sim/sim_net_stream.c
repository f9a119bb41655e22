/*
 * sim_net_stream - gateway/net/net_stream.h and net_tls.h over simulated links, and the peers' end of them (sim_link.h).
 *
 * A link has two wires. Each wire holds what was sent and not delivered; one event at a time delivers a drawn part of it. The
 * stream's contract is kept as the real one does: events from the loop only, in the same order, nothing after a free.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/list.h"
#include "net/net_stream.h"
#include "sim.h"
#include "sim_link.h"

#define WIRE_MAX      (64u << 20)
#define LISTENERS_MAX 16
#define SERVERS_MAX   16

struct net_tls {
    unsigned holds;
};

struct wire {
    struct buf data;
    struct sim_event *event; /* the next delivery */
    uint64_t moved;
    bool fin;   /* nothing follows what is in it */
    bool ended; /* the end was delivered */
};

struct sim_link {
    struct list all;
    struct net_stream *stream; /* NULL: the gateway's end is closed */
    bool peer_gone;
    const struct sim_link_events *events;
    void *ctx;
    struct sim_link_trouble trouble;
    struct wire in, out; /* to the gateway, from it */
    struct sim_random random;
    uint64_t latency;
    uint64_t quiet_until;
    unsigned busy; /* the peer is being told something: it may let go of the link, whose memory must stay */
    bool stalled;  /* the stall has been */
    bool peer_tls, gateway_tls, tls_told;
    uint16_t port; /* of the listener that a client wants */
};

struct net_stream {
    struct net_loop *loop;
    struct net_stream_limits limits;
    net_stream_fn *fn;
    void *ctx;
    struct sim_link *link;
    struct sim_event *event; /* tells the owner */
    struct sim_event *timer; /* of connecting, of lingering */
    struct net_address to;
    unsigned pending;
    unsigned inside; /* calls of fn on the stack */
    bool freed, connected, failed, paused, eof, finishing, tls_ready, above_low;
    struct buf input;
    struct fault fault;
    struct net_tls *tls;
    char label[300];
    char peer[64];
};

struct net_listener {
    struct net_loop *loop;
    struct net_address address;
    struct net_stream_limits limits;
    net_accept_fn *fn;
    void *ctx;
};

static struct {
    struct list links;
    bool begun;
    struct net_listener *listeners[LISTENERS_MAX];
    struct {
        char host[64];
        enum sim_link_name name;
        sim_link_accept_fn *accept;
        const struct sim_link_events *events;
        void *server;
    } servers[SERVERS_MAX];
    size_t server_count;
    uint64_t link_number;
} net;

/* ---- telling the owner ---- */

static void tell(void *ctx);

static void plan_tell(struct net_stream *stream)
{
    if (stream->event == NULL && !stream->freed) {
        stream->event = sim_gateway_after(0, tell, stream);
    }
}

static void note(struct net_stream *stream, enum net_stream_event event)
{
    stream->pending |= 1u << event;
    plan_tell(stream);
}

static void fail(struct net_stream *stream, const char *code, const char *where, const char *text)
{
    if (!stream->failed && !stream->freed) {
        stream->failed = true;
        fault_set(&stream->fault, FAULT_TEMP, code, where, "%s: %s", stream->label, text);
        note(stream, NET_STREAM_FAILED);
    }
}

static bool take_event(struct net_stream *stream, enum net_stream_event *event_r)
{
    unsigned held = stream->paused ? 1u << NET_STREAM_INPUT | 1u << NET_STREAM_EOF : 0;
    for (int event = NET_STREAM_CONNECTED; event <= NET_STREAM_FAILED; event++) {
        if ((stream->pending & ~held & 1u << event) != 0) {
            stream->pending &= ~(1u << event);
            *event_r = (enum net_stream_event)event;
            return true;
        }
    }
    return false;
}

static void destroy(struct net_stream *stream)
{
    buf_done(&stream->input);
    net_tls_free(&stream->tls);
    free(stream);
}

static void plan_in(struct sim_link *link);
static void plan_out(struct sim_link *link);

static void tell(void *ctx)
{
    struct net_stream *stream = ctx;
    enum net_stream_event event;
    stream->event = NULL;
    stream->inside++;
    while (!stream->freed && stream->fn != NULL && take_event(stream, &event)) {
        if (event == NET_STREAM_FAILED) {
            stream->pending = 0;
        }
        stream->fn(stream->ctx, event);
    }
    stream->inside--;
    if (stream->freed) {
        destroy(stream);
    } else if (stream->link != NULL) {
        plan_in(stream->link);
    }
}

/* ---- the wires ---- */

/* Frees a link that both ends have left; returns whether it did. */
static bool link_free_if_over(struct sim_link *link)
{
    bool is_over = link->stream == NULL && link->peer_gone && link->busy == 0;
    if (is_over) {
        sim_cancel(&link->in.event);
        sim_cancel(&link->out.event);
        list_remove(&link->all);
        buf_done(&link->in.data);
        buf_done(&link->out.data);
        free(link);
    }
    return is_over;
}

static void tell_peer_closed(struct sim_link *link, bool was_reset)
{
    if (!link->peer_gone) {
        link->peer_gone = true;
        link->events->on_close(link->ctx, was_reset);
    }
}

/* Both ends hear that the connection is gone, and what was under way is lost. */
static void break_link(struct sim_link *link)
{
    sim_cancel(&link->in.event);
    sim_cancel(&link->out.event);
    buf_clear(&link->in.data);
    buf_clear(&link->out.data);
    if (link->stream != NULL) {
        struct net_stream *stream = link->stream;
        stream->link = NULL;
        link->stream = NULL;
        if (stream->finishing) {
            net_stream_free(&stream);
        } else {
            fail(stream, "econnreset", "read", "connection reset by peer");
        }
    }
    tell_peer_closed(link, true);
    link_free_if_over(link);
}

static uint64_t delay_of(struct sim_link *link)
{
    uint64_t delay = sim_random_between(&link->random, link->latency / 2, link->latency * 3 / 2);
    uint64_t moved = link->in.moved + link->out.moved;
    if (!link->stalled && link->trouble.stall_us > 0 && moved >= link->trouble.stall_after) {
        link->stalled = true;
        link->quiet_until = sim_now() + link->trouble.stall_us;
        sim_say("a link falls silent for %llu s", (unsigned long long)(link->trouble.stall_us / SIM_SECOND));
    }
    return sim_now() + delay < link->quiet_until ? link->quiet_until - sim_now() : delay;
}

/* How much of a wire moves at once; cut short where the link is to break. Sets *breaks_r when it breaks behind it. */
static size_t portion(struct sim_link *link, struct wire *wire, size_t room, uint64_t break_after, bool *breaks_r)
{
    size_t len = wire->data.len < room ? wire->data.len : room;
    if (len > 0 && sim_random_chance(&link->random, 30)) {
        len = (size_t)sim_random_between(&link->random, 1, len);
    }
    *breaks_r = break_after > 0 && wire->moved + len >= break_after;
    return *breaks_r ? (size_t)(break_after - wire->moved) : len;
}

/* What comes in clear where a handshake is expected. */
static void fail_tls(struct sim_link *link)
{
    struct net_stream *stream = link->stream;
    sim_say("a handshake fails");
    buf_clear(&link->in.data);
    buf_clear(&link->out.data);
    stream->link = NULL;
    link->stream = NULL;
    sim_cancel(&link->in.event);
    sim_cancel(&link->out.event);
    fail(stream, "tls", "tls", "the handshake failed");
    tell_peer_closed(link, true);
    link_free_if_over(link);
}

/* Begins TLS when both ends have said so; true when the link is gone by that. */
static bool try_tls(struct sim_link *link)
{
    if (!link->gateway_tls || link->tls_told) {
        return false;
    }
    if (link->in.data.len > 0 || (link->peer_tls && link->trouble.tls_fails)) {
        fail_tls(link);
        return true;
    }
    if (link->peer_tls && link->out.data.len == 0) {
        link->tls_told = true;
        link->stream->tls_ready = true;
        note(link->stream, NET_STREAM_TLS_READY);
        if (!link->peer_gone && link->events->on_tls != NULL) {
            link->events->on_tls(link->ctx);
        }
    }
    return false;
}

static void deliver_in(void *ctx)
{
    struct sim_link *link = ctx;
    struct net_stream *stream = link->stream;
    link->in.event = NULL;
    if (stream == NULL) {
        return;
    }
    /* What is on its way when a handshake is expected is none. */
    if (try_tls(link)) {
        return;
    }
    bool breaks;
    size_t room = stream->finishing ? WIRE_MAX : stream->limits.input_max - stream->input.len;
    size_t len = portion(link, &link->in, room, link->trouble.break_after_in, &breaks);
    struct bytes data = bytes_slice(buf_bytes(&link->in.data), 0, len);
    sim_trace("in", data.ptr, data.len);
    if (len > 0 && !stream->finishing) {
        EXPECT(buf_append_bytes(&stream->input, data) == 0);
        note(stream, NET_STREAM_INPUT);
    }
    buf_consume(&link->in.data, len);
    link->in.moved += len;
    if (breaks) {
        sim_say("a link breaks after %llu octets to the gateway", (unsigned long long)link->in.moved);
        break_link(link);
        return;
    }
    if (link->in.data.len == 0 && link->in.fin && !link->in.ended) {
        link->in.ended = true;
        stream->eof = true;
        note(stream, NET_STREAM_EOF);
    }
    if (try_tls(link)) {
        return;
    }
    if (stream->finishing && stream->eof && link->out.data.len == 0) {
        net_stream_free(&stream);
        return;
    }
    plan_in(link);
}

static void plan_in(struct sim_link *link)
{
    struct net_stream *stream = link->stream;
    if (link->in.event != NULL || stream == NULL || !stream->connected) {
        return;
    }
    bool has_more = link->in.data.len > 0 || (link->in.fin && !link->in.ended);
    bool takes = stream->fn != NULL && !stream->paused && stream->input.len < stream->limits.input_max;
    if (has_more && (takes || stream->finishing)) {
        link->in.event = sim_gateway_after(delay_of(link), deliver_in, link);
    }
}

static void note_drained(struct net_stream *stream, size_t unsent)
{
    if (unsent == 0 || (stream->above_low && unsent <= stream->limits.output_low)) {
        stream->above_low = false;
        note(stream, NET_STREAM_DRAINED);
    }
}

static void end_out(struct sim_link *link)
{
    link->out.ended = true;
    tell_peer_closed(link, false);
    link_free_if_over(link);
}

static void deliver_out(void *ctx)
{
    struct sim_link *link = ctx;
    link->out.event = NULL;
    bool breaks;
    size_t len = portion(link, &link->out, 65536, link->trouble.break_after_out, &breaks);
    struct buf part;
    buf_init(&part, len);
    buf_append_bytes(&part, bytes_slice(buf_bytes(&link->out.data), 0, len));
    sim_trace("out", buf_bytes(&part).ptr, part.len);
    buf_consume(&link->out.data, len);
    link->out.moved += len;
    if (link->stream != NULL && !link->stream->finishing) {
        note_drained(link->stream, link->out.data.len);
    }
    link->busy++;
    if (len > 0 && !link->peer_gone) {
        link->events->on_data(link->ctx, buf_bytes(&part));
    }
    link->busy--;
    buf_done(&part);
    if (link_free_if_over(link)) {
        return;
    }
    if (breaks) {
        sim_say("a link breaks after %llu octets from the gateway", (unsigned long long)link->out.moved);
        break_link(link);
        return;
    }
    if (link->stream != NULL && try_tls(link)) {
        return;
    }
    if (link->out.data.len == 0 && link->out.fin && !link->out.ended) {
        end_out(link);
        return;
    }
    plan_out(link);
}

static void plan_out(struct sim_link *link)
{
    if (link->out.event == NULL && (link->out.data.len > 0 || (link->out.fin && !link->out.ended))) {
        link->out.event = sim_after(delay_of(link), deliver_out, link);
    }
}

static struct sim_link *new_link(const struct sim_link_events *events, void *ctx)
{
    if (!net.begun) {
        list_init(&net.links);
        net.begun = true;
    }
    struct sim_link *link = expect_calloc(1, sizeof *link);
    sim_random_init(&link->random, sim_seed(), "link", net.link_number++);
    list_init(&link->all);
    list_append(&net.links, &link->all);
    link->events = events;
    link->ctx = ctx;
    link->latency = sim_random_chance(&link->random, 20) ? 80 * SIM_MS : 400;
    buf_init(&link->in.data, WIRE_MAX);
    buf_init(&link->out.data, WIRE_MAX);
    return link;
}

/* ---- the peers' end ---- */

void sim_link_send(struct sim_link *link, struct bytes data)
{
    EXPECT(buf_append_bytes(&link->in.data, data) == 0);
    plan_in(link);
}

void sim_link_start_tls(struct sim_link *link)
{
    link->peer_tls = true;
    if (link->stream != NULL) {
        try_tls(link);
    }
}

bool sim_link_is_tls(const struct sim_link *link)
{
    return link->tls_told;
}

void sim_link_close(struct sim_link **link_ref)
{
    struct sim_link *link = *link_ref;
    *link_ref = NULL;
    if (link != NULL && !link->peer_gone) {
        link->peer_gone = true;
        link->in.fin = true;
        plan_in(link);
        link_free_if_over(link);
    }
}

void sim_link_reset(struct sim_link **link_ref)
{
    struct sim_link *link = *link_ref;
    *link_ref = NULL;
    if (link != NULL && !link->peer_gone) {
        link->peer_gone = true;
        break_link(link);
    }
}

void sim_link_serve(const char *host, sim_link_accept_fn *accept, const struct sim_link_events *events, void *server)
{
    EXPECT(net.server_count < SERVERS_MAX);
    size_t at = net.server_count++;
    snprintf(net.servers[at].host, sizeof net.servers[at].host, "%s", host);
    net.servers[at].accept = accept;
    net.servers[at].events = events;
    net.servers[at].server = server;
}

void sim_link_set_name(const char *host, enum sim_link_name name)
{
    for (size_t i = 0; i < net.server_count; i++) {
        if (strcmp(net.servers[i].host, host) == 0) {
            net.servers[i].name = name;
        }
    }
}

bool sim_link_is_held(const struct sim_link *link)
{
    return link->stream != NULL && !link->stream->finishing;
}

static void on_crash_heard(void *ctx)
{
    struct sim_link *link = ctx;
    link->out.event = NULL;
    tell_peer_closed(link, true);
    link_free_if_over(link);
}

uint64_t sim_link_memory(void)
{
    uint64_t octets = 0;
    if (!net.begun) {
        return 0;
    }
    LIST_EACH(at, &net.links)
    {
        const struct sim_link *link = LIST_ITEM(at, struct sim_link, all);
        octets += link->in.data.size + link->out.data.size + sizeof *link;
    }
    return octets;
}

void sim_link_crash(void)
{
    memset(net.listeners, 0, sizeof net.listeners);
    if (!net.begun) {
        return;
    }
    LIST_EACH(at, &net.links)
    {
        struct sim_link *link = LIST_ITEM(at, struct sim_link, all);
        if (link->stream != NULL) {
            link->stream = NULL;
            link->in.event = NULL; /* was the gateway's */
            sim_cancel(&link->out.event);
            /* What the kernel had of ours may still arrive: then the peer hears the reset. */
            link->out.event = sim_after(sim_random_between(&link->random, 1, 200 * SIM_MS), on_crash_heard, link);
        }
    }
}

/* ---- accepting ---- */

static struct net_stream *make_stream(struct net_loop *loop, const struct net_stream_limits *limits)
{
    struct net_stream *stream = expect_calloc(1, sizeof *stream);
    stream->loop = loop;
    stream->limits = *limits;
    buf_init(&stream->input, limits->input_max);
    return stream;
}

static struct net_listener *listener_at(uint16_t port)
{
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (net.listeners[i] != NULL && net.listeners[i]->address.port == port) {
            return net.listeners[i];
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
        destroy(stream);
        tell_peer_closed(link, true);
        link_free_if_over(link);
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
    struct sim_link *link = new_link(events, ctx);
    link->trouble = *trouble;
    link->port = port;
    link->stream = make_stream(listener->loop, &listener->limits);
    link->stream->link = link;
    snprintf(link->stream->label, sizeof link->stream->label, "%s", from);
    snprintf(link->stream->peer, sizeof link->stream->peer, "%s", from);
    link->in.event = sim_gateway_after(delay_of(link), accept_link, link);
    return link;
}

int net_listener_open(struct net_listener **listener_r, struct net_loop *loop, const struct net_address *address,
                      const struct net_stream_limits *limits, net_accept_fn *fn, void *ctx, struct fault *fault)
{
    if (listener_at(address->port) != NULL) {
        fault_set(fault, FAULT_LOCAL, "eaddrinuse", address->host, "cannot listen on port %u", address->port);
        return -1;
    }
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (net.listeners[i] == NULL) {
            struct net_listener *listener = expect_calloc(1, sizeof *listener);
            *listener =
                (struct net_listener){.loop = loop, .address = *address, .limits = *limits, .fn = fn, .ctx = ctx};
            net.listeners[i] = listener;
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
    for (size_t i = 0; *listener != NULL && i < LISTENERS_MAX; i++) {
        if (net.listeners[i] == *listener) {
            net.listeners[i] = NULL;
        }
    }
    free(*listener);
    *listener = NULL;
}

/* ---- connecting ---- */

static size_t server_of(const struct net_stream *stream)
{
    size_t at = 0;
    while (at < net.server_count && strcmp(net.servers[at].host, stream->to.host) != 0) {
        at++;
    }
    return at;
}

static void on_connect(void *ctx)
{
    struct net_stream *stream = ctx;
    size_t at = server_of(stream);
    stream->timer = NULL;
    if (at == net.server_count || net.servers[at].name == SIM_LINK_NAME_UNKNOWN) {
        fail(stream, "connect", "connect", "the name cannot be resolved: unknown node or service");
        return;
    }
    struct sim_link *link = new_link(net.servers[at].events, NULL);
    link->stream = stream;
    snprintf(stream->peer, sizeof stream->peer, "192.0.2.%zu", at + 1);
    link->ctx = net.servers[at].accept(net.servers[at].server, link, &link->trouble);
    if (link->ctx == NULL) {
        link->peer_gone = true;
        link->stream = NULL;
        link_free_if_over(link);
        fail(stream, "econnrefused", "connect", "connection refused");
        return;
    }
    stream->link = link;
    stream->connected = true;
    note(stream, NET_STREAM_CONNECTED);
    plan_in(link);
}

static void on_connect_timeout(void *ctx)
{
    struct net_stream *stream = ctx;
    stream->timer = NULL;
    fail(stream, "timeout", "connect", "connection timed out");
}

struct net_stream *net_stream_connect(struct net_loop *loop, const struct net_address *to, uint64_t timeout_ms,
                                      const struct net_stream_limits *limits, net_stream_fn *fn, void *ctx)
{
    struct net_stream *stream = make_stream(loop, limits);
    stream->fn = fn;
    stream->ctx = ctx;
    stream->to = *to;
    snprintf(stream->label, sizeof stream->label, "%s:%u", to->host, to->port);
    uint64_t delay = sim_random_between(sim_gateway_random(), 100, 60 * SIM_MS);
    size_t at = server_of(stream);
    enum sim_link_name name = at < net.server_count ? net.servers[at].name : SIM_LINK_NAME_UNKNOWN;
    /* An address where nobody listens costs its share of the time, and the next one is tried. */
    delay += name == SIM_LINK_NAME_HALF     ? timeout_ms * SIM_MS / 2
             : name == SIM_LINK_NAME_SILENT ? timeout_ms * SIM_MS
                                            : 0;
    bool is_lost = delay > timeout_ms * SIM_MS;
    stream->timer =
        sim_gateway_after(is_lost ? timeout_ms * SIM_MS : delay, is_lost ? on_connect_timeout : on_connect, stream);
    return stream;
}

/* ---- the owner's calls ---- */

void net_stream_set_handler(struct net_stream *stream, net_stream_fn *fn, void *ctx)
{
    stream->fn = fn;
    stream->ctx = ctx;
    plan_tell(stream);
}

int net_stream_tls_binding(const struct net_stream *stream, uint8_t *into, size_t len)
{
    (void)stream, (void)into, (void)len;
    return -1;
}

const char *net_stream_tls_channel(const struct net_stream *stream, uint8_t into[NET_STREAM_CHANNEL_MAX], size_t *len_r)
{
    (void)stream, (void)into, (void)len_r;
    return NULL;
}

/* What stands unread stays: by the contract it is the beginning of the handshake, which nobody of the simulation ever sends. */
void net_stream_continue_tls(struct net_stream *stream, struct net_tls *tls)
{
    tls->holds++;
    stream->tls = tls;
    if (stream->link != NULL) {
        stream->link->gateway_tls = true;
        plan_tell(stream);
        plan_out(stream->link);
        if (stream->link->in.event == NULL) {
            stream->link->in.event = sim_gateway_after(delay_of(stream->link), deliver_in, stream->link);
        }
    }
}

size_t net_stream_start_tls(struct net_stream *stream, struct net_tls *tls)
{
    size_t dropped = stream->input.len;
    buf_clear(&stream->input);
    stream->pending &= ~(1u << NET_STREAM_INPUT);
    net_stream_continue_tls(stream, tls);
    return dropped;
}

struct bytes net_stream_input(const struct net_stream *stream)
{
    return buf_bytes(&stream->input);
}

void net_stream_consume(struct net_stream *stream, size_t len)
{
    buf_consume(&stream->input, len);
    if (stream->link != NULL) {
        plan_in(stream->link);
    }
}

void net_stream_pause(struct net_stream *stream)
{
    stream->paused = true;
}

void net_stream_resume(struct net_stream *stream)
{
    if (!stream->paused) {
        return;
    }
    stream->paused = false;
    if (stream->input.len > 0) {
        note(stream, NET_STREAM_INPUT);
    }
    plan_tell(stream);
}

int net_stream_write(struct net_stream *stream, const void *data, size_t len)
{
    if (stream->failed || len > stream->limits.output_max - net_stream_unsent(stream)) {
        return -1;
    }
    if (stream->link == NULL) {
        sim_fail("a write before the connection stands is not simulated");
    }
    EXPECT(buf_append(&stream->link->out.data, data, len) == 0);
    stream->above_low = stream->above_low || net_stream_unsent(stream) > stream->limits.output_low;
    plan_out(stream->link);
    return 0;
}

size_t net_stream_unsent(const struct net_stream *stream)
{
    return stream->link == NULL ? 0 : stream->link->out.data.len;
}

uint64_t net_stream_moved(const struct net_stream *stream)
{
    return stream->link == NULL ? 0 : stream->link->in.moved + stream->link->out.moved;
}

static void on_lingered(void *ctx)
{
    struct net_stream *stream = ctx;
    stream->timer = NULL;
    net_stream_free(&stream);
}

void net_stream_finish(struct net_stream **stream_ref, uint64_t linger_ms)
{
    struct net_stream *stream = *stream_ref;
    if (stream->link == NULL || stream->failed) {
        net_stream_free(stream_ref);
        return;
    }
    *stream_ref = NULL;
    stream->fn = NULL;
    stream->finishing = true;
    stream->link->out.fin = true;
    stream->timer = sim_gateway_after(linger_ms * SIM_MS, on_lingered, stream);
    plan_out(stream->link);
    plan_in(stream->link);
}

void net_stream_free(struct net_stream **stream_ref)
{
    struct net_stream *stream = *stream_ref;
    *stream_ref = NULL;
    if (stream == NULL || stream->freed) {
        return;
    }
    stream->freed = true;
    sim_cancel(&stream->timer);
    struct sim_link *link = stream->link;
    if (link != NULL) {
        stream->link = NULL;
        link->stream = NULL;
        sim_cancel(&link->in.event);
        if (!link->out.fin) {
            buf_clear(&link->out.data);
            link->out.fin = true;
        }
        plan_out(link);
    }
    if (stream->inside == 0) {
        sim_cancel(&stream->event);
        destroy(stream);
    }
}

const struct fault *net_stream_fault(const struct net_stream *stream)
{
    return &stream->fault;
}

const char *net_stream_peer(const struct net_stream *stream)
{
    return stream->peer;
}

uint16_t net_stream_peer_port(const struct net_stream *stream)
{
    (void)stream;
    return 40000;
}

const char *net_stream_tls_version(const struct net_stream *stream)
{
    return stream->tls_ready ? "TLSv1.3" : NULL;
}

const char *net_stream_tls_cipher(const struct net_stream *stream)
{
    return stream->tls_ready ? "TLS_AES_256_GCM_SHA384" : NULL;
}

const char *net_stream_tls_peer(const struct net_stream *stream)
{
    (void)stream;
    return NULL;
}

int64_t net_stream_tls_peer_expires(const struct net_stream *stream)
{
    (void)stream;
    return 0;
}

/* ---- net_tls.h ---- */

static int new_tls(struct net_tls **tls_r)
{
    *tls_r = expect_calloc(1, sizeof **tls_r);
    (*tls_r)->holds = 1;
    return 0;
}

int net_tls_server_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault)
{
    (void)options, (void)fault;
    return new_tls(tls_r);
}

int net_tls_client_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault)
{
    (void)options, (void)fault;
    return new_tls(tls_r);
}

struct net_tls *net_tls_hold(struct net_tls *tls)
{
    tls->holds++;
    return tls;
}

void net_tls_free(struct net_tls **tls_ref)
{
    struct net_tls *tls = *tls_ref;
    *tls_ref = NULL;
    if (tls != NULL && --tls->holds == 0) {
        free(tls);
    }
}

int64_t net_tls_expires(const struct net_tls *tls)
{
    (void)tls;
    return 0;
}
