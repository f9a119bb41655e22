/*
 * spool_index - prepared statements over the tables of spool_schema.c; see spool_index.h.
 */
#include "spool/spool_index.h"

#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_schema.h"

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    GET,
    SET,
    LAST_MESSAGE,
    ADD_MESSAGE,
    ADD_DELIVERY,
    CHANGE_DELIVERY,
    ADD_ATTEMPT,
    HAND,
    SETTLE,
    DUE,
    NEXT_DUE,
    PLACE,
    COUNT_WAITING,
    COUNT_STOPPED,
    COUNT_MESSAGES,
    SEGMENTS,
    OLD_MESSAGES,
    FORGET_ATTEMPTS,
    FORGET_DELIVERIES,
    FORGET_MESSAGE,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GET] = "SELECT value FROM spool WHERE name = ?1",
    [SET] = "INSERT OR REPLACE INTO spool (name, value) VALUES (?1, ?2)",
    [LAST_MESSAGE] = "SELECT ifnull(max(seq), 0) FROM message",
    [ADD_MESSAGE] = "INSERT INTO message (seq, id, received_ms, segment, start, body_len, body_sum, record_len, open,"
                    " settled_ms, envelope) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ADD_DELIVERY] = "INSERT INTO delivery (message, number, state, upstream, due_ms, handed, changed_ms, detail)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [CHANGE_DELIVERY] = "UPDATE delivery SET state = ?3, due_ms = ?4, attempts = ?5, uncertain = ?6, handed = 0,"
                        " changed_ms = ?7, uidvalidity = ?8, uid = ?9 WHERE message = ?1 AND number = ?2",
    [ADD_ATTEMPT] = "INSERT OR REPLACE INTO attempt (message, number, attempt, at_ms, class, code, place, text)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    /* Who fetches it may leave it: that an earlier run had handed it out must not be forgotten then. */
    [HAND] = "UPDATE delivery SET uncertain = uncertain OR ?3 AND handed NOT IN (0, ?3), handed = ?3"
             " WHERE message = ?1 AND number = ?2",
    [SETTLE] = "UPDATE message SET open = open - 1, settled_ms = CASE open WHEN 1 THEN ?2 ELSE 0 END WHERE seq = ?1"
               " RETURNING open, segment, start, record_len, body_len, body_sum",
    [DUE] = "SELECT d.message, d.number, d.due_ms, d.attempts, d.uncertain, d.handed, d.detail, m.id, m.envelope,"
            " m.segment, m.start, m.record_len, m.body_len, m.body_sum FROM delivery d JOIN message m ON m.seq = d.message"
            " WHERE d.state = 0 AND d.upstream = ?1 AND d.due_ms <= ?2 ORDER BY d.due_ms",
    [NEXT_DUE] = "SELECT min(due_ms) FROM delivery WHERE state = 0 AND upstream = ?1 AND due_ms > ?2",
    [PLACE] = "SELECT segment, start, record_len, body_len, body_sum FROM message WHERE seq = ?1 AND open > 0",
    [COUNT_WAITING] = "SELECT count(*) FROM delivery WHERE state = 0",
    [COUNT_STOPPED] = "SELECT count(*) FROM delivery WHERE state = ?1 AND state IN (1, 2)",
    [COUNT_MESSAGES] = "SELECT count(*) FROM message WHERE open > 0",
    [SEGMENTS] = "SELECT segment, count(*), sum(record_len) FROM message WHERE open > 0 GROUP BY segment",
    [OLD_MESSAGES] = "SELECT seq FROM message WHERE open = 0 AND settled_ms < ?1 ORDER BY settled_ms LIMIT ?2",
    [FORGET_ATTEMPTS] = "DELETE FROM attempt WHERE message = ?1",
    [FORGET_DELIVERIES] = "DELETE FROM delivery WHERE message = ?1",
    [FORGET_MESSAGE] = "DELETE FROM message WHERE seq = ?1",
};

struct spool_index {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    unsigned log_pages;
};

/* ---- faults ---- */

int spool_index_failed(sqlite3 *db, int code, struct fault *fault)
{
    static const struct {
        int result;
        const char *code;
    } known[] = {
        {SQLITE_FULL, "enospc"}, {SQLITE_IOERR, "eio"},      {SQLITE_READONLY, "erofs"}, {SQLITE_CORRUPT, "damaged"},
        {SQLITE_NOTADB, "damaged"}, {SQLITE_BUSY, "busy"}, {SQLITE_LOCKED, "busy"},
    };
    const char *name = "sqlite";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].result == (code & 0xFF)) {
            name = known[i].code;
        }
    }
    fault_set(fault, FAULT_LOCAL, name, "index", "the spool's index: %s (SQLite %d)",
              db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db), code);
    return -1;
}

/* ---- binding and stepping ---- */

/* The statement, prepared at its first use: a reader never prepares what only the writer says. */
static sqlite3_stmt *statement(struct spool_index *index, enum statement which, struct fault *fault)
{
    if (index->statements[which] == NULL) {
        int code = sqlite3_prepare_v3(index->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &index->statements[which], NULL);
        if (code != SQLITE_OK) {
            spool_index_failed(index->db, code, fault);
        }
    }
    return index->statements[which];
}

static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static void bind_bytes(sqlite3_stmt *st, int at, struct bytes text)
{
    sqlite3_bind_text(st, at, (const char *)text.ptr, (int)text.len, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *st, int at, uint64_t number)
{
    sqlite3_bind_int64(st, at, (sqlite3_int64)number);
}

static uint64_t column_number(sqlite3_stmt *st, int at)
{
    return (uint64_t)sqlite3_column_int64(st, at);
}

static struct bytes column_bytes(sqlite3_stmt *st, int at)
{
    const void *text = sqlite3_column_text(st, at);
    return bytes_at(text, (size_t)sqlite3_column_bytes(st, at));
}

/* Runs a statement that gives no rows. */
static int run(struct spool_index *index, sqlite3_stmt *st, struct fault *fault)
{
    int code = sqlite3_step(st);
    if (code != SQLITE_DONE) {
        spool_index_failed(index->db, code, fault);
    }
    sqlite3_reset(st);
    return code == SQLITE_DONE ? 0 : -1;
}

/* Steps to the next row: 1, 0 at the end, -1 with a fault. The caller resets. */
static int next_row(struct spool_index *index, sqlite3_stmt *st, struct fault *fault)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        return code == SQLITE_ROW;
    }
    return spool_index_failed(index->db, code, fault);
}

/* The one number of a statement's one row. */
static int one_number(struct spool_index *index, sqlite3_stmt *st, uint64_t *value_r, struct fault *fault)
{
    int got = next_row(index, st, fault);
    if (got == 1) {
        *value_r = column_number(st, 0);
    } else if (got == 0) {
        fault_set(fault, FAULT_LOCAL, "damaged", "index", "the spool's index lacks a row: %s", sqlite3_sql(st));
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}

/* ---- opening ---- */

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct spool_index *index = ctx;
    index->log_pages = (unsigned)pages;
    return SQLITE_OK;
}

static int set_up(struct spool_index *index, enum spool_index_mode mode, struct fault *fault)
{
    static const char *const pragmas[] = {
        [SPOOL_INDEX_WRITE] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;"
                              "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;",
        [SPOOL_INDEX_READ] = "PRAGMA query_only = 1; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;"
                             "PRAGMA wal_autocheckpoint = 0;",
    };
    sqlite3_busy_timeout(index->db, 5000);
    int code = sqlite3_exec(index->db, pragmas[mode], NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        return spool_index_failed(index->db, code, fault);
    }
    sqlite3_wal_hook(index->db, on_commit, index);
    return mode == SPOOL_INDEX_WRITE ? spool_schema_migrate(index->db, fault) : 0;
}

int spool_index_open(struct spool_index **index_r, const char *path, const char *vfs, enum spool_index_mode mode,
                     struct fault *fault)
{
    struct spool_index *index = expect_calloc(1, sizeof *index);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == SPOOL_INDEX_WRITE ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &index->db, flags, vfs);
    if (code != SQLITE_OK) {
        spool_index_failed(index->db, code, fault);
        spool_index_close(&index);
        return -1;
    }
    if (set_up(index, mode, fault) != 0) {
        spool_index_close(&index);
        return -1;
    }
    *index_r = index;
    return 0;
}

void spool_index_close(struct spool_index **index)
{
    if (*index == NULL) {
        return;
    }
    for (size_t i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize((*index)->statements[i]);
    }
    sqlite3_close((*index)->db);
    free(*index);
    *index = NULL;
}

/* ---- transactions and numbers ---- */

static int run_plain(struct spool_index *index, enum statement which, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, which, fault);
    return st == NULL ? -1 : run(index, st, fault);
}

int spool_index_begin(struct spool_index *index, struct fault *fault)
{
    return run_plain(index, BEGIN, fault);
}

int spool_index_commit(struct spool_index *index, struct fault *fault)
{
    return run_plain(index, COMMIT, fault);
}

void spool_index_rollback(struct spool_index *index)
{
    /* Some failures have rolled back already. */
    if (sqlite3_get_autocommit(index->db) == 0) {
        run_plain(index, ROLLBACK, NULL);
    }
}

int spool_index_get(struct spool_index *index, const char *name, uint64_t *value_r, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, GET, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, name);
    return one_number(index, st, value_r, fault);
}

int spool_index_set(struct spool_index *index, const char *name, uint64_t value, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, SET, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, name);
    bind_number(st, 2, value);
    return run(index, st, fault);
}

int spool_index_last_message(struct spool_index *index, uint64_t *seq_r, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, LAST_MESSAGE, fault);
    return st == NULL ? -1 : one_number(index, st, seq_r, fault);
}

/* ---- messages and deliveries ---- */

int spool_index_add_message(struct spool_index *index, const struct spool_index_message *message, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, ADD_MESSAGE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message->seq);
    bind_text(st, 2, message->id);
    bind_number(st, 3, (uint64_t)message->received_ms);
    bind_number(st, 4, message->place.segment);
    bind_number(st, 5, message->place.start);
    bind_number(st, 6, message->place.body_len);
    bind_number(st, 7, message->place.body_sum);
    bind_number(st, 8, message->place.record_len);
    bind_number(st, 9, message->open);
    bind_number(st, 10, (uint64_t)message->settled_ms);
    bind_bytes(st, 11, message->envelope);
    return run(index, st, fault);
}

int spool_index_add_delivery(struct spool_index *index, const struct spool_index_delivery *delivery, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, ADD_DELIVERY, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, delivery->message);
    bind_number(st, 2, delivery->number);
    bind_number(st, 3, delivery->state);
    bind_text(st, 4, delivery->upstream);
    bind_number(st, 5, (uint64_t)delivery->due_ms);
    bind_number(st, 6, delivery->handed);
    bind_number(st, 7, (uint64_t)delivery->changed_ms);
    bind_bytes(st, 8, delivery->detail);
    return run(index, st, fault);
}

int spool_index_change_delivery(struct spool_index *index, const struct spool_index_change *change, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, CHANGE_DELIVERY, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, change->message);
    bind_number(st, 2, change->number);
    bind_number(st, 3, change->state);
    bind_number(st, 4, (uint64_t)change->due_ms);
    bind_number(st, 5, change->attempts);
    bind_number(st, 6, change->uncertain);
    bind_number(st, 7, (uint64_t)change->changed_ms);
    bind_number(st, 8, change->uidvalidity);
    bind_number(st, 9, change->uid);
    return run(index, st, fault);
}

int spool_index_add_attempt(struct spool_index *index, const struct spool_index_change *change, const struct fault *what,
                            struct fault *fault)
{
    sqlite3_stmt *st = statement(index, ADD_ATTEMPT, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, change->message);
    bind_number(st, 2, change->number);
    bind_number(st, 3, change->attempts);
    bind_number(st, 4, (uint64_t)change->changed_ms);
    bind_text(st, 5, fault_class_name(what->class));
    bind_text(st, 6, what->code);
    bind_text(st, 7, what->where);
    bind_text(st, 8, what->text);
    return run(index, st, fault);
}

int spool_index_hand(struct spool_index *index, uint64_t message, unsigned number, uint64_t run_number, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, HAND, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, number);
    bind_number(st, 3, run_number);
    return run(index, st, fault);
}

/* The five columns of a place, from `at` on. */
static struct spool_place column_place(sqlite3_stmt *st, int at)
{
    return (struct spool_place){
        .segment = column_number(st, at),
        .start = column_number(st, at + 1),
        .record_len = column_number(st, at + 2),
        .body_len = column_number(st, at + 3),
        .body_sum = column_number(st, at + 4),
    };
}

int spool_index_settle(struct spool_index *index, uint64_t message, int64_t now_ms, unsigned *open_r,
                       struct spool_place *place_r, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, SETTLE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, (uint64_t)now_ms);
    int got = next_row(index, st, fault);
    if (got == 1) {
        *open_r = (unsigned)column_number(st, 0);
        *place_r = column_place(st, 1);
        got = next_row(index, st, fault) == 0 ? 1 : -1;
    } else if (got == 0) {
        fault_set(fault, FAULT_LOCAL, "damaged", "index", "the spool's index does not know a message that is being settled");
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}

/* ---- what is due ---- */

static struct spool_index_due column_due(sqlite3_stmt *st)
{
    return (struct spool_index_due){
        .message = column_number(st, 0),
        .number = (unsigned)column_number(st, 1),
        .due_ms = sqlite3_column_int64(st, 2),
        .attempts = (unsigned)column_number(st, 3),
        .uncertain = column_number(st, 4) != 0,
        .handed = column_number(st, 5),
        .detail = column_bytes(st, 6),
        .id = (const char *)sqlite3_column_text(st, 7),
        .envelope = column_bytes(st, 8),
        .place = column_place(st, 9),
    };
}

int spool_index_each_due(struct spool_index *index, const char *upstream, int64_t now_ms,
                         int (*fn)(void *ctx, const struct spool_index_due *due), void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    int got;
    while ((got = next_row(index, st, fault)) == 1) {
        struct spool_index_due due = column_due(st);
        if (fn(ctx, &due) != 0) {
            break;
        }
    }
    sqlite3_reset(st);
    return got < 0 ? -1 : 0;
}

int spool_index_next_due(struct spool_index *index, const char *upstream, int64_t now_ms, int64_t *due_ms_r,
                         struct fault *fault)
{
    sqlite3_stmt *st = statement(index, NEXT_DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    int got = next_row(index, st, fault);
    if (got == 1) {
        *due_ms_r = sqlite3_column_type(st, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}

int spool_index_place(struct spool_index *index, uint64_t message, struct spool_place *place_r, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, PLACE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    int got = next_row(index, st, fault);
    if (got >= 0) {
        *place_r = got == 1 ? column_place(st, 0) : (struct spool_place){0};
    }
    sqlite3_reset(st);
    return got < 0 ? -1 : 0;
}

/* ---- the whole ---- */

static int count_stopped(struct spool_index *index, enum spool_state state, uint64_t *count_r, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, COUNT_STOPPED, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, state);
    return one_number(index, st, count_r, fault);
}

int spool_index_count(struct spool_index *index, struct spool_index_counts *counts_r, struct fault *fault)
{
    sqlite3_stmt *waiting = statement(index, COUNT_WAITING, fault);
    sqlite3_stmt *messages = statement(index, COUNT_MESSAGES, fault);
    struct spool_index_counts counts = {0};
    if (waiting == NULL || messages == NULL || one_number(index, waiting, &counts.waiting, fault) != 0 ||
        one_number(index, messages, &counts.messages, fault) != 0 ||
        count_stopped(index, SPOOL_STATE_HELD, &counts.held, fault) != 0 ||
        count_stopped(index, SPOOL_STATE_DEAD, &counts.dead, fault) != 0) {
        return -1;
    }
    *counts_r = counts;
    return 0;
}

int spool_index_each_segment(struct spool_index *index, void (*fn)(void *ctx, uint64_t segment, uint64_t live, uint64_t octets),
                             void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = statement(index, SEGMENTS, fault);
    if (st == NULL) {
        return -1;
    }
    int got;
    while ((got = next_row(index, st, fault)) == 1) {
        fn(ctx, column_number(st, 0), column_number(st, 1), column_number(st, 2));
    }
    sqlite3_reset(st);
    return got;
}

/* Collects the oldest settled messages first: deleting while reading the same index is left undefined by SQLite. */
static int old_messages(struct spool_index *index, int64_t before_ms, unsigned limit, uint64_t *seqs, unsigned *count_r,
                        struct fault *fault)
{
    sqlite3_stmt *st = statement(index, OLD_MESSAGES, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, (uint64_t)before_ms);
    bind_number(st, 2, limit);
    unsigned count = 0;
    int got;
    while ((got = next_row(index, st, fault)) == 1) {
        seqs[count++] = column_number(st, 0);
    }
    sqlite3_reset(st);
    *count_r = count;
    return got;
}

static int forget_message(struct spool_index *index, uint64_t seq, struct fault *fault)
{
    static const enum statement order[] = {FORGET_ATTEMPTS, FORGET_DELIVERIES, FORGET_MESSAGE};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        sqlite3_stmt *st = statement(index, order[i], fault);
        if (st == NULL) {
            return -1;
        }
        bind_number(st, 1, seq);
        if (run(index, st, fault) != 0) {
            return -1;
        }
    }
    return 0;
}

int spool_index_forget(struct spool_index *index, int64_t before_ms, unsigned limit, unsigned *count_r, struct fault *fault)
{
    uint64_t *seqs = expect_calloc(limit, sizeof *seqs);
    unsigned count = 0;
    int result = old_messages(index, before_ms, limit, seqs, &count, fault);
    for (unsigned i = 0; result == 0 && i < count; i++) {
        result = forget_message(index, seqs[i], fault);
    }
    free(seqs);
    if (result == 0) {
        *count_r = count;
    }
    return result;
}

int spool_index_checkpoint(struct spool_index *index, struct fault *fault)
{
    int code = sqlite3_wal_checkpoint_v2(index->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return code == SQLITE_OK || code == SQLITE_BUSY ? 0 : spool_index_failed(index->db, code, fault);
}

unsigned spool_index_log_pages(const struct spool_index *index)
{
    return index->log_pages;
}
