/* Tests of how long a sender who waits for the upstreams is remembered: what he brings again is the first message within the time that the listener asks for, over a restart, too. */
#include "spool_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lasts_a_day, fixture_set_up, fixture_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
