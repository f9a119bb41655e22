/*
 * postgresql_claim - due deliveries that nobody has; which ones, a function of the database says (claim).
 */
#include <stdlib.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"

static int64_t *cursor_of(struct postgresql *pg, const char *upstream)
{
    int64_t *cursor = map_get(pg->cursors, bytes_of(upstream));
    if (cursor == NULL) {
        cursor = expect_calloc(1, sizeof *cursor);
        EXPECT(map_set(pg->cursors, bytes_of(upstream), cursor) == 0);
    }
    return cursor;
}

static PGresult *ask_keys(struct postgresql *pg, struct arena *arena, const struct store_claim *claim, int64_t cursor,
                          struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_text(&values, claim->upstream);
    postgresql_add_number(&values, (int64_t)claim->limit);
    postgresql_add_number(&values, cursor);
    return postgresql_ask(
        &pg->reader, "SELECT paused, more, next_in, served, keys, numbers, cardinality(keys) FROM claim($1, $2, $3)",
        &values, false, fault);
}

static PGresult *ask_items(struct postgresql *pg, struct arena *arena, PGresult *keys, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_text(&values, PQgetvalue(keys, 0, 4));
    postgresql_add_text(&values, PQgetvalue(keys, 0, 5));
    return postgresql_ask(&pg->reader,
                          "SELECT d.message, d.number, m.id, m.envelope, d.detail, d.attempts, d.uncertain, d.doubt,"
                          " m.body, m.body_len, m.body_sum, d.due_ms FROM unnest($1::bigint[], $2::int[])"
                          " WITH ORDINALITY AS k (message, number, at) JOIN delivery d USING (message, number)"
                          " JOIN message m ON m.seq = d.message ORDER BY k.at",
                          &values, false, fault);
}

static void tell_claimed(const struct store_claim *claim, PGresult *rows, int row)
{
    const struct store_item item = {
        .key = {(uint64_t)postgresql_number_at(rows, row, 0), (unsigned)postgresql_number_at(rows, row, 1)},
        .id = PQgetvalue(rows, row, 2),
        .envelope = postgresql_bytes_at(rows, row, 3),
        .detail = postgresql_bytes_at(rows, row, 4),
        .attempts = (unsigned)postgresql_number_at(rows, row, 5),
        .uncertain = postgresql_truth_at(rows, row, 6),
        .doubt = postgresql_bytes_at(rows, row, 7),
        .place = {.segment = (uint64_t)postgresql_number_at(rows, row, 8),
                  .body_len = (uint64_t)postgresql_number_at(rows, row, 9),
                  .body_sum = (uint64_t)postgresql_number_at(rows, row, 10)},
        .due = postgresql_number_at(rows, row, 11),
    };
    claim->fn(claim->ctx, &item);
}

static int tell_all(struct postgresql *pg, struct arena *arena, const struct store_claim *claim, PGresult *keys,
                    struct fault *fault)
{
    if (postgresql_number_at(keys, 0, 6) == 0) {
        return 0;
    }
    PGresult *rows = ask_items(pg, arena, keys, fault);
    for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
        tell_claimed(claim, rows, row);
    }
    PQclear(rows);
    return rows == NULL ? -1 : 0;
}

int postgresql_claim(struct store *store, struct store_claim *claim, struct fault *fault)
{
    struct postgresql *pg = postgresql_of(store);
    int64_t *cursor = cursor_of(pg, claim->upstream);
    struct arena *arena = arena_new(SIZE_MAX / 4);
    PGresult *keys = ask_keys(pg, arena, claim, *cursor, fault);
    int result = keys == NULL ? -1 : 0;
    if (result == 0) {
        claim->paused = postgresql_truth_at(keys, 0, 0);
        claim->more = postgresql_truth_at(keys, 0, 1);
        claim->next_due_in_ms = postgresql_number_at(keys, 0, 2);
        result = tell_all(pg, arena, claim, keys, fault);
        /* Kept by this node and not in the database: fairness among nodes comes by itself, since each takes turns, and
         * a row that each claim of each node writes would be where all of them wait. */
        *cursor = result == 0 ? postgresql_number_at(keys, 0, 3) : *cursor;
    }
    PQclear(keys);
    arena_free(&arena);
    return result;
}
