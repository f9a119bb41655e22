/*
 * probe - mail as its senders and readers know it: one message goes through the gateway's own front door, is waited for
 * in the folder that the configuration names, read back over IMAP and removed. Of `mailweir probe`, and of every
 * `probe.every` in a running gateway.
 *
 * It knows nothing of the gateway but its configuration: it is a client of it, with a connection to the mailbox of its
 * own. The rule that brings the message into the folder stands in front of all rules (config_rules.c).
 */
#ifndef MAILWEIR_DAEMON_PROBE_H
#define MAILWEIR_DAEMON_PROBE_H

#include "config/config.h"
#include "net/net_loop.h"

struct probe;

#define PROBE_ID_LEN 100

/* What became of it; valid during the call. */
struct probe_result {
    const char *step; /* NULL: it arrived, was read and removed; else the one that did not work: those of probe_door.h,
                          "mailbox", "arrival" or "removal" */
    const char *text; /* why, in words; "" */
    const char *advice;               /* what to do; "" */
    const char *id;                   /* of the message, as in its 250; "" when it was not accepted */
    bool arrived;                     /* it was read back */
    uint64_t accepted_us, arrived_us; /* since the beginning; 0: not */
};
typedef void probe_fn(void *ctx, const struct probe_result *result);

/* By reference until the end. */
struct probe_options {
    const struct config *config;       /* with its probe */
    const struct net_address *address; /* of the front door, from here; NULL: as the configuration says */
    const char *ca_file;               /* whom to trust there; NULL: the configuration's, or the system's */
    const char *to;                    /* NULL: the configuration's */
    const char *upstream, *folder;     /* where it is to arrive; NULL: the configuration's */
    uint64_t timeout_ms;               /* for all of it; 0: the configuration's */
    const char *waits_for; /* nothing is sent: the id of a message that an earlier probe has sent; or NULL */
};

/* fn comes once, from the loop, and may free it. */
MUST_USE struct probe *probe_new(struct net_loop *loop, const struct probe_options *options, probe_fn *fn, void *ctx);
/* At any time; no call comes after it. Sets *probe to NULL; NULL is fine. */
void probe_free(struct probe **probe);

#endif
