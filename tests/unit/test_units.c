/* units: sizes, durations, base64 and ids. */
#include "test.h"

#include <string.h>

#include "base/units.h"

struct quantity_case {
    const char *text;
    int size; /* expected result of units_size */
    uint64_t octets;
    int duration;
    uint64_t milliseconds;
};

static const struct quantity_case quantities[] = {
    {"0", 0, 0, 0, 0},
    {"4096", 0, 4096, -1, 0},
    {"25MiB", 0, 26214400, -1, 0},
    {"25MB", 0, 25000000, -1, 0},
    {"1GiB", 0, 1u << 30, -1, 0},
    {"30s", -1, 0, 0, 30000},
    {"5d", -1, 0, 0, 432000000},
    {"250ms", -1, 0, 0, 250},
    {"", -1, 0, -1, 0},
    {"MiB", -1, 0, -1, 0},
    {"-1s", -1, 0, -1, 0},
    {"1.5h", -1, 0, -1, 0},
    {"1 s", -1, 0, -1, 0},
    {"18446744073709551615KiB", -1, 0, -1, 0},
    {"18446744073709551615d", -1, 0, -1, 0},
    {"5mib", -1, 0, -1, 0},
};

static void quantities_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof quantities / sizeof quantities[0]; i++) {
        const struct quantity_case *c = &quantities[i];
        uint64_t octets = 0, milliseconds = 0;
        assert_int_equal(units_size(bytes_of(c->text), &octets), c->size);
        assert_int_equal(octets, c->octets);
        assert_int_equal(units_duration(bytes_of(c->text), &milliseconds), c->duration);
        assert_int_equal(milliseconds, c->milliseconds);
    }
}

/* RFC 4648 section 10. */
static const char *const vectors[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};
static const char *const bad_base64[] = {
    "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "=Zm9"};

static void base64_is_strict(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        buf_clear(&buf);
        assert_int_equal(units_base64_encode(&buf, bytes_of(vectors[i][0])), 0);
        assert_string_equal(buf_text(&buf), vectors[i][1]);
        buf_clear(&buf);
        assert_int_equal(units_base64_decode(&buf, bytes_of(vectors[i][1])), 0);
        assert_string_equal(buf_text(&buf), vectors[i][0]);
    }
    buf_clear(&buf);
    buf_append_text(&buf, "kept");
    for (size_t i = 0; i < sizeof bad_base64 / sizeof bad_base64[0]; i++) {
        if (units_base64_decode(&buf, bytes_of(bad_base64[i])) == 0) {
            fail_msg("\"%s\" was taken for base64", bad_base64[i]);
        }
        assert_string_equal(buf_text(&buf), "kept");
    }
    buf_done(&buf);
}

static void ids_sort_by_time(void **state)
{
    (void)state;
    char first[UNITS_ID_LEN + 1], second[UNITS_ID_LEN + 1], all[UNITS_ID_LEN + 1];
    uint8_t high[10], low[10] = {0};
    memset(high, 0xFF, sizeof high);
    units_id(1469918176385, high, first);
    units_id(1469918176386, low, second);
    assert_true(strcmp(first, second) < 0);
    assert_memory_equal(first, "01ARYZ6S41", 10); /* the example of the ULID specification */
    assert_true(units_is_id_head(bytes_at(first, 10)) && units_is_id_head(bytes_at(first, UNITS_ID_SHORT)));
    assert_false(units_is_id_head(bytes_of(first)) || units_is_id_head(bytes_at(first, 9)));
    assert_false(units_is_id_head(bytes_of("01ARZ3NDEO")) || units_is_id_head(bytes_of("01arz3ndek")));
    units_id((INT64_C(1) << 48) - 1, high, all);
    assert_string_equal(all, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities_are_read),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(ids_sort_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
