/*
 * upstream_grant - one access token got from where it comes: a file, or a token endpoint (RFC 6749 sections 4.4 and 6,
 * RFC 7523) by libcurl; and how an answer is read. A token never reaches a log or a fault's text.
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_GRANT_H
#define MAILWEIR_UPSTREAM_UPSTREAM_GRANT_H

#include "base/buf.h"
#include "base/fault.h"
#include "upstream/upstream_token.h"

#define UPSTREAM_GRANT_TOKEN_MAX ((size_t)16 << 10)

struct upstream_grant {
    const struct upstream_token_options *options;
    int64_t now_s;          /* of the wall clock, since 1970 */
    _Atomic bool cancelled; /* set from another thread: the request is given up */
    struct buf token;       /* out: of UPSTREAM_GRANT_TOKEN_MAX */
    uint64_t lifetime_s;    /* out */
    struct fault fault;     /* out: NONE when there is a token */
};

/* Blocks, for seconds at most: for lanes. */
void upstream_grant_fetch(struct upstream_grant *grant);
/* What a command printed: the JSON of RFC 6749 section 5.1, or the token alone. */
void upstream_grant_read(struct upstream_grant *grant, struct bytes output);

#endif
