/*
 * local_record - see local_record.h.
 */
#include "store/local/local_record.h"

#include <string.h>

#include "store/store.h"
#include "store/store_sum.h"

#define MAGIC_LEN 4
#define SUMMED    32

static const uint8_t magic[MAGIC_LEN] = {'M', 'W', 'R', '2'}, old_magic[MAGIC_LEN] = {'M', 'W', 'R', '1'};

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
    return LOCAL_RECORD_HEAD + record->body_len + record->meta_len + record->end_len;
}

/* Of the first octets of a head or end, and two numbers more. */
static uint64_t sum_with(const uint8_t *octets, uint64_t a, uint64_t b)
{
    uint8_t summed[SUMMED + 16];
    memcpy(summed, octets, SUMMED);
    put_number(summed + SUMMED, a, 8);
    put_number(summed + SUMMED + 8, b, 8);
    return store_sum_of(bytes_at(summed, sizeof summed));
}

void local_record_encode(struct local_record *record, struct local_spot spot, uint8_t head[LOCAL_RECORD_HEAD],
                         uint8_t end[LOCAL_RECORD_END])
{
    memcpy(head, magic, sizeof magic);
    put_number(head + 4, record->meta_len, 4);
    put_number(head + 8, record->body_len, 8);
    put_number(head + 16, record->body_sum, 8);
    put_number(head + 24, record->meta_sum, 8);
    record->head_sum = sum_with(head, spot.segment, spot.at);
    put_number(head + SUMMED, record->head_sum, 8);
    put_number(end, record->generation, 8);
    put_number(end + 8, record->group, 8);
    put_number(end + 16, record->durable.segment, 8);
    put_number(end + 24, record->durable.at, 8);
    put_number(end + SUMMED, sum_with(end, record->head_sum, 0), 8);
}

int local_record_decode(struct bytes data, struct local_spot spot, struct local_record *record_r)
{
    size_t known = data.len < MAGIC_LEN ? data.len : MAGIC_LEN;
    bool is_new = known == 0 || memcmp(data.ptr, magic, known) == 0;
    bool is_old = known == 0 || memcmp(data.ptr, old_magic, known) == 0;
    if (!is_new && !is_old) {
        return -1;
    }
    if (data.len < LOCAL_RECORD_HEAD) {
        return 0;
    }
    uint64_t sum = is_new ? sum_with(data.ptr, spot.segment, spot.at) : store_sum_of(bytes_at(data.ptr, SUMMED));
    if (get_number(data.ptr + SUMMED, 8) != sum) {
        return -1;
    }
    struct local_record record = {
        .meta_len = (uint32_t)get_number(data.ptr + 4, 4),
        .body_len = get_number(data.ptr + 8, 8),
        .end_len = is_new ? LOCAL_RECORD_END : 0,
        .body_sum = get_number(data.ptr + 16, 8),
        .meta_sum = get_number(data.ptr + 24, 8),
        .head_sum = sum,
    };
    if (record.meta_len > STORE_META_MAX || record.body_len > INT64_MAX / 2) {
        return -1;
    }
    *record_r = record;
    return 1;
}

int local_record_decode_end(struct bytes data, struct local_record *record)
{
    if (data.len != LOCAL_RECORD_END || get_number(data.ptr + SUMMED, 8) != sum_with(data.ptr, record->head_sum, 0)) {
        return -1;
    }
    record->generation = get_number(data.ptr, 8);
    record->group = get_number(data.ptr + 8, 8);
    record->durable = (struct local_spot){get_number(data.ptr + 16, 8), get_number(data.ptr + 24, 8)};
    return 0;
}

bool local_record_is_before(const struct local_record *a, const struct local_record *b)
{
    return a->generation != b->generation ? a->generation < b->generation : a->group < b->group;
}
