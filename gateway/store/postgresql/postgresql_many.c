/*
 * postgresql_many - operations of one kind that are asked together: what most batches are made of, messages that come
 * for the first time and deliveries that were filed. Each kind is one question for all between two operations of
 * another kind; what these two do has nothing to do with each other, so either may come first.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"

/* ---- ADD_MESSAGE ---- */

/* It is of nobody's concern what was there before; and the octets are here, in one piece. */
static bool is_plain_add(const struct store_op *op)
{
    const struct store_add *add = &op->add;
    return op->kind == STORE_ADD_MESSAGE && !add->unique && add->once_ms == 0 && add->waits_ms == 0 && add->count > 0 &&
           add->upload == NULL && add->body.len <= POSTGRESQL_PIECE;
}

enum { IDS, SENDERS, MESSAGE_IDS, RECEIVED, AGES, ENVELOPES, LENS, SUMS, MANYS, FACTS };

static void fill_facts(struct arena *arena, const struct store_add *add, const char **facts[FACTS], size_t at)
{
    facts[IDS][at] = add->id;
    facts[SENDERS][at] = add->sender;
    facts[MESSAGE_IDS][at] = add->message_id;
    facts[RECEIVED][at] = postgresql_number(arena, add->received_ms);
    facts[AGES][at] = postgresql_number(arena, (int64_t)add->age_ms);
    facts[ENVELOPES][at] = expect_memory(arena_copy(arena, add->envelope));
    facts[LENS][at] = postgresql_number(arena, (int64_t)add->place.body_len);
    facts[SUMS][at] = postgresql_number(arena, (int64_t)add->place.body_sum);
    facts[MANYS][at] = postgresql_number(arena, (int64_t)add->count);
}

static int send_adds(struct postgresql *pg, struct postgresql_many *many, struct fault *fault)
{
    const char **facts[FACTS];
    for (size_t i = 0; i < FACTS; i++) {
        facts[i] = expect_memory(arena_array(pg->arena, many->count, sizeof(char *)));
    }
    struct bytes *bodies = expect_memory(arena_array(pg->arena, many->count, sizeof *bodies));
    for (size_t i = 0; i < many->count; i++) {
        many->ops[i]->run = pg->running;
        fill_facts(pg->arena, &many->ops[i]->add, facts, i);
        bodies[i] = many->ops[i]->add.body;
    }
    struct postgresql_values values = postgresql_values_new(pg->arena);
    postgresql_add_number(&values, (int64_t)pg->running);
    for (size_t i = 0; i < FACTS; i++) {
        if (i == LENS) {
            postgresql_add_blobs(&values, bodies, many->count);
        }
        postgresql_add_texts(&values, facts[i], many->count);
    }
    postgresql_op_rows(&values, many->ops, many->count, true);
    return postgresql_send(&pg->writer,
                           "SELECT * FROM add_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
                           " $15, $16, $17, $18, $19, $20, $21, $22, $23)",
                           &values, fault);
}

static void take_adds(struct postgresql *pg, struct postgresql_many *many, PGresult *result)
{
    const char *seqs = PQgetvalue(result, 0, 0), *places = PQgetvalue(result, 0, 1);
    postgresql_op_count(pg, result);
    for (size_t i = 0; i < many->count; i++) {
        struct store_add *add = &many->ops[i]->add;
        int64_t seq, place;
        EXPECT(postgresql_next_number(&seqs, &seq) && postgresql_next_number(&places, &place));
        add->message = (uint64_t)seq;
        add->place.segment = (uint64_t)place;
        add->twin[0] = '\0';
        add->twin_open = add->twin_retried = add->reopened = 0;
        add->adopted = add->revived = false;
    }
}

/* ---- FINISH ---- */

static bool is_filed(const struct store_op *op)
{
    return op->kind == STORE_FINISH && op->finish.state == STORE_STATE_FILED && op->finish.note == NULL;
}

enum { RUNS, MESSAGES, NUMBERS, TRIES, UIDVALIDITIES, UIDS, FOLDERS, OUTCOMES };

static void fill_outcome(struct arena *arena, const struct store_op *op, const char **outcomes[OUTCOMES], size_t at)
{
    const struct store_finish *finish = &op->finish;
    outcomes[RUNS][at] = postgresql_number(arena, postgresql_op_run(op));
    outcomes[MESSAGES][at] = postgresql_number(arena, (int64_t)finish->key.message);
    outcomes[NUMBERS][at] = postgresql_number(arena, finish->key.number);
    outcomes[TRIES][at] = postgresql_number(arena, finish->attempts);
    outcomes[UIDVALIDITIES][at] = postgresql_number(arena, finish->uidvalidity);
    outcomes[UIDS][at] = postgresql_number(arena, finish->uid);
    outcomes[FOLDERS][at] = finish->folder;
}

static int send_filed(struct postgresql *pg, struct postgresql_many *many, struct fault *fault)
{
    const char **outcomes[OUTCOMES];
    struct postgresql_values values = postgresql_values_new(pg->arena);
    for (size_t i = 0; i < OUTCOMES; i++) {
        outcomes[i] = expect_memory(arena_array(pg->arena, many->count, sizeof(char *)));
    }
    for (size_t i = 0; i < many->count; i++) {
        fill_outcome(pg->arena, many->ops[i], outcomes, i);
    }
    for (size_t i = 0; i < OUTCOMES; i++) {
        postgresql_add_texts(&values, outcomes[i], many->count);
    }
    return postgresql_send(&pg->writer, "SELECT * FROM file_all($1, $2, $3, $4, $5, $6, $7)", &values, fault);
}

static void take_filed(struct postgresql *pg, struct postgresql_many *many, PGresult *result)
{
    const char *lost = PQgetvalue(result, 0, 0);
    int64_t at;
    postgresql_op_count(pg, result);
    while (postgresql_next_number(&lost, &at)) {
        EXPECT(at >= 1 && (size_t)at <= many->count);
        postgresql_op_lost(many->ops[at - 1]);
    }
}

/* ---- gathering them ---- */

static const struct {
    bool (*is)(const struct store_op *op);
    int (*send)(struct postgresql *pg, struct postgresql_many *many, struct fault *fault);
    void (*take)(struct postgresql *pg, struct postgresql_many *many, PGresult *result);
} kinds[POSTGRESQL_MANY] = {
    {is_plain_add, send_adds, take_adds},
    {is_filed, send_filed, take_filed},
};

bool postgresql_many_add(struct postgresql *pg, struct store_op *op, size_t most)
{
    for (size_t i = 0; i < POSTGRESQL_MANY; i++) {
        if (kinds[i].is(op)) {
            if (pg->many[i] == NULL) {
                pg->many[i] = expect_memory(arena_alloc(pg->arena, sizeof *pg->many[i]));
                pg->many[i]->kind = i;
                pg->many[i]->ops = expect_memory(arena_array(pg->arena, most, sizeof(struct store_op *)));
            }
            EXPECT(pg->many[i]->count < most);
            pg->many[i]->ops[pg->many[i]->count++] = op;
            return true;
        }
    }
    return false;
}

bool postgresql_many_waits(const struct postgresql *pg)
{
    return pg->many[0] != NULL || pg->many[1] != NULL;
}

int postgresql_many_send(struct postgresql *pg, struct fault *fault)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < POSTGRESQL_MANY; i++) {
        struct postgresql_many *many = pg->many[i];
        pg->many[i] = NULL;
        if (many != NULL) {
            postgresql_op_expect(pg, (struct postgresql_expected){.many = many});
            result = kinds[i].send(pg, many, fault);
        }
    }
    return result;
}

void postgresql_many_take(struct postgresql *pg, struct postgresql_many *many, PGresult *result)
{
    kinds[many->kind].take(pg, many, result);
}
