/*
 * dispatch: which delivery goes out when, and what is told to the spool.
 */
#include "dispatch/dispatch_condition.h"
#include "dispatch/dispatch_private.h"
#include "dispatch_fixture.h"

static void a_backlog_goes_out_within_the_active_set(void **state)
{
    (void)state;
    put_on_disk(50);
    world.answering = true;
    world.stop_after = 50;
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    assert_int_equal(world.outcome_count, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(world.outcomes[i].kind, SPOOL_FILED);
    }
    assert_true(world.held_most <= config.active_max);
    struct dispatch_counts counts;
    dispatch_count(world.dispatch, &counts);
    assert_int_equal(counts.filed, 50);
}

static void an_edited_message_is_sent_whole(void **state)
{
    (void)state;
    put_on_disk(1);
    world.disk[0].with_edit = true;
    world.reads_body = true;
    world.stop_after = 1;
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    const char *text = buf_text(&world.body);
    assert_non_null(strstr(text, "X-Mailweir-Id: ID.0\r\nSubject: one\r\n\r\nbody\r\n"));
    assert_int_equal(strncmp(text, "Return-Path: <a@b>\r\n", 20), 0);
    assert_int_equal(world.warmed, 1);
}

static void octets_in_memory_are_sent_at_once(void **state)
{
    world.at_hand = true;
    an_edited_message_is_sent_whole(state);
}

/* The lease was lost since, and is back: another node may have taken it over. */
static void the_last_octet_of_what_may_be_others_is_not_sent(void **state)
{
    (void)state;
    put_on_disk(1);
    world.disk[0].with_edit = true;
    world.reads_body = true;
    world.hold = 2;
    world.stop_after = 1;
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    assert_true(world.is_withheld);
    assert_null(strstr(buf_text(&world.body), "body\r\n"));
    assert_int_equal(world.outcomes[0].kind, SPOOL_DEFERRED);
}

static void a_dead_upstream_is_paused_and_probed(void **state)
{
    (void)state;
    put_on_disk(30);
    world.answering = true;
    world.answer.account = true;
    fault_set(&world.answer.fault, FAULT_TEMP, "connect", "connect", "connection refused");
    world.stop_after = 10 + 2 * 4; /* the first active set, then probes only */
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    for (size_t i = 0; i < world.outcome_count; i++) {
        assert_int_equal(world.outcomes[i].kind, SPOOL_DEFERRED);
        assert_true(world.outcomes[i].again_in_ms > 0);
    }
    assert_true(world.fetches <= 12);
    /* It works again: everything follows without waiting for each delivery's own time to double. */
    world.answer = (struct upstream_outcome){0};
    world.stop_after = world.outcome_count + 30;
    net_loop_run(world.loop);
    struct dispatch_counts counts;
    dispatch_count(world.dispatch, &counts);
    assert_int_equal(counts.filed, 30);
}

/* Not before the upstream has been down for so long; that it was down is remembered over a restart. */
static void what_waits_goes_to_its_fallback_in_time(void **state)
{
    (void)state;
    upstream_config.fallback_after = 120;
    put_on_disk(2);
    world.answering = true;
    world.answer.account = true;
    fault_set(&world.answer.fault, FAULT_TEMP, "connect", "connect", "connection refused");
    int64_t began = net_wall(world.loop);
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    assert_int_equal(world.diverts, 2); /* when it begins, and when the time has come: not with each failure */
    assert_true(world.diverted_since >= began);
    assert_true(world.divert_trouble.down_ms >= 120 && !world.divert_trouble.full);
    struct dispatch_counts counts;
    dispatch_count(world.dispatch, &counts);
    assert_int_equal(counts.diverted, 2);
    /* What is diverted is told how long the trouble has lasted, so its begin is known to the millisecond or so. */
    const char *since = strstr(world.memo, "\"down_since\":");
    assert_non_null(since);
    assert_in_range(strtoll(since + strlen("\"down_since\":"), NULL, 10), began, world.diverted_since);
    world.answer = (struct upstream_outcome){0};
    while (counts.filed < 2) { /* an attempt that has failed may still be told */
        world.stop_after = world.outcome_count + 1;
        net_loop_run(world.loop);
        dispatch_count(world.dispatch, &counts);
    }
    assert_null(strstr(world.memo, "down_since"));
    upstream_config.fallback_after = 3600000;
}

/* Not the last attempt's time: whoever looks wants to know how long it has been so. */
static void a_mailbox_is_full_since_the_first_refusal(void **state)
{
    (void)state;
    struct dispatch_state seen;
    put_on_disk(1);
    world.answering = true;
    fault_set(&world.answer.fault, FAULT_TEMP, "overquota", "append", "no room");
    dispatch_start(world.dispatch);
    world.stop_after = 1;
    net_loop_run(world.loop);
    dispatch_state(world.dispatch, 0, &seen);
    int64_t since = dispatch_condition_since(&seen);
    assert_int_equal(dispatch_condition_of(&seen), DISPATCH_FULL);
    assert_int_equal(since, seen.full_since);
    while (seen.last_fault_ms == since) {
        world.stop_after = world.outcome_count + 1;
        net_loop_run(world.loop);
        dispatch_state(world.dispatch, 0, &seen);
    }
    assert_int_equal(dispatch_condition_of(&seen), DISPATCH_FULL);
    assert_int_equal(dispatch_condition_since(&seen), since);
    /* After a start nothing was said yet, and it is known all the same. */
    seen.last_fault_ms = 0;
    assert_int_equal(dispatch_condition_of(&seen), DISPATCH_FULL);
}

struct outcome_case {
    enum fault_class class;
    int64_t age;
    int kind;
    bool uncertain;
    bool was_uncertain; /* before this attempt */
    unsigned attempts;
    bool was_dead;
    bool damaged; /* its body */
};

static const struct outcome_case outcome_cases[] = {
    {FAULT_NONE, 0, SPOOL_FILED, false, false, 0, false, false},
    {FAULT_TEMP, 0, SPOOL_DEFERRED, false, false, 0, false, false},
    {FAULT_PERM, 0, SPOOL_DEAD, false, false, 0, false, false},
    {FAULT_LOCAL, 0, SPOOL_DEFERRED, false, false, 0, false, false},
    {FAULT_TEMP, 61000, SPOOL_DEAD, false, false, 1, false, false},
    {FAULT_NONE, 61000, SPOOL_FILED, false, false, 1, false, false},
    {FAULT_UNCERTAIN, 0, SPOOL_DEFERRED, true, true, 0, false, false},
    {FAULT_TEMP, 0, SPOOL_DEFERRED, true, true, 0, false, false},
    {FAULT_PERM, 0, SPOOL_DEAD, true, false, 0, false, false},
    {FAULT_UNCERTAIN, 61000, SPOOL_DEAD, true, false, 1, false, false},
    /* it lay where nobody tried it; somebody tries a dead letter again */
    {FAULT_TEMP, 61000, SPOOL_DEFERRED, false, false, 0, false, false},
    {FAULT_TEMP, 61000, SPOOL_DEFERRED, false, false, 4, true, false},
    {FAULT_PERM, 61000, SPOOL_DEAD, false, false, 4, true, false},
    /* no retry makes a whole message of it: who counts, and the sender who waits, are to hear that */
    {FAULT_LOCAL, 0, SPOOL_DEAD, false, false, 0, false, true},
    {FAULT_UNCERTAIN, 0, SPOOL_DEAD, true, true, 0, false, true},
};

/* The first of the disk comes from its sender. */
static void run_one(void)
{
    struct spool_item *item = item_new(0);
    world.offer(world.offer_ctx, &item);
    if (item != NULL) { /* an earlier fetch is under way: it stays on the disk and comes from there */
        item_free(&item);
        world.disk[0].due = 0;
        world.disk_count = 1;
    }
    net_loop_run(world.loop);
}

static void each_fault_has_its_outcome(void **state)
{
    (void)state;
    dispatch_start(world.dispatch);
    for (size_t i = 0; i < sizeof outcome_cases / sizeof outcome_cases[0]; i++) {
        const struct outcome_case *c = &outcome_cases[i];
        world.answer = (struct upstream_outcome){0};
        if (c->class != FAULT_NONE) {
            fault_set(&world.answer.fault, c->class, "code", "APPEND", "text");
            world.answer.doubt.open = c->uncertain;
            world.answer.doubt.dead = c->was_dead;
        }
        world.answering = true;
        world.damaged = c->damaged;
        world.stop_after = i + 1;
        world.disk[0] = (struct waiting){.due = -1,
                                         .received = net_wall(world.loop) - c->age,
                                         .uncertain = c->was_uncertain,
                                         .attempts = c->attempts};
        run_one();
        assert_int_equal(world.outcomes[i].kind, c->kind);
        assert_int_equal(world.outcomes[i].uncertain, c->uncertain);
        assert_int_equal(strstr(world.outcomes[i].doubt, "dead=1") != NULL, c->kind == SPOOL_DEAD);
        if (c->kind == SPOOL_DEFERRED) {
            assert_true(world.outcomes[i].again_in_ms > 0);
        }
        world.disk[0].due = -1;
    }
}

static void hear(void *ctx, const struct dispatch_became *became)
{
    struct dispatch_became *heard = ctx;
    *heard = *became;
}

/*
 * What another node has by now did not become what this one found: nothing of it counts, but what the server did; and a
 * sender who waits for it hears of no end that may not be one.
 */
static void an_outcome_counts_when_it_is_settled(void **state)
{
    (void)state;
    static const enum spool_outcome_kind wanted[] = {SPOOL_FILED, SPOOL_FILED,    SPOOL_DEFERRED,
                                                     SPOOL_DEAD,  SPOOL_DEFERRED, SPOOL_DEFERRED};
    struct dispatch_became heard;
    dispatch_set_watcher(world.dispatch, hear, &heard);
    dispatch_start(world.dispatch);
    world.answering = true;
    for (unsigned i = 0; i < 6; i++) {
        struct dispatch_counts counts;
        heard.kind = SPOOL_UNTOUCHED;
        struct dispatch_state seen;
        world.answer = (struct upstream_outcome){.possible_duplicate = i / 2 == 0};
        if (i / 2 > 0) {
            fault_set(&world.answer.fault, i / 2 == 1 ? FAULT_PERM : FAULT_TEMP, "code", "append", "text");
        }
        world.not_ours = i % 2 == 0;
        world.stop_after = i + 1;
        world.disk[0] = (struct waiting){.due = -1, .received = net_wall(world.loop)};
        run_one();
        world.disk[0].due = -1;
        assert_int_equal(heard.kind, wanted[i]);
        assert_false(heard.uncertain);
        dispatch_count(world.dispatch, &counts);
        assert_int_equal(counts.filed, (i + 1) / 2 > 0);
        assert_int_equal(counts.possible_duplicates, (i + 1) / 2 > 0);
        assert_int_equal(counts.dead, i >= 3);
        assert_int_equal(counts.deferred, i >= 5);
        dispatch_state(world.dispatch, 0, &seen);
        assert_true(seen.last_filed_ms > 0); /* it takes mail, whosever the message is */
        assert_int_equal(seen.last_fault_ms > 0, i >= 2);
    }
}

/* Whatever the pace of attempts is: when the server had its time. */
static void a_first_doubt_is_looked_into_at_once(void **state)
{
    (void)state;
    struct dispatch_became heard;
    dispatch_set_watcher(world.dispatch, hear, &heard);
    upstream_config.settings[UPSTREAM_SETTLE] = 15;
    upstream_config.retry_initial = upstream_config.retry_maximum = 3600000;
    put_on_disk(1);
    world.answering = true;
    fault_set(&world.answer.fault, FAULT_UNCERTAIN, "connection-lost", "append", "the server closed the connection");
    world.answer.doubt.open = true;
    world.stop_after = 1;
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    assert_true(heard.uncertain);
    assert_int_equal(world.outcomes[0].kind, SPOOL_DEFERRED);
    assert_int_equal(world.outcomes[0].again_in_ms, 15);
    world.answer = (struct upstream_outcome){.doubt.noted = true};
    fault_set(&world.answer.fault, FAULT_TEMP, UPSTREAM_UNPROVEN, "look", "there is no way to find out");
    world.stop_after = 2;
    net_loop_run(world.loop);
    assert_true(heard.uncertain); /* whoever waits does not send it again himself */
    assert_int_equal(world.outcomes[1].again_in_ms, 0);
    world.answer = (struct upstream_outcome){0};
    world.stop_after = 3;
    net_loop_run(world.loop);
    assert_int_equal(world.outcomes[2].kind, SPOOL_FILED);
    upstream_config.retry_initial = 20;
    upstream_config.retry_maximum = 40;
}

static void a_drain_gives_everything_back(void **state)
{
    (void)state;
    put_on_disk(5);
    dispatch_start(world.dispatch);
    world.stop_at_appends = 5;
    net_loop_run(world.loop);
    assert_int_equal(world.append_count, 5);
    dispatch_drain(world.dispatch, 1000, on_drained, NULL);
    net_loop_run(world.loop);
    assert_true(world.drained);
    assert_int_equal(world.outcome_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(world.outcomes[i].kind, SPOOL_UNTOUCHED);
    }
    assert_int_equal(world.held, 0);
}

static void a_pause_by_an_operator_halts_the_pool(void **state)
{
    (void)state;
    put_on_disk(1);
    dispatch_start(world.dispatch);
    world.paused = true;
    world.halt(world.halt_ctx, "other");
    assert_false(world.halted);
    world.halt(world.halt_ctx, "corp");
    assert_true(world.halted);
    world.answering = true; /* what had not begun comes back */
    fault_set(&world.answer.fault, FAULT_LOCAL, UPSTREAM_HALTED, "pool", "an operator paused the upstream");
    world.stop_after = 1;
    net_loop_run(world.loop);
    assert_int_equal(world.outcomes[0].kind, SPOOL_UNTOUCHED);
    world.paused = false;
    world.wake(world.wake_ctx, "corp");
    assert_false(world.halted);
    world.paused = true;
    world.halt(world.halt_ctx, NULL);
    assert_true(world.halted);
}

static void a_drain_waits_for_a_fetch_and_no_longer(void **state)
{
    (void)state;
    put_on_disk(1);
    world.fetch_turns = 5;
    dispatch_start(world.dispatch); /* a fetch is under way, and ends after the pools */
    dispatch_drain(world.dispatch, 1000, on_drained, NULL);
    struct net_timer *timer = net_timer_new(world.loop, stop_loop, world.loop);
    net_timer_start(timer, 5000);
    net_loop_run(world.loop);
    net_timer_free(&timer);
    assert_true(world.drained);
    assert_int_equal(world.append_count, 0);
    assert_int_equal(world.held, 0);
}

/* Also while nothing goes out: what comes meanwhile bears the times of a clock that may be put back before anybody looks. */
static void a_jump_is_seen_when_mail_comes(void **state)
{
    (void)state;
    world.disk[0] = (struct waiting){.due = -1, .received = net_wall(world.loop)};
    dispatch_start(world.dispatch);
    world.dispatch->upstreams[0]->paused_until = net_wall(world.loop) + 3600000;
    struct spool_item *item = item_new(0);
    world.dispatch->clock -= 60000; /* as if it had been put forward since */
    world.offer(world.offer_ctx, &item);
    assert_in_range(world.jumped_ms, 59000, 61000);
    item_free(&item);
    world.dispatch->clock += 120000;
    world.left(world.left_ctx, "corp");
    assert_in_range(-world.jumped_ms, 59000, 61000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_backlog_goes_out_within_the_active_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_by_an_operator_halts_the_pool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_edited_message_is_sent_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_octet_of_what_may_be_others_is_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(octets_in_memory_are_sent_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_upstream_is_paused_and_probed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_goes_to_its_fallback_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mailbox_is_full_since_the_first_refusal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_fault_has_its_outcome, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_outcome_counts_when_it_is_settled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_first_doubt_is_looked_into_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drain_gives_everything_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drain_waits_for_a_fetch_and_no_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_jump_is_seen_when_mail_comes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
