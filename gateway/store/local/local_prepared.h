/*
 * local_prepared - statements whose text is not one of local_sql.c's: those of questions, searches and selections,
 * which are put together from pieces or seldom asked. To read such a text costs SQLite more than to answer most of
 * them, so the last ones used are kept, LOCAL_PREPARED_MAX at most, each of one connection.
 *
 * One that is taken belongs to the caller alone: who asks the same inside of an answer gets another. What is kept is
 * reset and has no values bound, so it holds no old state of the database, nor any caller's text. SQLite itself reads a
 * kept text again when the schema has changed since.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_PREPARED_H
#define MAILWEIR_STORE_LOCAL_LOCAL_PREPARED_H

#include <stdint.h>

#include <sqlite3.h>

#include "base/must_use.h"

/* Enough for each of the fixed questions and what an operator's page asks again and again; some 10 KB each. */
#define LOCAL_PREPARED_MAX 24

struct local_prepared {
    struct {
        sqlite3_stmt *st; /* NULL: free */
        uint64_t sum;     /* of its text */
        uint64_t used;    /* by the clock */
    } kept[LOCAL_PREPARED_MAX];
    uint64_t clock;
};

/* The statement with this text, nothing bound, to be given back before the connection closes; SQLITE_OK, or SQLite's
 * result code. */
MUST_USE int local_prepared_take(struct local_prepared *prepared, sqlite3 *db, const char *text, sqlite3_stmt **st_r);
/* Sets *st to NULL; NULL is fine. Rows and texts of it are gone. One whose last step failed is not kept. */
void local_prepared_give(struct local_prepared *prepared, sqlite3_stmt **st);
/* Before the connection closes. */
void local_prepared_done(struct local_prepared *prepared);

#endif
