/*
 * net_tls - TLS settings, made once and shared by many streams (OpenSSL behind it).
 *
 * TLS 1.2 and up, unless a server says otherwise. Clients verify the chain and the name (RFC 9525: DNS names and
 * addresses of the subject alternative name, no common name, no partial wildcards) and send SNI. There is no way to
 * switch verification off but `insecure`.
 */
#ifndef MAILWEIR_NET_NET_TLS_H
#define MAILWEIR_NET_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/must_use.h"

struct net_tls; /* counted: a stream keeps what it uses; freeing the owner's share is safe at any time */

struct net_tls_pair {
    const char *certificate; /* PEM file, leaf first */
    const char *key;         /* PEM file */
};

/* 1.2 is what is meant when nothing is said. */
enum net_tls_version { NET_TLS_1_2, NET_TLS_1_0, NET_TLS_1_1, NET_TLS_1_3, NET_TLS_VERSIONS };

struct net_tls_options {
    const char *certificate;           /* PEM file, leaf first; NULL for a client without one */
    const char *key;                   /* PEM file */
    const struct net_tls_pair *others; /* server: shown instead to clients that ask for one of their names (RFC 6066) */
    size_t other_count;
    const char *ca_file;             /* whom to trust instead of the system's CAs; NULL: the system's */
    const char *server_name;         /* client: the name or address the certificate must be for */
    bool insecure;                   /* client: no verification at all; for loopback tests that say so */
    bool request_client_certificate; /* server: ask, and verify against ca_file when one is sent */
    bool require_client_certificate;
    enum net_tls_version minimum; /* server; below 1.2 its ciphers, too, are those of old devices */
};

/* Errors name the file and OpenSSL's reason (class FAULT_LOCAL). */
MUST_USE int net_tls_server_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault);
MUST_USE int net_tls_client_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault);
/* One more share, given back by net_tls_free(). Returns tls. */
struct net_tls *net_tls_share(struct net_tls *tls);
/* When its own certificate expires, in seconds since 1970; 0 without one. */
int64_t net_tls_expires(const struct net_tls *tls);
/* Whole days until then, by the machine's clock: negative when it has expired. INT64_MAX without one. For checks
 * outside a loop. */
int64_t net_tls_days_left(const struct net_tls *tls);
/* Gives the share back; sets *tls to NULL; NULL is fine. */
void net_tls_free(struct net_tls **tls);

#endif
