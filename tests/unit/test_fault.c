/* fault: the first wins, and what a peer said can stand in any log. */
#include "test.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fault.h"

static const struct {
    const char *said, *told;
} rows[] = {
    {"plain words", "plain words"},
    {"\x1b[31mred\x07", "?[31mred?"},
    {"Ordner w\xc3\xb6rtlich \xe2\x82\xac \xf0\x9f\x93\xac", "Ordner w\xc3\xb6rtlich \xe2\x82\xac \xf0\x9f\x93\xac"},
    {"latin \xf6 1", "latin ? 1"},
    {"cut \xe2\x82", "cut ??"},
    {"\xff\xfe", "??"},
};

static void test_words_are_printable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = FAULT_INIT;
        fault_set(&fault, FAULT_TEMP, "refused", "append", "%s", rows[i].said);
        assert_string_equal(fault.text, rows[i].told);
    }
}

static void test_cut_within_a_character(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    char said[sizeof fault.text + 10];
    for (size_t i = 0; i + 2 < sizeof said; i += 2) {
        memcpy(said + i, "\xc3\xb6", 3);
    }
    fault_set(&fault, FAULT_TEMP, "refused", "append", "%s", said);
    assert_true(bytes_is_utf8(bytes_of(fault.text)));
    fault_set(&fault, FAULT_PERM, "other", "append", "later");
    assert_int_equal(fault.class, FAULT_TEMP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words_are_printable),
                                       cmocka_unit_test(test_cut_within_a_character)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
