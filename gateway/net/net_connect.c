/*
 * net_connect - how a stream comes to its peer: the name is resolved, then its addresses are tried, one beside the
 * other (RFC 8305, "happy eyeballs"): the families in turn, the next one when an attempt has failed or ATTEMPT_DELAY_MS
 * has passed without an answer. The first that is connected wins; the others end, and have said nothing. So an address
 * behind a black hole costs a quarter of a second, and not a share of the time-out. The fault at the end tells of every
 * address.
 *
 * The resolver is getaddrinfo() on libuv's pool, which nothing else uses: sources and the order within a family are the
 * system's (RFC 6724, nsswitch).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_stream_private.h"

/* Addresses of one name that are tried. */
#define ADDRESSES_MAX 16
/* RFC 8305 section 5: the Connection Attempt Delay. */
#define ATTEMPT_DELAY_MS UINT64_C(250)

struct net_connect {
    uv_getaddrinfo_t resolve;
    struct net_stream *stream; /* NULL: cancelled while resolving */
    struct net_address to;
    uint64_t deadline;
    struct sockaddr_storage addresses[ADDRESSES_MAX];
    size_t count, next;
    struct net_socket *sockets[ADDRESSES_MAX]; /* of the attempts under way, by address; NULL: none */
    bool resolving;
    char code[40];       /* of the last attempt */
    struct buf attempts; /* "192.0.2.1: connection refused; ..." */
};

static void try_next(struct net_stream *stream);

static void free_connect(struct net_connect *connect)
{
    buf_done(&connect->attempts);
    free(connect);
}

static void cancel_connect(struct net_stream *stream)
{
    struct net_connect *connect = stream->connect;
    if (connect == NULL) {
        return;
    }
    stream->connect = NULL;
    for (size_t i = 0; i < connect->count; i++) {
        net_socket_close(&connect->sockets[i]);
    }
    if (connect->resolving) {
        connect->stream = NULL;
        uv_cancel((uv_req_t *)&connect->resolve);
        return;
    }
    free_connect(connect);
}

static void give_up(struct net_stream *stream)
{
    struct net_connect *connect = stream->connect;
    uv_timer_stop(&stream->timer);
    net_stream_fail(stream, connect->code, "connect", "cannot connect to %s: %s", stream->label,
                    buf_text(&connect->attempts));
    cancel_connect(stream);
    net_stream_advance(stream);
}

static void address_text(const struct net_connect *connect, size_t index, char *text, size_t size)
{
    const struct sockaddr *address = (const struct sockaddr *)&connect->addresses[index];
    if (connect->to.is_unix) {
        snprintf(text, size, "the socket");
    } else if (address->sa_family == AF_INET) {
        uv_ip4_name((const struct sockaddr_in *)address, text, size);
    } else {
        uv_ip6_name((const struct sockaddr_in6 *)address, text, size);
    }
}

/* An attempt has failed. */
static void end_attempt(struct net_connect *connect, size_t index, int status)
{
    char text[INET6_ADDRSTRLEN + 1];
    net_socket_close(&connect->sockets[index]);
    address_text(connect, index, text, sizeof text);
    net_stream_uv_code(status, connect->code);
    if (status == UV_ETIMEDOUT) {
        snprintf(connect->code, sizeof connect->code, "timeout");
    }
    buf_printf(&connect->attempts, "%s%s: %s", connect->attempts.len > 0 ? "; " : "", text, uv_strerror(status));
}

/* Which attempt the socket is of; the count: of none, it was given up. */
static size_t index_of(const struct net_connect *connect, const struct net_socket *socket)
{
    size_t index = 0;
    while (index < connect->count && connect->sockets[index] != socket) {
        index++;
    }
    return index;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct net_socket *socket = request->data;
    struct net_stream *stream = socket->stream;
    struct net_connect *connect = stream->freed ? NULL : stream->connect;
    size_t index = connect == NULL ? 0 : index_of(connect, socket);
    if (connect == NULL || index == connect->count) {
        return; /* an attempt that was given up */
    }
    if (status != 0) {
        end_attempt(connect, index, status);
        try_next(stream);
        return;
    }
    connect->sockets[index] = NULL;
    uv_timer_stop(&stream->timer);
    net_stream_attach(stream, socket, connect->to.is_unix);
    cancel_connect(stream);
    net_stream_note(stream, NET_STREAM_CONNECTED);
    net_stream_advance(stream);
}

static void on_attempt_timer(uv_timer_t *timer)
{
    struct net_stream *stream = timer->data;
    struct net_connect *connect = stream->connect;
    if (uv_now(&stream->loop->uv) >= connect->deadline) {
        for (size_t i = 0; i < connect->count; i++) {
            if (connect->sockets[i] != NULL) {
                end_attempt(connect, i, UV_ETIMEDOUT);
            }
        }
        connect->next = connect->count;
    }
    try_next(stream);
}

/* Starts the attempt at connect->addresses[index]; 0 or libuv's error. */
static int start_attempt(struct net_stream *stream, size_t index)
{
    struct net_connect *connect = stream->connect;
    struct net_socket *socket = net_socket_new(stream, connect->to.is_unix);
    connect->sockets[index] = socket;
    socket->connect.data = socket;
    if (connect->to.is_unix) {
        uv_pipe_connect(&socket->connect, &socket->uv.pipe, connect->to.host, on_connected);
        return 0;
    }
    return uv_tcp_connect(&socket->connect, &socket->uv.tcp, (const struct sockaddr *)&connect->addresses[index],
                          on_connected);
}

static bool is_trying(const struct net_connect *connect)
{
    for (size_t i = 0; i < connect->count; i++) {
        if (connect->sockets[i] != NULL) {
            return true;
        }
    }
    return false;
}

/* Until the next attempt begins, or all of them end. */
static void wait_on(struct net_stream *stream)
{
    const struct net_connect *connect = stream->connect;
    uint64_t now = uv_now(&stream->loop->uv);
    uint64_t left = connect->deadline > now ? connect->deadline - now : 0;
    bool more = connect->next < connect->count && left > ATTEMPT_DELAY_MS;
    uv_timer_start(&stream->timer, on_attempt_timer, more ? ATTEMPT_DELAY_MS : left, 0);
}

/* Begins the next attempt, if one is left; gives up when none is under way. */
static void try_next(struct net_stream *stream)
{
    struct net_connect *connect = stream->connect;
    while (connect->next < connect->count) {
        size_t index = connect->next++;
        int status = start_attempt(stream, index);
        if (status == 0) {
            break;
        }
        end_attempt(connect, index, status);
    }
    if (is_trying(connect)) {
        wait_on(stream);
    } else {
        give_up(stream);
    }
}

/* The families in turn, beginning with the one that the system prefers, so that a family that leads nowhere costs one
 * delay (RFC 8305 section 4). */
static void take_turns(struct net_connect *connect)
{
    for (size_t i = 1; i < connect->count; i++) {
        size_t other = i;
        while (other < connect->count && connect->addresses[other].ss_family == connect->addresses[i - 1].ss_family) {
            other++;
        }
        if (other < connect->count) {
            struct sockaddr_storage taken = connect->addresses[other];
            memmove(&connect->addresses[i + 1], &connect->addresses[i], (other - i) * sizeof taken);
            connect->addresses[i] = taken;
        }
    }
}

static void take_addresses(struct net_connect *connect, const struct addrinfo *found)
{
    for (; found != NULL && connect->count < ADDRESSES_MAX; found = found->ai_next) {
        memcpy(&connect->addresses[connect->count++], found->ai_addr, found->ai_addrlen);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct net_connect *connect = request->data;
    struct net_stream *stream = connect->stream;
    connect->resolving = false;
    if (stream == NULL) {
        uv_freeaddrinfo(found);
        free_connect(connect);
        return;
    }
    if (status == 0) {
        take_addresses(connect, found);
        take_turns(connect);
    } else {
        buf_printf(&connect->attempts, "the name cannot be resolved: %s", uv_strerror(status));
    }
    uv_freeaddrinfo(found);
    try_next(stream);
}

static void on_resolve_timeout(uv_timer_t *timer)
{
    struct net_stream *stream = timer->data;
    buf_append_text(&stream->connect->attempts, "the name servers did not answer in time");
    give_up(stream);
}

/* Whether the host is an address already; then it is the only one. */
static bool take_literal(struct net_connect *connect)
{
    struct sockaddr_storage *first = &connect->addresses[0];
    bool is_literal = uv_ip4_addr(connect->to.host, connect->to.port, (struct sockaddr_in *)first) == 0 ||
                      uv_ip6_addr(connect->to.host, connect->to.port, (struct sockaddr_in6 *)first) == 0;
    connect->count = is_literal ? 1 : 0;
    return is_literal;
}

static void resolve_connect(struct net_stream *stream, uint64_t timeout_ms)
{
    struct net_connect *connect = stream->connect;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char port[8];
    snprintf(port, sizeof port, "%u", connect->to.port);
    snprintf(connect->code, sizeof connect->code, "dns");
    connect->resolve.data = connect;
    uv_timer_start(&stream->timer, on_resolve_timeout, timeout_ms, 0);
    int status = uv_getaddrinfo(&stream->loop->uv, &connect->resolve, on_resolved, connect->to.host, port, &hints);
    connect->resolving = status == 0;
    if (status != 0) {
        buf_printf(&connect->attempts, "the name cannot be resolved: %s", uv_strerror(status));
        give_up(stream);
    }
}

static void on_begin(void *ctx)
{
    struct net_stream *stream = ctx;
    if (!stream->freed) {
        struct net_connect *connect = stream->connect;
        uint64_t timeout_ms = connect->deadline;
        connect->deadline += uv_now(&stream->loop->uv);
        if (connect->to.is_unix) {
            connect->count = 1;
        }
        if (connect->to.is_unix || take_literal(connect)) {
            try_next(stream);
        } else {
            resolve_connect(stream, timeout_ms);
        }
    }
    net_stream_release(stream);
}

static void set_label(struct net_stream *stream, const struct net_address *to)
{
    if (to->is_unix) {
        net_stream_name(stream, "unix:%s", to->host);
    } else {
        bool is_v6 = strchr(to->host, ':') != NULL;
        net_stream_name(stream, "%s%s%s:%u", is_v6 ? "[" : "", to->host, is_v6 ? "]" : "", to->port);
    }
}

struct net_stream *net_stream_connect(struct net_loop *loop, const struct net_address *to, uint64_t timeout_ms,
                                      const struct net_stream_limits *limits, net_stream_fn *fn, void *ctx)
{
    struct net_stream *stream = net_stream_make(loop, limits);
    stream->fn = fn;
    stream->ctx = ctx;
    set_label(stream, to);
    struct net_connect *connect = expect_calloc(1, sizeof *connect);
    connect->stream = stream;
    connect->to = *to;
    connect->deadline = timeout_ms; /* from the loop's next turn on */
    buf_init(&connect->attempts, sizeof stream->fault->text);
    stream->connect = connect;
    stream->cancel_connect = cancel_connect;
    net_stream_share(stream);
    net_defer(loop, on_begin, stream);
    return stream;
}
