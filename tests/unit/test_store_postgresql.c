/*
 * Tests of store/postgresql: its histories are those of store/model (store_histories.h), on a server of their own.
 *
 * By hand: test_store_postgresql COUNT [FIRST]. Without MAILWEIR_POSTGRESQL (a connection string) it starts itself
 * again under tests/postgresql.py, which starts a server; skipped where there is none.
 */
#include <libpq-fe.h>
#include <sys/socket.h>

#include "store/postgresql/postgresql.h"
#include "store/postgresql/postgresql_link.h"
#include "store/postgresql/postgresql_private.h"

#define ROOM_HAS_WALL_CLOCK false
#define ROOM_TELLS_TROUBLE  0     /* what was read is read, when the end of its transaction is not heard */
#define ROOM_KEEPS_HANDS    false /* what a crash leaves in somebody's hands is uncertain from the takeover on */
struct store_batch;
static void follow(struct store_batch batches[2]);
#define ROOM_FOLLOWS follow
#include "store_histories.h"
#include "store_server.h"

/* ---- commits that fail when they are told to ---- */

static enum { SAYS_YES, REFUSES, LOSES_IT, LOSES_THE_ANSWER } next_commit;
static bool sends_commit, loses_word; /* the answer to the next question is lost */
static unsigned questions, trips;     /* of pipelines, so far ... */
static unsigned told;                 /* ... and so many of them were taken apart by the server to be asked again */

int __real_PQsendPrepare(PGconn *link, const char *name, const char *sql, int count, const Oid *types);
int __wrap_PQsendPrepare(PGconn *link, const char *name, const char *sql, int count, const Oid *types);

int __wrap_PQsendPrepare(PGconn *link, const char *name, const char *sql, int count, const Oid *types)
{
    told++;
    return __real_PQsendPrepare(link, name, sql, count, types);
}

int __real_postgresql_send(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                           struct fault *fault);
int __wrap_postgresql_send(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                           struct fault *fault);
int __real_postgresql_gather(struct postgresql_link *link, size_t count, postgresql_result_fn *fn, void *ctx,
                             struct fault *fault);
int __wrap_postgresql_gather(struct postgresql_link *link, size_t count, postgresql_result_fn *fn, void *ctx,
                             struct fault *fault);

int __wrap_postgresql_send(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                           struct fault *fault)
{
    sends_commit = strcmp(sql, "COMMIT") == 0;
    questions++;
    return __real_postgresql_send(link, sends_commit && next_commit == REFUSES ? "SELECT 1/0" : sql, values, fault);
}

int __wrap_postgresql_gather(struct postgresql_link *link, size_t count, postgresql_result_fn *fn, void *ctx,
                             struct fault *fault)
{
    bool is_commit = sends_commit;
    sends_commit = false;
    trips++;
    if (is_commit && next_commit == LOSES_IT) {
        shutdown(PQsocket(link->conn), SHUT_RDWR);
    }
    int result = __real_postgresql_gather(link, count, fn, ctx, fault);
    if (is_commit && next_commit == LOSES_THE_ANSWER) {
        assert_int_equal(result, 0);
        postgresql_link_close(link);
        fault_set(fault, FAULT_LOCAL, "down", "test", "the connection was lost");
        result = -1;
    }
    next_commit = is_commit ? SAYS_YES : next_commit;
    return result;
}

PGresult *__real_postgresql_ask(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                                bool octets, struct fault *fault);
PGresult *__wrap_postgresql_ask(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                                bool octets, struct fault *fault);

PGresult *__wrap_postgresql_ask(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                                bool octets, struct fault *fault)
{
    PGresult *result = __real_postgresql_ask(link, sql, values, octets, fault);
    if (loses_word) {
        loses_word = false;
        assert_non_null(result);
        PQclear(result);
        postgresql_link_close(link);
        fault_set(fault, FAULT_LOCAL, "down", "test", "the connection was lost");
        return NULL;
    }
    return result;
}

/* ---- the server ---- */

static void room_clock(void)
{
    say("UPDATE test_clock SET at = %lld", (long long)w.now_ms);
}

/* ---- connections that break ---- */

/* Counted down by each wait for the server: at 0 that connection is gone, and from then on all, when they are to be. */
static struct {
    unsigned left;
    bool for_good, fired;
    bool unheard; /* one broke when all was said: whoever asks next hears of it */
    uint64_t ever;
} trouble;

int __real_net_poll_wait(int fd, bool writable, uint64_t timeout_ms);
int __wrap_net_poll_wait(int fd, bool writable, uint64_t timeout_ms);

/* Nothing moves: each wait lasts as long as it may, of a time that does not pass here. */
static struct {
    bool on;
    uint64_t waited_ms;
} stall;

int __wrap_net_poll_wait(int fd, bool writable, uint64_t timeout_ms)
{
    if (stall.on) {
        stall.waited_ms += timeout_ms;
        return 0;
    }
    if (trouble.left > 0 && --trouble.left == 0) {
        shutdown(fd, SHUT_RDWR);
        trouble.left = trouble.for_good ? 1 : 0;
        trouble.ever += !trouble.fired;
        trouble.fired = true;
    }
    return __real_net_poll_wait(fd, writable, timeout_ms);
}

static void no_trouble(void)
{
    trouble.left = 0;
    trouble.for_good = trouble.fired = false;
}

static void room_trouble(unsigned percent)
{
    no_trouble();
    if (chance(percent)) {
        trouble.for_good = chance(30);
        trouble.left = 1 + (unsigned)random_below(chance(50) ? 4 : 20);
    }
}

static bool room_was_troubled(void)
{
    return trouble.fired;
}

static bool room_calms(int result, const struct fault *fault)
{
    bool again = result != 0 && (trouble.fired || trouble.unheard) && fault_is_set(fault);
    trouble.unheard = result == 0 && (trouble.fired || trouble.unheard);
    no_trouble();
    return again;
}

/* A start that failed may be there yet: a busy server comes to what it was told last when nobody listens any more. */
static bool failed_half_way;

static void open_it(void)
{
    struct fault fault = FAULT_INIT;
    const struct store_options options = {.path = place, .wall = wall, .node = "tested"};
    room_trouble(w.lives > 0 ? 30 : 0);
    for (int result = -1; result != 0;) {
        result = postgresql_store.open(&w.stores[LOCAL], &options, &fault);
        if (result != 0 && !room_calms(result, &fault)) {
            fail_msg("the store cannot be opened: %s", fault.text);
        }
        failed_half_way = failed_half_way || result != 0;
        fault = FAULT_INIT;
    }
    no_trouble();
    w.lives++;
}

static void room_begin(void)
{
    empty_server();
    failed_half_way = false;
    open_it();
}

/* A start takes over what the one before had only when the server has seen that its connections are gone: a busy one sees it late. */
static void expect_gone(void)
{
    say("DO $$ BEGIN FOR i IN 1..30000 LOOP PERFORM pg_stat_clear_snapshot();"
        " EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name ~ '^mailweir( [0-9]+)?$');"
        " PERFORM pg_sleep(0.001); END LOOP; END $$");
}

static void room_end(void)
{
    w.stores[LOCAL]->ops->close(w.stores[LOCAL]);
    if (failed_half_way) { /* the next start takes over what it left */
        expect_gone();
        w.lives = 0; /* the first one has no trouble */
        open_it();
        w.stores[LOCAL]->ops->close(w.stores[LOCAL]);
    }
    expect_none("bodies", "SELECT count(*) FROM body WHERE id NOT IN (SELECT body FROM message WHERE open > 0)");
    expect_none("uploads", "SELECT count(*) FROM upload");
    expect_none("fences", "SELECT count(*) FROM fence");
    expect_none("deliveries in hand", "SELECT count(*) FROM delivery WHERE handed <> 0");
}

static void room_crash(void (*before_end)(void *ctx), void *ctx)
{
    if (before_end != NULL) {
        before_end(ctx);
    }
    postgresql_crash(w.stores[LOCAL]);
    expect_gone();
    open_it();
    set_numbers();
}

/* ---- commits that fail ---- */

/* A try that failed has used up numbers, at once or when the server comes to it, which the model has to pass over as
 * well; and an upload that was lost is lost to its message alone. */
static void follow(struct store_batch batches[2])
{
    struct model *model = model_of(w.stores[MODEL]);
    struct list *link = batches[MODEL].ops.next;
    bool is_first = true;
    LIST_EACH(own, &batches[LOCAL].ops)
    {
        const struct store_op *op = LIST_ITEM(own, struct store_op, link);
        bool is_failed = fault_is_set(&op->fault) && !op->failed_with_batch;
        if (op->kind == STORE_ADD_MESSAGE && op->add.upload != NULL && is_failed && op->fault.class == FAULT_LOCAL) {
            LIST_ITEM(link, struct store_op, link)->fault = op->fault;
        } else if (op->kind == STORE_ADD_MESSAGE && !is_failed && op->add.twin[0] == '\0' && is_first) {
            model->next_message = op->add.message > model->next_message ? op->add.message : model->next_message;
            is_first = false;
        }
        link = link->next;
    }
}

/* It came to be durable after all: both answer. */
static void end_written(struct store_batch batches[2])
{
    struct store *model = w.stores[MODEL];
    follow(batches);
    if (model->ops->commit(model, &batches[MODEL]) != STORE_COMMITTED) {
        differ("the model does not commit");
    }
    struct list *link = batches[MODEL].ops.next;
    LIST_EACH(own, &batches[LOCAL].ops)
    {
        struct store_op *op = LIST_ITEM(own, struct store_op, link), *twin = LIST_ITEM(link, struct store_op, link);
        op->fault = op->failed_with_batch ? FAULT_INIT : op->fault;
        tell_answers(&w.texts[LOCAL], op);
        tell_answers(&w.texts[MODEL], twin);
        note_answer(op, twin);
        link = link->next;
    }
    compare_texts("the answers of a batch that was in limbo");
}

static bool room_fails(struct store_batch batches[2])
{
    struct store *store = w.stores[LOCAL];
    struct store_batch *batch = &batches[LOCAL];
    bool in_limbo = chance(60), crashes_then = in_limbo && chance(40), written = in_limbo && chance(50);
    next_commit = !in_limbo ? REFUSES : written ? LOSES_THE_ANSWER : LOSES_IT;
    enum store_verdict verdict = store->ops->commit(store, batch);
    bool had_work = next_commit == SAYS_YES;
    next_commit = SAYS_YES;
    failed += had_work;
    if (had_work && verdict != (in_limbo ? STORE_IN_LIMBO : STORE_FAILED)) {
        differ("a commit that %s says %d", in_limbo ? "is in limbo" : "failed", (int)verdict);
    }
    if (verdict == STORE_IN_LIMBO && crashes_then) {
        if (written) {
            follow(batches);
        }
        crash_in_limbo(batches, written);
        return true;
    }
    if (verdict == STORE_IN_LIMBO) {
        in_limbo_count++;
        loses_word = chance(40);
        if (loses_word && store->ops->resolve(store, batch) != STORE_IN_LIMBO) {
            differ("a question of which the answer was lost says what became of a batch");
        }
        if (store->ops->resolve(store, batch) != (written ? STORE_COMMITTED : STORE_FAILED)) {
            differ("what was%s written is said to be otherwise", written ? "" : " not");
        }
        if (written) {
            end_written(batches);
        }
    }
    set_numbers();
    return had_work;
}

static uint64_t stumbled, went_on;

/* A connection breaks in it: all of it is made again, or fails, or is in limbo until somebody asks. */
static bool room_stumbles(struct store_batch batches[2], bool *made_r, enum store_verdict *verdict_r)
{
    struct store *store = w.stores[LOCAL];
    struct store_batch *batch = &batches[LOCAL];
    if (!chance(15)) {
        return false;
    }
    room_trouble(100);
    enum store_verdict verdict = store->ops->commit(store, batch);
    bool fired = trouble.fired, in_limbo = verdict == STORE_IN_LIMBO;
    no_trouble();
    if (in_limbo) {
        verdict = store->ops->resolve(store, batch);
    }
    if (!fired && verdict != STORE_COMMITTED) {
        differ("a batch fails for no reason: %s", batch->fault.text);
    }
    if (verdict != STORE_COMMITTED && verdict != STORE_FAILED) {
        differ("nobody knows what became of a batch: %d", (int)verdict);
    }
    stumbled += fired && verdict != STORE_COMMITTED;
    went_on += fired && verdict == STORE_COMMITTED && !in_limbo;
    if (verdict == STORE_COMMITTED && in_limbo) {
        end_written(batches);
    }
    *made_r = verdict == STORE_COMMITTED && !in_limbo;
    *verdict_r = verdict;
    if (!*made_r) { /* the model's have not come yet */
        set_numbers();
    }
    return !*made_r;
}

/* ---- the test ---- */

static uint64_t wanted, first_seed = 1;

static void test_histories(void **state)
{
    (void)state;
    uint64_t count = wanted == 0 ? 12 : wanted;
    run_histories(first_seed, count);
    assert_true(stumbled + went_on > count / 4 && went_on > 0);
    print_message("figure: connections broke %llu times: %llu batches failed, %llu were made again\n",
                  (unsigned long long)trouble.ever, (unsigned long long)stumbled, (unsigned long long)went_on);
}

/* Octets that are no UTF-8, quotes and backslashes come through as a message that is kept; none makes a batch fail. */
static void test_hostile_texts(void **state)
{
    static const char *const texts[] = {"a\xff\xfe@x", "\"quoted\\\" {1,2}\"@x", "'; DROP TABLE message; --@x",
                                        "\xed\xa0\x80@x", "{NULL,\"\"}@x"};
    (void)state;
    begin(1);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct store_row row = {.number = 1,
                                .upstream = texts[i],
                                .folder = texts[i],
                                .rule = texts[i],
                                .doubt = texts[i],
                                .detail = bytes_of("{}")};
        struct store_op op = {.kind = STORE_ADD_MESSAGE};
        op.add = (struct store_add){.id = arena_printf(w.arena, "hostile%zu", i),
                                    .sender = texts[i],
                                    .message_id = texts[i],
                                    .envelope = bytes_of("{\"from\":\"\\u0000\"}"),
                                    .rows = &row,
                                    .count = 1,
                                    .body = bytes_at("\0\xff'\\", 4)};
        struct store_batch batch;
        store_batch_init(&batch);
        store_batch_add(&batch, &op);
        assert_int_equal(w.stores[LOCAL]->ops->commit(w.stores[LOCAL], &batch), STORE_COMMITTED);
        assert_false(fault_is_set(&op.fault));
        struct store_body body = {.message = op.add.message};
        struct fault fault = FAULT_INIT;
        char data[10];
        assert_int_equal(w.stores[LOCAL]->ops->body(w.stores[LOCAL], &body, 0, data, sizeof data, &fault), 4);
        assert_memory_equal(data, "\0\xff'\\", 4);
    }
    end();
}

/* ---- what others write is heard of ---- */

static void write_one(struct store_op op)
{
    struct store_batch batch;
    store_batch_init(&batch);
    list_init(&op.link);
    store_batch_add(&batch, &op);
    assert_int_equal(w.stores[LOCAL]->ops->commit(w.stores[LOCAL], &batch), STORE_COMMITTED);
    list_remove(&op.link);
}

static struct store_beat beat(void)
{
    struct store_beat result = {.state = ""};
    struct fault fault = FAULT_INIT;
    assert_int_equal(w.stores[LOCAL]->ops->beat(w.stores[LOCAL], &result, &fault), 0);
    return result;
}

static void test_beats_tell(void **state)
{
    (void)state;
    begin(1);
    beat();
    assert_false(beat().is_memo);
    write_one((struct store_op){.kind = STORE_MEMO, .memo = {"corp", "slow"}});
    const struct store_beat after_memo = beat();
    assert_true(after_memo.is_memo && !after_memo.is_news);
    write_one((struct store_op){.kind = STORE_MEMO, .memo = {"corp", "fast"}});
    assert_true(beat().is_memo);
    write_one((struct store_op){.kind = STORE_PAUSE, .pause = {.upstream = "corp", .paused = true, .by = "me"}});
    const struct store_beat after_pause = beat();
    assert_true(after_pause.is_news && !after_pause.is_memo);
    assert_false(beat().is_news);
    end();
}

/* ---- what a batch costs ---- */

#define MANY 30

static struct store_op ops[2 * MANY];
static struct store_row rows[MANY];

static void add_one(struct store_batch *batch, size_t at, const char *prefix)
{
    rows[at] = (struct store_row){.number = 1,
                                  .upstream = "corp",
                                  .folder = "INBOX",
                                  .rule = "default",
                                  .handed = true,
                                  .detail = bytes_of("{}")};
    ops[at] = (struct store_op){.kind = STORE_ADD_MESSAGE};
    ops[at].add = (struct store_add){.id = arena_printf(w.arena, "%s%zu", prefix, at),
                                     .sender = "a@example.com",
                                     .envelope = bytes_of("{}"),
                                     .rows = &rows[at],
                                     .count = 1,
                                     .body = bytes_of("octets")};
    store_batch_add(batch, &ops[at]);
}

static void file_one(struct store_batch *batch, size_t at, uint64_t message, uint64_t run)
{
    ops[MANY + at] = (struct store_op){.kind = STORE_FINISH, .run = run};
    ops[MANY + at].finish = (struct store_finish){
        .key = {message, 1}, .state = STORE_STATE_FILED, .attempts = 1, .uidvalidity = 7, .uid = 1 + (unsigned)at};
    store_batch_add(batch, &ops[MANY + at]);
}

static void commit_it(struct store_batch *batch)
{
    questions = trips = told = 0;
    assert_int_equal(w.stores[LOCAL]->ops->commit(w.stores[LOCAL], batch), STORE_COMMITTED);
}

/* However many messages come and are filed in a batch, it asks each kind once, in two round trips; and what the server
 * was told once it is not told again. */
static void test_cost_of_a_batch(void **state)
{
    uint64_t messages[MANY], run;
    struct store_batch batch;
    (void)state;
    begin(1);
    store_batch_init(&batch);
    for (size_t i = 0; i < MANY; i++) {
        add_one(&batch, i, "first");
    }
    commit_it(&batch);
    assert_int_equal(questions, 5); /* BEGIN, enter, add_messages, leave, COMMIT */
    assert_int_equal(trips, 2);
    assert_int_equal(batch.counts.waiting, MANY);
    run = ops[0].run;
    for (size_t i = 0; i < MANY; i++) {
        messages[i] = ops[i].add.message;
        assert_true(messages[i] == messages[0] + i && ops[i].run == run);
    }
    store_batch_init(&batch);
    for (size_t i = 0; i < MANY; i++) {
        add_one(&batch, i, "second");
        file_one(&batch, i, messages[i], i == 3 ? run + 1 : run);
    }
    commit_it(&batch);
    assert_int_equal(questions, 6); /* and file_all */
    assert_int_equal(trips, 2);
    assert_int_equal(told, 1);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(fault_is_set(&ops[MANY + i].fault), i == 3);
    }
    assert_string_equal(ops[MANY + 3].fault.code, "not-in-hand");
    assert_int_equal(batch.counts.messages, MANY + 1);
    store_batch_init(&batch);
    file_one(&batch, 0, messages[3], run);
    add_one(&batch, 0, "third");
    commit_it(&batch);
    assert_int_equal(questions, 6);
    assert_int_equal(told, 0);
    expect_none("bodies", "SELECT count(*) FROM body WHERE id NOT IN (SELECT body FROM message WHERE open > 0)");
    say("UPDATE delivery SET handed = 0");
    end();
}

/* Whoever has lost track of what he has in hand gives all of it back; with his next batch he is somebody else. */
static void test_renounces(void **state)
{
    (void)state;
    begin(1);
    struct store_beat renouncing = {.renounces = true};
    struct fault fault = FAULT_INIT;
    struct postgresql *pg = postgresql_of(w.stores[LOCAL]);
    uint64_t before = atomic_load(&pg->epoch);
    assert_false(beat().is_ended);
    assert_int_equal(w.stores[LOCAL]->ops->beat(w.stores[LOCAL], &renouncing, &fault), 0);
    assert_true(renouncing.is_ended);
    assert_true(beat().is_ended);
    write_one((struct store_op){.kind = STORE_MEMO, .memo = {"corp", "slow"}});
    assert_true(atomic_load(&pg->epoch) > before);
    assert_false(beat().is_ended);
    end();
}

/* Whoever ends in order leaves nothing behind, though the server began anew meanwhile and its connections are gone. */
static void test_leaves_over_a_new_connection(void **state)
{
    struct store_batch batch;
    (void)state;
    begin(1);
    store_batch_init(&batch);
    add_one(&batch, 0, "left");
    commit_it(&batch);
    assert_true(ops[0].run != 0); /* in hand */
    say("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^mailweir'");
    expect_gone();
    end();
}

/* A server that stands still costs no node its lease: a beat gives up while there is time for another, and what is being written, when the lease is over. */
static void test_stalls(void **state)
{
    static const uint64_t leases_ms[] = {5000, 15000, 60000};
    (void)state;
    for (size_t i = 0; i < sizeof leases_ms / sizeof leases_ms[0]; i++) {
        const struct store_options options = {.path = place, .wall = wall, .node = "slow", .lease_ms = leases_ms[i]};
        struct fault fault = FAULT_INIT;
        struct store *store;
        struct store_beat saying = {.state = ""};
        assert_int_equal(postgresql_store.open(&store, &options, &fault), 0);
        assert_int_equal(store->ops->beat(store, &saying, &fault), 0);
        for (int again = 0; again < 2; again++) { /* over a connection that stood, and over a new one */
            stall.on = true;
            stall.waited_ms = 0;
            assert_int_equal(store->ops->beat(store, &saying, &fault), -1);
            stall.on = false;
            assert_string_equal(fault.code, "down");
            assert_in_range(2 * stall.waited_ms, 1, saying.lease_ms);
            fault = FAULT_INIT;
        }
        assert_int_equal(store->ops->beat(store, &saying, &fault), 0);
        struct store_batch batch;
        struct store_op op = {.kind = STORE_MEMO, .memo = {"corp", "slow"}};
        store_batch_init(&batch);
        list_init(&op.link);
        store_batch_add(&batch, &op);
        stall.on = true;
        stall.waited_ms = 0;
        assert_int_equal(store->ops->commit(store, &batch), STORE_FAILED); /* its COMMIT had not gone out */
        stall.on = false;
        assert_in_range(stall.waited_ms, 1, 2 * leases_ms[i]); /* once more over a new connection */
        list_remove(&op.link);
        store->ops->close(store);
    }
}

/* ---- connections of all nodes ---- */

#define NODES 3

static struct {
    struct store *store;
    unsigned open;
} nodes[NODES];

/* What a node hears that has work for so many connections to an account that may have 4; it opens what it may. */
static struct store_slots ask_slots(size_t node, unsigned jobs)
{
    struct fault fault = FAULT_INIT;
    struct store_slots slots = {
        .account = "corp", .most = 4, .open = nodes[node].open, .wanted = jobs, .could = jobs > 0};
    struct store_beat beat = {.slots = &slots, .slot_count = 1};
    assert_int_equal(postgresql_store.beat(nodes[node].store, &beat, &fault), 0);
    nodes[node].open = slots.given < jobs ? slots.given : jobs > nodes[node].open ? jobs : nodes[node].open;
    return slots;
}

static unsigned open_in_all(void)
{
    unsigned all = 0;
    for (size_t i = 0; i < NODES; i++) {
        all += nodes[i].open;
    }
    return all;
}

static void test_slots(void **state)
{
    static const char *const names[NODES] = {"one", "two", "three"};
    (void)state;
    for (size_t i = 0; i < NODES; i++) {
        struct fault fault = FAULT_INIT;
        const struct store_options options = {.path = place, .wall = wall, .node = names[i]};
        assert_int_equal(postgresql_store.open(&nodes[i].store, &options, &fault), 0);
        nodes[i].open = 0;
    }
    assert_int_equal(ask_slots(0, 9).given, 4); /* nobody else wants any */
    assert_int_equal(ask_slots(1, 9).given, 0);
    struct store_slots first = ask_slots(0, 9);
    assert_int_equal(first.given, 4);   /* it has them open ... */
    assert_int_equal(first.allowed, 2); /* ... and is to close two */
    nodes[0].open = 2;
    assert_int_equal(ask_slots(1, 9).given, 0); /* not before it has said so */
    assert_int_equal(ask_slots(0, 9).given, 2);
    assert_int_equal(ask_slots(1, 9).given, 2);
    ask_slots(2, 1);
    assert_int_equal(ask_slots(1, 9).allowed, 1); /* who came first has what is left over */
    assert_int_equal(ask_slots(0, 9).allowed, 2);
    assert_int_equal(open_in_all(), 4);
    /* One that dies has its own until the server may have noticed. */
    say("SELECT take_over((SELECT min(epoch) FROM slot), 0)");
    assert_int_equal(ask_slots(2, 4).given, 0);
    say("UPDATE node SET ended = ended - interval '3 s'");
    say("UPDATE slot SET free_at = free_at - interval '3 s'");
    assert_int_equal(ask_slots(2, 4).given, 2);
    struct store_slots none = ask_slots(0, 9); /* its fence is gone */
    assert_int_equal(none.given, 0);
    for (size_t i = 0; i < NODES; i++) {
        nodes[i].store->ops->close(nodes[i].store);
    }
    expect_none("slots", "SELECT count(*) FROM slot");
}

int main(int argc, char **argv)
{
    need_server(SOURCE_DIR, argv, argc);
    wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),       cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_beats_tell),      cmocka_unit_test(test_slots),
        cmocka_unit_test(test_renounces),       cmocka_unit_test(test_orders_of_one_moment),
        cmocka_unit_test(test_stalls),          cmocka_unit_test(test_leaves_over_a_new_connection),
        cmocka_unit_test(test_cost_of_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
