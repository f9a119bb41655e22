/* A message as its reader sees it, and what hostile ones may not do: bombs of every kind end at a named limit, in bounded time and memory. */
#include "mail/mail_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static ptrdiff_t read_bytes(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    struct bytes part = bytes_slice(*(struct bytes *)ctx, (size_t)offset, len > 1000 ? 1000 : len); /* short reads */
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

static int read_view(struct bytes text, struct arena *arena, struct mail_view *view, struct fault *fault)
{
    struct mail_source source = {.size = text.len, .read = read_bytes, .ctx = &text};
    return mail_view_read(&source, MAIL_VIEW_TEXTS | MAIL_VIEW_SIZES, arena, view, fault);
}

static const struct {
    const char *message, *texts[3], *attachments[3]; /* "name|name type size" */
    const char *errors;
} messages[] = {
    {"Subject: x\r\n\r\nplain\r\n", {"plain\n"}, {NULL}, NULL},
    {"\r\nno header\r\n", {"no header\n"}, {NULL}, NULL},
    {"no header\r\n", {"no header\n"}, {NULL}, NULL},
    {"From r@h Tue Dec  1\r\nContent-Type: text/html\r\n\r\n<b>x</b>", {"x"}, {NULL}, NULL},
    {"", {NULL}, {NULL}, NULL},
    {"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw6TDtg==\r\n",
     {"\xc3\xa4\xc3\xb6"},
     {NULL},
     NULL},
    {"Content-Type: text/plain; charset=iso-8859-15\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=A4=\r\n!",
     {"\xe2\x82\xac!"},
     {NULL},
     NULL},
    {"Content-Type: text/plain; charset=no-such\r\n\r\nab\xff", {"ab\xc3\xbf"}, {NULL}, "charset"},
    {"Content-Type: text/plain; charset=us-ascii\r\n\r\nB\xc3\xbcro", {"B\xc3\xbcro"}, {NULL}, NULL},
    {"Content-Type: text\r\n\r\nB\xfcro", {"B\xc3\xbcro"}, {NULL}, NULL},
    {"Content-Type: text/html\r\n\r\n<p>a<br>b</p>", {"a\nb\n"}, {NULL}, NULL},
    {"Content-Type: text/html\r\n\r\n<meta charset=\"koi8-r\">\xc1\xc2", {"\xd0\xb0\xd0\xb1"}, {NULL}, NULL},
    {"Content-Type: text/html; charset=utf-8\r\n\r\n<meta charset=\"koi8-r\">\xc3\xa4", {"\xc3\xa4"}, {NULL}, NULL},
    {"Content-Transfer-Encoding: base64 (really)\r\n\r\nYWJj\r\nZA==ZWY=\r\nZ2g", {"abcdefgh"}, {NULL}, NULL},
    {"Content-Transfer-Encoding: quoted-printable; x\r\n\r\na=3Db=\r\nc= \r\nd \r\ne=zz",
     {"a=bcd\ne=zz"},
     {NULL},
     NULL},
    {"Content-Transfer-Encoding: x-what\r\n\r\nabc", {"abc"}, {NULL}, "encoding"},
    /* Multiparts. */
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\nContent-Type: "
     "text/plain\r\n\r\ntwo\r\n--x--\r\nafter",
     {"one", "two"},
     {NULL},
     NULL},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x--\r\n--x\r\nContent-Type: a/b; "
     "name=late.exe\r\n\r\ntwo",
     {"one"},
     {"late.exe a/b 3"},
     NULL},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\nno boundary ever\r\n",
     {"no boundary ever\n"},
     {NULL},
     "boundary"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nnever ended", {"never ended"}, {NULL}, NULL},
    {"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nnone named\r\n", {"--x\n\nnone named\n"}, {NULL}, "boundary"},
    {"Content-Type: multipart/mixed; boundary=\"x \"\r\n\r\n--x\r\n\r\na\r\n--x \t\r\n\r\nb\r\n--xy\r\nin "
     "--x\r\n--x--\r\n",
     {"a", "b\n--xy\nin --x"},
     {NULL},
     NULL},
    {"Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; "
     "boundary=b\r\n\r\n--a\r\n\r\none\r\n--b\r\n\r\n"
     "two\r\n--b--\r\n",
     {"one", "two"},
     {NULL},
     NULL},
    {"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b; "
     "name=x\r\n\r\nc\r\n--b--",
     {"--b\nContent-Type: a/b; name=x\n\nc\n--b--"},
     {"x a/b 1"},
     "content-type"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/mixed; "
     "boundary=xy\r\n\r\n--xy\r\n\r\n"
     "in\r\n--x\r\n\r\nout\r\n--x--",
     {"in", "out"},
     {NULL},
     NULL},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\ntext without header\r\n--x\r\n\r\n\r\n--x--\r\n",
     {"text without header"},
     {NULL},
     NULL},
    {"Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: inner\r\n\r\ntext\r\n--x--\r\n",
     {"text"},
     {" message/rfc822 22"},
     NULL},
    {"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x--\n", {"one"}, {NULL}, NULL},
    /* Attachments. */
    {"Content-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMDEyMw==\r\n",
     {NULL},
     {"a.png image/png 4"},
     NULL},
    {"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=\"=?utf-8?Q?=C3=A4.txt?=\"\r\n\r\nabc",
     {NULL},
     {"\xc3\xa4.txt text/plain 3"},
     NULL},
    {"Content-Type: text/plain; name=a.log\r\n\r\nabc", {"abc"}, {"a.log text/plain 3"}, NULL},
    {"Content-Disposition: inline; filename=a.log\r\n\r\nabc", {"abc"}, {"a.log text/plain 3"}, NULL},
    {"Content-Disposition: attachment\r\n\r\nabc", {NULL}, {" text/plain 3"}, NULL},
    {"Content-Disposition: what\r\n\r\nabc", {NULL}, {" text/plain 3"}, NULL},
    {"Content-Disposition: filename=a\r\n\r\nabc", {"abc"}, {"a text/plain 3"}, NULL},
    {"Content-Disposition: attachment filename=a.exe\r\n\r\nabc", {NULL}, {"a.exe text/plain 3"}, NULL},
    {"Content-Type: a/b name=a.exe\r\n\r\nabc", {NULL}, {"a.exe a/b 3"}, NULL},
    {"Content-Type: \"a/b\"; name=a.exe (no)\r\n\r\nabc", {NULL}, {"a.exe (no)|a.exe a/b 3"}, NULL},
    {"Content-Type: (c (d)) a/b; name=(e) 'a.exe'\r\n\r\nabc", {NULL}, {"(e) 'a.exe'|a.exe a/b 3"}, NULL},
    {"Content-Type: a/b; name=\"C:\\x\\a.exe\"\r\n\r\nabc", {NULL}, {"C:xa.exe|C:\\x\\a.exe a/b 3"}, NULL},
    {"Content-Type: text/html, charset=iso-8859-2\r\n\r\n<b>\xe8</b>", {"\xc4\x8d"}, {NULL}, NULL},
    {"Content-Type: multipart/mixed; boundary=x (y)\r\n\r\n--x\r\n\r\none\r\n--x--\r\n", {"one"}, {NULL}, NULL},
    {"Content-Type: multipart/mixed; boundary='x'\r\n\r\n--x\r\n\r\none\r\n--x--\r\n", {"one"}, {NULL}, NULL},
    {"Content-Transfer-Encoding: (c) base64 (d)\r\n\r\nYWJj", {"abc"}, {NULL}, NULL},
    {"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj", {"YWJj"}, {NULL}, "encoding"},
    /* Messages that came encoded. */
    {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQppbm5lcg==",
     {"inner"},
     {" message/rfc822 19"},
     NULL},
    {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
     "Content-Type: a/b; name=3D\"x.exe\"\r\n\r\n=41",
     {NULL},
     {" message/rfc822 36", "x.exe a/b 1"},
     NULL},
    {"Content-Type: a/b; name=\"evil.exe. . \"\r\n\r\nabc", {NULL}, {"evil.exe a/b 3"}, NULL},
    {"Content-Type: a/b; name=c.txt\r\nContent-Disposition: attachment; filename=invoice.pdf; "
     "filename*=utf-8''evil.exe; filename=d\r\n\r\nabc",
     {NULL},
     {"invoice.pdf|evil.exe|d|c.txt a/b 3"},
     NULL},
    {"Content-Type: A/B\r\nContent-Type: c/d\r\n\r\nabc", {NULL}, {" a/b+c/d 3"}, "content-type"},
    {"Content-Type: application/x; name=\"=?utf-8?B?YQ==?= =?utf-8?B?Yg==?=\"\r\n\r\nabc",
     {NULL},
     {"ab application/x 3"},
     NULL},
    {"Content-Type: application/x\r\nContent-Disposition: attachment;\r\n "
     "filename=\"=?utf-8?B?UmVjaG51bmcg?=\r\n =?utf-8?B?w6Q=?=\r\n =?utf-8?B?LnBkZg==?=\"\r\n\r\nabc",
     {NULL},
     {"Rechnung \xc3\xa4.pdf application/x 3"},
     NULL},
    {"Content-Type: application/x; name*0*=utf-8''a%20; name*1=b\r\n\r\nabc", {NULL}, {"a b application/x 3"}, NULL},
    {"Content-Type: message/rfc822; name=f.eml\r\n\r\nSubject: inner\r\n\r\ninner text\r\n",
     {"inner text\n"},
     {"f.eml message/rfc822 30"},
     NULL},
    {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA==",
     {NULL},
     {" message/rfc822 10"},
     NULL},
    {"Content-Type: message/partial; id=x; number=2\r\n\r\nabc", {NULL}, {" message/partial 3"}, "partial"},
    {"Content-Type: multipart/encrypted; boundary=x\r\n\r\n--x\r\nContent-Type: "
     "application/octet-stream\r\n\r\nabc\r\n--x--",
     {NULL},
     {" application/octet-stream 3"},
     "encrypted"},
    {"Content-Type: application/ms-tnef\r\n\r\nabc", {NULL}, {" application/ms-tnef 3"}, "tnef"},
};

static void describe(const struct mail_view *view, size_t number, char *out, size_t size)
{
    struct buf text;
    buf_init(&text, size - 1);
    if (number < view->attachment_count) {
        const struct mail_view_attachment *attachment = &view->attachments[number];
        for (size_t i = 0; i < attachment->name_count; i++) {
            buf_printf(&text, "%s%s", i == 0 ? "" : "|", attachment->names[i]);
        }
        buf_printf(&text, " %s%s%s %d", attachment->type, attachment->other_type == NULL ? "" : "+",
                   attachment->other_type == NULL ? "" : attachment->other_type, (int)attachment->size);
    }
    strcpy(out, buf_text(&text));
    buf_done(&text);
}

static void messages_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct arena *arena = arena_new(32 << 20);
        struct mail_view view;
        struct fault fault = FAULT_INIT;
        assert_int_equal(read_view(bytes_of(messages[i].message), arena, &view, &fault), 0);
        assert_null(view.limit);
        for (size_t j = 0; j < 3; j++) {
            const char *wanted = messages[i].texts[j];
            const char *got = j < view.text_count ? (const char *)view.texts[j].text.ptr : NULL;
            if ((wanted == NULL) != (got == NULL) || (wanted != NULL && strcmp(wanted, got) != 0)) {
                fail_msg("%zu: text %zu is \"%s\", not \"%s\"", i, j, got == NULL ? "none" : got,
                         wanted == NULL ? "none" : wanted);
            }
            char attachment[300];
            describe(&view, j, attachment, sizeof attachment);
            const char *named = messages[i].attachments[j] == NULL ? "" : messages[i].attachments[j];
            if (strcmp(attachment, named) != 0) {
                fail_msg("%zu: attachment %zu is \"%s\", not \"%s\"", i, j, attachment, named);
            }
        }
        const char *error = view.error_count == 0 ? NULL : view.errors[0];
        if ((error == NULL) != (messages[i].errors == NULL) ||
            (error != NULL && strcmp(error, messages[i].errors) != 0)) {
            fail_msg("%zu: the error is %s", i, error == NULL ? "none" : error);
        }
        assert_true(view.error_count <= 1);
        arena_free(&arena);
    }
}

/* Every text in its forms: as it is read, as paragraphs, as it came. */
static void texts_have_forms(void **state)
{
    (void)state;
    static const struct {
        const char *message, *text, *paragraphs, *raw;
    } cases[] = {
        {"\r\na\r\nb\r\n\r\nc\rd\n", "a\nb\n\nc\nd\n", "a b\nc d\n", "a\nb\n\nc\nd\n"},
        {"\r\none line\r\n", "one line\n", NULL, "one line\n"},
        {"Content-Type: text/plain; format=flowed\r\n\r\n> a \r\n> b\r\nc \r\n d\r\n-- \r\ne\r\n",
         "> a b\nc d\n-- \ne\n", "a b c d -- e\n", "> a \n> b\nc \n d\n-- \ne\n"},
        {"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\na \r\nb\r\n", "ab\n", NULL, "a \nb\n"},
        {"Content-Type: text/html\r\n\r\n<i>a</i>\r\n<b>b</b>", "a b", NULL, "<i>a</i>\n<b>b</b>"},
        {"\r\nso\xc2\xad\xe2\x80\x8b"
         "ft",
         "so\xc2\xad\xe2\x80\x8b"
         "ft",
         "soft\n",
         "so\xc2\xad\xe2\x80\x8b"
         "ft"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new(32 << 20);
        struct mail_view view;
        struct fault fault = FAULT_INIT;
        struct bytes text = bytes_of(cases[i].message);
        struct mail_source source = {.size = text.len, .read = read_bytes, .ctx = &text};
        assert_int_equal(mail_view_read(&source, MAIL_VIEW_TEXTS | MAIL_VIEW_RAW, arena, &view, &fault), 0);
        assert_int_equal(view.text_count, 1);
        assert_true(bytes_is(view.texts[0].text, cases[i].text));
        assert_true(bytes_is(view.texts[0].raw, cases[i].raw));
        assert_int_equal(view.texts[0].paragraphs.ptr == NULL, cases[i].paragraphs == NULL);
        if (cases[i].paragraphs != NULL) {
            assert_true(bytes_is(view.texts[0].paragraphs, cases[i].paragraphs));
        }
        arena_free(&arena);
    }
}

static void what_is_nested_says_so(void **state)
{
    (void)state;
    struct arena *arena = arena_new(32 << 20);
    struct mail_view view;
    struct fault fault = FAULT_INIT;
    struct bytes text = bytes_of("Content-Type: multipart/mixed; "
                                 "boundary=x\r\n\r\n--x\r\n\r\nouter\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
                                 "Content-Type: multipart/mixed; "
                                 "boundary=y\r\n\r\n--y\r\n\r\ninner\r\n--y\r\nContent-Type: a/b\r\n\r\nz\r\n--y--\r\n"
                                 "\r\n--x--\r\n");
    assert_int_equal(read_view(text, arena, &view, &fault), 0);
    assert_int_equal(view.text_count, 2);
    assert_false(view.texts[0].nested);
    assert_true(view.texts[1].nested);
    assert_int_equal(view.attachment_count, 2);
    assert_string_equal(view.attachments[0].type, "message/rfc822");
    assert_false(view.attachments[0].nested);
    assert_true(view.attachments[1].nested);
    arena_free(&arena);
}

/* What it brings is looked into in the midst of its neighbours, which need their room all the same. */
static void parts_come_behind_an_encoded_message(void **state)
{
    (void)state;
    struct arena *arena = arena_new(32 << 20);
    struct mail_view view;
    struct fault fault = FAULT_INIT;
    struct buf text;
    buf_init(&text, 10000);
    buf_append_text(&text, "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n"
                           "Content-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQppbm5lcg==\r\n");
    for (unsigned i = 0; i < 20; i++) {
        buf_printf(&text, "--x\r\n\r\nouter %u\r\n", i);
    }
    buf_append_text(&text, "--x--\r\n");
    assert_int_equal(read_view(buf_bytes(&text), arena, &view, &fault), 0);
    assert_int_equal(view.text_count, 21);
    assert_true(bytes_starts_nocase(view.texts[0].text, "inner"));
    for (unsigned i = 0; i < 20; i++) {
        char wanted[20];
        snprintf(wanted, sizeof wanted, "outer %u", i);
        assert_true(bytes_starts_nocase(view.texts[i + 1].text, wanted));
    }
    buf_done(&text);
    arena_free(&arena);
}

static const struct {
    const char *head, *repeat;
    size_t times;
    const char *tail, *limit; /* NULL: none, but it must end */
} bombs[] = {
    {"X: ", "aaaaaaaaaa\r\n ", 100000, "\r\n\r\nbody\r\n", "header-size"},
    {"X: ", "a", 1 << 20, "", "header-size"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\na\r\n", 100000, "--x--\r\n", "parts"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\na\r\n", 2000, "--x--\r\n", "parts"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n",
     9000, "", NULL},
    {"To: ", "a:", 100000, "\r\n\r\nx", NULL},
    {"Subject: x\r\nreply-to : ", "a:\r\n ", 50000, "\r\n\r\nx", NULL},
    {"Content-Type: message/rfc822\r\n\r\nCc: ", "a:", 500000, "\r\n\r\nx", NULL},
    {"Subject: x\r\n\r\n", "To a colon : : : : :\r\n", 1000, "", NULL},
    {"", "Content-Type: message/rfc822\r\n\r\n", 10000, "", "nesting"},
    {"", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", 10000, "", "nesting"},
    {"Subject: x\r\n\r\n", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 1 << 17, "", "text"},
    {"Content-Type: text/html\r\n\r\n", "<a href=\"x\">", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<", 1000000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<!--", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<script>", 300000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<p hidden>", 200000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<b hidden>", "<!--x>", 200000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<b hidden>", "<i>", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<a b=\"", 300000, "", NULL},
    {"Content-Type: multipart/mixed; boundary=x\r\n", "Content-Type: multipart/mixed; boundary=y\r\n", 2000,
     "\r\n--y\r\n\r\nz", NULL},
    {"Content-Transfer-Encoding: quoted-printable\r\n\r\n", "= ", 1000000, "", NULL},
    {"Subject: x\r\n\r\n", "\xcc\x81", 300000, "", NULL},
    {"Subject: x\r\n\r\n", "--\r\n", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "&#1", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "&zz", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<style>", "@a;", 100000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<style>", "}", 200000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<style>", "a{", 100000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<style>", "@media all{", 20000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<style>", "/*", 100000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<style>a.b{height:1}</style><a class=\"b b b b\" style='a'>", 30000, "", NULL},
    {"Content-Type: text/html\r\n\r\n<style>a,b,c,d,e,f,g{height:0;overflow:hidden}</style>", "<x a = b c>", 300000, "",
     NULL},
    {"Content-Type: text/html\r\n\r\n", "<pre> ", 500000, "", NULL},
    {"Content-Type: text/plain; ", "a*0=b;", 40000, "\r\n\r\nx", NULL},
    {"Content-Type: text/plain; charset=\"", "=?utf-8?Q?", 20000, "\r\n\r\nx", NULL},
    {"Content-Type: text/plain; charset=utf-7\r\n\r\n", "+AGEA", 500000, "", NULL},
};

static void bombs_end_at_a_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct buf text;
        buf_init(&text, 64u << 20);
        buf_append_text(&text, bombs[i].head);
        for (size_t j = 0; j < bombs[i].times; j++) {
            buf_append_text(&text, bombs[i].repeat);
        }
        buf_append_text(&text, bombs[i].tail);
        struct arena *arena = arena_new(32 << 20);
        struct mail_view view;
        struct fault fault = FAULT_INIT;
        assert_int_equal(read_view(buf_bytes(&text), arena, &view, &fault), 0);
        if (bombs[i].limit != NULL && (view.limit == NULL || strcmp(view.limit, bombs[i].limit) != 0)) {
            fail_msg("bomb %zu hits \"%s\", not \"%s\"", i, view.limit == NULL ? "nothing" : view.limit,
                     bombs[i].limit);
        }
        arena_free(&arena);
        buf_done(&text);
    }
}

static void a_source_that_fails_is_a_fault(void **state)
{
    (void)state;
    struct bytes text = bytes_of("Subject: x\r\n\r\nbody\r\n");
    struct arena *arena = arena_new(1000);
    struct mail_view view = {.limit = "untouched"};
    struct fault fault = FAULT_INIT;
    assert_int_equal(read_view(text, arena, &view, &fault), -1);
    assert_string_equal(fault.code, "rules-memory");
    assert_string_equal(view.limit, "untouched");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_decoded),           cmocka_unit_test(bombs_end_at_a_limit),
        cmocka_unit_test(a_source_that_fails_is_a_fault), cmocka_unit_test(texts_have_forms),
        cmocka_unit_test(what_is_nested_says_so),         cmocka_unit_test(parts_come_behind_an_encoded_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
