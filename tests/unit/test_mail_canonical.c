/* The one form of texts and addresses. */
#include "mail/mail_canonical.h"

#include <string.h>

#include "test.h"

static void texts_are_composed(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"U\xcc\x88"
         "bersicht.pdf",
         "\xc3\x9c"
         "bersicht.pdf"},
        {"\xc3\x9c"
         "bersicht",
         "\xc3\x9c"
         "bersicht"},
        {"\xe3\x81\x8b\xe3\x82\x99", "\xe3\x81\x8c"},
        {"\xe2\x84\xab", "\xc3\x85"},
        {"\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80"},
        {"q\xcc\x88", "q\xcc\x88"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf store;
        struct bytes text = mail_canonical_text(bytes_of(cases[i][0]), &store);
        if (!bytes_is(text, cases[i][1])) {
            fail_msg("%zu", i);
        }
        buf_done(&store);
    }
}

static void local_parts_lose_needless_quotes(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"abc", "abc", "abc"},
        {"\"abc\"", "abc", "abc"},
        {"\"a\\bc\"", "abc", "abc"},
        {"\"a+b\"", "a+b", "a+b"},
        {"\"a b\"", "\"a b\"", "a b"},
        {"\"a\\ b\"", "\"a b\"", "a b"},
        {"\"\"", "\"\"", ""},
        {"a..b", "a..b", "a..b"},
        {"\"a@b\"", "\"a@b\"", "a@b"},
        {"\"\\\"\"", "\"\\\"\"", "\""},
        {"\"\xc3\xa4\"", "\xc3\xa4", "\xc3\xa4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out, plain;
        assert_true(bytes_is(mail_canonical_local(bytes_of(cases[i][0]), &out), cases[i][1]));
        assert_true(bytes_is(mail_canonical_unquote(bytes_of(cases[i][0]), &plain), cases[i][2]));
        buf_done(&out);
        buf_done(&plain);
    }
}

static void domains_have_two_forms(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"xn--bcher-kva.example", "b\xc3\xbc"
                                  "cher.example"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"stra\xc3\x9f"
         "e.example",
         "xn--strae-oqa.example"},
        {"B\xc3\x9c"
         "CHER.example",
         "xn--bcher-kva.example"},
        {"plain.example", NULL},
        {"xn--.example", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        bool is = mail_canonical_other_domain(bytes_of(cases[i][0]), &out);
        assert_int_equal(is, cases[i][1] != NULL);
        assert_true(!is || bytes_is(buf_bytes(&out), cases[i][1]));
        buf_done(&out);
    }
}

static void addresses_are_cut(void **state)
{
    (void)state;
    static const char *const cases[][3] = {{"a@b", "a", "b"},
                                           {"a", "a", ""},
                                           {"\"a@b\"", "\"a@b\"", ""},
                                           {"\"a@b\"@c", "\"a@b\"", "c"},
                                           {"a@b@c", "a@b", "c"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes local, domain;
        mail_canonical_cut(bytes_of(cases[i][0]), &local, &domain);
        assert_true(bytes_is(local, cases[i][1]) && bytes_is(domain, cases[i][2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts_are_composed),
                                       cmocka_unit_test(local_parts_lose_needless_quotes),
                                       cmocka_unit_test(domains_have_two_forms), cmocka_unit_test(addresses_are_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
