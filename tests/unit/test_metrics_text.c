/* metrics_text: the exposition format, letter by letter. */
#include <string.h>

#include "admin/metrics_text.h"
#include "test.h"

static void check(struct buf *out, const char *expected)
{
    assert_string_equal(buf_text(out), expected);
    buf_done(out);
}

static void a_family_has_help_type_and_samples(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    struct metrics_text text = {.out = &out};
    metrics_family(&text, METRICS_COUNTER, "x_total", "Things.");
    metrics_count(&text, NULL, 0);
    metrics_count(&text, METRICS_LABELS("a", "b", "c", "d"), UINT64_MAX);
    check(&out,
          "# HELP x_total Things.\n# TYPE x_total counter\nx_total 0\nx_total{a=\"b\",c=\"d\"} 18446744073709551615\n");
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    struct metrics_text text = {.out = &out};
    metrics_family(&text, METRICS_GAUGE, "x", "X.");
    metrics_count(&text, METRICS_LABELS("l", "a\"b\\c\nd{}=,é"), 1);
    check(&out, "# HELP x X.\n# TYPE x gauge\nx{l=\"a\\\"b\\\\c\\nd{}=,é\"} 1\n");
}

static void milliseconds_are_written_as_seconds(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "x 0.000\n"}, {1500, "x 1.500\n"}, {1795422016966, "x 1795422016.966\n"}, {-5, "x -0.005\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        struct metrics_text text = {.out = &out, .family = "x"};
        metrics_seconds(&text, NULL, cases[i].ms);
        check(&out, cases[i].text);
    }
}

static void a_histogram_is_cumulated(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    struct buf out;
    buf_init(&out, 10000);
    struct metrics_text text = {.out = &out};
    histogram_add(&histogram, 400);
    histogram_add(&histogram, 2000);
    histogram_add(&histogram, 100000000);
    metrics_family(&text, METRICS_HISTOGRAM, "t_seconds", "Time.");
    metrics_histogram(&text, METRICS_LABELS("u", "v"), &histogram);
    const char *all = buf_text(&out);
    assert_non_null(strstr(all, "# TYPE t_seconds histogram\nt_seconds_bucket{u=\"v\",le=\"0.0005\"} 1\n"));
    assert_non_null(
        strstr(all, "t_seconds_bucket{u=\"v\",le=\"0.001\"} 1\nt_seconds_bucket{u=\"v\",le=\"0.0025\"} 2\n"));
    assert_non_null(strstr(all, "t_seconds_bucket{u=\"v\",le=\"60\"} 2\nt_seconds_bucket{u=\"v\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(all, "t_seconds_sum{u=\"v\"} 100.002400\nt_seconds_count{u=\"v\"} 3\n"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_has_help_type_and_samples),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(milliseconds_are_written_as_seconds),
        cmocka_unit_test(a_histogram_is_cumulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
