/*
 * spool - the durable queue: what was acknowledged is on the disk until it is settled.
 *
 *   stage    a message that is being received; nothing of it survives a crash
 *   commit   makes the message and its decided deliveries durable, in a group with whatever else waits
 *   item     one due delivery in memory, with one owner; it goes back by spool_finish()
 *
 * It is the loop's side of a store (store/store.h), which keeps what is durable: whatever waits for the lane that
 * commits goes there as one group, and is answered when that is durable. A body above `own_segment_over` streams into
 * the store before its message does. All functions are for the loop's thread; all answers come from the loop, later.
 *
 * What it does not do: decide when to deliver. dispatch/dispatch does.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_H
#define MAILWEIR_SPOOL_SPOOL_H

#include "base/arena.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/must_use.h"
#include "engine/doubt.h"
#include "mail/mail_envelope.h"
#include "net/net_loop.h"

struct spool;
struct spool_stage;
struct store;
struct store_ops;

struct spool_options {
    const struct store_ops *store; /* what it keeps its messages in */
    const char *place;             /* where the store is, in its own words; NULL: path */
    const char *node;              /* see store.h; or NULL */
    uint64_t lease_ms;             /* likewise */
    bool brief;                    /* likewise */
    const char *path;              /* of that */
    uint64_t segment_size;         /* 0: 64 MiB */
    uint64_t own_segment_over;     /* 0: 256 KiB */
    uint64_t minimum_free;         /* octets of the disk kept free: below, spool_can_accept() says no; 0: 64 MiB */
    uint64_t history_ms;           /* how long settled messages stay known; 0: 7 days */
    uint64_t search_ms;            /* how long settled messages can be searched by their header; 0: not at all */
    uint64_t history_messages;     /* how many of them at most; 0: 1,000,000 */
    uint64_t check_every_ms;       /* between two rounds of looking at all that is kept; 0: never */
    int64_t (*wall)(void *ctx);    /* the store's clock, asked from lanes: milliseconds since 1970; NULL: net_wall() */
    void *clock;                   /* its ctx */
};

/*
 * Opens, locks and if needed creates the spool; blocks. Fault "locked" when another process has it; "version" when
 * it was written by a newer mailweir. On success *spool_r is the caller's.
 */
MUST_USE int spool_open(struct spool **spool_r, struct net_loop *loop, const struct spool_options *options,
                        struct log *log, struct fault *fault);
/* What its messages are kept in, to be looked at from another thread; closed by spool_export_close(). */
MUST_USE int spool_look(const struct spool *spool, struct store **store_r, struct fault *fault);
/* Finishes commits and settlements under way, answers them, closes; blocks. Stages and items must be gone. Sets *spool
 * to NULL. */
void spool_close(struct spool **spool);

/* Whether a message of this size may be begun: 0, or -1 with a fault (class FAULT_LOCAL) such as "enospc" or "eio". */
MUST_USE int spool_can_accept(struct spool *spool, uint64_t size, struct fault *fault);

/*
 * Whether the store does what it is asked: false from a commit that failed (or whose outcome nobody knows) or a beat
 * that was not heard, until a commit or a beat succeeds. And why not: the last failure.
 */
bool spool_answers(const struct spool *spool);
struct fault spool_trouble(const struct spool *spool);

/* ---- staging: bytes on their way in ---- */

/* on_writable: called when a stage that said "stop" takes bytes again. */
MUST_USE struct spool_stage *spool_stage_new(struct spool *spool, void (*on_writable)(void *ctx), void *ctx);
/*
 * Copies data. 0: go on. 1: taken, but stop until on_writable (two chunks wait for the disk). -1: the stage has failed,
 * spool_stage_fault() says why; it takes and drops whatever else comes.
 */
MUST_USE int spool_stage_write(struct spool_stage *stage, struct bytes data);
/*
 * Has the commit recognise a message that was committed in the last window_ms from the same listener and user with the
 * same envelope and body (a client that did not hear our 250): it then succeeds, keeps nothing and offers nothing.
 * Counted and logged. A message of which a delivery was dropped is not recognised: nobody has what it brought.
 * on_repeat (may be NULL) comes just before the commit's answer, with the id under which the message is kept (a view),
 * and how many of its deliveries are open.
 */
typedef void spool_repeat_fn(void *ctx, const char *id, size_t open);
void spool_stage_once(struct spool_stage *stage, uint64_t window_ms, spool_repeat_fn *on_repeat, void *ctx);
/*
 * Its sender waits until the upstreams have it, and hears no when one has not. Until spool_heard() says that he heard
 * yes, the same message again (as in spool_stage_once(), for window_ms) is this one: what was dropped of it is due
 * again, the rest is not touched. Two equal messages of which both were heard are two.
 */
void spool_stage_waits(struct spool_stage *stage, uint64_t window_ms);
/* The sender of the message has heard that all have it. Goes to the disk with whatever else does. */
void spool_heard(struct spool *spool, const char *id);
/*
 * Has the commit keep the message only when none of its id is known; else it fails with the fault "known" (FAULT_PERM),
 * which is no trouble of the spool. maybe_filed: in an earlier life its deliveries may have been filed, so they are
 * looked for before they are sent.
 */
void spool_stage_unique(struct spool_stage *stage, bool maybe_filed);
uint64_t spool_stage_size(const struct spool_stage *stage);
const struct fault *spool_stage_fault(const struct spool_stage *stage);
/*
 * The staged bytes to read from a worker lane, for rules. on_ready comes (from the loop) when all that was written so
 * far can be read; no write may follow. The source is valid until the stage is committed or freed.
 */
void spool_stage_source(struct spool_stage *stage, void (*on_ready)(void *ctx, const struct mail_source *source),
                        void *ctx);
/* Throws the stage away; sets *stage to NULL; NULL is fine. No callback of it comes afterwards. */
void spool_stage_free(struct spool_stage **stage);

/* ---- commit ---- */

/* fault is NULL when the message is durable. */
typedef void spool_commit_fn(void *ctx, const struct fault *fault);
/*
 * Takes the stage (sets *stage to NULL) and copies the rest. count may be 0 (a discarded message: kept as history
 * only). done is called once: after it has said success, the deliveries were offered (below) or wait on the disk. After
 * a failure nothing of the message is kept.
 */
void spool_commit(struct spool_stage **stage, const struct mail_envelope *envelope,
                  const struct mail_delivery *deliveries, size_t count, spool_commit_fn *done, void *ctx);

/* ---- due deliveries ---- */

struct spool_item {
    struct arena *arena; /* of everything below */
    struct mail_envelope envelope;
    struct mail_delivery delivery;
    char id[48]; /* the delivery's id, "<message id>.<number>" */
    uint64_t body_size;
    unsigned attempts;       /* attempts that were made before */
    bool uncertain;          /* an earlier attempt may have filed it: look before sending; delivery.doubt says where */
    struct spool_body *body; /* the spool's own ... */
    uint64_t run;            /* ... in which of the store's runs it was handed out, and ... */
    uint64_t hold;           /* ... before which loss of the node's lease: see spool_node_holds() */
};

/*
 * Called after each commit, once per delivery that is due now: whoever takes it sets *item to NULL and owns it; what is
 * left stays on the disk, and a later spool_fetch_due() gives it.
 */
typedef void spool_offer_fn(void *ctx, struct spool_item **item);
void spool_set_offer(struct spool *spool, spool_offer_fn *fn, void *ctx);

/*
 * Called after a commit when a delivery of the upstream was left on the disk without having been offered, and the last
 * spool_fetch_due() said that there was nothing more: it is time to fetch.
 */
typedef void spool_left_fn(void *ctx, const char *upstream);
void spool_set_left(struct spool *spool, spool_left_fn *fn, void *ctx);

/* An operator's pause: nothing is delivered until he ends it. */
#define SPOOL_BY_MAX 64
struct spool_pause {
    bool on;
    bool all;              /* it is of all upstreams */
    int64_t since_ms;      /* wall clock; 0: not known */
    char by[SPOOL_BY_MAX]; /* who did; "" when it is not known */
};
/* Of the upstream, or of all of them. */
struct spool_pause spool_pause_of(const struct spool *spool, const char *upstream);
/*
 * Called when an operator made deliveries of an upstream due that were not offered (a retry, a release, the end of a
 * pause): it is time to fetch, whatever stood in the way before. upstream is NULL for all of them.
 */
typedef void spool_wake_fn(void *ctx, const char *upstream);
void spool_set_wake(struct spool *spool, spool_wake_fn *fn, void *ctx);
/* Called when an operator has paused an upstream, or all (NULL): what was handed out and is not begun is given back. */
typedef void spool_halt_fn(void *ctx, const char *upstream);
void spool_set_halt(struct spool *spool, spool_halt_fn *fn, void *ctx);

/*
 * Reads up to `limit` deliveries of `upstream` that are due and in nobody's hands: half of them the longest due, half
 * by turns from each pair of sender and folder, so that a flood of one does not starve another. None while the upstream
 * is paused. done takes the items it wants (NULLs them); the earliest of the others is due in next_in_ms, -1 when there
 * is none. more: further ones are due now.
 */
typedef void spool_due_fn(void *ctx, struct spool_item **items, size_t count, bool more, int64_t next_in_ms);
void spool_fetch_due(struct spool *spool, const char *upstream, size_t limit, spool_due_fn *done, void *ctx);

/*
 * Has what waits for `upstream`, which is in trouble, go where its ways lead (mail_delivery.h), if that is one of the
 * `known` upstreams: what nobody holds and what was certainly not filed. Each is logged ("fallback"). done comes once,
 * when all of it is durable, with how many went, and how long the trouble must last until the next of the others goes
 * (UINT64_MAX: none does); fault is NULL on success.
 */
typedef void spool_divert_fn(void *ctx, uint64_t moved, uint64_t wait_ms, const struct fault *fault);
void spool_divert(struct spool *spool, const char *upstream, const char *const *known, size_t known_count,
                  const struct mail_trouble *trouble, spool_divert_fn *done, void *ctx);

/*
 * The wall clock was found to have jumped by delta_ms; before_ms is what it would show without. Each delivery that
 * waits for its time goes on waiting as long as it would have.
 */
void spool_clock_jumped(struct spool *spool, int64_t delta_ms, int64_t before_ms);

/*
 * Reads len octets of the item's body at offset. The data is valid during the call only; fewer octets than asked come
 * only at the end; fault is NULL on success. The item must stay until the answer came.
 */
typedef void spool_read_fn(void *ctx, struct bytes data, const struct fault *fault);
void spool_item_read(struct spool *spool, struct spool_item *item, uint64_t offset, size_t len, spool_read_fn *done,
                     void *ctx);

/* Reads the bodies of items that will be asked for soon, together, and keeps them until the items go; those that are
 * long, or for which the cache has no room, stay where they are. The items may be given back meanwhile. */
void spool_warm(struct spool *spool, struct spool_item *const *items, size_t count);
/* The same octets as spool_item_read() gives, at once and as long as the item is there; a NULL pointer when they are
 * not in memory. */
struct bytes spool_item_at_hand(const struct spool_item *item, uint64_t offset, size_t len);
/* Whether a read of the body found other octets than were acknowledged: no retry makes a whole one of it. */
bool spool_item_is_damaged(const struct spool_item *item);

struct spool_outcome {
    enum spool_outcome_kind {
        SPOOL_FILED,     /* done for good */
        SPOOL_DEFERRED,  /* again in again_in_ms */
        SPOOL_DEAD,      /* a dead letter, kept until an operator acts */
        SPOOL_UNTOUCHED, /* no attempt was made (shutdown): as before */
        SPOOL_MOVED,     /* it goes elsewhere, and is due there at once */
    } kind;
    const struct mail_delivery *instead; /* MOVED: what it is from now on, by reference until done */
    uint64_t again_in_ms;                /* DEFERRED */
    bool uncertain;                      /* it may lie there: kept whatever becomes of it, unless it is FILED */
    char doubt[DOUBT_TEXT_MAX];          /* what is known of that, and of what came before; not for FILED */
    const char *note;                    /* for its history, by reference until done; or NULL. MOVED: why */
    struct fault fault;
    uint32_t uidvalidity; /* FILED: from APPENDUID, else 0 */
    uint32_t uid;
    /* FILED: what the folder is called that the delivery names by its use, by reference until done; or NULL. */
    const char *folder;
};

/* Gives the item back with what became of it (sets *item to NULL). done (may be NULL) comes when that is durable, or
 * can never be any more; what the item holds may be read until it returns. */
void spool_finish(struct spool *spool, struct spool_item **item, const struct spool_outcome *outcome,
                  spool_commit_fn *done, void *ctx);

/*
 * The UIDNEXT of a folder as it is known now (engine/doubt.h): whatever is handed out for it from here on lies behind
 * it, should it be filed. Costs nothing: it goes to the disk with what is handed out.
 */
void spool_set_mark(struct spool *spool, const char *upstream, const char *folder, const struct doubt_mark *mark);
/* Whose account the upstream leads to now (as doubt_name() has it) and by which address (struct doubt's place): what is
 * handed out from here on says so, too. */
void spool_set_origin(struct spool *spool, const char *upstream, const char *account, unsigned place);

/* Why what is acknowledged may be lost with the power (memory, a network, syncs that do nothing), for operators; or
 * NULL. */
const char *spool_disk_warning(const struct spool *spool);

/*
 * What messages of the last within_ms have counted (mail_envelope.counted): calls fn for the envelope of each, the
 * oldest first. Blocks: for the start, before anything is fetched.
 */
typedef void spool_counted_fn(void *ctx, const struct mail_envelope *envelope);
MUST_USE int spool_each_counted(struct spool *spool, uint64_t within_ms, spool_counted_fn *fn, void *ctx,
                                struct fault *fault);
/*
 * The same while the spool runs: read on a lane, fn is called from the loop, for all of them in one turn. What cannot
 * be read is left out, and told in the log. Not called any more once the spool is closed.
 */
void spool_each_counted_later(struct spool *spool, uint64_t within_ms, spool_counted_fn *fn, void *ctx);

struct spool_counts {
    uint64_t waiting, dead, held; /* deliveries by state, on disk and in memory */
    uint64_t messages;            /* with at least one delivery that is not settled */
    uint64_t commits, syncs;      /* groups committed and fdatasyncs made, since start */
    uint64_t compacted;           /* segments that were emptied because little of them lived, since start */
    uint64_t repeats;             /* messages recognised as sent before, since start */
    uint64_t set_aside;           /* files in "set-aside" at the start */
    uint64_t unreadable;          /* deliveries made dead because what is kept about them cannot be read, since start */
    uint64_t limbo;               /* groups of which nobody knows now whether they are durable ... */
    uint64_t limbo_total;         /* ... and those that there were, since start */
};
void spool_count(const struct spool *spool, struct spool_counts *counts_r);

/* Room that is left on the disk, as of a moment ago, and how much of it is kept free (minimum_free); octets. */
void spool_room(struct spool *spool, uint64_t *octets_r, uint64_t *minimum_r);

/* What the looks at all that is kept have found; each damaged message, and each mending, is logged too. */
struct spool_health {
    uint64_t rounds;   /* that have ended, since start */
    uint64_t messages; /* looked at, since start */
    uint64_t mended;   /* times that the index was made to find again what is there, since start */
    uint64_t damaged;  /* messages that are not what was acknowledged, in the last round or the one under way */
    bool is_torn;      /* the index contradicts itself, and nobody can mend that while a gateway runs */
    char reason[460];  /* the first of what is wrong; "": nothing is */
};
void spool_health(const struct spool *spool, struct spool_health *health_r);
/* How long groups took to become durable; valid as long as the spool. */
const struct histogram *spool_commit_time(const struct spool *spool);

#endif
