/*
 * local_record - see local_record.h.
 */
#include "store/local/local_record.h"

#include <string.h>

#include "store/store.h"
#include "store/store_sum.h"

static const uint8_t magic[4] = {'M', 'W', 'R', '1'};

static void put_number(uint8_t *at, uint64_t value, unsigned octets)
{
    for (unsigned i = 0; i < octets; i++) {
        at[i] = (uint8_t)(value >> (8 * (octets - 1 - i)));
    }
}

static uint64_t get_number(const uint8_t *at, unsigned octets)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < octets; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

uint64_t local_record_size(const struct local_record *record)
{
    return LOCAL_RECORD_HEAD + record->body_len + record->meta_len;
}

void local_record_encode(const struct local_record *record, uint8_t head[LOCAL_RECORD_HEAD])
{
    memcpy(head, magic, sizeof magic);
    put_number(head + 4, record->meta_len, 4);
    put_number(head + 8, record->body_len, 8);
    put_number(head + 16, record->body_sum, 8);
    put_number(head + 24, record->meta_sum, 8);
    put_number(head + 32, store_sum_of(bytes_at(head, 32)), 8);
}

int local_record_decode(struct bytes data, struct local_record *record_r)
{
    size_t known = data.len < sizeof magic ? data.len : sizeof magic;
    if (known > 0 && memcmp(data.ptr, magic, known) != 0) {
        return -1;
    }
    if (data.len < LOCAL_RECORD_HEAD) {
        return 0;
    }
    if (get_number(data.ptr + 32, 8) != store_sum_of(bytes_at(data.ptr, 32))) {
        return -1;
    }
    struct local_record record = {
        .meta_len = (uint32_t)get_number(data.ptr + 4, 4),
        .body_len = get_number(data.ptr + 8, 8),
        .body_sum = get_number(data.ptr + 16, 8),
        .meta_sum = get_number(data.ptr + 24, 8),
    };
    if (record.meta_len > STORE_META_MAX || record.body_len > INT64_MAX / 2) {
        return -1;
    }
    *record_r = record;
    return 1;
}
