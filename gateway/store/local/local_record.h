/*
 * local_record - how one message lies in a segment file: head, body, meta, end. Pure: octets in, octets out.
 *
 *   head  octet  0   magic "MWR2"
 *                4   length of the meta
 *                8   length of the body
 *               16   checksum of the body
 *               24   checksum of the meta
 *               32   checksum of the octets 0 to 31, of the segment's number, and of the octet where the head stands
 *         the body, then the meta (JSON, see store_meta.h)
 *   end   octet  0   generation: the start of the store that wrote it
 *                8   group: the batch of that start
 *               16   how far the log was durable before the group was written: the number of a segment ...
 *               24   ... and an octet: what an earlier group wrote behind it there never came to be
 *               32   checksum of the octets 0 to 31 and of the head's checksum
 *
 * Numbers are big-endian. Checksums are XXH3 of 64 bits. The head is written last, so that a record whose writing was
 * cut off has no valid head, or a body, meta or end that does not match it. Records lie one behind the other without
 * gaps.
 *
 * A record is valid in its own place alone: a copy of it, or what an earlier use of the disk's blocks has left, is
 * none. In a segment later groups lie behind earlier ones: a record of an earlier group behind one of a later is what
 * the later one has not written over, and nobody was told yes about it. Records of older mailweirs ("MWR1") have no
 * end, and a head that is valid everywhere; they are read as ever, as of generation 0.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_RECORD_H
#define MAILWEIR_STORE_LOCAL_LOCAL_RECORD_H

#include "base/must_use.h"
#include "store/store.h"

#define LOCAL_RECORD_HEAD 40
#define LOCAL_RECORD_END  40

/* A place in the log. */
struct local_spot {
    uint64_t segment, at;
};

struct local_record {
    uint64_t body_len;
    uint32_t meta_len;
    uint32_t end_len; /* LOCAL_RECORD_END, or 0 of an older mailweir's */
    uint64_t body_sum;
    uint64_t meta_sum;
    uint64_t head_sum;
    /* Of the end. */
    uint64_t generation, group;
    struct local_spot durable; /* segment 0: nothing is known */
};

/* Octets of the whole record; of one that is to be written, too. */
uint64_t local_record_size(const struct local_record *record);
/* Makes both ends of a record of today, for its place. */
void local_record_encode(struct local_record *record, struct local_spot spot, uint8_t head[LOCAL_RECORD_HEAD],
                         uint8_t end[LOCAL_RECORD_END]);
/* The head: 1 with *record_r; 0 when data is shorter than one and may begin one; -1 when it is none, or none of there.
 */
MUST_USE int local_record_decode(struct bytes data, struct local_spot spot, struct local_record *record_r);
/* The end that belongs to the head, into *record: 0, or -1 when it is another. */
MUST_USE int local_record_decode_end(struct bytes data, struct local_record *record);
/* Whether the first was written in an earlier group than the second. */
bool local_record_is_before(const struct local_record *a, const struct local_record *b);

#endif
