/*
 * local_sql - the prepared statements over the tables of local_schema.c, and what all do with one; see
 * local_index_private.h.
 */
#include <string.h>

#include "store/local/local_index_private.h"

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
        " rule, turn, uncertain, fallback, doubt)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ifnull(?10, ''), ?11, ?12, ifnull(?13, ''), ifnull(?14, ''))",
    /* Only of who has it in hand. */
    [FINISH] = "UPDATE delivery SET state = ?3, due_ms = ?4, attempts = ?5, uncertain = ?6, handed = 0,"
               " changed_ms = ?7, uidvalidity = ?8, uid = ?9, folder = ifnull(?10, folder), doubt = ifnull(?12, '')"
               " WHERE message = ?1 AND number = ?2 AND state = 0 AND handed = ?11 AND handed <> 0",
    [REDIRECT] = "UPDATE delivery SET upstream = ?3, folder = ?4, fallback = ifnull(?5, ''), turn = ?6, detail = ?7"
                 " WHERE message = ?1 AND number = ?2",
    [ADD_ATTEMPT] = "INSERT OR REPLACE INTO attempt (message, number, attempt, at_ms, class, code, place, text)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    /* Who claims it may give it back: that an earlier run had handed it out, and what was known then, must not be
     * forgotten. */
    [HAND] = "UPDATE delivery SET doubt = CASE WHEN uncertain OR handed <> 0 THEN doubt ELSE ifnull(?6, '') END,"
             " uncertain = uncertain OR handed <> 0, handed = ?3 WHERE message = ?1 AND number = ?2"
             " AND state = 0 AND handed <> ?3 AND due_ms = ?4 AND attempts = ?5",
    [GIVE_BACK] = "UPDATE delivery SET handed = 0, uncertain = ?4, doubt = ifnull(?5, '') WHERE message = ?1 AND "
                  "number = ?2 AND state = 0 AND handed = ?3 AND handed <> 0",
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
    [DUE_OF_TURN] = "SELECT message, number FROM delivery WHERE state = 0 AND upstream = ?1 AND turn = ?4"
                    " AND due_ms <= ?2 AND handed <> ?3 ORDER BY due_ms",
    [NEXT_TURN] = "SELECT turn FROM delivery WHERE state = 0 AND upstream = ?1 AND turn > ?2 ORDER BY turn LIMIT 1",
    [IS_PAUSED] = "SELECT 1 FROM pause WHERE upstream IN ('', ?1)",
    [LOAD] =
        "SELECT d.message, d.number, d.state, d.due_ms, d.attempts, d.uncertain, d.handed, d.detail, m.id, m.envelope,"
        " m.segment, m.start, m.record_len, m.body_len, m.body_sum, d.doubt FROM delivery d JOIN message m"
        " ON m.seq = d.message WHERE d.message = ?1 AND d.number = ?2",
    [NEXT_DUE] = "SELECT min(due_ms) FROM delivery WHERE state = 0 AND upstream = ?1 AND due_ms > ?2",
    /* What was changed by the new clock already has a time of it. The time of the change moves too: after a second jump
     * back it would look like one that is still to come. What is of neither clock was changed between two jumps that
     * were seen as one: it waits as long as it was to, from now. */
    [MOVE_DUE] = "UPDATE delivery SET due_ms = due_ms + iif(changed_ms <= ?2, ?1, ?2 + ?1 - changed_ms),"
                 " changed_ms = iif(changed_ms <= ?2, changed_ms + ?1, ?2 + ?1)"
                 " WHERE state = 0 AND ((due_ms > min(?2, ?2 + ?1) AND changed_ms <= ?2)"
                 " OR changed_ms > max(?2, ?2 + ?1))",
    [PLACE] = "SELECT segment, start, record_len, body_len, body_sum FROM message WHERE seq = ?1 AND open > 0",
    [COUNT_WAITING] = "SELECT count(*) FROM delivery WHERE state = 0",
    [COUNT_STOPPED] = "SELECT count(*) FROM delivery WHERE state = ?1 AND state IN (1, 2)",
    [COUNT_MESSAGES] = "SELECT count(*) FROM message WHERE open > 0",
    [LIVING] = "SELECT segment, record_len FROM message WHERE open > 0",
    [IN_SEGMENT] =
        "SELECT seq, segment, start, record_len, body_len, body_sum FROM message WHERE segment = ?1 AND open > 0",
    [MOVE] = "UPDATE message SET segment = ?3, start = ?4, record_len = ?5"
             " WHERE seq = ?1 AND segment = ?2 AND open > 0",
    [COUNT_SETTLED] = "SELECT count(*) FROM message WHERE open = 0",
    [OLD_MESSAGES] = "SELECT seq FROM message WHERE open = 0 AND settled_ms < ?1 ORDER BY settled_ms LIMIT ?2",
    [FORGET_ATTEMPTS] = "DELETE FROM attempt WHERE message = ?1",
    [FORGET_DELIVERIES] = "DELETE FROM delivery WHERE message = ?1",
    [FORGET_NOTES] = "DELETE FROM note WHERE message = ?1",
    /* What was in an earlier run's hands may have been filed. */
    [SET_STATE] =
        "UPDATE delivery SET state = ?3, due_ms = ?4, changed_ms = ?4, uncertain = uncertain OR handed NOT IN (0, ?5),"
        " handed = 0 WHERE message = ?1 AND number = ?2",
    [ADD_NOTE] = "INSERT INTO note (message, number, at_ms, text) VALUES (?1, ?2, ?3, ?4)"
                 " ON CONFLICT (message, number, at_ms) DO UPDATE SET text = text || '; ' || excluded.text",
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
    [DROP_MEMO] = "DELETE FROM memo WHERE upstream = ?1",
    [ADD_WORDS] = "INSERT INTO words (rowid, subject, sender, reader) VALUES (?1, ?2, ?3, ?4)",
    [REMOVE_WORDS] = "INSERT INTO words (words, rowid, subject, sender, reader) VALUES ('delete', ?1, ?2, ?3, ?4)",
    [CLEAR_WORDS] = "INSERT INTO words (words) VALUES ('delete-all')",
    [UNLEARNT] = "SELECT seq, envelope FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [TO_UNLEARN] = "SELECT seq, settled_ms FROM message WHERE open = 0 AND settled_ms < ?1"
                   " AND (settled_ms, seq) > (?2, ?3) ORDER BY settled_ms, seq LIMIT ?4",
    [ADD_CHUNKS] = "INSERT INTO chunk SELECT seq / " LOCAL_CHUNK_SQL ", min(received_ms), max(received_ms) FROM message"
                   " WHERE seq > ?1 AND seq <= ?2 GROUP BY 1"
                   " ON CONFLICT (number) DO UPDATE SET first_ms = min(first_ms, excluded.first_ms),"
                   " last_ms = max(last_ms, excluded.last_ms)",
    [ADD_PLACES] = "INSERT OR IGNORE INTO place SELECT word || lower(value), message / " LOCAL_CHUNK_SQL " FROM"
                   " (SELECT message, 'u' AS word, upstream AS value FROM delivery WHERE message > ?1 AND message <= ?2"
                   " UNION ALL"
                   " SELECT message, 'f', folder FROM delivery WHERE message > ?1 AND message <= ?2 UNION ALL"
                   " SELECT message, 'r', rule FROM delivery WHERE message > ?1 AND message <= ?2)",
    [ADD_PLACE] = "INSERT OR IGNORE INTO place VALUES (?1 || lower(?2), ?3 / " LOCAL_CHUNK_SQL ")",
    [IN_CHUNK] =
        "SELECT 1 FROM message WHERE seq >= ?1 * " LOCAL_CHUNK_SQL " AND seq < (?1 + 1) * " LOCAL_CHUNK_SQL " LIMIT 1",
    [FORGET_CHUNK] = "DELETE FROM chunk WHERE number = ?1",
    [FORGET_PLACES] = "DELETE FROM place WHERE chunk = ?1",
    [ENVELOPE] = "SELECT envelope, open FROM message WHERE seq = ?1",
    [SET_ENVELOPE] = "UPDATE message SET envelope = ?2 WHERE seq = ?1",
};

/* ---- faults ---- */

int local_sql_failed(sqlite3 *db, int code, struct fault *fault)
{
    static const struct {
        int result;
        const char *code;
    } known[] = {
        {SQLITE_FULL, "enospc"},    {SQLITE_IOERR, "eio"}, {SQLITE_READONLY, "erofs"}, {SQLITE_CORRUPT, "damaged"},
        {SQLITE_NOTADB, "damaged"}, {SQLITE_BUSY, "busy"}, {SQLITE_LOCKED, "busy"},
    };
    const char *name = "sqlite";
    int kind = code & 0xFF;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].result == kind) {
            name = known[i].code;
        }
    }
    bool damaged = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB;
    fault_set(fault, FAULT_LOCAL, name, "index", "the spool's index: %s (SQLite %d)%s",
              db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db), code,
              damaged ? "; \"mailweir spool rebuild\" rebuilds it" : "");
    return -1;
}

/* ---- preparing and stepping ---- */

sqlite3_stmt *local_sql_statement(struct local_index *index, enum statement which, struct fault *fault)
{
    if (index->statements[which] == NULL) {
        int code =
            sqlite3_prepare_v3(index->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &index->statements[which], NULL);
        if (code != SQLITE_OK) {
            disregard(local_sql_failed(index->db, code, fault));
        }
    }
    return index->statements[which];
}

sqlite3_stmt *local_sql_take(struct local_index *index, const char *text, struct fault *fault)
{
    sqlite3_stmt *st = NULL;
    int code = local_prepared_take(&index->prepared, index->db, text, &st);
    if (code != SQLITE_OK) {
        disregard(local_sql_failed(index->db, code, fault));
    }
    return st;
}

void local_sql_give(struct local_index *index, sqlite3_stmt **st)
{
    local_prepared_give(&index->prepared, st);
}

int local_sql_run(struct local_index *index, sqlite3_stmt *st, struct fault *fault)
{
    int code = sqlite3_step(st);
    if (code != SQLITE_DONE) {
        disregard(local_sql_failed(index->db, code, fault));
    }
    sqlite3_reset(st);
    return code == SQLITE_DONE ? 0 : -1;
}

int local_sql_next_row(struct local_index *index, sqlite3_stmt *st, struct fault *fault)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        return code == SQLITE_ROW;
    }
    return local_sql_failed(index->db, code, fault);
}

int local_sql_one_number(struct local_index *index, sqlite3_stmt *st, uint64_t *value_r, struct fault *fault)
{
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        *value_r = column_number(st, 0);
    } else if (got == 0) {
        fault_set(fault, FAULT_LOCAL, "damaged", "index", "the spool's index lacks a row: %s", sqlite3_sql(st));
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}
