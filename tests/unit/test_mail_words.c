/* Encoded words as readers decode them, whatever the writer did. */
#include "mail/mail_words.h"

#include <string.h>

#include "test.h"

static const struct {
    const char *value, *text;
} words[] = {
    {"plain", "plain"},
    {"=?utf-8?B?w6Q=?=", "\xc3\xa4"},
    {"=?iso-8859-1?Q?=E4_x?= y", "\xc3\xa4 x y"},
    {"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"},
    {"=?utf-8?B?YQ==?= =?utf-8?B?Yg==?=", "ab"},
    {"x =?utf-8?B?YQ==?=  =?utf-8?Q?b?= =?utf-8?B?YeKCrA==?= =?utf-8?B?Yw==?= y", "x aba\xe2\x82\xac"
                                                                                  "c y"},
    {"=?utf-8?B?4oKs4oKs?= =?utf-8?B?4oKs?=", "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"},
    {"=?utf-8?B?4oI=?= =?utf-8?B?rA==?= =?utf-8?B?eA==?=", "\xe2\x82\xacx"}, /* a character that two words divide */
    {"=?utf-8?B?4oI?= =?utf-8?B?rA?= =?utf-8?B?eA?=", "\xe2\x82\xacx"},      /* without padding */
    {"=?utf-8?B?5Lit5?= =?utf-8?B?paH?=", "\xe4\xb8\xad\xe6\x96\x87"},       /* a quantum of base64 that they divide */
    {"=?utf-8?Q?=E2=82?= =?UTF8?B?rA==?=", "\xe2\x82\xac"},                  /* in two encodings, by two names */
    {"=?utf-8?Q?=E2=82?=\t =?utf-8*en?Q?=AC?=", "\xe2\x82\xac"},
    {"=?utf-8?Q?a?= =?iso-8859-1?Q?=E4?=", "a\xc3\xa4"},
    {"=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"},
    {"[SPAM]=?utf-8?Q?a?=x", "[SPAM]ax"},
    {"=?utf-8?Q?two words?=", "two words"},
    {"=?utf-8?Q?a =?utf-8?Q?b?=", "=?utf-8?Q?a b"},
    {"=?utf-8?B?!Q==?= =?utf-8?B?Yg==?=", "b"},
    {"=?=?= =?=?= =?=?=", "=?=?= =?=?= =?=?="},
    {"=?no-such?Q?a?=", "a"},
    {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
    {"=?utf-8?B?w6", "=?utf-8?B?w6"},
    {"=?utf-8?Q?=00a=FF?=", "\xef\xbf\xbd"
                            "a\xef\xbf\xbd"},
    {"\xff", "\xc3\xbf"},
    {"\xc3\xa4", "\xc3\xa4"},
    {"\x80 =?utf-8?Q?=C3=A4?= \xe4", "\xe2\x82\xac \xc3\xa4 \xc3\xa4"},
    {"=?unicode-1-1-utf-7?Q?f+APw-r?=", "f\xc3\xbcr"},
    {"=?x-gbk?B?s7e72A==?=", "\xe6\x92\xa4\xe5\x9b\x9e"},
};

static void encoded_words_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct buf out;
        buf_init(&out, 1000);
        mail_words_decode(bytes_of(words[i].value), &out);
        assert_true(bytes_is_utf8(buf_bytes(&out)));
        if (strcmp(buf_text(&out), words[i].text) != 0) {
            fail_msg("%s gives %s", words[i].value, buf_text(&out));
        }
        buf_done(&out);
    }
}

/* What looks like the beginning of many words takes time in proportion to its length. */
static void word_bombs_end(void **state)
{
    (void)state;
    static const char *const repeats[] = {"=?", "=?a?B?", "=?a?b?YQ== ", "=?a?b?YQ==?= ", "?="};
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++) {
        struct buf text, out;
        buf_init(&text, 1u << 20);
        buf_init(&out, 4u << 20);
        while (text.len < 500000) {
            buf_append_text(&text, repeats[i]);
        }
        mail_words_decode(buf_bytes(&text), &out);
        assert_true(bytes_is_utf8(buf_bytes(&out)));
        buf_done(&text);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(encoded_words_are_decoded), cmocka_unit_test(word_bombs_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
