/*
 * cli_explain - an explanation of the rules as people read it.
 */
#ifndef MAILWEIR_CLI_CLI_EXPLAIN_H
#define MAILWEIR_CLI_CLI_EXPLAIN_H

#include <stdio.h>

#include "filters/filters.h"

/* Prints what filters_explain() gave. */
void cli_explain_print(const char *name, const struct filters_message *message, struct bytes explanation, bool colour,
                       FILE *out);

#endif
