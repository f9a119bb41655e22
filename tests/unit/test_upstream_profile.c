/* upstream_profile: every profile can be found, every value has a reason, the operator's value wins. */
#include "test.h"

#include <string.h>

#include "upstream/upstream_profile.h"

static void test_every_value_has_a_reason(void **state)
{
    (void)state;
    const struct upstream_profile *profile;
    size_t count = 0;
    for (; (profile = upstream_profile_at(count)) != NULL; count++) {
        assert_ptr_equal(upstream_profile_find(profile->name), profile);
        for (size_t k = 0; k < UPSTREAM_SETTINGS; k++) {
            const char *why = NULL;
            upstream_profile_value(profile, (enum upstream_setting)k, &why);
            assert_non_null(why);
            assert_non_null(upstream_profile_setting_name((enum upstream_setting)k));
        }
    }
    assert_int_equal(count, 10);
    assert_null(upstream_profile_find("exchange online"));
}

static void test_resolve(void **state)
{
    (void)state;
    uint64_t settings[UPSTREAM_SETTINGS] = {
        [UPSTREAM_CONNECTIONS] = 2, [UPSTREAM_KEYWORDS] = 2, [UPSTREAM_SUBSCRIBE] = 1, [UPSTREAM_TLS_EXPORTER] = 1};
    upstream_profile_resolve(upstream_profile_find("exchange"), settings);
    assert_int_equal(settings[UPSTREAM_CONNECTIONS], 2);
    assert_int_equal(settings[UPSTREAM_KEYWORDS], 1);
    assert_int_equal(settings[UPSTREAM_SUBSCRIBE], 0);
    assert_int_equal(settings[UPSTREAM_TLS_EXPORTER], 0);
    assert_int_equal(settings[UPSTREAM_BATCH], 1);
    assert_int_equal(settings[UPSTREAM_MESSAGE_MAX], 10485760);
}

/* Stores that show mail late get more time, unless the operator says otherwise. */
static void test_settle(void **state)
{
    static const struct {
        const char *profile;
        uint64_t settle_ms;
    } cases[] = {{"generic", 5000}, {"dovecot", 5000}, {"gmail", 10000}, {"exchange", 15000}, {"microsoft365", 15000}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t settings[UPSTREAM_SETTINGS] = {0};
        upstream_profile_resolve(upstream_profile_find(cases[i].profile), settings);
        assert_int_equal(settings[UPSTREAM_SETTLE], cases[i].settle_ms);
        memset(settings, 0, sizeof settings);
        settings[UPSTREAM_SETTLE] = 700;
        upstream_profile_resolve(upstream_profile_find(cases[i].profile), settings);
        assert_int_equal(settings[UPSTREAM_SETTLE], 700);
    }
}

static void test_special(void **state)
{
    (void)state;
    assert_string_equal(upstream_profile_special(upstream_profile_find("gmail"), IMAP_SPECIAL_JUNK), "[Gmail]/Spam");
    assert_string_equal(upstream_profile_special(upstream_profile_find("exchange"), IMAP_SPECIAL_TRASH),
                        "Deleted Items");
    assert_null(upstream_profile_special(upstream_profile_find("yahoo"), IMAP_SPECIAL_SENT));
    assert_null(upstream_profile_special(upstream_profile_find("generic"), IMAP_SPECIAL_JUNK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_value_has_a_reason), cmocka_unit_test(test_resolve),
                                       cmocka_unit_test(test_settle), cmocka_unit_test(test_special)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
