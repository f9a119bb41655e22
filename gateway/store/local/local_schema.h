/*
 * local_schema - the tables of the index, and the way from each older version to this one.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_SCHEMA_H
#define MAILWEIR_STORE_LOCAL_LOCAL_SCHEMA_H

#include <sqlite3.h>

#include "base/fault.h"
#include "base/must_use.h"

/* The version that this mailweir writes. It stands in the database's user_version; 0 is an empty database. */
#define LOCAL_SCHEMA_VERSION 12

/*
 * Brings the database up to the version, in one transaction. Fault "version" when it was written by a newer mailweir,
 * with nothing changed.
 */
MUST_USE int local_schema_migrate(sqlite3 *db, struct fault *fault);
/* 0 when the database has exactly this version; else -1 with a fault "version". */
MUST_USE int local_schema_expect(sqlite3 *db, struct fault *fault);
/* The version of the database, or -1 with a fault. */
MUST_USE int local_schema_version(sqlite3 *db, struct fault *fault);

#endif
