/*
 * Tests of the spool with a disk that fails: this program brings its own net_file_sync() and net_file_write(), which call the real ones
 * but fail when they are told to. A failed sync is never tried again, its jobs fail, settlements wait until they can be written.
 */
#include "spool_fixture.h"

#include <limits.h>

#include "net/net_file.h"

static unsigned fail_syncs, fail_writes, fail_names;
static const char *fail_code = "eio";
static const struct net_file *failed_file;
static unsigned syncs_after_failure;

int __real_net_file_sync(struct net_file *file, struct fault *fault);
int __wrap_net_file_sync(struct net_file *file, struct fault *fault);
int __real_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);
int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);
int __real_net_file_close(struct net_file **file, struct fault *fault);
int __wrap_net_file_close(struct net_file **file, struct fault *fault);
int __real_net_file_sync_directory(const char *path, struct fault *fault);
int __wrap_net_file_sync_directory(const char *path, struct fault *fault);

static bool fails(unsigned *counter, struct fault *fault)
{
    if (*counter == 0) {
        return false;
    }
    (*counter)--;
    fault_set(fault, FAULT_LOCAL, fail_code, "test", "the disk was told to fail");
    return true;
}

int __wrap_net_file_sync(struct net_file *file, struct fault *fault)
{
    syncs_after_failure += file == failed_file;
    if (fails(&fail_syncs, fault)) {
        failed_file = file;
        return -1;
    }
    return __real_net_file_sync(file, fault);
}

/* Another file may get the same address later. */
int __wrap_net_file_close(struct net_file **file, struct fault *fault)
{
    failed_file = *file == failed_file ? NULL : failed_file;
    return __real_net_file_close(file, fault);
}

int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault)
{
    return fails(&fail_writes, fault) ? -1 : __real_net_file_write(file, offset, pieces, count, fault);
}

int __wrap_net_file_sync_directory(const char *path, struct fault *fault)
{
    return fails(&fail_names, fault) ? -1 : __real_net_file_sync_directory(path, fault);
}

/* ---- transactions of the index that fail when they are to be durable ---- */

static unsigned fail_commits;
static bool in_limbo;

struct local_index;
int __real_local_index_commit(struct local_index *index, struct fault *fault);
int __wrap_local_index_commit(struct local_index *index, struct fault *fault);
bool __real_local_index_in_limbo(const struct local_index *index);
bool __wrap_local_index_in_limbo(const struct local_index *index);

int __wrap_local_index_commit(struct local_index *index, struct fault *fault)
{
    return fails(&fail_commits, fault) ? -1 : __real_local_index_commit(index, fault);
}

bool __wrap_local_index_in_limbo(const struct local_index *index)
{
    (void)index;
    return in_limbo;
}

static void expect_refused(struct fixture *fixture, const char *code)
{
    unsigned failures = fixture->failures;
    commit_and_wait(fixture, "refused", 1);
    assert_int_equal(fixture->failures, failures + 1);
    assert_int_equal(fixture->fault.class, FAULT_LOCAL);
    assert_string_equal(fixture->fault.code, code);
    assert_int_equal(fixture->item_count, 0);
    struct fault fault = FAULT_INIT;
    assert_int_equal(spool_can_accept(fixture->spool, 1, &fault), -1);
    assert_string_equal(fault.code, code);
}

/* After the trouble: what is committed now is kept, what was refused is not. */
static void expect_recovery(struct fixture *fixture)
{
    commit_and_wait(fixture, "accepted", 1);
    assert_int_equal(fixture->item_count, 1);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    fixture_reopen(fixture);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 100), "accepted"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_sync_fails(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "before", 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    syncs_after_failure = 0;
    fail_syncs = 1;
    expect_refused(fixture, "eio");
    expect_recovery(fixture);
    assert_int_equal(syncs_after_failure, 0);
}

static void test_name_fails(void **state)
{
    struct fixture *fixture = *state;
    fail_names = 1;
    expect_refused(fixture, "eio");
    expect_recovery(fixture);
}

static void test_write_fails(void **state)
{
    struct fixture *fixture = *state;
    static const char *const codes[] = {"enospc", "edquot", "eio", "efbig"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        fail_code = codes[i];
        fail_writes = 1;
        expect_refused(fixture, codes[i]);
        expect_recovery(fixture);
    }
    fail_code = "eio";
}

/* A large body fails while it streams: the stage says so, takes the rest and drops it, and the commit fails. */
static void test_stream_fails(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t body[500000];
    unsigned calls = 0;
    fail_writes = 1;
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, &calls);
    assert_int_equal(spool_stage_write(stage, bytes_at(body, sizeof body)), 0);
    struct mail_envelope envelope = {.id = "01STREAM", .from = "", .received_ms = 1};
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX"};
    spool_commit(&stage, &envelope, &delivery, 1, on_answer, fixture);
    run_until(fixture, &fixture->answers, 1);
    assert_int_equal(fixture->failures, 1);
    assert_string_equal(fixture->fault.code, "eio");
    expect_recovery(fixture);
}

/* Only the jobs of the failed segment fail: a settlement in the same group is recorded. */
static void test_settlement_in_failed_group(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "a", 1);
    /* The first goes alone, the other two wait for it and share a group. */
    fixture->takes = false;
    commit(fixture, bytes_of("b"), 0, false);
    fail_writes = 1;
    commit(fixture, bytes_of("c"), 1, false);
    finish(fixture, SPOOL_FILED, 0);
    run_until(fixture, &fixture->answers, 4);
    assert_int_equal(fixture->failures, 1);
    fixture_reopen(fixture);
    assert_int_equal(counts(fixture).messages, 0);
}

/* What waits gets its new time as soon as the disk takes it; nobody asks for it a second time. */
static void test_clock_jump_while_writes_fail(void **state)
{
    struct fixture *fixture = *state;
    int64_t before = net_wall(fixture->loop) + 1000, after = before - 3600000;
    commit_and_wait(fixture, "waits", 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, before + 60000);
    in_limbo = false;
    fail_commits = 1;
    spool_clock_jumped(fixture->spool, -3600000, before);
    int64_t deadline = net_wall(fixture->loop) + DEADLINE_MS;
    do {
        assert_int_equal(fetch_at(fixture, after, 10), 0);
    } while (fixture->next_due_ms > before && net_wall(fixture->loop) < deadline);
    /* A minute from when the outcome was written, which a busy machine does later than it was told. */
    assert_in_range(fixture->next_due_ms, after + 60000, after + 60000 + DEADLINE_MS);
    assert_int_equal(fail_commits, 0);
}

/* The second of two jumps waits for the first: what it says is of times that the first one has moved. */
static void test_clock_jumps_twice_while_writes_fail(void **state)
{
    struct fixture *fixture = *state;
    int64_t first = net_wall(fixture->loop) + 1000, second = first - 446000, third = second - 1960000;
    commit_and_wait(fixture, "waits", 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, first + 60000);
    in_limbo = false;
    fail_commits = 1;
    spool_clock_jumped(fixture->spool, -446000, first);
    int64_t deadline = net_wall(fixture->loop) + DEADLINE_MS;
    while (fail_commits > 0 && net_wall(fixture->loop) < deadline) {
        assert_int_equal(fetch_at(fixture, third, 10), 0);
    }
    spool_clock_jumped(fixture->spool, -1960000, second);
    do {
        assert_int_equal(fetch_at(fixture, third, 10), 0);
    } while (fixture->next_due_ms > third + 60000 + DEADLINE_MS && net_wall(fixture->loop) < deadline);
    assert_in_range(fixture->next_due_ms, third + 60000, third + 60000 + DEADLINE_MS);
}

/* A part of it could not be written: it cannot come to life, and is refused at once. */
static void test_transaction_fails(void **state)
{
    struct fixture *fixture = *state;
    in_limbo = false;
    fail_commits = 2;
    expect_refused(fixture, "eio");
    assert_int_equal(fail_commits, 0);
    expect_recovery(fixture);
}

/* It may come to life: nobody hears of it before something was written over it, and nothing is accepted meanwhile. */
static void test_limbo(void **state)
{
    struct fixture *fixture = *state;
    in_limbo = true;
    fail_commits = 5; /* it, what is written over it at once, the next job and the same, the first try a second later */
    commit(fixture, bytes_of("in limbo"), 1, false);
    run_until(fixture, &fixture->answers, 1);
    assert_int_equal(fail_commits, 0);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->fault.class, FAULT_LOCAL);
    assert_int_equal(spool_can_accept(fixture->spool, 1, NULL), -1);
    assert_int_equal(fixture->item_count, 0);
    expect_recovery(fixture);
}

/* Nothing can be written over it until the end: whoever asked hears that nobody knows. */
static void test_limbo_to_the_end(void **state)
{
    struct fixture *fixture = *state;
    in_limbo = true;
    fail_commits = UINT_MAX;
    commit(fixture, bytes_of("in limbo"), 1, false);
    spool_close(&fixture->spool);
    fail_commits = 0;
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->fault.class, FAULT_UNCERTAIN);
    fixture_open(fixture);
    expect_recovery(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sync_fails),
        TEST(test_name_fails),
        TEST(test_write_fails),
        TEST(test_stream_fails),
        TEST(test_settlement_in_failed_group),
        TEST(test_clock_jump_while_writes_fail),
        TEST(test_clock_jumps_twice_while_writes_fail),
        TEST(test_transaction_fails),
        TEST(test_limbo),
        TEST(test_limbo_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
