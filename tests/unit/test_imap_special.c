/* imap_special: the words of rules, and those of servers. */
#include "test.h"

#include "proto/imap_special.h"

static void test_words(void **state)
{
    (void)state;
    for (int use = 0; use < IMAP_SPECIAL_USES; use++) {
        struct bytes name = bytes_of(imap_special_name((enum imap_special_use)use));
        assert_true(imap_special_is_named(name));
        assert_int_equal(imap_special_find(name), use);
        assert_int_equal(imap_special_of_attribute(name), use);
    }
    assert_int_equal(imap_special_find(bytes_of("\\junk")), IMAP_SPECIAL_JUNK);
    assert_int_equal(imap_special_find(bytes_of("Junk")), IMAP_SPECIAL_USES);
    assert_int_equal(imap_special_find(bytes_of("\\Spam")), IMAP_SPECIAL_USES);
    assert_int_equal(imap_special_of_attribute(bytes_of("\\Spam")), IMAP_SPECIAL_JUNK);
    assert_int_equal(imap_special_of_attribute(bytes_of("\\HasNoChildren")), IMAP_SPECIAL_USES);
    assert_false(imap_special_is_named(bytes_of("")));
}

static void test_gmail(void **state)
{
    (void)state;
    assert_int_equal(imap_special_of_gmail(bytes_of("[Gmail]/Spam")), IMAP_SPECIAL_JUNK);
    assert_int_equal(imap_special_of_gmail(bytes_of("[google mail]/bin")), IMAP_SPECIAL_TRASH);
    assert_int_equal(imap_special_of_gmail(bytes_of("[Gmail]/Spam/x")), IMAP_SPECIAL_USES);
    assert_int_equal(imap_special_of_gmail(bytes_of("Spam")), IMAP_SPECIAL_USES);
    assert_int_equal(imap_special_of_gmail(bytes_of("[Gmail]/")), IMAP_SPECIAL_USES);
    assert_true(imap_special_is_gmail(bytes_of("[Gmail]/Papierkorb")));
    assert_false(imap_special_is_gmail(bytes_of("Papierkorb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gmail), cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
