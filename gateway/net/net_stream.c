/*
 * net_stream - one connection: its life, its events and its input; see net_stream.h and net_stream_private.h.
 */
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/expect.h"
#include "net/net_stream_private.h"

static void advance_stream(struct net_stream *stream);

/* ---- life ---- */

struct net_stream *net_stream_make(struct net_loop *loop, const struct net_stream_limits *limits)
{
    NET_EXPECT_LOOP(loop);
    struct net_stream *stream = expect_calloc(1, sizeof *stream);
    stream->loop = loop;
    stream->limits = *limits;
    stream->advance = advance_stream;
    buf_init(&stream->input, limits->input_max);
    buf_init(&stream->output, limits->output_max);
    buf_init(&stream->flight, limits->output_max);
    EXPECT(uv_timer_init(&loop->uv, &stream->timer) == 0);
    stream->timer.data = stream;
    net_stream_share(stream);
    return stream;
}

static void on_timer_closed(uv_handle_t *handle)
{
    net_stream_release(handle->data);
}

void net_stream_free(struct net_stream **stream_ref)
{
    struct net_stream *stream = *stream_ref;
    *stream_ref = NULL;
    if (stream == NULL || stream->freed) {
        return;
    }
    NET_EXPECT_LOOP(stream->loop);
    stream->freed = true;
    if (stream->connect != NULL) {
        stream->cancel_connect(stream);
    }
    net_socket_close(&stream->socket);
    uv_close((uv_handle_t *)&stream->timer, on_timer_closed);
}

static void on_lingered(uv_timer_t *timer)
{
    struct net_stream *stream = timer->data;
    net_stream_free(&stream);
}

void net_stream_finish(struct net_stream **stream_ref, uint64_t linger_ms)
{
    NET_EXPECT_LOOP((*stream_ref)->loop);
    struct net_stream *stream = *stream_ref;
    bool can_send = stream->connected && !stream->failed && (stream->session == NULL || stream->tls_ready);
    if (!can_send) {
        net_stream_free(stream_ref);
        return;
    }
    *stream_ref = NULL;
    stream->fn = NULL;
    stream->finishing = true;
    buf_done(&stream->input);
    uv_timer_start(&stream->timer, on_lingered, linger_ms, 0);
    net_stream_schedule(stream);
}

/* ---- the socket ---- */

void net_stream_discard_at_close(struct net_stream *stream, bool on)
{
    NET_EXPECT_LOOP(stream->loop);
    uv_os_fd_t fd;
    struct linger linger = {.l_onoff = on};
    bool is_tcp = stream->socket != NULL && stream->socket->uv.handle.type == UV_TCP;
    if (is_tcp && uv_fileno(&stream->socket->uv.handle, &fd) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger); /* a kernel that cannot, does not */
    }
}

void net_stream_watch_peer(struct net_stream *stream, uint64_t idle_ms, uint64_t unacked_ms)
{
    NET_EXPECT_LOOP(stream->loop);
    uv_os_fd_t fd;
    bool is_tcp = stream->socket != NULL && stream->socket->uv.handle.type == UV_TCP;
    if (!is_tcp || uv_fileno(&stream->socket->uv.handle, &fd) != 0) {
        return;
    }
    unsigned unacked = unacked_ms < INT_MAX ? (unsigned)unacked_ms : INT_MAX;
    unsigned idle_s = idle_ms / 1000 < 32767 ? (unsigned)(idle_ms / 1000) : 32767;
    uv_tcp_keepalive(&stream->socket->uv.tcp, 1, idle_s > 0 ? idle_s : 1);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof unacked);
}

/* ---- events ---- */

/* Takes the next event that the owner may hear: while paused neither input nor the end behind it. */
static bool take_event(struct net_stream *stream, enum net_stream_event *event_r)
{
    unsigned kept_back = stream->paused ? 1U << NET_STREAM_INPUT | 1U << NET_STREAM_EOF : 0;
    for (int event = NET_STREAM_CONNECTED; event <= NET_STREAM_FAILED; event++) {
        unsigned bit = 1U << event;
        if ((stream->pending & ~kept_back & bit) != 0) {
            stream->pending &= ~bit;
            *event_r = (enum net_stream_event)event;
            return true;
        }
    }
    return false;
}

static void tell_owner(struct net_stream *stream)
{
    enum net_stream_event event;
    while (!stream->freed && stream->fn != NULL && take_event(stream, &event)) {
        if (event == NET_STREAM_FAILED) {
            stream->pending = 0;
        }
        stream->fn(stream->ctx, event);
    }
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    (void)suggested;
    struct net_socket *socket = handle->data;
    struct net_stream *stream = socket->stream;
    size_t room = NET_LOOP_SCRATCH;
    if (stream->session == NULL && !stream->finishing && stream->limits.input_max - stream->input.len < room) {
        room = stream->limits.input_max - stream->input.len;
    }
    *into = uv_buf_init(stream->loop->scratch, (unsigned)room);
}

static void take_octets(struct net_stream *stream, const char *data, size_t len)
{
    stream->received += len;
    if (stream->finishing) {
        return;
    }
    if (stream->session != NULL) {
        net_stream_tls_take(stream, data, len);
        return;
    }
    EXPECT(buf_append(&stream->input, data, len) == 0);
    net_stream_note(stream, NET_STREAM_INPUT);
}

static void take_end(struct net_stream *stream)
{
    if (stream->session == NULL || stream->finishing) {
        stream->eof = true;
        net_stream_note(stream, NET_STREAM_EOF);
    } else if (!stream->eof) {
        net_stream_fail(stream, stream->tls_ready ? "tls-truncated" : "tls-closed", stream->tls_ready ? "read" : "tls",
                        stream->tls_ready ? "%s closed the connection without a TLS close_notify: octets may be missing"
                                          : "%s closed the connection during the TLS handshake",
                        stream->label);
    }
}

static void on_read(uv_stream_t *uv, ssize_t got, const uv_buf_t *data)
{
    struct net_socket *socket = uv->data;
    struct net_stream *stream = socket->stream;
    if (got > 0) {
        take_octets(stream, data->base, (size_t)got);
    } else if (got == UV_EOF) {
        take_end(stream);
    } else if (got < 0) {
        char code[40];
        net_stream_uv_code((int)got, code);
        net_stream_fail(stream, code, "read", "the connection with %s was lost: %s", stream->label,
                        uv_strerror((int)got));
    }
    net_stream_advance(stream);
}

static bool may_read(const struct net_stream *stream)
{
    if (!stream->connected || stream->freed || stream->failed || stream->eof) {
        return false;
    }
    if (stream->finishing || (stream->session != NULL && !stream->tls_ready)) {
        return true;
    }
    return stream->fn != NULL && !stream->paused && stream->input.len < stream->limits.input_max;
}

static void set_reading(struct net_stream *stream)
{
    bool want = may_read(stream);
    if (want == stream->reading || stream->socket == NULL) {
        return;
    }
    stream->reading = want;
    if (want) {
        uv_read_start(&stream->socket->uv.stream, on_alloc, on_read);
    } else {
        uv_read_stop(&stream->socket->uv.stream);
    }
}

/* ---- moving on ---- */

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status;
    struct net_socket *socket = request->data;
    if (!socket->stream->freed) {
        socket->stream->shut = true;
        net_stream_advance(socket->stream);
    }
}

/* What a finishing stream does next: goodbye, FIN, wait for the peer's FIN so that no reset eats what it has not read
 * yet. */
static void advance_finish(struct net_stream *stream)
{
    bool is_over = stream->failed || (stream->shut && stream->eof);
    if (is_over) {
        net_stream_free(&stream);
        return;
    }
    if (stream->writing || stream->output.len > 0) {
        return;
    }
    if (stream->session != NULL && !stream->said_goodbye) {
        net_stream_tls_goodbye(stream);
        net_stream_flush(stream);
    }
    if (!stream->shutting) {
        stream->shutting = true;
        stream->socket->shutdown.data = stream->socket;
        if (uv_shutdown(&stream->socket->shutdown, &stream->socket->uv.stream, on_shutdown) != 0) {
            net_stream_free(&stream);
        }
    }
}

static void advance_stream(struct net_stream *stream)
{
    if (stream->freed) {
        return;
    }
    net_stream_share(stream);
    if (stream->session != NULL && !stream->finishing) {
        net_stream_tls_pump(stream);
    }
    if (stream->tls_has_alert) {
        net_stream_flush_alert(stream); /* before the owner hears of the failure, and lets go */
    }
    tell_owner(stream);
    if (stream->tls_has_more && stream->input.len < stream->limits.input_max) {
        net_stream_schedule(stream);
    }
    if (!stream->freed) {
        net_stream_flush(stream);
    }
    if (!stream->freed && stream->finishing) {
        advance_finish(stream);
    }
    if (!stream->freed) {
        set_reading(stream);
    }
    net_stream_release(stream);
}

/* ---- the owner's calls ---- */

void net_stream_set_handler(struct net_stream *stream, net_stream_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(stream->loop);
    stream->fn = fn;
    stream->ctx = ctx;
    net_stream_schedule(stream);
}

struct bytes net_stream_input(const struct net_stream *stream)
{
    return buf_bytes(&stream->input);
}

void net_stream_consume(struct net_stream *stream, size_t len)
{
    NET_EXPECT_LOOP(stream->loop);
    buf_consume(&stream->input, len);
    net_stream_let_go(stream);
    if (!stream->reading) {
        net_stream_schedule(stream);
    }
}

void net_stream_pause(struct net_stream *stream)
{
    NET_EXPECT_LOOP(stream->loop);
    stream->paused = true;
    set_reading(stream);
}

void net_stream_resume(struct net_stream *stream)
{
    NET_EXPECT_LOOP(stream->loop);
    if (!stream->paused) {
        return;
    }
    stream->paused = false;
    if (stream->input.len > 0) {
        net_stream_note(stream, NET_STREAM_INPUT);
    }
    net_stream_schedule(stream);
}

const struct fault *net_stream_fault(const struct net_stream *stream)
{
    static const struct fault none = FAULT_INIT;
    return stream->fault == NULL ? &none : stream->fault;
}

const char *net_stream_peer(const struct net_stream *stream)
{
    return stream->peer;
}

uint16_t net_stream_peer_port(const struct net_stream *stream)
{
    return stream->peer_port;
}
