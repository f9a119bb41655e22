/* Tests of spool/spool_divert: what goes to its fallback, what stays, and that nothing is there twice. */
#include "spool_fixture.h"

/* A waiting delivery that nobody holds goes; the new one says where it comes from, and has no fallback of its own. */
static void test_goes(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    fixture->fallback = "backup";
    commit_and_wait(fixture, "body", 1);
    assert_int_equal(divert(fixture, "backup"), 1);
    assert_int_equal(counts(fixture).waiting, 1);
    assert_int_equal(counts(fixture).messages, 1);
    assert_int_equal(fetch(fixture, 10), 0);
    assert_int_equal(fetch_from(fixture, "backup", net_wall(fixture->loop), 10), 1);
    const struct spool_item *item = fixture->items[0];
    assert_string_equal(item->delivery.upstream, "backup");
    assert_string_equal(item->delivery.instead_of, "corp");
    assert_string_equal(item->delivery.folder, "INBOX");
    assert_null(item->delivery.fallback);
    assert_int_equal(item->delivery.number, 2);
    assert_int_equal(item->attempts, 0);
    assert_false(item->uncertain);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(counts(fixture).waiting, 0);
    assert_int_equal(counts(fixture).messages, 0);
    assert_int_equal(divert(fixture, "backup"), 1);
}

/* What went to its fallback is still there: a sender that did not hear our 250 brings nothing new. */
static void test_sent_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    fixture->fallback = "backup";
    fixture->window_ms = 60000;
    commit_and_wait(fixture, "body", 1);
    assert_int_equal(divert(fixture, "backup"), 1);
    commit_and_wait(fixture, "body", 1);
    assert_int_equal(counts(fixture).repeats, 1);
    assert_int_equal(counts(fixture).waiting, 1);
    assert_int_equal(fetch_from(fixture, "backup", net_wall(fixture->loop), 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    commit_and_wait(fixture, "body", 1);
    assert_int_equal(counts(fixture).repeats, 2);
    assert_int_equal(counts(fixture).messages, 0);
}

/* What names no fallback, or one that is not configured any more; what is in somebody's hands; what an operator holds. */
static void test_stays(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "without", 1);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    fixture->fallback = "backup";
    commit_and_wait(fixture, "in hand", 1);
    unsigned answers = fixture->answers;
    commit(fixture, bytes_of("held"), 1, true);
    run_until(fixture, &fixture->answers, answers + 1);
    assert_int_equal(divert(fixture, "backup"), 0);
    finish_and_wait(fixture, SPOOL_DEFERRED, net_wall(fixture->loop) + 3600000);
    assert_int_equal(divert(fixture, "other"), 0);
    assert_int_equal(divert(fixture, "backup"), 1); /* its time does not matter */
    assert_int_equal(fetch(fixture, 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* A doubt that ended unproven is over, and what it leaves goes along: a copy may lie where it was to go. */
static void test_note_goes_along(void **state)
{
    struct fixture *fixture = *state;
    fixture->fallback = "backup";
    commit_and_wait(fixture, "body", 1);
    struct spool_outcome outcome = {.kind = SPOOL_DEFERRED, .doubt = "uidvalidity=7 place=9 noted=1"};
    fault_set(&outcome.fault, FAULT_TEMP, "overquota", "append", "full");
    unsigned answers = fixture->answers;
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    assert_int_equal(divert(fixture, "backup"), 1);
    assert_int_equal(fetch_from(fixture, "backup", net_wall(fixture->loop), 10), 1);
    assert_string_equal(fixture->items[0]->delivery.doubt, "noted=1");
    assert_false(fixture->items[0]->uncertain);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* An attempt whose outcome is unknown binds the delivery to its upstream; so does a crash while it was in somebody's hands. */
static void test_uncertain_stays(void **state)
{
    struct fixture *fixture = *state;
    fixture->fallback = "backup";
    commit_and_wait(fixture, "uncertain", 1);
    struct spool_outcome outcome = {.kind = SPOOL_DEFERRED, .uncertain = true};
    fault_set(&outcome.fault, FAULT_UNCERTAIN, "cut", "APPEND", "the connection was lost");
    unsigned answers = fixture->answers;
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    fixture->takes = false;
    commit_and_wait(fixture, "in hand at the crash", 1);
    assert_int_equal(fetch(fixture, 10), 2);
    while (fixture->item_count > 0) {
        arena_free(&(struct arena *){fixture->items[--fixture->item_count]->arena});
    }
    fixture_reopen(fixture);
    assert_int_equal(divert(fixture, "backup"), 0);
    assert_int_equal(fetch(fixture, 10), 2);
    assert_true(fixture->items[0]->uncertain && fixture->items[1]->uncertain);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* The first way that the trouble opens; the others stay, and the answer says when the next is open. */
static void test_ways(void **state)
{
    struct fixture *fixture = *state;
    static const struct mail_way ways[] = {
        {.folder = "Refused", .refused = true},
        {.upstream = "nowhere", .down = true, .down_ms = 1},
        {.upstream = "backup", .folder = "Full", .full = true, .full_ms = 3000},
        {.upstream = "backup", .down = true, .down_ms = 5000},
    };
    fixture->takes = false;
    fixture->ways = ways;
    fixture->way_count = 4;
    commit_and_wait(fixture, "body", 1);
    assert_int_equal(divert_by(fixture, "backup", &(struct mail_trouble){.down = true, .down_ms = 1200}), 0);
    assert_int_equal(fixture->divert_wait_ms, 3800);
    const struct mail_trouble both = {.down = true, .down_ms = 1200, .full = true, .full_ms = 1000};
    assert_int_equal(divert_by(fixture, "backup", &both), 0);
    assert_int_equal(fixture->divert_wait_ms, 2000);
    const struct mail_trouble full = {.down = true, .down_ms = 1200, .full = true, .full_ms = 3000};
    assert_int_equal(divert_by(fixture, "backup", &full), 1);
    assert_true(fixture->divert_wait_ms == UINT64_MAX);
    assert_int_equal(fetch_from(fixture, "backup", net_wall(fixture->loop), 10), 1);
    const struct mail_delivery *delivery = &fixture->items[0]->delivery;
    assert_string_equal(delivery->folder, "Full");
    assert_string_equal(delivery->instead_of, "corp");
    assert_int_equal(delivery->way_count, 3);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* More than one batch; each exactly once. */
static void test_many(void **state)
{
    struct fixture *fixture = *state;
    const unsigned many = 1200;
    fixture->takes = false;
    fixture->fallback = "backup";
    unsigned answers = fixture->answers;
    for (unsigned i = 0; i < many; i++) {
        commit(fixture, bytes_of("one of many"), 1, false);
    }
    run_until(fixture, &fixture->answers, answers + many);
    assert_int_equal(divert(fixture, "backup"), many);
    assert_int_equal(counts(fixture).waiting, many);
    unsigned filed = 0;
    while (fetch_from(fixture, "backup", net_wall(fixture->loop), 200) > 0) {
        answers = fixture->answers;
        unsigned count = (unsigned)fixture->item_count;
        for (unsigned i = 0; i < count; i++) {
            finish(fixture, SPOOL_FILED, 0);
        }
        run_until(fixture, &fixture->answers, answers + count);
        filed += count;
    }
    assert_int_equal(filed, many);
    assert_int_equal(counts(fixture).messages, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_goes),
        TEST(test_sent_again),
        TEST(test_stays),
        TEST(test_uncertain_stays),
        TEST(test_note_goes_along),
        TEST(test_ways),
        TEST(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
