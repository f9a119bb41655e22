/*
 * dispatch - brings due deliveries from the spool to the pools and their outcomes back: the scheduler.
 *
 * Each upstream has a bounded active set; the rest stays on the disk, so that a long backlog costs no more memory than
 * a short one. An upstream that cannot be reached is paused as a whole, with backoff, and then tried with a few
 * deliveries before the rest follow. One upstream never delays another.
 */
#ifndef MAILWEIR_DISPATCH_DISPATCH_H
#define MAILWEIR_DISPATCH_DISPATCH_H

#include "base/histogram.h"
#include "base/log.h"
#include "base/must_use.h"
#include "config/config.h"
#include "spool/spool.h"

struct dispatch;

/* Makes the pools. Holds the config; log by reference. NULL with a fault when TLS settings are bad. */
MUST_USE struct dispatch *dispatch_new(struct net_loop *loop, struct spool *spool, struct config *config,
                                       struct log *log, struct fault *fault);

/*
 * Other upstreams while mail flows, in two steps: a plan holds the configuration and has made all that can fail (-1
 * with a fault, nothing changed); applying it (sets *plan to NULL) begins with new upstreams, gives changed ones a new
 * pool when the old one has finished what is under way, and lets removed ones go; their mail stays in the spool. An
 * upstream of which nothing has changed notices nothing.
 */
struct dispatch_plan;
MUST_USE int dispatch_plan(struct dispatch *dispatch, struct config *config, struct dispatch_plan **plan_r,
                           struct fault *fault);
void dispatch_plan_apply(struct dispatch_plan **plan);
void dispatch_plan_free(struct dispatch_plan **plan); /* not applied; sets *plan to NULL; NULL is fine */

/* What became of an attempt; by reference, for the call. */
struct dispatch_became {
    const char *delivery; /* "<message id>.<number>" */
    const char *mailbox;  /* "upstream/folder", UTF-8 */
    enum spool_outcome_kind kind;
    bool uncertain; /* this attempt or an earlier one may have filed it, when this one has not */
    struct fault fault;
};

/* fn hears of each delivery when what became of an attempt has been settled; what was not filed, and could not be
 * settled, is SPOOL_DEFERRED. For one listener, before the start. */
typedef void dispatch_outcome_fn(void *ctx, const struct dispatch_became *became);
void dispatch_set_watcher(struct dispatch *dispatch, dispatch_outcome_fn *fn, void *ctx);
/* Begins: takes offers of the spool, and what waits on the disk. */
void dispatch_start(struct dispatch *dispatch);
/* Takes nothing more; appends under way finish within deadline_ms, the rest goes back untouched. done comes when
 * nothing is under way. */
void dispatch_drain(struct dispatch *dispatch, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx);
/* For a drained or never started one; sets *dispatch to NULL; NULL is fine. */
void dispatch_free(struct dispatch **dispatch);

struct dispatch_counts {
    uint64_t filed, deferred, dead, active;
    uint64_t uncertain;           /* of the deferred: the append may have worked */
    uint64_t octets;              /* filed */
    uint64_t possible_duplicates; /* of the filed: an earlier attempt may have filed it too, and nobody can find out */
    uint64_t untouched;           /* given back without an attempt */
    uint64_t diverted;            /* went to their fallback */
};
/* Of all upstreams. */
void dispatch_count(const struct dispatch *dispatch, struct dispatch_counts *counts_r);

/* One upstream, as operators see it. Pointers are valid until the loop goes on. */
struct dispatch_state {
    const struct config_upstream *config;
    struct dispatch_counts counts;
    const struct histogram *append;
    size_t waiting; /* appends in the pool's hands */
    struct upstream_pool_state pool;
    struct spool_pause pause; /* an operator's */
    unsigned failures;        /* of the account, in a row */
    int64_t paused_until;     /* wall clock, for failures or by the server's wish; 0: it is not */
    int64_t down_since;       /* wall clock; 0: it works, as far as is known */
    int64_t full_since;       /* wall clock; 0: there is room, as far as is known */
    int64_t pause_left_ms;
    const struct fault *last_fault;
    int64_t last_fault_ms, last_filed_ms; /* wall clock; 0: never */
};
/* Of those that are configured. */
size_t dispatch_upstream_count(const struct dispatch *dispatch);
void dispatch_state(const struct dispatch *dispatch, size_t index, struct dispatch_state *state_r);

#endif
