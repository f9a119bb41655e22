/* map: against a plain array as the second opinion, with the deletions that open addressing gets wrong. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"

enum { KEYS = 500 };

static struct bytes key_of(size_t i, char text[16])
{
    snprintf(text, 16, "key-%zu", i);
    return bytes_of(text);
}

static void agrees_with_an_array(void **state)
{
    (void)state;
    static int values[KEYS];
    bool there[KEYS] = {false};
    size_t count = 0;
    uint64_t random = 1;
    struct map *map = map_new(KEYS, (const uint8_t *)"0123456789abcdef");
    for (int step = 0; step < 50000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t i = (size_t)(random >> 33) % KEYS;
        char text[16];
        struct bytes key = key_of(i, text);
        if (random >> 63 != 0) {
            assert_int_equal(map_set(map, key, &values[i]), 0);
            count += there[i] ? 0 : 1;
            there[i] = true;
        } else {
            assert_ptr_equal(map_remove(map, key), there[i] ? &values[i] : NULL);
            count -= there[i] ? 1 : 0;
            there[i] = false;
        }
        size_t other = (size_t)(random >> 20) % KEYS;
        assert_ptr_equal(map_get(map, key_of(other, text)), there[other] ? &values[other] : NULL);
        assert_int_equal(map_count(map), count);
    }
    map_free(&map, NULL);
    assert_null(map);
}

static void holds_no_more_than_its_maximum(void **state)
{
    (void)state;
    int value = 0;
    struct map *map = map_new(2, NULL);
    assert_int_equal(map_set(map, bytes_of("a"), &value), 0);
    assert_int_equal(map_set(map, bytes_of("b"), &value), 0);
    assert_int_equal(map_set(map, bytes_of("c"), &value), -1);
    assert_int_equal(map_set(map, bytes_of("a"), &value), 0);
    assert_null(map_get(map, bytes_of("c")));
    size_t cursor = 0, seen = 0;
    struct bytes key;
    void *found;
    while (map_next(map, &cursor, &key, &found)) {
        assert_true(bytes_is(key, "a") || bytes_is(key, "b"));
        seen++;
    }
    assert_int_equal(seen, 2);
    map_free(&map, NULL);
}

/* Of maps as full as they get, so that runs are long and go around the end: each entry is given, and what was not removed is there. */
static void entries_go_while_they_are_looked_through(void **state)
{
    (void)state;
    static int values[96];
    char text[16];
    for (size_t count = 0; count <= 96; count++) {
        struct map *map = map_new(1000, NULL);
        unsigned seen[96] = {0};
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(map_set(map, key_of(i, text), &values[i]), 0);
        }
        size_t cursor = 0, steps = 0;
        struct bytes key;
        void *found;
        while (map_next(map, &cursor, &key, &found)) {
            size_t i = (size_t)((int *)found - values);
            seen[i]++;
            if (i % 3 != 0) {
                assert_ptr_equal(map_remove_seen(map, &cursor), &values[i]);
            }
            assert_true(++steps <= 2 * count);
        }
        for (size_t i = 0; i < count; i++) {
            assert_true(seen[i] > 0);
            assert_ptr_equal(map_get(map, key_of(i, text)), i % 3 == 0 ? &values[i] : NULL);
        }
        assert_int_equal(map_count(map), (count + 2) / 3);
        map_free(&map, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(holds_no_more_than_its_maximum),
        cmocka_unit_test(entries_go_while_they_are_looked_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
