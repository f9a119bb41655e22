/* Tests of tests/sim/shrink.h: of a failure that is known, exactly the pieces stay that it needs. */
#include "test.h"

#include "../sim/shrink.h"

struct failure {
    uint64_t needed; /* all of these */
    uint64_t either; /* or all of these */
    uint64_t crutch; /* without `prop`, this one is needed too */
    uint64_t prop;
    unsigned lives;
};

static bool fails(void *ctx, uint64_t left_out)
{
    struct failure *failure = ctx;
    failure->lives++;
    bool stands = (left_out & failure->crutch) == 0 || (left_out & failure->prop) != 0;
    return stands && ((left_out & failure->needed) == 0 || (failure->either != 0 && (left_out & failure->either) == 0));
}

static uint64_t kept(struct failure *failure, unsigned count)
{
    uint64_t all = count == SHRINK_MAX ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    return all & ~shrink(count, fails, failure);
}

static void what_is_needed_stays(void **state)
{
    (void)state;
    static const uint64_t needed[] = {0, 1, 0x8, 0x88, 0x8001, 0xffff, 0x5555};
    for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        struct failure failure = {.needed = needed[i]};
        assert_int_equal(kept(&failure, 16), needed[i]);
    }
    struct failure last = {.needed = UINT64_C(1) << 63};
    assert_true(kept(&last, 64) == UINT64_C(1) << 63);
    struct failure odd = {.needed = 0x4};
    assert_int_equal(kept(&odd, 3), 0x4);
}

static void of_two_causes_one_stays(void **state)
{
    (void)state;
    struct failure failure = {.needed = 0x3, .either = 0xc000};
    assert_int_equal(kept(&failure, 16), 0xc000);
}

/* The crutch stands before its prop: only a second round finds that it can go. */
static void what_was_needed_by_what_is_gone_goes(void **state)
{
    (void)state;
    struct failure failure = {.needed = 0x100, .crutch = 0x1, .prop = 0x8000};
    assert_int_equal(kept(&failure, 16), 0x100);
}

static void long_runs_save_lives(void **state)
{
    (void)state;
    struct failure failure = {.needed = 0x1};
    assert_int_equal(kept(&failure, 64), 0x1);
    assert_true(failure.lives < 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_needed_stays),
        cmocka_unit_test(of_two_causes_one_stays),
        cmocka_unit_test(what_was_needed_by_what_is_gone_goes),
        cmocka_unit_test(long_runs_save_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
