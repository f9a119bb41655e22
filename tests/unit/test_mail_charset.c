/* Names of character sets as senders write them; no octet is dropped. */
#include "mail/mail_charset.h"

#include <string.h>

#include "test.h"

static const struct {
    const char *name, *octets, *text;
    bool clean;
} cases[] = {
    {"utf-8", "\xc3\xa4", "\xc3\xa4", true},
    {"utf8", "\xc3\xa4", "\xc3\xa4", true},
    {"UTF-8", "a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd", false},
    {"us-ascii", "\xc3\xa4", "\xc3\xa4", true},
    {"", "\xe4\x80", "\xc3\xa4\xe2\x82\xac", true},
    {"ANSI_X3.4-1968", "\xe4", "\xc3\xa4", true},
    {"ansi_x3.110-1983", "\xe1", "\xc3\xa1", true},
    {"ansi", "\x80", "\xe2\x82\xac", true},
    {"iso-8859-1", "\x93x\x94", "\xe2\x80\x9cx\xe2\x80\x9d", true},
    {"ISO8859_1", "\x80", "\xe2\x82\xac", true},
    {"windows-1252", "\x81", "\xc2\x81", true},
    {"cp-850", "\x84", "\xc3\xa4", true},
    {"ibm850", "\x84", "\xc3\xa4", true},
    {"cp1251", "\xe0", "\xd0\xb0", true},
    {"win-1251", "\xe0", "\xd0\xb0", true},
    {"x-cp1251", "\xe0", "\xd0\xb0", true},
    {"iso-8859-5", "\xd0", "\xd0\xb0", true},
    {"iso8859-15", "\xa4", "\xe2\x82\xac", true},
    {"unicode-1-1-utf-7", "f+APw-r", "f\xc3\xbcr", true},
    {"utf-7", "f+APw-r", "f\xc3\xbcr", true},
    {"windows-31j", "\x82\xa0\x87\x40", "\xe3\x81\x82\xe2\x91\xa0", true},
    {"Shift_JIS", "\x82\xa0", "\xe3\x81\x82", true},
    {"x-sjis", "\x82\xa0", "\xe3\x81\x82", true},
    {"iso-2022-jp", "\x1b$B$\"\x1b(B", "\xe3\x81\x82", true},
    {"iso-2022-jp", "a\x1b$B-!\x1b(I1\x1b$B$\"\nb", "a\xe2\x91\xa0\xef\xbd\xb1\xe3\x81\x82\nb", true},
    {"cp50221", "\x1b(Ja\x1b$(D0!\x1b(B", "a\xe4\xb8\x82", true},
    {"iso-2022-jp-3", "\x1b$(Q.!\x1b(B", "\xe4\xbf\xb1", true},
    {"iso-2022-jp", "\x1b$B$\"$", "\xe3\x81\x82$", true},
    {"hz-gb-2312", "a~{VPND~}~~b", "a\xe4\xb8\xad\xe6\x96\x87~b", true},
    {"iso-8859-6-i", "\xd3", "\xd8\xb3", true},
    {"x-gbk", "\xb3\xb7", "\xe6\x92\xa4", true},
    {"GB2312", "\x9c\x79\xd4\x87", "\xe6\xb8\xac\xe8\xa9\xa6", true},
    {"gb_2312-80", "\xb3\xb7", "\xe6\x92\xa4", true},
    {"cp936", "\xb3\xb7", "\xe6\x92\xa4", true},
    {"big5", "\xb4\xfa", "\xe6\xb8\xac", true},
    {"ks_c_5601-1987", "\xb0\xa1", "\xea\xb0\x80", true},
    {"euc-kr", "\xb0\xa1", "\xea\xb0\x80", true},
    {"tis-620", "\xa1", "\xe0\xb8\x81", true},
    {"utf-16", "\xff\xfe\xe4\x20", "\xe2\x83\xa4", true},
    {"x-unknown", "B\xfcro", "B\xc3\xbcro", false},
    {"unknown-8bit", "\xc3\xa4", "\xc3\xa4", false},
    {"a/b//TRANSLIT", "\xe4", "\xc3\xa4", false},
    {"koi8-r", "\xc1", "\xd0\xb0", true},
    {"shift_jis", "a\x82", "a\xef\xbf\xbd", false},
    {"gb18030", "\xff\x41",
     "\xef\xbf\xbd"
     "A",
     false},
    {"utf-8*en", "\xc3\xa4", "\xc3\xa4", true},
};

static void octets_become_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        bool clean = mail_charset_decode(bytes_of(cases[i].name), bytes_of(cases[i].octets), &out);
        if (!bytes_is(buf_bytes(&out), cases[i].text) || clean != cases[i].clean) {
            fail_msg("%zu: %s gives %s (%s)", i, cases[i].name, buf_text(&out), clean ? "clean" : "not clean");
        }
        buf_done(&out);
    }
}

static void names_are_compared(void **state)
{
    (void)state;
    assert_true(mail_charset_same(bytes_of("UTF-8"), bytes_of("utf8")));
    assert_true(mail_charset_same(bytes_of("iso-8859-1"), bytes_of("Windows-1252")));
    assert_false(mail_charset_same(bytes_of("utf-8"), bytes_of("utf-7")));
    assert_true(mail_charset_is_plain(bytes_of("US-ASCII")));
    assert_true(mail_charset_is_plain(bytes_of("")));
    assert_false(mail_charset_is_plain(bytes_of("utf-8")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(octets_become_text), cmocka_unit_test(names_are_compared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
