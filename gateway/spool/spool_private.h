/*
 * spool_private - what the files of the spool share.
 *
 * Three threads beside the loop, each with its own calls of the store (store.h): the lane "disk" commits, "read" claims
 * and reads, "tidy" does chores. The loop owns everything else. A job goes from the loop to a lane and back; while it
 * is on a lane, the loop leaves it alone.
 *
 *   job     one operation of the store's, and who is told of it
 *   group   the jobs that are made durable together: a batch
 */
#ifndef MAILWEIR_SPOOL_SPOOL_PRIVATE_H
#define MAILWEIR_SPOOL_SPOOL_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "base/must_use.h"
#include "net/net_lane.h"
#include "spool/spool.h"
#include "spool/spool_memo.h"
#include "store/store_ask.h"
#include "store/store_batch.h"

/* Folders whose marks are remembered; beyond, the one that got no mail for longest is forgotten: its next look has more
 * to look at. */
#define SPOOL_MARKS_MAX 10000
/* A mark is written when it is new, and again when it has come so many UIDs further: an older one is as true. */
#define SPOOL_MARK_STEP 1000
/* Jobs and octets of bodies that one group takes at most. */
#define SPOOL_GROUP_JOBS   1000
#define SPOOL_GROUP_OCTETS (16u << 20)
/* Octets of bodies that stay in memory for deliveries that are offered right after their commit. */
#define SPOOL_CACHE_OCTETS (32u << 20)
/* A longer body is read in pieces and not kept. */
#define SPOOL_WARM_MAX (64u << 10)
/* How long settlements that could not be written wait, and how long we refuse mail after a failed commit. */
#define SPOOL_TROUBLE_MS 1000
/* How long whoever waits for a group in limbo is left without an answer. A client waits ten minutes for the reply to
 * the end of its data (RFC 5321 section 4.5.3.2.6); most programs wait less, and one that gave up has not heard us. */
#define SPOOL_LIMBO_MS 30000
/* How long a measurement of the free space is believed. */
#define SPOOL_SPACE_MS 1000
/* Inodes below which nothing is accepted. */
#define SPOOL_INODES_MIN 100

/* ---- jobs and groups ---- */

struct spool_job;
/* On the loop: answers and frees the job, whose op.fault says whether it failed. */
typedef void spool_job_fn(struct spool *spool, struct spool_job *job);
struct spool_job {
    struct store_op op;
    spool_job_fn *done;
};
/* Behind the last of a list of jobs. */
static inline void spool_line_up(struct list *line, struct spool_job *job)
{
    job->op.asker = job;
    list_init(&job->op.link);
    list_append(line, &job->op.link);
}

struct spool_group {
    struct list link; /* among those in limbo, and those behind them */
    struct spool *spool;
    struct store_batch batch;
    enum store_verdict verdict;
    uint64_t began_us;
    bool was_in_limbo; /* since ... */
    uint64_t limbo_since;
};

/* ---- spool_item.c ---- */

/* A small body in memory, shared by the deliveries of one message. */
struct spool_memory {
    unsigned users;
    struct buf data;
};
void spool_memory_release(struct spool *spool, struct spool_memory **memory);

/* A body on its way into memory; see spool_warm.c. */
struct spool_read;
struct spool_warm {
    struct spool_item *item;
    struct spool_memory *memory;
    bool good;
    bool freed;              /* the item's owner has let go: freed when the lane is done with it */
    struct spool_read *read; /* waits for the body; or NULL */
};

struct spool_body {
    struct store_body at;        /* in the store */
    struct spool_memory *memory; /* or NULL: in the store */
    struct spool_warm *warm;     /* it is on its way into memory */
    bool damaged;
    const struct fault *unreadable; /* why what is kept about the delivery cannot be read; or NULL */
};

/* An empty item; its arena holds it. */
MUST_USE struct spool_item *spool_item_new(void);
/* Before it is handed out: what is known of its folder goes into its doubt, unless that is open. */
void spool_item_mark(struct spool *spool, struct spool_item *item);
/* Takes up a memo that a mark was written as; false: it is none. */
void spool_mark_free(void *value);
MUST_USE bool spool_mark_take(struct spool *spool, const char *name, const char *text);
/* Makes its id of the envelope's and the delivery's number. */
void spool_item_name(struct spool_item *item);
void spool_item_free(struct spool *spool, struct spool_item **item);
/* Goes on with a read that waited for spool_warm(). */
void spool_read_start(struct spool_read *read);

/* ---- the loop's side ---- */

/* Somebody who waits in an upstream's fetches. */
struct spool_fetcher {
    struct list link;
    void (*go_on)(struct spool *spool, struct spool_fetcher *fetcher);
};

/* What the spool knows of one upstream's queue. */
struct spool_upstream {
    bool backlog; /* an offer was refused: new deliveries wait their turn in the store */
    struct spool_pause pause;
    uint64_t left;       /* deliveries that were left in the store so far */
    size_t giving_back;  /* refused deliveries whose return is under way ... */
    struct list fetches; /* ... and who fetches when that is done: struct spool_fetcher.link */
    char *memo;          /* see spool_memo.h; or NULL */
    bool memo_under_way;
    uint64_t memo_at; /* what spool->looks was when it was last set here, or became durable */
};

struct spool {
    struct net_loop *loop;
    struct log *log;
    struct spool_options options;
    struct store *store;
    struct net_lane *disk, *read, *tidy;
    struct net_poll *hint;     /* of the store's; or NULL */
    struct spool_scrub *scrub; /* or NULL */
    struct spool_health health;
    struct spool_node *node; /* of several; or NULL */

    struct list pending;   /* jobs that wait for a group */
    net_lane_fn *on_group; /* a group (its ctx) comes back from its lane: spool.c's */
    struct list stalled;   /* jobs that failed, that must not be given up and wait for another try */
    struct list jumps;     /* of the clock, behind the one that is under way */
    bool jumping;          /* one is under way, or stalled */
    struct net_timer *stall_timer;
    struct list limbo; /* groups of which nobody knows yet whether they are durable, and what ended behind them: nobody
                          hears of them */
    struct net_timer *limbo_timer;
    bool resolving;
    bool group_running;
    bool measuring;
    bool forgetting;
    uint64_t forgot_at;
    bool learning;
    uint64_t learnt_at;
    uint64_t to_learn; /* messages since */
    bool closing;

    struct spool_counts counts;
    struct histogram commit_time;
    struct map *upstreams;
    struct map *marks;      /* see spool_mark.c */
    struct list marks_aged; /* of those, folders', the longest without mail first ... */
    size_t mark_count;      /* ... and how many, at most SPOOL_MARKS_MAX */
    size_t cached;

    struct spool_pause pause;     /* of all upstreams */
    uint64_t looks;               /* that were begun: see spool_look.c */
    struct net_timer *look_timer; /* until the next, when one has failed ... */
    bool look_is_news;            /* ... which is to tell this */
    uint64_t paused_at;           /* what it was when an operator paused last, here, or ended a pause */
    spool_offer_fn *offer;
    void *offer_ctx;
    spool_left_fn *left;
    void *left_ctx;
    spool_wake_fn *wake;
    void *wake_ctx;
    spool_halt_fn *halt;
    void *halt_ctx;
    spool_memo_fn *remembered; /* or NULL */
    void *remembered_ctx;

    struct fault trouble; /* why the last commit failed; refuses mail until trouble_until */
    uint64_t trouble_until;
    bool is_failing; /* see spool_answers(): since ... */
    uint64_t failed_at;
    struct store_room room;
    uint64_t measured_at;
};

/* ---- spool_trouble.c ---- */

/* A commit has failed, or nobody knows what became of it; spool->trouble says why. */
void spool_note_failure(struct spool *spool);

/* ---- spool_queue.c ---- */

/* Queues a job for the next group. */
void spool_submit(struct spool *spool, struct spool_job *job);
/* The same, without a group of its own: it goes with the next that there is, at the latest with the end. */
void spool_ride(struct spool *spool, struct spool_job *job);
/* Puts a job back that failed and that nobody else would repeat, for another try a little later. */
void spool_stall(struct spool *spool, struct spool_job *job);
struct spool_upstream *spool_upstream(struct spool *spool, const char *name);
/* What the store counts is taken over; what only the spool counts stays. */
void spool_take_counts(struct spool *spool, const struct store_counts *counts);
/* Sends what waits to the lane as one group, unless one is there. */
void spool_pump(struct spool *spool);
bool spool_is_paused(const struct spool *spool, const struct spool_upstream *upstream);
/* Has whoever fetches look again; NULL: for all upstreams. */
void spool_wake(struct spool *spool, const char *upstream);
/* A delivery of the upstream waits in the store that whoever fetches may not have seen there. */
void spool_left_behind(struct spool *spool, const char *upstream);
/* Answers the jobs of a group, and frees it. */
void spool_group_answer(struct spool *spool, struct spool_group **group);

/* ---- spool_finish.c ---- */

/* Gives back an item that nobody took (sets *item to NULL; NULL is fine). */
void spool_give_back(struct spool *spool, struct spool_item **item);
/*
 * Calls go_on of whoever waits in upstream->fetches, when nothing of the upstream's is on its way back: else a query
 * could find again what it had been refused.
 */
void spool_finish_resume(struct spool *spool, struct spool_upstream *upstream);

/* ---- spool_pause.c ---- */

/* Notes a pause, or its end; upstream "": of all, whose end is that of each. */
void spool_set_pause(struct spool *spool, const char *upstream, bool on, int64_t since_ms, const char *by);
/* Nothing is paused, as far as is known. */
void spool_end_pauses(struct spool *spool);

/* ---- spool_look.c ---- */

/* At the start: asks the store what is paused and remembered, blocks. */
MUST_USE int spool_look_first(struct spool *spool, struct fault *fault);
/* From now on the store's hints are heeded, if it has some. */
void spool_look_watch(struct spool *spool);
/* Asks the store again: somebody else may have changed it. is_news: and what is due, so that whoever fetches looks. */
void spool_look_again(struct spool *spool, bool is_news);

/* ---- spool_memo.c ---- */

/* What the store said in that look; what was written here since it was begun is newer. */
void spool_memo_take(struct spool *spool, const char *upstream, const char *text, uint64_t look);

/* ---- spool_node.c ---- */

/* From now on this node says that it lives, where a store has several. And no more. */
void spool_node_start(struct spool *spool);
void spool_node_stop(struct spool *spool);
/* Whether the last beat was heard, and none takes suspiciously long; true where there is one node only. */
bool spool_node_is_heard(const struct spool *spool);
/* This machine's wall clock has jumped: the store's is less ahead of it now. */
void spool_node_jumped(struct spool *spool, int64_t delta_ms);

/* ---- spool_scrub.c ---- */

/* Looks at all that is kept from now on, if the options say so. */
void spool_scrub_start(struct spool *spool);
/* No step is begun any more. Then, when the lanes are dry, free. */
void spool_scrub_stop(struct spool *spool);
void spool_scrub_free(struct spool *spool);

/* ---- spool_limbo.c ---- */

/* Takes a group whose verdict is STORE_IN_LIMBO. */
void spool_limbo_take(struct spool *spool, struct spool_group *group);
/* Takes a group that is decided, when one is in limbo that went off before it. */
MUST_USE bool spool_limbo_follow(struct spool *spool, struct spool_group *group);
/* Asks what became of those in limbo, unless somebody asks already. */
void spool_limbo_resolve(struct spool *spool);
/* At the end: whoever still waits is told that nobody knows. */
void spool_limbo_end(struct spool *spool);

/* ---- spool_chore.c ---- */

/* Takes the chores of a batch over. */
void spool_chore_take(struct spool *spool, struct list *chores);

/* ---- spool_history.c ---- */

/* Learns what came, and forgets what is too old for the history, when there is much of it or none was for a while. */
void spool_history_tidy(struct spool *spool);

/* ---- spool_stage.c, for the commit ---- */

struct spool_stage {
    struct spool *spool;
    void (*on_writable)(void *ctx);
    void *ctx;
    uint64_t size;
    uint64_t window_ms; /* of spool_stage_once(); 0: not asked for */
    uint64_t waits_ms;  /* of spool_stage_waits(); 0: nobody does */
    spool_repeat_fn *on_repeat;
    void *repeat_ctx;
    bool unique, maybe_filed; /* of spool_stage_unique() */
    struct fault fault;
    struct mail_shape_meter meter;
    struct buf waiting;          /* not yet handed to the lane */
    struct buf writing;          /* with the lane */
    bool busy;                   /* the lane has a chunk of it */
    bool stopped;                /* said "stop" */
    bool closed;                 /* committed or freed: nothing more is handed to the lane by itself */
    struct store_upload *upload; /* the body goes there; or NULL */
    struct fault upload_fault;   /* the lane's, while it has a chunk */
    struct spool_ready *ready;   /* an answer of spool_stage_source() that has not yet come */
    struct mail_source source;
    struct bytes whole; /* that it reads, when it lies in memory */
};

/* No callback of it comes any more, and nothing is handed to the lane by itself. */
void spool_stage_close(struct spool_stage *stage);
/* Frees a stage that the lane does not use, and whose upload is somebody else's. */
void spool_stage_destroy(struct spool_stage **stage);

/* Throws an upload away behind whatever the lane does with it; leave: see store.h. *upload (or NULL) becomes NULL. */
void spool_upload_free(struct spool *spool, struct store_upload **upload, bool leave);

#endif
