/*
 * local_index_admin - the index's tables for operators (notes, pauses), memos, and forgetting old history.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "store/local/local_index_private.h"

/* ---- names ---- */

int local_index_name(struct local_index *index, uint64_t message, char id_r[STORE_ID_LEN], char **sender_r,
                     struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, ID, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        snprintf(id_r, STORE_ID_LEN, "%s", (const char *)sqlite3_column_text(st, 0));
        if (sender_r != NULL) {
            *sender_r = expect_strdup((const char *)sqlite3_column_text(st, 1));
        }
    } else if (got == 0) {
        fault_set(fault, FAULT_LOCAL, "damaged", "index", "the spool's index has deliveries without their message");
    }
    sqlite3_reset(st);
    return got == 1 ? 0 : -1;
}

/* ---- history ---- */

/* Collects the oldest settled messages first: deleting while reading the same index is left undefined by SQLite. */
static int old_messages(struct local_index *index, int64_t before_ms, unsigned limit, uint64_t *seqs, unsigned *count_r,
                        struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, OLD_MESSAGES, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, (uint64_t)before_ms);
    bind_number(st, 2, limit);
    unsigned count = 0;
    int got;
    while ((got = local_sql_next_row(index, st, fault)) == 1) {
        seqs[count++] = column_number(st, 0);
    }
    sqlite3_reset(st);
    *count_r = count;
    return got;
}

int local_index_forget_message(struct local_index *index, uint64_t seq, struct fault *fault)
{
    if (local_index_forget_words(index, seq, fault) != 0) {
        return -1;
    }
    static const enum statement order[] = {FORGET_ATTEMPTS, FORGET_NOTES, FORGET_DELIVERIES, FORGET_MESSAGE};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        sqlite3_stmt *st = local_sql_statement(index, order[i], fault);
        if (st == NULL) {
            return -1;
        }
        bind_number(st, 1, seq);
        if (local_sql_run(index, st, fault) != 0) {
            return -1;
        }
    }
    return local_index_leave_chunk(index, seq, fault);
}

int local_index_forget(struct local_index *index, int64_t before_ms, unsigned limit, unsigned *count_r,
                       struct fault *fault)
{
    uint64_t *seqs = expect_calloc(limit, sizeof *seqs);
    unsigned count = 0;
    int result = old_messages(index, before_ms, limit, seqs, &count, fault);
    for (unsigned i = 0; result == 0 && i < count; i++) {
        result = local_index_forget_message(index, seqs[i], fault);
    }
    free(seqs);
    if (result == 0) {
        *count_r = count;
    }
    return result;
}

int local_index_forget_dropped(struct local_index *index, const char *id, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, DROPPED, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, id);
    uint64_t seq = 0, dropped = 0, others = 0;
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        seq = column_number(st, 0);
        dropped = column_number(st, 1);
        others = column_number(st, 2);
    }
    sqlite3_reset(st);
    if (got <= 0 || dropped == 0 || others > 0) {
        return got < 0 ? -1 : dropped > 0 ? 2 : 0;
    }
    return local_index_forget_message(index, seq, fault) != 0 ? -1 : 1;
}

/* ---- senders who wait ---- */

static int reopen_deliveries(struct local_index *index, uint64_t seq, int64_t now_ms, unsigned *count_r,
                             struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, REOPEN, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, seq);
    bind_number(st, 2, (uint64_t)now_ms);
    int result = local_sql_run(index, st, fault);
    *count_r = (unsigned)sqlite3_changes(index->db);
    return result;
}

static int reopen_message(struct local_index *index, uint64_t seq, const struct store_place *place, int64_t now_ms,
                          unsigned count, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, REOPEN_MESSAGE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, seq);
    bind_number(st, 2, count);
    bind_number(st, 3, (uint64_t)now_ms);
    bind_number(st, 4, place->segment);
    bind_number(st, 5, place->start);
    bind_number(st, 6, place->record_len);
    return local_sql_run(index, st, fault);
}

int local_index_reopen(struct local_index *index, uint64_t print, const struct store_place *place, int64_t since_ms,
                       int64_t now_ms, struct local_reopened *reopened_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, FIND_UNHEARD, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, print);
    bind_number(st, 2, place->body_len);
    bind_number(st, 3, place->body_sum);
    bind_number(st, 4, (uint64_t)since_ms);
    uint64_t seq = 0;
    int got = local_sql_next_row(index, st, fault);
    *reopened_r = (struct local_reopened){0};
    if (got == 1) {
        seq = column_number(st, 0);
        snprintf(reopened_r->id, sizeof reopened_r->id, "%s", (const char *)sqlite3_column_text(st, 1));
        reopened_r->open = (unsigned)column_number(st, 2);
    }
    sqlite3_reset(st);
    if (got <= 0 || reopen_deliveries(index, seq, now_ms, &reopened_r->reopened, fault) != 0) {
        return got <= 0 ? got : -1;
    }
    reopened_r->adopted = reopened_r->open == 0 && reopened_r->reopened > 0;
    reopened_r->open += reopened_r->reopened;
    if (reopened_r->reopened > 0 && reopen_message(index, seq, place, now_ms, reopened_r->reopened, fault) != 0) {
        return -1;
    }
    return 1;
}

int local_index_heard(struct local_index *index, const char *id, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, HEARD, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, id);
    return local_sql_run(index, st, fault);
}

int local_index_retry_dead(struct local_index *index, const char *id, int64_t now_ms, unsigned *count_r,
                           struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, RETRY_DEAD, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, id);
    bind_number(st, 2, (uint64_t)now_ms);
    if (local_sql_run(index, st, fault) != 0) {
        return -1;
    }
    *count_r = (unsigned)sqlite3_changes(index->db);
    return 0;
}

/* ---- what operators do ---- */

int local_index_set_state(struct local_index *index, struct store_key key, enum store_state state, int64_t now_ms,
                          uint64_t run_number, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, SET_STATE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key.message);
    bind_number(st, 2, key.number);
    bind_number(st, 3, state);
    bind_number(st, 4, (uint64_t)now_ms);
    bind_number(st, 5, run_number);
    return local_sql_run(index, st, fault);
}

int local_index_add_note(struct local_index *index, struct store_key key, int64_t now_ms, const char *text,
                         struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, ADD_NOTE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, key.message);
    bind_number(st, 2, key.number);
    bind_number(st, 3, (uint64_t)now_ms);
    bind_text(st, 4, text);
    return local_sql_run(index, st, fault);
}

int local_index_open_more(struct local_index *index, uint64_t message, unsigned count, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, OPEN_MORE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    bind_number(st, 2, count);
    return local_sql_run(index, st, fault);
}

int local_index_last_number(struct local_index *index, uint64_t message, uint64_t *number_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, LAST_NUMBER, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, message);
    return local_sql_one_number(index, st, number_r, fault);
}

/* ---- pauses ---- */

int local_index_each_pause(struct local_index *index, int (*fn)(void *ctx, const struct store_pause_row *pause),
                           void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, PAUSES, fault);
    if (st == NULL) {
        return -1;
    }
    int got, stop = 0;
    while (stop == 0 && (got = local_sql_next_row(index, st, fault)) == 1) {
        const struct store_pause_row pause = {.upstream = (const char *)sqlite3_column_text(st, 0),
                                              .since_ms = sqlite3_column_int64(st, 1),
                                              .by = (const char *)sqlite3_column_text(st, 2)};
        stop = fn(ctx, &pause);
    }
    sqlite3_reset(st);
    return stop != 0 ? 0 : got;
}

int local_index_set_pause(struct local_index *index, const struct store_pause_row *pause, bool paused,
                          struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, paused ? PAUSE : RESUME, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, pause->upstream);
    if (paused) {
        bind_number(st, 2, (uint64_t)pause->since_ms);
        bind_text(st, 3, pause->by == NULL ? "" : pause->by);
    }
    return local_sql_run(index, st, fault) != 0 ? -1 : sqlite3_changes(index->db) > 0;
}

/* ---- memos ---- */

int local_index_each_memo(struct local_index *index, int (*fn)(void *ctx, const char *upstream, const char *text),
                          void *ctx, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, MEMOS, fault);
    if (st == NULL) {
        return -1;
    }
    int got, stop = 0;
    while (stop == 0 && (got = local_sql_next_row(index, st, fault)) == 1) {
        stop = fn(ctx, (const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 1));
    }
    sqlite3_reset(st);
    return stop != 0 ? 0 : got;
}

int local_index_set_memo(struct local_index *index, const char *upstream, const char *text, struct fault *fault)
{
    bool is_dropped = text[0] == '\0';
    sqlite3_stmt *st = local_sql_statement(index, is_dropped ? DROP_MEMO : SET_MEMO, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, upstream);
    if (!is_dropped) {
        bind_text(st, 2, text);
    }
    return local_sql_run(index, st, fault);
}
