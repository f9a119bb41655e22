/*
 * spool_record - how one message lies in a segment file: head, body, meta. Pure: octets in, octets out.
 *
 *   octet  0   magic "MWR1"
 *          4   length of the meta
 *          8   length of the body
 *         16   checksum of the body
 *         24   checksum of the meta
 *         32   checksum of the octets 0 to 31
 *         40   the body, then the meta (JSON, see spool_meta.h)
 *
 * Numbers are big-endian. Checksums are XXH3 of 64 bits. The head is written last, so that a record whose writing was cut off
 * has no valid head, or a body or meta that does not match it. Records lie one behind the other without gaps.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_RECORD_H
#define MAILWEIR_SPOOL_SPOOL_RECORD_H

#include "base/bytes.h"

#define SPOOL_RECORD_HEAD 40
/* Octets of meta in one record: the envelope and the decision. */
#define SPOOL_META_MAX (16u << 20)

struct spool_record {
    uint64_t body_len;
    uint32_t meta_len;
    uint64_t body_sum;
    uint64_t meta_sum;
};

/* Octets of the whole record. */
uint64_t spool_record_size(const struct spool_record *record);
void spool_record_encode(const struct spool_record *record, uint8_t head[SPOOL_RECORD_HEAD]);
/* 1 with *record_r; 0 when data is shorter than a head and may begin one; -1 when it is no head. */
int spool_record_decode(struct bytes data, struct spool_record *record_r);

uint64_t spool_record_sum(struct bytes data);

/* The same sum over pieces that come one after the other. */
struct spool_sum;
struct spool_sum *spool_sum_new(void);
void spool_sum_add(struct spool_sum *sum, struct bytes data);
uint64_t spool_sum_value(const struct spool_sum *sum);
void spool_sum_free(struct spool_sum **sum);

#endif
