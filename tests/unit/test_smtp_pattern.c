/* smtp_pattern: patterns of addresses. */
#include "test.h"

#include <string.h>

#include "proto/smtp_pattern.h"

static const struct {
    const char *pattern, *address;
    bool matches;
} cases[] = {
    {"*@example.net", "a@example.net", true},
    {"*@example.net", "a@EXAMPLE.net", true},
    {"*@example.net", "a@example.net.evil", false},
    {"*@example.net", "a@notexample.net", false},
    {"*@*.example.net", "a@b.example.net", true},
    {"*@*.example.net", "a@example.net", false},
    {"app-*@a.example", "app-1@a.example", true},
    {"app-*@a.example", "app@a.example", false},
    {"ops@a.example", "ops@a.example", true},
    {"ops@a.example", "ops@a.example ", false},
    {"*", "a@b", true},
    {"*", "", true},
    {"<>", "", true},
    {"*@example.net", "", false},
    {"", "", false},
    {"", "a@b", false},
    {"a*b*c@d", "axxbyyc@d", true},
    {"a*b*c@d", "axxbyy@d", false},
    {"**", "a@b", true},
    {"<>", "<>", true},
    /* As the lists of rules say it. */
    {"@example.net", "a@example.net", true},
    {"@Example.NET", "a@eXample.net", true},
    {"@example.net", "a@b.example.net", false},
    {"@example.net", "@example.net", true},
    {"@example.net", "a@example.net.evil", false},
    {"@example.net", "\"x@example.net\"@evil", false},
    {"@exam*.net", "a@example.net", true},
    {".example.net", "a@b.example.net", true},
    {".example.net", "a@c.b.example.net", true},
    {".example.net", "a@example.net", false},
    {".example.net", "a@notexample.net", false},
    {".example.net", "a@.example.net", false},
    {"@.example.net", "a@b.example.net", true},
    {"@.example.net", "a@example.net", false},
    {"@", "a@b", false},
    {".", "a@b.c", false},
    {"@.", "a@b.", false},
    {"@example.net", "", false},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (smtp_pattern_matches(bytes_of(cases[i].pattern), bytes_of(cases[i].address)) != cases[i].matches) {
            fail_msg("\"%s\" \"%s\"", cases[i].pattern, cases[i].address);
        }
    }
}

/* Many stars against many letters stay quick: the test would not end otherwise. */
static void hostile_patterns_are_quick(void **state)
{
    char pattern[401], address[4001];
    (void)state;
    for (size_t i = 0; i < 400; i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    pattern[399] = 'b';
    pattern[400] = '\0';
    memset(address, 'a', 4000);
    address[4000] = '\0';
    assert_false(smtp_pattern_matches(bytes_of(pattern), bytes_of(address)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(hostile_patterns_are_quick)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
