/*
 * spool_move - `mailweir spool move`: what is open goes from the spool's folder into its database in PostgreSQL, or
 * back.
 *
 * Each message is taken in at its new place, and dropped at its old one when it is durable there. Whatever ends it in
 * between, it goes on when it is said again: a message that the new place knows is not taken twice. Nobody may run on
 * the old place.
 */
#ifndef MAILWEIR_CLI_SPOOL_MOVE_H
#define MAILWEIR_CLI_SPOOL_MOVE_H

#include "cli/queue.h"

/* To options->to, "postgresql" or "local". Returns the exit code: 1 when messages were left out. */
MUST_USE int spool_move(const struct queue_options *options);

#endif
