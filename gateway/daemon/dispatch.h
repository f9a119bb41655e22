/*
 * dispatch - brings due deliveries from the spool to the pools and their outcomes back: the scheduler.
 *
 * Each upstream has a bounded active set; the rest stays on the disk, so that a long backlog costs no more memory than a short one. An
 * upstream that cannot be reached is paused as a whole, with backoff, and then tried with a few deliveries before
 * the rest follow. One upstream never delays another.
 */
#ifndef MAILWEIR_DAEMON_DISPATCH_H
#define MAILWEIR_DAEMON_DISPATCH_H

#include "base/histogram.h"
#include "base/log.h"
#include "daemon/config.h"
#include "spool/spool.h"

struct dispatch;

/* Makes the pools. config and log by reference; the config must outlive it. NULL with a fault when TLS settings are bad. */
struct dispatch *dispatch_new(struct net_loop *loop, struct spool *spool, const struct config *config, struct log *log,
                              struct fault *fault);
/* fn hears of each delivery ("<message id>.<number>") when what became of an attempt has been settled. For one listener, before the start. */
typedef void dispatch_outcome_fn(void *ctx, const char *delivery, int kind, const struct fault *fault);
void dispatch_set_watcher(struct dispatch *dispatch, dispatch_outcome_fn *fn, void *ctx);
/* Begins: takes offers of the spool, and what waits on the disk. */
void dispatch_start(struct dispatch *dispatch);
/* Takes nothing more; appends under way finish within deadline_ms, the rest goes back untouched. done comes when nothing is held. */
void dispatch_drain(struct dispatch *dispatch, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx);
/* For a drained or never started one; sets *dispatch to NULL; NULL is fine. */
void dispatch_free(struct dispatch **dispatch);

struct dispatch_counts {
    uint64_t filed, deferred, dead, active;
    uint64_t uncertain; /* of the deferred: the append may have worked */
    uint64_t octets;    /* filed */
};
/* Of all upstreams. */
void dispatch_count(const struct dispatch *dispatch, struct dispatch_counts *counts_r);

/* One upstream, as operators see it. Pointers are valid as long as the dispatch, and until it goes on. */
struct dispatch_state {
    const struct config_upstream *config;
    struct dispatch_counts counts;
    const struct histogram *append;
    size_t waiting; /* appends in the pool's hands */
    struct imapc_pool_state pool;
    unsigned failures;    /* of the account, in a row */
    int64_t paused_until; /* wall clock; 0: open */
    const struct fault *last_fault;
    int64_t last_fault_ms, last_filed_ms; /* wall clock; 0: never */
};
size_t dispatch_upstream_count(const struct dispatch *dispatch);
void dispatch_state(const struct dispatch *dispatch, size_t index, struct dispatch_state *state_r);

#endif
