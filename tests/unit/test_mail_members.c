/*
 * Tests of mail/mail_members, and of the tables of mail_envelope and mail_delivery: objects are filled in every member by their table, so that a member
 * that comes later is tested as well.
 */
#include "members_fixture.h"

#include <stdlib.h>

union object {
    struct mail_envelope envelope;
    struct mail_delivery delivery;
};

/* What was copied stays when the original's memory is gone: AddressSanitizer sees what still points there. */
static void test_copy_is_deep(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof members_kinds / sizeof members_kinds[0]; i++) {
        const struct mail_members *members = members_kinds[i].members;
        struct members_filler first = {arena_new(10000), 0}, again = {arena_new(10000), 0};
        union object from = {0}, same = {0};
        members_fill(&first, members, &from);
        members_fill(&again, members, &same);
        union object copy = from;
        struct arena *arena = arena_new(10000);
        assert_int_equal(mail_members_own(members, arena, &copy), 0);
        arena_wipe(&first.arena);
        assert_true(mail_members_equal(members, &copy, &same));
        arena_free(&arena);
        arena_free(&again.arena);
    }
}

static void test_a_full_arena_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof members_kinds / sizeof members_kinds[0]; i++) {
        struct members_filler filler = {arena_new(10000), 0};
        union object from = {0};
        members_fill(&filler, members_kinds[i].members, &from);
        struct arena *whole = arena_new(10000);
        union object copy = from;
        assert_int_equal(mail_members_own(members_kinds[i].members, whole, &copy), 0);
        for (size_t max = 0; max < arena_used(whole); max++) {
            struct arena *arena = arena_new(max);
            copy = from;
            assert_int_equal(mail_members_own(members_kinds[i].members, arena, &copy), -1);
            arena_free(&arena);
        }
        arena_free(&whole);
        arena_free(&filler.arena);
    }
}

/* Two equal objects, of which one member of one becomes empty: each must be seen, unless it stands aside. */
static void test_each_member_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof members_kinds / sizeof members_kinds[0]; i++) {
        const struct mail_members *members = members_kinds[i].members;
        struct members_filler filler = {arena_new(10000), 0};
        union object full = {0}, empty = {0};
        members_fill(&filler, members, &full);
        for (size_t k = 0; k < members->count; k++) {
            const struct mail_member *member = &members->rows[k];
            union object other = full;
            size_t end = k + 1 < members->count ? members->rows[k + 1].offset : members->size;
            memcpy(mail_member_in(member, &other), mail_member_at(member, &empty), end - member->offset);
            assert_false(mail_members_equal(members, &full, &other));
            assert_int_equal(mail_members_same_but_aside(members, &full, &other), member->aside);
        }
        arena_free(&filler.arena);
    }
}

static void test_nothing_is_not_an_empty_text(void **state)
{
    (void)state;
    struct mail_delivery none = {.upstream = "a", .folder = "b"}, empty = {.upstream = "a", .folder = "b", .rule = ""};
    assert_false(mail_delivery_equal(&none, &empty));
    assert_true(mail_delivery_is_same_copy(&none, &empty));
}

static void test_a_copy_is_untouched_on_failure(void **state)
{
    (void)state;
    struct mail_delivery from = {.upstream = "a", .folder = "b"}, to = {.number = 7};
    struct mail_envelope envelope = {.id = "x", .from = ""}, into = {.received_ms = 7};
    struct arena *arena = arena_new(1);
    assert_int_equal(mail_delivery_copy(arena, &from, &to), -1);
    assert_int_equal(mail_envelope_copy(arena, &envelope, &into), -1);
    assert_int_equal(to.number, 7);
    assert_int_equal(into.received_ms, 7);
    arena_free(&arena);
}

struct numbers {
    uint16_t small;
    int middle;
    unsigned above;
    int64_t large;
    uint64_t larger;
};
#define NUMBERS(MEMBER, type)                                                                                          \
    MEMBER(type, NUMBER, small)                                                                                        \
    MEMBER(type, NUMBER, middle)                                                                                       \
    MEMBER(type, NUMBER, above)                                                                                        \
    MEMBER(type, NUMBER, large)                                                                                        \
    MEMBER(type, NUMBER, larger)
MAIL_MEMBERS_INNER(number_members, struct numbers, NUMBERS);

static void test_numbers_of_every_width(void **state)
{
    (void)state;
    static const int64_t values[] = {65535, -5, 4294967295, INT64_MIN, INT64_MAX};
    struct numbers numbers;
    memset(&numbers, 0xA5, sizeof numbers);
    for (size_t i = 0; i < number_members.count; i++) {
        mail_member_set_number(&number_members.rows[i], &numbers, values[i]);
    }
    for (size_t i = 0; i < number_members.count; i++) {
        assert_int_equal(mail_member_number(&number_members.rows[i], &numbers), values[i]);
    }
    assert_int_equal(numbers.middle, -5);
    assert_int_equal(numbers.small, 65535);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_is_deep),
        cmocka_unit_test(test_a_full_arena_is_told),
        cmocka_unit_test(test_each_member_counts),
        cmocka_unit_test(test_nothing_is_not_an_empty_text),
        cmocka_unit_test(test_a_copy_is_untouched_on_failure),
        cmocka_unit_test(test_numbers_of_every_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
