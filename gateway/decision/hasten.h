/*
 * hasten - makes a rule set fast once it is in force: filters_hasten() on a lane of its own, step by step.
 *
 * Meanwhile the set decides as it is, with the same results. It ends at its limits: what is not in by then is left to
 * the old way, for as long as the set is in force. The loop's thread only.
 */
#ifndef MAILWEIR_DECISION_HASTEN_H
#define MAILWEIR_DECISION_HASTEN_H

#include "base/log.h"
#include "base/must_use.h"
#include "decision/rules_share.h"
#include "net/net_loop.h"

struct hasten;

/* What may be spent on one set. */
struct hasten_limits {
    uint64_t milliseconds; /* from its begin on; 0: nothing is to be done */
    uint64_t octets;       /* that the automata take; the step that goes beyond is the last */
};

MUST_USE struct hasten *hasten_new(struct net_loop *loop, struct log *log);
/* Waits for the end of the step that is under way. Sets *hasten to NULL. */
void hasten_free(struct hasten **hasten);
/* Takes the share. The set before, if it is still at it, is left as it is. */
void hasten_begin(struct hasten *hasten, struct rules_share **share, const struct hasten_limits *limits);
/* Of the set that it was given last: patterns that are for it, and those of them that are in. */
void hasten_state(const struct hasten *hasten, size_t *wanted_r, size_t *ready_r);

#endif
