/*
 * cli_upstreams - tries one address of an upstream: connect, TLS, log in, what the server can do, whether messages
 * could go into the folders that the rules use, and which names the server takes. The same for `upstreams` and for
 * `check --upstreams`: they never disagree. Nothing is filed, made or changed, but for a probe.
 */
#ifndef MAILWEIR_CLI_CLI_UPSTREAMS_H
#define MAILWEIR_CLI_CLI_UPSTREAMS_H

#include <jansson.h>
#include <stdio.h>

#include "config/config.h"

/* Which folders there are at the upstreams that were tried, for who checks against them. */
struct cli_upstreams_folders {
    struct arena *arena; /* of: */
    struct filters_folder *items;
    size_t count;
};
void cli_upstreams_folders_init(struct cli_upstreams_folders *folders);
void cli_upstreams_folders_done(struct cli_upstreams_folders *folders);

/*
 * Blocks. place: 0 for the upstream's address, then its standby addresses. probe: a folder that a message is filed into
 * and removed from again; or NULL. folders (may be NULL) gets those of the account. The result is the caller's: an
 * object whose "good" tells whether all of it works; the members are described in mailweir(8).
 */
json_t *cli_upstreams_try(const struct config *config, const struct config_upstream *upstream, size_t place,
                          const char *probe, struct cli_upstreams_folders *folders);
size_t cli_upstreams_places(const struct config_upstream *upstream);
/* The same for people, on standard output. */
void cli_upstreams_print(const json_t *tried);
/* Of that what stands in the way of mail, a line for each, beginning with the upstream's name. */
void cli_upstreams_print_problems(const json_t *tried, FILE *out);

#endif
