/*
 * config_check - what makes a well-formed configuration wrong: names that do not exist, doors left open, files missing.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_CHECK_H
#define MAILWEIR_CONFIG_CONFIG_CHECK_H

#include "config/config.h"
#include "document/document.h"

/* Adds a problem, at its place in json, for each thing that is wrong. Loads certificates to see that they are good. */
void config_check(const struct config *config, const struct document *json, struct problems *problems);

/* The part of it about one listener (config_check_listener.c). */
void config_check_listener(const struct config *config, size_t index, const struct document *json,
                           struct problems *problems);

/* TLS settings of a listener, for config_check and the gateway alike. *tls_r stays NULL with mode none. */
int config_listener_tls(const struct config_listener *listener, struct net_tls **tls_r, struct fault *fault);
/* The account for a pool; its strings are the configuration's. On success the caller gives it back by imapc_account_release(). */
int config_upstream_account(const struct config_upstream *upstream, struct imapc_account *account_r,
                            struct fault *fault);

#endif
