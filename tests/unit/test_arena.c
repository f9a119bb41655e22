/* arena: the maximum holds, what was handed out stays as it was, alignment is right. */
#include "test.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

static void keeps_what_it_gave(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    char *texts[300];
    for (size_t i = 0; i < 300; i++) {
        texts[i] = arena_printf(arena, "%0*zu", (int)(i * 11 % 5000 + 1), i);
        assert_int_equal((uintptr_t)texts[i] % alignof(max_align_t), 0);
    }
    for (size_t i = 0; i < 300; i++) {
        char expected[5100];
        snprintf(expected, sizeof expected, "%0*zu", (int)(i * 11 % 5000 + 1), i);
        assert_string_equal(texts[i], expected);
    }
    arena_free(&arena);
    assert_null(arena);
}

static void refuses_above_the_maximum(void **state)
{
    (void)state;
    struct arena *arena = arena_new(100);
    assert_non_null(arena_alloc(arena, 60));
    assert_null(arena_alloc(arena, 41));
    assert_null(arena_array(arena, SIZE_MAX / 2, 16));
    assert_null(arena_printf(arena, "%50s", "x"));
    assert_non_null(arena_alloc(arena, 40));
    assert_int_equal(arena_used(arena), 100);
    arena_free(&arena);
}

static void is_as_new_when_it_was_cleared(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    arena_clear(arena);
    /* Little, more than a block, and more than is kept. */
    static const size_t rounds[] = {10, 3000, 60000, 60000, 5, 900000, 20, 60000};
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        for (int part = 0; part < 2; part++) {
            unsigned char *memory = arena_alloc(arena, rounds[i] / 2);
            assert_non_null(memory);
            for (size_t k = 0; k < rounds[i] / 2; k++) {
                assert_int_equal(memory[k], 0);
            }
            memset(memory, 0xA5, rounds[i] / 2);
        }
        assert_int_equal(arena_used(arena), rounds[i] / 2 * 2);
        assert_null(arena_alloc(arena, (1 << 20) - rounds[i] / 2 * 2 + 1));
        arena_clear(arena);
        assert_int_equal(arena_used(arena), 0);
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_gave),
        cmocka_unit_test(refuses_above_the_maximum),
        cmocka_unit_test(is_as_new_when_it_was_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
