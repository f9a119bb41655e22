/*
 * Statements that are kept between questions: which are prepared again and which are not, that nobody gets what another has in hand, that none keeps an old
 * state of the database, and what becomes of them when the schema changes, when one fails, and when the connection or the store closes.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/local/local.h"
#include "store/local/local_check.h"
#include "store/local/local_prepared.h"
#include "store/store_ask.h"

static unsigned prepared_so_far;

int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r)
{
    prepared_so_far++;
    return __real_sqlite3_prepare_v3(db, sql, len, flags, st_r, rest_r);
}

/* ---- a database ---- */

static struct {
    char path[64];
    sqlite3 *db, *other;
    struct local_prepared prepared;
} w;

static void say(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    prepared_so_far = 0;
    snprintf(w.path, sizeof w.path, "/tmp/mailweir-prepared-XXXXXX");
    int fd = mkstemp(w.path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sqlite3_open(w.path, &w.db), SQLITE_OK);
    assert_int_equal(sqlite3_open(w.path, &w.other), SQLITE_OK);
    say(w.db, "PRAGMA journal_mode = WAL; CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'one'), (2, 'two')");
    return 0;
}

/* Closing fails while a statement is left that was not finalized. */
static int tear_down(void **state)
{
    (void)state;
    char name[80];
    local_prepared_done(&w.prepared);
    assert_int_equal(sqlite3_close(w.db), SQLITE_OK);
    assert_int_equal(sqlite3_close(w.other), SQLITE_OK);
    unlink(w.path);
    snprintf(name, sizeof name, "%s-wal", w.path);
    unlink(name);
    snprintf(name, sizeof name, "%s-shm", w.path);
    unlink(name);
    return 0;
}

static sqlite3_stmt *take(const char *sql)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(local_prepared_take(&w.prepared, w.db, sql, &st), SQLITE_OK);
    return st;
}

static unsigned statements_of(sqlite3 *db)
{
    unsigned count = 0;
    for (sqlite3_stmt *st = sqlite3_next_stmt(db, NULL); st != NULL; st = sqlite3_next_stmt(db, st)) {
        count++;
    }
    return count;
}

static const char *const by_number = "SELECT b FROM t WHERE a = ?1";

/* ---- the tests ---- */

static void test_same_text_is_read_once(void **state)
{
    (void)state;
    for (int turn = 0; turn < 5; turn++) {
        sqlite3_stmt *st = take(by_number);
        sqlite3_bind_int(st, 1, 1 + turn % 2);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(st, 0), turn % 2 == 0 ? "one" : "two");
        local_prepared_give(&w.prepared, &st);
        assert_null(st);
    }
    assert_int_equal(prepared_so_far, 1);
    sqlite3_stmt *st = take("SELECT a FROM t WHERE b = ?1");
    assert_int_equal(prepared_so_far, 2);
    local_prepared_give(&w.prepared, &st);
}

static void test_nobody_gets_what_is_in_hand(void **state)
{
    (void)state;
    sqlite3_stmt *outer = take("SELECT a FROM t ORDER BY a"), *inner;
    assert_int_equal(sqlite3_step(outer), SQLITE_ROW);
    inner = take("SELECT a FROM t ORDER BY a");
    assert_ptr_not_equal(outer, inner);
    assert_int_equal(sqlite3_step(inner), SQLITE_ROW);
    local_prepared_give(&w.prepared, &inner);
    assert_int_equal(sqlite3_step(outer), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(outer, 0), 2);
    local_prepared_give(&w.prepared, &outer);
    assert_int_equal(statements_of(w.db), 2);
}

static void test_nothing_stays_bound_or_begun(void **state)
{
    (void)state;
    sqlite3_stmt *st = take(by_number);
    sqlite3_bind_int(st, 1, 1);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_txn_state(w.db, "main"), SQLITE_TXN_READ);
    local_prepared_give(&w.prepared, &st);
    assert_int_equal(sqlite3_txn_state(w.db, "main"), SQLITE_TXN_NONE);
    st = take(by_number);
    assert_int_equal(sqlite3_step(st), SQLITE_DONE); /* nothing has NULL as number */
    local_prepared_give(&w.prepared, &st);
    say(w.other, "UPDATE t SET b = 'uno' WHERE a = 1");
    st = take(by_number);
    sqlite3_bind_int(st, 1, 1);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "uno");
    local_prepared_give(&w.prepared, &st);
    assert_int_equal(prepared_so_far, 1);
}

/* Whatever is asked, so many are kept; the one that was used longest ago goes first. */
static void test_bound(void **state)
{
    (void)state;
    char text[80];
    sqlite3_stmt *st = take(by_number);
    local_prepared_give(&w.prepared, &st);
    for (int i = 0; i < 10 * LOCAL_PREPARED_MAX; i++) {
        snprintf(text, sizeof text, "SELECT a + %d FROM t", i);
        st = take(text);
        local_prepared_give(&w.prepared, &st);
        st = take(by_number);
        local_prepared_give(&w.prepared, &st);
    }
    assert_int_equal(statements_of(w.db), LOCAL_PREPARED_MAX);
    assert_int_equal(prepared_so_far, 1 + 10 * LOCAL_PREPARED_MAX);
    st = take(text);
    local_prepared_give(&w.prepared, &st);
    assert_int_equal(prepared_so_far, 1 + 10 * LOCAL_PREPARED_MAX);
    st = take("SELECT a + 0 FROM t");
    local_prepared_give(&w.prepared, &st);
    assert_int_equal(prepared_so_far, 2 + 10 * LOCAL_PREPARED_MAX);
    assert_int_equal(statements_of(w.db), LOCAL_PREPARED_MAX);
}

static void test_schema_changes(void **state)
{
    (void)state;
    sqlite3_stmt *st = take("SELECT * FROM t WHERE a = 2");
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_count(st), 2);
    local_prepared_give(&w.prepared, &st);
    say(w.other, "ALTER TABLE t ADD COLUMN c DEFAULT 'new'; CREATE INDEX of_a ON t (a)");
    st = take("SELECT * FROM t WHERE a = 2");
    assert_int_equal(prepared_so_far, 1);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_count(st), 3);
    assert_string_equal((const char *)sqlite3_column_text(st, 2), "new");
    local_prepared_give(&w.prepared, &st);
    say(w.other, "DROP TABLE t"); /* nothing that is kept stands in its way */
    st = take("SELECT * FROM t WHERE a = 2");
    assert_int_equal(sqlite3_step(st), SQLITE_ERROR);
    local_prepared_give(&w.prepared, &st);
    assert_int_equal(statements_of(w.db), 0);
}

static void test_failed_are_not_kept(void **state)
{
    (void)state;
    sqlite3_stmt *st = NULL;
    assert_int_equal(local_prepared_take(&w.prepared, w.db, "SELECT a FROM nowhere", &st), SQLITE_ERROR);
    assert_null(st);
    st = take("SELECT abs(?1)");
    sqlite3_bind_int64(st, 1, INT64_MIN);
    assert_int_equal(sqlite3_step(st), SQLITE_ERROR);
    local_prepared_give(&w.prepared, &st);
    assert_null(st);
    assert_int_equal(statements_of(w.db), 0);
    local_prepared_give(&w.prepared, &st); /* NULL is fine */
}

/* ---- a store ---- */

static int no_row(void *ctx, const struct store_answer_row *row)
{
    (void)ctx;
    (void)row;
    return 0;
}

static void ask_all(struct store *store)
{
    static const char *const senders[] = {"a@example.net", "b@example.net"};
    for (size_t i = 0; i < 2; i++) {
        struct fault fault = FAULT_INIT;
        const struct store_select select = {.sender = senders[i]};
        const struct store_question questions[] = {
            {.kind = STORE_ASK_LIST, .select = &select},
            {.kind = STORE_ASK_STORY, .message = 1 + i},
            {.kind = STORE_ASK_FIND, .what = senders[i]},
            {.kind = STORE_ASK_SUMMARY},
        };
        for (size_t k = 0; k < sizeof questions / sizeof questions[0]; k++) {
            assert_int_equal(store->ops->ask(store, &questions[k], no_row, NULL, &fault), 0);
        }
    }
}

static void nothing_found(void *ctx, const char *id, const struct fault *fault)
{
    (void)ctx;
    (void)id;
    fail_msg("%s", fault->text);
}

/* What was asked once is not read again; closing gives all memory of the database back; a rebuilt index is asked anew. */
static void test_store(void **state)
{
    (void)state;
    char folder[64], command[100];
    snprintf(folder, sizeof folder, "/tmp/mailweir-prepared-XXXXXX");
    assert_non_null(mkdtemp(folder));
    struct fault fault = FAULT_INIT;
    const struct store_options options = {.path = folder, .segment_size = 100000};
    struct local_rebuild_result made;
    for (int turn = 0; turn < 2; turn++) {
        struct store *store = NULL;
        sqlite3_int64 before = sqlite3_memory_used();
        assert_int_equal(local_store.open(&store, &options, &fault), 0);
        ask_all(store);
        unsigned first = prepared_so_far;
        ask_all(store);
        assert_int_equal(prepared_so_far, first);
        store->ops->close(store);
        assert_int_equal(sqlite3_memory_used(), before);
        assert_int_equal(local_rebuild(folder, nothing_found, NULL, &made, &fault), 0);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_text_is_read_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_gets_what_is_in_hand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_stays_bound_or_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_schema_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_are_not_kept, set_up, tear_down),
        cmocka_unit_test(test_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
