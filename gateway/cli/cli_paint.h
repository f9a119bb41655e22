/*
 * cli_paint - colours on a terminal that wants them; "" elsewhere.
 */
#ifndef MAILWEIR_CLI_CLI_PAINT_H
#define MAILWEIR_CLI_CLI_PAINT_H

#include <stdbool.h>
#include <stdio.h>

struct problems;

/* Whether the descriptor is a terminal that wants colour: https://no-color.org. */
bool cli_has_colour(int fd);

enum cli_tone { CLI_PLAIN, CLI_GOOD, CLI_BAD, CLI_WARN, CLI_DIM, CLI_BOLD, CLI_TONES };

/* What begins the tone on this stream (stdout or stderr). CLI_PLAIN ends every other. */
const char *cli_paint(FILE *stream, enum cli_tone tone);
/* Of a delivery's state: filed good, dead and refused bad, waiting and held a warning. */
enum cli_tone cli_tone_of(const char *state);
/* Prints the problems to standard error, errors and warnings in their colours; with errors_only, no warnings. */
void cli_print_problems(const struct problems *problems, bool errors_only);

#endif
