/*
 * Tests of dispatch/dispatch_report: what the report says and holds, and that a crash between a report and the end of its delivery makes no second one.
 */
#include "spool_fixture.h"

#include "dispatch/dispatch_report.h"

static unsigned reported;

static void on_reported(void *ctx)
{
    struct fixture *fixture = ctx;
    reported++;
    net_loop_stop(fixture->loop);
}

static struct config config_of_test(void)
{
    static char hostname[] = "gw.example.net", upstream[] = "corp", folder[] = "Dead letters";
    struct config config;
    memset(&config, 0, sizeof config);
    config.hostname = hostname;
    config.dead_upstream = upstream;
    config.dead_folder = folder;
    return config;
}

static struct spool_outcome dead(void)
{
    struct spool_outcome outcome = {.kind = SPOOL_DEAD};
    fault_set(&outcome.fault, FAULT_PERM, "toobig", "APPEND", "the server said never");
    return outcome;
}

static void report_and_wait(struct fixture *fixture, struct spool_item *item)
{
    struct config config = config_of_test();
    struct dispatch_report_options options = {
        .loop = fixture->loop, .spool = fixture->spool, .config = &config, .ended_ms = 1700000000000};
    struct spool_outcome outcome = dead();
    unsigned before = reported;
    dispatch_report_start(&options, item, &outcome, on_reported, fixture);
    assert_int_equal(reported, before);
    run_until(fixture, &reported, before + 1);
}

static void test_wanted(void **state)
{
    (void)state;
    struct config config = config_of_test();
    struct spool_outcome outcome = dead();
    struct spool_item item = {.delivery.rule = "r"};
    assert_true(dispatch_report_wanted(&config, &item, &outcome));
    item.delivery.rule = NULL;
    assert_true(dispatch_report_wanted(&config, &item, &outcome));
    item.delivery.rule = DISPATCH_REPORT_RULE;
    assert_false(dispatch_report_wanted(&config, &item, &outcome));
    item.delivery.rule = "r";
    outcome.kind = SPOOL_DEFERRED;
    assert_false(dispatch_report_wanted(&config, &item, &outcome));
    outcome.kind = SPOOL_DEAD;
    config.dead_upstream = NULL;
    assert_false(dispatch_report_wanted(&config, &item, &outcome));
}

static void expect_in(struct bytes text, const char *what)
{
    if (memmem(text.ptr, text.len, what, strlen(what)) == NULL) {
        fail_msg("\"%s\" is not in the report", what);
    }
}

static void test_report(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "Subject: lost\r\n\r\nits body\r\n", 1);
    report_and_wait(fixture, fixture->items[0]);
    assert_int_equal(fixture->item_count, 2);
    const struct spool_item *report = fixture->items[1];
    assert_string_equal(report->delivery.folder, "Dead letters");
    assert_string_equal(report->delivery.rule, DISPATCH_REPORT_RULE);
    assert_string_equal(report->envelope.from, "");
    assert_false(report->uncertain);
    struct bytes text = read_item(fixture, fixture->items[1], 0, 1u << 20);
    static const char *const parts[] = {"report-type=delivery-status", "\r\nAction: failed\r\n",
                                        "the server said never (toobig, APPEND)",
                                        "\r\n\r\nSubject: lost\r\n\r\nits body\r\n", "mailweir queue retry "};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        expect_in(text, parts[i]);
    }
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
}

/* The report is durable, the end of the delivery is not: the same again after the crash. Another attempt has another report. */
static void test_no_second_report(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "lost", 1);
    report_and_wait(fixture, fixture->items[0]);
    finish_and_wait(fixture, SPOOL_FILED, 0);     /* the report is filed and settled */
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0); /* nothing of the attempt is known any more */
    fixture_reopen(fixture);
    assert_int_equal(fetch(fixture, 10), 1);
    report_and_wait(fixture, fixture->items[0]);
    assert_int_equal(fixture->item_count, 1);
    assert_int_equal(counts(fixture).waiting, 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    report_and_wait(fixture, fixture->items[0]);
    assert_int_equal(counts(fixture).waiting, 2);
    assert_int_equal(fixture->item_count, 2);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),
        TEST(test_report),
        TEST(test_no_second_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
