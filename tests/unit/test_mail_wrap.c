/* mail_wrap: broken lines are short, and mean what they meant; in any pieces; short lines stay; too many breaks are said. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "mail/mail_wrap.h"

#define OUT_MAX  ((size_t)4 << 20)
#define LINE_MAX 1200

/* "@N{text}" stands for the text N times. */
static void expand(const char *text, struct buf *out)
{
    while (*text != '\0') {
        if (text[0] == '@') {
            char *end;
            unsigned long count = strtoul(text + 1, &end, 10);
            struct bytes rest = bytes_of(end + 1);
            struct bytes part = bytes_cut(&rest, '}');
            for (unsigned long i = 0; i < count; i++) {
                buf_append_bytes(out, part);
            }
            text = (const char *)rest.ptr;
        } else {
            buf_append_octet(out, (uint8_t)*text++);
        }
    }
}

static void apply(struct bytes text, size_t piece, uint64_t line_max, struct buf *out)
{
    struct mail_wrap *wrap = mail_wrap_new(line_max);
    for (size_t at = 0; at < text.len; at += piece) {
        mail_wrap_add(wrap, bytes_slice(text, at, piece));
    }
    const struct mail_break *breaks;
    size_t count, from = 0;
    assert_int_equal(mail_wrap_end(wrap, &breaks, &count), 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(breaks[i].at >= from && breaks[i].at < text.len);
        buf_append_bytes(out, bytes_slice(text, from, (size_t)breaks[i].at - from));
        buf_append_text(out, breaks[i].text);
        from = (size_t)breaks[i].at;
    }
    buf_append_bytes(out, bytes_from(text, from));
    mail_wrap_free(&wrap);
}

static const struct {
    const char *text, *wanted;
} cases[] = {
    /* Nothing to do: also a line that is longer than RFC 5322 wants and not too long for this server. */
    {"A: b\r\n\r\nshort\r\n@1200{x}\r\n", "A: b\r\n\r\nshort\r\n@1200{x}\r\n"},
    /* A field is folded in front of its last blank, a word that is too long by a blank of ours. */
    {"A: b @600{c} @600{d}\r\n\r\n", "A: b @600{c}\r\n @600{d}\r\n\r\n"},
    {"A:@2100{c}\r\nB: x\r\n\r\n", "A:@996{c}\r\n @997{c}\r\n @107{c}\r\nB: x\r\n\r\n"},
    {"A: b\r\n\t@700{c}\t@700{d}\r\n\r\n", "A: b\r\n\t@700{c}\r\n\t@700{d}\r\n\r\n"},
    /* An odd line, which will stand behind its name and a blank. */
    {"A: b\r\n@1300{c}\r\nTo: d\r\n\r\n", "A: b\r\n@997{c}\r\n @303{c}\r\nTo: d\r\n\r\n"},
    /* Text behind a blank, else within a word, never within a character. */
    {"\r\n@500{a} @500{b} @500{c}\r\n", "\r\n@500{a} \r\n@500{b} \r\n@500{c}\r\n"},
    {"\r\n@3000{a}\r\n-", "\r\n@998{a}\r\n@998{a}\r\n@998{a}\r\n@6{a}\r\n-"},
    {"\r\nx@600{\xc3\xa4}", "\r\nx@498{\xc3\xa4}\r\n@102{\xc3\xa4}"},
    {"\r\nxx@500{\xf0\x9f\x98\x80}", "\r\nxx@249{\xf0\x9f\x98\x80}\r\n@249{\xf0\x9f\x98\x80}\r\n@2{\xf0\x9f\x98\x80}"},
    /* base64 anywhere, quoted-printable by soft line breaks that leave "=3D" whole. */
    {"content-transfer-encoding:\r\n BASE64\r\n\r\n@500{QUJD}\r\n",
     "content-transfer-encoding:\r\n BASE64\r\n\r\n@249{QUJD}QU\r\nJD@249{QUJD}\r\nQUJD\r\n"},
    {"Content-Transfer-Encoding: quoted-printable\r\n\r\n@1300{a}\r\n",
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n@997{a}=\r\n@303{a}\r\n"},
    {"Content-Transfer-Encoding: quoted-printable\r\n\r\n@995{a}=3D@500{b}",
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n@995{a}=\r\n=3D@500{b}"},
    {"Content-Transfer-Encoding: quoted-printable\r\n\r\n@996{a}=3D@500{b}",
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n@996{a}=\r\n=3D@500{b}"},
    {"Content-Transfer-Encoding: quoted-printable\r\n\r\n@994{a}=3D@500{b}",
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n@994{a}=3D=\r\n@500{b}"},
    /* Parts: each with its own encoding; behind the end of an inner one the outer one goes on; a message within a message. */
    {"Content-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n\r\n--a b\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\n@400{QUJD}\r\n"
     "--a b  \r\nContent-Type: multipart/alternative; x=y; boundary=in\r\n\r\n--in\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\n@400{QUJD}\r\n"
     "--in--\r\n@800{n} @800{n}\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: @800{s} "
     "@800{s}\r\n\r\n@800{t} @800{t}\r\n--a b--\r\n@1300{e}\r\n",
     "Content-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n\r\n--a b\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\n@249{QUJD}QU\r\nJD@150{QUJD}\r\n"
     "--a b  \r\nContent-Type: multipart/alternative; x=y; boundary=in\r\n\r\n--in\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\n@249{QUJD}QU\r\nJD@150{QUJD}\r\n"
     "--in--\r\n@800{n} \r\n@800{n}\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: @800{s}\r\n "
     "@800{s}\r\n\r\n@800{t} \r\n@800{t}\r\n--a b--\r\n@998{e}\r\n@302{e}\r\n"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf text, wanted;
        buf_init(&text, OUT_MAX);
        buf_init(&wanted, OUT_MAX);
        expand(cases[i].text, &text);
        expand(cases[i].wanted, &wanted);
        static const size_t pieces[] = {1, 2, 997, 1 << 20};
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            struct buf out;
            buf_init(&out, OUT_MAX);
            apply(buf_bytes(&text), pieces[k], LINE_MAX, &out);
            if (!bytes_equal(buf_bytes(&out), buf_bytes(&wanted))) {
                fail_msg("case %zu in pieces of %zu:\n%s", i, pieces[k], buf_text(&out));
            }
            buf_done(&out);
        }
        buf_done(&text);
        buf_done(&wanted);
    }
}

/* Whatever the octets are: no line is too long afterwards, and without what was put in, they are the same. */
static void test_any_octets(void **state)
{
    (void)state;
    static const char *const words[] = {"\r\n",
                                        "\r\n\r\n",
                                        " ",
                                        "=3D",
                                        "=",
                                        "\xc3\xa4",
                                        "--b\r\n",
                                        "--b--\r\n",
                                        "Content-Type: multipart/mixed; boundary=b\r\n",
                                        "Content-Transfer-Encoding: quoted-printable\r\n",
                                        "Content-Transfer-Encoding: base64\r\n",
                                        "\r",
                                        "abcdefghijklmnopqrstuvwxyz",
                                        "@",
                                        "\x80\x80\x80\x80\x80\x80\x80\x80"};
    uint32_t random = 7;
    for (int round = 0; round < 300; round++) {
        struct buf text, out;
        buf_init(&text, OUT_MAX);
        buf_init(&out, OUT_MAX);
        for (int i = 0; i < 400; i++) {
            random = random * 1103515245u + 12345u;
            size_t at = (random >> 16) % (sizeof words / sizeof words[0]);
            buf_append_text(&text, words[at]);
        }
        apply(buf_bytes(&text), 1 + (size_t)round, 78, &out);
        struct bytes rest = buf_bytes(&out), before = buf_bytes(&text);
        while (rest.len > 0) {
            ptrdiff_t end = bytes_find(rest, bytes_of("\r\n"));
            assert_true((end < 0 ? rest.len : (size_t)end) <= 79); /* with a CR that ends no line */
            rest = bytes_from(rest, end < 0 ? rest.len : (size_t)end + 2);
        }
        size_t same = 0;
        for (size_t i = 0; i < out.len; i++) {
            same += same < before.len && buf_bytes(&out).ptr[i] == before.ptr[same];
        }
        assert_int_equal(same, before.len); /* nothing is lost, all in its order */
        buf_done(&text);
        buf_done(&out);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct mail_wrap *wrap = mail_wrap_new(100);
    static char line[1 << 20];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 8; i++) {
        mail_wrap_add(wrap, bytes_at(line, sizeof line));
    }
    const struct mail_break *breaks;
    size_t count;
    assert_int_equal(mail_wrap_end(wrap, &breaks, &count), -1);
    assert_int_equal(count, MAIL_WRAP_BREAKS_MAX);
    mail_wrap_free(&wrap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_any_octets),
                                       cmocka_unit_test(test_too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
