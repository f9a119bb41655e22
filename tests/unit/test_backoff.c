/* backoff: doubling, the maximum, jitter within its bounds. */
#include "test.h"

#include "engine/backoff.h"

static void test_doubles(void **state)
{
    (void)state;
    const struct backoff backoff = {.initial_ms = 1000, .maximum_ms = 60000};
    static const uint64_t expected[] = {0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(backoff_delay(&backoff, i, 0), expected[i]);
    }
    assert_int_equal(backoff_delay(&backoff, 4000000000u, 0), 60000);
}

static void test_jitter(void **state)
{
    (void)state;
    const struct backoff backoff = {.initial_ms = 1000, .maximum_ms = 60000};
    for (uint64_t random = 0; random < 5000; random += 7) {
        uint64_t delay = backoff_delay(&backoff, 3, random);
        assert_true(delay <= 4000 && delay >= 3000);
    }
    assert_int_equal(backoff_delay(&backoff, 3, 1000), 3000);
}

static void test_extremes(void **state)
{
    (void)state;
    const struct backoff huge = {.initial_ms = UINT64_MAX / 2 + 1, .maximum_ms = UINT64_MAX};
    const struct backoff none = {.initial_ms = 0, .maximum_ms = 0};
    assert_int_equal(backoff_delay(&huge, 5, 0), UINT64_MAX);
    assert_int_equal(backoff_delay(&none, 5, 12345), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_doubles), cmocka_unit_test(test_jitter),
                                       cmocka_unit_test(test_extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
