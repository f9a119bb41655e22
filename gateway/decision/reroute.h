/*
 * reroute - what rules would do today with a message that waits in the spool.
 *
 * Reads the store and the stored body; changes nothing. Blocks: for lanes, and for programs without a gateway. A
 * message that the rules would now refuse or discard stays as it is: it was acknowledged.
 */
#ifndef MAILWEIR_DECISION_REROUTE_H
#define MAILWEIR_DECISION_REROUTE_H

#include "base/must_use.h"
#include "filters/filters.h"
#include "spool/spool_query.h"

enum reroute_verdict {
    REROUTE_SAME,      /* where it goes already */
    REROUTE_MOVES,     /* elsewhere */
    REROUTE_REFUSED,   /* the rules would refuse it now; it stays */
    REROUTE_DISCARDED, /* the rules would discard it now; it stays */
    REROUTE_IN_DOUBT,  /* elsewhere, and it may lie where it was to go: it stays until that is known */
};
/* "same", "moves", "refused", "discarded", "in_doubt". */
const char *reroute_verdict_name(enum reroute_verdict verdict);

struct reroute {
    const struct filters_set *rules;
    struct filters_scratch *scratch;
    struct store *store;
    const struct filters_counters *counters; /* what was counted; the message itself is none of it. NULL: nothing */
    int64_t now_ms;
    bool again; /* what is in doubt goes as well: an operator's word */
};

struct reroute_plan {
    enum reroute_verdict verdict;
    char id[32];                      /* of the message */
    struct buf before, after;         /* "corp:INBOX, corp:CI/web" */
    struct arena *arena;              /* of the deliveries */
    struct mail_delivery *deliveries; /* MOVES: that take the place of the open ones, see spool_change_reroute() */
    size_t count;
};

/* Plans for one message (its number in the store); -1 with a fault, and nothing to give back. */
MUST_USE int reroute_plan(const struct reroute *reroute, uint64_t message, struct reroute_plan *plan_r,
                          struct fault *fault);
void reroute_plan_done(struct reroute_plan *plan);

#endif
