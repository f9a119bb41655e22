/*
 * spool_private - what the files of the spool share.
 *
 * Two threads beside the loop: the lane "disk" owns struct spool_writer (the segment that is appended to, the writing connection to the
 * index), the lane "read" owns struct local_reader (open segments, a reading connection). The loop owns everything else. A
 * job goes from the loop to a lane and back; while it is on a lane, the loop leaves it alone.
 *
 *   job     one commit, settlement or other change; see struct spool_job_kind
 *   group   the jobs that are made durable together
 */
#ifndef MAILWEIR_SPOOL_SPOOL_PRIVATE_H
#define MAILWEIR_SPOOL_SPOOL_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "net/net_file.h"
#include "net/net_lane.h"
#include "spool/spool.h"
#include "store/local/local_index.h"
#include "store/local/local_live.h"
#include "store/local/local_reader.h"
#include "store/local/local_record.h"
#include "store/local/local_restore.h"
#include "store/local/local_segment.h"
#include "store/store_sum.h"

/* Jobs and octets of bodies that one group takes at most. */
/* Folders whose marks are remembered; beyond, all are forgotten: their next look has more to look at. */
#define SPOOL_MARKS_MAX    10000
#define SPOOL_GROUP_JOBS   1000
#define SPOOL_GROUP_OCTETS (16u << 20)
/* Octets of bodies that stay in memory for deliveries that are offered right after their commit. */
#define SPOOL_CACHE_OCTETS (32u << 20)
/* A longer body is read in pieces and not kept. */
#define SPOOL_WARM_MAX (64u << 10)
/* Pages of the index's log (4 KiB each) above which it is copied into the database. */
#define SPOOL_LOG_PAGES 4096
/* How long settlements that could not be written wait, and how long we refuse mail after a failed commit. */
#define SPOOL_TROUBLE_MS 1000
/* How long whoever waits for a group in doubt is left without an answer. */
#define SPOOL_DOUBT_MS 30000
/* How long a measurement of the free space is believed. */
#define SPOOL_SPACE_MS 1000
/* Inodes below which nothing is accepted. */
#define SPOOL_INODES_MIN 100

/* ---- jobs and groups ---- */

struct spool_job;
struct spool_writer;

struct spool_job_kind {
    /* On the lane: gives the writer what belongs into segments. May be NULL. A failure stands in job->fault. */
    void (*write)(struct spool_writer *writer, struct spool_job *job);
    /* On the lane: the changes of the index, within the group's transaction. -1 fails the whole group. */
    int (*index)(struct spool_writer *writer, struct spool_job *job, struct fault *fault);
    /* On the lane, once the group is durable: what stands beside the index. May be NULL. A failure stands in job->fault. */
    void (*after)(struct spool_writer *writer, struct spool_job *job);
    /* On the loop: answers and frees the job. */
    void (*done)(struct spool *spool, struct spool_job *job);
};

struct spool_job {
    struct list link;
    const struct spool_job_kind *kind;
    size_t octets;                 /* of bodies in memory */
    struct local_segment *segment; /* that its record went into, during the group */
    struct fault fault;
};

/* ---- spool_writer.c: the lane "disk" ---- */

struct spool_writer {
    char folder[LOCAL_PATH_MAX]; /* of the segments */
    const char *spool;           /* the spool's folder */
    struct local_index *index;
    uint64_t segment_size;
    uint64_t run; /* of this start */
    uint64_t next_segment;
    uint64_t indexed_segment; /* next_segment as the index knows it */
    struct local_segment *current;
    struct bytes *pieces; /* what goes to the current segment with this group */
    size_t piece_count, piece_room;
    uint64_t gathered; /* octets of the pieces */
    struct list dirty; /* segments that this group syncs */
    uint64_t syncs;
    bool in_doubt; /* a failed transaction may lie whole in the index's log, and nothing has been written over it yet */
};

/*
 * Appends a record to the current segment and tells where it will lie. The pieces must stay until the group's end. -1, with the fault in
 * the job, when there is no segment.
 */
int spool_writer_append(struct spool_writer *writer, struct spool_job *job, const struct local_record *record,
                        const struct bytes pieces[3], struct local_place *place_r);
/* Has the group sync a segment of the job's own. */
void spool_writer_own(struct spool_writer *writer, struct spool_job *job, struct local_segment *segment);

struct spool_group {
    struct spool *spool;
    struct list jobs;
    size_t count;
    /* What the loop wants to know afterwards. */
    uint64_t current_segment;
    uint64_t syncs;
    unsigned log_pages;
    bool committed;
    bool in_doubt;      /* it failed, but may come to life after a crash */
    bool not_over;      /* something that is in doubt was not written over */
    struct fault fault; /* of the transaction */
    uint64_t began_us;
};
/*
 * Makes the group's jobs durable, each or none of those whose fault is empty. While an earlier group is in doubt, also one without jobs writes
 * something, so that its success ends the doubt.
 */
void spool_writer_run(struct spool_writer *writer, struct spool_group *group);

/* ---- spool_item.c ---- */

/* A small body in memory, shared by the deliveries of one message. */
struct spool_memory {
    unsigned users;
    struct buf data;
};
void spool_memory_release(struct spool *spool, struct spool_memory **memory);

struct spool_body {
    uint64_t message;
    struct local_place place;
    struct spool_memory *memory; /* or NULL: on the disk */
    struct spool_warm *warm;     /* it is on its way into memory */
    bool checked;
    bool damaged;
};

/* An empty item; its arena holds it. */
struct spool_item *spool_item_new(void);
/* Before it is handed out: what is known of its folder goes into its doubt, unless that is open. */
void spool_item_mark(struct spool *spool, struct spool_item *item);
/* Makes its id of the envelope's and the delivery's number. */
void spool_item_name(struct spool_item *item);
void spool_item_free(struct spool *spool, struct spool_item **item);
/* ---- spool_item.c, spool_warm.c: reading ---- */

struct spool_read;
/* Goes on with a read that waited for spool_warm(). */
void spool_read_start(struct spool_read *read);
/* Whether the body is on its way into memory: the item, whose owner lets go of it, is then freed afterwards. */
bool spool_warm_free(struct spool_body *body);
/* Whether the body is on its way into memory: the read is then started afterwards. */
bool spool_warm_wait(struct spool_body *body, struct spool_read *read);

/* What names a delivery among those that are held. */
uint64_t spool_item_key(uint64_t message, unsigned number);

/* ---- spool_held.c: which deliveries are in somebody's hands ---- */

struct spool_held;
struct spool_held *spool_held_new(void);
void spool_held_free(struct spool_held **held);
void spool_held_add(struct spool_held *held, uint64_t key);
/* Not held any more; but queries that run now (begun and not ended) still see it as held, because they may read its old state. */
void spool_held_remove(struct spool_held *held, uint64_t key);
bool spool_held_has(const struct spool_held *held, uint64_t key);
size_t spool_held_count(const struct spool_held *held);
/* The keys held now, sorted; the caller's to free. And whether one is among them. */
uint64_t *spool_held_keys(const struct spool_held *held, size_t *count_r);
bool spool_held_among(const uint64_t *keys, size_t count, uint64_t key);
/* A query begins: the keys held now, sorted, the caller's to free. Queries end in the order in which they began. */
uint64_t *spool_held_begin(struct spool_held *held, size_t *count_r);
void spool_held_end(struct spool_held *held);

/* ---- the loop's side ---- */

/* What the spool knows of one upstream's queue. */
struct spool_upstream {
    bool backlog;   /* an offer was refused: new deliveries wait their turn on the disk */
    bool paused;    /* by an operator */
    uint64_t left;  /* deliveries that were left on the disk so far */
    int64_t cursor; /* the lane that was served last */
    char *memo;     /* see spool_memo.h; or NULL */
    bool memo_under_way;
};

struct spool {
    struct net_loop *loop;
    struct log *log;
    struct spool_options options;
    char path[LOCAL_PATH_MAX - 64];
    struct net_file *lock;
    struct net_lane *disk, *read, *tidy;
    struct spool_writer writer;  /* the disk lane's */
    struct local_reader *reader; /* the read lane's */
    struct local_index *tidier;  /* the tidy lane's: copies the index's log into the database */

    struct list pending; /* jobs that wait for a group */
    struct list stalled; /* jobs that failed, that must not be given up and wait for another try */
    struct net_timer *stall_timer;
    struct list doubtful; /* jobs that failed and may come to life after a crash: nobody hears of it yet */
    uint64_t doubtful_since;
    struct net_timer *doubt_timer;
    bool write_over_due;
    bool group_running;
    bool tidying;
    bool measuring;
    bool compacting;
    bool forgetting;
    uint64_t forgot_at;
    bool closing;
    uint64_t current_segment;
    uint64_t next_message;

    struct spool_counts counts;
    struct histogram commit_time;
    struct local_live *live;
    struct spool_held *held;
    struct map *upstreams;
    struct map *marks; /* see spool_mark.c */
    size_t cached;

    bool paused; /* all upstreams, by an operator */
    spool_offer_fn *offer;
    void *offer_ctx;
    spool_left_fn *left;
    void *left_ctx;
    spool_wake_fn *wake;
    void *wake_ctx;
    struct spool_admin *admin; /* serves commands, or NULL */

    char disk_warning[LOCAL_PATH_MAX + 300]; /* empty: none */

    struct fault trouble; /* why the last commit failed; refuses mail until trouble_until */
    uint64_t trouble_until;
    uint64_t free_octets, free_inodes;
    uint64_t measured_at;
};

/* Queues a job for the next group. */
void spool_submit(struct spool *spool, struct spool_job *job);
/* Puts a job back that failed and that nobody else would repeat, for another try a little later. */
void spool_stall(struct spool *spool, struct spool_job *job);
struct spool_upstream *spool_upstream(struct spool *spool, const char *name);
/* Sends what waits to the lane as one group, unless one is there. */
void spool_pump(struct spool *spool);
/* Has whoever fetches look again; NULL: for all upstreams. */
void spool_wake(struct spool *spool, const char *upstream);
bool spool_is_paused(const struct spool *spool, const struct spool_upstream *upstream);
/* Nothing lives in this segment any more: removes it, unless it is the one that is appended to. */
void spool_discard_segment(struct spool *spool, uint64_t segment);

/* ---- spool_doubt.c ---- */

/* After each group: takes its jobs if they are in doubt, sees to it that they are written over, and answers them when they were. */
void spool_doubt_look(struct spool *spool, struct spool_group *group);
/*
 * Answers the jobs in doubt: with their fault, once it is certain that they failed; else (written_over is false) with a fault of the class
 * FAULT_UNCERTAIN.
 */
void spool_doubt_end(struct spool *spool, bool written_over);

/* ---- spool_history.c, spool_compact.c ---- */

/* Forgets what is too old for the history, when it was not looked at for a while. */
void spool_history_tidy(struct spool *spool);
/* Something in the segment was settled: moves the rest away if little of it lives. */
void spool_compact_consider(struct spool *spool, uint64_t segment);

/* ---- spool_admin.c ---- */

/* After the lanes have ended. */
void spool_admin_free(struct spool_admin **admin);

/* ---- spool_disk.c ---- */

/* Looks at the disk, and warns when it does not keep what it was given. */
void spool_disk_judge(struct spool *spool);

/* ---- spool_recover.c ---- */

/* -1 with a fault "damaged" when there are messages but no index. */
int spool_recover_expect_index(const char *index, const char *folder, struct fault *fault);
/*
 * An index that is no database, and no segment at all: it was being made when a crash came. Moves it out of the way: 0, or -1 when there is more
 * than that.
 */
int spool_recover_unmade(struct spool *spool);

/* ---- spool_recover.c ---- */

/* Removes what was never acknowledged, sets aside what is not understood; before the lanes run. */
int spool_recover(struct spool *spool, struct fault *fault);

/* ---- spool_stage.c, for the commit ---- */

/* A body's segment of its own, while it is written; the disk lane's. */
struct spool_own {
    struct local_segment *segment; /* NULL until the first chunk */
    struct store_sum *sum;
    struct fault fault;
};

struct spool_stage {
    struct spool *spool;
    void (*on_writable)(void *ctx);
    void *ctx;
    uint64_t size;
    uint64_t window_ms; /* of spool_stage_once(); 0: not asked for */
    spool_repeat_fn *on_repeat;
    void *repeat_ctx;
    bool unique, maybe_filed; /* of spool_stage_unique() */
    struct fault fault;
    struct mail_shape_meter meter;
    struct buf waiting; /* not yet handed to the lane */
    struct buf writing; /* with the lane */
    bool busy;          /* the lane has a chunk of it */
    bool stopped;       /* said "stop" */
    bool closed;        /* committed or freed: nothing more is handed to the lane by itself */
    bool has_own;       /* the body goes to a segment of its own */
    struct spool_own own;
    struct spool_ready *ready; /* an answer of spool_stage_source() that has not yet come */
    struct mail_source source;
};

/*
 * On the disk lane: completes the segment of its own with the rest of the body, the meta and the head. The segment is not yet synced.
 */
int spool_stage_complete(struct spool_stage *stage, struct bytes meta, struct local_record *record_r,
                         struct fault *fault);
/* No callback of it comes any more, and nothing is handed to the lane by itself. */
void spool_stage_close(struct spool_stage *stage);
/* Frees a stage that the lane does not use; a segment of its own is closed. */
void spool_stage_destroy(struct spool_stage **stage);

#endif
