/* buf: the maximum holds, heads and tails move, nothing is lost on the way. */
#include "test.h"

#include <string.h>

#include "base/buf.h"

static void refuses_above_the_maximum(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(buf_append(&buf, "0123456789", 10), 0);
    assert_int_equal(buf_append_octet(&buf, 'x'), -1);
    assert_true(buf.full);
    assert_int_equal(buf_printf(&buf, "%d", 1), -1);
    assert_string_equal(buf_text(&buf), "0123456789");
    size_t room;
    assert_null(buf_reserve(&buf, 1, &room));
    buf_consume(&buf, 4);
    assert_int_equal(buf_append(&buf, "abcde", 5), -1);
    assert_int_equal(buf_append(&buf, "abcd", 4), 0);
    assert_string_equal(buf_text(&buf), "456789abcd");
    buf_clear(&buf);
    assert_false(buf.full);
    buf_done(&buf);
}

/* A queue of octets: whatever is put in at the tail comes out at the head in order, over many sizes. */
static void moves_like_a_queue(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    uint8_t in = 0, out = 0;
    for (size_t round = 1; round < 2000; round++) {
        for (size_t i = 0; i < round % 97 && buf.len < 1000; i++) {
            assert_int_equal(buf_append_octet(&buf, in++), 0);
        }
        size_t take = round % 89 < buf.len ? round % 89 : buf.len;
        for (size_t i = 0; i < take; i++) {
            assert_int_equal(buf_bytes(&buf).ptr[i], out++);
        }
        buf_consume(&buf, take);
        assert_true(buf.size <= 1001);
    }
    buf_done(&buf);
}

static void reserves_and_prints(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    size_t room;
    uint8_t *at = buf_reserve(&buf, 5, &room);
    assert_int_equal(room, 5);
    memcpy(at, "abcde", 5);
    buf_commit(&buf, 5);
    buf_printf(&buf, "-%s-%d", "x", 42);
    assert_string_equal(buf_text(&buf), "abcde-x-42");
    buf_truncate(&buf, 3);
    assert_string_equal(buf_text(&buf), "abc");
    buf_done(&buf);
}

static void lists_what_people_choose_from(void **state)
{
    static const char *const wanted[] = {"", "a", "a or b", "a, b or c"};
    (void)state;
    for (size_t count = 1; count <= 3; count++) {
        struct buf buf;
        buf_init(&buf, 20);
        for (size_t i = 0; i < count; i++) {
            const char word[] = {(char)('a' + i), '\0'};
            assert_int_equal(buf_append_choice(&buf, i, count, word), 0);
        }
        assert_string_equal(buf_text(&buf), wanted[count]);
        buf_done(&buf);
    }
}

static void lists_the_names_of_a_table(void **state)
{
    static const struct {
        int value;
        const char *name;
    } rows[] = {{1, "a"}, {2, "b"}, {3, "c"}};
    struct buf buf;
    (void)state;
    buf_init(&buf, 9);
    assert_int_equal(buf_append_choices(&buf, &rows[0].name, sizeof rows[0], 3), 0);
    assert_string_equal(buf_text(&buf), "a, b or c");
    buf_clear(&buf);
    assert_int_equal(buf_append_choices(&buf, &rows[0].name, sizeof rows[0], 0), 0);
    assert_int_equal(buf.len, 0);
    buf_append_text(&buf, "12345678");
    assert_int_equal(buf_append_choices(&buf, &rows[0].name, sizeof rows[0], 3), -1);
    assert_true(buf.full);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_above_the_maximum),  cmocka_unit_test(moves_like_a_queue),
        cmocka_unit_test(reserves_and_prints),        cmocka_unit_test(lists_what_people_choose_from),
        cmocka_unit_test(lists_the_names_of_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
