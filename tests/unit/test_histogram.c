/* histogram: what falls in which bucket, and percentiles. */
#include "base/histogram.h"
#include "test.h"

static void a_bound_belongs_to_its_bucket(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        struct histogram histogram = {0};
        histogram_add(&histogram, histogram_bounds[i]);
        histogram_add(&histogram, histogram_bounds[i] + 1);
        assert_int_equal(histogram.buckets[i], 1);
        assert_int_equal(histogram.buckets[i + 1], 1);
        assert_int_equal(histogram.count, 2);
        assert_int_equal(histogram.sum_us, 2 * histogram_bounds[i] + 1);
    }
}

static void percentiles_are_bounds(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    assert_int_equal(histogram_percentile(&histogram, 99), 0);
    for (int i = 0; i < 99; i++) {
        histogram_add(&histogram, 900);
    }
    histogram_add(&histogram, 4000000);
    assert_int_equal(histogram_percentile(&histogram, 50), 1000);
    assert_int_equal(histogram_percentile(&histogram, 99), 1000);
    assert_int_equal(histogram_percentile(&histogram, 100), 5000000);
    histogram_add(&histogram, UINT64_C(1) << 40);
    assert_int_equal(histogram_percentile(&histogram, 100), histogram_bounds[HISTOGRAM_BOUNDS - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_belongs_to_its_bucket),
        cmocka_unit_test(percentiles_are_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
