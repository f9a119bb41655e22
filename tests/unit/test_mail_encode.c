/* Header values as they go out; what is encoded is read back as it was. */
#include "mail/mail_encode.h"

#include <string.h>

#include "mail/mail_header.h"
#include "mail/mail_words.h"
#include "test.h"

static const struct {
    const char *value, *encoded;
} cases[] = {
    {"", ""},
    {"[ext] hello", "[ext] hello"},
    {"\xc3\x84rger", "=?UTF-8?B?w4RyZ2Vy?="},
    {"a\xe2\x82\xac", "=?UTF-8?B?YeKCrA==?="},
};

static void values_are_encoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(mail_encode_text(bytes_of(cases[i].value), &out), 0);
        assert_string_equal(buf_text(&out), cases[i].encoded);
        buf_done(&out);
    }
}

static void what_is_encoded_reads_back(void **state)
{
    (void)state;
    for (size_t len = 1; len < 1200; len += 7) {
        for (int kind = 0; kind < 4; kind++) {
            static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
            struct buf value, encoded, line, decoded;
            buf_init(&value, 10000);
            buf_init(&encoded, 20000);
            buf_init(&line, 20000);
            buf_init(&decoded, 20000);
            buf_append_text(&value, "x\xc3\xb6");
            while (value.len < len) {
                buf_append_text(&value, characters[kind]);
            }
            assert_int_equal(mail_encode_text(buf_bytes(&value), &encoded), 0);
            for (struct bytes rest = buf_bytes(&encoded); rest.len > 0;) {
                assert_true(bytes_cut(&rest, '\n').len <= 78);
            }
            mail_header_unfold(buf_bytes(&encoded), &line);
            mail_words_decode(buf_bytes(&line), &decoded);
            assert_string_equal(buf_text(&decoded), buf_text(&value));
            buf_done(&value);
            buf_done(&encoded);
            buf_done(&line);
            buf_done(&decoded);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_are_encoded),
                                       cmocka_unit_test(what_is_encoded_reads_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
