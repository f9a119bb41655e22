/*
 * net_poll - for libraries that bring their own sockets: a listening descriptor for them, and a watch that tells when a
 * descriptor of theirs (mostly an epoll one) wants to be looked at.
 */
#ifndef MAILWEIR_NET_NET_POLL_H
#define MAILWEIR_NET_NET_POLL_H

#include "base/must_use.h"
#include "net/net_loop.h"
#include "net/net_stream.h"

struct net_poll;
typedef void net_poll_fn(void *ctx);

/* fn comes from the loop as long as fd is readable. fd stays the caller's, who closes it after net_poll_free(). */
MUST_USE struct net_poll *net_poll_new(struct net_loop *loop, int fd, net_poll_fn *fn, void *ctx);
/* No call comes after it. Sets *poll to NULL; NULL is fine. */
void net_poll_free(struct net_poll **poll);

/*
 * For lanes: waits until a descriptor of a library's can be read (or, when it writes, written): 1; 0 when that took
 * longer, -1 when it cannot be waited for. A signal ends the wait as if it could.
 */
MUST_USE int net_poll_wait(int fd, bool writes, uint64_t milliseconds);
/* The name of this machine. */
void net_poll_host(char *into, size_t size);

/*
 * Opens a listening socket that does not block; blocks itself while a name is looked up. A unix socket is for its owner
 * and group only (0660); its path is taken over when no process serves it. *fd_r is the caller's. The fault is as of
 * net_listener_open().
 */
MUST_USE int net_poll_listen(const struct net_address *address, int *fd_r, struct fault *fault);
/* The port that a descriptor of net_poll_listen() listens on; 0 for a unix socket. */
uint16_t net_poll_port(int fd);
/* Closes a descriptor of net_poll_listen(), and removes its path. */
void net_poll_close(const struct net_address *address, int fd);

/*
 * Who is at the other end of a descriptor: "192.0.2.1", "2001:db8::1"; "unix" for a unix socket, and for what cannot be
 * told.
 */
void net_poll_peer(int fd, char *into, size_t size);

/* Ends a connection whose descriptor a library owns: the library sees its end and closes it. */
void net_poll_shut(int fd);

/*
 * Sends one datagram to a unix socket ("/path" or "@abstract"), as service managers take notifications (sd_notify(3)).
 * -1 when it could not be sent.
 */
MUST_USE int net_poll_notify(const char *path, const char *text);

#endif
