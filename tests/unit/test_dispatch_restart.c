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
        cmocka_unit_test_setup_teardown(a_memo_that_is_no_memo_is_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
