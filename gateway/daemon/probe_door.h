/*
 * probe_door - one message through an SMTP or LMTP door, as any client brings it (RFC 5321, RFC 2033): what the probe
 * does first. No pipelining, one recipient; the door may want TLS and a login (PLAIN, RFC 4616).
 */
#ifndef MAILWEIR_DAEMON_PROBE_DOOR_H
#define MAILWEIR_DAEMON_PROBE_DOOR_H

#include "net/net_stream.h"

struct probe_door;

/* All by reference until the end. */
struct probe_door_options {
    struct net_address address;
    bool lmtp;
    struct net_tls *tls; /* NULL: in clear */
    bool starttls;       /* with tls: in clear at first */
    const char *hostname;
    const char *from, *to;
    const char *username, *password; /* NULL: no login */
    struct bytes message;            /* whole, lines end in CR LF, none begins with a dot */
    uint64_t timeout_ms;             /* to connect */
};

/*
 * step: "connect", "greeting", "tls", "login", "sender", "recipient" or "message": the one that did not work; reply:
 * the door's last words, valid during the call, "" when it said nothing. fault NULL: the message was accepted.
 */
typedef void probe_door_fn(void *ctx, const char *step, const struct fault *fault, const char *reply);
/* fn comes once, from the loop, and may free it. There is no deadline but that of the connection: the caller's. */
MUST_USE struct probe_door *probe_door_new(struct net_loop *loop, const struct probe_door_options *options,
                                           probe_door_fn *fn, void *ctx);
/* The step that it is at. */
const char *probe_door_step(const struct probe_door *door);
/* No call comes after it. Sets *door to NULL; NULL is fine. */
void probe_door_free(struct probe_door **door);

#endif
