/*
 * spool_change - operators' changes of the queue as functions; spool_admin.h is the way in.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_CHANGE_H
#define MAILWEIR_SPOOL_SPOOL_CHANGE_H

#include "spool/spool_private.h"
#include "spool/spool_query.h"

enum spool_change_verb {
    SPOOL_CHANGE_RETRY,   /* waiting and dead deliveries are due now */
    SPOOL_CHANGE_HOLD,    /* waiting and dead ones stay until they are released */
    SPOOL_CHANGE_RELEASE, /* held ones are due now */
    SPOOL_CHANGE_DROP,    /* open ones are given up for good */
    SPOOL_CHANGE_REROUTE, /* the open ones of one message give way to new ones */
};

struct spool_change {
    enum spool_change_verb verb;
    struct store_select select; /* by reference until done */
    const char *by;             /* who, for the history; or NULL */
    bool again; /* RETRY and REROUTE: an operator's word that ends doubt: it is sent again without a look */
    const struct mail_delivery *deliveries; /* REROUTE */
    size_t count;
};

struct spool_change_result {
    uint64_t changed;
    uint64_t busy;     /* left alone, because they are being delivered */
    uint64_t doubtful; /* REROUTE: left alone, because they may lie where they were to go */
};
/* fault is NULL on success. */
typedef void spool_change_fn(void *ctx, const struct spool_change_result *result, const struct fault *fault);

void spool_change(struct spool *spool, const struct spool_change *change, spool_change_fn *done, void *ctx);
/* upstream NULL: all; a resume of all ends the single pauses too. */
void spool_change_pause(struct spool *spool, const char *upstream, bool paused, spool_change_fn *done, void *ctx);

#endif
