/* smtp_reply: lines as they go out, whatever the text holds. */
#include "test.h"

#include <string.h>

#include "proto/smtp_reply.h"

static const struct {
    int code;
    const char *enhanced, *text, *wanted;
} cases[] = {
    {250, "2.0.0", "ok", "250 2.0.0 ok\r\n"},
    {354, NULL, "go", "354 go\r\n"},
    {354, "", "go", "354 go\r\n"},
    {250, NULL, "a\nb\nc", "250-a\r\n250-b\r\n250 c\r\n"},
    {550, "5.7.1", "a\nb", "550-5.7.1 a\r\n550 5.7.1 b\r\n"},
    {550, "5.7.1", "a\rb\x1b[0m\xc3\xa9", "550 5.7.1 a?b?[0m??\r\n"},
    {550, "5.7.1", "", "550 5.7.1 \r\n"},
    {550, "5.7.1", "%s%n", "550 5.7.1 %s%n\r\n"},
};

static void replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(smtp_reply_write(&out, cases[i].code, cases[i].enhanced, cases[i].text), 0);
        assert_string_equal(buf_text(&out), cases[i].wanted);
        buf_done(&out);
    }
}

static void long_lines_are_cut(void **state)
{
    char text[2000];
    struct buf out;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    buf_init(&out, 4096);
    assert_int_equal(smtp_reply_write(&out, 550, "5.7.1", text), 0);
    assert_int_equal(out.len, SMTP_REPLY_LINE_MAX);
    buf_done(&out);
    buf_init(&out, 100);
    assert_int_equal(smtp_reply_write(&out, 550, "5.7.1", text), -1);
    buf_done(&out);
}

static void enhanced_codes(void **state)
{
    static const char *const good[] = {"2.0.0", "4.12.345", "5.7.1"};
    static const char *const bad[] = {"",        "5",      "5.",       "5.7",  "5.7.",  "3.0.0",
                                      "5.7.1.1", "5.7.1 ", "5.7777.1", "5..1", "55.7.1"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(smtp_reply_is_enhanced(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (smtp_reply_is_enhanced(bad[i])) {
            fail_msg("\"%s\"", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(enhanced_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
