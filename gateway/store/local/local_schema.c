/*
 * local_schema - a list of steps; step n brings version n to n + 1. A step that was released is never changed. See
 * local_schema.h.
 */
#include "store/local/local_schema.h"

#include <stdio.h>

#include "store/local/local_index_private.h"

static const char *const steps[LOCAL_SCHEMA_VERSION] = {
    /* Names and values: "run" counts the starts, "next_segment" is above every segment ever made. */
    "CREATE TABLE spool (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO spool VALUES ('run', 0), ('next_segment', 1);"
    /* segment 0: no body is kept. start: octet of the record in it. open: deliveries that are not settled. */
    "CREATE TABLE message ("
    "  seq INTEGER PRIMARY KEY,"
    "  id TEXT NOT NULL UNIQUE,"
    "  received_ms INTEGER NOT NULL,"
    "  segment INTEGER NOT NULL,"
    "  start INTEGER NOT NULL,"
    "  body_len INTEGER NOT NULL,"
    "  body_sum INTEGER NOT NULL,"
    "  record_len INTEGER NOT NULL,"
    "  open INTEGER NOT NULL,"
    "  settled_ms INTEGER NOT NULL DEFAULT 0,"
    "  envelope TEXT NOT NULL);"
    "CREATE INDEX message_open ON message (segment, record_len) WHERE open > 0;"
    "CREATE INDEX message_settled ON message (settled_ms) WHERE open = 0;"
    /* state: enum store_state. handed: the run in which it was last handed out and not given back, or 0. */
    "CREATE TABLE delivery ("
    "  message INTEGER NOT NULL,"
    "  number INTEGER NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  upstream TEXT NOT NULL,"
    "  due_ms INTEGER NOT NULL,"
    "  attempts INTEGER NOT NULL DEFAULT 0,"
    "  uncertain INTEGER NOT NULL DEFAULT 0,"
    "  handed INTEGER NOT NULL,"
    "  changed_ms INTEGER NOT NULL,"
    "  uidvalidity INTEGER NOT NULL DEFAULT 0,"
    "  uid INTEGER NOT NULL DEFAULT 0,"
    "  detail TEXT NOT NULL,"
    "  PRIMARY KEY (message, number)) WITHOUT ROWID;"
    "CREATE INDEX delivery_due ON delivery (upstream, due_ms) WHERE state = 0;"
    "CREATE INDEX delivery_stopped ON delivery (state, upstream) WHERE state IN (1, 2);"
    /* Attempts that did not file the delivery. */
    "CREATE TABLE attempt ("
    "  message INTEGER NOT NULL,"
    "  number INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL,"
    "  at_ms INTEGER NOT NULL,"
    "  class TEXT NOT NULL,"
    "  code TEXT NOT NULL,"
    "  place TEXT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  PRIMARY KEY (message, number, attempt)) WITHOUT ROWID;",

    /* What operators look for; turns for a fair order; fingerprints of what senders may send again; operators'
     * commands. */
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

    /* Who paused: whoever comes at 3 a.m. must know whom to ask. */
    "ALTER TABLE pause ADD COLUMN by_name TEXT NOT NULL DEFAULT '';",

    /* Since when a sender who waits for the upstreams has not heard that all have it; 0: he has, or does not wait. */
    "ALTER TABLE message ADD COLUMN unheard INTEGER NOT NULL DEFAULT 0;",

    /* Words by which messages are found (local_words.c); and the time by which they are asked for. Neither sizes nor
     * places of words are kept: whoever finds a message looks at it. */
    "CREATE VIRTUAL TABLE words USING fts5 (subject, sender, reader, content = '', columnsize = 0, detail = column,"
    "  tokenize = 'ascii');"
    "CREATE INDEX message_received ON message (received_ms);"
    "INSERT INTO spool VALUES ('learnt', 0), ('unlearnt', 0), ('unlearnt_ms', 0);",

    /* Records have an end (local_record.h): an older mailweir would take them for none, and remove their segments. */
    "INSERT INTO spool VALUES ('records', 2);",

    /* Whose turn it is; a lane is a thread. */
    "DROP INDEX delivery_lane;"
    "ALTER TABLE delivery RENAME COLUMN lane TO turn;"
    "CREATE INDEX delivery_turn ON delivery (upstream, turn, due_ms) WHERE state = 0;",

    /* What stands in each chunk of 256 messages (local_chunk.c). */
    "CREATE TABLE chunk (number INTEGER PRIMARY KEY, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL);"
    "CREATE TABLE place (word TEXT NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (word, chunk)) WITHOUT ROWID;"
    "CREATE INDEX place_chunk ON place (chunk);"
    "INSERT INTO chunk SELECT seq / 256, min(received_ms), max(received_ms) FROM message"
    "  WHERE seq <= (SELECT value FROM spool WHERE name = 'learnt') GROUP BY 1;"
    "INSERT OR IGNORE INTO place SELECT 'u' || lower(upstream), message / 256 FROM delivery;"
    "INSERT OR IGNORE INTO place SELECT 'f' || lower(folder), message / 256 FROM delivery;"
    "INSERT OR IGNORE INTO place SELECT 'r' || lower(rule), message / 256 FROM delivery;",
};

static int run_statement(sqlite3 *db, const char *sql, struct fault *fault)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : local_sql_failed(db, code, fault);
}

int local_schema_version(sqlite3 *db, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    int version = -1;
    int code = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_ROW) {
        version = sqlite3_column_int(statement, 0);
    } else {
        disregard(local_sql_failed(db, code, fault));
    }
    sqlite3_finalize(statement);
    return version;
}

static int refuse_newer(int version, struct fault *fault)
{
    fault_set(fault, FAULT_LOCAL, "version", "spool",
              "the spool's index has version %d and this mailweir knows up to %d: run the newer mailweir", version,
              LOCAL_SCHEMA_VERSION);
    return -1;
}

int local_schema_expect(sqlite3 *db, struct fault *fault)
{
    int version = local_schema_version(db, fault);
    if (version > LOCAL_SCHEMA_VERSION) {
        return refuse_newer(version, fault);
    }
    if (version >= 0 && version < LOCAL_SCHEMA_VERSION) {
        fault_set(fault, FAULT_LOCAL, "version", "spool",
                  "the spool's index has version %d, older than %d: it is upgraded when the gateway starts", version,
                  LOCAL_SCHEMA_VERSION);
    }
    return version == LOCAL_SCHEMA_VERSION ? 0 : -1;
}

static int run_steps(sqlite3 *db, int version, struct fault *fault)
{
    for (; version < LOCAL_SCHEMA_VERSION; version++) {
        if (run_statement(db, steps[version], fault) != 0) {
            return -1;
        }
    }
    char pragma[40];
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", LOCAL_SCHEMA_VERSION);
    return run_statement(db, pragma, fault);
}

int local_schema_migrate(sqlite3 *db, struct fault *fault)
{
    int version = local_schema_version(db, fault);
    if (version < 0 || version == LOCAL_SCHEMA_VERSION) {
        return version < 0 ? -1 : 0;
    }
    if (version > LOCAL_SCHEMA_VERSION) {
        return refuse_newer(version, fault);
    }
    if (run_statement(db, "BEGIN IMMEDIATE", fault) != 0) {
        return -1;
    }
    if (run_steps(db, version, fault) != 0 || run_statement(db, "COMMIT", fault) != 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    return 0;
}
