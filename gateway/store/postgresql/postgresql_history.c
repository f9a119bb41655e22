/*
 * postgresql_history - LEARN and ERASE: what is known of old mail, and of people.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "mail/mail_query.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_meta.h"

#define PAGE 500

/* ---- LEARN ---- */

static int learn_new(struct postgresql *pg, struct store_learn *learn, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, learn->limit);
    PGresult *result = postgresql_ask(&pg->writer, "SELECT learn($1)", &values, false, fault);
    if (result != NULL) {
        learn->learnt = (unsigned)postgresql_number_at(result, 0, 0);
    }
    PQclear(result);
    return result == NULL ? -1 : 0;
}

static PGresult *ask_old(struct postgresql *pg, const struct store_learn *learn, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, learn->keep_ms > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)learn->keep_ms);
    postgresql_add_number(&values, learn->limit);
    return postgresql_ask(&pg->writer,
                          "SELECT seq, settled_ms, envelope FROM message WHERE open = 0 AND settled_ms < now_ms() - $1"
                          " AND (settled_ms, seq) > ((SELECT value FROM mark WHERE name = 'unlearnt_ms'),"
                          " (SELECT value FROM mark WHERE name = 'unlearnt')) ORDER BY settled_ms, seq LIMIT $2",
                          &values, false, fault);
}

/* Its subject and the addresses of its header are forgotten, if some are known. */
static int unlearn_message(struct postgresql *pg, PGresult *rows, int row, struct arena *arena, struct fault *fault)
{
    struct mail_envelope envelope;
    arena_clear(arena);
    if (store_meta_read_envelope(postgresql_bytes_at(rows, row, 2), arena, &envelope, NULL) != 0 ||
        (envelope.subject == NULL && envelope.header_from_count + envelope.header_to_count == 0)) {
        return 0;
    }
    struct buf json;
    buf_init(&json, STORE_META_MAX);
    envelope.subject = NULL;
    envelope.header_from_count = envelope.header_to_count = 0;
    store_meta_write_envelope(&json, &envelope);
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, postgresql_number_at(rows, row, 0));
    postgresql_add_bytes(&values, buf_bytes(&json));
    buf_done(&json);
    PGresult *result =
        postgresql_ask(&pg->writer, "UPDATE message SET envelope = $2 WHERE seq = $1", &values, false, fault);
    PQclear(result);
    return result == NULL ? -1 : 0;
}

static int set_marks(struct postgresql *pg, PGresult *rows, int row, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, postgresql_number_at(rows, row, 0));
    postgresql_add_number(&values, postgresql_number_at(rows, row, 1));
    PGresult *result = postgresql_ask(&pg->writer,
                                      "UPDATE mark SET value = CASE name WHEN 'unlearnt' THEN $1::bigint"
                                      " ELSE $2::bigint END WHERE name IN ('unlearnt', 'unlearnt_ms')",
                                      &values, false, fault);
    PQclear(result);
    return result == NULL ? -1 : 0;
}

static int learn_words(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    op->learn.learnt = op->learn.unlearnt = 0;
    if (learn_new(pg, &op->learn, fault) != 0) {
        return -1;
    }
    PGresult *rows = ask_old(pg, &op->learn, fault);
    if (rows == NULL) {
        return -1;
    }
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    int result = 0, count = PQntuples(rows);
    for (int row = 0; result == 0 && row < count; row++) {
        result = unlearn_message(pg, rows, row, arena, fault);
    }
    if (result == 0 && count > 0) {
        result = set_marks(pg, rows, count - 1, fault);
    }
    op->learn.unlearnt = (unsigned)count;
    arena_free(&arena);
    PQclear(rows);
    return result;
}

const struct postgresql_kind postgresql_learn = {.run = learn_words};

/* ---- ERASE ---- */

static PGresult *ask_page(struct postgresql *pg, uint64_t before, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, (int64_t)before);
    postgresql_add_number(&values, PAGE);
    return postgresql_ask(&pg->writer,
                          "SELECT seq, open, envelope FROM message WHERE seq < $1 ORDER BY seq DESC LIMIT $2", &values,
                          false, fault);
}

static int forget_one(struct postgresql *pg, PGresult *rows, int row, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, postgresql_number_at(rows, row, 0));
    PGresult *result = postgresql_ask(&pg->writer, "SELECT forget_message($1)", &values, false, fault);
    PQclear(result);
    return result == NULL ? -1 : 0;
}

/* 1: as many were found as are wanted; 0; -1. */
static int erase_page(struct postgresql *pg, struct store_erase *erase, PGresult *rows, struct arena *arena,
                      struct fault *fault)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        struct mail_envelope envelope;
        bool is_open = postgresql_number_at(rows, row, 1) > 0;
        arena_clear(arena);
        if (store_meta_read_envelope(postgresql_bytes_at(rows, row, 2), arena, &envelope, NULL) != 0 ||
            !mail_query_mentions(&envelope, erase->address)) {
            continue;
        }
        erase->open += is_open;
        erase->erased += !is_open;
        if (!is_open && forget_one(pg, rows, row, fault) != 0) {
            return -1;
        }
        if (erase->open + erase->erased >= erase->limit) {
            erase->next = (uint64_t)postgresql_number_at(rows, row, 0);
            return 1;
        }
    }
    return 0;
}

static int erase_address(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct store_erase *wanted = &op->erase;
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    uint64_t before = wanted->before == 0 ? INT64_MAX : wanted->before;
    int over = 0, count = PAGE;
    wanted->erased = wanted->open = wanted->next = 0;
    while (over == 0 && count == PAGE) {
        PGresult *rows = ask_page(pg, before, fault);
        if (rows == NULL) {
            over = -1;
            break;
        }
        count = PQntuples(rows);
        before = count > 0 ? (uint64_t)postgresql_number_at(rows, count - 1, 0) : before;
        over = erase_page(pg, wanted, rows, arena, fault);
        PQclear(rows);
    }
    arena_free(&arena);
    return over < 0 ? -1 : 0;
}

const struct postgresql_kind postgresql_erase = {.run = erase_address};
