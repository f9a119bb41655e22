/*
 * postgresql_ops - operations that are a function of the database each: their values, and what they answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_sum.h"

/* ---- what all of them do ---- */

void postgresql_op_expect(struct postgresql *pg, struct postgresql_expected expected)
{
    if (pg->expected_count == pg->expected_room) {
        pg->expected_room = pg->expected_room == 0 ? 64 : pg->expected_room * 2;
        pg->expected = expect_memory(realloc(pg->expected, pg->expected_room * sizeof *pg->expected));
    }
    pg->expected[pg->expected_count++] = expected;
}

int postgresql_op_send(struct postgresql *pg, struct store_op *op, size_t part, const char *sql,
                       const struct postgresql_values *values, struct fault *fault)
{
    postgresql_op_expect(pg, (struct postgresql_expected){.op = op, .part = part});
    return postgresql_send(&pg->writer, sql, values, fault);
}

void postgresql_op_count(struct postgresql *pg, PGresult *result)
{
    int first = PQfnumber(result, "waiting");
    EXPECT(first >= 0 && PQntuples(result) == 1);
    pg->change.waiting += postgresql_number_at(result, 0, first);
    pg->change.held += postgresql_number_at(result, 0, first + 1);
    pg->change.dead += postgresql_number_at(result, 0, first + 2);
    pg->change.messages += postgresql_number_at(result, 0, first + 3);
}

static struct postgresql_values new_values(struct postgresql *pg)
{
    return postgresql_values_new(pg->arena);
}

/* ---- ADD_MESSAGE ---- */

enum array {
    WHOSE,
    NUMBERS,
    STATES,
    UPSTREAMS,
    FOLDERS,
    RULES,
    FALLBACKS,
    TURNS,
    UNCERTAINS,
    DOUBTS,
    HANDEDS,
    DETAILS
};
#define ARRAYS 12

static void fill_row(struct arena *arena, const struct store_row *row, const char **arrays[ARRAYS], size_t at)
{
    arrays[NUMBERS][at] = postgresql_number(arena, row->number);
    arrays[STATES][at] = postgresql_number(arena, row->state);
    arrays[UPSTREAMS][at] = row->upstream;
    arrays[FOLDERS][at] = row->folder;
    arrays[RULES][at] = row->rule;
    arrays[FALLBACKS][at] = row->fallback;
    arrays[TURNS][at] = postgresql_number(arena, (int64_t)row->turn);
    arrays[UNCERTAINS][at] = row->uncertain ? "t" : "f";
    arrays[DOUBTS][at] = row->doubt;
    arrays[HANDEDS][at] = row->handed ? "t" : "f";
    arrays[DETAILS][at] = expect_memory(arena_copy(arena, row->detail));
}

void postgresql_op_rows(struct postgresql_values *values, struct store_op *const *ops, size_t count, bool whose)
{
    const char **arrays[ARRAYS];
    size_t rows = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        rows += ops[i]->add.count;
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        arrays[i] = expect_memory(arena_array(values->arena, rows + 1, sizeof(char *)));
    }
    for (size_t i = 0; i < count; i++) {
        const char *owner = postgresql_number(values->arena, (int64_t)i + 1);
        for (size_t row = 0; row < ops[i]->add.count; row++) {
            arrays[WHOSE][at] = owner;
            fill_row(values->arena, &ops[i]->add.rows[row], arrays, at++);
        }
    }
    for (size_t i = whose ? WHOSE : NUMBERS; i < ARRAYS; i++) {
        postgresql_add_texts(values, arrays[i], rows);
    }
}

static int send_add(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct store_add *add = &op->add;
    struct postgresql_values values = new_values(pg);
    op->run = pg->running;
    postgresql_add_number(&values, (int64_t)op->run);
    postgresql_add_text(&values, add->id);
    postgresql_add_text(&values, add->sender);
    postgresql_add_text(&values, add->message_id);
    postgresql_add_number(&values, add->received_ms);
    postgresql_add_number(&values, (int64_t)add->age_ms);
    postgresql_add_truth(&values, add->unique);
    postgresql_add_number(&values, (int64_t)add->once_ms);
    postgresql_add_number(&values, (int64_t)add->waits_ms);
    postgresql_add_number(&values, (int64_t)add->print);
    postgresql_add_bytes(&values, add->envelope);
    /* Of what is only history no body is kept: nobody would ever read it. */
    postgresql_add_octets(&values, add->upload != NULL || add->count == 0 ? bytes_of("") : add->body);
    postgresql_add_number(&values, (int64_t)add->place.segment); /* of an upload */
    postgresql_add_number(&values, (int64_t)add->place.body_len);
    postgresql_add_number(&values, (int64_t)add->place.body_sum);
    postgresql_op_rows(&values, &op, 1, false);
    return postgresql_op_send(pg, op, 0,
                              "SELECT * FROM add_message($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
                              " $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)",
                              &values, fault);
}

static void refuse_known(struct store_op *op, const char *code)
{
    if (strcmp(code, "known") == 0) {
        fault_set(&op->fault, FAULT_PERM, "known", "spool", "message %s is known already", op->add.id);
    } else {
        fault_set(&op->fault, FAULT_PERM, "dropped", "spool",
                  "message %s is known already: some of its deliveries were dropped here, the others were not",
                  op->add.id);
    }
}

static void take_add(struct postgresql *pg, struct store_op *op, size_t part, PGresult *result)
{
    struct store_add *add = &op->add;
    (void)part;
    postgresql_op_count(pg, result);
    const char *code = PQgetvalue(result, 0, 0);
    if (code[0] != '\0') {
        refuse_known(op, code);
    }
    add->message = (uint64_t)postgresql_number_at(result, 0, 1);
    if (postgresql_number_at(result, 0, 2) != 0) {
        add->place.segment = (uint64_t)postgresql_number_at(result, 0, 2);
    }
    snprintf(add->twin, sizeof add->twin, "%s", PQgetvalue(result, 0, 3));
    add->twin_open = (unsigned)postgresql_number_at(result, 0, 4);
    add->twin_retried = (unsigned)postgresql_number_at(result, 0, 5);
    add->reopened = (unsigned)postgresql_number_at(result, 0, 6);
    add->adopted = postgresql_truth_at(result, 0, 7);
    add->revived = postgresql_truth_at(result, 0, 8);
}

const struct postgresql_kind postgresql_add = {.send = send_add, .take = take_add};

/* ---- HAND, FINISH, UNTOUCH ---- */

enum key { KEYS, KEY_NUMBERS, DUES, TRIES, KEY_DOUBTS };
#define KEY_ARRAYS 5

static int send_hand(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    const char **arrays[KEY_ARRAYS];
    struct postgresql_values values = new_values(pg);
    op->run = pg->running;
    for (size_t i = 0; i < KEY_ARRAYS; i++) {
        arrays[i] = expect_memory(arena_array(pg->arena, op->hand.count + 1, sizeof(char *)));
    }
    for (size_t i = 0; i < op->hand.count; i++) {
        const struct store_hand_key *key = &op->hand.keys[i];
        arrays[KEYS][i] = postgresql_number(pg->arena, (int64_t)key->key.message);
        arrays[KEY_NUMBERS][i] = postgresql_number(pg->arena, key->key.number);
        arrays[DUES][i] = postgresql_number(pg->arena, key->due);
        arrays[TRIES][i] = postgresql_number(pg->arena, key->attempts);
        arrays[KEY_DOUBTS][i] = key->doubt;
    }
    postgresql_add_number(&values, (int64_t)op->run);
    for (size_t i = 0; i < KEY_ARRAYS; i++) {
        postgresql_add_texts(&values, arrays[i], op->hand.count);
    }
    return postgresql_op_send(pg, op, 0, "SELECT hand_all($1, $2, $3, $4, $5, $6)", &values, fault);
}

/* "{t,f}" */
static void take_hand(struct postgresql *pg, struct store_op *op, size_t part, PGresult *result)
{
    const char *given = PQgetvalue(result, 0, 0);
    (void)pg;
    (void)part;
    EXPECT(op->hand.count == 0 || strlen(given) == 2 * op->hand.count + 1);
    for (size_t i = 0; i < op->hand.count; i++) {
        op->hand.given[i] = given[1 + 2 * i] == 't';
    }
}

const struct postgresql_kind postgresql_hand = {.send = send_hand, .take = take_hand};

/* What was never handed out is of no run, and what is in nobody's hands stands as of run 0. */
int64_t postgresql_op_run(const struct store_op *op)
{
    return op->run == 0 ? -1 : (int64_t)op->run;
}

static void add_finish(struct postgresql_values *values, const struct store_finish *finish, const char *note)
{
    bool is_filed = finish->state == STORE_STATE_FILED, again = finish->state == STORE_STATE_WAITING;
    postgresql_add_number(values, (int64_t)finish->key.message);
    postgresql_add_number(values, finish->key.number);
    postgresql_add_number(values, finish->state);
    postgresql_add_number(values, again ? (int64_t)finish->again_in_ms : 0);
    postgresql_add_number(values, finish->attempts);
    postgresql_add_truth(values, !is_filed && finish->uncertain);
    postgresql_add_text(values, is_filed || finish->doubt == NULL ? "" : finish->doubt);
    postgresql_add_number(values, finish->uidvalidity);
    postgresql_add_number(values, finish->uid);
    postgresql_add_text(values, finish->folder);
    postgresql_add_text(values, fault_class_name(finish->why.class));
    postgresql_add_text(values, finish->why.code);
    postgresql_add_text(values, finish->why.where);
    postgresql_add_text(values, finish->why.text);
    postgresql_add_text(values, note);
}

#define FINISH_WITH(note)                                                                                              \
    "SELECT * FROM finish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, " note ")"
#define FINISH_SQL       FINISH_WITH("$16")
#define FINISH_NOTED_SQL FINISH_WITH(POSTGRESQL_NOTE("$2", "$3", "$16"))

static int send_finish(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct postgresql_values values = new_values(pg);
    postgresql_add_number(&values, postgresql_op_run(op));
    add_finish(&values, &op->finish, op->finish.note);
    return postgresql_op_send(pg, op, 0, op->finish.note == NULL ? FINISH_SQL : FINISH_NOTED_SQL, &values, fault);
}

void postgresql_op_lost(struct store_op *op)
{
    fault_set(&op->fault, FAULT_PERM, "not-in-hand", "spool", "delivery %u of message %llu is in other hands",
              op->finish.key.number, (unsigned long long)op->finish.key.message);
}

/* Who finishes what is not in his hands (any more) is told so; nothing changes. */
static void take_finish(struct postgresql *pg, struct store_op *op, size_t part, PGresult *result)
{
    (void)part;
    postgresql_op_count(pg, result);
    if (PQgetvalue(result, 0, 0)[0] != '\0') {
        postgresql_op_lost(op);
    }
}

const struct postgresql_kind postgresql_finish = {.send = send_finish, .take = take_finish};

/* The sender of a message, in the arena; "" when there is none of that number. NULL with a fault. */
static const char *sender_of(struct postgresql *pg, uint64_t message, struct fault *fault)
{
    struct postgresql_values values = new_values(pg);
    postgresql_add_number(&values, (int64_t)message);
    PGresult *result = postgresql_ask(&pg->writer, "SELECT sender FROM message WHERE seq = $1", &values, false, fault);
    const char *sender = result == NULL           ? NULL
                         : PQntuples(result) == 0 ? ""
                                                  : arena_text(pg->arena, PQgetvalue(result, 0, 0));
    PQclear(result);
    return sender;
}

static int redirect_delivery(struct postgresql *pg, const struct store_finish *finish, const char *sender,
                             struct fault *fault)
{
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    const struct store_row row = store_row_of(finish->instead, sender, &detail);
    struct postgresql_values values = new_values(pg);
    postgresql_add_number(&values, (int64_t)finish->key.message);
    postgresql_add_number(&values, finish->key.number);
    postgresql_add_text(&values, row.upstream);
    postgresql_add_text(&values, row.folder);
    postgresql_add_text(&values, row.fallback == NULL ? "" : row.fallback);
    postgresql_add_number(&values, (int64_t)row.turn);
    postgresql_add_bytes(&values, row.detail);
    PGresult *result =
        postgresql_ask(&pg->writer, "SELECT redirect($1, $2, $3, $4, $5, $6, $7)", &values, false, fault);
    PQclear(result);
    buf_done(&detail);
    return result == NULL ? -1 : 0;
}

/* A FINISH with `instead`. */
static int run_redirecting(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    char note[STORE_NOTE_MAX];
    const char *sender = sender_of(pg, op->finish.key.message, fault);
    if (sender == NULL) {
        return -1;
    }
    store_finish_note(&op->finish, note);
    struct postgresql_values values = new_values(pg);
    postgresql_add_number(&values, postgresql_op_run(op));
    add_finish(&values, &op->finish, note);
    PGresult *result = postgresql_ask(&pg->writer, FINISH_NOTED_SQL, &values, false, fault);
    if (result == NULL) {
        return -1;
    }
    take_finish(pg, op, 0, result);
    PQclear(result);
    return fault_is_set(&op->fault) ? 0 : redirect_delivery(pg, &op->finish, sender, fault);
}

const struct postgresql_kind postgresql_redirecting = {.run = run_redirecting};

static int send_untouch(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct postgresql_values values = new_values(pg);
    postgresql_add_number(&values, postgresql_op_run(op));
    postgresql_add_number(&values, (int64_t)op->untouch.key.message);
    postgresql_add_number(&values, op->untouch.key.number);
    postgresql_add_truth(&values, op->untouch.uncertain);
    postgresql_add_text(&values, op->untouch.doubt == NULL ? "" : op->untouch.doubt);
    return postgresql_op_send(pg, op, 0, "SELECT untouch($1, $2, $3, $4, $5)", &values, fault);
}

const struct postgresql_kind postgresql_untouch = {.send = send_untouch};

/* ---- MEMO, PAUSE, FORGET, HEARD ---- */

static int send_memo(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct postgresql_values values = new_values(pg);
    postgresql_add_text(&values, op->memo.upstream);
    if (op->memo.text[0] == '\0') {
        return postgresql_op_send(pg, op, 0, "DELETE FROM memo WHERE upstream = $1", &values, fault);
    }
    postgresql_add_text(&values, op->memo.text);
    return postgresql_op_send(pg, op, 0, "SELECT set_memo($1, $2)", &values, fault);
}

const struct postgresql_kind postgresql_memo = {.send = send_memo};

static int send_pause(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct postgresql_values values = new_values(pg);
    postgresql_add_text(&values, op->pause.upstream);
    postgresql_add_truth(&values, op->pause.paused);
    postgresql_add_text(&values, op->pause.by == NULL ? "" : op->pause.by);
    /* The count is of before: a statement does not see what its own functions write. */
    return postgresql_op_send(pg, op, 0,
                              "SELECT set_pause($1, $2, $3), (SELECT count(*) FROM pause WHERE upstream = $1 OR ($1 = "
                              "'' AND NOT $2))",
                              &values, fault);
}

static void take_pause(struct postgresql *pg, struct store_op *op, size_t part, PGresult *result)
{
    (void)pg;
    (void)part;
    op->pause.since_ms = postgresql_number_at(result, 0, 0);
    op->pause.changed = (postgresql_number_at(result, 0, 1) == 0) == op->pause.paused;
}

const struct postgresql_kind postgresql_pause = {.send = send_pause, .take = take_pause};

/* What is more than fits into the server's numbers is as good as no limit. */
static int64_t most(uint64_t number)
{
    return number > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)number;
}

static int send_forget(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct postgresql_values values = new_values(pg);
    postgresql_add_number(&values, most(op->forget.keep_ms));
    postgresql_add_number(&values, most(op->forget.keep_messages));
    postgresql_add_number(&values, op->forget.limit);
    return postgresql_op_send(pg, op, 0, "SELECT forget($1, $2, $3)", &values, fault);
}

static void take_forget(struct postgresql *pg, struct store_op *op, size_t part, PGresult *result)
{
    (void)pg;
    (void)part;
    op->forget.forgotten = (unsigned)postgresql_number_at(result, 0, 0);
}

const struct postgresql_kind postgresql_forget = {.send = send_forget, .take = take_forget};

static int send_heard(struct postgresql *pg, struct store_op *op, struct fault *fault)
{
    struct postgresql_values values = new_values(pg);
    postgresql_add_text(&values, op->heard.id);
    return postgresql_op_send(pg, op, 0, "SELECT heard($1)", &values, fault);
}

const struct postgresql_kind postgresql_heard = {.send = send_heard};
