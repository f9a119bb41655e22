/*
 * net_sign - signatures by a private key, for tokens that a service account asks for (OpenSSL behind it).
 */
#ifndef MAILWEIR_NET_NET_SIGN_H
#define MAILWEIR_NET_NET_SIGN_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"

/*
 * Appends the RS256 signature (RFC 7518 section 3.3: RSASSA-PKCS1-v1_5 with SHA-256) of text by key, an RSA private key
 * in PEM of 2048 bits and more. -1 with a fault (LOCAL, "key") that holds nothing of the key. Takes a millisecond: for
 * lanes.
 */
MUST_USE int net_sign_rs256(struct bytes key, struct bytes text, struct buf *out, struct fault *fault);

#endif
