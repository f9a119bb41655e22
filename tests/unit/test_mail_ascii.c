/* mail_ascii: fields become ASCII and say what they said. */
#include "test.h"

#include "mail/mail_ascii.h"

#define JUERGEN "J\xc3\xbcrgen"

static const struct {
    const char *field, *wanted;
} cases[] = {
    {"Subject: plain\r\n\t folded\r\n", "Subject: plain\r\n\t folded\r\n"},
    {"Subject: Gr\xc3\xb6\xc3\x9f"
     "e\r\n",
     "Subject: =?UTF-8?B?R3LDtsOfZQ==?=\r\n"},
    {"X-Latin: Gr\xf6\xdf"
     "e\r\n",
     "X-Latin: =?UTF-8?B?R3LDtsOfZQ==?=\r\n"},
    {"From: " JUERGEN " <a@b.example>\r\n", "From: =?UTF-8?B?SsO8cmdlbg==?= <a@b.example>\r\n"},
    {"From: \"" JUERGEN " \\\"x\\\", Dr.\" <a@b.example>\r\n",
     "From: =?UTF-8?B?SsO8cmdlbiAieCIsIERyLg==?= <a@b.example>\r\n"},
    {"To: Ada <ada@b.example>, <" JUERGEN "@b.example>,\r\n " JUERGEN "@b.example (" JUERGEN ")\r\n",
     "To: Ada <ada@b.example>,\r\n  =?UTF-8?B?SsO8cmdlbkBiLmV4YW1wbGU=?= :;,\r\n =?UTF-8?B?SsO8cmdlbkBiLmV4YW1wbGU=?= "
     ":;(=?UTF-8?B?SsO8cmdlbg==?=)\r\n"},
    {"Return-Path: <" JUERGEN "@b.example>\r\n",
     "Downgraded-Return-Path: =?UTF-8?B?PErDvHJnZW5AYi5leGFtcGxlPg==?=\r\n"},
    {"Content-Disposition: attachment; filename=\"" JUERGEN "; 1.pdf\"; size=5\r\n",
     "Content-Disposition: attachment;\r\n filename*=UTF-8''J%C3%BCrgen%3B%201.pdf;\r\n size=5\r\n"},
    {"Content-Type: text/plain; name*=utf-8''" JUERGEN "%20x\r\n",
     "Content-Type: text/plain;\r\n name*=utf-8''J%C3%BCrgen%20x\r\n"},
    {"A: b\r\nSubject: \xc3\xa4\r\nC: d\r\n\r\nbody \xc3\xa4\r\n", "A: b\r\nSubject: =?UTF-8?B?w6Q=?=\r\nC: d\r\n"},
    {"To: \"" JUERGEN "\r\n", "To: =?UTF-8?B?SsO8cmdl?=\r\n"},
    {"To: (\xc3\xa4\r\nCc: <\xc3\xa4\r\n", "To: (=?UTF-8?B?ww==?=)\r\nCc: =?UTF-8?B?ww==?= :;\r\n"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, 10000);
        assert_int_equal(mail_ascii_fields(bytes_of(cases[i].field), &out), 0);
        assert_string_equal(buf_text(&out), cases[i].wanted);
        buf_done(&out);
    }
}

/* Whatever the octets are, what comes out is ASCII, in lines that are not too long. */
static void test_any_octets(void **state)
{
    (void)state;
    static const char *const names[] = {"From: ", "Content-Type: ", "Subject: ", "Received: "};
    uint32_t random = 3;
    for (int round = 0; round < 2000; round++) {
        struct buf field, out;
        buf_init(&field, 10000);
        buf_init(&out, 100000);
        buf_append_text(&field, names[round % 4]);
        for (int i = 0; i < 300; i++) {
            static const uint8_t octets[] = "\"\"<<>()()\\,;:=@ aab\xc3\xa4\xff\x80*";
            random = random * 1103515245u + 12345u;
            buf_append_octet(&field, octets[(random >> 16) % (sizeof octets - 1)]);
        }
        buf_append_text(&field, "\r\n");
        assert_int_equal(mail_ascii_fields(buf_bytes(&field), &out), 0);
        assert_true(bytes_is_ascii(buf_bytes(&out)));
        struct bytes rest = buf_bytes(&out);
        while (rest.len > 0) {
            assert_true(bytes_cut(&rest, '\n').len <= 998);
        }
        buf_done(&field);
        buf_done(&out);
    }
}

static void test_full(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10);
    assert_int_equal(mail_ascii_fields(bytes_of("Subject: \xc3\xa4\r\n"), &out), -1);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_any_octets),
                                       cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
