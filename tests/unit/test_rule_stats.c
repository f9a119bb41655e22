/* rule_stats: what is counted, by whom, and up to how many. */
#include <stdio.h>

#include "decision/rule_stats.h"
#include "test.h"

static struct mail_delivery delivery(const char *rule, const char *folder)
{
    return (struct mail_delivery){.upstream = "corp", .folder = folder, .rule = rule};
}

static void decisions_are_counted_by_action_rule_and_way(void **state)
{
    (void)state;
    struct rule_stats *stats = rule_stats_new();
    struct mail_delivery deliveries[] = {delivery("a", "X"), delivery("b", "Y")};
    const char *rules[] = {"a", "b"};
    struct filters_decision filed = {.deliveries = deliveries, .delivery_count = 2, .rules = rules, .rule_count = 2};
    struct filters_decision rejected = {
        .reply_code = 550, .rule = "r", .rules = (const char *[]){"r"}, .rule_count = 1};
    struct filters_decision deferred = {
        .reply_code = 451, .rule = "r", .rules = (const char *[]){"r"}, .rule_count = 1};
    struct filters_decision discarded = {.rules = (const char *[]){"d"}, .rule_count = 1};
    rule_stats_decided(stats, "apps", &filed, 1000, 700);
    rule_stats_decided(stats, "apps", &filed, 2000, 700);
    rule_stats_decided(stats, "apps", &rejected, 3000, 1);
    rule_stats_decided(stats, NULL, &deferred, 4000, 1);
    rule_stats_decided(stats, "apps", &discarded, 5000, 1);
    assert_int_equal(rule_stats_messages(stats, RULE_STATS_FILED), 2);
    assert_int_equal(rule_stats_messages(stats, RULE_STATS_REJECTED), 1);
    assert_int_equal(rule_stats_messages(stats, RULE_STATS_DEFERRED), 1);
    assert_int_equal(rule_stats_messages(stats, RULE_STATS_DISCARDED), 1);
    assert_int_equal(rule_stats_rule(stats, "r")->hits, 2);
    assert_int_equal(rule_stats_rule(stats, "r")->last_ms, 4000);
    assert_int_equal(rule_stats_rule(stats, "b")->hits, 2);
    assert_null(rule_stats_rule(stats, "never"));
    assert_int_equal(rule_stats_time(stats)->count, 5);
    static const char *const folders[] = {"X", "Y", "rejected", "deferred", "discarded"};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(rule_stats_flow_at(stats, i)->folder, folders[i]);
    }
    assert_int_equal(rule_stats_flow_at(stats, 1)->count, 2);
    assert_int_equal(rule_stats_flow_at(stats, 1)->last_ms, 2000);
    assert_string_equal(rule_stats_flow_at(stats, 3)->listener, "");
    assert_null(rule_stats_flow_at(stats, 5));
    rule_stats_free(&stats);
    assert_null(stats);
}

static void ways_are_bounded(void **state)
{
    (void)state;
    struct rule_stats *stats = rule_stats_new();
    const char *rules[] = {"a"};
    for (int i = 0; i < RULE_STATS_FLOWS_MAX + 50; i++) {
        char folder[40];
        snprintf(folder, sizeof folder, "folder %d", i);
        struct mail_delivery one = delivery("a", folder);
        struct filters_decision filed = {.deliveries = &one, .delivery_count = 1, .rules = rules, .rule_count = 1};
        rule_stats_decided(stats, "apps", &filed, 1, 1);
    }
    assert_non_null(rule_stats_flow_at(stats, RULE_STATS_FLOWS_MAX - 1));
    assert_null(rule_stats_flow_at(stats, RULE_STATS_FLOWS_MAX));
    assert_int_equal(rule_stats_rule(stats, "a")->hits, RULE_STATS_FLOWS_MAX + 50);
    rule_stats_free(&stats);
}

static void failures_tell_limits_apart(void **state)
{
    (void)state;
    struct rule_stats *stats = rule_stats_new();
    static const char *const codes[] = {"pattern-limit", "time-limit", "rules-memory", "io"};
    for (size_t i = 0; i < 4; i++) {
        struct fault fault = FAULT_INIT;
        fault_set(&fault, FAULT_TEMP, codes[i], i == 1 ? "b" : "a", "why");
        rule_stats_failed(stats, &fault, 1000 + (int64_t)i);
    }
    struct filters_decision decision = {.limits_hit = 2,
                                        .failed = (const char *[]){"b", "c", "b"},
                                        .failed_count = 3,
                                        .out_of_time = true,
                                        .mime_limit = "depth"};
    rule_stats_decided(stats, "apps", &decision, 5000, 1);
    assert_int_equal(rule_stats_error(stats, "a")->count, 1); /* what is no fault of a rule is on nobody's account */
    assert_int_equal(rule_stats_error(stats, "a")->last_ms, 1000);
    assert_int_equal(rule_stats_error(stats, "b")->count, 3);
    assert_int_equal(rule_stats_error(stats, "b")->last_ms, 5000);
    assert_int_equal(rule_stats_error(stats, "c")->count, 1);
    assert_null(rule_stats_error(stats, "d"));
    assert_null(rule_stats_rule(stats, "b"));
    assert_int_equal(rule_stats_failures(stats), 4);
    assert_int_equal(rule_stats_limits(stats, RULE_STATS_LIMIT_PATTERN), 3);
    assert_int_equal(rule_stats_limits(stats, RULE_STATS_LIMIT_TIME), 2);
    assert_int_equal(rule_stats_limits(stats, RULE_STATS_LIMIT_MEMORY), 1);
    assert_int_equal(rule_stats_limits(stats, RULE_STATS_LIMIT_MIME), 1);
    assert_string_equal(rule_stats_limit_name(RULE_STATS_LIMIT_MIME), "mime");
    rule_stats_free(&stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_counted_by_action_rule_and_way),
        cmocka_unit_test(ways_are_bounded),
        cmocka_unit_test(failures_tell_limits_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
