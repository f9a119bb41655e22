/*
 * sim_net_stream - gateway/net/net_stream.h over simulated links.
 *
 * The stream's contract is kept as the real one does: events from the loop only, in the same order, nothing after a free.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_net_private.h"

/* ---- telling the owner ---- */

static void tell(void *ctx);

static void plan_tell(struct net_stream *stream)
{
    if (stream->event == NULL && !stream->freed) {
        unsigned before = sim_machine_enter(stream->machine);
        stream->event = sim_gateway_after(0, tell, stream);
        sim_machine_enter(before);
    }
}

void sim_stream_note(struct net_stream *stream, enum net_stream_event event)
{
    stream->pending |= 1u << event;
    plan_tell(stream);
}

void sim_stream_fail(struct net_stream *stream, const char *code, const char *where, const char *text)
{
    if (!stream->failed && !stream->freed) {
        stream->failed = true;
        fault_set(&stream->fault, FAULT_TEMP, code, where, "%s: %s", stream->label, text);
        sim_stream_note(stream, NET_STREAM_FAILED);
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

void sim_stream_destroy(struct net_stream *stream)
{
    buf_done(&stream->input);
    net_tls_free(&stream->tls);
    free(stream);
}

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
        sim_stream_destroy(stream);
    } else if (stream->link != NULL) {
        sim_link_plan_in(stream->link);
    }
}

struct net_stream *sim_stream_new(struct net_loop *loop, const struct net_stream_limits *limits)
{
    struct net_stream *stream = expect_calloc(1, sizeof *stream);
    stream->loop = loop;
    stream->machine = sim_machine();
    stream->limits = *limits;
    buf_init(&stream->input, limits->input_max);
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
    stream->tls = net_tls_share(tls);
    if (stream->link != NULL) {
        plan_tell(stream);
        sim_link_expect_tls(stream->link);
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
        sim_link_plan_in(stream->link);
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
        sim_stream_note(stream, NET_STREAM_INPUT);
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
    sim_link_plan_out(stream->link);
    return 0;
}

size_t net_stream_unsent(const struct net_stream *stream)
{
    return stream->link == NULL ? 0 : stream->link->out.data.len;
}

void net_stream_watch_peer(struct net_stream *stream, uint64_t idle_ms, uint64_t unacked_ms)
{
    (void)idle_ms; /* a peer that is gone says so */
    if (stream->link != NULL) {
        sim_link_bound_unacked(stream->link, unacked_ms * SIM_MS);
    }
}

void net_stream_discard_at_close(struct net_stream *stream, bool on)
{
    (void)stream;
    (void)on;
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
    sim_link_plan_out(stream->link);
    sim_link_plan_in(stream->link);
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
        sim_link_plan_out(link);
    }
    if (stream->inside == 0) {
        sim_cancel(&stream->event);
        sim_stream_destroy(stream);
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
