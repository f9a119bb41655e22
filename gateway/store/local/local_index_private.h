/*
 * local_index_private - what the files of the index share: the connection, its statements, binding and stepping.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_INDEX_PRIVATE_H
#define MAILWEIR_STORE_LOCAL_LOCAL_INDEX_PRIVATE_H

#include <sqlite3.h>

#include "base/must_use.h"
#include "store/local/local_index.h"
#include "store/local/local_prepared.h"

enum statement {
    BEGIN,
    BEGIN_READ,
    COMMIT,
    ROLLBACK,
    GET,
    SET,
    LAST_MESSAGE,
    ADD_MESSAGE,
    ADD_DELIVERY,
    FINISH,
    REDIRECT,
    ADD_ATTEMPT,
    HAND,
    GIVE_BACK,
    SET_DOUBT,
    DROPPED,
    FIND_UNHEARD,
    REOPEN,
    REOPEN_MESSAGE,
    HEARD,
    RETRY_DEAD,
    SETTLE,
    KNOWS,
    ID,
    FIND_PRINT,
    DUE,
    DUE_OF_TURN,
    NEXT_TURN,
    IS_PAUSED,
    LOAD,
    NEXT_DUE,
    MOVE_DUE,
    PLACE,
    COUNT_WAITING,
    COUNT_STOPPED,
    COUNT_MESSAGES,
    LIVING,
    IN_SEGMENT,
    MOVE,
    COUNT_SETTLED,
    OLD_MESSAGES,
    FORGET_ATTEMPTS,
    FORGET_DELIVERIES,
    FORGET_NOTES,
    FORGET_MESSAGE,
    SET_STATE,
    ADD_NOTE,
    OPEN_MORE,
    DIVERTIBLE,
    LAST_NUMBER,
    PAUSES,
    PAUSE,
    RESUME,
    MEMOS,
    SET_MEMO,
    DROP_MEMO,
    ADD_WORDS,
    REMOVE_WORDS,
    CLEAR_WORDS,
    UNLEARNT,
    TO_UNLEARN,
    ADD_CHUNKS,
    ADD_PLACES,
    ADD_PLACE,
    IN_CHUNK,
    FORGET_CHUNK,
    FORGET_PLACES,
    ENVELOPE,
    SET_ENVELOPE,
    STATEMENTS,
};

struct local_index {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct local_prepared prepared;
    unsigned page_size, log_pages;
};

/* Messages of a chunk, as a number and in SQL; and what each of its words begins with. See local_chunk.c. */
#define LOCAL_CHUNK          256u
#define LOCAL_CHUNK_SQL      "256"
#define LOCAL_CHUNK_UPSTREAM "u"
#define LOCAL_CHUNK_FOLDER   "f"
#define LOCAL_CHUNK_RULE     "r"

/* Messages above the one and up to the other stand in their chunks. */
MUST_USE int local_index_learn_chunks(struct local_index *index, uint64_t above, uint64_t last, struct fault *fault);
/* The message has gone, and its chunk when it was the last one. */
MUST_USE int local_index_leave_chunk(struct local_index *index, uint64_t seq, struct fault *fault);

/* The connection, for statements that are made of pieces or used once. */
sqlite3 *local_index_db(struct local_index *index);
/* Fills the fault from SQLite's result code; returns -1. */
MUST_USE int local_sql_failed(sqlite3 *db, int code, struct fault *fault);

/* The statement, prepared at its first use: a reader never prepares what only the writer says. NULL with a fault. */
sqlite3_stmt *local_sql_statement(struct local_index *index, enum statement which, struct fault *fault);
/* One that has any other text, see local_prepared.h: NULL with a fault; given back, it is NULL. */
MUST_USE sqlite3_stmt *local_sql_take(struct local_index *index, const char *text, struct fault *fault);
void local_sql_give(struct local_index *index, sqlite3_stmt **st);
/* Runs a statement that gives no rows. */
MUST_USE int local_sql_run(struct local_index *index, sqlite3_stmt *st, struct fault *fault);
/* Steps to the next row: 1, 0 at the end, -1 with a fault. The caller resets. */
MUST_USE int local_sql_next_row(struct local_index *index, sqlite3_stmt *st, struct fault *fault);
/* The one number of a statement's one row. */
MUST_USE int local_sql_one_number(struct local_index *index, sqlite3_stmt *st, uint64_t *value_r, struct fault *fault);

static inline void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static inline void bind_bytes(sqlite3_stmt *st, int at, struct bytes text)
{
    sqlite3_bind_text(st, at, (const char *)text.ptr, (int)text.len, SQLITE_STATIC);
}

static inline void bind_number(sqlite3_stmt *st, int at, uint64_t number)
{
    sqlite3_bind_int64(st, at, (sqlite3_int64)number);
}

static inline uint64_t column_number(sqlite3_stmt *st, int at)
{
    return (uint64_t)sqlite3_column_int64(st, at);
}

static inline struct bytes column_bytes(sqlite3_stmt *st, int at)
{
    const void *text = sqlite3_column_text(st, at);
    return bytes_at(text, (size_t)sqlite3_column_bytes(st, at));
}

/* The five columns of a place, from `at` on. */
static inline struct store_place column_place(sqlite3_stmt *st, int at)
{
    return (struct store_place){
        .segment = column_number(st, at),
        .start = column_number(st, at + 1),
        .record_len = column_number(st, at + 2),
        .body_len = column_number(st, at + 3),
        .body_sum = column_number(st, at + 4),
    };
}

#endif
