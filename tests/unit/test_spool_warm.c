/* spool_warm: bodies read together before they are asked for; items that go meanwhile; what stays on the disk. */
#include "spool_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#define COUNT 5

static void commit_and_fetch(struct fixture *fixture, size_t count, size_t len)
{
    char *body = calloc(1, len + 1);
    fixture->takes = false;
    for (size_t i = 0; i < count; i++) {
        memset(body, 'a' + (int)i, len);
        commit_and_wait(fixture, body, 1);
    }
    free(body);
    fixture_reopen(fixture); /* what was just committed would be in memory */
    assert_int_equal(fetch(fixture, ITEMS_MAX), count);
    for (size_t i = 0; i < count; i++) {
        assert_null(spool_item_at_hand(fixture->items[i], 0, 10).ptr);
    }
}

static void finish_all(struct fixture *fixture)
{
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

static void check_body(struct fixture *fixture, struct spool_item *item, size_t len)
{
    char letter = (char)spool_item_at_hand(item, 0, 1).ptr[0];
    struct bytes whole = spool_item_at_hand(item, 0, len + 10);
    assert_int_equal(whole.len, len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(whole.ptr[i], letter);
    }
    assert_int_equal(spool_item_at_hand(item, 3, 2).len, 2);
    assert_int_equal(spool_item_at_hand(item, len - 1, 5).len, 1);
    assert_null(spool_item_at_hand(item, len, 5).ptr);
    struct bytes read = read_item(fixture, item, 1, 3);
    assert_int_equal(read.len, 3);
    assert_int_equal(read.ptr[0], letter);
}

/* One that is read meanwhile is answered when the bodies are there, and then the others are at hand. */
static void test_at_hand(void **state)
{
    struct fixture *fixture = *state;
    commit_and_fetch(fixture, COUNT, 5000);
    spool_warm(fixture->spool, fixture->items, COUNT);
    spool_warm(fixture->spool, fixture->items, COUNT); /* once is enough */
    assert_null(spool_item_at_hand(fixture->items[0], 0, 10).ptr);
    assert_int_equal(read_item(fixture, fixture->items[COUNT - 1], 4990, 20).len, 10);
    for (size_t i = 0; i < COUNT; i++) {
        check_body(fixture, fixture->items[i], 5000);
    }
    spool_warm(fixture->spool, fixture->items, COUNT); /* they are there already */
    finish_all(fixture);
}

static void test_given_back_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    commit_and_fetch(fixture, COUNT, 5000);
    spool_warm(fixture->spool, fixture->items, COUNT);
    unsigned answers = fixture->answers;
    while (fixture->item_count > 0) {
        finish(fixture, SPOOL_FILED, 0);
    }
    run_until(fixture, &fixture->answers, answers + COUNT);
    assert_int_equal(counts(fixture).waiting, 0);
}

static void test_spool_closed_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    commit_and_fetch(fixture, COUNT, 60000);
    spool_warm(fixture->spool, fixture->items, COUNT);
    while (fixture->item_count > 0) {
        finish(fixture, SPOOL_UNTOUCHED, 0);
    }
    fixture_reopen(fixture);
    assert_int_equal(counts(fixture).waiting, COUNT);
}

/* A long one stays on the disk, and is read in pieces. */
static void test_bounds(void **state)
{
    struct fixture *fixture = *state;
    commit_and_fetch(fixture, 1, 65537);
    spool_warm(fixture->spool, fixture->items, 1);
    assert_int_equal(read_item(fixture, fixture->items[0], 65536, 20).len, 1);
    assert_null(spool_item_at_hand(fixture->items[0], 0, 10).ptr);
    finish_all(fixture);
}

static void test_damaged(void **state)
{
    struct fixture *fixture = *state;
    char path[300];
    commit_and_fetch(fixture, 1, 5000);
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", fixture->path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "W", 1, 140), 1);
    close(fd);
    spool_warm(fixture->spool, fixture->items, 1);
    assert_int_equal(read_item(fixture, fixture->items[0], 0, 20).len, 0);
    assert_string_equal(fixture->fault.code, "damaged");
    assert_null(spool_item_at_hand(fixture->items[0], 0, 10).ptr);
    finish_all(fixture);
}

static void stop(void *loop)
{
    net_loop_stop(loop);
}

/* What is whole in memory already, what is empty and what is known to be damaged is not read; nor is what the cache has no room for. */
static void test_not_wanted(void **state)
{
    struct fixture *fixture = *state;
    static char body[60001];
    memset(body, 'x', sizeof body - 1);
    commit_and_wait(fixture, "fresh", 1);
    commit_and_wait(fixture, "", 1);
    spool_warm(fixture->spool, fixture->items, 2);
    assert_int_equal(spool_item_at_hand(fixture->items[0], 0, 10).len, 5);
    assert_null(spool_item_at_hand(fixture->items[1], 0, 10).ptr);
    assert_int_equal(read_item(fixture, fixture->items[1], 0, 10).len, 0);
    finish_all(fixture);
    /* The bodies of so many messages fill the cache. */
    unsigned many = (32u << 20) / 60000 + 5, answers = fixture->answers;
    fixture->takes = false;
    commit_and_wait(fixture, "the first one, which stays out", 1);
    fixture_reopen(fixture);
    assert_int_equal(fetch(fixture, 1), 1);
    struct spool_item *out = fixture->items[--fixture->item_count];
    fixture->takes = true;
    answers = fixture->answers;
    for (unsigned i = 0; i < many; i++) {
        commit(fixture, bytes_at(body, 60000), 1, false); /* in memory until it is answered and given back */
    }
    spool_warm(fixture->spool, &out, 1);
    net_defer(fixture->loop, stop, fixture->loop);
    net_loop_run(fixture->loop);
    assert_null(spool_item_at_hand(out, 0, 10).ptr);
    assert_int_equal(read_item(fixture, out, 0, 100).len, 30);
    assert_int_equal(read_item(fixture, out, 30, 100).len, 0);
    assert_int_equal(read_item(fixture, out, 3000, 100).len, 0);
    run_until(fixture, &fixture->answers, answers + many);
    finish_all(fixture);
    fixture->items[fixture->item_count++] = out;
    finish_all(fixture);
    while (fetch(fixture, 100) > 0) {
        finish_all(fixture);
    }
}

/* Its owner lets go while it is read, of a body that turns out damaged, and of what the spool has then nothing more to do with. */
static void test_damaged_and_given_back(void **state)
{
    struct fixture *fixture = *state;
    char path[300];
    commit_and_fetch(fixture, 1, 5000);
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", fixture->path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "W", 1, 140), 1);
    close(fd);
    assert_int_equal(read_item(fixture, fixture->items[0], 0, 20).len, 0);
    assert_string_equal(fixture->fault.code, "damaged");
    spool_warm(fixture->spool, fixture->items, 1); /* nobody reads it once more */
    unsigned answers = fixture->answers;
    assert_true(spool_item_is_damaged(fixture->items[0]));
    finish(fixture, SPOOL_DEAD, 0);
    run_until(fixture, &fixture->answers, answers + 1);
    assert_int_equal(counts(fixture).dead, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_at_hand), TEST(test_given_back_meanwhile), TEST(test_spool_closed_meanwhile), TEST(test_bounds),
        TEST(test_damaged), TEST(test_not_wanted),           TEST(test_damaged_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
