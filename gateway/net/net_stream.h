/*
 * net_stream - one connection: TCP or unix socket, in clear or under TLS, behind a small event API.
 *
 * Received octets stand in an input buffer; the owner looks at them (net_stream_input) and consumes from the head.
 * Written octets are copied into an output buffer that leaves as fast as the peer takes it. Both have maxima: at the
 * input's maximum nothing more is read from the socket until the owner has consumed. TCP_NODELAY is always on.
 *
 * Events come from the loop, never from inside a call of the owner. net_stream_free() may be called at any time, also
 * from an event; no event comes after it. (OpenSMTPD's ioev is the model.)
 */
#ifndef MAILWEIR_NET_NET_STREAM_H
#define MAILWEIR_NET_NET_STREAM_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"
#include "net/net_loop.h"
#include "net/net_tls.h"

struct net_stream;

enum net_stream_event {
    NET_STREAM_CONNECTED, /* a connect finished (before any TLS) */
    NET_STREAM_TLS_READY, /* handshake done, the peer verified as asked */
    NET_STREAM_INPUT,     /* more octets stand in the input */
    NET_STREAM_DRAINED,   /* the output fell to the low-water mark after a write had passed it, or is empty */
    NET_STREAM_EOF,       /* the peer will send no more; under TLS only after its close_notify */
    NET_STREAM_FAILED,    /* net_stream_fault() says why; nothing more will come */
};

typedef void net_stream_fn(void *ctx, enum net_stream_event event);

struct net_stream_limits {
    size_t input_max;  /* octets kept unread by the owner, e.g. 64 KiB */
    size_t output_max; /* net_stream_write() refuses above it */
    size_t output_low; /* DRAINED comes at or below it */
};

/* "host:port", "[v6]:port", "unix:/path", "inherited:NAME"; the parsed form of addresses in the configuration. */
struct net_address {
    char host[256]; /* name, IPv4 or IPv6 without brackets, or the path */
    uint16_t port;
    bool is_unix;
    bool is_inherited; /* host is the name of a listening socket that systemd passed on; for listeners only */
};
/* -1 with what is wrong in the fault's text. */
MUST_USE int net_address_parse(struct net_address *address_r, struct bytes text, struct fault *fault);
/* Whether it names the loopback: 127.0.0.0/8, ::1, "localhost", any unix path. */
bool net_address_is_loopback(const struct net_address *address);
/* Whether this machine has no such address now, so that nothing can listen on it; false for names, which are not looked
 * up. Asks the kernel, by a datagram socket that it closes again. */
bool net_address_is_foreign(const struct net_address *address);

/* Resolves and connects, trying each address of the name in turn; CONNECTED or FAILED comes within timeout_ms. */
MUST_USE struct net_stream *net_stream_connect(struct net_loop *loop, const struct net_address *to, uint64_t timeout_ms,
                                               const struct net_stream_limits *limits, net_stream_fn *fn, void *ctx);
/* Sets who hears the events; for accepted streams, whose events wait until then. */
void net_stream_set_handler(struct net_stream *stream, net_stream_fn *fn, void *ctx);

/*
 * Starts TLS as client or server (as the settings were made). Octets that stand unread in the input are dropped, and
 * their number is returned: plaintext in front of a handshake is never trusted (reliability: STARTTLS injection).
 * TLS_READY or FAILED follows. The output must be empty or will be sent in clear before the handshake.
 */
size_t net_stream_start_tls(struct net_stream *stream, struct net_tls *tls);

/*
 * The same where TLS comes first of all, or right behind a PROXY header: what stands unread in the input is the
 * beginning of the handshake.
 */
void net_stream_continue_tls(struct net_stream *stream, struct net_tls *tls);

/*
 * Has the kernel find out about a peer that is gone without a word, once connected over TCP: sent octets must be
 * acknowledged within unacked_ms (TCP_USER_TIMEOUT, RFC 5482), and an idle connection is asked each idle_ms
 * (SO_KEEPALIVE). FAILED tells. Best effort: a kernel that cannot, does not.
 */
void net_stream_watch_peer(struct net_stream *stream, uint64_t idle_ms, uint64_t unacked_ms);

/*
 * While on: what is unsent when the socket closes, also by the end of the process, is thrown away, and the peer
 * hears a reset (SO_LINGER), instead of a message
 * that goes on by itself.
 */
void net_stream_discard_at_close(struct net_stream *stream, bool on);

struct bytes net_stream_input(const struct net_stream *stream);
void net_stream_consume(struct net_stream *stream, size_t len);
/* Stops and restarts reading from the socket: back-pressure to the peer. While paused no INPUT comes. */
void net_stream_pause(struct net_stream *stream);  /* for tests */
void net_stream_resume(struct net_stream *stream); /* for tests */

/* Takes all of data, or nothing (-1) when output_max would be passed or the stream has failed. */
MUST_USE int net_stream_write(struct net_stream *stream, const void *data, size_t len);
/* Octets written by the owner that have not left for the kernel yet. */
size_t net_stream_unsent(const struct net_stream *stream);
/* Octets moved in each direction since the beginning: progress, for deadlines. */
uint64_t net_stream_moved(const struct net_stream *stream);

/* Sends what is unsent, then close_notify and FIN; the stream is freed by itself within linger_ms. Sets *stream to
 * NULL. */
void net_stream_finish(struct net_stream **stream, uint64_t linger_ms);
/* Closes at once. Sets *stream to NULL; NULL is fine. */
void net_stream_free(struct net_stream **stream);

const struct fault *net_stream_fault(const struct net_stream *stream);
/* "192.0.2.1", "2001:db8::1" (IPv4-mapped shown as IPv4), or "unix"; valid as long as the stream. */
const char *net_stream_peer(const struct net_stream *stream);
uint16_t net_stream_peer_port(const struct net_stream *stream);
/* NULL without TLS. */
const char *net_stream_tls_version(const struct net_stream *stream);
const char *net_stream_tls_cipher(const struct net_stream *stream);
/* The subject of the verified certificate of the peer, or NULL. */
const char *net_stream_tls_peer(const struct net_stream *stream);
/* When the first of the peer's chain expires, in seconds since 1970 (of its own certificate alone where it was not
 * verified); 0 without one. */
int64_t net_stream_tls_peer_expires(const struct net_stream *stream);

/*
 * The tls-exporter channel binding (RFC 9266), 32 octets. -1 without TLS, or where it would not bind (TLS 1.2 without
 * extended master secret, RFC 7627).
 */
MUST_USE int net_stream_tls_binding(const struct net_stream *stream, uint8_t *into, size_t len);

/*
 * The channel binding that suits the session, for a client: "tls-exporter" under TLS 1.3 (RFC 9266), "tls-unique" under
 * TLS 1.2 with extended master secret (RFC 5929, RFC 7627). NULL where nothing would bind.
 */
#define NET_STREAM_CHANNEL_MAX 64
const char *net_stream_tls_channel(const struct net_stream *stream, uint8_t into[NET_STREAM_CHANNEL_MAX],
                                   size_t *len_r);

/* A listening socket. fn gets each accepted stream and owns it; it must set a handler before it returns, or free it. */
struct net_listener;
typedef void net_accept_fn(void *ctx, struct net_stream *stream);
/* Port 0 takes a free one. The fault names the address and why ("eaddrinuse"). A unix path that no process serves is
 * replaced. */
MUST_USE int net_listener_open(struct net_listener **listener_r, struct net_loop *loop,
                               const struct net_address *address, const struct net_stream_limits *limits,
                               net_accept_fn *fn, void *ctx, struct fault *fault);
/* The port that is listened on. */
uint16_t net_listener_port(const struct net_listener *listener);
/* Stops accepting at once; sets *listener to NULL; NULL is fine. Accepted streams live on. */
void net_listener_free(struct net_listener **listener);

#endif
