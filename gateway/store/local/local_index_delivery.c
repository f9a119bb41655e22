/*
 * local_index_delivery - messages and deliveries in the index: adding, changing, settling, and what is due.
 */
#include "store/local/local_index_private.h"

/* ---- messages and deliveries ---- */

int local_index_add_message(struct local_index *index, const struct local_index_message *message, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, ADD_MESSAGE, fault);
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
    return local_index_run(index, st, fault);
}

int local_index_add_delivery(struct local_index *index, const struct local_index_delivery *delivery,
                             struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, ADD_DELIVERY, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, delivery->message);
    bind_number(st, 2, delivery->number);
    bind_number(st, 3, delivery->state);
    bind_text(st, 4, delivery->upstream);
    bind_number(st, 5, (uint64_t)delivery->due_ms);
    bind_number(st, 6, delivery->handed);
    bind_number(st, 7, (uint64_t)delivery->changed_ms);
    bind_bytes(st, 8, delivery->detail);
    bind_text(st, 9, delivery->folder);
    bind_text(st, 10, delivery->rule);
    bind_number(st, 11, delivery->lane);
    bind_number(st, 12, delivery->uncertain);
    bind_text(st, 13, delivery->fallback);
    bind_text(st, 14, delivery->doubt);
    return local_index_run(index, st, fault);
}

int local_index_change_delivery(struct local_index *index, const struct local_index_change *change, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, CHANGE_DELIVERY, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, change->message);
    bind_number(st, 2, change->number);
    bind_number(st, 3, change->state);
    bind_number(st, 4, (uint64_t)change->due_ms);
    bind_number(st, 5, change->attempts);
    bind_number(st, 6, change->uncertain);
    bind_number(st, 7, (uint64_t)change->changed_ms);
    bind_number(st, 8, change->uidvalidity);
    bind_number(st, 9, change->uid);
    bind_text(st, 10, change->folder);
    bind_text(st, 11, change->doubt);
    return local_index_run(index, st, fault);
}

int local_index_add_attempt(struct local_index *index, const struct local_index_change *change,
                            const struct fault *what, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, ADD_ATTEMPT, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, change->message);
    bind_number(st, 2, change->number);
    bind_number(st, 3, change->attempts);
    bind_number(st, 4, (uint64_t)change->changed_ms);
    bind_text(st, 5, fault_class_name(what->class));
    bind_text(st, 6, what->code);
    bind_text(st, 7, what->where);
    bind_text(st, 8, what->text);
    return local_index_run(index, st, fault);
}

static int hand(struct local_index *index, enum statement which, struct store_key key, uint64_t value,
                const char *doubt, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, which, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key.message);
    bind_number(st, 2, key.number);
    bind_number(st, 3, value);
    bind_text(st, 4, doubt);
    return local_index_run(index, st, fault) != 0 ? -1 : sqlite3_changes(index->db) > 0;
}

int local_index_hand(struct local_index *index, struct store_key key, uint64_t run_number, const char *doubt,
                     struct fault *fault)
{
    return hand(index, HAND, key, run_number, doubt, fault);
}

int local_index_give_back(struct local_index *index, struct store_key key, bool uncertain, const char *doubt,
                          struct fault *fault)
{
    return hand(index, GIVE_BACK, key, uncertain, doubt, fault) < 0 ? -1 : 0;
}

int local_index_set_doubt(struct local_index *index, struct store_key key, bool uncertain, const char *doubt,
                          struct fault *fault)
{
    return hand(index, SET_DOUBT, key, uncertain, doubt, fault) < 0 ? -1 : 0;
}

int local_index_knows(struct local_index *index, const char *id, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, KNOWS, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, id);
    int got = local_index_next_row(index, st, fault);
    sqlite3_reset(st);
    return got;
}

int local_index_find_print(struct local_index *index, uint64_t print, const struct local_place *place, int64_t since_ms,
                           const char **id_r, unsigned *open_r, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, FIND_PRINT, fault);
    if (st == NULL) {
        return -1;
    }
    sqlite3_reset(st);
    bind_number(st, 1, print);
    bind_number(st, 2, place->body_len);
    bind_number(st, 3, place->body_sum);
    bind_number(st, 4, (uint64_t)since_ms);
    int got = local_index_next_row(index, st, fault);
    if (got == 1) {
        *id_r = (const char *)sqlite3_column_text(st, 0);
        *open_r = (unsigned)sqlite3_column_int64(st, 1);
    } else {
        sqlite3_reset(st);
    }
    return got;
}

int local_index_settle(struct local_index *index, uint64_t message, int64_t now_ms, unsigned *open_r,
                       struct local_place *place_r, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, SETTLE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, (uint64_t)now_ms);
    int got = local_index_next_row(index, st, fault);
    if (got == 1) {
        *open_r = (unsigned)column_number(st, 0);
        *place_r = column_place(st, 1);
        got = local_index_next_row(index, st, fault) == 0 ? 1 : -1;
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
    while ((got = local_index_next_row(index, st, fault)) == 1) {
        struct store_key key = {column_number(st, 0), (unsigned)column_number(st, 1)};
        if (fn(ctx, key) != 0) {
            break;
        }
    }
    sqlite3_reset(st);
    return got < 0 ? -1 : 0;
}

int local_index_each_due(struct local_index *index, const char *upstream, int64_t now_ms, local_index_key_fn *fn,
                         void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    return each_key(index, st, fn, ctx, fault);
}

int local_index_each_due_in_lane(struct local_index *index, const char *upstream, int64_t lane, int64_t now_ms,
                                 local_index_key_fn *fn, void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, DUE_IN_LANE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    bind_number(st, 3, (uint64_t)lane);
    return each_key(index, st, fn, ctx, fault);
}

int local_index_next_lane(struct local_index *index, const char *upstream, int64_t lane, int64_t *lane_r,
                          struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, NEXT_LANE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)lane);
    int got = local_index_next_row(index, st, fault);
    if (got == 1) {
        *lane_r = sqlite3_column_int64(st, 0);
    }
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
    sqlite3_stmt *st = local_index_statement(index, LOAD, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key.message);
    bind_number(st, 2, key.number);
    int got = local_index_next_row(index, st, fault);
    if (got == 1) {
        struct local_index_due due = column_due(st);
        fn(ctx, &due);
    }
    sqlite3_reset(st);
    return got;
}

int local_index_move_due(struct local_index *index, int64_t delta_ms, int64_t before_ms, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, MOVE_DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, (uint64_t)delta_ms);
    bind_number(st, 2, (uint64_t)before_ms);
    return local_index_run(index, st, fault);
}

int local_index_next_due(struct local_index *index, const char *upstream, int64_t now_ms, int64_t *due_ms_r,
                         struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, NEXT_DUE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, (uint64_t)now_ms);
    int got = local_index_next_row(index, st, fault);
    if (got == 1) {
        *due_ms_r = sqlite3_column_type(st, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}

int local_index_each_divertible(struct local_index *index, const char *upstream, uint64_t run_number,
                                struct store_key after, unsigned limit, local_index_key_fn *fn, void *ctx,
                                struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, DIVERTIBLE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    bind_number(st, 2, run_number);
    bind_number(st, 3, after.message);
    bind_number(st, 4, after.number);
    bind_number(st, 5, limit);
    return each_key(index, st, fn, ctx, fault);
}

int local_index_place(struct local_index *index, uint64_t message, struct local_place *place_r, struct fault *fault)
{
    sqlite3_stmt *st = local_index_statement(index, PLACE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    int got = local_index_next_row(index, st, fault);
    if (got >= 0) {
        *place_r = got == 1 ? column_place(st, 0) : (struct local_place){0};
    }
    sqlite3_reset(st);
    return got < 0 ? -1 : 0;
}
