/*
 * local_query - questions about the queue, answered out of the index as rows; see store_ask.h. Conditions are put
 * together from fixed pieces of SQL; values are always bound, never part of the text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_index_private.h"
#include "store/local/local_private.h"
#include "store/store_select.h"

#define VALUES_MAX 16
#define SQL_MAX    4000
#define FOUND_MAX  1000

/* ---- statements ---- */

struct query {
    struct buf sql;
    struct {
        const char *text; /* or NULL: the number */
        int64_t number;
    } values[VALUES_MAX];
    size_t count;
    struct store_criteria criteria;
    char id_end[sizeof((struct store_criteria *)0)->id + 2]; /* behind all ids with the head that is asked for */
};

static void add_text(struct query *query, const char *condition, const char *text)
{
    EXPECT(query->count < VALUES_MAX);
    buf_append_text(&query->sql, condition);
    query->values[query->count++].text = text;
}

static void add_number(struct query *query, const char *condition, int64_t number)
{
    EXPECT(query->count < VALUES_MAX);
    buf_append_text(&query->sql, condition);
    query->values[query->count++].number = number;
}

static const char *const conditions[STORE_CRITERION_KINDS] = {
    [STORE_BY_OPEN] = " AND m.open > 0",
    [STORE_BY_STATE] = " AND d.state = ?",
    [STORE_BY_OPEN_STATE] = " AND d.state IN (0, 1, 2)",
    [STORE_BY_ID] = " AND m.id = ?",
    [STORE_BY_ID_HEAD] = " AND m.id = coalesce((SELECT id FROM message WHERE id = ?),",
    [STORE_BY_NUMBER] = " AND d.number = ?",
    [STORE_BY_MESSAGE_ID] = " AND m.message_id = ?",
    [STORE_BY_UPSTREAM] = " AND d.upstream = ?",
    [STORE_BY_FOLDER] = " AND d.folder = ?",
    [STORE_BY_SENDER] = " AND m.sender = ?",
    [STORE_BY_RULE] = " AND d.rule = ?",
    [STORE_BY_BEFORE] = " AND m.received_ms < ?",
    [STORE_BY_SINCE] = " AND m.received_ms >= ?",
    [STORE_BY_TRIED] = " AND d.attempts > 0",
    [STORE_BY_SUBJECT] = " AND instr(lower(json_extract(m.envelope, '$.subject')), lower(?)) > 0",
    [STORE_BY_TO] = (" AND EXISTS (SELECT 1 FROM json_each(m.envelope, '$.to')"
                     " WHERE instr(lower(json_extract(value, '$.address')), lower(?)) > 0)"),
};

static void add_criterion(struct query *query, const struct store_criterion *criterion)
{
    const char *condition = conditions[criterion->kind];
    if (criterion->text != NULL) {
        add_text(query, condition, criterion->text);
    } else if (criterion->has_number) {
        add_number(query, condition, criterion->number);
    } else {
        buf_append_text(&query->sql, condition);
    }
    if (criterion->kind == STORE_BY_ID_HEAD) {
        snprintf(query->id_end, sizeof query->id_end, "%s~", criterion->text);
        add_text(query, " (SELECT iif(count(*) = 1, min(id), NULL) FROM message WHERE id > ?", criterion->text);
        add_text(query, " AND id < ?))", query->id_end);
    }
}

static void begin_query(struct query *query, const char *columns, const struct store_select *select)
{
    *query = (struct query){0};
    buf_init(&query->sql, SQL_MAX);
    buf_printf(&query->sql, "SELECT %s FROM message m CROSS JOIN delivery d ON d.message = m.seq WHERE true", columns);
    store_select_criteria(select, &query->criteria);
    for (size_t i = 0; i < query->criteria.count; i++) {
        add_criterion(query, &query->criteria.list[i]);
    }
}

static void add_after(struct query *query, struct store_key after, bool newest)
{
    add_number(query, newest ? " AND m.seq <= ?" : " AND m.seq >= ?", (int64_t)after.message);
    add_number(query, newest ? " AND (d.message, d.number) < (?" : " AND (d.message, d.number) > (?",
               (int64_t)after.message);
    add_number(query, ", ?)", after.number);
}

/* Prepares and binds, and frees the text; NULL with a fault. The caller gives the statement back. */
static sqlite3_stmt *end_query(struct local_index *index, struct query *query, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_take(index, buf_text(&query->sql), fault);
    buf_done(&query->sql);
    for (size_t i = 0; st != NULL && i < query->count; i++) {
        if (query->values[i].text != NULL) {
            sqlite3_bind_text(st, (int)i + 1, query->values[i].text, -1, SQLITE_TRANSIENT);
        } else {
            sqlite3_bind_int64(st, (int)i + 1, query->values[i].number);
        }
    }
    return st;
}

/* ---- columns ---- */

static const char *column_text(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    return text == NULL ? "" : text;
}

#define DELIVERY_COLUMNS                                                                                               \
    "d.message, d.number, d.state, d.upstream, d.folder, d.rule, d.due_ms, d.attempts, d.uncertain, d.changed_ms,"     \
    " d.uidvalidity, d.uid, d.detail, d.doubt, d.handed"
#define DELIVERY_WIDTH 15

static struct store_delivery_row column_delivery(sqlite3_stmt *st)
{
    return (struct store_delivery_row){
        .key = {column_number(st, 0), (unsigned)column_number(st, 1)},
        .state = (enum store_state)column_number(st, 2),
        .upstream = column_text(st, 3),
        .folder = column_text(st, 4),
        .rule = column_text(st, 5),
        .due_ms = sqlite3_column_int64(st, 6),
        .attempts = (unsigned)column_number(st, 7),
        .uncertain = column_number(st, 8) != 0,
        .changed_ms = sqlite3_column_int64(st, 9),
        .uidvalidity = (uint32_t)column_number(st, 10),
        .uid = (uint32_t)column_number(st, 11),
        .detail = column_bytes(st, 12),
        .doubt = column_text(st, 13),
        .handed = column_number(st, 14) != 0,
    };
}

#define MESSAGE_COLUMNS                                                                                                \
    "m.seq, m.id, m.sender, m.received_ms, m.open, m.settled_ms, m.segment, m.start, m.record_len, m.body_len,"        \
    " m.body_sum, m.envelope"

static struct store_message_row column_message(sqlite3_stmt *st, int at)
{
    return (struct store_message_row){
        .message = column_number(st, at),
        .id = column_text(st, at + 1),
        .sender = column_text(st, at + 2),
        .received_ms = sqlite3_column_int64(st, at + 3),
        .open = (unsigned)column_number(st, at + 4),
        .settled_ms = sqlite3_column_int64(st, at + 5),
        .place = column_place(st, at + 6),
        .envelope = column_bytes(st, at + 11),
    };
}

static struct store_attempt_row column_attempt(sqlite3_stmt *st)
{
    return (struct store_attempt_row){
        .attempt = (unsigned)column_number(st, 0),
        .at_ms = sqlite3_column_int64(st, 1),
        .class = column_text(st, 2),
        .code = column_text(st, 3),
        .during = column_text(st, 4),
        .text = column_text(st, 5),
    };
}

#define ATTEMPTS "SELECT attempt, at_ms, class, code, place, text FROM attempt WHERE message = ?1 AND number = ?2"
#define NOTES    "SELECT at_ms, text FROM note WHERE message = ?1 AND number = ?2 ORDER BY at_ms"

/* ---- the list ---- */

struct asking {
    struct local_index *index;
    store_row_fn *fn;
    void *ctx;
    struct local *local;
    struct fault *fault;
};

static int list_row(const struct asking *asking, sqlite3_stmt *st, sqlite3_stmt *last)
{
    struct store_answer_row row = {.kind = STORE_ROW_DELIVERY, .delivery = column_delivery(st)};
    const struct store_message_row message = column_message(st, DELIVERY_WIDTH);
    struct store_attempt_row attempt;
    sqlite3_bind_int64(last, 1, sqlite3_column_int64(st, 0));
    sqlite3_bind_int64(last, 2, sqlite3_column_int64(st, 1));
    int got = local_sql_next_row(asking->index, last, asking->fault);
    row.delivery.of = &message;
    if (got == 1) {
        attempt = column_attempt(last);
        row.delivery.last = &attempt;
    }
    int stop = got < 0 ? -1 : asking->fn(asking->ctx, &row) != 0;
    sqlite3_reset(last);
    return stop;
}

static int ask_list(const struct asking *asking, const struct store_question *question)
{
    struct query query;
    begin_query(&query, DELIVERY_COLUMNS ", " MESSAGE_COLUMNS, question->select);
    if (question->select->after.message != 0) {
        add_after(&query, question->select->after, question->select->newest);
    }
    add_number(&query,
               question->select->newest ? " ORDER BY m.seq DESC, d.number DESC LIMIT ?"
                                        : " ORDER BY m.seq, d.number LIMIT ?",
               question->limit == 0 ? -1 : (int64_t)question->limit);
    sqlite3_stmt *st = end_query(asking->index, &query, asking->fault);
    sqlite3_stmt *last = local_sql_take(asking->index, ATTEMPTS " ORDER BY attempt DESC LIMIT 1", asking->fault);
    int got = 0, stop = st == NULL || last == NULL ? -1 : 0;
    while (stop == 0 && (got = local_sql_next_row(asking->index, st, asking->fault)) != 0) {
        stop = got < 0 ? -1 : list_row(asking, st, last);
    }
    local_sql_give(asking->index, &last);
    local_sql_give(asking->index, &st);
    return stop < 0 ? -1 : 0;
}

int local_index_select(struct local_index *index, const struct store_select *select, struct store_key after,
                       size_t limit, struct local_index_found *found, size_t *count_r, struct fault *fault)
{
    struct query query;
    begin_query(&query, "d.message, d.number, d.state, d.handed, d.uncertain, d.doubt", select);
    add_after(&query, after, false);
    add_number(&query, " ORDER BY m.seq, d.number LIMIT ?", (int64_t)limit);
    sqlite3_stmt *st = end_query(index, &query, fault);
    if (st == NULL) {
        return -1;
    }
    size_t count = 0;
    int got;
    while ((got = local_sql_next_row(index, st, fault)) == 1) {
        found[count++] = (struct local_index_found){
            .key = {column_number(st, 0), (unsigned)column_number(st, 1)},
            .state = (enum store_state)column_number(st, 2),
            .handed = column_number(st, 3),
            .uncertain = column_number(st, 4) != 0,
            .noted = store_doubt_is_noted(column_text(st, 5)),
        };
    }
    local_sql_give(index, &st);
    *count_r = count;
    return got;
}

/* ---- the summary ---- */

/* Of one upstream. Counted here and not by GROUP BY, which would keep every delivery of a backlog in memory to sort it.
 */
struct tally {
    char *upstream;
    uint64_t counts[3]; /* by enum store_state: waiting, held, dead */
    int64_t oldest_ms;
};

struct tallies {
    struct tally *items;
    size_t count, last;
};

static struct tally *tally_of(struct tallies *tallies, const char *upstream)
{
    if (tallies->count > 0 && strcmp(tallies->items[tallies->last].upstream, upstream) == 0) {
        return &tallies->items[tallies->last];
    }
    for (tallies->last = 0; tallies->last < tallies->count; tallies->last++) {
        if (strcmp(tallies->items[tallies->last].upstream, upstream) == 0) {
            return &tallies->items[tallies->last];
        }
    }
    tallies->items = expect_memory(realloc(tallies->items, (tallies->count + 1) * sizeof *tallies->items));
    tallies->items[tallies->count] = (struct tally){.upstream = expect_strdup(upstream), .oldest_ms = INT64_MAX};
    return &tallies->items[tallies->count++];
}

static int count_all(const struct asking *asking, struct tallies *tallies)
{
    sqlite3_stmt *st = local_sql_take(asking->index,
                                      "SELECT d.upstream, d.state, m.received_ms FROM message m CROSS JOIN delivery d"
                                      " ON d.message = m.seq WHERE m.open > 0 AND d.state IN (0, 1, 2)",
                                      asking->fault);
    int got = st == NULL ? -1 : 1;
    while (got == 1 && (got = local_sql_next_row(asking->index, st, asking->fault)) == 1) {
        struct tally *tally = tally_of(tallies, column_text(st, 0));
        int64_t received_ms = sqlite3_column_int64(st, 2);
        int state = sqlite3_column_int(st, 1);
        tally->counts[state]++;
        /* Of what waits: one message that somebody holds would be the oldest for ever, and a dead letter has its own
         * count. */
        if (state == STORE_STATE_WAITING && received_ms < tally->oldest_ms) {
            tally->oldest_ms = received_ms;
        }
    }
    local_sql_give(asking->index, &st);
    return got;
}

static int compare_tallies(const void *a, const void *b)
{
    return strcmp(((const struct tally *)a)->upstream, ((const struct tally *)b)->upstream);
}

static int tell_tallies(const struct asking *asking, struct tallies *tallies)
{
    int stop = 0;
    if (tallies->count > 0) {
        qsort(tallies->items, tallies->count, sizeof *tallies->items, compare_tallies);
    }
    for (size_t i = 0; i < tallies->count; i++) {
        const struct tally *tally = &tallies->items[i];
        const struct store_answer_row row = {
            .kind = STORE_ROW_TALLY,
            .tally = {.upstream = tally->upstream,
                      .waiting = tally->counts[STORE_STATE_WAITING],
                      .held = tally->counts[STORE_STATE_HELD],
                      .dead = tally->counts[STORE_STATE_DEAD],
                      .oldest_ms = tally->oldest_ms == INT64_MAX ? 0 : tally->oldest_ms}};
        stop = stop != 0 ? stop : asking->fn(asking->ctx, &row);
        free(tally->upstream);
    }
    free(tallies->items);
    return stop;
}

static int tell_pause(void *ctx, const struct store_pause_row *pause)
{
    const struct asking *asking = ctx;
    const struct store_answer_row row = {.kind = STORE_ROW_PAUSE, .pause = *pause};
    return asking->fn(asking->ctx, &row);
}

static int ask_pauses(const struct asking *asking)
{
    return local_index_each_pause(asking->index, tell_pause, (void *)(uintptr_t)asking, asking->fault);
}

static int ask_summary(const struct asking *asking)
{
    struct tallies tallies = {0};
    int got = count_all(asking, &tallies);
    int stop = tell_tallies(asking, &tallies);
    return got < 0 ? -1 : stop != 0 ? 0 : ask_pauses(asking);
}

static int tell_memo(void *ctx, const char *upstream, const char *text)
{
    const struct asking *asking = ctx;
    const struct store_answer_row row = {.kind = STORE_ROW_MEMO, .memo = {upstream, text}};
    return asking->fn(asking->ctx, &row);
}

static int ask_counts(const struct asking *asking)
{
    struct local_index_counts counts;
    if (local_index_count(asking->index, &counts, asking->fault) != 0) {
        return -1;
    }
    const struct store_answer_row row = {
        .kind = STORE_ROW_COUNTS,
        .counts = {.waiting = counts.waiting, .held = counts.held, .dead = counts.dead, .messages = counts.messages}};
    asking->fn(asking->ctx, &row);
    return 0;
}

/* ---- the story of a message ---- */

/* Attempts or notes of a delivery, oldest first. */
static int tell_events(const struct asking *asking, const char *sql, struct store_key key, enum store_row_kind kind)
{
    sqlite3_stmt *st = local_sql_take(asking->index, sql, asking->fault);
    int got = st == NULL ? -1 : 0, stop = 0;
    if (st != NULL) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)key.message);
        sqlite3_bind_int64(st, 2, key.number);
    }
    while (got >= 0 && stop == 0 && (got = local_sql_next_row(asking->index, st, asking->fault)) == 1) {
        struct store_answer_row row = {.kind = kind};
        if (kind == STORE_ROW_ATTEMPT) {
            row.attempt = column_attempt(st);
        } else {
            row.note = (struct store_note_row){sqlite3_column_int64(st, 0), column_text(st, 1)};
        }
        stop = asking->fn(asking->ctx, &row);
    }
    local_sql_give(asking->index, &st);
    return got < 0 ? -1 : stop != 0;
}

/* with_events: each with its attempts and notes. */
static int tell_deliveries(const struct asking *asking, uint64_t message, bool with_events)
{
    sqlite3_stmt *st = local_sql_take(
        asking->index, "SELECT " DELIVERY_COLUMNS " FROM delivery d WHERE d.message = ?1 ORDER BY d.number",
        asking->fault);
    int got = st == NULL ? -1 : 0, stop = 0;
    if (st != NULL) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)message);
    }
    while (got >= 0 && stop == 0 && (got = local_sql_next_row(asking->index, st, asking->fault)) == 1) {
        const struct store_answer_row row = {.kind = STORE_ROW_DELIVERY, .delivery = column_delivery(st)};
        stop = asking->fn(asking->ctx, &row);
        if (with_events && stop == 0) {
            stop = tell_events(asking, ATTEMPTS " ORDER BY attempt", row.delivery.key, STORE_ROW_ATTEMPT);
            stop = stop != 0 ? stop : tell_events(asking, NOTES, row.delivery.key, STORE_ROW_NOTE);
        }
    }
    local_sql_give(asking->index, &st);
    return got < 0 || stop < 0 ? -1 : 0;
}

/* Who only looks has no clock, and does not ask this. */
static int ask_counted(const struct asking *asking, uint64_t within_ms)
{
    sqlite3_stmt *st =
        local_sql_take(asking->index,
                       "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.received_ms > ?1 AND m.unheard = 0"
                       " AND instr(m.envelope, '\"counted\":') > 0 ORDER BY m.seq",
                       asking->fault);
    int got = st == NULL ? -1 : 0, stop = 0;
    if (st != NULL) {
        sqlite3_bind_int64(st, 1, local_now(asking->local) - (int64_t)within_ms);
    }
    while (got >= 0 && stop == 0 && (got = local_sql_next_row(asking->index, st, asking->fault)) == 1) {
        const struct store_answer_row row = {.kind = STORE_ROW_MESSAGE, .message = column_message(st, 0)};
        stop = asking->fn(asking->ctx, &row);
    }
    local_sql_give(asking->index, &st);
    return got < 0 ? -1 : 0;
}

static int tell_message(const struct asking *asking, uint64_t message, bool with_events)
{
    sqlite3_stmt *st =
        local_sql_take(asking->index, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.seq = ?1", asking->fault);
    if (st == NULL) {
        return -1;
    }
    sqlite3_bind_int64(st, 1, (sqlite3_int64)message);
    int got = local_sql_next_row(asking->index, st, asking->fault), stop = 0;
    if (got == 1) {
        const struct store_answer_row row = {.kind = STORE_ROW_MESSAGE, .message = column_message(st, 0)};
        stop = asking->fn(asking->ctx, &row);
    }
    local_sql_give(asking->index, &st);
    return got == 1 && stop == 0 ? tell_deliveries(asking, message, with_events) : got < 0 ? -1 : 0;
}

/* ---- finding ---- */

static int tell_found(const struct asking *asking, const struct store_question *question)
{
    uint64_t *found = expect_calloc(FOUND_MAX, sizeof *found);
    size_t count = 0, limit = question->limit == 0 || question->limit > FOUND_MAX ? FOUND_MAX : question->limit;
    int stop = 0;
    int result = question->kind == STORE_ASK_FIND
                     ? local_index_find(asking->index, question->what, found, limit, &count, asking->fault)
                     : local_index_find_uid(asking->index, question->upstream, question->folder, question->uid, found,
                                            limit, &count, asking->fault);
    for (size_t i = 0; result == 0 && stop == 0 && i < count; i++) {
        const struct store_answer_row row = {.kind = STORE_ROW_FOUND, .found = found[i]};
        stop = asking->fn(asking->ctx, &row);
    }
    free(found);
    return result;
}

/* ---- searching ---- */

static int tell_hit(void *ctx, uint64_t seq, unsigned open, const struct mail_envelope *envelope)
{
    (void)open;
    (void)envelope;
    return tell_message(ctx, seq, false);
}

/* ---- the door ---- */

static int answer_question(const struct asking *asking, const struct store_question *question)
{
    switch (question->kind) {
    case STORE_ASK_LIST:
        return ask_list(asking, question);
    case STORE_ASK_STORY:
        return tell_message(asking, question->message, true);
    case STORE_ASK_FIND:
    case STORE_ASK_FILED:
        return tell_found(asking, question);
    case STORE_ASK_SUMMARY:
        return ask_summary(asking);
    case STORE_ASK_PAUSES:
        return ask_pauses(asking);
    case STORE_ASK_MEMOS:
        return local_index_each_memo(asking->index, tell_memo, (void *)(uintptr_t)asking, asking->fault);
    case STORE_ASK_COUNTS:
        return ask_counts(asking);
    case STORE_ASK_SEARCH:
        return local_index_search(asking->index, question->search, tell_hit, (void *)(uintptr_t)asking, asking->fault);
    case STORE_ASK_COUNTED:
        return ask_counted(asking, question->within_ms);
    }
    return -1;
}

int local_ask(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
              struct fault *fault)
{
    const struct asking asking = {.index = local_reader_index(local_of(store)->reader),
                                  .fn = fn,
                                  .ctx = ctx,
                                  .local = local_of(store),
                                  .fault = fault};
    return answer_question(&asking, question);
}
