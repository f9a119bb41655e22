/* Header values as they go out; what is encoded is read back as it was. */
#include "mail/mail_encode.h"

#include <string.h>

#include "mail/mail_ascii.h"
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

static struct bytes without_end(struct bytes line)
{
    return line.len > 0 && line.ptr[line.len - 1] == '\r' ? bytes_slice(line, 0, line.len - 1) : line;
}

static void values_are_encoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(mail_encode_text(bytes_of(cases[i].value), 9, &out), 0);
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
            assert_int_equal(mail_encode_text(buf_bytes(&value), 9, &encoded), 0);
            size_t column = 9;
            for (struct bytes rest = buf_bytes(&encoded); rest.len > 0; column = 0) {
                assert_true(column + without_end(bytes_cut(&rest, '\n')).len <= 76);
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

static const struct {
    const char *name, *value, *field;
} fields[] = {
    {"X-A", "short", "X-A: short\r\n"},
    {"X-A", "", "X-A: \r\n"},
    /* RFC 5322 section 2.2.3: a break before a blank, and no more on a line than 78 octets. */
    {"Subject",
     "a long subject that a rule wrote, with so many words that one line of a mail cannot hold it whole, as some do",
     "Subject: a long subject that a rule wrote, with so many words that one line of\r\n a mail cannot hold it whole, "
     "as "
     "some do\r\n"},
    /* Blanks stay as they are, and none is alone on its line. */
    {"X-Blanks", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb  cccccccccccccccccc ",
     "X-Blanks: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n  bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb  cccccccccccccccccc \r\n"},
    {"X-One", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b",
     "X-One: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n "
     "b\r\n"},
    /* RFC 2047 section 5: in an address, only the display name is made of encoded words, and quotes go. */
    {"Reply-To", "J\xc3\xbcrgen <j@b.example>", "Reply-To: =?UTF-8?B?SsO8cmdlbg==?= <j@b.example>\r\n"},
    {"Reply-To", "\"J\xc3\xbcrgen, Dr.\" <j@b.example>", "Reply-To: =?UTF-8?B?SsO8cmdlbiwgRHIu?= <j@b.example>\r\n"},
};

static void fields_are_folded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct buf out;
        buf_init(&out, 10000);
        assert_int_equal(mail_ascii_field(fields[i].name, bytes_of(fields[i].value), &out), 0);
        assert_string_equal(buf_text(&out), fields[i].field);
        buf_done(&out);
    }
}

/* A name so long that no word fits behind it, and each length of it. */
static void long_names_leave_room(void **state)
{
    (void)state;
    char name[71] = "";
    for (size_t len = 1; len <= 70; len++) {
        struct buf out, line, text;
        struct mail_header_field field;
        const char *value =
            "\xc3\x84rger mit \xe2\x82\xac und noch mehr, so dass es nicht in eine Zeile geht, und Ende";
        name[len - 1] = 'X';
        name[len] = '\0';
        buf_init(&out, 10000);
        buf_init(&line, 10000);
        buf_init(&text, 10000);
        assert_int_equal(mail_ascii_field(name, bytes_of(value), &out), 0);
        struct bytes rest = buf_bytes(&out);
        while (rest.len > 0) {
            struct bytes one = without_end(bytes_cut(&rest, '\n'));
            assert_true(one.len > 1 && one.len <= 76);
        }
        rest = buf_bytes(&out);
        assert_int_equal(mail_header_next(&rest, &field), 1);
        mail_header_unfold(field.value, &line);
        mail_words_decode(bytes_trim(buf_bytes(&line)), &text);
        assert_string_equal(buf_text(&text), value);
        buf_done(&out);
        buf_done(&line);
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_are_encoded),
                                       cmocka_unit_test(what_is_encoded_reads_back),
                                       cmocka_unit_test(fields_are_folded), cmocka_unit_test(long_names_leave_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
