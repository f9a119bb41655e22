/*
 * spool_database - what `mailweir spool` does where the spool is a database of PostgreSQL. Each returns the exit code.
 */
#ifndef MAILWEIR_CLI_SPOOL_DATABASE_H
#define MAILWEIR_CLI_SPOOL_DATABASE_H

#include "cli/queue.h"

bool spool_database_is(const struct queue_options *options);
MUST_USE int spool_database_check(const struct queue_options *options);
/* Makes the tables, or brings them up to date. */
MUST_USE int spool_database_migrate(const struct queue_options *options);
/*
 * Connects to the configuration's database, for `mailweir check`: what is wrong, and what is to be known, becomes
 * problems of the configuration's file; what is kept there, keeps_r, the caller's to free ("" for a folder). 1 when no
 * gateway could run on it.
 */
MUST_USE int spool_database_try(const struct config *config, struct problems *problems, char **keeps_r);
/* Says why this verb is none of a database. */
MUST_USE int spool_database_refuse(const char *verb);

#endif
