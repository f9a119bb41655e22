/* A set is made fast beside the loop: to its end, to a limit, or until another set is in force. The steps are this test's own. */
#include <stdatomic.h>

#include "decision/decision.h"
#include "decision/hasten.h"
#include "filters_fixture.h"
#include "net/net_loop.h"

static atomic_size_t steps;
static size_t steps_at_all;
static atomic_size_t octets_of_step;

bool __wrap_filters_hasten(const struct filters_set *set, struct filters_hastened *progress);
bool __wrap_filters_hasten(const struct filters_set *set, struct filters_hastened *progress)
{
    (void)set;
    if (progress->ready >= steps_at_all) {
        return false;
    }
    atomic_fetch_add(&steps, 1);
    progress->ready++;
    progress->octets += octets_of_step;
    return true;
}

size_t __wrap_filters_hasten_wanted(const struct filters_set *set);
size_t __wrap_filters_hasten_wanted(const struct filters_set *set)
{
    (void)set;
    return steps_at_all;
}

static struct filters_set *rules(void)
{
    struct buf problems;
    buf_init(&problems, 10000);
    struct filters_set *set = fixture_load("{\"rules\":[]}", &problems);
    assert_non_null(set);
    buf_done(&problems);
    return set;
}

/* Begins with steps of so many octets, and another set when asked; tells how many are in at last. */
static size_t hastened(size_t count, size_t octets, bool replace)
{
    struct net_loop *loop = net_loop_new();
    struct filters_set *set = rules();
    size_t wanted, ready;
    steps_at_all = count;
    octets_of_step = octets;
    atomic_store(&steps, 0);
    const struct hasten_limits limits = {.milliseconds = 60000, .octets = 1000000};
    struct decision *decision = decision_new(loop, &set, NULL);
    decision_hasten(decision, &limits);
    if (replace) {
        while (atomic_load(&steps) == 0) { /* it is at the first set now, and would be for ever */
        }
        set = rules();
        assert_false(decision_replace(decision, &set));
        octets_of_step = limits.octets + 1;
        decision_hasten(decision, &limits);
    }
    decision_hastened(decision, &wanted, &ready);
    assert_int_equal(wanted, count);
    assert_int_equal(ready, 0);
    net_loop_run(loop); /* until the lane has nothing to do */
    decision_hastened(decision, &wanted, &ready);
    decision_free(&decision);
    net_loop_free(&loop);
    return ready;
}

static void all_steps_are_done(void **state)
{
    (void)state;
    assert_int_equal(hastened(0, 0, false), 0);
    assert_int_equal(hastened(10, 1000, false), 10);
    assert_int_equal(atomic_load(&steps), 10);
}

static void what_takes_too_much_is_left(void **state)
{
    (void)state;
    assert_int_equal(hastened(1000, 100000, false), 11);
}

static void another_set_ends_the_one_before(void **state)
{
    (void)state;
    assert_int_equal(hastened(SIZE_MAX, 0, true), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_steps_are_done),
        cmocka_unit_test(what_takes_too_much_is_left),
        cmocka_unit_test(another_set_ends_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
