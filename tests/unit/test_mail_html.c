/* HTML as the text that a reader sees. */
#include "mail/mail_html.h"

#include "test.h"

static const struct {
    const char *html, *text;
} cases[] = {
    {"", ""},
    {"plain", "plain"},
    {"<p>a</p>", "a\n"},
    {"a<br/>b<BR>c", "a\nb\nc"},
    {"a &amp; b &lt;c&gt; &#65;&#x42; &euro;", "a & b <c> AB \xe2\x82\xac"},
    {"&amp;lt;", "&lt;"},
    {"&nosuch; &ampx &#; &#xzz;", "&nosuch; &x &#; &#xzz;"},
    {"&#65&#x42 &lt&gt&copy2 &notit;", "AB <>\xc2\xa9"
                                       "2 \xc2\xac"
                                       "it;"},
    {"&#128;&#150;", "\xe2\x82\xac\xe2\x80\x93"},
    {"&#0;&#55296;&#1114112;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"a<script>alert('<p>')</script>b<style>x</STYLE>c", "abc"},
    {"<title>hidden</title>seen", "seen"},
    {"a<!-- hidden --> b", "a b"},
    {"a<!-- never ended", "a"},
    {"1 < 2 and 3 > 2", "1 < 2 and 3 > 2"},
    {"<a title=\">\" href=\"http://x.example/\">link</a>", "<http://x.example/> link"},
    {"a <a title = 'x>y' href = \"?a=1&amp;b=2&copy=3\">link</a>", "a <?a=1&b=2&copy=3> link"},
    {"<a href=http://x.example/>link</a>", "<http://x.example/> link"},
    {"a\r\n   b\t c", "a b c"},
    {"<table><tr><td>1</td><td>2</td>\n<tr><td>3</table>x", "1 2\n3\nx"},
    {"<pre>a\r\n  b</pre> c", "a\n  b\nc"},
    {"<h1>a</h1>b<ul><li>c<li>d</ul>", "a\nb\nc\nd\n"},
    {"a<!-->b<!--->c<!--x--!>d", "abcd"},
    {"a<template>x</template>b", "ab"},
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
    {"<div>a<span hidden>x</div>b", "a\nb"},
    {"<p hidden>x<p>y", "y"},
    {"a<img hidden>b", "ab"},
    {"a<i hidden>x<!-- </i> -->y</i>b", "ab"},
    {"a<i hidden>x<br>y<img src=z></i>b", "ab"},
    {"a<div hidden>never closed", "a"},
    {"a<b style=\"display&#58;/* */none\">x</b>b", "ab"},
    {"a<b style=visibility:hidden>x</b><b style=font-size:0px>x</b><b style=opacity:0.0>x</b>b", "ab"},
    {"a<b style=font-size:0.1em>x</b><b style=opacity:0.5>y</b>b", "axyb"},
    {"a<b style=\"max-height:0;overflow:hidden\">x</b><b style=max-height:0>y</b>b", "ayb"},
    /* Style sheets. */
    {"<style>.h{display:none}</style>a<b class=h>x</b><b class='y h'>x</b><b class=H>y</b>", "ay"},
    {"a<b class=h>x</b>b<style>.h{display:none}</style>", "ab"},
    {"<style><!-- b.g , #i { color : red ; display : none } --></style>a<b class=g>x</b><i class=g>y</i><i id=i>x</i>",
     "ay"},
    {"<style>/*.h{display:none}*/ h/**/r,i{display:none}</style>a<b class=h>x</b><i>y</i>b", "axb"},
    {"<style>.h{display:none}.h{display:block}</style>a<b class=h>x</b>", "ax"},
    {"<style>#i{display:inline}.h{display:none}</style>a<b class=h id=i>x</b>", "ax"},
    {"<style>.h{display:none}</style>a<b class=h style=display:inline>x</b>", "ax"},
    {"<style>.h{display:none!important}</style>a<b class=h style=display:inline>x</b>", "a"},
    {"<style>@media (max-width:9px){.h{display:none}} @import 'x';</style>a<b class=h>x</b>", "ax"},
    {"<style>@media screen{.h{display:none}} .g{display:none}</style>a<b class=h>x</b><b class=g>x</b>", "a"},
    {"<style>div .h,.h:hover,.h[x],.h>b{display:none}</style>a<b class=h>x</b>", "ax"},
    {"<style>.h{display:none", ""},
    {"<!-- <style>.h{display:none}</style> -->a<b class=h>x</b>", "ax"},
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
        {"<meta charset=utf-16le>", "utf-8"},
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
