/*
 * postgresql_change - SET_STATE, REROUTE, DIVERT: the rows are looked at, and locked, before it is said what becomes of
 * them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_meta.h"

#define NOTE_MAX 300

/* ---- one delivery ---- */

struct wanted {
    struct store_key key;
    enum store_state from, to;
    bool noted; /* an operator's word ends its doubt */
};

static void take_change(void *ctx, size_t at, PGresult *result)
{
    (void)at;
    postgresql_op_count(ctx, result);
}

/* In a pipeline that has begun. */
static int send_change(struct postgresql *pg, const struct wanted *wanted, const char *note, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, (int64_t)wanted->key.message);
    postgresql_add_number(&values, wanted->key.number);
    postgresql_add_number(&values, wanted->from);
    postgresql_add_number(&values, wanted->to);
    postgresql_add_text(&values, note);
    postgresql_add_truth(&values, wanted->noted);
    return postgresql_send(
        &pg->writer, "SELECT * FROM change($1, $2, $3, $4, " POSTGRESQL_NOTE("$1", "$2", "$5") ", $6)", &values, fault);
}

static int send_more(struct postgresql *pg, uint64_t message, const char *sender, const struct mail_delivery *delivery,
                     struct fault *fault)
{
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    const struct store_row row = store_row_of(delivery, sender, &detail);
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, (int64_t)message);
    postgresql_add_number(&values, row.number);
    postgresql_add_number(&values, row.state);
    postgresql_add_text(&values, row.upstream);
    postgresql_add_text(&values, row.folder);
    postgresql_add_text(&values, row.rule == NULL ? "" : row.rule);
    postgresql_add_text(&values, row.fallback == NULL ? "" : row.fallback);
    postgresql_add_number(&values, (int64_t)row.turn);
    postgresql_add_text(&values, row.doubt == NULL ? "" : row.doubt);
    postgresql_add_bytes(&values, row.detail);
    buf_done(&detail);
    return postgresql_send(&pg->writer, "SELECT * FROM add_more($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", &values,
                           fault);
}

/* ---- SET_STATE ---- */

struct setting {
    struct store_set_state *set;
    struct wanted *wanted;
    bool *doubtful;
    size_t count;
};

static int note_row(void *ctx, PGresult *result, int row)
{
    struct setting *setting = ctx;
    struct store_set_state *set = setting->set;
    const struct store_delivery_row delivery = postgresql_delivery_at(result, row, POSTGRESQL_DELIVERY);
    enum store_state to;
    set->found++;
    set->last = delivery.key;
    if (!store_verb_next(set->verb, delivery.state, &to)) {
        return 0;
    }
    if (delivery.handed) {
        set->busy++;
        return 0;
    }
    if (store_verb_spares(set, delivery.uncertain)) {
        set->doubtful++;
        return 0;
    }
    set->changed++;
    setting->doubtful[setting->count] = delivery.uncertain;
    setting->wanted[setting->count++] =
        (struct wanted){.key = delivery.key,
                        .from = delivery.state,
                        .to = to,
                        .noted = delivery.uncertain && set->again && set->verb == STORE_RETRY};
    return 0;
}

static void note_of(const struct setting *setting, size_t at, char note[NOTE_MAX])
{
    const struct store_set_state *set = setting->set;
    snprintf(note, NOTE_MAX, "%s by %s%s", store_verb_done(set->verb), set->by == NULL ? "an operator" : set->by,
             !setting->doubtful[at] ? ""
             : setting->wanted[at].noted
                 ? ", to be sent again without a look, though an earlier attempt may have filed it"
             : set->verb == STORE_DROP ? ", though an earlier attempt may have filed it"
                                       : "");
}

static int change_all(struct postgresql *pg, const struct setting *setting, struct fault *fault)
{
    if (postgresql_begin(&pg->writer, fault) != 0) {
        return -1;
    }
    for (size_t i = 0; i < setting->count; i++) {
        char note[NOTE_MAX];
        note_of(setting, i, note);
        if (send_change(pg, &setting->wanted[i], arena_text(pg->arena, note), fault) != 0) {
            return -1;
        }
    }
    return postgresql_gather(&pg->writer, setting->count, take_change, pg, fault);
}

static int set_state(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct store_set_state *set = &op->set_state;
    struct setting setting = {.set = set,
                              .wanted = expect_calloc(set->limit + 1, sizeof *setting.wanted),
                              .doubtful = expect_calloc(set->limit + 1, sizeof *setting.doubtful)};
    set->found = 0;
    set->changed = set->busy = set->doubtful = 0;
    set->last = set->after;
    int result = set->limit == 0 ? 0
                                 : postgresql_select(&pg->writer, set->select, &set->after, set->limit, true, note_row,
                                                     &setting, fault);
    if (result == 0 && setting.count > 0) {
        result = change_all(pg, &setting, fault);
    }
    free(setting.wanted);
    free(setting.doubtful);
    return result;
}

const struct postgresql_kind postgresql_set_state = {.run = set_state};

/* ---- REROUTE ---- */

/* All deliveries of the message, with its number and sender in front. */
static PGresult *lock_message(struct postgresql *pg, const char *id, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_text(&values, id);
    return postgresql_ask(&pg->writer,
                          "SELECT m.seq, m.sender, d.number, d.state, d.handed <> 0, d.uncertain, d.doubt"
                          " FROM message m"
                          " JOIN delivery d ON d.message = m.seq WHERE m.id = $1 AND m.open > 0 ORDER BY d.number"
                          " FOR UPDATE",
                          &values, false, fault);
}

static bool is_open(PGresult *rows, int row)
{
    return !store_state_is_settled((enum store_state)postgresql_number_at(rows, row, 3));
}

static int send_old(struct postgresql *pg, const struct store_reroute *reroute, PGresult *rows, int row,
                    struct fault *fault)
{
    char note[NOTE_MAX];
    const struct wanted wanted = {
        .key = {(uint64_t)postgresql_number_at(rows, row, 0), (unsigned)postgresql_number_at(rows, row, 2)},
        .from = (enum store_state)postgresql_number_at(rows, row, 3),
        /* Rerouted to nowhere: nobody has what it brought. */
        .to = reroute->count == 0 ? STORE_STATE_DROPPED : STORE_STATE_MOVED,
    };
    snprintf(note, sizeof note, "rerouted by %s%s", reroute->by == NULL ? "an operator" : reroute->by,
             postgresql_truth_at(rows, row, 5) ? ", though an earlier attempt may have filed it" : "");
    return send_change(pg, &wanted, arena_text(pg->arena, note), fault);
}

/* Whether a copy may lie where one of those that give way was to go. */
static bool is_noted(PGresult *rows)
{
    bool noted = false;
    for (int row = 0; row < PQntuples(rows); row++) {
        bool may_lie = postgresql_truth_at(rows, row, 5) || store_doubt_is_noted(PQgetvalue(rows, row, 6));
        noted = noted || (is_open(rows, row) && may_lie);
    }
    return noted;
}

static int replace_all(struct postgresql *pg, struct store_reroute *reroute, PGresult *rows, struct fault *fault)
{
    int last = PQntuples(rows) - 1;
    size_t sent = 0;
    if (postgresql_begin(&pg->writer, fault) != 0) {
        return -1;
    }
    for (size_t i = 0; i < reroute->count; i++, sent++) {
        struct mail_delivery delivery = reroute->deliveries[i];
        delivery.number = (unsigned)postgresql_number_at(rows, last, 2) + 1 + (unsigned)i;
        delivery.doubt = is_noted(rows) ? STORE_DOUBT_NOTED : NULL;
        if (send_more(pg, (uint64_t)postgresql_number_at(rows, 0, 0), PQgetvalue(rows, 0, 1), &delivery, fault) != 0) {
            return -1;
        }
    }
    for (int row = 0; row <= last; row++) {
        if (is_open(rows, row)) {
            sent++;
            reroute->changed++;
            if (send_old(pg, reroute, rows, row, fault) != 0) {
                return -1;
            }
        }
    }
    return postgresql_gather(&pg->writer, sent, take_change, pg, fault);
}

static int reroute_message(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct store_reroute *wanted = &op->reroute;
    int result = 0;
    wanted->changed = wanted->busy = wanted->doubtful = 0;
    PGresult *rows = lock_message(pg, wanted->id, fault);
    if (rows == NULL) {
        return -1;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        bool handed = postgresql_truth_at(rows, row, 4);
        wanted->busy += is_open(rows, row) && handed;
        wanted->doubtful += is_open(rows, row) && postgresql_truth_at(rows, row, 5);
    }
    if (PQntuples(rows) > 0 && wanted->busy == 0 && (wanted->doubtful == 0 || wanted->again)) {
        result = replace_all(pg, wanted, rows, fault);
        wanted->doubtful = 0; /* none is left alone */
    }
    PQclear(rows);
    return result;
}

const struct postgresql_kind postgresql_reroute = {.run = reroute_message};

/* ---- DIVERT ---- */

static PGresult *lock_divertible(struct postgresql *pg, const struct store_divert *divert, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_text(&values, divert->upstream);
    postgresql_add_number(&values, (int64_t)divert->after.message);
    postgresql_add_number(&values, divert->after.number);
    postgresql_add_number(&values, divert->limit);
    return postgresql_ask(&pg->writer,
                          "SELECT d.message, d.number, m.id, m.sender, d.detail, now_ms(),"
                          " (SELECT max(l.number) FROM delivery l WHERE l.message = d.message), d.doubt FROM delivery d"
                          " JOIN message m ON m.seq = d.message WHERE d.state = 0 AND d.handed = 0 AND d.fallback <> ''"
                          " AND d.upstream = $1 AND NOT d.uncertain AND (d.message, d.number) > ($2, $3)"
                          " ORDER BY d.message, d.number LIMIT $4 FOR UPDATE OF d",
                          &values, false, fault);
}

/* How many deliveries the message of this row has by now: earlier rows may have added some. */
static unsigned last_number(const struct store_divert *divert, PGresult *rows, int row)
{
    unsigned last = (unsigned)postgresql_number_at(rows, row, 6);
    const char *id = PQgetvalue(rows, row, 2);
    for (size_t i = 0; i < divert->count; i++) {
        last = strcmp(divert->diverted[i].id, id) == 0 ? divert->diverted[i].to : last;
    }
    return last;
}

/* The new one comes before the old one ends, so that the message never looks settled. */
static int divert_one(struct postgresql *pg, struct store_divert *divert, PGresult *rows, int row, struct fault *fault)
{
    struct mail_delivery delivery;
    char note[STORE_NOTE_MAX];
    struct store_diverted *diverted = &divert->diverted[divert->count];
    const struct wanted wanted = {
        .key = {(uint64_t)postgresql_number_at(rows, row, 0), (unsigned)postgresql_number_at(rows, row, 1)},
        .from = STORE_STATE_WAITING,
        .to = STORE_STATE_MOVED};
    if (store_meta_read_delivery(postgresql_bytes_at(rows, row, 4), divert->arena, &delivery, NULL) != 0) {
        return 0; /* it is set aside when it is fetched, and keeps the others here no more than there */
    }
    delivery.doubt = PQgetvalue(rows, row, 7); /* as it is by now; the other is what it was born with */
    int goes = store_divert_goes(divert, &delivery, diverted);
    if (goes <= 0) {
        fault_set(goes < 0 ? fault : NULL, FAULT_LOCAL, "too-large", "spool",
                  "the facts of a delivery do not fit into memory");
        return goes;
    }
    unsigned last = last_number(divert, rows, row);
    snprintf(diverted->id, sizeof diverted->id, "%s", PQgetvalue(rows, row, 2));
    diverted->from = wanted.key.number;
    diverted->to = delivery.number = last + 1;
    divert->count++;
    store_divert_note(divert, diverted, postgresql_number_at(rows, row, 5), note);
    if (send_more(pg, wanted.key.message, PQgetvalue(rows, row, 3), &delivery, fault) != 0 ||
        send_change(pg, &wanted, arena_text(pg->arena, note), fault) != 0) {
        return -1;
    }
    return 0;
}

static int divert(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct store_divert *wanted = &op->divert;
    wanted->found = 0;
    wanted->count = 0;
    wanted->wait_ms = UINT64_MAX;
    wanted->last = wanted->after;
    arena_clear(wanted->arena);
    PGresult *rows = lock_divertible(pg, wanted, fault);
    if (rows == NULL) {
        return -1;
    }
    int result = postgresql_begin(&pg->writer, fault);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        wanted->found++;
        wanted->last = (struct store_key){(uint64_t)postgresql_number_at(rows, row, 0),
                                          (unsigned)postgresql_number_at(rows, row, 1)};
        result = divert_one(pg, wanted, rows, row, fault);
    }
    PQclear(rows);
    return result != 0 ? -1 : postgresql_gather(&pg->writer, 2 * wanted->count, take_change, pg, fault);
}

const struct postgresql_kind postgresql_divert = {.run = divert};
