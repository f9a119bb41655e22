/*
 * postgresql_ask - questions about what is kept, as rows; see store_ask.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "store/postgresql/postgresql_private.h"

/* Messages that one question finds, at most. */
#define FOUND_MOST 1000

struct asking {
    struct postgresql *pg;
    store_row_fn *fn;
    void *ctx;
    struct arena *arena;
    struct fault *fault;
};

static struct postgresql_values new_values(const struct asking *asking)
{
    return postgresql_values_new(asking->arena);
}

static PGresult *ask_rows(const struct asking *asking, const char *sql, const struct postgresql_values *values)
{
    return postgresql_ask(&asking->pg->reader, sql, values, false, asking->fault);
}

/* ---- the list ---- */

static int tell_listed(void *ctx, PGresult *result, int row)
{
    const struct asking *asking = ctx;
    struct store_answer_row answer = {.kind = STORE_ROW_DELIVERY,
                                      .delivery = postgresql_delivery_at(result, row, POSTGRESQL_DELIVERY)};
    const struct store_message_row message = postgresql_message_at(result, row, POSTGRESQL_MESSAGE);
    struct store_attempt_row attempt;
    answer.delivery.of = &message;
    if (!PQgetisnull(result, row, POSTGRESQL_ATTEMPT)) {
        attempt = postgresql_attempt_at(result, row, POSTGRESQL_ATTEMPT);
        answer.delivery.last = &attempt;
    }
    return asking->fn(asking->ctx, &answer);
}

static int ask_list(struct asking *asking, const struct store_question *question)
{
    const struct store_key *after = question->select->after.message == 0 ? NULL : &question->select->after;
    return postgresql_select(&asking->pg->reader, question->select, after, question->limit, false, tell_listed, asking,
                             asking->fault);
}

/* ---- the story of a message ---- */

/* Rows of one kind behind each delivery, in the order of its number. */
struct events {
    PGresult *rows;
    int at;
};

static bool is_of(const struct events *events, int64_t number)
{
    return events->at < PQntuples(events->rows) && postgresql_number_at(events->rows, events->at, 0) == number;
}

static int tell_events(const struct asking *asking, struct events *attempts, struct events *notes, int64_t number)
{
    int stop = 0;
    for (; stop == 0 && is_of(attempts, number); attempts->at++) {
        const struct store_answer_row row = {.kind = STORE_ROW_ATTEMPT,
                                             .attempt = postgresql_attempt_at(attempts->rows, attempts->at, 1)};
        stop = asking->fn(asking->ctx, &row);
    }
    for (; stop == 0 && is_of(notes, number); notes->at++) {
        const struct store_answer_row row = {
            .kind = STORE_ROW_NOTE,
            .note = {postgresql_number_at(notes->rows, notes->at, 1), PQgetvalue(notes->rows, notes->at, 2)}};
        stop = asking->fn(asking->ctx, &row);
    }
    return stop;
}

static int tell_story(const struct asking *asking, PGresult *message, PGresult *deliveries, PGresult *attempt_rows,
                      PGresult *note_rows)
{
    struct events attempts = {attempt_rows, 0}, notes = {note_rows, 0};
    if (PQntuples(message) == 0) {
        return 0;
    }
    const struct store_answer_row first = {.kind = STORE_ROW_MESSAGE, .message = postgresql_message_at(message, 0, 0)};
    int stop = asking->fn(asking->ctx, &first);
    for (int row = 0; stop == 0 && row < PQntuples(deliveries); row++) {
        const struct store_answer_row delivery = {.kind = STORE_ROW_DELIVERY,
                                                  .delivery = postgresql_delivery_at(deliveries, row, 0)};
        stop = asking->fn(asking->ctx, &delivery);
        stop = stop != 0 ? stop : tell_events(asking, &attempts, &notes, (int64_t)delivery.delivery.key.number);
    }
    return 0;
}

static int ask_story(const struct asking *asking, uint64_t message)
{
    static const char *const sql[] = {
        "SELECT " POSTGRESQL_MESSAGE_COLUMNS " FROM message m WHERE m.seq = $1",
        "SELECT " POSTGRESQL_DELIVERY_COLUMNS " FROM delivery d WHERE d.message = $1 ORDER BY d.number",
        ("SELECT number, attempt, at_ms, class, code, during, text FROM attempt WHERE message = $1"
         " ORDER BY number, attempt"),
        "SELECT number, at_ms, text FROM note WHERE message = $1 ORDER BY number, at_ms",
    };
    PGresult *rows[4] = {NULL};
    struct postgresql_values values = new_values(asking);
    postgresql_add_number(&values, (int64_t)message);
    int result = postgresql_say(&asking->pg->reader, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", asking->fault);
    for (size_t i = 0; result == 0 && i < 4; i++) {
        rows[i] = ask_rows(asking, sql[i], &values);
        result = rows[i] == NULL ? -1 : 0;
    }
    if (postgresql_say(&asking->pg->reader, "ROLLBACK", asking->fault) != 0) {
        result = -1;
    }
    if (result == 0) {
        result = tell_story(asking, rows[0], rows[1], rows[2], rows[3]);
    }
    for (size_t i = 0; i < 4; i++) {
        PQclear(rows[i]);
    }
    return result;
}

/* ---- rows of one statement ---- */

typedef struct store_answer_row row_of_fn(PGresult *rows, int row);

/* 1: it was stopped. */
static int tell_until(const struct asking *asking, const char *sql, const struct postgresql_values *values,
                      row_of_fn *row_of)
{
    PGresult *rows = ask_rows(asking, sql, values);
    int stop = 0;
    for (int row = 0; rows != NULL && stop == 0 && row < PQntuples(rows); row++) {
        const struct store_answer_row answer = row_of(rows, row);
        stop = asking->fn(asking->ctx, &answer);
    }
    PQclear(rows);
    return rows == NULL ? -1 : stop != 0;
}

static int tell_rows(const struct asking *asking, const char *sql, const struct postgresql_values *values,
                     row_of_fn *row_of)
{
    return tell_until(asking, sql, values, row_of) < 0 ? -1 : 0;
}

static struct store_answer_row found_row(PGresult *rows, int row)
{
    return (struct store_answer_row){.kind = STORE_ROW_FOUND, .found = (uint64_t)postgresql_number_at(rows, row, 0)};
}

static struct store_answer_row message_row(PGresult *rows, int row)
{
    return (struct store_answer_row){.kind = STORE_ROW_MESSAGE, .message = postgresql_message_at(rows, row, 0)};
}

static struct store_answer_row tally_row(PGresult *rows, int row)
{
    return (struct store_answer_row){.kind = STORE_ROW_TALLY,
                                     .tally = {.upstream = PQgetvalue(rows, row, 0),
                                               .waiting = (uint64_t)postgresql_number_at(rows, row, 1),
                                               .held = (uint64_t)postgresql_number_at(rows, row, 2),
                                               .dead = (uint64_t)postgresql_number_at(rows, row, 3),
                                               .oldest_ms = postgresql_number_at(rows, row, 4)}};
}

static struct store_answer_row pause_row(PGresult *rows, int row)
{
    return (struct store_answer_row){.kind = STORE_ROW_PAUSE,
                                     .pause = {.upstream = PQgetvalue(rows, row, 0),
                                               .since_ms = postgresql_number_at(rows, row, 1),
                                               .by = PQgetvalue(rows, row, 2)}};
}

static struct store_answer_row memo_row(PGresult *rows, int row)
{
    return (struct store_answer_row){.kind = STORE_ROW_MEMO,
                                     .memo = {PQgetvalue(rows, row, 0), PQgetvalue(rows, row, 1)}};
}

static struct store_answer_row counts_row(PGresult *rows, int row)
{
    return (struct store_answer_row){.kind = STORE_ROW_COUNTS,
                                     .counts = {.waiting = (uint64_t)postgresql_number_at(rows, row, 0),
                                                .held = (uint64_t)postgresql_number_at(rows, row, 1),
                                                .dead = (uint64_t)postgresql_number_at(rows, row, 2),
                                                .messages = (uint64_t)postgresql_number_at(rows, row, 3)}};
}

/* ---- finding ---- */

static int64_t limit_of(const struct store_question *question)
{
    return question->limit == 0 || question->limit > FOUND_MOST ? FOUND_MOST : (int64_t)question->limit;
}

/* Its id or the head of it, a delivery's ("<id>.<number>"), its Message-ID with or without brackets. */
static int ask_find(const struct asking *asking, const struct store_question *question)
{
    struct postgresql_values values = new_values(asking);
    const char *dot = strrchr(question->what, '.');
    size_t len = dot == NULL ? strlen(question->what) : (size_t)(dot - question->what);
    postgresql_add_text(&values, question->what);
    postgresql_add_text(&values, expect_memory(arena_copy(asking->arena, bytes_at(question->what, len))));
    postgresql_add_text(&values, expect_memory(arena_printf(asking->arena, "<%s>", question->what)));
    postgresql_add_number(&values, limit_of(question));
    bool is_head = units_is_id_head(bytes_at(question->what, len));
    postgresql_add_text(&values, expect_memory(arena_printf(asking->arena, "%.*s%s", is_head ? (int)len : 0,
                                                            question->what, is_head ? "~" : "")));
    return tell_rows(asking,
                     "SELECT seq FROM (SELECT seq FROM message WHERE id IN ($1, $2) UNION"
                     " SELECT seq FROM message WHERE id > $2 AND id < $5 UNION"
                     " SELECT seq FROM message WHERE message_id IN ($1, $3)) f ORDER BY seq LIMIT $4",
                     &values, found_row);
}

static int ask_filed(const struct asking *asking, const struct store_question *question)
{
    struct postgresql_values values = new_values(asking);
    postgresql_add_text(&values, question->upstream);
    postgresql_add_text(&values, question->folder);
    postgresql_add_number(&values, question->uid);
    postgresql_add_number(&values, limit_of(question));
    return tell_rows(asking,
                     "SELECT DISTINCT message FROM delivery WHERE state = 3 AND upstream = $1 AND folder = $2"
                     " AND uid = $3 AND uid > 0 ORDER BY message LIMIT $4",
                     &values, found_row);
}

static int ask_pauses(const struct asking *asking)
{
    return tell_rows(asking, "SELECT upstream, at_ms, by_name FROM pause ORDER BY upstream", NULL, pause_row);
}

/* Of what waits the oldest: one message that somebody holds would be the oldest for ever. */
static int ask_summary(const struct asking *asking)
{
    int result =
        tell_until(asking,
                   "SELECT d.upstream, count(*) FILTER (WHERE d.state = 0), count(*) FILTER (WHERE d.state = 1),"
                   " count(*) FILTER (WHERE d.state = 2),"
                   " coalesce(min(m.received_ms) FILTER (WHERE d.state = 0), 0) FROM delivery d"
                   " JOIN message m ON m.seq = d.message WHERE d.state IN (0, 1, 2) GROUP BY d.upstream"
                   " ORDER BY d.upstream",
                   NULL, tally_row);
    return result == 0 ? ask_pauses(asking) : result < 0 ? -1 : 0;
}

static int ask_counted(const struct asking *asking, uint64_t within_ms)
{
    struct postgresql_values values = new_values(asking);
    postgresql_add_number(&values, within_ms > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)within_ms);
    return tell_rows(asking,
                     "SELECT " POSTGRESQL_MESSAGE_COLUMNS " FROM message m WHERE m.received_ms > now_ms() - $1"
                     " AND m.unheard_ms = 0 AND position('\"counted\":' IN m.envelope) > 0 ORDER BY m.seq",
                     &values, message_row);
}

/* ---- the door ---- */

static int answer_question(struct asking *asking, const struct store_question *question)
{
    switch (question->kind) {
    case STORE_ASK_LIST:
        return ask_list(asking, question);
    case STORE_ASK_STORY:
        return ask_story(asking, question->message);
    case STORE_ASK_FIND:
        return ask_find(asking, question);
    case STORE_ASK_FILED:
        return ask_filed(asking, question);
    case STORE_ASK_SUMMARY:
        return ask_summary(asking);
    case STORE_ASK_PAUSES:
        return ask_pauses(asking);
    case STORE_ASK_MEMOS:
        return tell_rows(asking, "SELECT upstream, text FROM memo ORDER BY upstream", NULL, memo_row);
    case STORE_ASK_COUNTS:
        return tell_rows(asking, "SELECT * FROM totals()", NULL, counts_row);
    case STORE_ASK_SEARCH:
        return postgresql_search(asking->pg, question->search, asking->fn, asking->ctx, asking->fault);
    case STORE_ASK_COUNTED:
        return ask_counted(asking, question->within_ms);
    }
    return -1;
}

int postgresql_answer(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                      struct fault *fault)
{
    struct asking asking = {.pg = postgresql_of(store), .fn = fn, .ctx = ctx, .arena = arena_new(1u << 20)};
    asking.fault = fault;
    int result = answer_question(&asking, question);
    arena_free(&asking.arena);
    return result;
}
