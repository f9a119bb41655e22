/*
 * cli_upstreams - tries one address of an upstream: connect, TLS, log in, what the server can do, and whether messages
 * could go into the folders that the rules use. Nothing is filed, made or changed.
 */
#ifndef MAILWEIR_CLI_CLI_UPSTREAMS_H
#define MAILWEIR_CLI_CLI_UPSTREAMS_H

#include <jansson.h>

#include "config/config.h"

/*
 * Blocks. place: 0 for the upstream's address, then its standby addresses. The result is the caller's: an object whose
 * "good" tells whether all of it works; the members are described in mailweir(8).
 */
json_t *cli_upstreams_try(const struct config *config, const struct config_upstream *upstream, size_t place);
size_t cli_upstreams_places(const struct config_upstream *upstream);
/* The same for people, on standard output. */
void cli_upstreams_print(const json_t *tried);

#endif
