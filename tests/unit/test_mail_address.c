/* Address fields as people read them; bombs of every kind end. */
#include "mail/mail_address.h"

#include <string.h>

#include "test.h"

static const struct {
    const char *value, *addresses; /* "name<address>;" each */
} cases[] = {
    {"a@b.example", "<a@b.example>;"},
    {"A B <a@b.example>", "A B<a@b.example>;"},
    {"\"A, B\" <a@b.example>, c@d.example", "A, B<a@b.example>;<c@d.example>;"},
    {"a@b.example (A B)", "A B<a@b.example>;"},
    {"a (x) @ (y) b . example", "y<a@b.example>;"},
    {"=?utf-8?B?w6Q=?= <a@b.example>", "\xc3\xa4<a@b.example>;"},
    {"=?utf-8?B?SsO8cmdlbiA=?= =?utf-8?B?TcO8bGxlcg==?= <j@b.example>, \"=?utf-8?B?YQ==?= =?utf-8?B?Yg==?=\" "
     "<c@b.example>",
     "J\xc3\xbcrgen M\xc3\xbcller<j@b.example>;ab<c@b.example>;"},
    {"=?utf-8?B?YQ==?= =?utf-8?Q?b?= <a@b.example>", "ab<a@b.example>;"},
    {"B\xfcro <a@b.example>", "B\xc3\xbcro<a@b.example>;"},
    /* What was forgotten. */
    {"[Alert] System <alert@b.example>", "[Alert] System<alert@b.example>;"},
    {"Foo <a@b.example", "Foo<a@b.example>;"},
    {"Foo a@b.example>, <c@d.example", "<a@b.example>;<c@d.example>;"},
    {"Foo (Bar <a@b.example>", "Foo (Bar<a@b.example>;"},
    {"Foo) \"Bar <a@b.example>", "Foo) \"Bar<a@b.example>;"},
    {"Doe, John <j@d.example>, x@y.example", "Doe, John<j@d.example>;<x@y.example>;"},
    {"a..b@docomo.example, c.@docomo.example", "<a..b@docomo.example>;<c.@docomo.example>;"},
    {"a@b.example; c@d.example;e@f.example", "<a@b.example>;<c@d.example>;<e@f.example>;"},
    {"a@b.example c@d.example", "<a@b.example>;<c@d.example>;"},
    {"<a@b.example> <c@d.example>", "<a@b.example>;<c@d.example>;"},
    {"<a@b.example", "<a@b.example>;"},
    {"x <y <a@b.example>", "x <y<a@b.example>;"},
    {"user@host: <a@b.example>", "user@host<a@b.example>;"},
    {"mailto:a@b.example, <mailto:c@d.example>", "<a@b.example>;<c@d.example>;"},
    {"ceo@bank.example <evil@b.example>", "ceo@bank.example<evil@b.example>;"},
    /* Groups, routes, literals, local mailboxes, nothing. */
    {"Team: a@b.example, C <c@d.example>; e@f.example", "<a@b.example>;C<c@d.example>;<e@f.example>;"},
    {"undisclosed-recipients:;", ""},
    {"<@x.example,@y.example:a@b.example>", "<a@b.example>;"},
    {"a@[IPv6:2001:db8::1], <b@[192.0.2.1]>", "<a@[IPv6:2001:db8::1]>;<b@[192.0.2.1]>;"},
    {"root", "<root>;"},
    {"two words", ""},
    {"\"a b\"@c.example, <\"d>e\"@c.example>", "<\"a b\"@c.example>;<\"d>e\"@c.example>;"},
    {"<>", ""},
    {"", ""},
    {",;,", ""},
    /* An encoded word never yields an address. */
    {"=?utf-8?q?a=40b.example?=", ""},
    {"=?utf-8?q?a=40b.example,?= <c@d.example>", "a@b.example,<c@d.example>;"},
    {"<=?utf-8?q?a=40b.example?=>", ""},
    {"=?utf-8?q?x_<a@b>?= <c@d.example>", "x <a@b><c@d.example>;"},
};

static void keep_address(void *ctx, struct bytes name, struct bytes address)
{
    buf_append_bytes(ctx, name);
    buf_append_text(ctx, "<");
    buf_append_bytes(ctx, address);
    buf_append_text(ctx, ">;");
}

static void addresses_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        mail_address_each(bytes_of(cases[i].value), keep_address, &out);
        const char *got = out.len == 0 ? "" : buf_text(&out);
        if (strcmp(got, cases[i].addresses) != 0) {
            fail_msg("%s gives %s, not %s", cases[i].value, got, cases[i].addresses);
        }
        buf_done(&out);
    }
}

static void count_address(void *ctx, struct bytes name, struct bytes address)
{
    (void)name, (void)address;
    ++*(size_t *)ctx;
}

static void there_may_be_many(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1u << 20);
    for (int i = 0; i < 20000; i++) {
        buf_printf(&text, "%su%d@b.example", i == 0 ? "" : ", ", i);
    }
    size_t count = 0;
    mail_address_each(buf_bytes(&text), count_address, &count);
    assert_int_equal(count, 20000);
    buf_done(&text);
}

static void address_bombs_end(void **state)
{
    (void)state;
    static const char *const repeats[] = {"a@b,",       "(",   "\"",  "<",  "a:",  "\\",  "[",  ",",   "a@b;",
                                          "=?utf-8?Q?", "a,<", "<\"", "@[", "(()", "a ,", ". ", "\"\\"};
    static const char *const frames[][2] = {{"", ""}, {"<", ">"}, {"", ")"}, {"", "\""}, {"", "<a@b>"}};
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++) {
        for (size_t j = 0; j < sizeof frames / sizeof *frames; j++) {
            struct buf text;
            buf_init(&text, 1u << 20);
            buf_append_text(&text, frames[j][0]);
            while (text.len < 200000) {
                buf_append_text(&text, repeats[i]);
            }
            buf_append_text(&text, frames[j][1]);
            size_t count = 0;
            mail_address_each(buf_bytes(&text), count_address, &count);
            assert_true(count <= text.len);
            buf_done(&text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses_are_found), cmocka_unit_test(there_may_be_many),
                                       cmocka_unit_test(address_bombs_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
