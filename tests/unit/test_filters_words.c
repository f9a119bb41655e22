/* Sets of words: exact, folded, domains, networks; and lists of many entries are looked up. */
#include "filters/filters_words.h"

#include <stdio.h>

#include "test.h"

static struct filters_words *words_of(enum filters_words_mode mode, const char *const *entries)
{
    struct filters_words *words = filters_words_new(mode);
    for (; *entries != NULL; entries++) {
        assert_int_equal(filters_words_add(words, bytes_of(*entries)), 0);
    }
    return words;
}

static const struct {
    const char *entries[4];
    const char *value;
    bool in;
} addresses[] = {
    {{"a@b.example"}, "a@b.example", true},
    {{"a@b.example"}, "x@b.example", false},
    {{"@b.example"}, "x@b.example", true},
    {{"@b.example"}, "x@sub.b.example", false},
    {{"@.b.example"}, "x@sub.b.example", true},
    {{"@.b.example"}, "x@a.very.deep.sub.b.example", true},
    {{"@.b.example"}, "x@b.example", false},
    {{".b.example"}, "sub.b.example", true},
    {{".b.example"}, "b.example", false},
    {{".b.example"}, "x@sub.b.example", false},
    {{"b.example", ".b.example"}, "b.example", true},
    {{"@b.example"}, "\"odd@local\"@b.example", true},
    {{"@"}, "x@", false},
    {{""}, "", true},
    {{"x"}, "", false},
};

static void addresses_are_found_by_domain(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct filters_words *words = words_of(FILTERS_WORDS_EXACT, addresses[i].entries);
        if (filters_words_has_address(words, bytes_of(addresses[i].value)) != addresses[i].in) {
            fail_msg("%s in %s", addresses[i].value, addresses[i].entries[0]);
        }
        filters_words_free(&words);
    }
}

static const struct {
    const char *entries[4];
    const char *value;
    bool in;
} networks[] = {
    {{"10.0.0.0/8"}, "10.255.0.1", true},
    {{"10.0.0.0/8"}, "11.0.0.1", false},
    {{"0.0.0.0/0"}, "203.0.113.1", true},
    {{"0.0.0.0/0"}, "2001:db8::1", false},
    {{"::/0"}, "2001:db8::1", true},
    {{"2001:db8::/33"}, "2001:db8:7fff::1", true},
    {{"2001:db8::/33"}, "2001:db8:8000::1", false},
    {{"192.0.2.1"}, "::ffff:192.0.2.1", true},
    {{"192.0.2.1", "10.0.0.0/8", "fd00::/8"}, "fd12::1", true},
    {{"10.0.0.0/8"}, "unix", false},
    {{"10.0.0.0/8"}, "", false},
};

static void networks_contain(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct filters_words *words = words_of(FILTERS_WORDS_NETWORKS, networks[i].entries);
        if (filters_words_has_network(words, bytes_of(networks[i].value)) != networks[i].in) {
            fail_msg("%s in %s", networks[i].value, networks[i].entries[0]);
        }
        filters_words_free(&words);
    }
    struct filters_words *words = filters_words_new(FILTERS_WORDS_NETWORKS);
    assert_int_equal(filters_words_add(words, bytes_of("10.0.0.1/8")), -1);
    assert_int_equal(filters_words_add(words, bytes_of("example.com")), -1);
    filters_words_free(&words);
}

static void case_is_folded(void **state)
{
    (void)state;
    static const char *const entries[] = {"\xc3\x84RGER", "A@B", NULL};
    struct filters_words *words = words_of(FILTERS_WORDS_FOLDED, entries);
    assert_true(filters_words_has(words, bytes_of("\xc3\xa4rger")));
    assert_true(filters_words_has(words, bytes_of("a@b")));
    assert_false(filters_words_has(words, bytes_of("A@B")));
    filters_words_free(&words);
}

static void one_set_lies_within_another(void **state)
{
    (void)state;
    struct filters_words *few = words_of(FILTERS_WORDS_EXACT, (const char *const[]){"a", "b", NULL});
    struct filters_words *more = words_of(FILTERS_WORDS_EXACT, (const char *const[]){"c", "b", "a", NULL});
    struct filters_words *other = words_of(FILTERS_WORDS_FOLDED, (const char *const[]){"a", "b", "c", NULL});
    assert_true(filters_words_within(few, more));
    assert_false(filters_words_within(more, few));
    assert_false(filters_words_within(few, other));
    filters_words_free(&few);
    filters_words_free(&more);
    filters_words_free(&other);
}

static void many_entries_are_found(void **state)
{
    (void)state;
    struct filters_words *words = filters_words_new(FILTERS_WORDS_EXACT);
    for (int i = 0; i < 50000; i++) {
        char entry[40];
        snprintf(entry, sizeof entry, "user%d@example.com", i);
        assert_int_equal(filters_words_add(words, bytes_of(entry)), 0);
    }
    assert_int_equal(filters_words_count(words), 50000);
    assert_true(filters_words_has_address(words, bytes_of("user49999@example.com")));
    assert_false(filters_words_has_address(words, bytes_of("user50000@example.com")));
    filters_words_free(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_found_by_domain),
        cmocka_unit_test(networks_contain),
        cmocka_unit_test(case_is_folded),
        cmocka_unit_test(one_set_lies_within_another),
        cmocka_unit_test(many_entries_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
