/*
 * upstream_assertion - the signed statement by which a service account asks for an access token: a JWT (RFC 7519) under
 * RS256, for the JWT bearer grant (RFC 7523), from the key file that Google's console gives.
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_ASSERTION_H
#define MAILWEIR_UPSTREAM_UPSTREAM_ASSERTION_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"

struct upstream_assertion_claims {
    const char *subject; /* the user in whose name it is asked (domain-wide delegation) */
    const char *scope;
    int64_t now_s; /* of the wall clock, since 1970; the statement is good for an hour from then */
};

/*
 * Reads the key file (JSON with client_email, private_key, token_uri and perhaps private_key_id) and appends the
 * statement to out, the address of the token endpoint to endpoint. Blocks. -1 with a fault (LOCAL, "key-file") that
 * holds nothing of the key.
 */
MUST_USE int upstream_assertion_make(const char *file, const struct upstream_assertion_claims *claims, struct buf *out,
                                     struct buf *endpoint, struct fault *fault);
/* Whether secrets may go to this address: https://, or http:// to 127.0.0.1 or localhost. */
bool upstream_assertion_may_go_to(const char *endpoint);

#endif
