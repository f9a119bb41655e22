/*
 * spool_node - this gateway as one of several that share a store: it says each second that it lives, hears of the
 * others, and knows how long it may go on without having been heard. Where a store is one process's own, none of this
 * happens.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_NODE_H
#define MAILWEIR_SPOOL_SPOOL_NODE_H

#include <jansson.h>

#include "base/must_use.h"
#include "spool/spool.h"
#include "store/store.h"

/* Appends what others shall see of this node, as one JSON object. */
typedef void spool_node_state_fn(void *ctx, struct buf *out);
void spool_node_set_state(struct spool *spool, spool_node_state_fn *fn, void *ctx);
/* It takes nothing new any more, and says so. */
void spool_node_set_draining(struct spool *spool);

/*
 * The connections of all nodes to an account. ask comes before each beat and calls spool_node_add_slots() for each
 * account; told comes for each behind one that was heard, and with NULL when this node was not heard for too long: then
 * none is ours. False where there is one node only, which may have all of them.
 */
typedef void spool_node_ask_fn(void *ctx);
typedef void spool_node_told_fn(void *ctx, const struct store_slots *slots);
MUST_USE bool spool_node_set_slots(struct spool *spool, spool_node_ask_fn *ask, spool_node_told_fn *told, void *ctx);
/* From inside ask only; the name is copied. */
void spool_node_add_slots(struct spool *spool, const struct store_slots *slots);
/* The next beat comes at once. */
void spool_node_hurry(struct spool *spool);

/*
 * This node does not know any more what it has in hand: a batch in limbo was given up, and may have been written. It
 * lets go of its connections, and of everything in its hands as soon as it is heard: each delivery is looked for, by
 * whoever takes it then.
 */
void spool_node_renounce(struct spool *spool);
/* Whether several nodes share the queue. */
bool spool_node_shares(const struct spool *spool);
/*
 * Whether what is sent now is sent by whoever has it in hand: always true for a store of our own; false when this node
 * has not been heard for so long that another may take it for dead, and send the same.
 */
bool spool_node_may_send(const struct spool *spool);
/*
 * Whether a delivery can be in this node's hands still: the lease has not been lost, nor come back, since it was asked
 * for. What came to this node late (the answer of a batch in limbo, a body that was read for long) may be others' by
 * then, though the node has a lease again. The number is of what is asked for now, for spool_item.hold.
 */
bool spool_node_holds(const struct spool *spool, const struct spool_item *item);
uint64_t spool_node_hold(const struct spool *spool);

/*
 * Milliseconds by which the store's clock is ahead of this machine's, as of the last beat that was heard; 0 where there
 * is one node only. What nodes leave for each other is told by the store's clock.
 */
int64_t spool_node_skew(const struct spool *spool);

/*
 * The nodes as of the last beat, an array of
 *   {"name", "epoch", "version", "me", "draining", "lease_ms", "state": {...}}
 * with, for this one, "margin_ms": how long it may go on sending without being heard. The caller's; NULL where there
 * is one node only.
 */
json_t *spool_node_list(const struct spool *spool);
/* Of metrics: since the start. */
struct spool_node_counts {
    uint64_t takeovers; /* nodes that this one has ended because they had died ... */
    uint64_t taken;     /* ... and the deliveries that it took over from them */
    uint64_t ended;     /* times that another node took this one for dead */
    uint64_t unheard;   /* beats that nobody heard */
    int64_t margin_ms;  /* as above; 0: it sends nothing */
    uint64_t nodes;     /* that live */
    int64_t skew_ms;    /* by which the store's clock is ahead of this machine's */
    uint64_t dead_rows; /* of what waits, which the database has not cleaned up */
};
/* False where there is one node only. */
MUST_USE bool spool_node_count(const struct spool *spool, struct spool_node_counts *counts_r);

#endif
