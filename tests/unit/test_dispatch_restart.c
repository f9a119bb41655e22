/*
 * dispatch: what is known of an upstream, its pauses and the octets of its day, over a restart.
 */
#include "dispatch_fixture.h"

static void restart(const char *username, const char *password)
{
    answer_open_fetches();
    dispatch_free(&world.dispatch);
    struct fault fault = FAULT_INIT;
    world.pace = (struct upstream_pace){0};
    upstream_config.username = username;
    upstream_config.password = password;
    world.dispatch = dispatch_new(world.loop, NULL, &config, NULL, &fault);
    assert_non_null(world.dispatch);
}

static int64_t paused_until(void)
{
    struct dispatch_state dispatch_state_now;
    dispatch_state(world.dispatch, 0, &dispatch_state_now);
    return dispatch_state_now.paused_until;
}

/* One delivery is answered while the pool has this pace: that is what the spool is to keep. */
static void keep_pace(bool login)
{
    int64_t now = net_wall(world.loop);
    put_on_disk(1);
    world.answering = true;
    world.stop_after = 1;
    dispatch_start(world.dispatch);
    world.pace = (struct upstream_pace){
        .day_began_ms = now - 5000, .day_octets = 77, .not_before_ms = now + 600000, .failures = 3, .login = login};
    fault_set(&world.pace.fault, FAULT_TEMP, "authentication", "login", "no \"entry\" for you");
    net_loop_run(world.loop);
    assert_int_equal(world.memos, 1);
    assert_null(strstr(world.memo, "secret"));
}

static void a_refused_password_is_remembered(void **state)
{
    (void)state;
    restart("relay", "secret");
    keep_pace(true);
    int64_t until = world.pace.not_before_ms;
    restart("relay", "secret");
    assert_int_equal(world.pace.not_before_ms, until);
    assert_int_equal(world.pace.day_octets, 77);
    assert_int_equal(world.pace.failures, 3);
    assert_string_equal(world.pace.fault.text, "no \"entry\" for you");
    assert_true(paused_until() == until);
    restart("relay", "secret2"); /* may work: it is tried, but the octets of the day were sent */
    assert_int_equal(world.pace.not_before_ms, 0);
    assert_int_equal(world.pace.day_octets, 77);
    assert_true(paused_until() == 0);
    restart("other", "secret"); /* nothing is known of this one */
    assert_int_equal(world.pace.day_octets, 0);
    assert_true(paused_until() == 0);
}

static void a_pause_that_the_server_asked_for_is_remembered(void **state)
{
    (void)state;
    restart("relay", "secret");
    keep_pace(false);
    restart("relay", "secret2"); /* the server did not mean the password */
    assert_int_equal(world.pace.failures, 3);
    assert_true(paused_until() != 0);
    dispatch_start(world.dispatch);
    world.wake(world.wake_ctx, "corp");
    assert_true(paused_until() == 0);
    assert_int_equal(world.pace.not_before_ms, 0);
}

/* Another node of the same configuration keeps this pace. */
static void keep_elsewhere(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(world.memo, sizeof world.memo, format, args);
    va_end(args);
    world.remembered(world.remembered_ctx, "corp");
}

#define PAUSE                                                                                                          \
    "{\"username\":\"relay\",\"pause\":{\"until\":%lld,\"for\":60000,\"failures\":2,\"login\":false,"                  \
    "\"code\":\"limit\",\"where\":\"APPEND\",\"text\":\"too fast\"}}"

static void a_pause_that_another_node_heard_of_is_heeded(void **state)
{
    (void)state;
    restart("relay", "secret");
    dispatch_start(world.dispatch);
    long long until = net_wall(world.loop) + 50000;
    keep_elsewhere(PAUSE, until);
    assert_int_equal(world.pace.not_before_ms, until);
    assert_int_equal(world.pace.failures, 2);
    assert_string_equal(world.pace.fault.text, "too fast");
    assert_true(paused_until() == until);
    keep_elsewhere(PAUSE, until - 20000); /* ours is longer */
    assert_true(paused_until() == until && world.pace.not_before_ms == until);
    keep_elsewhere("{\"username\":\"relay\"}"); /* that it waits for nothing is its own matter */
    assert_true(paused_until() == until && world.pace.not_before_ms == until);
    keep_elsewhere(PAUSE, until + 20000);
    assert_true(paused_until() == until + 20000);
    assert_int_equal(world.memos, 0); /* what was heard is not said again */
    world.wake(world.wake_ctx, "corp");
    assert_true(paused_until() == 0);
}

/* Nodes' clocks differ, by hours where nobody sets them: what one has left counts by the store's. */
static void times_that_nodes_leave_are_the_stores(void **state)
{
    (void)state;
    world.skew_ms = -2 * 3600 * 1000;
    restart("relay", "secret");
    long long until = net_wall(world.loop) + 50000, down = net_wall(world.loop) - 7000;
    dispatch_start(world.dispatch);
    keep_elsewhere(PAUSE, until + world.skew_ms);
    assert_true(paused_until() == until);
    keep_elsewhere("{\"username\":\"relay\",\"down_since\":%lld}", down + world.skew_ms);
    restart("relay", "secret");
    struct dispatch_state now;
    dispatch_state(world.dispatch, 0, &now);
    assert_true(now.down_since == down);
    keep_pace(false);
    const char *kept = strstr(world.memo, "\"until\": ");
    kept = kept == NULL ? strstr(world.memo, "\"until\":") : kept;
    assert_non_null(kept);
    assert_true(strtoll(strchr(kept, ':') + 1, NULL, 10) == world.pace.not_before_ms + world.skew_ms);
}

static void octets_of_the_day_are_the_accounts(void **state)
{
    (void)state;
    restart("relay", "secret");
    dispatch_start(world.dispatch);
    long long began = net_wall(world.loop) - 1000;
    world.pace = (struct upstream_pace){.day_began_ms = began, .day_octets = 500};
    keep_elsewhere("{\"username\":\"relay\",\"day_began\":%lld,\"day_octets\":400}", began - 1);
    assert_int_equal(world.pace.day_octets, 500);
    assert_int_equal(world.pace.day_began_ms, began);
    keep_elsewhere("{\"username\":\"relay\",\"day_began\":%lld,\"day_octets\":700}", began - 1);
    assert_int_equal(world.pace.day_octets, 700);
    assert_true(paused_until() == 0);
    keep_elsewhere("{\"username\":\"somebody\",\"day_began\":%lld,\"day_octets\":900}", began);
    keep_elsewhere("no memo");
    assert_int_equal(world.pace.day_octets, 700);
}

static void a_memo_that_is_no_memo_is_nothing(void **state)
{
    static const char *const memos[] = {"",
                                        "x",
                                        "{",
                                        "[]",
                                        "{\"username\":7}",
                                        "{\"username\":\"relay\",\"pause\":4}",
                                        "{\"username\":\"relay\",\"pause\":{\"until\":\"soon\"}}"};
    (void)state;
    for (size_t i = 0; i < sizeof memos / sizeof memos[0]; i++) {
        snprintf(world.memo, sizeof world.memo, "%s", memos[i]);
        restart("relay", "secret");
        assert_true(paused_until() == 0);
        assert_int_equal(world.pace.day_octets, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_refused_password_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_that_the_server_asked_for_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_that_another_node_heard_of_is_heeded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_that_nodes_leave_are_the_stores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(octets_of_the_day_are_the_accounts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_memo_that_is_no_memo_is_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
