/*
 * cli_ask - answers of a person, or of a script, on standard input.
 */
#ifndef MAILWEIR_CLI_CLI_ASK_H
#define MAILWEIR_CLI_CLI_ASK_H

#include "base/must_use.h"

/* Octets of an answer. */
#define CLI_ASK_MAX  1000
#define CLI_ASK_SIZE (CLI_ASK_MAX + 2)

enum cli_answer {
    CLI_ANSWER_GIVEN, /* maybe an empty line */
    CLI_ANSWER_NONE,  /* the input has ended */
    CLI_ANSWER_TOO_LONG,
};

/* Prints the question to standard error, unless it is NULL, and reads one line without its end; blocks. */
MUST_USE enum cli_answer cli_ask(const char *question, char into[CLI_ASK_SIZE]);
/* The same, and a terminal does not show what is typed. */
MUST_USE enum cli_answer cli_ask_secret(const char *question, char into[CLI_ASK_SIZE]);

#endif
