/*
 * cli_progress - how far long work has come: one line on standard error that is drawn over, on a terminal only; in a
 * pipe or a file nothing.
 */
#ifndef MAILWEIR_CLI_CLI_PROGRESS_H
#define MAILWEIR_CLI_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
    const char *what; /* "exporting"; by reference */
    uint64_t total;   /* 0: not known */
    uint64_t done;
    int64_t drawn_ms;
    bool shown; /* a line stands there */
    bool is_on;
};

void cli_progress_begin(struct cli_progress *progress, const char *what, uint64_t total);
/* Draws at most ten times a second. */
void cli_progress_step(struct cli_progress *progress, uint64_t done);
/* Takes the line away, so that something else can be printed; the next step draws it again. */
void cli_progress_clear(struct cli_progress *progress);

#endif
