/*
 * postgresql_scrub - what is kept is looked at a little at a time: bodies against their checksums, and messages against
 * their deliveries. Pages and indexes are the database's own to check (data checksums, amcheck).
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"

#define ROWS 400

static void tell_damage(const struct store_scrub *scrub, enum store_damage_kind kind, const char *id,
                        struct fault *what)
{
    const struct store_damage damage = {.kind = kind, .id = id, .what = *what};
    scrub->found(scrub->ctx, &damage);
}

static PGresult *ask_rows(struct postgresql *pg, uint64_t after, struct fault *fault)
{
    struct arena *arena = arena_new(1000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)after);
    postgresql_add_number(&values, ROWS);
    PGresult *rows = postgresql_ask(&pg->tidier,
                                    "SELECT m.seq, m.id, m.open, m.body, m.body_len, m.body_sum, (SELECT count(*) FROM"
                                    " delivery d WHERE d.message = m.seq AND d.state IN (0, 1, 2)) FROM message m"
                                    " WHERE m.seq > $1 AND m.open > 0 ORDER BY m.seq LIMIT $2",
                                    &values, false, fault);
    arena_free(&arena);
    return rows;
}

/* It may have been settled since its row was read. */
static bool is_open(struct postgresql *pg, PGresult *rows, int row)
{
    struct fault fault = FAULT_INIT;
    struct arena *arena = arena_new(1000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, postgresql_number_at(rows, row, 0));
    PGresult *result =
        postgresql_ask(&pg->tidier, "SELECT 1 FROM message WHERE seq = $1 AND open > 0", &values, false, &fault);
    arena_free(&arena);
    bool open = result == NULL || PQntuples(result) > 0;
    PQclear(result);
    return open;
}

static void check_row(struct postgresql *pg, struct store_scrub *scrub, PGresult *rows, int row)
{
    struct postgresql_piece piece = {0};
    struct fault found = FAULT_INIT;
    const char *id = PQgetvalue(rows, row, 1);
    unsigned open = (unsigned)postgresql_number_at(rows, row, 2), there = (unsigned)postgresql_number_at(rows, row, 6);
    const struct store_place place = {.segment = (uint64_t)postgresql_number_at(rows, row, 3),
                                      .body_len = (uint64_t)postgresql_number_at(rows, row, 4),
                                      .body_sum = (uint64_t)postgresql_number_at(rows, row, 5)};
    buf_init(&piece.data, SIZE_MAX / 4);
    if (postgresql_body_check(&pg->tidier, &piece, &place, &found) != 0 && is_open(pg, rows, row)) {
        bool is_damaged = strcmp(found.code, "damaged") == 0;
        tell_damage(scrub, is_damaged ? STORE_DAMAGE_BODY : STORE_DAMAGE_UNREAD, id, &found);
    }
    buf_done(&piece.data);
    if (open != there) {
        struct fault what = FAULT_INIT;
        fault_set(&what, FAULT_LOCAL, "damaged", "postgresql",
                  "the database counts %u open deliveries of the message, but has rows for %u", open, there);
        tell_damage(scrub, STORE_DAMAGE_TABLE, id, &what);
    }
    scrub->messages++;
    scrub->read += place.body_len;
    scrub->at = (uint64_t)postgresql_number_at(rows, row, 0);
}

int postgresql_scrub(struct store *store, struct store_scrub *scrub, struct fault *fault)
{
    struct postgresql *pg = postgresql_of(store);
    scrub->whole = false;
    scrub->messages = scrub->read = 0;
    PGresult *rows = ask_rows(pg, scrub->at, fault);
    if (rows == NULL) {
        return -1;
    }
    int row = 0;
    while (row < PQntuples(rows) && scrub->read < scrub->octets) {
        check_row(pg, scrub, rows, row++);
    }
    scrub->whole = row == PQntuples(rows) && row < ROWS;
    PQclear(rows);
    return 0;
}

/* What batches have counted is counted anew; nobody counts meanwhile. */
int postgresql_mend(struct store *store, struct store_counts *counts_r, struct fault *fault)
{
    struct postgresql *pg = postgresql_of(store);
    static const char sql[] =
        "BEGIN; LOCK TABLE mailweir.tally IN EXCLUSIVE MODE;"
        "UPDATE mailweir.tally SET waiting = 0, held = 0, dead = 0, messages = 0;"
        "UPDATE mailweir.tally SET waiting = (SELECT count(*) FROM mailweir.delivery WHERE state = 0),"
        " held = (SELECT count(*) FROM mailweir.delivery WHERE state = 1),"
        " dead = (SELECT count(*) FROM mailweir.delivery WHERE state = 2),"
        " messages = (SELECT count(*) FROM mailweir.message WHERE open > 0) WHERE epoch = 0;"
        "COMMIT";
    if (postgresql_link_open(&pg->writer, fault) != 0 || postgresql_run(&pg->writer, sql, fault) != 0) {
        postgresql_link_close(&pg->writer);
        return -1;
    }
    PGresult *result = postgresql_ask(&pg->writer, "SELECT * FROM totals()", NULL, false, fault);
    if (result == NULL) {
        return -1;
    }
    *counts_r = (struct store_counts){.waiting = (uint64_t)postgresql_number_at(result, 0, 0),
                                      .held = (uint64_t)postgresql_number_at(result, 0, 1),
                                      .dead = (uint64_t)postgresql_number_at(result, 0, 2),
                                      .messages = (uint64_t)postgresql_number_at(result, 0, 3)};
    PQclear(result);
    return 0;
}
