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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(html_becomes_text),
                                       cmocka_unit_test(what_does_not_fit_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
