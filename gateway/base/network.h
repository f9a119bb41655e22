/*
 * network - internet addresses as text and octets, and networks in prefix notation (RFC 4632, RFC 4291); no sockets.
 *
 * IPv4 addresses are kept as IPv4-mapped IPv6, so that one comparison serves both.
 */
#ifndef MAILWEIR_BASE_NETWORK_H
#define MAILWEIR_BASE_NETWORK_H

#include "base/bytes.h"
#include "base/must_use.h"

struct network {
    uint8_t address[16];
    unsigned bits; /* of the 128; an IPv4 /8 has 104 */
};

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1". -1 on anything else. */
MUST_USE int network_address_parse(uint8_t address_r[16], struct bytes text);
/* "10.0.0.0/8", "2001:db8::/32", or one address. -1 on anything else, bits behind the prefix included. */
MUST_USE int network_parse(struct network *network_r, struct bytes text);
bool network_contains(const struct network *network, const uint8_t address[16]);
/* Loopback, link-local, or for private networks (RFC 1918, RFC 4193). */
bool network_is_private(const uint8_t address[16]);
/* 127.0.0.0/8 and ::1. */
bool network_is_loopback(const uint8_t address[16]);

#endif
