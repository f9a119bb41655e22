/*
 * config_spool - where the queue lies: a folder of this machine, or a database of PostgreSQL.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_SPOOL_H
#define MAILWEIR_CONFIG_CONFIG_SPOOL_H

#include "config/config.h"
#include "document/document.h"

/* Fills in what follows from what was read. */
void config_spool_settle(struct config *config);
/*
 * Appends where the store is, in the store's own words: the folder; or libpq's connection string, with the password and
 * with the TLS that is asked for. It is secret then.
 */
void config_spool_place(const struct config *config, struct buf *out);
/* The same for people, without the password. The configuration's. */
const char *config_spool_shown(const struct config *config);
/* What can be wrong with the key "spool" without looking at the disk or the network. */
void config_spool_check(const struct config *config, const struct document *json, struct problems *problems);

#endif
