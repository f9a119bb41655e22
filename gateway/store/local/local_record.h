/*
 * local_record - how one message lies in a segment file: head, body, meta. Pure: octets in, octets out.
 *
 *   octet  0   magic "MWR1"
 *          4   length of the meta
 *          8   length of the body
 *         16   checksum of the body
 *         24   checksum of the meta
 *         32   checksum of the octets 0 to 31
 *         40   the body, then the meta (JSON, see store_meta.h)
 *
 * Numbers are big-endian. Checksums are XXH3 of 64 bits. The head is written last, so that a record whose writing was
 * cut off has no valid head, or a body or meta that does not match it. Records lie one behind the other without gaps.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_RECORD_H
#define MAILWEIR_STORE_LOCAL_LOCAL_RECORD_H

#include "base/must_use.h"
#include "store/store.h"

#define LOCAL_RECORD_HEAD 40
struct local_record {
    uint64_t body_len;
    uint32_t meta_len;
    uint64_t body_sum;
    uint64_t meta_sum;
};

/* Octets of the whole record. */
uint64_t local_record_size(const struct local_record *record);
void local_record_encode(const struct local_record *record, uint8_t head[LOCAL_RECORD_HEAD]);
/* 1 with *record_r; 0 when data is shorter than a head and may begin one; -1 when it is no head. */
MUST_USE int local_record_decode(struct bytes data, struct local_record *record_r);

#endif
