/*
 * dispatch_slots: what a node asks for of the connections that all nodes share, and what it makes of the answers.
 */
#include "dispatch_fixture.h"

#include "dispatch/dispatch_private.h"

static int set_up_several(void **state)
{
    int result = set_up(state);
    world.shares = true;
    world.answering = true;
    world.needs.most = 5;
    return result;
}

/* One turn of the loop and what it leaves for the next. */
static void turn(void)
{
    for (int i = 0; i < 10; i++) {
        net_defer(world.loop, stop_loop, world.loop);
        net_loop_run(world.loop);
    }
}

static void answer(struct store_slots slots)
{
    slots.account = slots.account == NULL ? "corp" : slots.account;
    world.told(world.slots_ctx, &slots);
    turn();
}

/* Nothing is opened before the first answer; what is asked for until the next one is what there is. */
static void it_asks_and_heeds(void **state)
{
    (void)state;
    put_on_disk(3);
    dispatch_start(world.dispatch);
    assert_int_equal(world.share, 0);
    assert_int_equal(world.allowed, SIZE_MAX);
    world.needs.wanted = 3;
    world.needs.turn = true;
    world.ask(world.slots_ctx);
    assert_string_equal(world.added.account, "corp");
    assert_int_equal(world.added.most, 5);
    assert_int_equal(world.added.open, 0);
    assert_int_equal(world.added.wanted, 3);
    assert_true(world.added.could);
    assert_true(world.added.wants_turn);
    answer((struct store_slots){.given = 2, .allowed = 3, .wanted = 3, .could = true, .has_turn = true});
    assert_int_equal(world.share, 2);
    assert_int_equal(world.allowed, 3);
    assert_true(world.has_turn);
    assert_false(world.halted);
    world.needs.open = 2;
    world.ask(world.slots_ctx);
    assert_int_equal(world.added.open, 2);
    assert_int_equal(world.share, 2);
    /* What is said of an account that is not ours any more changes nothing. */
    answer((struct store_slots){.account = "gone", .given = 5});
    assert_int_equal(world.share, 2);
}

/* Who gets none leaves the mail to those who have some, would take it as soon as they leave it, and fetches when one is given. */
static void it_gets_none(void **state)
{
    (void)state;
    dispatch_start(world.dispatch);
    turn();
    answer((struct store_slots){.given = 0, .could = true, .wanted = 1});
    assert_true(world.halted);
    unsigned fetches = world.fetches;
    put_on_disk(1);
    turn();
    assert_int_equal(world.fetches, fetches);
    world.ask(world.slots_ctx);
    assert_true(world.added.could);
    answer((struct store_slots){.given = 1, .allowed = 5, .could = true});
    assert_false(world.halted);
    assert_true(world.fetches > fetches);
    assert_int_equal(world.outcome_count, 1);
    /* One who wants nothing lacks nothing; one for whom something is due that nobody has, does. */
    answer((struct store_slots){.given = 0, .could = true});
    assert_false(world.halted);
    answer((struct store_slots){.given = 0, .could = true, .is_due = true});
    assert_true(world.halted);
    answer((struct store_slots){.given = 0, .is_due = true});
    assert_false(world.halted);
    fetches = world.fetches;
    answer((struct store_slots){.given = 1, .could = true, .is_due = true});
    assert_true(world.fetches > fetches);
}

/* Who was not heard for too long has none, and what was under way is reset. */
static void it_loses_all(void **state)
{
    (void)state;
    dispatch_start(world.dispatch);
    answer((struct store_slots){.given = 2, .allowed = 5, .could = true, .wanted = 1});
    world.told(world.slots_ctx, NULL);
    assert_int_equal(world.share, 0);
    assert_int_equal(world.allowed, 0);
    assert_int_equal(world.drops, 1);
    assert_true(world.halted);
    answer((struct store_slots){.given = 1, .allowed = 5, .could = true, .wanted = 1});
    assert_false(world.halted);
}

/* The next beat comes at once when more is wanted than was asked for, when a turn is wanted or over, and when one ends that others wait for. */
static void it_hurries(void **state)
{
    (void)state;
    dispatch_start(world.dispatch);
    world.needs.wanted = 1;
    world.lacks(world.lacks_ctx);
    assert_int_equal(world.hurries, 1);
    world.ask(world.slots_ctx);
    world.lacks(world.lacks_ctx);
    assert_int_equal(world.hurries, 1);
    world.needs.turn = true;
    world.lacks(world.lacks_ctx);
    assert_int_equal(world.hurries, 2);
    world.needs.open = 3;
    world.ask(world.slots_ctx);
    answer((struct store_slots){.given = 3, .allowed = 2, .could = true, .wanted = 1});
    world.lacks(world.lacks_ctx);
    assert_int_equal(world.hurries, 2);
    world.needs.open = 2;
    world.lacks(world.lacks_ctx);
    assert_int_equal(world.hurries, 3);
    world.lacks(world.lacks_ctx);
    assert_int_equal(world.hurries, 3);
}

/* It is down for all of them when nobody who has connections reaches it. */
static void it_is_down_for_all(void **state)
{
#define NODE(me, lease, connections, down)                                                                             \
    "[{\"me\":" me ",\"lease_ms\":" lease ",\"state\":{\"upstreams\":{\"corp\":{\"connections\":" connections          \
    ",\"down\":" down "}}}}]"
    static const struct {
        const char *nodes;
        bool is_down;
    } cases[] = {
        {NULL, true},
        {"[]", true},
        {"[{\"me\":false,\"lease_ms\":9,\"state\":{}}]", true},
        {NODE("false", "9", "1", "false"), false},
        {NODE("true", "9", "1", "false"), true},   /* our own of a moment ago */
        {NODE("false", "-1", "1", "false"), true}, /* a dead one */
        {NODE("false", "9", "0", "false"), true},  /* one that has not tried */
        {NODE("false", "9", "1", "true"), true},
    };
    (void)state;
    dispatch_start(world.dispatch);
    struct dispatch_upstream *upstream = world.dispatch->upstreams[0];
    upstream->down_since = net_wall(world.loop) - 1000;
    upstream->failures = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world.nodes = cases[i].nodes;
        struct mail_trouble trouble = dispatch_trouble_of(upstream, net_wall(world.loop));
        assert_int_equal(trouble.down, cases[i].is_down);
    }
    world.nodes = NULL;
}

/* What fails here is due at once where another node may reach the account, and one goes out at a time to see whether it is back; with nobody there it waits as ever. */
static void others_may_take_it(void **state)
{
    static const struct {
        const char *nodes;
        bool is_left;
    } cases[] = {
        {NODE("false", "9", "1", "false"), true},
        {NODE("false", "9", "0", "false"), true}, /* one that has not tried */
        {NODE("false", "9", "1", "true"), false},
        {NODE("true", "9", "1", "false"), false},
        {NODE("false", "-1", "1", "false"), false},
        {"[{\"me\":false,\"lease_ms\":9,\"draining\":true,\"state\":{\"upstreams\":{\"corp\":{\"down\":false}}}}]",
         false},
        {"[{\"me\":false,\"lease_ms\":9,\"state\":{\"upstreams\":{}}}]", false},
    };
    (void)state;
    world.answer.account = true;
    fault_set(&world.answer.fault, FAULT_TEMP, "connect", "connect", "connection refused");
    dispatch_start(world.dispatch);
    answer((struct store_slots){.given = 2, .allowed = 5, .could = true, .wanted = 1});
    put_on_disk(12);
    struct dispatch_upstream *upstream = world.dispatch->upstreams[0];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world.nodes = cases[i].nodes;
        dispatch_upstream_worked(upstream);
        upstream->paused_until = 0;
        for (size_t at = 0; at < world.disk_count; at++) {
            world.disk[at] = (struct waiting){.due = 0, .received = net_wall(world.loop)};
        }
        world.outcome_count = world.append_count = 0;
        world.stop_after = 10;
        dispatch_look_again(upstream);
        dispatch_fetch(upstream);
        net_loop_run(world.loop);
        turn();
        for (size_t at = 0; at < world.outcome_count; at++) {
            assert_int_equal(world.outcomes[at].kind, SPOOL_DEFERRED);
            assert_int_equal(world.outcomes[at].again_in_ms == 0, cases[i].is_left);
        }
        assert_int_equal(dispatch_room(upstream), cases[i].is_left ? 1 : 2);
    }
    /* The other one fails as well, as the next beat tells. */
    world.nodes = cases[0].nodes;
    dispatch_leave_to_others(upstream);
    assert_true(upstream->left_to_others);
    world.nodes = cases[2].nodes;
    answer((struct store_slots){.given = 2, .allowed = 5, .could = true, .wanted = 1});
    assert_false(upstream->left_to_others);
    world.nodes = NULL;
}

/* Paused by a server that is down, or draining, it would take nothing that others leave. */
static void it_could_not(void **state)
{
    (void)state;
    put_on_disk(1);
    world.answer.account = true;
    fault_set(&world.answer.fault, FAULT_TEMP, "connect", "connect", "connection refused");
    upstream_config.retry_initial = upstream_config.retry_maximum = 60000;
    world.stop_after = 1;
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    world.ask(world.slots_ctx);
    assert_false(world.added.could);
    answer((struct store_slots){.given = 0, .could = true, .wanted = 1});
    world.ask(world.slots_ctx);
    assert_false(world.added.could);
    upstream_config.retry_initial = 20;
    upstream_config.retry_maximum = 40;
    world.append_count = 0; /* they are answered */
    dispatch_drain(world.dispatch, 1000, on_drained, NULL);
    net_loop_run(world.loop);
    world.ask(world.slots_ctx);
    assert_false(world.added.could);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_asks_and_heeds, set_up_several, tear_down),
        cmocka_unit_test_setup_teardown(it_gets_none, set_up_several, tear_down),
        cmocka_unit_test_setup_teardown(it_loses_all, set_up_several, tear_down),
        cmocka_unit_test_setup_teardown(it_hurries, set_up_several, tear_down),
        cmocka_unit_test_setup_teardown(it_is_down_for_all, set_up_several, tear_down),
        cmocka_unit_test_setup_teardown(others_may_take_it, set_up_several, tear_down),
        cmocka_unit_test_setup_teardown(it_could_not, set_up_several, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
