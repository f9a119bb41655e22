/*
 * postgresql_schema - mailweir's tables and functions in a database: made and brought up to date by an operator
 * (mailweir spool migrate), looked at by whoever opens it.
 */
#ifndef MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_SCHEMA_H
#define MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_SCHEMA_H

#include "base/buf.h"
#include "store/postgresql/postgresql_link.h"

#define POSTGRESQL_SCHEMA_VERSION 7

/* How many nodes live, commands apart. */
#define POSTGRESQL_SCHEMA_NODES                                                                                        \
    "SELECT count(*) FROM mailweir.node n JOIN mailweir.fence f USING (epoch)"                                         \
    " WHERE n.lease_until > clock_timestamp() AND n.name NOT LIKE '% (a command)'"

/* The texts of schema_1.sql and so on, made part of the program. */
extern const char *const postgresql_schema_steps[POSTGRESQL_SCHEMA_VERSION];

/*
 * Whether the database is mailweir's, of this version or a later one that this program can work with, and can be
 * written to by this role. -1 with a fault that says what to do: "foreign" when the tables are not there, or those of
 * another program are; "version" for another version; "rights".
 */
MUST_USE int postgresql_schema_expect(struct postgresql_link *link, struct fault *fault);
/*
 * Brings it to this version, in one transaction; *from_r is the version that was there, 0: none. The same faults: a
 * newer one, or a database in which another program has tables, is left as it is. So is one on which nodes run that
 * could not work with this version: "busy".
 */
MUST_USE int postgresql_schema_migrate(struct postgresql_link *link, int *from_r, struct fault *fault);

/*
 * What the server's settings make of the promises. -1 with a fault "unsafe" when it would acknowledge what it may lose
 * in a crash. What is to be known, but keeps nobody from starting, is appended to warnings, a sentence each.
 * wall_ms: this machine's clock.
 */
MUST_USE int postgresql_schema_judge(struct postgresql_link *link, int64_t wall_ms, struct buf *warnings,
                                     struct fault *fault);

/* What the cluster keeps if this server's machine dies, as words for operators; and what keeps it from keeping it. */
MUST_USE int postgresql_schema_keeps(struct postgresql_link *link, struct buf *keeps, struct buf *warnings,
                                     struct fault *fault);

#endif
