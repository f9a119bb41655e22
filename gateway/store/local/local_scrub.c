/*
 * local_scrub - what is kept is looked at a little at a time, beside whatever else happens: bodies against their
 * checksums, and the tables of the index against each other and against the indexes that SQLite keeps of them.
 *
 * A page of an index that was overwritten with an empty one is no error to SQLite: the rows that it named are simply
 * not found any more. Of what waits nothing is due then, for ever, and `mailweir queue list` still shows it. So each
 * open delivery is looked for in each index that a claim goes by, and each message has as many open deliveries as it
 * says.
 *
 * The tables are walked by message number. What is missing in an index is made anew from its table (mend); what is
 * missing in a table stands in the segments alone: "mailweir spool rebuild" is a matter for an operator, because no
 * gateway may run then.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_index_private.h"
#include "store/local/local_private.h"

/* Messages of one step, settled ones too: a long history is passed in steps as well. */
#define ROWS 400

struct row {
    uint64_t message;
    char id[STORE_ID_LEN];
    unsigned open;  /* as it says */
    unsigned found; /* open deliveries that are there */
    unsigned lost;  /* entries of it that an index lacks */
};

struct scrubbing {
    struct local *local;
    struct local_index *index;
    struct store_scrub *scrub;
    struct row *rows;
    size_t count;
    uint64_t last; /* the step's range ends with this message */
};

static const char messages_sql[] =
    "SELECT seq, id, open, CASE WHEN open > 0 THEN"
    "  (SELECT count(*) FROM message x INDEXED BY message_open WHERE x.open > 0 AND x.segment = m.segment"
    "    AND x.record_len = m.record_len AND x.seq = m.seq)"
    "  + (SELECT count(*) FROM message y INDEXED BY sqlite_autoindex_message_1 WHERE y.id = m.id AND y.seq = m.seq)"
    "  ELSE 2 END FROM message m NOT INDEXED WHERE seq > ?1 ORDER BY seq LIMIT ?2";
static const char deliveries_sql[] =
    "SELECT d.message, CASE WHEN d.state = 0 THEN"
    "  (SELECT count(*) FROM delivery x INDEXED BY delivery_due WHERE x.state = 0 AND x.upstream = d.upstream"
    "    AND x.due_ms = d.due_ms AND x.message = d.message AND x.number = d.number)"
    "  + (SELECT count(*) FROM delivery y INDEXED BY delivery_turn WHERE y.state = 0 AND y.upstream = d.upstream"
    "    AND y.turn = d.turn AND y.due_ms = d.due_ms AND y.message = d.message AND y.number = d.number)"
    "  ELSE 1 + (SELECT count(*) FROM delivery z INDEXED BY delivery_stopped WHERE z.state IN (1, 2)"
    "    AND z.state = d.state AND z.upstream = d.upstream AND z.message = d.message AND z.number = d.number) END"
    " FROM delivery d NOT INDEXED WHERE d.message > ?1 AND d.message <= ?2 AND d.state IN (0, 1, 2) ORDER BY d.message";

/* ---- telling ---- */

static void tell_damage(const struct scrubbing *scrubbing, enum store_damage_kind kind, const char *id,
                        struct fault *what)
{
    const struct store_damage damage = {.kind = kind, .id = id, .what = *what};
    scrubbing->scrub->found(scrubbing->scrub->ctx, &damage);
}

static void tell_missing(const struct scrubbing *scrubbing, const char *id, unsigned open, unsigned found)
{
    struct fault what = FAULT_INIT;
    fault_set(&what, FAULT_LOCAL, "damaged", "index",
              "the spool's index counts %u open deliveries of the message, but has rows for %u", open, found);
    tell_damage(scrubbing, STORE_DAMAGE_TABLE, id, &what);
}

static void tell_row(const struct scrubbing *scrubbing, const struct row *row)
{
    struct fault what = FAULT_INIT;
    if (row->found != row->open) {
        tell_missing(scrubbing, row->id, row->open, row->found);
    } else if (row->lost > 0) {
        fault_set(&what, FAULT_LOCAL, "damaged", "index",
                  "the spool's index has lost track of %u entries of the message, which is there", row->lost);
        tell_damage(scrubbing, STORE_DAMAGE_INDEX, row->id, &what);
    }
}

/* ---- the tables ---- */

static void note_message(void *ctx, sqlite3_stmt *st)
{
    struct scrubbing *scrubbing = ctx;
    struct row *row = &scrubbing->rows[scrubbing->count++];
    const char *id = (const char *)sqlite3_column_text(st, 1);
    *row = (struct row){.message = column_number(st, 0), .open = (unsigned)column_number(st, 2)};
    snprintf(row->id, sizeof row->id, "%s", id == NULL ? "" : id);
    row->lost = 2 - (unsigned)column_number(st, 3);
}

static int compare_rows(const void *message, const void *row)
{
    uint64_t a = *(const uint64_t *)message, b = ((const struct row *)row)->message;
    return a < b ? -1 : a > b;
}

static void note_delivery(void *ctx, sqlite3_stmt *st)
{
    struct scrubbing *scrubbing = ctx;
    uint64_t message = column_number(st, 0);
    struct row *row = bsearch(&message, scrubbing->rows, scrubbing->count, sizeof *row, compare_rows);
    if (row == NULL) {
        tell_missing(scrubbing, NULL, 0, 1);
        return;
    }
    row->found++;
    row->lost += 2 - (unsigned)column_number(st, 1);
}

static int each(struct local_index *index, const char *sql, uint64_t after, uint64_t end,
                void (*fn)(void *ctx, sqlite3_stmt *st), void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_take(index, sql, fault);
    int got = st == NULL ? -1 : 1;
    if (st != NULL) {
        bind_number(st, 1, after);
        bind_number(st, 2, end);
    }
    while (got == 1 && (got = local_sql_next_row(index, st, fault)) == 1) {
        fn(ctx, st);
    }
    local_sql_give(index, &st);
    return got;
}

/* Both tables as of one moment, and as they lie on the disk: what is still in memory may be better than that. */
static int read_tables(struct scrubbing *scrubbing, struct fault *fault)
{
    struct local_index *index = scrubbing->index;
    sqlite3_db_release_memory(local_index_db(index));
    if (local_index_begin_read(index, fault) != 0) {
        return -1;
    }
    int result = each(index, messages_sql, scrubbing->scrub->at, ROWS, note_message, scrubbing, fault);
    scrubbing->last = scrubbing->count < ROWS ? INT64_MAX : scrubbing->rows[ROWS - 1].message;
    if (result == 0) {
        result = each(index, deliveries_sql, scrubbing->scrub->at, scrubbing->last, note_delivery, scrubbing, fault);
    }
    local_index_rollback(index);
    return result;
}

/* ---- bodies ---- */

/* False when the step has read enough: the rest is for the next one. */
static bool check_body(struct scrubbing *scrubbing, const struct row *row)
{
    struct store_scrub *scrub = scrubbing->scrub;
    struct fault found = FAULT_INIT;
    uint64_t octets = 0;
    if (scrub->read >= scrub->octets) {
        return false;
    }
    scrub->messages++;
    if (local_check_record(scrubbing->index, scrubbing->local->folder, row->message, &octets, &found) != 0) {
        bool is_damaged = strcmp(found.code, "damaged") == 0 || strcmp(found.code, "enoent") == 0;
        tell_damage(scrubbing, is_damaged ? STORE_DAMAGE_BODY : STORE_DAMAGE_UNREAD, row->id, &found);
    }
    scrub->read += octets;
    return true;
}

int local_scrub(struct store *store, struct store_scrub *scrub, struct fault *fault)
{
    struct local *local = local_of(store);
    struct scrubbing scrubbing = {.local = local, .index = local->tidier, .scrub = scrub};
    scrubbing.rows = expect_calloc(ROWS, sizeof *scrubbing.rows);
    scrub->whole = false;
    scrub->messages = scrub->read = 0;
    int result = read_tables(&scrubbing, fault);
    bool is_done = result == 0;
    for (size_t i = 0; is_done && i < scrubbing.count; i++) {
        const struct row *row = &scrubbing.rows[i];
        is_done = row->open == 0 || check_body(&scrubbing, row);
        if (is_done) {
            tell_row(&scrubbing, row);
            scrub->at = row->message;
        }
    }
    scrub->whole = is_done && scrubbing.count < ROWS;
    free(scrubbing.rows);
    return result;
}

/* ---- mending ---- */

static int reindex(struct local *local, struct local_index_counts *counts_r, struct fault *fault)
{
    sqlite3 *db = local_index_db(local->index);
    int code = sqlite3_exec(db, "REINDEX delivery; REINDEX message", NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        return local_sql_failed(db, code, fault);
    }
    return local_index_count(local->index, counts_r, fault) != 0 ? -1 : local_index_commit(local->index, fault);
}

static int make_anew(struct local *local, struct local_index_counts *counts_r, struct fault *fault)
{
    if (local_index_begin(local->index, fault) != 0) {
        return -1;
    }
    if (reindex(local, counts_r, fault) != 0) {
        local_index_rollback(local->index);
        return -1;
    }
    return 0;
}

static void note_living(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets)
{
    local_live_add(ctx, segment, messages, octets);
}

/* What was counted by the damaged index, at the start, is counted again. */
int local_mend(struct store *store, struct store_counts *counts_r, struct fault *fault)
{
    struct local *local = local_of(store);
    struct local_index_counts counts;
    if (make_anew(local, &counts, fault) != 0) {
        return -1;
    }
    local->counts.waiting = counts.waiting;
    local->counts.held = counts.held;
    local->counts.dead = counts.dead;
    local->counts.messages = counts.messages;
    *counts_r = local->counts;
    struct local_live *live = local_live_new();
    if (local_index_each_living(local->index, note_living, live, fault) != 0) {
        local_live_free(&live);
        return -1;
    }
    local_live_free(&local->live);
    local->live = live;
    return 0;
}

/* ---- at the start ---- */

/* Messages with an open delivery, by what claims go by; and by what says which segments live. */
static int count_both(struct local *local, uint64_t *deliveries_r, uint64_t *messages_r, struct fault *fault)
{
    static const char sql[] = "SELECT count(*), (SELECT count(*) FROM message WHERE open > 0) FROM"
                              " (SELECT message FROM delivery INDEXED BY delivery_due WHERE state = 0 UNION"
                              "  SELECT message FROM delivery INDEXED BY delivery_stopped WHERE state IN (1, 2))";
    sqlite3 *db = local_index_db(local->index);
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        *deliveries_r = column_number(st, 0);
        *messages_r = column_number(st, 1);
    }
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? 0 : local_sql_failed(db, code, fault);
}

static void tell_start(const struct local *local, bool agrees, uint64_t deliveries, uint64_t messages)
{
    char text[200];
    snprintf(text, sizeof text,
             "the spool's index contradicts itself: %" PRIu64 " messages are open by its deliveries, and %" PRIu64
             " by its messages",
             deliveries, messages);
    log_event(local->options.log, LOG_LEVEL_ERROR, "spool_damaged", LOG_STR("id", ""), LOG_STR("what", "index"),
              LOG_STR("error.code", "damaged"), LOG_STR("error.message", text));
    if (agrees) {
        log_event(local->options.log, LOG_LEVEL_WARNING, "spool_mended", LOG_INT("waiting", messages),
                  LOG_STR("reason", "what the spool's index did not find was there, and is found again"));
    }
}

int local_scrub_start(struct local *local, bool *agrees_r, struct fault *fault)
{
    uint64_t deliveries, messages, found, found_messages;
    struct local_index_counts counts;
    if (count_both(local, &deliveries, &messages, fault) != 0) {
        return -1;
    }
    *agrees_r = deliveries == messages;
    if (*agrees_r) {
        return 0;
    }
    if (make_anew(local, &counts, fault) != 0 || count_both(local, &found, &found_messages, fault) != 0) {
        return -1;
    }
    *agrees_r = found == found_messages;
    tell_start(local, *agrees_r, deliveries, messages);
    return 0;
}
