/*
 * proxy_header - the PROXY protocol's header, version 1 (text) and 2 (binary), as a load balancer sends it in front of
 * a connection.
 *
 * https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt. TLVs of version 2 are skipped. Whether the sender may be
 * believed is for the caller to know.
 */
#ifndef MAILWEIR_PROTO_PROXY_HEADER_H
#define MAILWEIR_PROTO_PROXY_HEADER_H

#include "base/bytes.h"
#include "base/must_use.h"

/* A header is never longer: version 1 has 107 octets at most; version 2 says its length, and more than this is refused.
 */
#define PROXY_HEADER_MAX  1024
#define PROXY_ADDRESS_MAX 46

struct proxy_header {
    bool is_local;                   /* LOCAL or UNKNOWN: the connection is the proxy's own; there is no address */
    char address[PROXY_ADDRESS_MAX]; /* of the client: "192.0.2.1", "2001:db8::1"; "unix" for a unix socket */
    uint16_t port;
};

/* 1 with *header_r and *used_r octets taken off the head of input, 0 when more is needed, -1 when it is no header. */
MUST_USE int proxy_header_parse(struct bytes input, struct proxy_header *header_r, size_t *used_r);

#endif
