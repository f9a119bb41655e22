/*
 * units - sizes and durations as operators write them: "25MiB", "30s"; base64 and the id alphabet.
 */
#ifndef MAILWEIR_BASE_UNITS_H
#define MAILWEIR_BASE_UNITS_H

#include "base/buf.h"
#include "base/must_use.h"

/* "0", "4096", "512B", "64KiB", "25MiB", "1GiB", "25MB" (decimal). -1 on anything else or an overflow. */
MUST_USE int units_size(struct bytes text, uint64_t *octets_r);
/* "250ms", "30s", "15m", "12h", "5d", "2w"; a plain "0". Milliseconds. -1 on anything else or an overflow. */
MUST_USE int units_duration(struct bytes text, uint64_t *milliseconds_r);

/* RFC 4648 section 4, padded. */
STICKS_TO_BUF int units_base64_encode(struct buf *out, struct bytes data);
/* Strict: no blanks, right padding, no stray bits. -1, with out as it was, on anything else. */
MUST_USE int units_base64_decode(struct buf *out, struct bytes text);

/*
 * A ULID: 48 bits of milliseconds since 1970, then 80 random bits, as 26 letters of Crockford's base 32. Sorts by
 * time. The id of a message.
 */
#define UNITS_ID_LEN 26
void units_id(int64_t time_ms, const uint8_t random[10], char out[UNITS_ID_LEN + 1]);
/*
 * Where people read, and type it again, the head of an id stands for it: the millisecond and 20 of the random bits.
 * Of a million messages within a quarter of an hour two share it about once.
 */
#define UNITS_ID_SHORT 14
/* Whether text can be the head of an id, and is no whole one: at least its millisecond. */
bool units_is_id_head(struct bytes text);

#endif
