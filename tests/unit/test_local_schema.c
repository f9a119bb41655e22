/* Tests of store/local/local_schema: an index of each older version is brought up to date with its contents, a newer one is refused. */
#include "test.h"

#include <stdio.h>
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

/* What each later version added to the one before, as it was released: never to be changed here. */
static const char *const released[] = {
    /* What operators look for; turns for a fair order; fingerprints of what senders may send again; operators' commands. */
    "ALTER TABLE message ADD COLUMN sender TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE message ADD COLUMN message_id TEXT;"
    "ALTER TABLE message ADD COLUMN print INTEGER;"
    "ALTER TABLE delivery ADD COLUMN folder TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE delivery ADD COLUMN rule TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE delivery ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;"
    "UPDATE message SET sender = ifnull(json_extract(envelope, '$.from'), ''),"
    "  message_id = json_extract(envelope, '$.message_id');"
    "UPDATE delivery SET folder = ifnull(json_extract(detail, '$.folder'), ''),"
    "  rule = ifnull(json_extract(detail, '$.rule'), '');"
    "CREATE INDEX message_message_id ON message (message_id) WHERE message_id IS NOT NULL;"
    "CREATE INDEX message_print ON message (print) WHERE print IS NOT NULL;"
    "CREATE INDEX delivery_lane ON delivery (upstream, lane, due_ms) WHERE state = 0;"
    "CREATE INDEX delivery_uid ON delivery (upstream, uid) WHERE uid > 0;"
    /* reply is NULL until the running gateway has done what request (JSON) asks for. */
    "CREATE TABLE command (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, request TEXT NOT NULL, reply "
    "TEXT);"
    /* What operators did to a delivery. */
    "CREATE TABLE note (message INTEGER NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL,"
    "  PRIMARY KEY (message, number, at_ms)) WITHOUT ROWID;"
    /* upstream '' is all of them. */
    "CREATE TABLE pause (upstream TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;",

    /* What the dispatcher wants to find again after a restart; see spool_memo.h. */
    "CREATE TABLE memo (upstream TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;",

    /* What goes elsewhere when its upstream stays down; see spool_divert.c. */
    ("ALTER TABLE delivery ADD COLUMN fallback TEXT NOT NULL DEFAULT '';"
     "CREATE INDEX delivery_fallback ON delivery (upstream) WHERE state = 0 AND fallback <> '';"),

    /* What is known of where a delivery may lie already: see engine/doubt.h. */
    "ALTER TABLE delivery ADD COLUMN doubt TEXT NOT NULL DEFAULT '';",

    /* Operators' commands go through the gateway's admin socket. */
    "DROP TABLE command;",

    /* Who paused. */
    "ALTER TABLE pause ADD COLUMN by_name TEXT NOT NULL DEFAULT '';",

    /* Since when a sender who waits has not heard that all have it. */
    "ALTER TABLE message ADD COLUMN unheard INTEGER NOT NULL DEFAULT 0;",

    /* Words by which messages are found. */
    "CREATE VIRTUAL TABLE words USING fts5 (subject, sender, reader, content = '', columnsize = 0, detail = column,"
    "  tokenize = 'ascii');"
    "CREATE INDEX message_received ON message (received_ms);"
    "INSERT INTO spool VALUES ('learnt', 0), ('unlearnt', 0), ('unlearnt_ms', 0);",

    /* Records have an end. */
    "INSERT INTO spool VALUES ('records', 2);",

    /* Whose turn it is. */
    "DROP INDEX delivery_lane;"
    "ALTER TABLE delivery RENAME COLUMN lane TO turn;"
    "CREATE INDEX delivery_turn ON delivery (upstream, turn, due_ms) WHERE state = 0;",
};
#define RELEASED (sizeof released / sizeof released[0])

/* What the versions keep beside, from the one on that brought it. */
static const char *const kept[] = {
    "INSERT INTO pause VALUES ('corp', 5); INSERT INTO note VALUES (7, 1, 2, 'held by me');",
    "INSERT INTO memo VALUES ('corp', 'slowly');",
    "UPDATE delivery SET fallback = 'backup';",
    "UPDATE delivery SET doubt = 'uidvalidity=7', uncertain = 1;",
    "", /* took something away */
    "UPDATE pause SET by_name = 'joe';",
    "UPDATE message SET unheard = 77;",
    "UPDATE delivery SET lane = 4711; INSERT INTO words (rowid, subject, sender, reader) VALUES (7, 'old words', 'a', "
    "'b'); UPDATE spool SET value = 3 WHERE name = 'learnt';",
    "", /* says what it is by itself */
    "UPDATE message SET seq = 3, received_ms = 9; UPDATE delivery SET message = 3, folder = 'INBOX', rule = 'r';",
};

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

/* Of each version since, with all that it kept. */
static void test_from_each(void **state)
{
    (void)state;
    static const char *const questions[] = {
        "SELECT (SELECT upstream FROM pause) || (SELECT text FROM note)",
        "SELECT upstream || text FROM memo",
        "SELECT fallback FROM delivery",
        "SELECT doubt || uncertain FROM delivery",
        "SELECT upstream || at_ms || (by_name IN ('', 'joe')) FROM pause", /* nobody knows who it was, before */
        "SELECT by_name FROM pause",
        "SELECT unheard FROM message",
        "SELECT (SELECT turn FROM delivery) || ' ' || (SELECT rowid FROM words WHERE words MATCH 'old') ||"
        " (SELECT value FROM spool WHERE name = 'learnt')",
        "SELECT value FROM spool WHERE name = 'records'",
        "SELECT group_concat(word, ' ') || (SELECT number || ' ' || first_ms || ' ' || last_ms FROM chunk)"
        " FROM (SELECT word FROM place WHERE chunk = 0 ORDER BY word)",
    };
    static const char *const answers[] = {
        "corpheld by me",      "corpslowly", "backup", "uidvalidity=71", "corp51", "joe", "77", "4711 73", "2",
        "finbox rr ucorp0 9 9"};
    assert_int_equal(RELEASED + 2, LOCAL_SCHEMA_VERSION); /* a new version adds what it released to the list above */
    sqlite3 *fresh = open_with("");
    assert_int_equal(local_schema_migrate(fresh, NULL), 0);
    char *wanted = shape(fresh);
    for (size_t version = 2; version < LOCAL_SCHEMA_VERSION; version++) {
        sqlite3 *db = open_with(version_1);
        for (size_t i = 0; i + 1 < version; i++) {
            assert_int_equal(sqlite3_exec(db, released[i], NULL, NULL, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_exec(db, kept[i], NULL, NULL, NULL), SQLITE_OK);
        }
        char pragma[40];
        snprintf(pragma, sizeof pragma, "PRAGMA user_version = %zu", version);
        assert_int_equal(sqlite3_exec(db, pragma, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(local_schema_migrate(db, NULL), 0);
        char *got = shape(db);
        assert_string_equal(got, wanted);
        free(got);
        for (size_t i = 0; i + 1 < version; i++) {
            char *answer = one_text(db, questions[i]);
            assert_string_equal(answer, answers[i]);
            free(answer);
        }
        sqlite3_close(db);
    }
    free(wanted);
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
    char *columns = one_text(db, "SELECT count(*) FROM pragma_table_info('delivery') WHERE name IN ('lane', 'turn')");
    assert_string_equal(columns, "0");
    free(columns);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_nothing),    cmocka_unit_test(test_from_1),         cmocka_unit_test(test_from_each),
        cmocka_unit_test(test_from_the_future), cmocka_unit_test(test_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
