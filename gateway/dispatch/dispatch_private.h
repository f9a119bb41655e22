/*
 * dispatch_private - what the files of the dispatch share. Each calls only those below it:
 *
 *   dispatch.c           offers of the spool, life, counts
 *   dispatch_reload.c    other upstreams while mail flows
 *   dispatch_attempt.c   one delivery under way
 *   dispatch_tell.c      what became of it, for the log and the counts
 *   dispatch_upstream.c  one upstream: its timer, and how its account's trouble begins and ends
 *   dispatch_fallback.c  what waits for an upstream in trouble goes elsewhere
 *   dispatch_pace.c      what of an upstream's pace outlives a restart
 *   dispatch_slots.c     how many connections are ours, where several nodes share an account
 *   dispatch_schedule.c  when the spool is asked for what is due
 */
#ifndef MAILWEIR_DISPATCH_DISPATCH_PRIVATE_H
#define MAILWEIR_DISPATCH_DISPATCH_PRIVATE_H

#include "base/list.h"
#include "dispatch/dispatch.h"
#include "upstream/upstream_pool.h"
#include "mail/mail_rope.h"

/* One upstream with its pool and its active set. */
struct dispatch_upstream {
    struct dispatch *dispatch;
    const struct config_upstream *config;
    struct config *source;      /* a share: config is in it */
    uint64_t files;             /* stamp of what its TLS was made from */
    struct upstream_pool *pool; /* NULL when it is gone */
    struct upstream_pool *next; /* takes the pool's place; NULL: nothing does */
    bool switching;             /* the pool finishes what is under way, and takes nothing */
    bool gone;                  /* not in the configuration any more */
    struct net_timer *timer;    /* the end of a pause, or the next due delivery */
    size_t active;              /* attempts that exist */
    bool left_to_others;        /* it fails here, and another node may reach it */
    bool without_slot;          /* all of the account's connections are other nodes': what waits is left to them */
    size_t given;               /* connections that are ours ... */
    size_t allowed;             /* ... and so many of them when what they do is done */
    size_t asked_for;           /* connections that were wanted when they were told last */
    bool asked_turn;            /* and whether a turn was */
    bool fetching;
    bool more;            /* further deliveries are due on the disk */
    bool left_behind;     /* something was left on the disk since the last fetch began */
    unsigned failures;    /* of the account, in a row; not 0: only probes go out */
    int64_t paused_until; /* wall clock; 0: not paused */
    int64_t down_since;   /* wall clock of the first failure of the account in a row; 0: it works, as far as is known */
    int64_t full_since;   /* wall clock of the first refusal for want of room since something was filed; 0: none */
    int64_t divert_at;    /* wall clock: when something of what waits may go elsewhere; INT64_MAX: never */
    int64_t divert_noted; /* the same, of what came while that is being found out */
    int64_t diverted_ms;  /* wall clock: when it was last found out */
    bool diverting;       /* it is being found out, and what may goes */
    struct upstream_pace kept; /* as the spool knows it */
    int64_t kept_down_since, kept_full_since;
    char *kept_user;    /* whose it is: of the pool, while the configuration may have gone on */
    char kept_salt[17]; /* of the digest that tells whether the same is logged in with; see dispatch_pace.c */
    unsigned kept_print;
    struct dispatch_counts counts;
    struct histogram append; /* from submission to the answer */
    struct fault last_fault; /* of any delivery; its time is 0 when there was none */
    int64_t last_fault_ms, last_filed_ms;
};

struct dispatch {
    struct net_loop *loop;
    struct spool *spool;
    struct log *log;
    struct config *config;                /* a share */
    struct dispatch_upstream **upstreams; /* each stays where it is, also when it is gone */
    size_t upstream_count;
    bool started;
    void (*start)(struct dispatch_upstream *upstream, struct spool_item **item); /* dispatch_attempt_start() */
    int64_t clock;                /* the wall clock less the monotonic one, milliseconds */
    int64_t ahead_ms;             /* by which it has jumped forward, in all */
    dispatch_outcome_fn *watcher; /* or NULL */
    void *watcher_ctx;
    bool shares; /* several nodes: see dispatch_slots.c */
    bool draining;
    size_t pools_open; /* while draining */
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* Takes the item and sends it on its way. */
void dispatch_attempt_start(struct dispatch_upstream *upstream, struct spool_item **item);

/* Of one delivery, for people. */
struct dispatch_told {
    const struct spool_item *item;
    const struct spool_outcome *outcome;
    uint64_t octets;         /* of the message as it went out */
    int64_t ended_ms;        /* when the outcome was known, of the wall clock */
    bool possible_duplicate; /* filed, and perhaps twice */
};
/* The outcome is settled: it is counted and told. */
void dispatch_tell(struct dispatch_upstream *upstream, const struct dispatch_told *told);
/* It could not be settled, and counts for nothing: the delivery is another node's, or the next start has it in hand. */
void dispatch_tell_unsettled(struct dispatch_upstream *upstream, const struct dispatch_told *told,
                             const struct fault *fault);

/* From an attempt: the account failed or worked; the attempt is gone. */
void dispatch_upstream_failed(struct dispatch_upstream *upstream, uint64_t retry_after_ms);
void dispatch_upstream_worked(struct dispatch_upstream *upstream);
void dispatch_attempt_gone(struct dispatch_upstream *upstream);

/* Nothing goes out before this time of the wall clock. */
void dispatch_pause(struct dispatch_upstream *upstream, int64_t until_ms);
/* dispatch_pace.c: has the spool keep the pool's pace, if it has changed; has a new pool take up the one that was kept.
 */
void dispatch_pace_keep(struct dispatch_upstream *upstream);
void dispatch_pace_find(struct dispatch_upstream *upstream);
/* From the start on, what another node keeps of an account is heeded here, too. */
void dispatch_pace_watch(struct dispatch *dispatch);
/* An operator's pause of the upstream begins or ends, or it has another pool: the pool begins nothing in a pause. */
void dispatch_heed_halt(struct dispatch_upstream *upstream);
/*
 * dispatch_slots.c: from the start on, where there are several nodes, each account's connections are counted over all
 * of them. A pool that begins has none before it was given some.
 */
void dispatch_slots_start(struct dispatch *dispatch);
void dispatch_slots_begin(struct dispatch_upstream *upstream);
/* At the end: nobody asks any more. */
void dispatch_slots_stop(struct dispatch *dispatch);
/* Something was left on the disk: the next fetch finds it, or tells when it is due. */
void dispatch_look_again(struct dispatch_upstream *upstream);
/* What is handed out for the upstream from here on says to which account and address: it has a pool. */
void dispatch_note_origin(struct dispatch_upstream *upstream);
/*
 * dispatch_fallback.c: what waits for an upstream in trouble goes elsewhere. Times are of the wall clock, INT64_MAX is
 * never.
 */
/* The trouble begins, or what waits is not known any more: it is looked through. */
void dispatch_divert_begin(struct dispatch_upstream *upstream);
/* When this delivery may go, if the trouble lasts; and that one waits which may go then. */
int64_t dispatch_divert_of(const struct dispatch_upstream *upstream, const struct mail_delivery *delivery);
void dispatch_divert_note(struct dispatch_upstream *upstream, int64_t when);
/* Has go what may go now. */
void dispatch_divert(struct dispatch_upstream *upstream);
/* When the next may. */
int64_t dispatch_divert_time(const struct dispatch_upstream *upstream);
/* Looks after the upstream's times at a wall-clock time, or earlier, because that clock jumps. */
void dispatch_wake_at(struct dispatch_upstream *upstream, int64_t when_ms);
/* And as soon as the loop comes round. */
void dispatch_wake(struct dispatch_upstream *upstream);
/* Fetches what is due, when there is room and nothing stands in the way. */
void dispatch_fetch(struct dispatch_upstream *upstream);
struct dispatch_upstream *dispatch_find(const struct dispatch *dispatch, const char *name); /* or NULL */
/* One upstream more, without configuration or pool. */
struct dispatch_upstream *dispatch_add(struct dispatch *dispatch);
/* Deliveries that may be under way beside those that are. */
size_t dispatch_room(const struct dispatch_upstream *upstream);
/* Whether anything may go out. */
bool dispatch_is_open(const struct dispatch_upstream *upstream);
/* What the upstream's trouble is at this time; down: for all nodes. */
struct mail_trouble dispatch_trouble_of(const struct dispatch_upstream *upstream, int64_t now_ms);
bool dispatch_is_in_trouble(const struct dispatch_upstream *upstream);
/* The wall clock less the monotonic one, in milliseconds. */
int64_t dispatch_clock_of(const struct dispatch *dispatch);
/* Ends the drain when nothing is under way any more. */
void dispatch_check_drained(struct dispatch *dispatch);
/* While draining: one pool less to wait for. */
void dispatch_pool_gone(struct dispatch *dispatch);

/*
 * The wall clock. When it has jumped since the last time, what waits for a time of it, in memory and in the spool, goes
 * on waiting as long as it would have.
 */
int64_t dispatch_now(struct dispatch *dispatch);

/* Milliseconds to wait after `failures` failures in a row: doubled each time, with jitter, within the upstream's
 * bounds. */
uint64_t dispatch_delay(const struct config_upstream *config, unsigned failures);

/* ---- dispatch_nodes.c ---- */

/* Whether another node of the same queue has connections to the account, and they work: then it is not down. */
bool dispatch_works_elsewhere(const struct dispatch_upstream *upstream);
/*
 * After a failure, and with what the nodes say of themselves: notes whether one of them may reach the account, also by
 * not having tried. Then what has failed here is due at once, for them to take, and one delivery at a time probes.
 */
void dispatch_leave_to_others(struct dispatch_upstream *upstream);

#endif
