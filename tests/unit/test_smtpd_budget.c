/* smtpd_budget: counts that slide, networks that share, a bound on memory. */
#include "test.h"

#include <stdio.h>

#include "engine/smtpd_budget.h"

#define WINDOW 60000

static const uint8_t seed[16] = {7};

static void counts_slide_out_of_the_window(void **state)
{
    struct smtpd_budget *budget = smtpd_budget_new(10, WINDOW, seed);
    (void)state;
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 0), 0);
    smtpd_budget_add(budget, "192.0.2.1", 0, 60);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 59999), 60);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 60000), 60);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 90000), 30);
    smtpd_budget_add(budget, "192.0.2.1", 90000, 5);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 90000), 35);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 120000), 5);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 240000), 0);
    smtpd_budget_free(&budget);
}

static void networks_share(void **state)
{
    struct smtpd_budget *budget = smtpd_budget_new(10, WINDOW, seed);
    (void)state;
    smtpd_budget_add(budget, "2001:db8::1", 0, 3);
    smtpd_budget_add(budget, "2001:db8::ffff", 0, 4);
    smtpd_budget_add(budget, "192.0.2.1", 0, 1);
    assert_int_equal(smtpd_budget_used(budget, "2001:db8::2", 0), 7);
    assert_int_equal(smtpd_budget_used(budget, "2001:db8:0:1::2", 0), 0);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.2", 0), 0);
    smtpd_budget_free(&budget);
}

static void a_count_does_not_run_over(void **state)
{
    struct smtpd_budget *budget = smtpd_budget_new(3, WINDOW, seed);
    (void)state;
    smtpd_budget_add(budget, "192.0.2.1", 0, UINT32_MAX);
    smtpd_budget_add(budget, "192.0.2.1", 0, 2);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.1", 0), UINT32_MAX);
    smtpd_budget_free(&budget);
}

static void memory_is_bounded(void **state)
{
    struct smtpd_budget *budget = smtpd_budget_new(3, WINDOW, seed);
    char address[32];
    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(address, sizeof address, "192.0.2.%d", i);
        smtpd_budget_add(budget, address, 0, 1);
    }
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.0", 0), 1);
    assert_int_equal(smtpd_budget_used(budget, "192.0.2.99", 0), 97); /* shares with those that found no place */
    smtpd_budget_add(budget, "198.51.100.1", 3 * WINDOW, 1);          /* a quiet one is forgotten for it */
    assert_int_equal(smtpd_budget_used(budget, "198.51.100.1", 3 * WINDOW), 1);
    smtpd_budget_free(&budget);
    smtpd_budget_free(&budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_slide_out_of_the_window),
        cmocka_unit_test(networks_share),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(a_count_does_not_run_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
