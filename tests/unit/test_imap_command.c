/* imap_command: whatever an argument holds, it ends no argument; literals and the waits in front of them; flags, dates, tags. */
#include "test.h"

#include <string.h>

#include "proto/imap_command.h"

static void check_string(struct bytes text, bool literal_plus, const char *expected, size_t waits)
{
    struct imap_command command;
    imap_command_init(&command);
    imap_command_begin(&command, "T", "X", literal_plus);
    imap_command_string(&command, text);
    assert_int_equal(imap_command_end(&command), 0);
    assert_string_equal(buf_text(&command.text), expected);
    assert_int_equal(command.wait_count, waits);
    imap_command_done(&command);
}

static void test_strings(void **state)
{
    (void)state;
    check_string(bytes_of(""), false, "T X \"\"\r\n", 0);
    check_string(bytes_of("a b"), false, "T X \"a b\"\r\n", 0);
    check_string(bytes_of("q\"\\"), false, "T X \"q\\\"\\\\\"\r\n", 0);
    check_string(bytes_of("x {5}"), false, "T X \"x {5}\"\r\n", 0);
    check_string(bytes_of("*%(){"), false, "T X \"*%(){\"\r\n", 0);
    check_string(bytes_of("a\r\nb"), false, "T X {4}\r\na\r\nb\r\n", 1);
    check_string(bytes_of("\xc3\xa4"), true, "T X {2+}\r\n\xc3\xa4\r\n", 0);
}

static void test_nul_is_refused(void **state)
{
    (void)state;
    struct imap_command command;
    imap_command_init(&command);
    imap_command_begin(&command, "T", "X", true);
    imap_command_string(&command, bytes_at("a\0b", 3));
    assert_int_equal(imap_command_end(&command), -1);
    imap_command_begin(&command, "T", "X", true);
    assert_int_equal(imap_command_end(&command), 0);
    imap_command_done(&command);
}

/* Every octet but NUL: outside of literals there is never a CR, LF or NUL. */
static void test_every_octet(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        struct imap_command command;
        char text[] = {'a', (char)c, 'b', 0};
        imap_command_init(&command);
        imap_command_begin(&command, "T", "X", true);
        imap_command_string(&command, bytes_at(text, 3));
        imap_command_end(&command);
        struct bytes out = buf_bytes(&command.text);
        bool literal = bytes_find(out, bytes_of("{3+}\r\n")) >= 0;
        size_t bad = 0;
        for (size_t i = 0; i + 2 < out.len; i++) {
            bad += out.ptr[i] < 0x20 || out.ptr[i] >= 0x7F;
        }
        assert_true(literal == (c < 0x20 || c >= 0x7F));
        assert_true(literal || bad == 0);
        imap_command_done(&command);
    }
}

static void test_append(void **state)
{
    (void)state;
    static const char *const flags[] = {"\\Flagged", "ci", "\\Deleted", "\\recent", "two words", "", "a)", "$Label"};
    struct imap_command command;
    imap_command_init(&command);
    imap_command_begin(&command, "T1", "APPEND", false);
    imap_command_string(&command, bytes_of("CI/web"));
    imap_command_flags(&command, flags, 8, NULL, NULL);
    imap_command_date(&command, 1795421134000);
    imap_command_literal(&command, 4096, false);
    assert_int_equal(imap_command_check(&command), 0);
    assert_string_equal(buf_text(&command.text),
                        "T1 APPEND \"CI/web\" (\\Flagged ci $Label) \"23-Nov-2026 08:05:34 +0000\" {4096}\r\n");
    assert_int_equal(command.wait_count, 1);
    assert_int_equal(command.waits[0], command.text.len);
    imap_command_done(&command);
}

static void test_tags(void **state)
{
    (void)state;
    static const uint8_t random[8] = {0, 1, 31, 32, 255, 7, 9, 9};
    char tag[IMAP_COMMAND_TAG_MAX];
    imap_command_tag(tag, random, 1);
    assert_string_equal(tag, "AB7A7H1");
    imap_command_tag(tag, random, UINT32_MAX);
    assert_string_equal(tag, "AB7A7H4294967295");
}

static void test_limits(void **state)
{
    (void)state;
    struct imap_command command;
    imap_command_init(&command);
    imap_command_begin(&command, "T", "X", false);
    for (int i = 0; i < IMAP_COMMAND_WAITS_MAX; i++) {
        imap_command_string(&command, bytes_of("\n"));
        assert_int_equal(imap_command_check(&command), 0);
    }
    imap_command_string(&command, bytes_of("\n"));
    assert_int_equal(imap_command_check(&command), -1);
    imap_command_done(&command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings), cmocka_unit_test(test_nul_is_refused), cmocka_unit_test(test_every_octet),
        cmocka_unit_test(test_append),  cmocka_unit_test(test_tags),           cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
