/*
 * local_check - is everything on the disk that the index promises, and the way back when the index is lost. Both block.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_CHECK_H
#define MAILWEIR_STORE_LOCAL_LOCAL_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/must_use.h"

struct local_check_result {
    uint64_t messages; /* looked at */
    uint64_t octets;   /* of their bodies */
    uint64_t damaged;  /* reported */
};

/* Called for each thing that is wrong; id is the message's, or NULL. */
typedef void local_check_fn(void *ctx, const char *id, const struct fault *fault);

/* Called now and then: how many of the messages were looked at; total is what the index says. */
typedef void local_check_progress_fn(void *ctx, uint64_t done, uint64_t total);

/*
 * Checks the index itself, and for every message that is not settled its record: head, envelope and body against their
 * checksums and the index. Only reads; a gateway may run. 0 when it could look at everything, whatever it found; -1
 * with a fault when it could not. progress may be NULL.
 */
MUST_USE int local_check(const char *path, local_check_fn *report, local_check_progress_fn *progress, void *ctx,
                         struct local_check_result *result_r, struct fault *fault);

struct local_rebuild_result {
    uint64_t messages, deliveries; /* found in the segments */
    uint64_t settled;              /* left out, because the old index knows that they were settled */
    uint64_t damaged;              /* octets or records that could not be understood, reported */
    uint64_t torn;                 /* records that were not written to their end, reported (fault "torn"): no damage */
    uint64_t void_records;         /* left out: whole records of batches that failed, and nobody was told yes */
    uint64_t decisions;            /* of operators, taken from their journal because the old index could not be read */
    bool old_index;                /* it was read: attempts, history and operators' changes are as they were */
};

/*
 * Makes a new index of what the segments hold; the old one is kept beside it as "index.sqlite.old-<milliseconds>". No
 * gateway may run (fault "locked"). It is made beside the old one, and takes its place when it is whole: a rebuild that
 * fails, or is cut short by the power, leaves the old one. All that the old index tells is taken over. Where it cannot
 * be read, operators' decisions come from their journal (local_journal.h), deliveries are looked for on their server
 * before they are sent again, and attempts, notes and the history of settled messages are lost.
 */
MUST_USE int local_rebuild(const char *path, local_check_fn *report, void *ctx, struct local_rebuild_result *result_r,
                           struct fault *fault);

#endif
