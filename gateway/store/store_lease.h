/*
 * store_lease - how long a node that shares a store may go on without being heard, and when others may take it for
 * dead.
 *
 * Each renewal is good for the lease. The store counts from when it hears it, by its own clock; the node counts from
 * before it said it, by its own, and stops STORE_LEASE_MARGIN_MS early. Others wait STORE_LEASE_GRACE_MS longer. So
 * what lies between the last octet of one and the first look of another is both of them, whatever was under way for
 * how long; clocks need to run equally fast within one lease, and need not agree about what time it is.
 */
#ifndef MAILWEIR_STORE_STORE_LEASE_H
#define MAILWEIR_STORE_STORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

/* When nothing else is said. */
#define STORE_LEASE_MS        15000
#define STORE_LEASE_GRACE_MS  3000
#define STORE_LEASE_MARGIN_MS 3000
/* A server may count the connections of a node that was ended for so long; schema_2.sql knows it, too. */
#define STORE_LEASE_SLOT_MS 2000

/* 0: what is the store's own. */
static inline uint64_t store_lease_of(uint64_t wanted_ms)
{
    return wanted_ms == 0 ? STORE_LEASE_MS : wanted_ms;
}

/* For how long the node relies on a renewal, from before it said it. */
static inline uint64_t store_lease_relied(uint64_t lease_ms)
{
    return lease_ms - STORE_LEASE_MARGIN_MS;
}

/* How long the answer to a renewal is waited for: when it does not come, there is time for another try over a new
 * connection. */
static inline uint64_t store_lease_patience(uint64_t lease_ms)
{
    return store_lease_relied(lease_ms) / 2;
}

/* Whether others may end a node whose lease ran out at until_ms, by the store's clock. */
static inline bool store_lease_is_over(int64_t until_ms, int64_t now_ms)
{
    return now_ms > until_ms + STORE_LEASE_GRACE_MS;
}

#endif
