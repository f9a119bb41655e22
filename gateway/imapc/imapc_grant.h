/*
 * imapc_grant - one access token got from where it comes: a file, or a token endpoint (RFC 6749 sections 4.4 and 6, RFC
 * 7523) by libcurl; and how an answer is read. A token never reaches a log or a fault's text.
 */
#ifndef MAILWEIR_IMAPC_IMAPC_GRANT_H
#define MAILWEIR_IMAPC_IMAPC_GRANT_H

#include "base/buf.h"
#include "base/fault.h"
#include "imapc/imapc_token.h"

#define IMAPC_GRANT_TOKEN_MAX ((size_t)16 << 10)

struct imapc_grant {
    const struct imapc_token_options *options;
    int64_t now_s;          /* of the wall clock, since 1970 */
    _Atomic bool cancelled; /* set from another thread: the request is given up */
    struct buf token;       /* out: of IMAPC_GRANT_TOKEN_MAX */
    uint64_t lifetime_s;    /* out */
    struct fault fault;     /* out: NONE when there is a token */
};

/* Blocks, for seconds at most: for lanes. */
void imapc_grant_fetch(struct imapc_grant *grant);
/* What a command printed: the JSON of RFC 6749 section 5.1, or the token alone. */
void imapc_grant_read(struct imapc_grant *grant, struct bytes output);

#endif
