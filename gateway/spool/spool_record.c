/*
 * spool_record - see spool_record.h.
 */
#include "spool/spool_record.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/expect.h"

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

uint64_t spool_record_size(const struct spool_record *record)
{
    return SPOOL_RECORD_HEAD + record->body_len + record->meta_len;
}

void spool_record_encode(const struct spool_record *record, uint8_t head[SPOOL_RECORD_HEAD])
{
    memcpy(head, magic, sizeof magic);
    put_number(head + 4, record->meta_len, 4);
    put_number(head + 8, record->body_len, 8);
    put_number(head + 16, record->body_sum, 8);
    put_number(head + 24, record->meta_sum, 8);
    put_number(head + 32, spool_record_sum(bytes_at(head, 32)), 8);
}

int spool_record_decode(struct bytes data, struct spool_record *record_r)
{
    size_t known = data.len < sizeof magic ? data.len : sizeof magic;
    if (known > 0 && memcmp(data.ptr, magic, known) != 0) {
        return -1;
    }
    if (data.len < SPOOL_RECORD_HEAD) {
        return 0;
    }
    if (get_number(data.ptr + 32, 8) != spool_record_sum(bytes_at(data.ptr, 32))) {
        return -1;
    }
    struct spool_record record = {
        .meta_len = (uint32_t)get_number(data.ptr + 4, 4),
        .body_len = get_number(data.ptr + 8, 8),
        .body_sum = get_number(data.ptr + 16, 8),
        .meta_sum = get_number(data.ptr + 24, 8),
    };
    if (record.meta_len > SPOOL_META_MAX || record.body_len > INT64_MAX / 2) {
        return -1;
    }
    *record_r = record;
    return 1;
}

uint64_t spool_record_sum(struct bytes data)
{
    return XXH3_64bits(data.ptr, data.len);
}

struct spool_sum {
    XXH3_state_t *state;
};

struct spool_sum *spool_sum_new(void)
{
    struct spool_sum *sum = expect_calloc(1, sizeof *sum);
    sum->state = expect_memory(XXH3_createState());
    XXH3_64bits_reset(sum->state);
    return sum;
}

void spool_sum_add(struct spool_sum *sum, struct bytes data)
{
    XXH3_64bits_update(sum->state, data.ptr, data.len);
}

uint64_t spool_sum_value(const struct spool_sum *sum)
{
    return XXH3_64bits_digest(sum->state);
}

void spool_sum_free(struct spool_sum **sum)
{
    if (*sum != NULL) {
        XXH3_freeState((*sum)->state);
        free(*sum);
        *sum = NULL;
    }
}
