/* Tests of store/local/local_record: the head of a record whole, cut at every octet and with every octet changed; sums in pieces. */
#include "test.h"

#include <string.h>

#include "store/local/local_record.h"
#include "store/store.h"
#include "store/store_sum.h"

static const struct local_record sample = {
    .body_len = 0x0102030405,
    .meta_len = 77,
    .body_sum = UINT64_C(0xfedcba9876543210),
    .meta_sum = 5,
};

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD];
    struct local_record got;
    local_record_encode(&sample, head);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), &got), 1);
    assert_true(got.body_len == sample.body_len && got.meta_len == sample.meta_len);
    assert_true(got.body_sum == sample.body_sum && got.meta_sum == sample.meta_sum);
    assert_int_equal(local_record_size(&got), LOCAL_RECORD_HEAD + 0x0102030405 + 77);
}

static void test_cut(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD];
    struct local_record got = {.meta_len = 1};
    local_record_encode(&sample, head);
    for (size_t len = 0; len < sizeof head; len++) {
        assert_int_equal(local_record_decode(bytes_at(head, len), &got), 0);
    }
    assert_int_equal(got.meta_len, 1);
}

static void test_changed(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD];
    struct local_record got;
    for (size_t at = 0; at < sizeof head; at++) {
        local_record_encode(&sample, head);
        head[at] ^= 1;
        assert_int_equal(local_record_decode(bytes_at(head, sizeof head), &got), -1);
    }
    memset(head, 0, sizeof head);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), &got), -1);
}

/* A head that is right in itself but names more meta than any message has. */
static void test_too_large(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD];
    struct local_record large = sample, got;
    large.meta_len = STORE_META_MAX + 1;
    local_record_encode(&large, head);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), &got), -1);
}

static void test_sum_in_pieces(void **state)
{
    (void)state;
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    uint64_t whole = store_sum_of(bytes_at(data, sizeof data));
    for (size_t cut = 0; cut <= sizeof data; cut += 13) {
        struct store_sum *sum = store_sum_new();
        store_sum_add(sum, bytes_at(data, cut));
        store_sum_add(sum, bytes_at(data + cut, sizeof data - cut));
        assert_true(store_sum_value(sum) == whole);
        store_sum_free(&sum);
        assert_null(sum);
    }
    data[500] ^= 0x40;
    assert_false(store_sum_of(bytes_at(data, sizeof data)) == whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cut),           cmocka_unit_test(test_changed),
        cmocka_unit_test(test_too_large),  cmocka_unit_test(test_sum_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
