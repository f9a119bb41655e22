/*
 * Tests of store/local/local_record and local_durable: the ends of a record whole, cut at every octet, with every octet changed, and elsewhere; what records
 * say of the log; sums in pieces.
 */
#include "test.h"

#include <string.h>

#include "store/local/local_durable.h"
#include "store/local/local_record.h"
#include "store/store.h"
#include "store/store_sum.h"

static const struct local_record sample = {
    .body_len = 0x0102030405,
    .meta_len = 77,
    .end_len = LOCAL_RECORD_END,
    .body_sum = UINT64_C(0xfedcba9876543210),
    .meta_sum = 5,
    .generation = 7,
    .group = UINT64_C(0x123456789a),
    .durable = {0x1f, 4096},
};
static const struct local_spot spot = {0x20, 12345};

static void encode(struct local_record record, uint8_t head[LOCAL_RECORD_HEAD], uint8_t end[LOCAL_RECORD_END])
{
    local_record_encode(&record, spot, head, end);
}

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD], end[LOCAL_RECORD_END];
    struct local_record got;
    encode(sample, head, end);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), 1);
    assert_true(got.body_len == sample.body_len && got.meta_len == sample.meta_len);
    assert_true(got.body_sum == sample.body_sum && got.meta_sum == sample.meta_sum);
    assert_int_equal(got.generation, 0);
    assert_int_equal(local_record_decode_end(bytes_at(end, sizeof end), &got), 0);
    assert_true(got.generation == sample.generation && got.group == sample.group);
    assert_true(got.durable.segment == 0x1f && got.durable.at == 4096);
    assert_int_equal(local_record_size(&got), LOCAL_RECORD_HEAD + 0x0102030405 + 77 + LOCAL_RECORD_END);
}

static void test_cut(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD], end[LOCAL_RECORD_END];
    struct local_record got = {.meta_len = 1};
    encode(sample, head, end);
    for (size_t len = 0; len < sizeof head; len++) {
        assert_int_equal(local_record_decode(bytes_at(head, len), spot, &got), 0);
    }
    assert_int_equal(got.meta_len, 1);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), 1);
    for (size_t len = 0; len < sizeof end; len++) {
        assert_int_equal(local_record_decode_end(bytes_at(end, len), &got), -1);
    }
}

static void test_changed(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD], end[LOCAL_RECORD_END];
    struct local_record got;
    for (size_t at = 0; at < sizeof head; at++) {
        encode(sample, head, end);
        head[at] ^= 1;
        assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), -1);
    }
    for (size_t at = 0; at < sizeof end; at++) {
        encode(sample, head, end);
        assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), 1);
        end[at] ^= 1;
        assert_int_equal(local_record_decode_end(bytes_at(end, sizeof end), &got), -1);
    }
    memset(head, 0, sizeof head);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), -1);
}

/* The octets alone make no record: it must stand where it was written; and an end belongs to its head. */
static void test_elsewhere(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD], end[LOCAL_RECORD_END], other_head[LOCAL_RECORD_HEAD], other_end[LOCAL_RECORD_END];
    static const struct local_spot elsewhere[] = {{0x20, 12346}, {0x20, 0}, {0x21, 12345}, {12345, 0x20}};
    struct local_record got, other = sample;
    encode(sample, head, end);
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        assert_int_equal(local_record_decode(bytes_at(head, sizeof head), elsewhere[i], &got), -1);
    }
    other.body_sum++;
    encode(other, other_head, other_end);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), 1);
    assert_int_equal(local_record_decode_end(bytes_at(other_end, sizeof other_end), &got), -1);
}

/* As mailweirs before this one wrote it: valid anywhere, and without an end. */
static void test_old(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD] = {'M', 'W', 'R', '1', [7] = 9, [15] = 200, [31] = 3};
    uint64_t sum = store_sum_of(bytes_at(head, 32));
    struct local_record got;
    for (unsigned i = 0; i < 8; i++) {
        head[32 + i] = (uint8_t)(sum >> (56 - 8 * i));
    }
    assert_int_equal(local_record_decode(bytes_at(head, 39), spot, &got), 0);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), 1);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), (struct local_spot){1, 2}, &got), 1);
    assert_true(got.meta_len == 9 && got.body_len == 200 && got.end_len == 0 && got.generation == 0);
    assert_int_equal(local_record_size(&got), LOCAL_RECORD_HEAD + 209);
    head[31] = 4;
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), -1);
}

static void test_order(void **state)
{
    (void)state;
    const struct local_record a = {.generation = 1, .group = 9}, b = {.generation = 2, .group = 1},
                              c = {.generation = 2, .group = 2};
    assert_true(local_record_is_before(&a, &b) && local_record_is_before(&b, &c));
    assert_false(local_record_is_before(&b, &a) || local_record_is_before(&c, &b) || local_record_is_before(&c, &c));
}

/* A head that is right in itself but names more meta than any message has, or more body than any file. */
static void test_too_large(void **state)
{
    (void)state;
    uint8_t head[LOCAL_RECORD_HEAD], end[LOCAL_RECORD_END];
    struct local_record large = sample, got;
    large.meta_len = STORE_META_MAX + 1;
    encode(large, head, end);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), -1);
    large = sample;
    large.body_len = INT64_MAX;
    encode(large, head, end);
    assert_int_equal(local_record_decode(bytes_at(head, sizeof head), spot, &got), -1);
}

/* What the records of a log say: durable up to an octet, and what stands behind it from before. */
static void test_durable(void **state)
{
    (void)state;
    struct local_durable *durable = local_durable_new();
    const struct local_record said = {.end_len = LOCAL_RECORD_END, .generation = 3, .group = 10, .durable = {5, 1000}};
    const struct local_record old = {.durable = {6, 1000}}, unknown = {.end_len = LOCAL_RECORD_END};
    const struct local_record before = {.end_len = LOCAL_RECORD_END, .generation = 3, .group = 9}, ancient = {0};
    for (int i = 0; i < 100; i++) {
        local_durable_note(durable, &unknown);
        local_durable_note(durable, &old);
    }
    assert_false(local_durable_proves(durable, (struct local_spot){6, 1}));
    for (int i = 0; i < 100; i++) {
        local_durable_note(durable, &said);
    }
    assert_true(local_durable_proves(durable, (struct local_spot){5, 999}));
    assert_false(local_durable_proves(durable, (struct local_spot){5, 1000}));
    assert_false(local_durable_proves(durable, (struct local_spot){4, 1}));
    assert_true(local_durable_voids(durable, (struct local_spot){5, 1000}, &before));
    assert_false(local_durable_voids(durable, (struct local_spot){5, 999}, &before));
    assert_false(local_durable_voids(durable, (struct local_spot){6, 2000}, &before));
    assert_false(local_durable_voids(durable, (struct local_spot){5, 1000}, &said));
    assert_false(local_durable_voids(durable, (struct local_spot){5, 1000}, &ancient));
    local_durable_free(&durable);
    assert_null(durable);
    local_durable_free(&durable);
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
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cut),     cmocka_unit_test(test_changed),
        cmocka_unit_test(test_elsewhere),  cmocka_unit_test(test_old),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_too_large),  cmocka_unit_test(test_durable), cmocka_unit_test(test_sum_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
