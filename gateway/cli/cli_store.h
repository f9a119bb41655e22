/*
 * cli_store - which store it shall be: the command line is the one that says so.
 */
#ifndef MAILWEIR_CLI_CLI_STORE_H
#define MAILWEIR_CLI_CLI_STORE_H

#include "config/config.h"
#include "store/store.h"

struct cli_store {
    const struct store_ops *ops;
    char *place; /* in the store's words; it may hold a password */
};

/* What it is kept in, as the configuration says; and where. */
const struct store_ops *cli_store_kind(const struct config *config);
/* What an overflow is kept in (spool_overflow.h). */
const struct store_ops *cli_store_overflow(void);
void cli_store_of_config(struct cli_store *store, const struct config *config);
/* As --spool says: a folder, or "postgresql:" and a connection string. */
void cli_store_of_path(struct cli_store *store, const char *path);
/* Wipes and frees; fine when it was never set. */
void cli_store_done(struct cli_store *store);

#endif
