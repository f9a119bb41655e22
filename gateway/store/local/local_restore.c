/*
 * local_restore - what a rebuilt index knows beside the records: all that the old index can still tell, or, without it,
 * what operators decided.
 *
 * The old index is taken whole or not at all: attempts, notes, the deliveries of a reroute, pauses and the settled
 * messages of the history. Messages have kept their numbers. See local_rebuild.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_index_private.h"
#include "store/local/local_journal.h"
#include "store/local/local_restore.h"
#include "store/local/local_schema.h"
#include "store/store_meta.h"

#define OPEN_STATES "(0, 1, 2)"
#define MESSAGE_COLUMNS                                                                                                \
    "seq, id, received_ms, segment, start, body_len, body_sum, record_len, open, settled_ms, envelope, sender,"        \
    " message_id, print, unheard"
#define KEYS "message, number, "

/* ---- the old index ---- */

static const char *const from_old[] = {
    /* Run numbers begin anew: what was in somebody's hands is uncertain. Where it goes may be another place than the
       record says: its folder was refused. What of that cannot be read any more, the record says. */
    "UPDATE delivery SET (state, due_ms, attempts, uncertain, handed, changed_ms, uidvalidity, uid, turn, doubt,"
    " upstream, folder, fallback, detail) ="
    " (SELECT o.state, o.due_ms, o.attempts, o.uncertain OR o.handed <> 0, 0, o.changed_ms, o.uidvalidity, o.uid, "
    "o.turn, o.doubt, o.upstream, o.folder, o.fallback,"
    " CASE WHEN json_valid(CAST(o.detail AS TEXT)) THEN o.detail ELSE delivery.detail END"
    " FROM old.delivery o WHERE o.message = delivery.message AND o.number = delivery.number)"
    " WHERE EXISTS (SELECT 1 FROM old.delivery o WHERE o.message = delivery.message AND o.number = delivery.number)",
    "INSERT OR IGNORE INTO message (" MESSAGE_COLUMNS ") SELECT " MESSAGE_COLUMNS " FROM old.message WHERE open = 0",
    "INSERT OR IGNORE INTO delivery (" KEYS
    "state, upstream, due_ms, attempts, uncertain, handed, changed_ms, uidvalidity,"
    " uid, detail, folder, rule, turn, fallback, doubt) SELECT " KEYS
    "state, upstream, due_ms, attempts, uncertain OR handed <> 0, 0,"
    " changed_ms, uidvalidity, uid, detail, folder, rule, turn, fallback, doubt FROM old.delivery"
    " WHERE message IN (SELECT seq FROM main.message)",
    "UPDATE message SET (print, unheard, settled_ms) = (SELECT o.print, o.unheard, o.settled_ms FROM old.message o "
    "WHERE o.seq = "
    "message.seq)"
    " WHERE EXISTS (SELECT 1 FROM old.message o WHERE o.seq = message.seq)",
    "INSERT OR IGNORE INTO attempt SELECT * FROM old.attempt WHERE message IN (SELECT seq FROM main.message)",
    "INSERT OR IGNORE INTO note SELECT * FROM old.note WHERE message IN (SELECT seq FROM main.message)",
    "INSERT OR IGNORE INTO pause SELECT * FROM old.pause",
};

static int run_sql(sqlite3 *db, const char *sql, struct fault *fault)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : local_sql_failed(db, code, fault);
}

int local_restore_attach(struct local_index *index, sqlite3 *old, const char *path, struct fault *fault)
{
    char *sql = sqlite3_mprintf("ATTACH DATABASE %Q AS old", path);
    int result = local_schema_migrate(old, fault) != 0 ? -1 : run_sql(local_index_db(index), sql, fault);
    sqlite3_free(sql);
    return result;
}

int local_restore_old(struct local_index *index, struct fault *fault)
{
    sqlite3 *db = local_index_db(index);
    int result = run_sql(db, "SAVEPOINT restore", fault);
    for (size_t i = 0; result == 0 && i < sizeof from_old / sizeof from_old[0]; i++) {
        result = run_sql(db, from_old[i], fault);
    }
    if (result != 0) {
        sqlite3_exec(db, "ROLLBACK TO restore", NULL, NULL, NULL);
    }
    sqlite3_exec(db, "RELEASE restore", NULL, NULL, NULL);
    return result;
}

/* ---- the decisions ---- */

struct decisions {
    struct local_index *index;
    int64_t now_ms;
    uint64_t applied;
    struct fault *fault;
};

/* The number of the message that has this id, or 0: also with a fault. What calls itself so is another one. */
static uint64_t message_of(struct decisions *decisions, const json_t *decision)
{
    const char *id = json_string_value(json_object_get(decision, "id"));
    uint64_t message = 0;
    bool is_known = id != NULL && local_index_of_id(decisions->index, id, &message, decisions->fault) == 1;
    return is_known ? message : 0;
}

/* A delivery that a line of the decisions holds: added, or, under a number that there is, in the place of what is
 * there. */
static int take_delivery(struct decisions *decisions, struct store_key key, const char *sender, const json_t *object)
{
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    struct mail_delivery delivery;
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    char *text = json_dumps(object, JSON_COMPACT);
    int result = store_meta_read_delivery(bytes_of(text), arena, &delivery, decisions->fault);
    if (result == 0) {
        struct store_row row = store_row_of(&delivery, sender, &detail);
        row.uncertain = true;
        result = key.number != 0 ? local_index_redirect(decisions->index, key, &row, decisions->fault)
                                 : local_index_add_delivery(decisions->index, key.message, &row, decisions->now_ms, 0,
                                                            decisions->fault);
    }
    free(text);
    buf_done(&detail);
    arena_free(&arena);
    return result;
}

static int apply_decision(void *ctx, const json_t *decision, struct bytes line)
{
    (void)line;
    struct decisions *decisions = ctx;
    size_t i;
    json_t *delivery;
    const char *upstream = json_string_value(json_object_get(decision, "upstream"));
    decisions->applied++;
    if (upstream != NULL) {
        const char *by = json_string_value(json_object_get(decision, "by"));
        const json_int_t since = json_integer_value(json_object_get(decision, "since_ms"));
        const struct store_pause_row pause = {
            .upstream = upstream, .since_ms = since != 0 ? since : decisions->now_ms, .by = by};
        int changed = local_index_set_pause(decisions->index, &pause, json_is_true(json_object_get(decision, "paused")),
                                            decisions->fault);
        return changed < 0 ? -1 : 0;
    }
    uint64_t message = message_of(decisions, decision);
    if (message == 0) {
        decisions->applied--;
        return fault_is_set(decisions->fault) ? -1 : 0;
    }
    char id[STORE_ID_LEN], *sender = NULL;
    int result = local_index_name(decisions->index, message, id, &sender, decisions->fault);
    json_array_foreach(json_object_get(decision, "deliveries"), i, delivery)
    {
        result = result == 0 ? take_delivery(decisions, (struct store_key){message, 0}, sender, delivery) : result;
    }
    struct store_key key = {message, (unsigned)json_integer_value(json_object_get(decision, "number"))};
    const json_t *instead = json_object_get(decision, "instead");
    result = result == 0 && instead != NULL ? take_delivery(decisions, key, sender, instead) : result;
    free(sender);
    if (result != 0) {
        return -1;
    }
    const char *state = json_string_value(json_object_get(decision, "state"));
    return state == NULL || store_state_of(state) < 0
               ? 0
               : local_index_set_state(decisions->index, key, (enum store_state)store_state_of(state),
                                       decisions->now_ms, 0, decisions->fault);
}

int local_restore_decisions(struct local_index *index, const char *spool, int64_t now_ms, uint64_t *applied_r,
                            uint64_t *damaged_r, struct fault *fault)
{
    struct decisions decisions = {.index = index, .now_ms = now_ms, .fault = fault};
    int result = local_journal_each(spool, apply_decision, &decisions, damaged_r, fault);
    *applied_r = decisions.applied;
    return result;
}

/* ---- the numbers ---- */

int local_restore_count(struct local_index *index, struct fault *fault)
{
    sqlite3 *db = local_index_db(index);
    return run_sql(
               db,
               "UPDATE message SET open = (SELECT count(*) FROM delivery d WHERE d.message = message.seq AND d.state"
               " IN " OPEN_STATES ")",
               fault) != 0
               ? -1
               : run_sql(db, "UPDATE message SET settled_ms = received_ms WHERE open = 0 AND settled_ms = 0", fault);
}

/* ---- records of other names ---- */

static int note_adopted(void *ctx, const json_t *decision, struct bytes line)
{
    (void)line;
    struct map *adopted = ctx;
    const char *record = json_string_value(json_object_get(decision, "adopted"));
    const char *id = json_string_value(json_object_get(decision, "id"));
    if (record != NULL && id != NULL) {
        char *name = expect_strdup(id);
        free(map_remove(adopted, bytes_of(record)));
        if (map_set(adopted, bytes_of(record), name) != 0) {
            free(name);
        }
    }
    return 0;
}

struct map *local_restore_adopted(const char *spool)
{
    struct map *adopted = map_new(SIZE_MAX / 4, NULL);
    struct fault fault = FAULT_INIT; /* the decisions tell of it */
    uint64_t damaged;
    disregard(local_journal_each(spool, note_adopted, adopted, &damaged, &fault));
    return adopted;
}

/* ---- at each start ---- */

struct shrinking {
    struct local_index *index;
    struct buf kept;
    uint64_t left_out;
    struct fault *fault;
};

static int keep_open(void *ctx, const json_t *decision, struct bytes line)
{
    struct shrinking *shrinking = ctx;
    uint64_t message = 0;
    struct store_place place = {0};
    const char *id = json_string_value(json_object_get(decision, "id"));
    int known = id == NULL ? 0 : local_index_of_id(shrinking->index, id, &message, shrinking->fault);
    if (known < 0 || (known == 1 && local_index_place(shrinking->index, message, &place, shrinking->fault) != 0)) {
        return -1;
    }
    /* As long as its message is remembered: the record may outlive what it was for. */
    bool is_name = known == 1 && json_object_get(decision, "adopted") != NULL;
    if (place.segment == 0 && !is_name) {
        shrinking->left_out++;
        return 0;
    }
    buf_append_bytes(&shrinking->kept, line);
    buf_append_text(&shrinking->kept, "\n");
    return 0;
}

static int keep_pause(void *ctx, const struct store_pause_row *pause)
{
    struct shrinking *shrinking = ctx;
    local_journal_pause(&shrinking->kept, pause, true);
    return 0;
}

int local_restore_shrink(struct local_index *index, const char *spool, struct fault *fault)
{
    struct shrinking shrinking = {.index = index, .fault = fault};
    uint64_t damaged;
    buf_init(&shrinking.kept, LOCAL_JOURNAL_MAX);
    int result = local_journal_each(spool, keep_open, &shrinking, &damaged, fault);
    /* Of pauses, those that are. */
    if (result == 0) {
        result = local_index_each_pause(index, keep_pause, &shrinking, fault);
    }
    if (result == 0 && shrinking.left_out + damaged > 0) {
        result = local_journal_replace(spool, buf_bytes(&shrinking.kept), fault);
    }
    buf_done(&shrinking.kept);
    return result;
}
