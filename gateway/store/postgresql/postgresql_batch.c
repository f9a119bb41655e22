/*
 * postgresql_batch - makes a batch durable: BEGIN, the right to write (enter), its operations, the counts (leave),
 * COMMIT.
 *
 * All that can be said beforehand goes in one round trip, operations of which there are many in one question for all of
 * a kind (postgresql_many.c); the COMMIT in another, so that nothing of what the operations
 * answered can be lost with its answer. A COMMIT whose answer is lost, or comes with a warning (a standby that was to
 * have it was not waited for), leaves the batch in limbo: its key is then asked for from a new connection. Whoever
 * inserts the key waits for the old transaction: if that was committed the key is there, if not it can never be any
 * more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_sum.h"

/* Tries of a batch that collided with another one, or met a connection that had gone. */
#define TRIES 5

static const struct postgresql_kind ignored = {0};

static const struct postgresql_kind *kind_of(const struct store_op *op)
{
    static const struct postgresql_kind *const kinds[STORE_OP_KINDS] = {
        [STORE_ADD_MESSAGE] = &postgresql_add,
        [STORE_HAND] = &postgresql_hand,
        [STORE_FINISH] = &postgresql_finish,
        [STORE_UNTOUCH] = &postgresql_untouch,
        [STORE_SET_STATE] = &postgresql_set_state,
        [STORE_REROUTE] = &postgresql_reroute,
        [STORE_DIVERT] = &postgresql_divert,
        [STORE_MEMO] = &postgresql_memo,
        [STORE_PAUSE] = &postgresql_pause,
        [STORE_FORGET] = &postgresql_forget,
        [STORE_CLOCK] = &ignored, /* the server's clock decides */
        [STORE_MOVE] = &ignored,  /* there are no segments */
        [STORE_HEARD] = &postgresql_heard,
        [STORE_LEARN] = &postgresql_learn,
        [STORE_ERASE] = &postgresql_erase,
    };
    return op->kind == STORE_FINISH && op->finish.instead != NULL ? &postgresql_redirecting : kinds[op->kind];
}

static struct store_op *op_at(struct list *link)
{
    return LIST_ITEM(link, struct store_op, link);
}

/* ---- before the transaction ---- */

/* What the bodies are; those that were sent before get their last octets. Failed before: never tried. */
static void prepare_bodies(struct postgresql *pg, struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = op_at(link);
        op->own = NULL;
        if (fault_is_set(&op->fault) || op->kind != STORE_ADD_MESSAGE) {
            continue;
        }
        struct store_add *add = &op->add;
        add->place = (struct store_place){0};
        if (add->count > 0 && add->upload != NULL) {
            disregard(postgresql_upload_complete(&pg->store, add->upload, add->body, &add->place, &op->fault));
        } else if (add->count > 0) {
            add->place.body_len = add->body.len;
            add->place.body_sum = store_sum_of(add->body);
        }
    }
    LIST_EACH(link, &batch->ops)
    {
        op_at(link)->own = fault_is_set(&op_at(link)->fault) ? op_at(link) : NULL;
    }
}

/* What a try has found out about single operations is not so any more. */
static void forget_faults(struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        if (op_at(link)->own == NULL) {
            op_at(link)->fault = FAULT_INIT;
        }
    }
}

static bool has_work(const struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        if (!fault_is_set(&op_at(link)->fault)) {
            return true;
        }
    }
    return false;
}

/* ---- the transaction ---- */

static void take_result(void *ctx, size_t at, PGresult *result)
{
    struct postgresql *pg = ctx;
    const struct postgresql_expected *expected = &pg->expected[at];
    if (expected->many != NULL) {
        postgresql_many_take(pg, expected->many, result);
    } else if (expected->op != NULL && kind_of(expected->op)->take != NULL) {
        kind_of(expected->op)->take(pg, expected->op, expected->part, result);
    }
}

static int gather_results(struct postgresql *pg, struct fault *fault)
{
    size_t count = pg->expected_count;
    pg->expected_count = 0;
    return postgresql_gather(&pg->writer, count, take_result, pg, fault);
}

static int send_begin(struct postgresql *pg, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, (int64_t)pg->running);
    postgresql_add_number(&values, (int64_t)pg->group);
    if (postgresql_begin(&pg->writer, fault) != 0) {
        return -1;
    }
    return postgresql_op_send(pg, NULL, 0, "BEGIN", NULL, fault) != 0
               ? -1
               : postgresql_op_send(pg, NULL, 0, "SELECT enter_here($1, $2)", &values, fault);
}

/* What is sent from here on goes in one round trip. */
static int open_trip(struct postgresql *pg, bool *is_open, struct fault *fault)
{
    int result = *is_open ? 0 : postgresql_begin(&pg->writer, fault);
    *is_open = true;
    return result;
}

/* Those that wait to be asked together. */
static int send_many(struct postgresql *pg, bool *is_open, struct fault *fault)
{
    if (!postgresql_many_waits(pg)) {
        return 0;
    }
    return open_trip(pg, is_open, fault) != 0 ? -1 : postgresql_many_send(pg, fault);
}

/* One that is asked by itself, behind all that came before it. */
static int run_op(struct postgresql *pg, struct store_op *op, bool *is_open, struct fault *fault)
{
    const struct postgresql_kind *kind = kind_of(op);
    if (send_many(pg, is_open, fault) != 0) {
        return -1;
    }
    if (kind->run == NULL) {
        return open_trip(pg, is_open, fault) != 0 ? -1 : kind->send(pg, op, fault);
    }
    bool has_answers = *is_open;
    *is_open = false;
    return has_answers && gather_results(pg, fault) != 0 ? -1 : kind->run(pg, op, fault);
}

/* All operations in their order, but for those that are asked together. Those that run by themselves come between two
 * round trips of the others. */
static int run_ops(struct postgresql *pg, struct store_batch *batch, struct fault *fault)
{
    int result = send_begin(pg, fault);
    bool is_open = result == 0;
    for (struct list *link = batch->ops.next; result == 0 && link != &batch->ops; link = link->next) {
        struct store_op *op = op_at(link);
        bool is_idle = kind_of(op)->run == NULL && kind_of(op)->send == NULL;
        if (!fault_is_set(&op->fault) && !is_idle && !postgresql_many_add(pg, op, batch->count)) {
            result = run_op(pg, op, &is_open, fault);
        }
    }
    result = result != 0 ? -1 : send_many(pg, &is_open, fault);
    return result != 0 ? -1 : is_open ? gather_results(pg, fault) : 0;
}

static void undo(struct postgresql *pg)
{
    struct fault fault = FAULT_INIT;
    pg->expected_count = 0;
    /* Answers to what was sent before would be taken for those of the ROLLBACK. A connection that ends takes its
     * transaction with it, which is all that is wanted here. */
    bool is_usable = pg->writer.conn != NULL && PQpipelineStatus(pg->writer.conn) == PQ_PIPELINE_OFF;
    if (!is_usable || postgresql_say(&pg->writer, "ROLLBACK", &fault) != 0) {
        postgresql_link_close(&pg->writer);
    }
}

struct ending {
    struct postgresql *pg;
    bool committed;
};

static void take_counts(struct postgresql *pg, PGresult *result)
{
    pg->counts.waiting = (uint64_t)postgresql_number_at(result, 0, 0);
    pg->counts.held = (uint64_t)postgresql_number_at(result, 0, 1);
    pg->counts.dead = (uint64_t)postgresql_number_at(result, 0, 2);
    pg->counts.messages = (uint64_t)postgresql_number_at(result, 0, 3);
}

static void take_end(void *ctx, size_t at, PGresult *result)
{
    struct ending *ending = ctx;
    if (at == 0) {
        take_counts(ending->pg, result);
    } else {
        ending->committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
    }
}

static enum store_verdict end_batch(struct postgresql *pg, struct fault *fault)
{
    struct ending ending = {.pg = pg};
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, (int64_t)pg->running);
    postgresql_add_number(&values, pg->change.waiting);
    postgresql_add_number(&values, pg->change.held);
    postgresql_add_number(&values, pg->change.dead);
    postgresql_add_number(&values, pg->change.messages);
    pg->writer.had_notice = false;
    if (postgresql_begin(&pg->writer, fault) != 0 ||
        postgresql_send(&pg->writer, "SELECT * FROM leave($1, $2, $3, $4, $5)", &values, fault) != 0) {
        return STORE_FAILED;
    }
    /* From here on it may have been written, whatever libpq says. */
    if (postgresql_send(&pg->writer, "COMMIT", NULL, fault) != 0) {
        return STORE_IN_LIMBO;
    }
    /* A COMMIT of a transaction that has failed is no error to the server: it rolls back, and only the command tag says
     * so. */
    int result = postgresql_gather(&pg->writer, 2, take_end, &ending, fault);
    if (pg->writer.had_notice) {
        /* It is committed here, and would be lost with this machine: a 250 would promise more than that. */
        fault_set(fault, FAULT_LOCAL, "unsynced", "postgresql",
                  "PostgreSQL stopped waiting for its standby, so what was written may lie on one disk alone");
        return STORE_IN_LIMBO;
    }
    if (result == 0 && ending.committed) {
        return STORE_COMMITTED;
    }
    fault_set(fault, FAULT_LOCAL, "postgresql", "postgresql", "PostgreSQL did not commit");
    /* Of a connection that stands the server has said, and can be believed, that nothing of it is kept. */
    return pg->writer.conn != NULL ? STORE_FAILED : STORE_IN_LIMBO;
}

static enum store_verdict try_batch(struct postgresql *pg, struct store_batch *batch, struct fault *fault)
{
    arena_clear(pg->arena);
    memset(pg->many, 0, sizeof pg->many);
    pg->expected_count = 0;
    forget_faults(batch);
    pg->change = (struct postgresql_change){0};
    pg->group++;
    pg->running = atomic_load(&pg->epoch);
    /* A key of its own for each try: one that an earlier try has left in limbo must not answer for this one. */
    batch->own[0] = pg->running;
    batch->own[1] = pg->group;
    /* A connection that breaks from here to the COMMIT takes the transaction with it. */
    if (postgresql_link_open(&pg->writer, fault) != 0 || run_ops(pg, batch, fault) != 0) {
        undo(pg);
        return STORE_FAILED;
    }
    enum store_verdict verdict = end_batch(pg, fault);
    if (verdict == STORE_FAILED) {
        undo(pg);
    } else if (verdict == STORE_IN_LIMBO) {
        postgresql_link_close(&pg->writer);
    }
    return verdict;
}

/* Whether it is worth another try at once. */
static bool may_repeat(struct postgresql *pg, const struct fault *fault, bool was_open, int tries)
{
    if (tries >= TRIES) {
        return false;
    }
    if (strcmp(fault->code, "fenced") == 0) {
        /* The batch may be tried under a new epoch, because the old one can write nothing any more: what it had in hand
         * is in doubt by now, and this batch was rolled back. */
        return postgresql_node_join(pg, NULL) == 0;
    }
    if (strcmp(fault->code, "moved") == 0) {
        return postgresql_node_follow(pg, &pg->writer, NULL) >= 0;
    }
    /* A connection that had stood idle may have been gone for hours (a restart, a firewall that forgot it): that says
     * nothing of the server now. One that was just made and broke does. */
    bool is_gone = strcmp(fault->code, "down") == 0 || strcmp(fault->code, "standby") == 0;
    return strcmp(fault->code, "again") == 0 || (is_gone && was_open && tries == 1);
}

/* ---- the door ---- */

static void keep_uploads(struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = op_at(link);
        bool is_done = !fault_is_set(&op->fault) || op->failed_with_batch;
        bool kept = op->kind == STORE_ADD_MESSAGE && is_done && op->add.upload != NULL && op->add.count > 0 &&
                    (op->add.twin[0] == '\0' || op->add.adopted);
        if (kept) {
            postgresql_upload_keep(&op->add.upload);
        }
    }
}

static void ask_counts(struct postgresql *pg)
{
    struct fault fault = FAULT_INIT;
    PGresult *result = postgresql_ask(&pg->writer, "SELECT * FROM totals()", NULL, false, &fault);
    if (result != NULL) {
        take_counts(pg, result);
    }
    PQclear(result);
}

enum store_verdict postgresql_commit(struct store *store, struct store_batch *batch)
{
    struct postgresql *pg = postgresql_of(store);
    enum store_verdict verdict = STORE_COMMITTED;
    prepare_bodies(pg, batch);
    if (!has_work(batch)) {
        ask_counts(pg);
        batch->counts = pg->counts;
        return STORE_COMMITTED;
    }
    bool was_open = pg->writer.conn != NULL, again = true;
    for (int tries = 1; again; tries++) {
        batch->fault = FAULT_INIT;
        verdict = try_batch(pg, batch, &batch->fault);
        again = verdict == STORE_FAILED && may_repeat(pg, &batch->fault, was_open, tries);
    }
    if (verdict == STORE_COMMITTED) {
        pg->counts.syncs++;
        atomic_store(&pg->durable, pg->group);
        keep_uploads(batch);
    } else {
        if (verdict == STORE_FAILED) {
            forget_faults(batch);
        }
        store_batch_fail(batch, &batch->fault);
    }
    batch->counts = pg->counts;
    return verdict;
}

/* A transaction of our own that a standby has: it has all that came before it, too. */
static bool is_replicated(struct postgresql *pg, struct fault *fault)
{
    pg->writer.had_notice = false;
    return postgresql_say(&pg->writer, "UPDATE mark SET value = value WHERE name = 'learnt'", fault) == 0 &&
           !pg->writer.had_notice;
}

/* The key that says of a batch's own key that nothing was written with it; no batch has such a number. */
#define VOID_KEY (INT64_C(1) << 62)

/*
 * Our key goes in in the place of the batch's, so that this can never be committed any more; beside it goes one that
 * says so. It stays true whatever becomes of this answer: the key alone would be taken for the batch's by whoever asks
 * again. 1: it was written; 0: it was not, and never will be; -1.
 */
static int ask_key(struct postgresql *pg, const struct store_batch *batch, struct fault *fault)
{
    static const char sql[] =
        "WITH mine AS (INSERT INTO grp VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1),"
        " none AS (INSERT INTO grp SELECT $1, $3 FROM mine)"
        " SELECT NOT EXISTS (SELECT FROM mine) AND NOT EXISTS (SELECT FROM grp WHERE epoch = $1 AND n = $3)";
    arena_clear(pg->arena);
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, (int64_t)batch->own[0]);
    postgresql_add_number(&values, (int64_t)batch->own[1]);
    postgresql_add_number(&values, (int64_t)batch->own[1] | VOID_KEY);
    PGresult *result = postgresql_ask(&pg->writer, sql, &values, false, fault);
    int written = result == NULL ? -1 : postgresql_truth_at(result, 0, 0);
    PQclear(result);
    return written;
}

enum store_verdict postgresql_resolve(struct store *store, struct store_batch *batch)
{
    struct postgresql *pg = postgresql_of(store);
    struct fault fault = FAULT_INIT;
    int written = ask_key(pg, batch, &fault);
    if (written < 0) {
        undo(pg);
        return STORE_IN_LIMBO;
    }
    /* What this server alone knows, its standby may know otherwise. */
    if (!is_replicated(pg, &fault)) {
        return STORE_IN_LIMBO;
    }
    if (written == 0) {
        return STORE_FAILED;
    }
    keep_uploads(batch);
    return STORE_COMMITTED;
}
