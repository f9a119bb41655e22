/* Tests of store/local/local_schema: an index of each older version is brought up to date with its contents, a newer one is refused. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "store/local/local_schema.h"

/* What version 1 made, with one message in it. */
static const char version_1[] =
    "CREATE TABLE spool (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO spool VALUES ('run', 3), ('next_segment', 5);"
    "CREATE TABLE message (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, received_ms INTEGER NOT NULL,"
    " segment INTEGER NOT NULL, start INTEGER NOT NULL, body_len INTEGER NOT NULL, body_sum INTEGER NOT NULL,"
    " record_len INTEGER NOT NULL, open INTEGER NOT NULL, settled_ms INTEGER NOT NULL DEFAULT 0, envelope TEXT NOT "
    "NULL);"
    "CREATE INDEX message_open ON message (segment, record_len) WHERE open > 0;"
    "CREATE INDEX message_settled ON message (settled_ms) WHERE open = 0;"
    "CREATE TABLE delivery (message INTEGER NOT NULL, number INTEGER NOT NULL, state INTEGER NOT NULL,"
    " upstream TEXT NOT NULL, due_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
    " uncertain INTEGER NOT NULL DEFAULT 0, handed INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
    " uidvalidity INTEGER NOT NULL DEFAULT 0, uid INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL,"
    " PRIMARY KEY (message, number)) WITHOUT ROWID;"
    "CREATE INDEX delivery_due ON delivery (upstream, due_ms) WHERE state = 0;"
    "CREATE INDEX delivery_stopped ON delivery (state, upstream) WHERE state IN (1, 2);"
    "CREATE TABLE attempt (message INTEGER NOT NULL, number INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL, class TEXT NOT NULL, code TEXT NOT NULL, place TEXT NOT NULL, text TEXT NOT NULL,"
    " PRIMARY KEY (message, number, attempt)) WITHOUT ROWID;"
    "INSERT INTO message VALUES (7, '01OLD', 1, 4, 0, 10, 99, 60, 1, 0, '{\"id\":\"01OLD\",\"from\":\"a@b\"}');"
    "INSERT INTO delivery VALUES (7, 1, 0, 'corp', 1, 0, 0, 0, 1, 0, 0, '{\"folder\":\"INBOX\",\"rule\":\"r\"}');"
    "PRAGMA user_version = 1;";

static sqlite3 *open_with(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static char *one_text(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(st, 0);
    char *copy = strdup(text == NULL ? "" : text);
    sqlite3_finalize(st);
    return copy;
}

/* Every table and index as SQLite keeps them, without the order of columns that were added later. */
static char *shape(sqlite3 *db)
{
    return one_text(db, "SELECT group_concat(x, ';') FROM (SELECT m.name || ':' || group_concat(c.name, ',') AS x"
                        " FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' GROUP BY m.name"
                        " UNION ALL SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY 1)");
}

static void test_from_nothing(void **state)
{
    (void)state;
    sqlite3 *db = open_with("");
    struct fault fault = FAULT_INIT;
    assert_int_equal(local_schema_expect(db, &fault), -1);
    assert_string_equal(fault.code, "version");
    assert_int_equal(local_schema_migrate(db, NULL), 0);
    assert_int_equal(local_schema_version(db, NULL), LOCAL_SCHEMA_VERSION);
    assert_int_equal(local_schema_expect(db, NULL), 0);
    assert_int_equal(local_schema_migrate(db, NULL), 0);
    sqlite3_close(db);
}

static void test_from_1(void **state)
{
    (void)state;
    sqlite3 *old = open_with(version_1), *fresh = open_with("");
    assert_int_equal(local_schema_migrate(old, NULL), 0);
    assert_int_equal(local_schema_migrate(fresh, NULL), 0);
    char *one = shape(old), *other = shape(fresh);
    assert_string_equal(one, other);
    free(one);
    free(other);
    char *facts =
        one_text(old, "SELECT m.sender || ' ' || d.folder || ' ' || d.rule || ' ' || m.body_sum FROM message m"
                      " JOIN delivery d ON d.message = m.seq");
    assert_string_equal(facts, "a@b INBOX r 99");
    free(facts);
    sqlite3_close(old);
    sqlite3_close(fresh);
}

static void test_from_the_future(void **state)
{
    (void)state;
    sqlite3 *db = open_with("CREATE TABLE later (x); PRAGMA user_version = 999;");
    struct fault fault = FAULT_INIT;
    assert_int_equal(local_schema_migrate(db, &fault), -1);
    assert_string_equal(fault.code, "version");
    char *count = one_text(db, "SELECT count(*) FROM sqlite_schema");
    assert_string_equal(count, "1");
    free(count);
    sqlite3_close(db);
}

/* A step that fails half way leaves the index as it was. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    sqlite3 *db = open_with(version_1);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE pause (x)", NULL, NULL, NULL), SQLITE_OK);
    struct fault fault = FAULT_INIT;
    assert_int_equal(local_schema_migrate(db, &fault), -1);
    assert_int_equal(local_schema_version(db, NULL), 1);
    char *columns = one_text(db, "SELECT count(*) FROM pragma_table_info('delivery') WHERE name = 'lane'");
    assert_string_equal(columns, "0");
    free(columns);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_nothing),
        cmocka_unit_test(test_from_1),
        cmocka_unit_test(test_from_the_future),
        cmocka_unit_test(test_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
