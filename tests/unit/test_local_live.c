/* Tests of store/local/local_live: the count of what lives in a segment, and the moment when nothing does. */
#include "test.h"

#include "store/local/local_live.h"

static void test_counts(void **state)
{
    (void)state;
    struct local_live *live = local_live_new();
    assert_int_equal(local_live_messages(live, 1), 0);
    assert_int_equal(local_live_octets(live, 1), 0);
    local_live_add(live, 1, 1, 100);
    local_live_add(live, 1, 2, 50);
    local_live_add(live, UINT64_MAX, 1, UINT64_C(1) << 40);
    assert_int_equal(local_live_messages(live, 1), 3);
    assert_int_equal(local_live_octets(live, 1), 150);
    assert_int_equal(local_live_octets(live, UINT64_MAX), UINT64_C(1) << 40);
    assert_false(local_live_remove(live, 1, 100));
    assert_false(local_live_remove(live, 1, 25));
    assert_int_equal(local_live_octets(live, 1), 25);
    assert_true(local_live_remove(live, 1, 25));
    assert_int_equal(local_live_messages(live, 1), 0);
    assert_true(local_live_remove(live, UINT64_MAX, UINT64_C(1) << 40));
    local_live_add(live, 1, 1, 1);
    assert_true(local_live_remove(live, 1, 1));
    local_live_free(&live);
    assert_null(live);
    local_live_free(&live);
}

static void sum_up(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets)
{
    *(uint64_t *)ctx += segment * 1000000 + messages * 1000 + octets;
}

static void test_each(void **state)
{
    (void)state;
    struct local_live *live = local_live_new();
    uint64_t sum = 0;
    local_live_each(live, sum_up, &sum);
    assert_int_equal(sum, 0);
    local_live_add(live, 3, 1, 10);
    local_live_add(live, 3, 1, 20);
    local_live_add(live, 4, 1, 5);
    local_live_each(live, sum_up, &sum);
    assert_int_equal(sum, 3002030 + 4001005);
    local_live_free(&live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_each)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
