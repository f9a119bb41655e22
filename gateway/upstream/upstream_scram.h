/*
 * upstream_scram - the client's side of SCRAM-SHA-1 and SCRAM-SHA-256 with and without channel binding (RFC 5802, RFC
 * 7677, RFC 9266).
 *
 * The exchange is ours: libgsasl 2.2, whose SASLprep (RFC 4013) it uses, cannot say that a client is able to bind to a
 * server that seems not to be ("y"), by which RFC 5802 section 6 uncovers somebody in the middle who takes the offer
 * away; and it derives with as many iterations as a server asks for.
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_SCRAM_H
#define MAILWEIR_UPSTREAM_UPSTREAM_SCRAM_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"

/* More iterations than this are refused: it is a wait of half a second. */
#define UPSTREAM_SCRAM_ITERATIONS_MAX 1000000

struct upstream_scram_options {
    const char *mechanism; /* "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS" ... */
    const char *username;
    const char *password;
    const char
        *binding; /* "tls-exporter", "tls-unique"; NULL when the client cannot, or must not, bind. -PLUS needs one */
    struct bytes binding_data;
};

struct upstream_scram;

/* Everything is copied. NULL with a fault (LOCAL) when a name or password is not what SASLprep takes. */
MUST_USE struct upstream_scram *upstream_scram_new(const struct upstream_scram_options *options, struct fault *fault);
/*
 * The response to a challenge, both in base64; the first challenge is empty, the third brings the server's proof. -1
 * with a fault, PERM when the server does not prove that it knows the password. Derives a key on the second: for lanes.
 */
MUST_USE int upstream_scram_step(struct upstream_scram *scram, struct bytes challenge, struct buf *response,
                                 struct fault *fault);
/* Sets *scram to NULL; NULL is fine. */
void upstream_scram_free(struct upstream_scram **scram);

#endif
