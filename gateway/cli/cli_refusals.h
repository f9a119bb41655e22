/*
 * cli_refusals - what clients heard when they were refused, for `mailweir why` and `mailweir clients`: from the running
 * gateway, or from the file beside the queue.
 */
#ifndef MAILWEIR_CLI_CLI_REFUSALS_H
#define MAILWEIR_CLI_CLI_REFUSALS_H

#include <jansson.h>

#include "cli/cli_api.h"

/* Newest first, of this client and message (NULL: of all); spool: its folder. api may be NULL. A new reference; an
 * empty array when none is known. */
json_t *cli_refusals(struct cli_api *api, const char *spool, const char *client, const char *id);
/* One, in two lines, with so many blanks in front. */
void cli_refusal_print(const json_t *refusal, int indent);

#endif
