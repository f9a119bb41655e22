/*
 * postgresql - the store in a database of PostgreSQL (13 and later), which several nodes share. See store.h and
 * deploy/doc/internals/postgresql.md.
 *
 * A batch is one transaction; what the network loses of the answer to its COMMIT is asked for by a key that the batch
 * wrote (grp). A node is an epoch: what is in its hands bears its number, and a row (fence) is its right to write.
 */
#ifndef MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_H
#define MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_H

#include "store/store.h"

/*
 * Its path is a connection string of libpq, which may hold a password. Faults: "foreign" when mailweir's tables are not
 * there, "version" when they are of another version, "unsafe" when the server would acknowledge what it may lose; and
 * those of postgresql_link.h.
 */
extern const struct store_ops postgresql_store;

/*
 * Makes mailweir's tables in a database, or brings them up to date: from version *from_r (0: there were none) to
 * *to_r. Nodes that run meanwhile wait for it. -1 with a fault as above.
 */
MUST_USE int postgresql_migrate(const char *place, int *from_r, int *to_r, struct fault *fault);
/*
 * Connects as a node does and looks whether one could run there: -1 with the fault that it would have. What else is to
 * be known goes to warnings; what the cluster keeps if the server's machine dies to keeps. wall_ms: this machine's
 * clock.
 */
MUST_USE int postgresql_check(const char *place, int64_t wall_ms, struct buf *keeps, struct buf *warnings,
                              struct fault *fault);
/* How many nodes run on it, commands apart; -1 with a fault. */
MUST_USE int64_t postgresql_nodes(const char *place, struct fault *fault);
/* Whoever had the store has died: it is closed, and nothing is said to the database. */
void postgresql_crash(struct store *store); /* for tests */

#endif
