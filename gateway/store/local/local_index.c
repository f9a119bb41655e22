/*
 * local_index - prepared statements over the tables of local_schema.c; see local_index.h.
 */
#include "store/local/local_index_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_file.h"
#include "store/local/local_schema.h"

#define PATH_LEN 4200

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [BEGIN_READ] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GET] = "SELECT value FROM spool WHERE name = ?1",
    [SET] = "INSERT OR REPLACE INTO spool (name, value) VALUES (?1, ?2)",
    /* A number whose message was erased does not come again: whoever searches takes it for learnt. */
    [LAST_MESSAGE] = "SELECT max((SELECT ifnull(max(seq), 0) FROM message),"
                     " (SELECT value FROM spool WHERE name = 'learnt'))",
    [ADD_MESSAGE] = "INSERT INTO message (seq, id, received_ms, segment, start, body_len, body_sum, record_len, open,"
                    " settled_ms, envelope, sender, message_id, print, unheard)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, nullif(?14, 0), ?15)",
    [ADD_DELIVERY] =
        "INSERT INTO delivery (message, number, state, upstream, due_ms, handed, changed_ms, detail, folder,"
        " rule, lane, uncertain, fallback, doubt)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ifnull(?10, ''), ?11, ?12, ifnull(?13, ''), ifnull(?14, ''))",
    /* Only of who has it in hand. */
    [FINISH] = "UPDATE delivery SET state = ?3, due_ms = ?4, attempts = ?5, uncertain = ?6, handed = 0,"
               " changed_ms = ?7, uidvalidity = ?8, uid = ?9, folder = ifnull(?10, folder), doubt = ifnull(?12, '')"
               " WHERE message = ?1 AND number = ?2 AND state = 0 AND handed = ?11",
    [REDIRECT] = "UPDATE delivery SET upstream = ?3, folder = ?4, fallback = ifnull(?5, ''), lane = ?6, detail = ?7"
                 " WHERE message = ?1 AND number = ?2",
    [ADD_ATTEMPT] = "INSERT OR REPLACE INTO attempt (message, number, attempt, at_ms, class, code, place, text)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    /* Who claims it may give it back: that an earlier run had handed it out, and what was known then, must not be
     * forgotten. */
    [HAND] = "UPDATE delivery SET doubt = CASE WHEN uncertain OR handed <> 0 THEN doubt ELSE ifnull(?6, '') END,"
             " uncertain = uncertain OR handed <> 0, handed = ?3 WHERE message = ?1 AND number = ?2"
             " AND state = 0 AND handed <> ?3 AND due_ms = ?4 AND attempts = ?5",
    [GIVE_BACK] = "UPDATE delivery SET handed = 0, uncertain = ?4, doubt = ifnull(?5, '') WHERE message = ?1 AND "
                  "number = ?2 AND state = 0 AND handed = ?3",
    [SET_DOUBT] =
        "UPDATE delivery SET uncertain = ?3, doubt = ifnull(?4, ''), handed = 0 WHERE message = ?1 AND number = ?2",
    [DROPPED] =
        "SELECT seq, (SELECT count(*) FROM delivery WHERE message = seq AND state = 4),"
        " (SELECT count(*) FROM delivery WHERE message = seq AND state NOT IN (4, 5)) FROM message WHERE id = ?1",
    [FIND_UNHEARD] = "SELECT seq, id, open FROM message WHERE print = ?1 AND body_len = ?2 AND body_sum = ?3"
                     " AND unheard > 0 AND unheard >= ?4 ORDER BY seq DESC LIMIT 1",
    [REOPEN] =
        "UPDATE delivery SET state = 0, due_ms = ?2, changed_ms = ?2, handed = 0 WHERE message = ?1 AND state = 4",
    [REOPEN_MESSAGE] =
        "UPDATE message SET open = open + ?2, settled_ms = 0, unheard = ?3, segment = iif(open = 0, ?4, segment),"
        " start = iif(open = 0, ?5, start), record_len = iif(open = 0, ?6, record_len) WHERE seq = ?1",
    [HEARD] = "UPDATE message SET unheard = 0 WHERE id = ?1",
    [RETRY_DEAD] = "UPDATE delivery SET state = 0, due_ms = ?2, changed_ms = ?2, handed = 0 WHERE state = 2"
                   " AND message = (SELECT seq FROM message WHERE id = ?1)",
    [ID] = "SELECT id, sender FROM message WHERE seq = ?1",
    [KNOWS] = "SELECT 1 FROM message WHERE id = ?1",
    [FIND_PRINT] =
        "SELECT id, open FROM message WHERE print = ?1 AND body_len = ?2 AND body_sum = ?3 AND received_ms >= ?4"
        " AND NOT EXISTS (SELECT 1 FROM delivery WHERE message = seq AND state = 4) LIMIT 1",
    [SETTLE] = "UPDATE message SET open = open - 1, settled_ms = CASE open WHEN 1 THEN ?2 ELSE 0 END WHERE seq = ?1"
               " RETURNING open, segment, start, record_len, body_len, body_sum",
    /* What is in this run's hands is nobody else's. */
    [DUE] = "SELECT message, number FROM delivery WHERE state = 0 AND upstream = ?1 AND due_ms <= ?2 AND handed <> ?3"
            " ORDER BY due_ms",
    [DUE_OF_TURN] = "SELECT message, number FROM delivery WHERE state = 0 AND upstream = ?1 AND lane = ?4"
                    " AND due_ms <= ?2 AND handed <> ?3 ORDER BY due_ms",
    [NEXT_TURN] = "SELECT lane FROM delivery WHERE state = 0 AND upstream = ?1 AND lane > ?2 ORDER BY lane LIMIT 1",
    [IS_PAUSED] = "SELECT 1 FROM pause WHERE upstream IN ('', ?1)",
    [LOAD] =
        "SELECT d.message, d.number, d.state, d.due_ms, d.attempts, d.uncertain, d.handed, d.detail, m.id, m.envelope,"
        " m.segment, m.start, m.record_len, m.body_len, m.body_sum, d.doubt FROM delivery d JOIN message m"
        " ON m.seq = d.message WHERE d.message = ?1 AND d.number = ?2",
    [NEXT_DUE] = "SELECT min(due_ms) FROM delivery WHERE state = 0 AND upstream = ?1 AND due_ms > ?2",
    /* What was changed by the new clock already has a time of it. The time of the change moves too: after a second jump
     * back it would look like one that is still to come. */
    [MOVE_DUE] = "UPDATE delivery SET due_ms = due_ms + ?1, changed_ms = changed_ms + ?1"
                 " WHERE state = 0 AND due_ms > min(?2, ?2 + ?1) AND changed_ms <= ?2",
    [PLACE] = "SELECT segment, start, record_len, body_len, body_sum FROM message WHERE seq = ?1 AND open > 0",
    [COUNT_WAITING] = "SELECT count(*) FROM delivery WHERE state = 0",
    [COUNT_STOPPED] = "SELECT count(*) FROM delivery WHERE state = ?1 AND state IN (1, 2)",
    [COUNT_MESSAGES] = "SELECT count(*) FROM message WHERE open > 0",
    [LIVING] = "SELECT segment, record_len FROM message WHERE open > 0",
    [IN_SEGMENT] =
        "SELECT seq, segment, start, record_len, body_len, body_sum FROM message WHERE segment = ?1 AND open > 0",
    [MOVE] = "UPDATE message SET segment = ?3, start = ?4 WHERE seq = ?1 AND segment = ?2 AND open > 0",
    [COUNT_SETTLED] = "SELECT count(*) FROM message WHERE open = 0",
    [OLD_MESSAGES] = "SELECT seq FROM message WHERE open = 0 AND settled_ms < ?1 ORDER BY settled_ms LIMIT ?2",
    [FORGET_ATTEMPTS] = "DELETE FROM attempt WHERE message = ?1",
    [FORGET_DELIVERIES] = "DELETE FROM delivery WHERE message = ?1",
    [FORGET_NOTES] = "DELETE FROM note WHERE message = ?1",
    /* What was in an earlier run's hands may have been filed. */
    [SET_STATE] =
        "UPDATE delivery SET state = ?3, due_ms = ?4, changed_ms = ?4, uncertain = uncertain OR handed NOT IN (0, ?5),"
        " handed = 0 WHERE message = ?1 AND number = ?2",
    [ADD_NOTE] = "INSERT OR REPLACE INTO note (message, number, at_ms, text) VALUES (?1, ?2, ?3, ?4)",
    [OPEN_MORE] = "UPDATE message SET open = open + ?2 WHERE seq = ?1",
    /* What is in nobody's hands, was in none of an earlier run, and was certainly not filed. */
    [DIVERTIBLE] = "SELECT message, number FROM delivery WHERE state = 0 AND fallback <> '' AND upstream = ?1"
                   " AND uncertain = 0 AND handed = 0 AND (message, number) > (?2, ?3)"
                   " ORDER BY message, number LIMIT ?4",
    [LAST_NUMBER] = "SELECT ifnull(max(number), 0) FROM delivery WHERE message = ?1",
    [FORGET_MESSAGE] = "DELETE FROM message WHERE seq = ?1",
    [PAUSES] = "SELECT upstream, at_ms, by_name FROM pause",
    [PAUSE] = "INSERT OR IGNORE INTO pause (upstream, at_ms, by_name) VALUES (?1, ?2, ?3)",
    [RESUME] = "DELETE FROM pause WHERE upstream = ?1 OR ?1 = ''",
    [MEMOS] = "SELECT upstream, text FROM memo",
    [SET_MEMO] = "INSERT OR REPLACE INTO memo (upstream, text) VALUES (?1, ?2)",
    [ADD_WORDS] = "INSERT INTO words (rowid, subject, sender, reader) VALUES (?1, ?2, ?3, ?4)",
    [REMOVE_WORDS] = "INSERT INTO words (words, rowid, subject, sender, reader) VALUES ('delete', ?1, ?2, ?3, ?4)",
    [CLEAR_WORDS] = "INSERT INTO words (words) VALUES ('delete-all')",
    [UNLEARNT] = "SELECT seq, envelope FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [TO_UNLEARN] = "SELECT seq, settled_ms FROM message WHERE open = 0 AND settled_ms < ?1"
                   " AND (settled_ms, seq) > (?2, ?3) ORDER BY settled_ms, seq LIMIT ?4",
    [ENVELOPE] = "SELECT envelope, open FROM message WHERE seq = ?1",
    [SET_ENVELOPE] = "UPDATE message SET envelope = ?2 WHERE seq = ?1",
};

/* ---- faults ---- */

int local_index_failed(sqlite3 *db, int code, struct fault *fault)
{
    static const struct {
        int result;
        const char *code;
    } known[] = {
        {SQLITE_FULL, "enospc"},    {SQLITE_IOERR, "eio"}, {SQLITE_READONLY, "erofs"}, {SQLITE_CORRUPT, "damaged"},
        {SQLITE_NOTADB, "damaged"}, {SQLITE_BUSY, "busy"}, {SQLITE_LOCKED, "busy"},
    };
    const char *name = "sqlite";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].result == (code & 0xFF)) {
            name = known[i].code;
        }
    }
    bool damaged = strcmp(name, "damaged") == 0;
    fault_set(fault, FAULT_LOCAL, name, "index", "the spool's index: %s (SQLite %d)%s",
              db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db), code,
              damaged ? "; \"mailweir spool rebuild\" makes it anew" : "");
    return -1;
}

/* ---- preparing and stepping ---- */

sqlite3_stmt *local_index_statement(struct local_index *index, enum statement which, struct fault *fault)
{
    if (index->statements[which] == NULL) {
        int code =
            sqlite3_prepare_v3(index->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &index->statements[which], NULL);
        if (code != SQLITE_OK) {
            disregard(local_index_failed(index->db, code, fault));
        }
    }
    return index->statements[which];
}

int local_index_run(struct local_index *index, sqlite3_stmt *st, struct fault *fault)
{
    int code = sqlite3_step(st);
    if (code != SQLITE_DONE) {
        disregard(local_index_failed(index->db, code, fault));
    }
    sqlite3_reset(st);
    return code == SQLITE_DONE ? 0 : -1;
}

int local_index_next_row(struct local_index *index, sqlite3_stmt *st, struct fault *fault)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        return code == SQLITE_ROW;
    }
    return local_index_failed(index->db, code, fault);
}

int local_index_one_number(struct local_index *index, sqlite3_stmt *st, uint64_t *value_r, struct fault *fault)
{
    int got = local_index_next_row(index, st, fault);
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
    struct local_index *index = ctx;
    index->log_pages = (unsigned)pages;
    return SQLITE_OK;
}

static int set_up(struct local_index *index, enum local_index_mode mode, struct fault *fault)
{
    static const char *const pragmas[] = {
        [LOCAL_INDEX_WRITE] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;"
                              "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;",
        [LOCAL_INDEX_READ] = "PRAGMA query_only = 1; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;"
                             "PRAGMA wal_autocheckpoint = 0;",
    };
    sqlite3_busy_timeout(index->db, 5000);
    int code = sqlite3_exec(index->db, pragmas[mode], NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        return local_index_failed(index->db, code, fault);
    }
    sqlite3_wal_hook(index->db, on_commit, index);
    return mode == LOCAL_INDEX_WRITE ? local_schema_migrate(index->db, fault) : local_schema_expect(index->db, fault);
}

/* SQLite creates by the umask, and takes the mode of what else it makes (WAL, shared memory) from the database; those
 * of older versions are there already. */
static void make_private(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char name[PATH_LEN];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        net_file_make_private(name, i == 0);
    }
}

int local_index_open(struct local_index **index_r, const char *path, const char *vfs, enum local_index_mode mode,
                     struct fault *fault)
{
    struct local_index *index = expect_calloc(1, sizeof *index);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == LOCAL_INDEX_WRITE ? SQLITE_OPEN_CREATE : 0);
    if (mode == LOCAL_INDEX_WRITE && vfs == NULL) {
        make_private(path);
    }
    int code = sqlite3_open_v2(path, &index->db, flags, vfs);
    if (code != SQLITE_OK) {
        disregard(local_index_failed(index->db, code, fault));
        local_index_close(&index);
        return -1;
    }
    if (set_up(index, mode, fault) != 0) {
        local_index_close(&index);
        return -1;
    }
    *index_r = index;
    return 0;
}

void local_index_close(struct local_index **index)
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

static int run_plain(struct local_index *index, enum statement which, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, which, fault);
    return st == NULL ? -1 : local_index_run(index, st, fault);
}

int local_index_begin(struct local_index *index, struct fault *fault)
{
    return run_plain(index, BEGIN, fault);
}

int local_index_begin_read(struct local_index *index, struct fault *fault)
{
    return run_plain(index, BEGIN_READ, fault);
}

int local_index_commit(struct local_index *index, struct fault *fault)
{
    return run_plain(index, COMMIT, fault);
}

bool local_index_in_doubt(const struct local_index *index)
{
    static const int certain[] = {SQLITE_FULL, SQLITE_BUSY, SQLITE_READONLY, SQLITE_IOERR_WRITE, SQLITE_IOERR_READ};
    int code = sqlite3_extended_errcode(index->db);
    for (size_t i = 0; i < sizeof certain / sizeof certain[0]; i++) {
        if (code == certain[i] || (code & 0xFF) == certain[i]) {
            return false;
        }
    }
    return true;
}

void local_index_rollback(struct local_index *index)
{
    /* Some failures have rolled back already. */
    if (sqlite3_get_autocommit(index->db) == 0) {
        disregard(run_plain(index, ROLLBACK, NULL));
    }
}

int local_index_get(struct local_index *index, const char *name, uint64_t *value_r, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, GET, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, name);
    return local_index_one_number(index, st, value_r, fault);
}

int local_index_set(struct local_index *index, const char *name, uint64_t value, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, SET, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, name);
    bind_number(st, 2, value);
    return local_index_run(index, st, fault);
}

int local_index_last_message(struct local_index *index, uint64_t *seq_r, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, LAST_MESSAGE, fault);
    return st == NULL ? -1 : local_index_one_number(index, st, seq_r, fault);
}

/* ---- the whole ---- */

static int count_stopped(struct local_index *index, enum store_state state, uint64_t *count_r, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, COUNT_STOPPED, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, state);
    return local_index_one_number(index, st, count_r, fault);
}

int local_index_count(struct local_index *index, struct local_index_counts *counts_r, struct fault *fault)
{
    sqlite3_stmt *waiting = local_index_statement(index, COUNT_WAITING, fault);
    sqlite3_stmt *messages = local_index_statement(index, COUNT_MESSAGES, fault);
    struct local_index_counts counts = {0};
    if (waiting == NULL || messages == NULL || local_index_one_number(index, waiting, &counts.waiting, fault) != 0 ||
        local_index_one_number(index, messages, &counts.messages, fault) != 0 ||
        count_stopped(index, STORE_STATE_HELD, &counts.held, fault) != 0 ||
        count_stopped(index, STORE_STATE_DEAD, &counts.dead, fault) != 0) {
        return -1;
    }
    *counts_r = counts;
    return 0;
}

int local_index_count_settled(struct local_index *index, uint64_t *count_r, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, COUNT_SETTLED, fault);
    return st == NULL ? -1 : local_index_one_number(index, st, count_r, fault);
}

int local_index_each_living(struct local_index *index, local_segment_fn *fn, void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, LIVING, fault);
    if (st == NULL) {
        return -1;
    }
    int got;
    while ((got = local_index_next_row(index, st, fault)) == 1) {
        fn(ctx, column_number(st, 0), 1, column_number(st, 1));
    }
    sqlite3_reset(st);
    return got;
}

int local_index_each_in_segment(struct local_index *index, uint64_t segment,
                                int (*fn)(void *ctx, uint64_t message, const struct store_place *place), void *ctx,
                                struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, IN_SEGMENT, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, segment);
    int got, stop = 0;
    while (stop == 0 && (got = local_index_next_row(index, st, fault)) != 0) {
        const struct store_place place = column_place(st, 1);
        stop = got < 0 ? -1 : fn(ctx, column_number(st, 0), &place);
    }
    sqlite3_reset(st);
    return stop < 0 ? -1 : 0;
}

int local_index_move(struct local_index *index, uint64_t message, uint64_t from, const struct store_place *to,
                     struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, MOVE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, from);
    bind_number(st, 3, to->segment);
    bind_number(st, 4, to->start);
    return local_index_run(index, st, fault) != 0 ? -1 : sqlite3_changes(index->db) > 0;
}

/* ---- the connection ---- */

sqlite3 *local_index_db(struct local_index *index)
{
    return index->db;
}

int local_index_checkpoint(struct local_index *index, struct fault *fault)
{
    int code = sqlite3_wal_checkpoint_v2(index->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return code == SQLITE_OK || code == SQLITE_BUSY ? 0 : local_index_failed(index->db, code, fault);
}

unsigned local_index_log_pages(const struct local_index *index)
{
    return index->log_pages;
}
