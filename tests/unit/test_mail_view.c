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
    const char *message, *texts[3], *attachments[3]; /* "name type size" */
} messages[] = {
    {"Subject: x\r\n\r\nplain\r\n", {"plain\r\n"}, {NULL}},
    {"\r\nno header\r\n", {"no header\r\n"}, {NULL}},
    {"", {NULL}, {NULL}},
    {"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw6TDtg==\r\n",
     {"\xc3\xa4\xc3\xb6"},
     {NULL}},
    {"Content-Type: text/plain; charset=iso-8859-15\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=A4=\r\n!",
     {"\xe2\x82\xac!"},
     {NULL}},
    {"Content-Type: text/plain; charset=no-such\r\n\r\nab\xff", {"ab\xef\xbf\xbd"}, {NULL}},
    {"Content-Type: text/html\r\n\r\n<p>a<br>b</p>", {"\na\nb\n"}, {NULL}},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\nContent-Type: "
     "text/plain\r\n\r\ntwo\r\n--x--\r\nafter",
     {"one", "two"},
     {NULL}},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\nno boundary ever\r\n", {NULL}, {NULL}},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nnever ended", {"never ended"}, {NULL}},
    {"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nno boundary named\r\n--x--\r\n", {NULL}, {NULL}},
    {"Content-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMDEyMw==\r\n",
     {NULL},
     {"a.png image/png 4"}},
    {"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=\"=?utf-8?Q?=C3=A4.txt?=\"\r\n\r\nabc",
     {NULL},
     {"\xc3\xa4.txt text/plain 3"}},
    {"Content-Type: application/x; name=\"=?utf-8?B?YQ==?= =?utf-8?B?Yg==?=\"\r\n\r\nabc",
     {NULL},
     {"ab application/x 3"}},
    {"Content-Type: application/x\r\nContent-Disposition: attachment;\r\n "
     "filename=\"=?utf-8?B?UmVjaG51bmcg?=\r\n =?utf-8?B?w6Q=?=\r\n =?utf-8?B?LnBkZg==?=\"\r\n\r\nabc",
     {NULL},
     {"Rechnung \xc3\xa4.pdf application/x 3"}},
    {"Content-Type: application/x; name*0*=utf-8''a%20; name*1=b\r\n\r\nabc", {NULL}, {"a b application/x 3"}},
    {"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n", {"inner text\r\n"}, {NULL}},
};

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
            const char *got = j < view.text_count ? (const char *)view.texts[j].ptr : NULL;
            if ((wanted == NULL) != (got == NULL) || (wanted != NULL && strcmp(wanted, got) != 0)) {
                fail_msg("%zu: text %zu is \"%s\", not \"%s\"", i, j, got == NULL ? "none" : got,
                         wanted == NULL ? "none" : wanted);
            }
            char attachment[300] = "";
            if (j < view.attachment_count) {
                snprintf(attachment, sizeof attachment, "%s %s %d", view.attachments[j].name, view.attachments[j].type,
                         (int)view.attachments[j].size);
            }
            assert_string_equal(attachment, messages[i].attachments[j] == NULL ? "" : messages[i].attachments[j]);
        }
        arena_free(&arena);
    }
}

static const struct {
    const char *head, *repeat;
    size_t times;
    const char *tail, *limit; /* NULL: none, but it must end */
} bombs[] = {
    {"", "X-A: b\r\n", MAIL_VIEW_FIELDS_MAX + 1, "\r\nbody\r\n", "header-fields"},
    {"X: ", "aaaaaaaaaa\r\n ", 100000, "\r\n\r\nbody\r\n", "header-size"},
    {"X: ", "a", 1 << 20, "", "header-size"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\na\r\n", 100000, "--x--\r\n", "boundaries"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\na\r\n", 2000, "--x--\r\n", "parts"},
    {"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n",
     9000, "", NULL},
    {"To: ", "a:", 100000, "\r\n\r\nx", "addresses"},
    {"Subject: x\r\nreply-to : ", "a:\r\n ", 50000, "\r\n\r\nx", "addresses"},
    {"Content-Type: message/rfc822\r\n\r\nCc: ", "a:", 500000, "\r\n\r\nx", "addresses"},
    {"Subject: x\r\n\r\n", "To a colon : : : : :\r\n", 1000, "", NULL},
    {"", "Content-Type: message/rfc822\r\n\r\n", 10000, "", "nesting"},
    {"Subject: x\r\n\r\n", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 1 << 17, "", "text"},
    {"Content-Type: text/html\r\n\r\n", "<a href=\"x\">", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<", 1000000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<!--", 500000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "<script>", 300000, "", NULL},
    {"Content-Type: text/html\r\n\r\n", "&#1", 500000, "", NULL},
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
    {"=?utf-8?B?!Q==?= =?utf-8?B?Yg==?=", "b"},
    {"=?=?= =?=?= =?=?=", "=?=?= =?=?= =?=?="},
    {"=?no-such?Q?a?=", "a"},
    {"=?utf-8?B?w6", "=?utf-8?B?w6"},
    {"\xff", "\xc3\xbf"},
    {"\xc3\xa4", "\xc3\xa4"},
};

static void encoded_words_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct buf out;
        buf_init(&out, 1000);
        mail_view_text(bytes_of(words[i].value), &out);
        assert_true(bytes_is_utf8(buf_bytes(&out)));
        if (strcmp(buf_text(&out), words[i].text) != 0) {
            fail_msg("%s gives %s", words[i].value, buf_text(&out));
        }
        buf_done(&out);
    }
}

static void keep_address(void *ctx, const char *name, const char *address)
{
    buf_printf(ctx, "%s <%s>;", name, address);
}

static void display_names_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *value, *addresses;
    } cases[] = {
        {"=?utf-8?B?w6Q=?= <a@b.example>", "\xc3\xa4 <a@b.example>;"},
        {"=?utf-8?B?SsO8cmdlbiA=?= =?utf-8?B?TcO8bGxlcg==?= <j@b.example>, \"=?utf-8?B?YQ==?= =?utf-8?B?Yg==?=\" "
         "<c@b.example>",
         "J\xc3\xbcrgen M\xc3\xbcller <j@b.example>;ab <c@b.example>;"},
        {"=?utf-8?B?YQ==?= =?utf-8?Q?b?= <a@b.example>", "ab <a@b.example>;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        mail_view_addresses(bytes_of(cases[i].value), keep_address, &out);
        assert_string_equal(buf_text(&out), cases[i].addresses);
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
        mail_view_text(buf_bytes(&text), &out);
        assert_true(bytes_is_utf8(buf_bytes(&out)));
        buf_done(&text);
        buf_done(&out);
    }
}

static void count_address(void *ctx, const char *name, const char *address)
{
    (void)name, (void)address;
    ++*(size_t *)ctx;
}

static void address_bombs_end(void **state)
{
    (void)state;
    static const char *const repeats[] = {"a@b,", "(", "\"", "<", "a:", "\\", "[", ",", "a@b;", "=?utf-8?Q?"};
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++) {
        struct buf text;
        buf_init(&text, 1u << 20);
        while (text.len < 200000) {
            buf_append_text(&text, repeats[i]);
        }
        size_t count = 0;
        mail_view_addresses(buf_bytes(&text), count_address, &count);
        assert_true(count <= MAIL_VIEW_ADDRESSES_MAX);
        buf_done(&text);
    }
}

static void dates_are_read(void **state)
{
    (void)state;
    int64_t ms = 5;
    assert_true(mail_view_date(bytes_of("Mon, 23 Nov 2026 07:11:20 +0100"), &ms));
    assert_int_equal(ms, INT64_C(1795414280000));
    assert_false(mail_view_date(bytes_of("yesterday"), &ms));
    assert_false(mail_view_date(bytes_of(""), &ms));
    assert_false(mail_view_date(bytes_of("Mon, 23 Nov 1926 07:11:20 +0100"), &ms));
    assert_int_equal(ms, INT64_C(1795414280000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_decoded),
        cmocka_unit_test(bombs_end_at_a_limit),
        cmocka_unit_test(a_source_that_fails_is_a_fault),
        cmocka_unit_test(encoded_words_are_decoded),
        cmocka_unit_test(display_names_are_decoded),
        cmocka_unit_test(word_bombs_end),
        cmocka_unit_test(address_bombs_end),
        cmocka_unit_test(dates_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
