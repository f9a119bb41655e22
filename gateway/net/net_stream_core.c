/*
 * net_stream_core - what a stream is to those that make it up: its memory and who holds it, its sockets, what has
 * happened to it. Nothing here moves it on; that is net_stream.c's, which stream->advance leads to.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_stream_private.h"

/* An emptied input gives back storage above it, so that idle connections stay small. */
#define INPUT_KEPT 16384

/* ---- life ---- */

void net_stream_share(struct net_stream *stream)
{
    stream->owners++;
}

void net_stream_release(struct net_stream *stream)
{
    if (--stream->owners > 0) {
        return;
    }
    EXPECT(stream->freed);
    SSL_free(stream->session);
    net_tls_free(&stream->tls);
    free(stream->tls_peer);
    free(stream->label);
    free(stream->fault);
    buf_done(&stream->input);
    buf_done(&stream->output);
    buf_done(&stream->flight);
    free(stream);
}

void net_stream_let_go(struct net_stream *stream)
{
    if (stream->input.len == 0 && stream->input.size > INPUT_KEPT) {
        buf_done(&stream->input);
    }
}

/* ---- the socket ---- */

struct net_socket *net_socket_new(struct net_stream *stream, bool is_unix)
{
    struct net_socket *socket = expect_calloc(1, sizeof *socket);
    socket->stream = stream;
    if (is_unix) {
        EXPECT(uv_pipe_init(&stream->loop->uv, &socket->uv.pipe, 0) == 0);
    } else {
        EXPECT(uv_tcp_init(&stream->loop->uv, &socket->uv.tcp) == 0);
    }
    socket->uv.handle.data = socket;
    net_stream_share(stream);
    return socket;
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct net_socket *socket = handle->data;
    net_stream_release(socket->stream);
    free(socket);
}

void net_socket_close(struct net_socket **socket)
{
    if (*socket == NULL) {
        return;
    }
    uv_close(&(*socket)->uv.handle, on_socket_closed);
    *socket = NULL;
}

static void note_peer(struct net_stream *stream, const uv_tcp_t *tcp)
{
    struct sockaddr_storage peer;
    int len = sizeof peer;
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&peer, &len) != 0) {
        return;
    }
    if (peer.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;
        stream->peer_port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            uv_inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], stream->peer, sizeof stream->peer);
        } else {
            uv_inet_ntop(AF_INET6, &v6->sin6_addr, stream->peer, sizeof stream->peer);
        }
        return;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;
    stream->peer_port = ntohs(v4->sin_port);
    uv_inet_ntop(AF_INET, &v4->sin_addr, stream->peer, sizeof stream->peer);
}

void net_stream_name(struct net_stream *stream, const char *format, ...)
{
    va_list args;
    free(stream->label);
    va_start(args, format);
    EXPECT(vasprintf(&stream->label, format, args) >= 0);
    va_end(args);
}

void net_stream_attach(struct net_stream *stream, struct net_socket *socket, bool is_unix)
{
    stream->socket = socket;
    stream->connected = true;
    if (is_unix) {
        snprintf(stream->peer, sizeof stream->peer, "unix");
    } else {
        uv_tcp_nodelay(&socket->uv.tcp, 1);
        note_peer(stream, &socket->uv.tcp);
    }
    if (stream->label == NULL) {
        net_stream_name(stream, "%s port %u", stream->peer, stream->peer_port);
    }
}

/* ---- what has happened ---- */

void net_stream_note(struct net_stream *stream, enum net_stream_event event)
{
    stream->pending |= 1U << event;
}

void net_stream_uv_code(int status, char code[40])
{
    char name[40];
    uv_err_name_r(status, name, sizeof name);
    size_t len = 0;
    for (; name[len] != '\0'; len++) {
        code[len] = (char)octet_lower((uint8_t)name[len]);
    }
    code[len] = '\0';
}

void net_stream_fail(struct net_stream *stream, const char *code, const char *where, const char *format, ...)
{
    if (stream->failed) {
        return;
    }
    char text[sizeof stream->fault->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    stream->failed = true;
    stream->fault = expect_calloc(1, sizeof *stream->fault);
    fault_set(stream->fault, FAULT_TEMP, code, where, "%s", text);
    net_stream_note(stream, NET_STREAM_FAILED);
}

/* ---- moving on ---- */

void net_stream_advance(struct net_stream *stream)
{
    stream->advance(stream);
}

static void on_scheduled(void *ctx)
{
    struct net_stream *stream = ctx;
    stream->scheduled = false;
    net_stream_advance(stream);
    net_stream_release(stream);
}

void net_stream_schedule(struct net_stream *stream)
{
    if (stream->scheduled || stream->freed) {
        return;
    }
    stream->scheduled = true;
    net_stream_share(stream);
    net_defer(stream->loop, on_scheduled, stream);
}
