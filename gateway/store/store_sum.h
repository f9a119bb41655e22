/*
 * store_sum - checksums of bodies and envelopes: XXH3 of 64 bits. Not for secrets: whoever knows the octets can make
 * another text of the same sum.
 */
#ifndef MAILWEIR_STORE_STORE_SUM_H
#define MAILWEIR_STORE_STORE_SUM_H

#include "base/bytes.h"
#include "base/must_use.h"

uint64_t store_sum_of(struct bytes data);

/* The same sum over pieces that come one after the other. */
struct store_sum;
MUST_USE struct store_sum *store_sum_new(void);
void store_sum_add(struct store_sum *sum, struct bytes data);
uint64_t store_sum_value(const struct store_sum *sum);
/* Sets *sum to NULL; NULL is fine. */
void store_sum_free(struct store_sum **sum);

#endif
