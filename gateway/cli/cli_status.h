/*
 * cli_status - the gateway's state as text: `mailweir status` prints it once, `mailweir top` again and again.
 */
#ifndef MAILWEIR_CLI_CLI_STATUS_H
#define MAILWEIR_CLI_CLI_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* status: as GET /api/v1/status gives it. */
void cli_status_print(FILE *out, const json_t *status, bool colour);

#endif
