/*
 * postgresql_select - the deliveries that somebody chooses, page by page. Conditions are put together from fixed pieces
 * of SQL; values are always bound. Parts of subjects and addresses are looked for here, in the envelope.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_meta.h"
#include "store/store_select.h"

#define PAGE    500
#define SQL_MAX 4000

/* ---- rows ---- */

struct store_delivery_row postgresql_delivery_at(PGresult *result, int row, int column)
{
    return (struct store_delivery_row){
        .key = {(uint64_t)postgresql_number_at(result, row, column),
                (unsigned)postgresql_number_at(result, row, column + 1)},
        .state = (enum store_state)postgresql_number_at(result, row, column + 2),
        .upstream = PQgetvalue(result, row, column + 3),
        .folder = PQgetvalue(result, row, column + 4),
        .rule = PQgetvalue(result, row, column + 5),
        .due_ms = postgresql_number_at(result, row, column + 6),
        .attempts = (unsigned)postgresql_number_at(result, row, column + 7),
        .uncertain = postgresql_truth_at(result, row, column + 8),
        .changed_ms = postgresql_number_at(result, row, column + 9),
        .uidvalidity = (uint32_t)postgresql_number_at(result, row, column + 10),
        .uid = (uint32_t)postgresql_number_at(result, row, column + 11),
        .detail = postgresql_bytes_at(result, row, column + 12),
        .doubt = PQgetvalue(result, row, column + 13),
        .handed = postgresql_number_at(result, row, column + 14) != 0,
    };
}

struct store_message_row postgresql_message_at(PGresult *result, int row, int column)
{
    return (struct store_message_row){
        .message = (uint64_t)postgresql_number_at(result, row, column),
        .id = PQgetvalue(result, row, column + 1),
        .sender = PQgetvalue(result, row, column + 2),
        .received_ms = postgresql_number_at(result, row, column + 3),
        .open = (unsigned)postgresql_number_at(result, row, column + 4),
        .settled_ms = postgresql_number_at(result, row, column + 5),
        .place = {.segment = (uint64_t)postgresql_number_at(result, row, column + 6),
                  .body_len = (uint64_t)postgresql_number_at(result, row, column + 9),
                  .body_sum = (uint64_t)postgresql_number_at(result, row, column + 10)},
        .envelope = postgresql_bytes_at(result, row, column + 11),
    };
}

struct store_attempt_row postgresql_attempt_at(PGresult *result, int row, int column)
{
    return (struct store_attempt_row){
        .attempt = (unsigned)postgresql_number_at(result, row, column),
        .at_ms = postgresql_number_at(result, row, column + 1),
        .class = PQgetvalue(result, row, column + 2),
        .code = PQgetvalue(result, row, column + 3),
        .during = PQgetvalue(result, row, column + 4),
        .text = PQgetvalue(result, row, column + 5),
    };
}

/* ---- conditions ---- */

struct query {
    struct buf sql;
    struct postgresql_values values;
};

static void add_text(struct query *query, const char *before, const char *text, const char *after)
{
    postgresql_add_text(&query->values, text);
    buf_printf(&query->sql, "%s$%d%s", before, query->values.count, after);
}

static void add_number(struct query *query, const char *before, int64_t number, const char *after)
{
    postgresql_add_number(&query->values, number);
    buf_printf(&query->sql, "%s$%d%s", before, query->values.count, after);
}

/* What begins each, before its value. NULL: parts of subjects and addresses are looked for below, in the envelope. */
static const char *const conditions[STORE_CRITERION_KINDS] = {
    [STORE_BY_OPEN] = " AND m.open > 0",
    [STORE_BY_STATE] = " AND d.state = ",
    [STORE_BY_OPEN_STATE] = " AND d.state IN (0, 1, 2)",
    [STORE_BY_ID] = " AND m.id = ",
    [STORE_BY_ID_HEAD] = " AND m.id = coalesce((SELECT id FROM message WHERE id = ",
    [STORE_BY_NUMBER] = " AND d.number = ",
    [STORE_BY_MESSAGE_ID] = " AND m.message_id = ",
    [STORE_BY_UPSTREAM] = " AND d.upstream = ",
    [STORE_BY_FOLDER] = " AND d.folder = ",
    [STORE_BY_SENDER] = " AND m.sender = ",
    [STORE_BY_RULE] = " AND d.rule = ",
    [STORE_BY_BEFORE] = " AND m.received_ms < ",
    [STORE_BY_SINCE] = " AND m.received_ms >= ",
    [STORE_BY_TRIED] = " AND d.attempts > 0",
    [STORE_BY_SUBJECT] = NULL,
    [STORE_BY_TO] = NULL,
};

static void add_criterion(struct query *query, const struct store_criterion *criterion)
{
    struct arena *arena = query->values.arena;
    const char *condition = conditions[criterion->kind];
    if (criterion->kind == STORE_BY_ID_HEAD) {
        const char *head = expect_memory(arena_copy(arena, bytes_of(criterion->text)));
        add_text(query, condition, head, ")");
        add_text(query, ", (SELECT CASE WHEN count(*) = 1 THEN min(id) END FROM message WHERE id > ", head, "");
        add_text(query, " AND id < ", expect_memory(arena_printf(arena, "%s~", head)), "))");
    } else if (condition != NULL && criterion->text != NULL) {
        add_text(query, condition, expect_memory(arena_copy(arena, bytes_of(criterion->text))), "");
    } else if (condition != NULL && criterion->has_number) {
        add_number(query, condition, criterion->number, "");
    } else if (condition != NULL) {
        buf_append_text(&query->sql, condition);
    }
}

static void add_conditions(struct query *query, const struct store_select *select)
{
    struct store_criteria criteria;
    store_select_criteria(select, &criteria);
    buf_append_text(&query->sql, " WHERE true");
    for (size_t i = 0; i < criteria.count; i++) {
        add_criterion(query, &criteria.list[i]);
    }
}

static PGresult *ask_page(struct postgresql_link *link, struct arena *arena, const struct store_select *select,
                          const struct store_key *after, uint64_t most, bool locks, struct fault *fault)
{
    struct query query = {.values = postgresql_values_new(arena)};
    buf_init(&query.sql, SQL_MAX);
    buf_append_text(&query.sql, "SELECT " POSTGRESQL_DELIVERY_COLUMNS ", " POSTGRESQL_MESSAGE_COLUMNS
                                ", a.attempt, a.at_ms, a.class, a.code, a.during, a.text"
                                " FROM message m JOIN delivery d ON d.message = m.seq LEFT JOIN LATERAL"
                                " (SELECT * FROM attempt t WHERE t.message = d.message AND t.number = d.number"
                                " ORDER BY t.attempt DESC LIMIT 1) a ON true");
    add_conditions(&query, select);
    if (after != NULL) {
        add_number(&query, select->newest ? " AND (d.message, d.number) < (" : " AND (d.message, d.number) > (",
                   (int64_t)after->message, ", ");
        add_number(&query, "", after->number, ")");
    }
    add_number(&query,
               select->newest ? " ORDER BY d.message DESC, d.number DESC LIMIT "
                              : " ORDER BY d.message, d.number LIMIT ",
               (int64_t)most, locks ? " FOR UPDATE OF d" : "");
    PGresult *result = postgresql_ask(link, buf_text(&query.sql), &query.values, false, fault);
    buf_done(&query.sql);
    return result;
}

/* ---- subjects and addresses ---- */

static bool is_about(const struct store_select *select, struct bytes json, struct arena *arena)
{
    struct mail_envelope envelope;
    if (select->subject == NULL && select->to == NULL) {
        return true;
    }
    if (store_meta_read_envelope(json, arena, &envelope, NULL) != 0) {
        return false;
    }
    return store_select_is_about(select, &envelope);
}

/* ---- pages ---- */

struct selecting {
    const struct store_select *select;
    struct arena *arena;
    uint64_t limit, told;
    postgresql_row_fn *fn;
    void *ctx;
};

/* 1: it is over; 0; -1. */
static int tell_page(struct selecting *selecting, PGresult *result)
{
    int over = 0;
    for (int row = 0; over == 0 && row < PQntuples(result); row++) {
        arena_clear(selecting->arena);
        struct bytes envelope = postgresql_bytes_at(result, row, POSTGRESQL_MESSAGE + 11);
        if (is_about(selecting->select, envelope, selecting->arena)) {
            selecting->told++;
            over = selecting->fn(selecting->ctx, result, row) != 0 ||
                   (selecting->limit != 0 && selecting->told >= selecting->limit);
        }
    }
    return over;
}

int postgresql_select(struct postgresql_link *link, const struct store_select *select, const struct store_key *after,
                      uint64_t limit, bool locks, postgresql_row_fn *fn, void *ctx, struct fault *fault)
{
    struct selecting selecting = {select, arena_new(STORE_ITEM_MAX), limit, 0, fn, ctx};
    uint64_t page = limit != 0 && limit < PAGE ? limit : PAGE;
    struct store_key last = {0};
    int over = 0;
    while (over == 0) {
        PGresult *result = ask_page(link, selecting.arena, select, after, page, locks, fault);
        if (result == NULL) {
            over = -1;
            break;
        }
        int count = PQntuples(result);
        if (count > 0) {
            last = postgresql_delivery_at(result, count - 1, POSTGRESQL_DELIVERY).key;
            after = &last;
        }
        over = tell_page(&selecting, result) != 0 || (uint64_t)count < page;
        PQclear(result);
    }
    arena_free(&selecting.arena);
    return over < 0 ? -1 : 0;
}
