/* smtp_path: paths as they may be, and as they must not be. */
#include "test.h"

#include <string.h>

#include "proto/smtp_path.h"

struct path_case {
    const char *text;
    bool utf8;
    enum smtp_path_result result;
    const char *address;
    const char *rest; /* behind the path */
};

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct path_case cases[] = {
    {"<>", false, SMTP_PATH_OK, "", ""},
    {"<> SIZE=1", false, SMTP_PATH_OK, "", " SIZE=1"},
    {"<a@b>", false, SMTP_PATH_OK, "a@b", ""},
    {"<a.b+c@d-e.example>", false, SMTP_PATH_OK, "a.b+c@d-e.example", ""},
    {"<a@b_c.example>", false, SMTP_PATH_OK, "a@b_c.example", ""},
    {"<Postmaster>", false, SMTP_PATH_OK, "Postmaster", ""},
    {"<\"a b\"@c>", false, SMTP_PATH_OK, "\"a b\"@c", ""},
    {"<\"a\\\"b\\\\\"@c>", false, SMTP_PATH_OK, "\"a\\\"b\\\\\"@c", ""},
    {"<\">\"@c>", false, SMTP_PATH_OK, "\">\"@c", ""},
    {"<\"\"@c>", false, SMTP_PATH_OK, "\"\"@c", ""},
    {"<a@[192.0.2.1]>", false, SMTP_PATH_OK, "a@[192.0.2.1]", ""},
    {"<a@[IPv6:2001:db8::1]>", false, SMTP_PATH_OK, "a@[IPv6:2001:db8::1]", ""},
    {"<\xc3\xa9@\xc3\xa9.example>", true, SMTP_PATH_OK, "\xc3\xa9@\xc3\xa9.example", ""},
    {"<" A64 A64 "@b>", false, SMTP_PATH_OK, A64 A64 "@b", ""},

    {"", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"a@b", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@b", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<@b>", false, SMTP_PATH_SOURCE_ROUTE, NULL, NULL},
    {"<@a,@b:c@d>", false, SMTP_PATH_SOURCE_ROUTE, NULL, NULL},
    {"<.a@b>", false, SMTP_PATH_DOTS, NULL, NULL},
    {"<a.@b>", false, SMTP_PATH_DOTS, NULL, NULL},
    {"<a..b@c>", false, SMTP_PATH_DOTS, NULL, NULL},
    {"<a b@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@b c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@b@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@b..c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@.b>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@b.>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@-b>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@b->", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@b;c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@[1.2.3]>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@[2001:db8::1]>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@[IPv6:1.2.3.4]>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@[1.2.3.4>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a@[]>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<\"a@b>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<\"a\"b@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<\"a\rb\"@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<\"a\\\rb\"@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<\"a\tb\"@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<\"a\x7f\"@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<a\x01@c>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<(c)a@b>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<\xc3\xa9@b>", false, SMTP_PATH_NOT_UTF8, NULL, NULL},
    {"<\xc3@b>", true, SMTP_PATH_NOT_UTF8, NULL, NULL},
    {"<a@" A64 ".example>", false, SMTP_PATH_SYNTAX, NULL, NULL},
    {"<" A64 A64 A64 A64 "@b>", false, SMTP_PATH_TOO_LONG, NULL, NULL},
    {"<a@b." A64 "." A64 "." A64 "." A64 ">", false, SMTP_PATH_TOO_LONG, NULL, NULL},
};

static void paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct path_case *c = &cases[i];
        struct smtp_path path;
        struct bytes rest = bytes_of(c->text);
        enum smtp_path_result result = smtp_path_take(&rest, c->utf8, &path);
        if (result != c->result) {
            fail_msg("\"%s\": %d, not %d", c->text, result, c->result);
        }
        if (result == SMTP_PATH_OK) {
            assert_true(bytes_is(path.address, c->address));
            assert_true(bytes_is(rest, c->rest));
        } else {
            assert_true(bytes_is(rest, c->text));
        }
    }
}

/* A path that is cut off, or has a NUL put at any place, is none. */
static void damaged_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char copy[1024];
        size_t len = strlen(cases[i].text);
        if (cases[i].result != SMTP_PATH_OK || cases[i].rest[0] != '\0') {
            continue;
        }
        for (size_t at = 0; at < len; at++) {
            struct smtp_path path;
            struct bytes cut = bytes_at(cases[i].text, at), hit = bytes_at(copy, len);
            assert_int_not_equal(smtp_path_take(&cut, cases[i].utf8, &path), SMTP_PATH_OK);
            memcpy(copy, cases[i].text, len);
            copy[at] = '\0';
            assert_int_not_equal(smtp_path_take(&hit, cases[i].utf8, &path), SMTP_PATH_OK);
        }
    }
}

static void mailboxes(void **state)
{
    struct smtp_path path;
    (void)state;
    assert_int_equal(smtp_path_mailbox(bytes_of("a@b.example"), false, &path), SMTP_PATH_OK);
    assert_true(bytes_is(path.local, "a") && bytes_is(path.domain, "b.example"));
    assert_int_equal(smtp_path_mailbox(bytes_of("a"), false, &path), SMTP_PATH_SYNTAX);
    assert_int_equal(smtp_path_mailbox(bytes_of("a@b "), false, &path), SMTP_PATH_SYNTAX);
    assert_int_equal(smtp_path_mailbox(bytes_of(""), false, &path), SMTP_PATH_SYNTAX);
}

static void routes_in_local_parts(void **state)
{
    static const char *const routed[] = {"a%b@c", "b!a@c", "\"a@b\"@c"};
    struct smtp_path path;
    (void)state;
    for (size_t i = 0; i < sizeof routed / sizeof routed[0]; i++) {
        assert_int_equal(smtp_path_mailbox(bytes_of(routed[i]), false, &path), SMTP_PATH_OK);
        assert_true(smtp_path_is_routed(&path));
    }
    assert_int_equal(smtp_path_mailbox(bytes_of("a+b=c@d"), false, &path), SMTP_PATH_OK);
    assert_false(smtp_path_is_routed(&path));
}

static void devices_write_paths_otherwise(void **state)
{
    static const struct {
        const char *text, *address, *rest;
        enum smtp_path_result result;
    } written[] = {
        {"a@b.c", "a@b.c", "", SMTP_PATH_OK},
        {"a@b.c SIZE=1", "a@b.c", " SIZE=1", SMTP_PATH_OK},
        {"Scanner <a@b.c> SIZE=1", "a@b.c", " SIZE=1", SMTP_PATH_OK},
        {"\"x <y>\" <a@b.c>", "a@b.c", "", SMTP_PATH_OK},
        {"<..a..@b.c>", "..a..@b.c", "", SMTP_PATH_OK},
        {"root", "root", "", SMTP_PATH_OK},
        {"<>", "", "", SMTP_PATH_OK},
        {"", NULL, NULL, SMTP_PATH_SYNTAX},
        {"<a@b", "a@b", "", SMTP_PATH_OK},
        {"a@b>", "a@b", "", SMTP_PATH_OK},
        {"<<a@b.c>> SIZE=1", "a@b.c", " SIZE=1", SMTP_PATH_OK},
        {"<Scanner <a@b.c>>", "a@b.c", "", SMTP_PATH_OK},
        {"< a@b.c >", "a@b.c", "", SMTP_PATH_OK},
        {"a@b.c (Scanner)", "a@b.c", "", SMTP_PATH_OK},
        {"<'a@b.c'>", "a@b.c", "", SMTP_PATH_OK},
        {"\"a@b.c\"", "a@b.c", "", SMTP_PATH_OK},
        {"<\"a@b\"@c>", "\"a@b\"@c", "", SMTP_PATH_OK},
        {"<a@b.c.>", "a@b.c", "", SMTP_PATH_OK},
        {"<root@>", "root", "", SMTP_PATH_OK},
        {"<root@(none)>", "root", "", SMTP_PATH_OK},
        {"< >", "", "", SMTP_PATH_OK},
        {"<", NULL, NULL, SMTP_PATH_SYNTAX},
        {">", NULL, NULL, SMTP_PATH_SYNTAX},
        {"<a@b.c..>", NULL, NULL, SMTP_PATH_SYNTAX},
        {"<a@b.c>,<d@e.f>", NULL, NULL, SMTP_PATH_SYNTAX},
        {"a@b.c, <d@e.f>", NULL, NULL, SMTP_PATH_SYNTAX},
        {"<a@b.c> <d@e.f>", "a@b.c", " <d@e.f>", SMTP_PATH_OK}, /* a parameter, and no such one */
        {"a@b.c;d@e.f", NULL, NULL, SMTP_PATH_SYNTAX},
        {"\"Ops, all\" <d@e.f>", "d@e.f", "", SMTP_PATH_OK},
        {"<a@b.c,d@e.f>", NULL, NULL, SMTP_PATH_SYNTAX},
        {"<a@(c)>", NULL, NULL, SMTP_PATH_SYNTAX},
        {"a@b..c", NULL, NULL, SMTP_PATH_SYNTAX},
        {"x <a b@c>", NULL, NULL, SMTP_PATH_SYNTAX},
        {"x <@a:b@c>", NULL, NULL, SMTP_PATH_SOURCE_ROUTE},
        {"\xc3\xa4@b.c", NULL, NULL, SMTP_PATH_NOT_UTF8},
        {"\xc3\xa4 <a@b.c>", NULL, NULL, SMTP_PATH_NOT_UTF8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct bytes rest = bytes_of(written[i].text);
        struct smtp_path path = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
        enum smtp_path_result result = smtp_path_take_lenient(&rest, false, &path);
        if (result != written[i].result) {
            fail_msg("\"%s\": %d, not %d", written[i].text, result, written[i].result);
        }
        if (result == SMTP_PATH_OK) {
            assert_true(bytes_is(path.address, written[i].address));
            assert_true(bytes_is(rest, written[i].rest));
        } else {
            assert_true(bytes_is(rest, written[i].text));
            assert_null(path.address.ptr);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),     cmocka_unit_test(devices_write_paths_otherwise), cmocka_unit_test(damaged_paths),
        cmocka_unit_test(mailboxes), cmocka_unit_test(routes_in_local_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
