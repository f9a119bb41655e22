/*
 * local_index_delivery - messages and deliveries in the index: adding, changing, settling, and what is due.
 */
#include "store/local/local_index_private.h"

/* ---- messages and deliveries ---- */

int local_index_add_message(struct local_index *index, const struct local_index_message *message, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, ADD_MESSAGE, fault);
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
    bind_text(st, 12, message->sender);
    bind_text(st, 13, message->message_id);
    bind_number(st, 14, message->print);
    bind_number(st, 15, (uint64_t)message->unheard_ms);
    return local_sql_run(index, st, fault);
}

int local_index_add_delivery(struct local_index *index, uint64_t message, const struct store_row *row, int64_t now_ms,
                             uint64_t run_number, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, ADD_DELIVERY, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, row->number);
    bind_number(st, 3, row->state);
    bind_text(st, 4, row->upstream);
    bind_number(st, 5, (uint64_t)now_ms);
    bind_number(st, 6, row->handed ? run_number : 0);
    bind_number(st, 7, (uint64_t)now_ms);
    bind_bytes(st, 8, row->detail);
    bind_text(st, 9, row->folder);
    bind_text(st, 10, row->rule);
    bind_number(st, 11, row->turn);
    bind_number(st, 12, row->uncertain);
    bind_text(st, 13, row->fallback);
    bind_text(st, 14, row->doubt);
    return local_sql_run(index, st, fault);
}

/* Runs a statement that changes one row or none: 1, 0, or -1. */
static int run_change(struct local_index *index, sqlite3_stmt *st, struct fault *fault)
{
    return local_sql_run(index, st, fault) != 0 ? -1 : sqlite3_changes(index->db) > 0;
}

int local_index_finish(struct local_index *index, const struct store_finish *finish, int64_t now_ms,
                       uint64_t run_number, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, FINISH, fault);
    if (st == NULL) {
        return -1;
    }
    bool again = finish->state == STORE_STATE_WAITING;
    bind_number(st, 1, finish->key.message);
    bind_number(st, 2, finish->key.number);
    bind_number(st, 3, finish->state);
    bind_number(st, 4, (uint64_t)now_ms + (again ? finish->again_in_ms : 0));
    bind_number(st, 5, finish->attempts);
    bind_number(st, 6, finish->state != STORE_STATE_FILED && finish->uncertain);
    bind_number(st, 7, (uint64_t)now_ms);
    bind_number(st, 8, finish->uidvalidity);
    bind_number(st, 9, finish->uid);
    bind_text(st, 10, finish->folder);
    bind_number(st, 11, run_number);
    bind_text(st, 12, finish->state == STORE_STATE_FILED ? NULL : finish->doubt);
    int changed = run_change(index, st, fault);
    if (changed == 1 && finish->folder != NULL &&
        local_index_note_place(index, finish->key.message, NULL, finish->folder, NULL, fault) != 0) {
        return -1;
    }
    return changed;
}

int local_index_redirect(struct local_index *index, struct store_key key, const struct store_row *row,
                         struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, REDIRECT, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key.message);
    bind_number(st, 2, key.number);
    bind_text(st, 3, row->upstream);
    bind_text(st, 4, row->folder);
    bind_text(st, 5, row->fallback);
    bind_number(st, 6, row->turn);
    bind_bytes(st, 7, row->detail);
    return local_sql_run(index, st, fault) != 0
               ? -1
               : local_index_note_place(index, key.message, row->upstream, row->folder, NULL, fault);
}

int local_index_add_attempt(struct local_index *index, const struct store_finish *finish, int64_t now_ms,
                            struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, ADD_ATTEMPT, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, finish->key.message);
    bind_number(st, 2, finish->key.number);
    bind_number(st, 3, finish->attempts);
    bind_number(st, 4, (uint64_t)now_ms);
    bind_text(st, 5, fault_class_name(finish->why.class));
    bind_text(st, 6, finish->why.code);
    bind_text(st, 7, finish->why.where);
    bind_text(st, 8, finish->why.text);
    return local_sql_run(index, st, fault);
}

int local_index_hand(struct local_index *index, const struct store_hand_key *key, uint64_t run_number,
                     struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, HAND, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key->key.message);
    bind_number(st, 2, key->key.number);
    bind_number(st, 3, run_number);
    bind_number(st, 4, (uint64_t)key->due);
    bind_number(st, 5, key->attempts);
    bind_text(st, 6, key->doubt);
    return run_change(index, st, fault);
}

int local_index_give_back(struct local_index *index, const struct store_untouch *untouch, uint64_t run_number,
                          struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, GIVE_BACK, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, untouch->key.message);
    bind_number(st, 2, untouch->key.number);
    bind_number(st, 3, run_number);
    bind_number(st, 4, untouch->uncertain);
    bind_text(st, 5, untouch->doubt);
    return run_change(index, st, fault);
}

int local_index_set_doubt(struct local_index *index, struct store_key key, bool uncertain, const char *doubt,
                          struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, SET_DOUBT, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key.message);
    bind_number(st, 2, key.number);
    bind_number(st, 3, uncertain);
    bind_text(st, 4, doubt);
    return local_sql_run(index, st, fault);
}

int local_index_knows(struct local_index *index, const char *id, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, KNOWS, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, id);
    int got = local_sql_next_row(index, st, fault);
    sqlite3_reset(st);
    return got;
}

int local_index_find_print(struct local_index *index, uint64_t print, const struct store_place *place, int64_t since_ms,
                           const char **id_r, unsigned *open_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, FIND_PRINT, fault);
    if (st == NULL) {
        return -1;
    }
    sqlite3_reset(st);
    bind_number(st, 1, print);
    bind_number(st, 2, place->body_len);
    bind_number(st, 3, place->body_sum);
    bind_number(st, 4, (uint64_t)since_ms);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        *id_r = (const char *)sqlite3_column_text(st, 0);
        *open_r = (unsigned)sqlite3_column_int64(st, 1);
    } else {
        sqlite3_reset(st);
    }
    return got;
}

int local_index_settle(struct local_index *index, uint64_t message, int64_t now_ms, unsigned *open_r,
                       struct store_place *place_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, SETTLE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, (uint64_t)now_ms);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        *open_r = (unsigned)column_number(st, 0);
        *place_r = column_place(st, 1);
        got = local_sql_next_row(index, st, fault) == 0 ? 1 : -1;
    } else if (got == 0) {
        fault_set(fault, FAULT_LOCAL, "damaged", "index",
                  "the spool's index does not know a message that is being settled");
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}

/* ---- what is due ---- */

/* Calls fn for each row of a bound statement that begins with a message and a number. */
static int each_key(struct local_index *index, sqlite3_stmt *st, local_index_key_fn *fn, void *ctx, struct fault *fault)
{
    int got;
    while ((got = local_sql_next_row(index, st, fault)) == 1) {
        struct store_key key = {column_number(st, 0), (unsigned)column_number(st, 1)};
        if (fn(ctx, key) != 0) {
            break;
        }
    }
    sqlite3_reset(st);
    return got < 0 ? -1 : 0;
}

int local_index_each_due(struct local_index *index, const char *upstream, int64_t now_ms, uint64_t run_number,
                         local_index_key_fn *fn, void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    bind_number(st, 3, run_number);
    return each_key(index, st, fn, ctx, fault);
}

int local_index_each_due_of_turn(struct local_index *index, const char *upstream, int64_t turn, int64_t now_ms,
                                 uint64_t run_number, local_index_key_fn *fn, void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, DUE_OF_TURN, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    bind_number(st, 3, run_number);
    bind_number(st, 4, (uint64_t)turn);
    return each_key(index, st, fn, ctx, fault);
}

int local_index_next_turn(struct local_index *index, const char *upstream, int64_t turn, int64_t *turn_r,
                          struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, NEXT_TURN, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)turn);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        *turn_r = sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    return got;
}

int local_index_is_paused(struct local_index *index, const char *upstream, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, IS_PAUSED, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    int got = local_sql_next_row(index, st, fault);
    sqlite3_reset(st);
    return got;
}

static struct local_index_due column_due(sqlite3_stmt *st)
{
    return (struct local_index_due){
        .key = {column_number(st, 0), (unsigned)column_number(st, 1)},
        .state = (enum store_state)column_number(st, 2),
        .due_ms = sqlite3_column_int64(st, 3),
        .attempts = (unsigned)column_number(st, 4),
        .uncertain = column_number(st, 5) != 0,
        .handed = column_number(st, 6),
        .detail = column_bytes(st, 7),
        .id = (const char *)sqlite3_column_text(st, 8),
        .envelope = column_bytes(st, 9),
        .place = column_place(st, 10),
        .doubt = column_bytes(st, 15),
    };
}

int local_index_load(struct local_index *index, struct store_key key,
                     void (*fn)(void *ctx, const struct local_index_due *due), void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, LOAD, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key.message);
    bind_number(st, 2, key.number);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        struct local_index_due due = column_due(st);
        fn(ctx, &due);
    }
    sqlite3_reset(st);
    return got;
}

int local_index_move_due(struct local_index *index, int64_t delta_ms, int64_t before_ms, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, MOVE_DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, (uint64_t)delta_ms);
    bind_number(st, 2, (uint64_t)before_ms);
    return local_sql_run(index, st, fault);
}

int local_index_next_due(struct local_index *index, const char *upstream, int64_t now_ms, int64_t *due_ms_r,
                         struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, NEXT_DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        *due_ms_r = sqlite3_column_type(st, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}

int local_index_each_divertible(struct local_index *index, const char *upstream, struct store_key after, unsigned limit,
                                local_index_key_fn *fn, void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, DIVERTIBLE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, after.message);
    bind_number(st, 3, after.number);
    bind_number(st, 4, limit);
    return each_key(index, st, fn, ctx, fault);
}

int local_index_place(struct local_index *index, uint64_t message, struct store_place *place_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, PLACE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    int got = local_sql_next_row(index, st, fault);
    if (got >= 0) {
        *place_r = got == 1 ? column_place(st, 0) : (struct store_place){0};
    }
    sqlite3_reset(st);
    return got < 0 ? -1 : 0;
}
