/*
 * Tests of spool/spool_commit: what is left of a message in memory and on its way to the store when its commit has failed, or the last of its deliveries has
 * gone.
 */
#include <malloc.h>

#include "spool_watch.h"

uint64_t __wrap_net_now(const struct net_loop *loop); /* spool_door.h; linked in by this line */

/* A message whose first part is uploaded when it is large. */
static void fail_one(struct fixture *fixture, struct bytes first, struct bytes rest)
{
    unsigned answers = fixture->answers;
    struct mail_envelope envelope = {.id = "LOST", .from = "a@b.example", .message_id = "<m@b.example>"};
    struct mail_delivery deliveries[2];
    for (unsigned i = 0; i < 2; i++) {
        deliveries[i] = (struct mail_delivery){.number = i + 1, .upstream = "corp", .folder = "INBOX", .rule = "r"};
        deliveries[i].ways = fixture->ways;
        deliveries[i].way_count = fixture->way_count;
    }
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
    disregard(spool_stage_write(stage, first));
    disregard(spool_stage_write(stage, rest));
    door.commits_fail = 1;
    spool_commit(&stage, &envelope, deliveries, fixture->ways == NULL ? 2 : 1, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    buf_clear(&lines);
}

/* The lane has thrown away what it was told to when it has done something behind it. */
static size_t memory_in_use(struct fixture *fixture)
{
    fail_one(fixture, bytes_of("behind it"), bytes_of(""));
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Nothing of a message that could not be written stays: memory would grow as long as the disk is full. */
static void expect_no_growth(struct fixture *fixture, struct bytes body, unsigned times, size_t least)
{
    size_t before = 0;
    for (unsigned i = 0; i < 2 * times; i++) {
        before = i == times ? memory_in_use(fixture) : before;
        fail_one(fixture, body, bytes_of("and the rest"));
    }
    assert_true(memory_in_use(fixture) < before + times * least);
    assert_int_equal(fixture->failures, fixture->answers);
    assert_int_equal(fixture->spool->cached, 0);
}

static void nothing_of_it_stays_in_memory(void **state)
{
    struct fixture *fixture = *state;
    static char large[300000];
    memset(large, 'x', sizeof large);
    enum { LEAST = 16 }; /* no allocation is smaller */
    expect_no_growth(fixture, bytes_of("small"), 400, LEAST);
    expect_no_growth(fixture, bytes_at(large, sizeof large), 400, LEAST);
    assert_int_equal(store.uploads_freed, 800);
    assert_int_equal(store.left, 0);
    spool_set_offer(fixture->spool, NULL, NULL);
    expect_no_growth(fixture, bytes_of("small"), 400, LEAST);
}

/* A body stays in memory until the last of those that were offered it has gone. */
static void a_body_stays_as_long_as_it_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "for two", 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fixture->spool->cached, 7);
        struct bytes body = spool_item_at_hand(fixture->items[0], 0, 100);
        assert_int_equal(body.len, 7);
        assert_memory_equal(body.ptr, "for two", 7);
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
    assert_int_equal(fixture->spool->cached, 0);
}

/* What would take too much memory is not offered: it waits in the store, in nobody's hands, and leaves nothing here. */
static void what_is_too_large_to_offer_waits(void **state)
{
    enum { EACH = 4096 }; /* what one item takes at least */
    struct fixture *fixture = *state;
    fixture->way_count = STORE_ITEM_MAX / sizeof(struct mail_way);
    struct mail_way *ways = calloc(fixture->way_count, sizeof *ways);
    assert_non_null(ways);
    fixture->ways = ways;
    expect_no_growth(fixture, bytes_of("large in memory"), 3, EACH);
    unsigned failures = fixture->failures;
    store.looks = true;
    commit(fixture, bytes_of("large in memory"), 1, false);
    assert_false(look_at(fixture)->rows[0].handed);
    go_on(fixture, fixture->answers + 1);
    assert_int_equal(fixture->failures, failures);
    assert_int_equal(offers, 0);
    assert_int_equal(counts(fixture).waiting, 1);
    free(ways);
}

/* An upload whose message may turn out to be kept is left to it. */
static void an_upload_in_doubt_is_left(void **state)
{
    struct fixture *fixture = *state;
    static char large[600000];
    memset(large, 'x', sizeof large);
    door.limbo = store.lost = true;
    commit(fixture, bytes_at(large, sizeof large), 1, false);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->fault.class, FAULT_UNCERTAIN);
    assert_int_equal(store.uploads_freed, 1);
    assert_int_equal(store.left, 1);
    door.limbo = store.lost = false;
    fixture_open(fixture);
}

static void on_never(void *ctx)
{
    (void)ctx;
    fail_msg("a stage that was committed called");
}

static void on_never_ready(void *ctx, const struct mail_source *source)
{
    (void)source;
    on_never(ctx);
}

/* Whoever gave a stage away hears no more of it, whatever was under way. */
static void a_stage_that_was_taken_is_silent(void **state)
{
    struct fixture *fixture = *state;
    static char large[300000];
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX"};
    memset(large, 'x', sizeof large);
    for (unsigned i = 0; i < 2; i++) {
        struct mail_envelope envelope = {.id = i == 0 ? "ONE" : "TWO", .from = "a@b.example"};
        struct spool_stage *stage = spool_stage_new(fixture->spool, on_never, NULL);
        if (i == 0) {
            disregard(spool_stage_write(stage, bytes_at(large, sizeof large)));
            assert_int_equal(spool_stage_write(stage, bytes_at(large, STORE_CHUNK)), 1);
        } else {
            disregard(spool_stage_write(stage, bytes_of("small")));
            spool_stage_source(stage, on_never_ready, NULL);
        }
        spool_commit(&stage, &envelope, &delivery, 1, on_answer, fixture);
        run_until(fixture, &fixture->answers, i + 1);
        turn(fixture);
        assert_int_equal(fixture->failures, 0);
        assert_int_equal(fixture->items[0]->body_size, i == 0 ? sizeof large + STORE_CHUNK : 5);
        finish_all(fixture);
        assert_int_equal(fixture->answers, i + 2);
        fixture->answers = i + 1;
    }
}

#define COMMIT(name) cmocka_unit_test_setup_teardown(name, set_up_commit, tear_down_commit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMIT(nothing_of_it_stays_in_memory),    COMMIT(a_body_stays_as_long_as_it_is_asked_for),
        COMMIT(what_is_too_large_to_offer_waits), COMMIT(an_upload_in_doubt_is_left),
        COMMIT(a_stage_that_was_taken_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
