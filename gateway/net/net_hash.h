/*
 * net_hash - digests, HMAC and key derivation for the arithmetic of logins (OpenSSL behind it). Pure: no door to the
 * world, so a simulation uses it as it is.
 */
#ifndef MAILWEIR_NET_NET_HASH_H
#define MAILWEIR_NET_NET_HASH_H

#include "base/bytes.h"

enum net_hash { NET_HASH_SHA_1, NET_HASH_SHA_256 };

#define NET_HASH_MAX 32

/* Octets of its results: 20 or 32. */
size_t net_hash_size(enum net_hash hash);
void net_hash_digest(enum net_hash hash, struct bytes text, uint8_t out[NET_HASH_MAX]);
void net_hash_hmac(enum net_hash hash, struct bytes key, struct bytes text, uint8_t out[NET_HASH_MAX]);
/* PBKDF2 with HMAC (RFC 8018 section 5.2), one block: Hi() of RFC 5802. A million iterations take about half a second:
 * for lanes. */
void net_hash_derive(enum net_hash hash, struct bytes password, struct bytes salt, unsigned iterations,
                     uint8_t out[NET_HASH_MAX]);

#endif
