/*
 * config_listener_options - from a listener of the configuration to the options that reception listens by.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_LISTENER_OPTIONS_H
#define MAILWEIR_CONFIG_CONFIG_LISTENER_OPTIONS_H

#include "base/must_use.h"
#include "config/config.h"

/* TLS settings of a listener; reads its certificates. *tls_r stays NULL with mode none. -1 with a fault. */
MUST_USE int config_listener_tls(const struct config_listener *listener, struct net_tls **tls_r, struct fault *fault);
/* The same for the clients in "lenient"; *tls_r stays NULL when theirs are no others. */
MUST_USE int config_listener_tls_lenient(const struct config_listener *listener, struct net_tls **tls_r,
                                         struct fault *fault);
/*
 * All of it. Strings are the configuration's, lists are in the arena; certificates and users are read from their files,
 * and are the caller's to free, also after -1 with a fault.
 */
MUST_USE int config_listener_options(const struct config_listener *config, struct arena *arena,
                                     struct reception_listener_options *options_r, struct fault *fault);

#endif
