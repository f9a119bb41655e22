/*
 * net_stream_private - a stream from inside: net_connect.c and net_listener.c make one, net_stream.c moves it on, by
 * net_stream_output.c and net_stream_tls.c; net_stream_core.c is what all of them call.
 *
 * Everything that happens notes itself in the stream and ends in net_stream_advance(), which runs from the loop only:
 * it moves TLS on, tells the owner, sends, and sets whether the socket is read. A call of the owner asks for it by
 * net_stream_schedule(). The stream's memory lives until the last libuv handle, request or deferred call that points at
 * it is done: each has a share.
 */
#ifndef MAILWEIR_NET_NET_STREAM_PRIVATE_H
#define MAILWEIR_NET_NET_STREAM_PRIVATE_H

#include <openssl/ssl.h>
#include <uv.h>

#include "base/must_use.h"
#include "net/net_loop_private.h"
#include "net/net_stream.h"
#include "net/net_tls_private.h"

/* What TLS may add to the owner's octets in one write: records' heads, a handshake with its certificates. */
#define NET_STREAM_TLS_EXTRA 262144

/* One libuv socket; freed when it has closed. A connect tries several of them. */
struct net_socket {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct net_stream *stream;
};

struct net_connect;

struct net_stream {
    struct net_loop *loop;
    struct net_stream_limits limits;
    net_stream_fn *fn; /* NULL: an accepted stream without a handler yet, or a finishing one */
    void *ctx;
    struct net_socket *socket;                         /* once connected */
    struct net_connect *connect;                       /* until connected ... */
    void (*cancel_connect)(struct net_stream *stream); /* ... and how to end it */
    void (*advance)(struct net_stream *stream);        /* what net_stream_advance() does */
    uv_timer_t timer;                                  /* of the connect's attempts, then of the lingering */
    unsigned owners;
    unsigned pending;    /* 1 << event for each event that the owner has not heard yet */
    struct fault *fault; /* once it has failed */

    bool freed;     /* no event any more; the memory waits for the last share */
    bool scheduled; /* an advance is deferred */
    bool connected;
    bool failed;
    bool eof;          /* the peer sends no more */
    bool paused;       /* by the owner */
    bool reading;      /* libuv reads */
    bool finishing;    /* the owner has let go: send the rest and end */
    bool said_goodbye; /* close_notify was sent */
    bool shutting;     /* FIN is asked for */
    bool shut;         /* FIN was sent */

    struct buf input;    /* for the owner */
    struct buf output;   /* the owner's, not yet in a write */
    struct buf flight;   /* what the write under way sends: ciphertext under TLS */
    size_t flight_owned; /* the owner's octets in it */
    bool writing;        /* a write is under way */
    bool above_low;      /* a write has passed limits.output_low since the last DRAINED */
    uint64_t received, sent;

    struct net_tls *tls; /* with session: set by net_stream_start_tls(), for good */
    SSL *session;
    BIO *cipher_in, *cipher_out; /* owned by the session */
    bool tls_ready;
    bool tls_shed;      /* the room of the handshake was given back */
    bool tls_has_more;  /* octets wait in the session for room in the input */
    bool tls_has_alert; /* the session failed, and what it tells the peer of that was not yet sent */
    char *tls_peer;

    char *label; /* "host:port" as asked for, or the peer's: for faults; NULL until it is connected or connects */
    char peer[INET6_ADDRSTRLEN + 1];
    uint16_t peer_port;
};

/* A stream without a socket; one share is its timer's. */
struct net_stream *net_stream_make(struct net_loop *loop, const struct net_stream_limits *limits);
void net_stream_share(struct net_stream *stream);
void net_stream_release(struct net_stream *stream);
void net_stream_schedule(struct net_stream *stream);
/* From the loop only. */
void net_stream_advance(struct net_stream *stream);
void net_stream_note(struct net_stream *stream, enum net_stream_event event);
/* Gives back the room of an input that is empty and was large. */
void net_stream_let_go(struct net_stream *stream);
/* What it is called in faults. */
void net_stream_name(struct net_stream *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Notes FAILED; the first failure wins. */
void net_stream_fail(struct net_stream *stream, const char *code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "econnreset" of UV_ECONNRESET, into code. */
void net_stream_uv_code(int status, char code[40]);

/* A TCP or unix socket that points at the stream, with a share of it. */
MUST_USE struct net_socket *net_socket_new(struct net_stream *stream, bool is_unix);
void net_socket_close(struct net_socket **socket);
/* Makes the socket the stream's: notes the peer, switches TCP_NODELAY on. */
void net_stream_attach(struct net_stream *stream, struct net_socket *socket, bool is_unix);

/* net_listener.c: whether a process answers on the path: 0 no, 1 yes, or libuv's error when what is there is no socket.
 */
MUST_USE int net_listener_is_served(const char *path);
/* Fills the fault for an address that cannot be listened on, by libuv's error (or a negative errno); returns -1. */
MUST_USE int net_listener_refuse(struct fault *fault, const struct net_address *address, int status);

/* net_stream_output.c: starts a write when there is something to send and none is under way. */
void net_stream_flush(struct net_stream *stream);
/* Sends what a failed TLS session has left to say to the peer. */
void net_stream_flush_alert(struct net_stream *stream);

/* net_stream_tls.c */
void net_stream_tls_take(struct net_stream *stream, const char *data, size_t len);
/* Moves the handshake on and decrypts what there is room for. */
void net_stream_tls_pump(struct net_stream *stream);
void net_stream_tls_encrypt(struct net_stream *stream);
/* Moves what the session wants sent into the flight buffer. */
void net_stream_tls_collect(struct net_stream *stream);
void net_stream_tls_goodbye(struct net_stream *stream);

#endif
