/* imapc_habits: questions that break sessions are left out for a day, and told once. */
#include "test.h"

#include "engine/imapc_habits.h"

static void test_two_in_a_row(void **state)
{
    (void)state;
    struct imapc_habits habits;
    imapc_habits_init(&habits);
    assert_true(imapc_habits_may_ask(&habits, IMAPC_QUESTION_RIGHTS, 5));
    imapc_habits_broke(&habits, IMAPC_QUESTION_RIGHTS, 5);
    imapc_habits_answered(&habits, IMAPC_QUESTION_RIGHTS); /* it was the network */
    imapc_habits_broke(&habits, IMAPC_QUESTION_RIGHTS, 6);
    imapc_habits_broke(&habits, IMAPC_QUESTION_QUOTA, 6);
    assert_true(imapc_habits_may_ask(&habits, IMAPC_QUESTION_RIGHTS, 7));
    assert_int_equal(imapc_habits_take_news(&habits), IMAPC_QUESTIONS);
    imapc_habits_broke(&habits, IMAPC_QUESTION_RIGHTS, 8);
    assert_false(imapc_habits_may_ask(&habits, IMAPC_QUESTION_RIGHTS, 9));
    assert_true(imapc_habits_may_ask(&habits, IMAPC_QUESTION_QUOTA, 9));
    assert_int_equal(imapc_habits_take_news(&habits), IMAPC_QUESTION_RIGHTS);
    assert_int_equal(imapc_habits_take_news(&habits), IMAPC_QUESTIONS);
}

static void test_a_day(void **state)
{
    (void)state;
    struct imapc_habits habits;
    imapc_habits_init(&habits);
    imapc_habits_broke(&habits, IMAPC_QUESTION_COMPRESS, 1000);
    imapc_habits_broke(&habits, IMAPC_QUESTION_COMPRESS, 1000);
    assert_false(imapc_habits_may_ask(&habits, IMAPC_QUESTION_COMPRESS, 1000 + IMAPC_HABITS_AGE_MS - 1));
    assert_true(imapc_habits_may_ask(&habits, IMAPC_QUESTION_COMPRESS, 1000 + IMAPC_HABITS_AGE_MS));
    imapc_habits_broke(&habits, IMAPC_QUESTION_COMPRESS, 1000 + IMAPC_HABITS_AGE_MS); /* both strikes are new */
    assert_true(imapc_habits_may_ask(&habits, IMAPC_QUESTION_COMPRESS, 1001 + IMAPC_HABITS_AGE_MS));
}

static void test_nobody_remembers(void **state)
{
    (void)state;
    imapc_habits_broke(NULL, IMAPC_QUESTION_ID, 1);
    imapc_habits_broke(NULL, IMAPC_QUESTION_ID, 1);
    imapc_habits_answered(NULL, IMAPC_QUESTION_ID);
    assert_true(imapc_habits_may_ask(NULL, IMAPC_QUESTION_ID, 2));
    assert_string_equal(imapc_habits_name(IMAPC_QUESTION_RIGHTS), "MYRIGHTS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_in_a_row), cmocka_unit_test(test_a_day),
                                       cmocka_unit_test(test_nobody_remembers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
