/*
 * spool_overflow - a second spool, on a disk of this machine, for mail that comes while the database of the first one
 * does not answer.
 *
 * What it takes is as durable as that one disk, and nothing of it is delivered from there: as soon as the first spool
 * answers again it is handed over, message by message, the oldest first. A message that was handed over before (a crash
 * came in between) is known there by its id, and is not taken twice.
 *
 * All functions are for the loop's thread.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_OVERFLOW_H
#define MAILWEIR_SPOOL_SPOOL_OVERFLOW_H

#include "base/must_use.h"
#include "spool/spool.h"

struct spool_overflow;

struct spool_overflow_options {
    struct spool *to;              /* by reference: where it belongs */
    const struct store_ops *store; /* what it is kept in meanwhile */
    const char *path;              /* of that */
    uint64_t minimum_free;         /* as in struct spool_options */
    /* How long the messages of a listener are recognised when they are sent again, as in spool_stage_once(); ms. */
    uint64_t (*window)(void *ctx, const char *listener);
    void *ctx;
};

/* Opens it, creates it if needed, and hands over what an earlier run has left; blocks. Faults as spool_open(). */
MUST_USE int spool_overflow_open(struct spool_overflow **overflow_r, struct net_loop *loop,
                                 const struct spool_overflow_options *options, struct log *log, struct fault *fault);
/* Nothing is handed over any more; before the first spool is closed. NULL is fine. */
void spool_overflow_stop(struct spool_overflow *overflow);
/* Behind that: finishes what is under way, closes; blocks. Sets *overflow to NULL; NULL is fine. */
void spool_overflow_close(struct spool_overflow **overflow);

/*
 * The spool that takes a new message of this size now: the first one, or the overflow while that does not answer. NULL
 * with a fault (FAULT_LOCAL, the first one's) when neither takes it.
 */
MUST_USE struct spool *spool_overflow_choose(struct spool_overflow *overflow, uint64_t size, struct fault *fault);

struct spool_overflow_state {
    const char *path;     /* the overflow's */
    bool in_use;          /* new mail goes there: the first spool does not answer */
    bool takes;           /* it has room */
    uint64_t messages;    /* that wait there to be handed over */
    uint64_t handed_over; /* messages, since the start */
    int64_t since_ms;     /* wall clock: when it was begun to be used; 0: it is not in use */
    struct fault fault;   /* in use: why; else why the last message could not be handed over, or none */
};
void spool_overflow_state(const struct spool_overflow *overflow, struct spool_overflow_state *state_r);

#endif
