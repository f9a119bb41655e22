/*
 * Tests of spool/spool_node on a store of several nodes: what it says of itself each second, what it makes of the answers, and when it stops sending. The
 * store is the model, whose beat is the test's.
 */
#include <semaphore.h>

#include "spool/spool_memo.h"
#include "spool/spool_node.h"
#include "spool_fixture.h"
#include "store/model/model.h"
#include "store/store_ask.h"
#include "store/store_batch.h"

#define LONG_MS 600000

static struct {
    struct store_ops ops; /* the model's, but for what stands here */
    struct store *store;
    struct store_beat answer; /* of the beats from now on */
    bool fails, waits;        /* waits: the next one goes off when told */
    bool commits_fail;
    bool commit_waits; /* the next one with an operation is written at once, and answered when told */
    sem_t is_written, may_answer;
    bool ask_fails;  /* the next question */
    bool tells_memo; /* the next beat, alone */
    sem_t begun, may_end;
    struct store_node nodes[3]; /* that it tells of */
    size_t node_count;
    unsigned given, heard; /* connections; jobs of kind HEARD */
    /* What the last beat said. */
    char state[100], accounts[200];
    bool was_draining, has_renounced;
    unsigned beats;
    /* On the loop. */
    unsigned asked, told, lost, woken, account_count;
    struct store_slots last;
    char last_account[20];
} door;

/* ---- the store's side ---- */

static int open_door(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    int result = model_store.open(store_r, options, fault);
    door.store = *store_r;
    door.store->ops = &door.ops;
    return result;
}

static enum store_verdict commit_door(struct store *store, struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        door.heard += LIST_ITEM(link, struct store_op, link)->kind == STORE_HEARD;
    }
    if (door.commits_fail && batch->count > 0) {
        fault_set(&batch->fault, FAULT_LOCAL, "eio", "test", "the database has no room");
        store_batch_fail(batch, &batch->fault);
        return STORE_FAILED;
    }
    enum store_verdict verdict = model_store.commit(store, batch);
    if (door.commit_waits && batch->count > 0) {
        door.commit_waits = false;
        sem_post(&door.is_written);
        sem_wait(&door.may_answer);
    }
    return verdict;
}

static int ask_door(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                    struct fault *fault)
{
    if (door.ask_fails) {
        door.ask_fails = false;
        fault_set(fault, FAULT_LOCAL, "econnreset", "test", "the database went away");
        return -1;
    }
    return model_store.ask(store, question, fn, ctx, fault);
}

static void note_slots(const struct store_beat *beat)
{
    door.accounts[0] = '\0';
    for (size_t i = 0; i < beat->slot_count; i++) {
        size_t len = strlen(door.accounts);
        snprintf(door.accounts + len, sizeof door.accounts - len, "%s ", beat->slots[i].account);
        beat->slots[i].given = door.given;
    }
}

static int beat_door(struct store *store, struct store_beat *beat, struct fault *fault)
{
    (void)store;
    door.beats++;
    snprintf(door.state, sizeof door.state, "%s", beat->state);
    door.was_draining = beat->draining;
    note_slots(beat);
    if (door.waits) {
        door.waits = false;
        sem_post(&door.begun);
        sem_wait(&door.may_end);
    }
    if (door.fails) {
        fault_set(fault, FAULT_LOCAL, "econnreset", "test", "the database went away");
        return -1;
    }
    for (size_t i = 0; i < door.node_count; i++) {
        beat->found(beat->ctx, &door.nodes[i]);
    }
    struct store_beat asked = *beat;
    *beat = door.answer;
    beat->state = asked.state;
    beat->renounces = asked.renounces;
    beat->is_ended = beat->is_ended || asked.renounces;
    door.has_renounced = door.has_renounced || asked.renounces;
    beat->slots = asked.slots;
    beat->slot_count = asked.slot_count;
    beat->is_memo = beat->is_memo || door.tells_memo;
    door.tells_memo = false;
    return 0;
}

/* ---- who runs beside the spool ---- */

static void say_state(void *ctx, struct buf *out)
{
    (void)ctx;
    buf_append_text(out, "{\"up\":1}");
}

static void add_accounts(void *ctx)
{
    struct fixture *fixture = ctx;
    door.asked++;
    for (unsigned i = 0; i < door.account_count; i++) {
        char account[20];
        snprintf(account, sizeof account, "a%u", i);
        spool_node_add_slots(fixture->spool, &(struct store_slots){.account = account, .most = 5, .wanted = i});
    }
    net_loop_stop(fixture->loop);
}

static void take_answer(void *ctx, const struct store_slots *slots)
{
    struct fixture *fixture = ctx;
    if (slots == NULL) {
        door.lost++;
    } else {
        door.told++;
        door.last = *slots;
        snprintf(door.last_account, sizeof door.last_account, "%s", slots->account);
    }
    net_loop_stop(fixture->loop);
}

static void on_wake(void *ctx, const char *upstream)
{
    struct fixture *fixture = ctx;
    assert_null(upstream);
    door.woken++;
    net_loop_stop(fixture->loop);
}

/* ---- */

/* The next beat's answer was taken: with the accounts of the one behind it. */
static void beat(struct fixture *fixture)
{
    spool_node_hurry(fixture->spool);
    run_until(fixture, &door.asked, door.asked + 1);
    spool_node_hurry(fixture->spool);
    run_until(fixture, &door.asked, door.asked + 1);
}

static void watch(struct fixture *fixture)
{
    assert_true(spool_node_set_slots(fixture->spool, add_accounts, take_answer, fixture));
    spool_set_wake(fixture->spool, on_wake, fixture);
}

static int set_up(void **state)
{
    memset(&door, 0, sizeof door);
    door.ops = model_store;
    door.ops.open = open_door;
    door.ops.commit = commit_door;
    door.ops.beat = beat_door;
    door.ops.ask = ask_door;
    door.answer.lease_ms = LONG_MS;
    sem_init(&door.begun, 0, 0);
    sem_init(&door.may_end, 0, 0);
    sem_init(&door.is_written, 0, 0);
    sem_init(&door.may_answer, 0, 0);
    fixture_kind = &door.ops;
    int result = fixture_set_up(state);
    watch(*state);
    return result;
}

static struct spool_node_counts node_counts(const struct fixture *fixture)
{
    struct spool_node_counts counts;
    assert_true(spool_node_count(fixture->spool, &counts));
    return counts;
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void test_hears_of_the_others(void **state)
{
    struct fixture *fixture = *state;
    const struct store_node nodes[] = {
        {.epoch = 5, .name = "here", .version = "1", .lease_ms = 9, .is_me = true, .state = "{\"rules\":\"r\"}"},
        {.epoch = 6, .name = "there", .version = "2", .lease_ms = -3, .draining = true, .state = ""},
        {.epoch = 7, .name = "odd", .version = "2", .state = "{no JSON"}};
    memcpy(door.nodes, nodes, sizeof nodes);
    door.node_count = 3;
    fixture->stopped_ms = INT64_C(1764590000000);
    door.answer.clock_ms = fixture->stopped_ms + 77;
    door.answer.dead_rows = 1234;
    spool_node_set_state(fixture->spool, say_state, NULL);
    beat(fixture);
    assert_string_equal(door.state, "{\"up\":1}");
    assert_false(door.was_draining);
    json_t *list = spool_node_list(fixture->spool);
    assert_int_equal(json_array_size(list), 3);
    const json_t *here = json_array_get(list, 0), *there = json_array_get(list, 1), *odd = json_array_get(list, 2);
    assert_string_equal(json_string_value(json_object_get(here, "name")), "here");
    assert_string_equal(json_string_value(json_object_get(json_object_get(here, "state"), "rules")), "r");
    assert_in_range(number_of(here, "margin_ms"), LONG_MS - DEADLINE_MS, LONG_MS);
    assert_null(json_object_get(there, "margin_ms"));
    assert_int_equal(number_of(there, "lease_ms"), -3);
    assert_true(json_is_true(json_object_get(there, "draining")));
    assert_int_equal(json_object_size(json_object_get(there, "state")), 0);
    assert_int_equal(json_object_size(json_object_get(odd, "state")), 0);
    json_decref(list);
    assert_int_equal(node_counts(fixture).nodes, 3);
    assert_int_equal(node_counts(fixture).skew_ms, 77);
    spool_clock_jumped(fixture->spool, 50, fixture->stopped_ms); /* the next beat would say the same */
    assert_int_equal(spool_node_skew(fixture->spool), 27);
    assert_int_equal(node_counts(fixture).dead_rows, 1234);
    spool_node_set_draining(fixture->spool);
    beat(fixture);
    assert_true(door.was_draining);
}

/* Before the first answer there is nobody to tell of; it may send, for it has just begun. */
static void test_before_the_first_answer(void **state)
{
    struct fixture *fixture = *state;
    json_t *list = spool_node_list(fixture->spool);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    assert_true(spool_node_may_send(fixture->spool));
    assert_int_equal(node_counts(fixture).nodes, 0);
}

/* Whoever opens a spool goes on to ask the store: nothing that the first beat brings has the read lane ask beside him. */
static void test_the_first_answer_waits_for_the_loop(void **state)
{
    struct fixture *fixture = *state;
    door.answer.taken = 1;
    door.answer.clock_ms = fixture_now(fixture) + 3600000;
    fixture_reopen(fixture);
    assert_int_equal(node_counts(fixture).taken, 0);
    assert_true(spool_node_skew(fixture->spool) > 3000000);
    watch(fixture);
    beat(fixture);
    assert_true(node_counts(fixture).taken > 0);
}

/* It stops when its lease is over, says so once, and goes on when it is heard again. */
static void test_lease_is_lost(void **state)
{
    struct fixture *fixture = *state;
    door.account_count = 1;
    door.answer.lease_ms = 0;
    beat(fixture);
    beat(fixture);
    assert_false(spool_node_may_send(fixture->spool));
    assert_int_equal(node_counts(fixture).margin_ms, 0);
    assert_int_equal(door.lost, 1);
    assert_int_equal(door.told, 0);
    door.answer.lease_ms = LONG_MS;
    beat(fixture);
    assert_true(spool_node_may_send(fixture->spool));
    assert_in_range(node_counts(fixture).margin_ms, LONG_MS - DEADLINE_MS, LONG_MS);
    assert_true(door.told > 0);
    door.answer.lease_ms = 0;
    beat(fixture);
    assert_int_equal(door.lost, 2);
}

/* One that nobody hears changes nothing but the count, as long as the lease lasts. */
static void test_nobody_hears(void **state)
{
    struct fixture *fixture = *state;
    door.account_count = 1;
    door.node_count = 1;
    door.nodes[0] = (struct store_node){.epoch = 5, .name = "here", .version = "1", .state = ""};
    beat(fixture);
    unsigned told = door.told;
    uint64_t unheard = node_counts(fixture).unheard;
    assert_int_equal(unheard, 0);
    door.fails = true;
    beat(fixture);
    assert_true(node_counts(fixture).unheard > 0);
    assert_true(spool_node_may_send(fixture->spool));
    /* The answer to the last beat that was heard may have come behind the first look. */
    assert_in_range(door.told, told, told + 1);
    assert_int_equal(node_counts(fixture).nodes, 1);
    assert_int_equal(door.lost, 0);
}

static bool is_asked(void)
{
    return sem_trywait(&door.begun) == 0;
}

static void run_while(struct fixture *fixture, bool answers)
{
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (spool_answers(fixture->spool) == answers) {
        spool_node_hurry(fixture->spool); /* the next answer, or the next look */
        run_until(fixture, &door.asked, door.asked + 1);
    }
    net_timer_stop(fixture->deadline);
}

/* Whether the database does what it is asked: so its last beat says, or its last commit, whatever came later. */
static void test_it_answers(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    assert_true(spool_answers(fixture->spool));
    door.fails = true;
    run_while(fixture, true);
    struct fault fault = spool_trouble(fixture->spool);
    assert_string_equal(fault.code, "down");
    door.fails = false;
    run_while(fixture, false);
    door.commits_fail = true;
    commit_and_wait(fixture, "not kept", 1); /* a beat may have come since */
    assert_int_equal(fixture->failures, 1);
    door.commits_fail = false;
    run_while(fixture, false);
    door.answer.lease_ms = 0;
    run_while(fixture, true);
    door.answer.lease_ms = LONG_MS;
    run_while(fixture, false);
}

static void look_again(void *ctx)
{
    net_loop_stop(ctx);
}

/* A beat that takes suspiciously long is no answer either. */
static void test_it_takes_long(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    door.waits = true;
    spool_node_hurry(fixture->spool);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (spool_answers(fixture->spool)) {
        net_defer(fixture->loop, look_again, fixture->loop);
        net_loop_run(fixture->loop);
    }
    net_timer_stop(fixture->deadline);
    assert_true(is_asked());
    sem_post(&door.may_end);
    run_while(fixture, false);
}

/* What it had in hand is others' now: it sends nothing, and has the store begin anew with what it writes next. */
static void test_taken_for_dead(void **state)
{
    struct fixture *fixture = *state;
    door.account_count = 1;
    beat(fixture);
    door.told = 0;
    door.answer.is_ended = true;
    beat(fixture);
    assert_true(node_counts(fixture).ended > 0);
    assert_false(spool_node_may_send(fixture->spool));
    assert_int_equal(door.lost, 1);
    commit_and_wait(fixture, "goes behind the nudge", 0);
    assert_true(door.heard > 0);
    door.answer.is_ended = false;
    beat(fixture);
    assert_true(spool_node_may_send(fixture->spool));
}

static void lose_lease(struct fixture *fixture)
{
    unsigned lost = door.lost;
    door.answer.lease_ms = 0;
    while (door.lost == lost) {
        beat(fixture);
    }
    assert_false(spool_node_may_send(fixture->spool));
    door.answer.lease_ms = LONG_MS;
    while (!spool_node_may_send(fixture->spool)) {
        beat(fixture);
    }
}

/* Others may have taken it over meanwhile: it is not sent any more, though the node is heard again. */
static void test_in_hand_before_the_lease_was_lost(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    commit_and_wait(fixture, "comes before", 1);
    assert_int_equal(fixture->item_count, 1);
    assert_true(spool_node_holds(fixture->spool, fixture->items[0]));
    lose_lease(fixture);
    assert_false(spool_node_holds(fixture->spool, fixture->items[0]));
    finish_and_wait(fixture, SPOOL_DEFERRED, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(spool_node_holds(fixture->spool, fixture->items[0]));
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void await_written(struct fixture *fixture)
{
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (sem_trywait(&door.is_written) != 0) {
        net_defer(fixture->loop, look_again, fixture->loop);
        net_loop_run(fixture->loop);
    }
    net_timer_stop(fixture->deadline);
}

/* The same of what a batch brings that was on its way all the while: nobody is offered it, and it waits for whoever asks. */
static void test_written_before_the_lease_was_lost(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    door.commit_waits = true;
    unsigned answers = fixture->answers;
    commit(fixture, bytes_of("answered late"), 1, false);
    await_written(fixture);
    lose_lease(fixture);
    sem_post(&door.may_answer);
    while (fixture->answers == answers) {
        run_until(fixture, &fixture->answers, answers + 1);
    }
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(fixture->item_count, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(spool_node_holds(fixture->spool, fixture->items[0]));
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* And of a claim. */
static void test_claimed_before_the_lease_was_lost(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    commit_and_wait(fixture, "waits", 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, 0);
    door.commit_waits = true;
    unsigned reads = fixture->reads;
    spool_fetch_due(fixture->spool, "corp", 10, on_fetched, fixture);
    await_written(fixture);
    lose_lease(fixture);
    sem_post(&door.may_answer);
    while (fixture->reads == reads) {
        run_until(fixture, &fixture->reads, reads + 1);
    }
    assert_int_equal(fixture->item_count, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void write_elsewhere(struct store_op op)
{
    struct store_batch batch;
    store_batch_init(&batch);
    list_init(&op.link);
    store_batch_add(&batch, &op);
    assert_int_equal(model_store.commit(door.store, &batch), STORE_COMMITTED);
    list_remove(&op.link);
}

/* Who does not know any more what it has in hand sends nothing from then on, until it was heard and has begun anew. */
static void test_renounces(void **state)
{
    struct fixture *fixture = *state;
    door.account_count = 1;
    assert_true(spool_node_shares(fixture->spool));
    beat(fixture);
    door.fails = true;
    spool_node_renounce(fixture->spool);
    assert_false(spool_node_may_send(fixture->spool));
    assert_int_equal(door.lost, 1);
    beat(fixture);
    assert_false(door.has_renounced);
    assert_false(spool_node_may_send(fixture->spool));
    door.fails = false;
    while (!spool_node_may_send(fixture->spool)) {
        beat(fixture);
    }
    assert_true(door.has_renounced);
    assert_int_equal(node_counts(fixture).ended, 1);
    assert_int_equal(door.lost, 1);
}

/* News of others has whoever fetches look; so does what was taken over from the dead. A memo alone does not. */
static void test_news(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    assert_int_equal(door.woken, 0);
    write_elsewhere((struct store_op){.kind = STORE_MEMO, .memo = {"corp", "theirs"}});
    door.answer.is_memo = true;
    beat(fixture);
    while (spool_memo(fixture->spool, "corp") == NULL) {
        beat(fixture);
    }
    assert_string_equal(spool_memo(fixture->spool, "corp"), "theirs");
    assert_int_equal(door.woken, 0);
    door.answer = (struct store_beat){.lease_ms = LONG_MS, .is_news = true};
    run_until(fixture, &door.woken, 1);
    door.answer = (struct store_beat){.lease_ms = LONG_MS};
    beat(fixture);
    unsigned woken = door.woken;
    door.answer = (struct store_beat){.lease_ms = LONG_MS, .taken = 2, .takeovers = 1};
    run_until(fixture, &door.woken, woken + 1);
    assert_int_equal(node_counts(fixture).taken, 2 * node_counts(fixture).takeovers);
    assert_true(node_counts(fixture).taken > 0);
}

/* That something has changed is said once: what could not be read then is asked for again. */
static void test_news_that_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    write_elsewhere((struct store_op){.kind = STORE_MEMO, .memo = {"corp", "theirs"}});
    door.ask_fails = door.tells_memo = true;
    beat(fixture);
    while (spool_memo(fixture->spool, "corp") == NULL) {
        beat(fixture);
    }
    assert_false(door.ask_fails);
    assert_string_equal(spool_memo(fixture->spool, "corp"), "theirs");
    assert_int_equal(door.woken, 0);
}

/* Each account's answer is told, however many there are; names that were given are copied. */
static void test_connections(void **state)
{
    struct fixture *fixture = *state;
    door.account_count = 20;
    door.given = 3;
    beat(fixture);
    assert_non_null(strstr(door.accounts, "a0 a1 a2 "));
    assert_non_null(strstr(door.accounts, " a19 "));
    assert_true(door.told >= 20);
    assert_string_equal(door.last_account, "a19");
    assert_int_equal(door.last.wanted, 19);
    assert_int_equal(door.last.given, 3);
    door.account_count = 0;
    beat(fixture);
    beat(fixture);
    assert_string_equal(door.accounts, "");
}

static void stop(void *loop)
{
    net_loop_stop(loop);
}

static void wait_for_begin(struct fixture *fixture)
{
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (sem_trywait(&door.begun) != 0) {
        net_defer(fixture->loop, stop, fixture->loop);
        net_loop_run(fixture->loop);
    }
}

/* While one is under way none is begun, and who hurries gets the next one right behind it. */
static void test_one_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    door.account_count = 1;
    beat(fixture);
    door.waits = true;
    spool_node_hurry(fixture->spool);
    wait_for_begin(fixture);
    unsigned beats = door.beats, asked = door.asked, told = door.told;
    spool_node_hurry(fixture->spool);
    for (int i = 0; i < 200; i++) { /* turns of the loop, which the timer of a millisecond outlives by far */
        net_defer(fixture->loop, stop, fixture->loop);
        net_loop_run(fixture->loop);
    }
    assert_int_equal(door.beats, beats);
    assert_int_equal(door.asked, asked);
    sem_post(&door.may_end);
    run_until(fixture, &door.told, told + 1);
    run_until(fixture, &door.asked, asked + 1);
}

/* What a dead node had in hand is taken over in parts: the next beat comes at once until there is no more. */
static void test_there_is_more(void **state)
{
    struct fixture *fixture = *state;
    beat(fixture);
    door.answer.has_more = true;
    spool_node_hurry(fixture->spool);
    run_until(fixture, &door.asked, door.asked + 10);
    door.answer.has_more = false;
    beat(fixture);
    for (unsigned fails = 0; fails < 2; fails++) { /* a failure goes at its own pace */
        door.answer.has_more = true;
        door.fails = fails != 0;
        beat(fixture);
    }
    door.fails = false;
    door.waits = true;
    spool_node_hurry(fixture->spool);
    wait_for_begin(fixture);
    unsigned beats = door.beats;
    sem_post(&door.may_end);
    spool_close(&fixture->spool);
    assert_int_equal(door.beats, beats);
    fixture_open(fixture);
    watch(fixture);
}

/* What the last one says when the spool closes is heard, and begins nothing; who asked for connections is gone by then. */
static void test_closed_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    door.account_count = 1;
    for (unsigned fails = 0; fails < 2; fails++) {
        door.fails = fails != 0;
        door.answer.is_news = true;
        door.waits = true;
        spool_node_hurry(fixture->spool);
        wait_for_begin(fixture);
        spool_node_hurry(fixture->spool);
        unsigned woken = door.woken, told = door.told;
        assert_true(spool_node_set_slots(fixture->spool, NULL, NULL, NULL));
        sem_post(&door.may_end);
        spool_close(&fixture->spool);
        assert_int_equal(door.woken, woken);
        assert_int_equal(door.told, told);
        fixture_open(fixture);
        watch(fixture);
    }
}

static void expect_alone(struct fixture *fixture)
{
    struct spool_node_counts counts = {.nodes = 55};
    assert_false(spool_node_set_slots(fixture->spool, add_accounts, take_answer, fixture));
    spool_node_set_state(fixture->spool, say_state, NULL);
    spool_node_set_draining(fixture->spool);
    spool_node_hurry(fixture->spool);
    spool_node_renounce(fixture->spool);
    assert_false(spool_node_shares(fixture->spool));
    assert_null(spool_node_list(fixture->spool));
    assert_false(spool_node_count(fixture->spool, &counts));
    assert_int_equal(counts.nodes, 55);
    assert_true(spool_node_may_send(fixture->spool));
    unsigned beats = door.beats;
    commit_and_wait(fixture, "alone", 0);
    assert_int_equal(door.beats, beats);
}

/* A store that is one process's own has no nodes, and one command beside a node is none. */
static void test_alone(void **state)
{
    struct fixture *fixture = *state;
    spool_close(&fixture->spool);
    fixture->options.brief = true;
    fixture_open(fixture);
    expect_alone(fixture);
    spool_close(&fixture->spool);
    fixture->options.brief = false;
    door.ops.beat = NULL;
    fixture_open(fixture);
    expect_alone(fixture);
}

/* Nobody asked for connections: the beats go on without. */
static void test_without_connections(void **state)
{
    struct fixture *fixture = *state;
    fixture_reopen(fixture);
    spool_set_wake(fixture->spool, on_wake, fixture);
    door.answer.lease_ms = 0;
    door.answer.is_news = true;
    spool_node_hurry(fixture->spool);
    run_until(fixture, &door.woken, door.woken + 1);
    assert_false(spool_node_may_send(fixture->spool));
    assert_string_equal(door.accounts, "");
    assert_int_equal(door.lost, 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_hears_of_the_others),
        TEST(test_before_the_first_answer),
        TEST(test_lease_is_lost),
        TEST(test_nobody_hears),
        TEST(test_the_first_answer_waits_for_the_loop),
        TEST(test_it_answers),
        TEST(test_it_takes_long),
        TEST(test_taken_for_dead),
        TEST(test_renounces),
        TEST(test_in_hand_before_the_lease_was_lost),
        TEST(test_written_before_the_lease_was_lost),
        TEST(test_claimed_before_the_lease_was_lost),
        TEST(test_news),
        TEST(test_news_that_cannot_be_read),
        TEST(test_connections),
        TEST(test_one_at_a_time),
        TEST(test_there_is_more),
        TEST(test_closed_meanwhile),
        TEST(test_alone),
        TEST(test_without_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
