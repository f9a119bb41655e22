/* Tests of spool/spool_held: a delivery that is given back stays held for the queries that began before. */
#include "test.h"

#include <stdlib.h>

#include "spool/spool_private.h"

static void test_add_remove(void **state)
{
    (void)state;
    struct spool_held *held = spool_held_new();
    spool_held_add(held, 7);
    spool_held_add(held, 8);
    assert_int_equal(spool_held_count(held), 2);
    assert_true(spool_held_has(held, 7) && !spool_held_has(held, 9));
    spool_held_remove(held, 7);
    assert_false(spool_held_has(held, 7));
    assert_int_equal(spool_held_count(held), 1);
    spool_held_add(held, 7);
    assert_true(spool_held_has(held, 7));
    spool_held_free(&held);
    assert_null(held);
    spool_held_free(&held);
}

/* What a query that runs may still see as waiting is held for it, and for nobody else. */
static void test_queries(void **state)
{
    (void)state;
    struct spool_held *held = spool_held_new();
    size_t count;
    for (uint64_t key = 1; key <= 3; key++) {
        spool_held_add(held, key);
    }
    free(spool_held_begin(held, &count)); /* the first query */
    assert_int_equal(count, 3);
    spool_held_remove(held, 1);
    assert_true(spool_held_has(held, 1));
    assert_int_equal(spool_held_count(held), 2);
    free(spool_held_begin(held, &count)); /* the second: 1 is still not to be handed out */
    assert_int_equal(count, 3);
    spool_held_remove(held, 2);
    spool_held_end(held); /* the first */
    assert_false(spool_held_has(held, 1));
    assert_true(spool_held_has(held, 2));
    spool_held_add(held, 2); /* it is taken again while it is gone for a query */
    assert_int_equal(spool_held_count(held), 2);
    spool_held_end(held); /* the second */
    assert_true(spool_held_has(held, 2) && spool_held_has(held, 3));
    spool_held_remove(held, 2);
    assert_false(spool_held_has(held, 2));
    spool_held_free(&held);
}

static void test_among(void **state)
{
    (void)state;
    struct spool_held *held = spool_held_new();
    size_t count;
    for (uint64_t i = 0; i < 1000; i++) {
        spool_held_add(held, i * 7919 % 1000 * 2);
    }
    uint64_t *keys = spool_held_keys(held, &count);
    assert_int_equal(count, 1000);
    for (uint64_t key = 0; key < 2000; key++) {
        assert_int_equal(spool_held_among(keys, count, key), key % 2 == 0);
    }
    assert_false(spool_held_among(keys, 0, 0));
    free(keys);
    spool_held_free(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_remove),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_among),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
