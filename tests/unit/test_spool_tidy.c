/*
 * Tests of what spool/ does beside the mail: room, chores of the store, history, what was counted, and the look at all that is kept, with a store that
 * fails or is late (spool_door.h).
 */
#include "spool_door.h"

uint64_t __wrap_net_now(const struct net_loop *loop); /* spool_door.h; linked in by this line */

/* ---- opening and room ---- */

/* A store that answers nothing at the start is not opened. */
static void test_opening_fails(void **state)
{
    struct fixture *fixture = *state;
    spool_close(&fixture->spool);
    for (unsigned i = 1; i <= 3; i++) {
        struct fault fault = FAULT_INIT;
        door.ask_fails = i < 3 ? i : 0;
        door.room_fails = i == 3;
        assert_int_equal(fixture_try_open(fixture, &fault), -1);
        assert_string_equal(fault.code, "eio");
        assert_null(fixture->spool);
    }
    door.room_fails = false;
    fixture->options.node = "here";
    fixture_open(fixture);
    commit_and_wait(fixture, "goes on", 1);
    finish_all(fixture);
}

/* Asks for room until a measurement that was begun now has come. */
static int measure(struct fixture *fixture, uint64_t size, struct fault *fault)
{
    uint64_t octets, minimum;
    ahead_ms += 2000;
    spool_room(fixture->spool, &octets, &minimum);
    commit_and_wait(fixture, "goes behind it", 0);
    for (int i = 0; i < 50; i++) {
        turn(fixture);
    }
    return spool_can_accept(fixture->spool, size, fault);
}

static int measure_until(struct fixture *fixture, uint64_t size, int wanted, struct fault *fault)
{
    int result = measure(fixture, size, fault);
    for (int i = 0; result != wanted && i < 1000; i++) {
        *fault = FAULT_INIT;
        result = measure(fixture, size, fault);
    }
    return result;
}

/* Neither octets below the reserve, nor too few beside it, nor too few inodes; a measurement that fails leaves the last one. */
static void test_room(void **state)
{
    struct fixture *fixture = *state;
    spool_close(&fixture->spool);
    fixture->options.minimum_free = 1000;
    fixture_open(fixture);
    static const struct {
        struct store_room room;
        int result;
    } cases[] = {{{5000, 5000}, 0},  {{999, 5000}, -1}, {{5000, 5000}, 0},
                 {{1099, 5000}, -1}, {{1100, 5000}, 0}, {{5000, 99}, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault = FAULT_INIT;
        door.room = cases[i].room;
        assert_int_equal(measure_until(fixture, 100, cases[i].result, &fault), cases[i].result);
        assert_string_equal(fault.code, cases[i].result == 0 ? "" : "enospc");
    }
    struct fault fault = FAULT_INIT;
    door.room = (struct store_room){5000, 5000};
    door.room_fails = true;
    for (unsigned before = door.measured; door.measured < before + 2;) { /* the first of them was answered */
        assert_int_equal(measure(fixture, 100, NULL), -1);
    }
    door.room_fails = false;
    assert_int_equal(measure_until(fixture, 100, 0, &fault), 0);
}

/* Whoever has a fault already keeps it. */
static void test_refused_in_trouble(void **state)
{
    struct fixture *fixture = *state;
    struct fault before = FAULT_INIT;
    fault_set(&before, FAULT_LOCAL, "first", "test", "the first one wins");
    door.commits_fail = 1;
    commit_and_wait(fixture, "refused", 1);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(spool_can_accept(fixture->spool, 1, &before), -1);
    assert_string_equal(before.code, "first");
    assert_int_equal(spool_can_accept(fixture->spool, 1, NULL), -1);
    ahead_ms += 5000;
    assert_int_equal(spool_can_accept(fixture->spool, 1, NULL), 0);
}

/* ---- chores ---- */

static void test_chores(void **state)
{
    struct fixture *fixture = *state;
    door.chore_steps = "TDBTD";
    commit_and_wait(fixture, "leaves something to do", 0);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (door.dropped == 0) {
        turn(fixture);
    }
    net_timer_stop(fixture->deadline);
    assert_int_equal(door.chores, 5);
    static const char *const at_the_end[] = {"D", "B", "T"};
    for (unsigned i = 0; i < 3; i++) {
        door.chores = 0;
        door.chore_steps = at_the_end[i];
        commit(fixture, bytes_of("the last"), 0, false);
        spool_close(&fixture->spool);
        assert_int_equal(door.dropped, i + 2);
        assert_int_equal(door.chores, at_the_end[i][0] == 'T');
        fixture_open(fixture);
    }
}

/* ---- history ---- */

static int count_message(void *ctx, const struct store_answer_row *row)
{
    *(unsigned *)ctx += row->kind == STORE_ROW_MESSAGE;
    return 0;
}

/* All that the store knows, settled or not. */
static unsigned messages_kept(void)
{
    unsigned kept = 0;
    const struct mail_query any = {0};
    struct store_search search = {.query = &any, .limit = 100000, .look = 100000};
    const struct store_question question = {.kind = STORE_ASK_SEARCH, .search = &search};
    assert_int_equal(ask_door(door.store, &question, count_message, &kept, NULL), 0);
    return kept;
}

/* Old messages go in batches, each half minute, and no further batch is begun at the end or when one could not be written. */
static void test_history(void **state)
{
    struct fixture *fixture = *state;
    spool_close(&fixture->spool);
    fixture->options.history_messages = 1;
    fixture->options.search_ms = 1;
    fixture_open(fixture);
    for (unsigned i = 0; i < 1100; i++) {
        commit(fixture, bytes_of("settled"), 0, false);
    }
    run_until(fixture, &fixture->answers, 1100);
    static const int kinds[] = {STORE_FORGET, STORE_LEARN, -1};
    for (unsigned i = 0; i < 3; i++) {
        ahead_ms += 31000;
        door.fail_kind = kinds[i];
        door.commits_fail = kinds[i] >= 0 ? 1 : 0;
        commit_and_wait(fixture, "has it tidied", 0);
        commit_and_wait(fixture, "goes behind it", 0);
    }
    assert_int_equal(door.commits_fail, 0);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (messages_kept() > 10) {
        turn(fixture);
    }
    net_timer_stop(fixture->deadline);
    ahead_ms += 31000;
    commit(fixture, bytes_of("the last"), 0, false);
    spool_close(&fixture->spool);
    fixture_open(fixture);
}

/* ---- the look at all that is kept ---- */

static struct spool_health health_of(const struct fixture *fixture)
{
    struct spool_health health;
    spool_health(fixture->spool, &health);
    return health;
}

/* Until so many rounds have begun and ended from now on. */
static struct spool_health run_rounds(struct fixture *fixture, uint64_t rounds)
{
    uint64_t wanted = health_of(fixture).rounds + rounds + 1;
    struct net_timer *timer = net_timer_new(fixture->loop, stop, fixture->loop);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (health_of(fixture).rounds < wanted) {
        net_timer_start(timer, 2);
        net_loop_run(fixture->loop);
    }
    net_timer_stop(fixture->deadline);
    net_timer_free(&timer);
    return health_of(fixture);
}

static void look_each_20_ms(struct fixture *fixture)
{
    spool_close(&fixture->spool);
    fixture->options.check_every_ms = 20;
    fixture_open(fixture);
}

/* One that cannot go on ends the round; only one that finds the store torn says that it is. */
static void test_look_cannot_go_on(void **state)
{
    struct fixture *fixture = *state;
    look_each_20_ms(fixture);
    door.scrub_code = "eio";
    struct spool_health health = run_rounds(fixture, 1);
    assert_false(health.is_torn);
    assert_string_equal(health.reason, "");
    door.scrub_code = "damaged";
    health = run_rounds(fixture, 1);
    assert_true(health.is_torn);
    assert_string_equal(health.reason, "the store was told to be torn");
    door.scrub_code = NULL;
    health = run_rounds(fixture, 1);
    assert_false(health.is_torn);
    assert_string_equal(health.reason, "");
}

/* What is found is counted and the first of it is named; what could not be looked at is no damage. */
static void test_look_finds(void **state)
{
    struct fixture *fixture = *state;
    static struct store_damage many[25];
    for (size_t i = 0; i < 25; i++) {
        many[i] = (struct store_damage){.kind = i == 0 ? STORE_DAMAGE_UNREAD : STORE_DAMAGE_BODY, .id = "01ABC"};
        fault_set(&many[i].what, FAULT_LOCAL, "damaged", "test", "damage %u", (unsigned)i);
    }
    look_each_20_ms(fixture);
    door.damages = many;
    door.damage_count = 25;
    struct spool_health health = run_rounds(fixture, 2);
    assert_int_equal(health.damaged, 24);
    assert_string_equal(health.reason, "01ABC: damage 1");
    assert_int_equal(health.mended, 0);
    door.damage_count = 1;
    health = run_rounds(fixture, 1);
    assert_int_equal(health.damaged, 0);
    assert_string_equal(health.reason, "");
    many[0] = (struct store_damage){.kind = STORE_DAMAGE_TABLE};
    fault_set(&many[0].what, FAULT_LOCAL, "damaged", "test", "a table");
    health = run_rounds(fixture, 1);
    assert_true(health.is_torn);
    assert_string_equal(health.reason, "a table");
}

/* What is there and would not be found is made to be; where that fails, the store is torn and says why. */
static void test_mending(void **state)
{
    struct fixture *fixture = *state;
    struct store_damage lost[2] = {{.kind = STORE_DAMAGE_INDEX}, {.kind = STORE_DAMAGE_TABLE}};
    look_each_20_ms(fixture);
    door.damages = lost;
    door.damage_count = 1;
    assert_true(run_rounds(fixture, 1).mended > 0);
    assert_false(health_of(fixture).is_torn);
    door.mend_fails = true;
    run_rounds(fixture, 1);
    assert_true(health_of(fixture).is_torn);
    assert_string_equal(health_of(fixture).reason, "the store was told to fail");
    door.mend_fails = false;
    run_rounds(fixture, 1);
    run_rounds(fixture, 1);
    door.damage_count = 2; /* who is torn is not mended */
    uint64_t mended = run_rounds(fixture, 1).mended;
    assert_int_equal(run_rounds(fixture, 2).mended, mended);
    door.damage_count = 1;
    run_rounds(fixture, 1);
    fixture_reopen(fixture); /* in the midst of it */
}

/* ---- what was counted ---- */

static struct {
    unsigned count;
    char ids[400];
} counted;

static void note_counted(void *ctx, const struct mail_envelope *envelope)
{
    struct fixture *fixture = ctx;
    size_t len = strlen(counted.ids);
    counted.count++;
    assert_true(envelope->received_ms > 0);
    if (envelope->counted_count > 0 && len < 300) {
        snprintf(counted.ids + len, sizeof counted.ids - len, "%s=%s ", envelope->counted[0].counter,
                 envelope->counted[envelope->counted_count - 1].key);
    }
    if (fixture->loop != NULL) {
        net_loop_stop(fixture->loop);
    }
}

/* Commits so many messages; every other one counts two keys. */
static void commit_counted(struct fixture *fixture, unsigned count)
{
    const struct mail_counted keys[] = {{"seen", "first"}, {"seen", "second"}};
    unsigned answers = fixture->answers;
    for (unsigned i = 0; i < count; i++) {
        char id[40];
        snprintf(id, sizeof id, "01COUNTED%013u", i);
        struct mail_envelope envelope = {.id = id, .received_ms = fixture_now(fixture), .from = "a@b"};
        envelope.counted = keys;
        envelope.counted_count = i % 2 == 0 ? 2 : 0;
        struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
        disregard(spool_stage_write(stage, bytes_of("counted")));
        spool_commit(&stage, &envelope, NULL, 0, on_answer, fixture);
    }
    run_until(fixture, &fixture->answers, answers + count);
}

/* All at once at the start; while the spool runs, those alone that counted something. */
static void test_counted(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    memset(&counted, 0, sizeof counted);
    commit_counted(fixture, 200);
    assert_int_equal(spool_each_counted(fixture->spool, 600000, note_counted, fixture, &fault), 0);
    assert_true(counted.count >= 100);
    assert_non_null(strstr(counted.ids, "seen=second "));
    memset(&counted, 0, sizeof counted);
    spool_each_counted_later(fixture->spool, 600000, note_counted, fixture);
    assert_int_equal(counted.count, 0);
    run_until(fixture, &counted.count, 100);
    assert_int_equal(counted.count, 100);
    /* Of what cannot be read the rest is told; a spool that closes tells nobody. */
    door.spoil = "counted";
    assert_int_equal(spool_each_counted(fixture->spool, 600000, note_counted, fixture, &fault), 0);
    assert_int_equal(counted.count, 100);
    door.spoil = NULL;
    door.ask_fails = 1;
    spool_each_counted_later(fixture->spool, 600000, note_counted, fixture);
    while (door.ask_fails > 0) {
        turn(fixture);
    }
    spool_each_counted_later(fixture->spool, 600000, note_counted, fixture);
    fixture_reopen(fixture);
    assert_int_equal(counted.count, 100);
}

/* At the end of the spool no further batch of many is begun. */
static void test_history_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    static const int kinds[] = {STORE_FORGET, STORE_LEARN};
    for (unsigned i = 0; i < 2; i++) {
        spool_close(&fixture->spool);
        fixture->options.history_messages = 1;
        fixture->options.search_ms = 1;
        fixture_open(fixture);
        unsigned answers = fixture->answers;
        door.waits = true;
        door.wait_kind = kinds[i];
        for (unsigned k = 0; k < 1100; k++) {
            commit(fixture, bytes_of("settled"), 0, false);
        }
        net_timer_start(fixture->deadline, DEADLINE_MS);
        while (sem_trywait(&door.begun) != 0) {
            turn(fixture);
            ahead_ms += fixture->answers == answers + 1100 ? 31000 : 0;
            if (fixture->answers >= answers + 1100) {
                commit(fixture, bytes_of("has it tidied"), 0, false);
            }
        }
        net_timer_stop(fixture->deadline);
        sem_post(&door.may_go);
        spool_close(&fixture->spool);
        fixture_open(fixture);
    }
}

/* ---- a look in steps ---- */

static uint64_t faster; /* times that timers are, but for the test's deadline */

void __real_net_timer_start(struct net_timer *timer, uint64_t milliseconds);
void __wrap_net_timer_start(struct net_timer *timer, uint64_t milliseconds);

void __wrap_net_timer_start(struct net_timer *timer, uint64_t milliseconds)
{
    __real_net_timer_start(timer, faster == 0 || milliseconds == DEADLINE_MS ? milliseconds : milliseconds / faster);
}

/* A round of many steps takes a second for each, and ends with the last. */
static void test_look_in_steps(void **state)
{
    struct fixture *fixture = *state;
    faster = 5000;
    door.scrub_steps = 7;
    spool_close(&fixture->spool);
    fixture->options.check_every_ms = 50000;
    fixture_open(fixture);
    uint64_t rounds = run_rounds(fixture, 2).rounds;
    struct spool_health health = health_of(fixture);
    assert_in_range(health.messages, rounds * 7, rounds * 7 + 6);
    faster = 0;
}

/* What was found when the spool closes is not mended any more. */
static void test_look_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    const struct store_damage lost = {.kind = STORE_DAMAGE_INDEX};
    look_each_20_ms(fixture);
    run_rounds(fixture, 1);
    door.scrub_waits = true;
    wait_for_begin(fixture);
    door.damages = &lost;
    door.damage_count = 1;
    door.mend_fails = true;
    sem_post(&door.may_go);
    spool_close(&fixture->spool);
    door.damage_count = 0;
    fixture_open(fixture);
    assert_false(health_of(fixture).is_torn);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_opening_fails),
        TEST(test_room),
        TEST(test_refused_in_trouble),
        TEST(test_chores),
        TEST(test_history),
        TEST(test_look_at_the_end),
        TEST(test_look_in_steps),
        TEST(test_history_at_the_end),
        TEST(test_look_cannot_go_on),
        TEST(test_look_finds),
        TEST(test_mending),
        TEST(test_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
