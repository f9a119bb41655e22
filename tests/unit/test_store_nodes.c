/*
 * Tests of store/postgresql and store/model where several nodes share the store: random histories (store_histories.h) in which each step is
 * another node's. They say that they live, or do not in time; die, leave, begin anew; end each other, and go on without knowing it. What
 * each of them hears and may write must agree, and what is kept.
 *
 * By hand: test_store_nodes COUNT [FIRST]; for the server see test_store_postgresql.c.
 */
#include "store/model/model_private.h"
#include "store/postgresql/postgresql_private.h"

#define ROOM_HAS_WALL_CLOCK false
#define ROOM_KEEPS_HANDS    true
#define ROOM_HAS_NODES      1
/* No lease ends within minutes of a step, and no slot within two seconds: what the server's own clock adds is less. */
#define TICK_MS      300000
#define ROOM_TICK_MS (TICK_MS * random_below(4))
#define LEASE_MS     (7 * TICK_MS / 2)
#include "store_histories.h"
#include "store_server.h"

#define NODES    3
#define ACCOUNTS 2

static const char *const accounts[ACCOUNTS] = {"corp", "other"};

static struct node {
    const char *name;
    struct store *store; /* NULL: it does not run */
    struct model_seat seat;
    struct map *cursors; /* of the model's claims: each node takes turns of its own */
    unsigned open[ACCOUNTS];
} nodes[NODES] = {{.name = "one"}, {.name = "two"}, {.name = "three"}};
static struct node *me;

static uint64_t beats, renounced, taken_over, taken_deliveries, rejoined, left, refused_slots, ended_heard, turns_had;

/* ---- the model, as a node of several has it ---- */

/* One that was ended begins anew with what it writes. */
static enum store_verdict commit_as_me(struct store *store, struct store_batch *batch)
{
    if (!model_enter(store, &me->seat)) {
        rejoined++;
        model_join(store, &me->seat);
        assert_true(model_enter(store, &me->seat));
    }
    return model_store.commit(store, batch);
}

static int claim_as_me(struct store *store, struct store_claim *claim, struct fault *fault)
{
    struct model *model = model_of(store);
    struct map *others = model->cursors;
    disregard(model_enter(store, &me->seat)); /* to look is no harm */
    model->cursors = me->cursors;
    int result = model_store.claim(store, claim, fault);
    model->cursors = others;
    return result;
}

static struct store_ops model_door;

/* ---- life and death ---- */

static void room_clock(void)
{
    say("SELECT pass(%lld)", (long long)w.now_ms);
}

static void start(struct node *node)
{
    struct fault fault = FAULT_INIT;
    const struct store_options options = {.path = place, .wall = wall, .node = node->name, .lease_ms = LEASE_MS};
    if (postgresql_store.open(&node->store, &options, &fault) != 0) {
        fail_msg("the store cannot be opened: %s", fault.text);
    }
    node->seat = (struct model_seat){.lease_ms = LEASE_MS};
    snprintf(node->seat.name, sizeof node->seat.name, "%s", node->name);
    model_join(w.stores[MODEL], &node->seat);
    node->cursors = map_new(SIZE_MAX / 4, NULL);
    memset(node->open, 0, sizeof node->open);
}

static void forget(struct node *node)
{
    node->store = NULL;
    map_free(&node->cursors, free);
}

/* Another start of the same name would take it for alive while the server still counts its connections. */
static void die(struct node *node)
{
    unsigned long long epoch = atomic_load(&postgresql_of(node->store)->epoch);
    postgresql_crash(node->store);
    say("DO $$ BEGIN FOR i IN 1..30000 LOOP PERFORM pg_stat_clear_snapshot();"
        " EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'mailweir %llu');"
        " PERFORM pg_sleep(0.001); END LOOP; END $$",
        epoch);
    forget(node);
}

static void leave(struct node *node)
{
    left++;
    node->store->ops->close(node->store);
    model_leave(w.stores[MODEL], &node->seat);
    forget(node);
}

static void room_begin(void)
{
    model_door = model_store;
    model_door.commit = commit_as_me;
    model_door.claim = claim_as_me;
    w.stores[MODEL]->ops = &model_door;
    empty_server();
    say("UPDATE test_clock SET at = %lld, real = clock_timestamp()", (long long)w.now_ms);
    for (size_t i = 0; i < NODES; i++) {
        start(&nodes[i]);
    }
    me = &nodes[0];
    w.stores[LOCAL] = me->store;
}

/* Whatever had died is begun anew, so that all can end in order: then nobody has anything. The model is gone already. */
static void room_end(void)
{
    struct fault fault = FAULT_INIT;
    for (size_t i = 0; i < NODES; i++) {
        const struct store_options options = {.path = place, .wall = wall, .node = nodes[i].name};
        if (nodes[i].store == NULL) {
            assert_int_equal(postgresql_store.open(&nodes[i].store, &options, &fault), 0);
        }
    }
    for (size_t i = 0; i < NODES; i++) {
        nodes[i].store->ops->close(nodes[i].store);
        forget(&nodes[i]);
    }
    expect_none("bodies", "SELECT count(*) FROM body WHERE id NOT IN (SELECT body FROM message WHERE open > 0)");
    expect_none("uploads", "SELECT count(*) FROM upload");
    expect_none("fences", "SELECT count(*) FROM fence");
    expect_none("deliveries in hand", "SELECT count(*) FROM delivery WHERE handed <> 0");
    expect_none("counts", "SELECT count(*) FROM tally WHERE epoch <> 0");
}

static void room_crash(void (*before_end)(void *ctx), void *ctx)
{
    (void)before_end;
    (void)ctx;
    die(me);
    start(me);
    w.stores[LOCAL] = me->store;
}

/* ---- beats ---- */

struct heard_nodes {
    char *lines[NODES * 2];
    size_t count;
};

/* To the nearest half of a tick: the server's clock goes on by itself. */
static void note_node(void *ctx, const struct store_node *node)
{
    struct heard_nodes *heard = ctx;
    assert_true(heard->count < NODES * 2);
    heard->lines[heard->count++] =
        arena_printf(w.arena, " [%s lease %lld%s%s %s]", node->name,
                     (long long)((node->lease_ms + 200 * TICK_MS + TICK_MS / 4) / (TICK_MS / 2)),
                     node->is_me ? " me" : "", node->draining ? " draining" : "", node->state);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void tell_beat(struct buf *out, const struct store_beat *beat, struct heard_nodes *heard)
{
    buf_printf(out, "ended %d takeovers %llu taken %llu", beat->is_ended, (unsigned long long)beat->takeovers,
               (unsigned long long)beat->taken);
    buf_printf(out, " good for %llu news %d memo %d", (unsigned long long)beat->lease_ms, beat->is_news, beat->is_memo);
    assert_true(beat->clock_ms > 0);
    for (size_t i = 0; i < beat->slot_count; i++) {
        const struct store_slots *slots = &beat->slots[i];
        buf_printf(out, " %s given %u allowed %u due %d turn %d", slots->account, slots->given, slots->allowed,
                   slots->is_due, slots->has_turn);
    }
    qsort(heard->lines, heard->count, sizeof heard->lines[0], by_text);
    for (size_t i = 0; i < heard->count; i++) {
        buf_append_text(out, heard->lines[i]);
    }
}

/* It opens some of what it may, and closes some of what it shall. */
static void take_slots(const struct store_slots slots[ACCOUNTS])
{
    for (size_t i = 0; i < ACCOUNTS; i++) {
        unsigned most = slots[i].given < slots[i].allowed ? slots[i].given : slots[i].allowed;
        refused_slots += slots[i].given < slots[i].wanted;
        turns_had += slots[i].has_turn;
        me->open[i] = slots[i].given == 0 ? 0 : (unsigned)random_below(most + 1);
    }
}

static void beat_both(void)
{
    struct store_slots asked[ACCOUNTS], slots[2][ACCOUNTS];
    bool draining = chance(20), renounces = chance(6);
    const char *state = ONE_OF("", "{\"up\":1}", "{\"up\":2}");
    for (size_t i = 0; i < ACCOUNTS; i++) {
        asked[i] = (struct store_slots){.account = accounts[i],
                                        .most = 4,
                                        .open = me->open[i],
                                        .wanted = (unsigned)random_below(6),
                                        .could = chance(80),
                                        .wants_turn = chance(30)};
    }
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct heard_nodes heard = {0};
        struct fault fault = FAULT_INIT;
        memcpy(slots[side], asked, sizeof asked);
        struct store_beat beat = {.state = state,
                                  .draining = draining,
                                  .renounces = renounces,
                                  .slots = slots[side],
                                  .slot_count = ACCOUNTS,
                                  .found = note_node,
                                  .ctx = &heard};
        buf_clear(&w.texts[side]);
        room_clock();
        if (side == MODEL) {
            model_beat(w.stores[MODEL], &me->seat, &beat);
            taken_over += beat.takeovers;
            taken_deliveries += beat.taken;
            ended_heard += beat.is_ended;
        } else if (me->store->ops->beat(me->store, &beat, &fault) != 0) {
            differ("a beat is not heard: %s", fault.text);
        }
        tell_beat(&w.texts[side], &beat, &heard);
    }
    compare_texts("a beat");
    take_slots(slots[MODEL]);
    beats++;
    renounced += renounces;
}

/* ---- whose turn it is ---- */

static void room_turn(void)
{
    struct node *node = &nodes[random_below(NODES)];
    if (node->store != NULL && chance(8)) {
        die(node);
    } else if (node->store != NULL && chance(6)) {
        leave(node);
    } else if (node->store == NULL && chance(40)) {
        start(node);
    }
    me = &nodes[random_below(NODES)];
    if (me->store == NULL) {
        start(me);
    }
    w.stores[LOCAL] = me->store;
    if (chance(60)) {
        beat_both();
    }
}

/* ---- nothing goes wrong but that nodes die: what else does, the histories of one node show ---- */

static bool room_fails(struct store_batch batches[2])
{
    (void)batches;
    return false;
}

static bool room_stumbles(struct store_batch batches[2], bool *made_r, enum store_verdict *verdict_r)
{
    (void)batches;
    (void)made_r;
    (void)verdict_r;
    return false;
}

static void room_trouble(unsigned percent)
{
    (void)percent;
}

static bool room_was_troubled(void)
{
    return false;
}

static bool room_calms(int result, const struct fault *fault)
{
    (void)result;
    (void)fault;
    return false;
}

/* ---- the test ---- */

static uint64_t wanted, first_seed = 1;

/* Leases and slots are told by the server's own clock: what has passed by the test's is taken off, what has really passed is put back. */
static void make_time_pass(void)
{
    say("ALTER TABLE test_clock ADD COLUMN real timestamptz NOT NULL DEFAULT clock_timestamp()");
    say("CREATE FUNCTION pass(to_ms bigint) RETURNS void LANGUAGE plpgsql AS $$"
        " DECLARE c timestamptz := clock_timestamp(); d interval; BEGIN"
        " SELECT (c - real) - (to_ms - at) * interval '1 ms' INTO d FROM test_clock;"
        " UPDATE node SET lease_until = lease_until + d, ended = ended + d;"
        " UPDATE slot SET free_at = free_at + d;"
        " UPDATE test_clock SET at = to_ms, real = c; END $$");
}

static void test_histories(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    uint64_t usual = 3;
#else
    uint64_t usual = 5;
#endif
    uint64_t count = wanted == 0 ? usual : wanted;
    make_time_pass();
    run_histories(first_seed, count);
    assert_true(beats > count && taken_over > count / 4 && taken_deliveries > count / 4 && rejoined > count / 4);
    assert_true(renounced > 0 && left > count / 4 && refused_slots > count && ended_heard > count / 4 &&
                turns_had > count);
    print_message("figure: %llu beats (%llu renounced, %llu heard that they had been ended), %llu nodes ended by others"
                  " with %llu deliveries in hand, %llu began anew with what they wrote, %llu left in order\n",
                  (unsigned long long)beats, (unsigned long long)renounced, (unsigned long long)ended_heard,
                  (unsigned long long)taken_over, (unsigned long long)taken_deliveries, (unsigned long long)rejoined,
                  (unsigned long long)left);
}

int main(int argc, char **argv)
{
    need_server(SOURCE_DIR, argv, argc);
    wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_orders_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
