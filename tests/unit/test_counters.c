/* counters: how many messages of a key came within a time; what is counted twice, comes late, or is too old; how far back is kept. */
#include "test.h"

#include <stdio.h>

#include "decision/counters.h"

#define MINUTE INT64_C(60000)

static struct counters *counters;

static void keep(const char *name, int64_t ms, bool longer)
{
    const struct filters_counter wanted[] = {{.name = "other", .keep_ms = MINUTE}, {.name = name, .keep_ms = ms}};
    assert_int_equal(counters_keep(counters, wanted, 2), longer);
}

/* A message that counted for one key. */
static void add(const char *id, int64_t at_ms, const char *counter, const char *key)
{
    const struct mail_counted counted = {.counter = counter, .key = key};
    const struct mail_envelope envelope = {.id = id, .received_ms = at_ms, .counted = &counted, .counted_count = 1};
    counters_add(counters, &envelope);
}

/* Asked by a message that was counted already: itself. */
static uint64_t counted_before(const char *key, const struct mail_envelope *itself)
{
    struct filters_counters ask = *counters_to_ask(counters);
    ask.itself = itself;
    return ask.count(&ask, "c", bytes_of(key), 0);
}

/* By a message that came at before_ms and counts nothing; 0: by a new one. */
static void assert_count(const char *counter, const char *key, int64_t since_ms, int64_t before_ms, uint64_t count)
{
    const struct mail_envelope other = {.id = "another", .received_ms = before_ms};
    struct filters_counters ask = *counters_to_ask(counters);
    ask.itself = before_ms == 0 ? NULL : &other;
    assert_int_equal(ask.count(&ask, counter, bytes_of(key), since_ms), count);
}

static void messages_of_a_key_within_a_time(void **state)
{
    (void)state;
    keep("c", 10 * MINUTE, true);
    assert_count("c", "a", 0, 0, 0);
    for (int i = 0; i < 20; i++) {
        char id[10];
        snprintf(id, sizeof id, "%d", i);
        add(id, MINUTE + i * 1000, "c", i % 2 == 0 ? "a" : "b");
    }
    assert_count("c", "a", 0, 0, 10);
    assert_count("c", "b", 0, 0, 10);
    assert_count("other", "a", 0, 0, 0);
    assert_count("c", "a", MINUTE, 0, 9); /* what is as old as that counts no more */
    assert_count("c", "a", MINUTE + 9999, 0, 5);
    assert_count("c", "a", 0, MINUTE + 4000, 2); /* before that, not at it */
    assert_count("c", "a", MINUTE + 9000, MINUTE + 3000, 0);
}

static void what_comes_twice_or_late(void **state)
{
    (void)state;
    keep("c", 10 * MINUTE, true);
    add("x", 3 * MINUTE, "c", "a");
    add("x", 3 * MINUTE, "c", "a"); /* the same message again, as after a restart */
    add("y", MINUTE, "c", "a");     /* ended later, came before */
    assert_count("c", "a", 0, 0, 2);
    assert_count("c", "a", 2 * MINUTE, 0, 1);
    assert_count("c", "a", 0, 2 * MINUTE, 1);
    /* Known by what the sender calls it, where it does. */
    const struct mail_counted counted = {.counter = "c", .key = "a"};
    struct mail_envelope envelope = {
        .id = "1", .message_id = "<m@x>", .received_ms = 4 * MINUTE, .counted = &counted, .counted_count = 1};
    counters_add(counters, &envelope);
    envelope.id = "2";
    counters_add(counters, &envelope);
    assert_count("c", "a", 0, 0, 3);
}

/* Told apart by their order, as acknowledged: the time says nothing of them. */
static void messages_of_one_millisecond(void **state)
{
    (void)state;
    keep("c", 10 * MINUTE, true);
    static const char *const ids[] = {"x", "y", "z"};
    add("before", MINUTE - 1, "c", "a");
    for (size_t i = 0; i < 3; i++) {
        add(ids[i], MINUTE, "c", "a");
    }
    add("after", MINUTE + 1, "c", "a");
    for (size_t i = 0; i < 3; i++) {
        const struct mail_envelope itself = {.id = ids[i], .received_ms = MINUTE};
        assert_int_equal(counted_before("a", &itself), 1 + i);
    }
}

static void what_is_too_old_is_forgotten(void **state)
{
    (void)state;
    keep("c", 10 * MINUTE, true);
    for (int i = 0; i < 30; i++) { /* more than what is at hand at once, so that room is made at the front */
        char id[10];
        snprintf(id, sizeof id, "%d", i);
        add(id, i * MINUTE, "c", "a");
    }
    assert_count("c", "a", -1, 0, 10);
    keep("c", 5 * MINUTE, false);
    add("last", 30 * MINUTE, "c", "a");
    assert_count("c", "a", -1, 0, 5);
    keep("c", 20 * MINUTE, true); /* more is asked than is known: whoever keeps the messages is to look back */
    assert_count("c", "a", -1, 0, 5);
}

static void a_key_has_a_most(void **state)
{
    (void)state;
    keep("c", 10 * MINUTE, true);
    static struct mail_counted many[COUNTERS_KEYS_MAX];
    static char keys[COUNTERS_KEYS_MAX][8];
    for (size_t i = 0; i < COUNTERS_KEYS_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
        many[i] = (struct mail_counted){.counter = "c", .key = keys[i]};
    }
    const struct mail_envelope envelope = {
        .id = "1", .received_ms = MINUTE, .counted = many, .counted_count = COUNTERS_KEYS_MAX};
    counters_add(counters, &envelope);
    assert_count("c", "k0", -1, 0, 1);
    add("2", 2 * MINUTE, "c", "new"); /* there is no room for one key more */
    assert_count("c", "new", -1, 0, 0);
    assert_count("c", "k0", -1, 0, 1);
    add("3", 3 * MINUTE, "c", "k0"); /* for a known one there is */
    assert_count("c", "k0", -1, 0, 2);
    add("4", 20 * MINUTE, "c", "new"); /* all others are old now: they go at once, in the time of one look at each */
    assert_count("c", "new", -1, 0, 1);
    assert_count("c", "k0", -1, 0, 0);
}

static int set_up(void **state)
{
    (void)state;
    counters = counters_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    counters_free(&counters);
    counters_free(&counters);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_of_a_key_within_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_twice_or_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_of_one_millisecond, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_old_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_has_a_most, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
