/*
 * local_index - opening, transactions and the numbers that are kept; see local_index.h.
 */
#include "store/local/local_index_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_file.h"
#include "store/local/local_gather.h"
#include "store/local/local_schema.h"

#define PATH_LEN 4200

/* ---- opening ---- */

/*
 * Octets, of a new index. A transaction writes each page that it changes to the log, whole, and a message changes a few
 * octets of a dozen pages: the smaller they are, the less the disk gets (tests/bench/bench_flushes.py).
 */
#define PAGE_SIZE "1024"

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct local_index *index = ctx;
    index->log_pages = (unsigned)pages;
    return SQLITE_OK;
}

/* An index keeps the pages that it was made with. */
static int read_page_size(struct local_index *index, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_take(index, "PRAGMA page_size", fault);
    int got = st == NULL ? -1 : local_sql_next_row(index, st, fault);
    index->page_size = got == 1 ? (unsigned)sqlite3_column_int(st, 0) : 0;
    local_sql_give(index, &st);
    return got < 0 ? -1 : 0;
}

/* Each place of each word of the table of words (local_schema.c), to be counted; of this connection alone, and nothing
 * is kept of it. */
#define WORD_LIST "CREATE VIRTUAL TABLE temp.word_list USING fts5vocab(main, words, instance);"

static int set_up(struct local_index *index, enum local_index_mode mode, struct fault *fault)
{
    static const char *const pragmas[] = {
        [LOCAL_INDEX_WRITE] = "PRAGMA page_size = " PAGE_SIZE ";"
                              "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;"
                              "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;" WORD_LIST,
        [LOCAL_INDEX_READ] = "PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;"
                             "PRAGMA wal_autocheckpoint = 0;" WORD_LIST "PRAGMA query_only = 1;",
    };
    sqlite3_busy_timeout(index->db, 5000);
    int code = sqlite3_exec(index->db, pragmas[mode], NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        return local_sql_failed(index->db, code, fault);
    }
    sqlite3_wal_hook(index->db, on_commit, index);
    if (read_page_size(index, fault) != 0) {
        return -1;
    }
    if (local_sql_statement(index, ROLLBACK, fault) == NULL) { /* what ends a transaction must not fail */
        return -1;
    }
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
    int code = sqlite3_open_v2(path, &index->db, flags, mode == LOCAL_INDEX_WRITE ? local_gather_vfs(vfs) : vfs);
    if (code != SQLITE_OK) {
        disregard(local_sql_failed(index->db, code, fault));
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
    local_prepared_done(&(*index)->prepared);
    sqlite3_close((*index)->db);
    free(*index);
    *index = NULL;
}

/* ---- transactions and numbers ---- */

static int run_plain(struct local_index *index, enum statement which, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, which, fault);
    return st == NULL ? -1 : local_sql_run(index, st, fault);
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

bool local_index_in_limbo(const struct local_index *index)
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
    sqlite3_stmt *st = local_sql_statement(index, GET, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, name);
    return local_sql_one_number(index, st, value_r, fault);
}

int local_index_set(struct local_index *index, const char *name, uint64_t value, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, SET, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, name);
    bind_number(st, 2, value);
    return local_sql_run(index, st, fault);
}

int local_index_last_message(struct local_index *index, uint64_t *seq_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, LAST_MESSAGE, fault);
    return st == NULL ? -1 : local_sql_one_number(index, st, seq_r, fault);
}

/* ---- the whole ---- */

static int count_stopped(struct local_index *index, enum store_state state, uint64_t *count_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, COUNT_STOPPED, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, state);
    return local_sql_one_number(index, st, count_r, fault);
}

int local_index_count(struct local_index *index, struct local_index_counts *counts_r, struct fault *fault)
{
    sqlite3_stmt *waiting = local_sql_statement(index, COUNT_WAITING, fault);
    sqlite3_stmt *messages = local_sql_statement(index, COUNT_MESSAGES, fault);
    struct local_index_counts counts = {0};
    if (waiting == NULL || messages == NULL || local_sql_one_number(index, waiting, &counts.waiting, fault) != 0 ||
        local_sql_one_number(index, messages, &counts.messages, fault) != 0 ||
        count_stopped(index, STORE_STATE_HELD, &counts.held, fault) != 0 ||
        count_stopped(index, STORE_STATE_DEAD, &counts.dead, fault) != 0) {
        return -1;
    }
    *counts_r = counts;
    return 0;
}

int local_index_count_settled(struct local_index *index, uint64_t *count_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, COUNT_SETTLED, fault);
    return st == NULL ? -1 : local_sql_one_number(index, st, count_r, fault);
}

int local_index_each_living(struct local_index *index, local_segment_fn *fn, void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, LIVING, fault);
    if (st == NULL) {
        return -1;
    }
    int got;
    while ((got = local_sql_next_row(index, st, fault)) == 1) {
        fn(ctx, column_number(st, 0), 1, column_number(st, 1));
    }
    sqlite3_reset(st);
    return got;
}

int local_index_each_in_segment(struct local_index *index, uint64_t segment,
                                int (*fn)(void *ctx, uint64_t message, const struct store_place *place), void *ctx,
                                struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, IN_SEGMENT, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, segment);
    int got, stop = 0;
    while (stop == 0 && (got = local_sql_next_row(index, st, fault)) != 0) {
        const struct store_place place = column_place(st, 1);
        stop = got < 0 ? -1 : fn(ctx, column_number(st, 0), &place);
    }
    sqlite3_reset(st);
    return stop < 0 ? -1 : 0;
}

int local_index_move(struct local_index *index, uint64_t message, uint64_t from, const struct store_place *to,
                     struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, MOVE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, from);
    bind_number(st, 3, to->segment);
    bind_number(st, 4, to->start);
    bind_number(st, 5, to->record_len);
    return local_sql_run(index, st, fault) != 0 ? -1 : sqlite3_changes(index->db) > 0;
}

/* ---- the connection ---- */

sqlite3 *local_index_db(struct local_index *index)
{
    return index->db;
}

int local_index_checkpoint(struct local_index *index, struct fault *fault)
{
    int code = sqlite3_wal_checkpoint_v2(index->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return code == SQLITE_OK || code == SQLITE_BUSY ? 0 : local_sql_failed(index->db, code, fault);
}

int local_index_end_log(struct local_index *index, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_take(index, "PRAGMA main.journal_mode = DELETE", fault);
    int got = st == NULL ? -1 : local_sql_next_row(index, st, fault);
    bool is_ended = got == 1 && bytes_equal(column_bytes(st, 0), bytes_of("delete"));
    local_sql_give(index, &st);
    if (got >= 0 && !is_ended) {
        fault_set(fault, FAULT_LOCAL, "busy", "index",
                  "the log of the spool's new index cannot be ended: somebody has it open");
    }
    return is_ended ? 0 : -1;
}

/* A head, then frames of a head and a page each: sqlite.org/fileformat2.html, section 4.1. */
uint64_t local_index_log_octets(const struct local_index *index)
{
    enum { HEAD = 32, FRAME_HEAD = 24 };
    return HEAD + (uint64_t)index->log_pages * (FRAME_HEAD + index->page_size);
}
