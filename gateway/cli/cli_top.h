/*
 * cli_top - what `mailweir top` shows on a terminal: the stream by rule with its rates, upstreams with state and
 * reason, the queue and when it will be empty, the last failures. Knows no terminal but its size.
 */
#ifndef MAILWEIR_CLI_CLI_TOP_H
#define MAILWEIR_CLI_CLI_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/must_use.h"

struct cli_top;

MUST_USE struct cli_top *cli_top_new(void);
/* Sets *top to NULL; NULL is fine. */
void cli_top_free(struct cli_top **top);

/* A second has passed: the state as GET /api/v1/status gives it, and the ways as GET /api/v1/flows does (or NULL). */
void cli_top_second(struct cli_top *top, const json_t *state, const json_t *flows);
/* A line of the log. */
void cli_top_line(struct cli_top *top, const json_t *line);
/* A key was pressed; false: it is the end. */
bool cli_top_key(struct cli_top *top, int key);
/* Draws the last second over what stands there: at most so many rows, none longer than so many columns. */
void cli_top_draw(struct cli_top *top, FILE *out, unsigned rows, unsigned columns, bool colour);

#endif
