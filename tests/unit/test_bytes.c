/* bytes: views, searches, numbers, UTF-8. */
#include "test.h"

#include <string.h>

#include "base/bytes.h"

static void compares(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_of(""), bytes_at(NULL, 0)));
    assert_true(bytes_is_nocase(bytes_of("EhLo"), "ehlo"));
    assert_false(bytes_is_nocase(bytes_at("a\0", 2), "a"));
    assert_true(bytes_starts_nocase(bytes_of("FROM:<>"), "from:"));
    assert_false(bytes_starts_nocase(bytes_of("FRO"), "from:"));
    assert_int_equal(bytes_compare(bytes_of("a"), bytes_of("ab")), -1);
    assert_int_equal(bytes_compare(bytes_of("b"), bytes_of("ab")), 1);
    assert_int_equal(bytes_compare(bytes_of("ab"), bytes_of("ab")), 0);
}

static void finds(void **state)
{
    (void)state;
    assert_int_equal(bytes_find(bytes_of("aabaac"), bytes_of("aac")), 3);
    assert_int_equal(bytes_find(bytes_of("aab"), bytes_of("abc")), -1);
    assert_int_equal(bytes_find(bytes_of("x"), bytes_of("")), 0);
    assert_int_equal(bytes_find(bytes_of(""), bytes_of("x")), -1);
    assert_int_equal(bytes_find_octet(bytes_at("a\0b", 3), 0), 1);
    /* In long text it goes by another octet of the needle than the first. */
    char text[2000];
    memset(text, 'e', sizeof text);
    memcpy(text + 1995, "e q e", 5);
    memcpy(text + 700, "qe", 2);
    assert_int_equal(bytes_find(bytes_at(text, sizeof text), bytes_of("e q e")), 1995);
    assert_int_equal(bytes_find(bytes_at(text, sizeof text), bytes_of("eqe")), 699);
    assert_int_equal(bytes_find(bytes_at(text, sizeof text), bytes_of("qq")), -1);
    assert_int_equal(bytes_find(bytes_at(text, sizeof text - 1), bytes_of("e q e")), -1);
    assert_int_equal(bytes_find(bytes_at(text, sizeof text), bytes_of("eeeeq")), 696);
}

static void cuts_and_slices(void **state)
{
    (void)state;
    struct bytes rest = bytes_of("a:b:");
    assert_true(bytes_is(bytes_cut(&rest, ':'), "a"));
    assert_true(bytes_is(bytes_cut(&rest, ':'), "b"));
    assert_non_null(rest.ptr);
    assert_int_equal(rest.len, 0);
    assert_true(bytes_is(bytes_cut(&rest, ':'), ""));
    assert_null(rest.ptr);
    assert_true(bytes_is(bytes_slice(bytes_of("abc"), 1, 9), "bc"));
    assert_int_equal(bytes_slice(bytes_of("abc"), 3, 1).len, 0);
    assert_true(bytes_is(bytes_trim(bytes_of(" \t x y\r\n")), "x y"));
    assert_int_equal(bytes_trim(bytes_of(" \r\n")).len, 0);
}

static void numbers_do_not_overflow(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(bytes_to_u64(bytes_of("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    value = 7;
    static const char *const bad[] = {"",   "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1x",
                                      "0x1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(bytes_to_u64(bytes_of(bad[i]), &value));
        assert_int_equal(value, 7);
    }
}

static void utf8_is_strict(void **state)
{
    (void)state;
    static const char *const good[] = {"", "abc", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x93\xA8", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC3",
                                      "\xC0\x80",
                                      "\xE0\x80\x80",
                                      "\xED\xA0\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xF0\x80\x80\x80",
                                      "\xE2\x82",
                                      "a\xFF"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(bytes_is_utf8(bytes_of(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(bytes_is_utf8(bytes_of(bad[i])));
    }
    static const struct {
        const char *text;
        size_t length;
    } heads[] = {{"", 0}, {"ab", 1}, {"\xC3\xA4x", 2}, {"\xE2\x82\xAC", 3}, {"\xF0\x9F\x93\xA8\x80", 4}, {"\xC3x", 0}};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        assert_int_equal(bytes_utf8_length(bytes_of(heads[i].text)), heads[i].length);
    }
    assert_true(bytes_has_control(bytes_at("a\0", 2)));
    assert_true(bytes_has_control(bytes_of("\x7F")));
    assert_false(bytes_has_control(bytes_of("\xC3\xA4 ~")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),        cmocka_unit_test(finds),
        cmocka_unit_test(cuts_and_slices), cmocka_unit_test(numbers_do_not_overflow),
        cmocka_unit_test(utf8_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
