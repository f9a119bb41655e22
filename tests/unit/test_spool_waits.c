/* Tests of how long a sender who waits for the upstreams is remembered: what he brings again is the first message within the time that the listener asks for, over a restart, too. */
#include "spool_fixture.h"

#include <unistd.h>

#include "store/local/local_check.h"

#define DAY_MS INT64_C(86400000)

/* One that was filed, and of which its sender has not heard. */
static void file_unheard(struct fixture *fixture, const char *body)
{
    commit_and_wait(fixture, body, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_lasts_a_day(void **state)
{
    struct fixture *fixture = *state;
    const int64_t began_ms = INT64_C(1764590000000);
    fixture->waits_ms = (uint64_t)DAY_MS;
    fixture->stopped_ms = began_ms;
    fixture_reopen(fixture);
    file_unheard(fixture, "first");
    file_unheard(fixture, "second");
    fixture_reopen(fixture);
    fixture->stopped_ms = began_ms + DAY_MS;
    commit_and_wait(fixture, "first", 1);
    assert_true(fixture->repeated[0] != '\0');
    assert_int_equal(counts(fixture).waiting, 0);
    fixture->repeated[0] = '\0';
    fixture->stopped_ms = began_ms + DAY_MS + 1;
    commit_and_wait(fixture, "second", 1);
    assert_string_equal(fixture->repeated, "");
    assert_int_equal(counts(fixture).waiting, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void on_report(void *ctx, const char *id, const struct fault *fault)
{
    (void)ctx;
    fail_msg("%s: %s", id == NULL ? "" : id, fault->text);
}

/* The index is made anew from the segments alone. */
static void lose_index(struct fixture *fixture)
{
    char path[300];
    struct local_rebuild_result result;
    struct fault fault = FAULT_INIT;
    spool_close(&fixture->spool);
    snprintf(path, sizeof path, "%s/index.sqlite", fixture->path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(local_rebuild(fixture->path, on_report, NULL, &result, &fault), 0);
    fixture_open(fixture);
}

/* The record knows whether its sender waited, and the print is made anew: what he brings again is known behind an index
 * that was lost. Of who did not wait, it is known in the time of the window alone. */
static void test_behind_a_lost_index(void **state)
{
    static const struct {
        bool waited;
        uint64_t waits_ms, window_ms; /* of the second time */
        bool is_known;
    } cases[] = {{true, (uint64_t)DAY_MS, 0, true},
                 {false, (uint64_t)DAY_MS, 0, false},
                 {false, 0, (uint64_t)DAY_MS, true},
                 {true, 0, 0, false}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[20];
        snprintf(body, sizeof body, "message %zu", i);
        fixture->takes = false;
        fixture->waits_ms = cases[i].waited ? (uint64_t)DAY_MS : 0;
        fixture->window_ms = 0;
        commit_and_wait(fixture, body, 1);
        lose_index(fixture);
        fixture->waits_ms = cases[i].waits_ms;
        fixture->window_ms = cases[i].window_ms;
        fixture->repeated[0] = '\0';
        commit_and_wait(fixture, body, 1);
        assert_int_equal(fixture->repeated[0] != '\0', cases[i].is_known);
    }
    assert_int_equal(counts(fixture).waiting, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lasts_a_day, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_behind_a_lost_index, fixture_set_up, fixture_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
