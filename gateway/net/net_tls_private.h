/*
 * net_tls_private - TLS settings as the streams of this floor use them.
 */
#ifndef MAILWEIR_NET_NET_TLS_PRIVATE_H
#define MAILWEIR_NET_NET_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "net/net_tls.h"

/* A new session with the role, name and checks of the settings; freed by SSL_free(). */
SSL *net_tls_session(struct net_tls *tls);
/* Says why a handshake or a transfer failed: the certificate's trouble if there is one, else OpenSSL's reason. */
void net_tls_explain(const struct net_tls *tls, SSL *session, const char *peer, struct fault *fault);

/* When it expires, in seconds since 1970; 0 for NULL, or when its time cannot be read. */
int64_t net_tls_expiry(const X509 *certificate);

#endif
