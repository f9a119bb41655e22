/* HTML as the text that a reader sees. */
#include "mail/mail_html.h"

#include "test.h"

static const struct {
    const char *html, *text;
} cases[] = {
    {"", ""},
    {"plain", "plain"},
    {"<p>a</p>", "\na\n"},
    {"a<br/>b<BR>c", "a\nb\nc"},
    {"a &amp; b &lt;c&gt; &#65;&#x42; &euro;", "a & b <c> AB \xe2\x82\xac"},
    {"&amp;lt;", "&lt;"},
    {"&nosuch; &amp &#; &#xzz;", "&nosuch; &amp &#; &#xzz;"},
    {"&#0;&#55296;&#1114112;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"a<script>alert('<p>')</script>b<style>x</STYLE>c", "abc"},
    {"<title>hidden</title>seen", "seen"},
    {"a<!-- hidden --> b", "a b"},
    {"a<!-- never ended", "a"},
    {"1 < 2 and 3 > 2", "1 < 2 and 3 > 2"},
    {"<a title=\">\" href=\"http://x.example/\">link</a>", " <http://x.example/> link"},
    {"<a href=http://x.example/>link</a>", " <http://x.example/> link"},
    {"a\r\n   b\t c", "a b c"},
    {"<td>1</td><td>2</td>", " 1 2"},
    {"<b>bo</b>ld", "bold"},
    {"<never closed", ""},
    {"so&shy;ft so\xc2\xad"
     "ft ze\xe2\x80\x8bro&zwnj;x",
     "soft soft zerox"},
    {"a&nbsp;\xc2\xa0 b", "a b"},
    {"&Aacute;&yuml;&frac12;", "\xc3\x81\xc3\xbf\xc2\xbd"},
    /* What is not displayed, and what only looks so. */
    {"a<div style=\"display:none\">x<div>y</div><br>z</div>b", "a\nb"},
    {"a<span STYLE='color:red; Display : None !important'>x</span>b", "ab"},
    {"a<span style=display:none>x</span>b", "ab"},
    {"a<b hidden>x</b>c<b data-hidden=1>d</b>", "acd"},
    {"a<b style=\"display:none;display:inline\">x</b>", "ax"},
    {"a<b style=\"display:none!important;display:inline\">x</b>b", "ab"},
    {"a<b title=\"display:none\">x</b>", "ax"},
    {"<div>a<span hidden>x</div>b", "\na\nb"},
    {"<p hidden>x<p>y", "\ny"},
    {"a<img hidden>b", "ab"},
    {"a<i hidden>x<!-- </i> -->y</i>b", "ab"},
    {"a<i hidden>x<br>y<img src=z></i>b", "ab"},
    {"a<div hidden>never closed", "a"},
};

static void html_becomes_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(mail_html_text(bytes_of(cases[i].html), &out), 0);
        if (!bytes_is(buf_bytes(&out), cases[i].text)) {
            fail_msg("%s gives \"%s\"", cases[i].html, buf_text(&out));
        }
        buf_done(&out);
    }
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4);
    assert_int_equal(mail_html_text(bytes_of("abcdefgh"), &out), -1);
    assert_string_equal(buf_text(&out), "abcd");
    buf_done(&out);
}

static void pages_name_their_character_set(void **state)
{
    (void)state;
    static const char *const pages[][2] = {
        {"<html><head><meta charset=\"koi8-r\">", "koi8-r"},
        {"<META http-equiv='Content-Type' content='text/html; charset=gb2312; x'>", "gb2312"},
        {"<meta name=x content=y><meta charset=utf-8>", "utf-8"},
        {"<p>charset=x", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        assert_true(bytes_is(mail_html_charset(bytes_of(pages[i][0])), pages[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(html_becomes_text),
                                       cmocka_unit_test(pages_name_their_character_set),
                                       cmocka_unit_test(what_does_not_fit_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
