/*
 * cli_status - the gateway's state as text: `mailweir status` prints it once, `mailweir top` again and again.
 */
#ifndef MAILWEIR_CLI_CLI_STATUS_H
#define MAILWEIR_CLI_CLI_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* status: as GET /api/v1/status gives it. */
void cli_status_print(FILE *out, const json_t *status, bool colour);
/* What the head's colour is: never good while one of the lines below it names trouble. */
enum cli_status_mood { CLI_STATUS_GOOD, CLI_STATUS_WARN, CLI_STATUS_BAD };
enum cli_status_mood cli_status_mood(const json_t *status);
/* The same in words, such as "takes mail, with problems". */
const char *cli_status_headline(const json_t *status);
/* "3 d 4 h", "12 min", "5 s". */
void cli_status_duration(char out[32], int64_t milliseconds);
/* How long ago that was ("2026-11-23T07:11:20.123Z") by the status's own "now". */
void cli_status_since(const json_t *status, const char *time, char out[32]);
/* How long it is until then; "" when there is no time. */
void cli_status_until(const json_t *status, const char *time, char out[32]);

#endif
