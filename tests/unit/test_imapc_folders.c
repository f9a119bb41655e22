/* imapc_folders: what a folder keeps, for an hour; which one has a use. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "engine/imapc_folders.h"

#define NOW UINT64_C(1000)

static void test_flags(void **state)
{
    (void)state;
    static const struct {
        const char *list, *flag;
        bool any, keeps;
    } cases[] = {
        {"(\\Seen \\Flagged)", "\\flagged", false, true},
        {"(\\Seen \\Flagged)", "\\Answered", false, false},
        {"(\\Seen \\Flagged)", "ci", false, false},
        {"(\\Seen CI)", "ci", false, true},
        {"\\Seen \\*", "ci", false, true},
        {"(\\Seen \\*)", "\\Flagged", false, false},
        {"()", "\\Seen", false, false},
        {"", "\\Seen", true, true},
        {"(", "ci", false, false},
        {"(\\Seen  ci", "ci", false, true},
        {"\\Seen ci", "", false, false},
    };
    struct imapc_folders *folders = imapc_folders_new();
    assert_null(imapc_folders_flags(folders, bytes_of("A"), NOW));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        imapc_folders_learn_flags(folders, bytes_of("A"), bytes_of(cases[i].list), cases[i].any, NOW);
        struct imapc_folder_flags *flags = imapc_folders_flags(folders, bytes_of("A"), NOW);
        assert_non_null(flags);
        assert_int_equal(imapc_folders_keeps(flags, bytes_of(cases[i].flag)), cases[i].keeps);
        flags->told = true;
    }
    assert_true(imapc_folders_flags(folders, bytes_of("A"), NOW + IMAPC_FOLDERS_AGE_MS - 1)->told);
    assert_null(imapc_folders_flags(folders, bytes_of("A"), NOW + IMAPC_FOLDERS_AGE_MS));
    assert_null(imapc_folders_flags(folders, bytes_of("B"), NOW));
    assert_true(imapc_folders_keeps(NULL, bytes_of("ci")));
    imapc_folders_free(&folders);
    imapc_folders_free(&folders);
}

/* Names come from templates: they never take more than a bounded part of the memory. */
static void test_limit(void **state)
{
    (void)state;
    struct imapc_folders *folders = imapc_folders_new();
    for (int i = 0; i <= IMAPC_FOLDERS_MAX; i++) {
        char name[20];
        snprintf(name, sizeof name, "F%d", i);
        imapc_folders_learn_flags(folders, bytes_of(name), bytes_of("(\\Seen)"), false, NOW);
    }
    assert_null(imapc_folders_flags(folders, bytes_of("F0"), NOW));
    assert_non_null(imapc_folders_flags(folders, bytes_of("F10000"), NOW));
    imapc_folders_free(&folders);
}

/* Of lists and of rooms, too. */
static void test_limits_of_octets_and_rooms(void **state)
{
    (void)state;
    struct imapc_folders *folders = imapc_folders_new();
    static char list[IMAPC_FOLDERS_OCTETS_MAX / 4 + 3];
    memset(list, 'x', sizeof list - 1);
    list[0] = '\\';
    for (int i = 0; i < 5; i++) {
        char name[20];
        snprintf(name, sizeof name, "F%d", i);
        imapc_folders_learn_flags(folders, bytes_of(name), bytes_of(list), false, NOW);
    }
    assert_null(imapc_folders_flags(folders, bytes_of("F0"), NOW));
    assert_non_null(imapc_folders_flags(folders, bytes_of("F4"), NOW));
    for (int i = 0; i <= IMAPC_FOLDERS_MAX; i++) {
        char name[20];
        snprintf(name, sizeof name, "R%d", i);
        imapc_folders_room(folders, bytes_of(name))->barred = true;
    }
    assert_false(imapc_folders_room(folders, bytes_of("R0"))->barred);
    assert_true(imapc_folders_room(folders, bytes_of("R10000"))->barred);
    imapc_folders_free(&folders);
}

static void test_uses(void **state)
{
    (void)state;
    struct imapc_folders *folders = imapc_folders_new(), *found = imapc_folders_new();
    assert_false(imapc_folders_knows_uses(folders, NOW));
    imapc_folders_learn_use(found, IMAP_SPECIAL_JUNK, bytes_of("Spam"));
    imapc_folders_learn_use(found, IMAP_SPECIAL_JUNK, bytes_of("Other"));
    imapc_folders_learn_use(folders, IMAP_SPECIAL_SENT, bytes_of("Old"));
    imapc_folders_take_uses(folders, found, NOW);
    assert_true(imapc_folders_knows_uses(folders, NOW));
    assert_string_equal(imapc_folders_of_use(folders, IMAP_SPECIAL_JUNK), "Spam");
    assert_null(imapc_folders_of_use(folders, IMAP_SPECIAL_SENT));
    assert_false(imapc_folders_knows_uses(folders, NOW + IMAPC_FOLDERS_AGE_MS));
    imapc_folders_free(&found);
    imapc_folders_free(&folders);
}

static void learn(struct imapc_folders *folders, const char *name, uint64_t used, uint64_t limit, uint64_t now)
{
    struct imapc_folder_room *room = imapc_folders_room(folders, bytes_of(name));
    room->told[IMAPC_RESOURCE_OCTETS] = (struct imapc_quota){.known = true, .used = used, .limit = limit};
    imapc_folders_learn_quota(folders, room, now);
}

static void assert_used(const struct imapc_folders *folders, uint64_t used, uint64_t now)
{
    struct imapc_quota quota = imapc_folders_quota(folders, IMAPC_RESOURCE_OCTETS, now);
    assert_int_equal(quota.known, used > 0);
    assert_false(quota.known && quota.used != used);
    assert_false(imapc_folders_quota(folders, IMAPC_RESOURCE_MESSAGES, now).known);
}

/* The folder that is fullest speaks for the account, until it is so no more or has not been heard for an hour. */
static void test_quota(void **state)
{
    (void)state;
    struct imapc_folders *folders = imapc_folders_new();
    assert_used(folders, 0, NOW);
    learn(folders, "A", 90, 100, NOW);
    assert_used(folders, 90, NOW);
    learn(folders, "B", 500, 1000, NOW + 10); /* has used more, and has more room */
    assert_used(folders, 90, NOW + 10);
    learn(folders, "A", 10, 100, NOW + 20); /* room was made */
    assert_used(folders, 10, NOW + 20);
    learn(folders, "B", 500, 1000, NOW + 30);
    assert_used(folders, 500, NOW + 30);
    learn(folders, "C", 7, 0, NOW + 40); /* a limit of 0 is none */
    assert_used(folders, 500, NOW + 40);
    learn(folders, "B", 500, 0, NOW + 50);
    assert_used(folders, 0, NOW + 50);
    learn(folders, "A", 20, 100, NOW + 60);
    assert_used(folders, 20, NOW + 60 + IMAPC_FOLDERS_AGE_MS - 1);
    assert_used(folders, 0, NOW + 60 + IMAPC_FOLDERS_AGE_MS);
    learn(folders, "B", 1, 1000, NOW + 70 + IMAPC_FOLDERS_AGE_MS);
    assert_used(folders, 1, NOW + 70 + IMAPC_FOLDERS_AGE_MS);
    imapc_folders_free(&folders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flags), cmocka_unit_test(test_limit),
                                       cmocka_unit_test(test_limits_of_octets_and_rooms), cmocka_unit_test(test_uses),
                                       cmocka_unit_test(test_quota)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
