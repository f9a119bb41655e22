/*
 * local_live - how much lives in which segment.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_LIVE_H
#define MAILWEIR_STORE_LOCAL_LOCAL_LIVE_H

#include "base/must_use.h"
#include "store/local/local_segment.h"

struct local_live;
MUST_USE struct local_live *local_live_new(void);
void local_live_free(struct local_live **live);
void local_live_add(struct local_live *live, uint64_t segment, uint64_t messages, uint64_t octets);
/* True when nothing lives in the segment any more. */
bool local_live_remove(struct local_live *live, uint64_t segment, uint64_t octets);
uint64_t local_live_octets(const struct local_live *live, uint64_t segment);
uint64_t local_live_messages(const struct local_live *live, uint64_t segment);
/* Calls fn for each segment in which something lives, in no order. */
void local_live_each(const struct local_live *live, local_segment_fn *fn, void *ctx);

#endif
