/*
 * local_private - what the files of the local store share.
 *
 * Three threads: the lane of commit() owns the writing connection and the segment that is appended to; the lane of
 * claim(), body() and ask() owns a reader; the lane of room() and chore() a third connection. What they share is said
 * at the members.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_PRIVATE_H
#define MAILWEIR_STORE_LOCAL_LOCAL_PRIVATE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "base/must_use.h"
#include "net/net_file.h"
#include "store/local/local.h"
#include "store/local/local_index.h"
#include "store/local/local_live.h"
#include "store/local/local_reader.h"
#include "store/local/local_segment.h"
#include "store/store_ask.h"
#include "store/store_batch.h"
#include "store/store_sum.h"

/* Octets of the index's log above which it is copied into the database. */
#define LOCAL_LOG_MAX (4u << 20)

/* Something comes to live in a segment, or lives in it no more. */
struct local_life {
    struct store_place place;
    bool ends;
};

struct local {
    struct store store;
    struct store_options options;
    char path[LOCAL_PATH_MAX - 64];
    char folder[LOCAL_PATH_MAX]; /* of the segments */
    char warning[LOCAL_PATH_MAX + 300];
    struct net_file *lock;
    struct local_index *tidier; /* the chores' */

    /* The lane of claim(). */
    struct local_reader *reader;
    struct map *cursors; /* of the turns, by upstream: who was served last */

    /* The lane of commit(). */
    struct local_index *index;
    struct net_file *log; /* of the index, for the zeros ahead in it; NULL: not opened yet */
    struct local_ahead log_ahead;
    uint64_t run; /* of this start; read by all */
    uint64_t next_message;
    uint64_t next_segment;
    uint64_t indexed_segment; /* next_segment as the index knows it */
    struct local_segment *current;
    struct bytes *pieces; /* what goes to the current segment with this batch */
    size_t piece_count, piece_room;
    uint64_t gathered; /* octets of the pieces */
    struct list dirty; /* segments that this batch syncs */
    bool in_limbo; /* a failed transaction may lie whole in the index's log, and nothing has been written over it yet */
    struct local_live *live;
    uint64_t group;            /* number of the batch, in this run */
    struct local_spot durable; /* where the last batch that became durable ended in the log; segment 0: none has yet */
    uint64_t syncs;
    struct store_counts counts, next; /* as they are; as they will be when the batch is durable */
    struct local_life *lives;         /* of the batch, in its order */
    size_t life_count, life_room;
    struct buf decisions; /* lines of the batch, see local_journal.h */
    struct arena *heads;  /* of the batch's records */
    struct store_batch *batch;
    bool tidying; /* a chore copies the log of the index */
    atomic_bool compacting;
};

static inline struct local *local_of(struct store *store)
{
    return LIST_ITEM(store, struct local, store);
}

static inline int64_t local_now(const struct local *local)
{
    return local->options.wall(local->options.clock);
}

/* ---- local_batch.c: what operations use ---- */

/*
 * Appends a record to the current segment and tells where it will lie; its ends are made for that place. Body and meta
 * must stay until the batch's end. -1, with the fault in the operation, when there is no segment.
 */
MUST_USE int local_batch_append(struct local *local, struct store_op *op, struct local_record *record,
                                struct bytes body, struct bytes meta, struct store_place *place_r);
/* Which group the record is of, and how far the log is durable. */
void local_batch_number(const struct local *local, struct local_record *record);
/* Has the batch sync a segment of the operation's own. */
void local_batch_own(struct local *local, struct store_op *op, struct local_segment *segment);
/* Counts, when the batch is durable: where something lives, or lives no more. */
void local_batch_lives(struct local *local, const struct store_place *place, bool ends);
/* One delivery of the message is settled. */
MUST_USE int local_batch_settle(struct local *local, uint64_t message, struct fault *fault);
/* The number of deliveries in an open state, to change. */
uint64_t *local_batch_count(struct local *local, enum store_state state);
enum store_verdict local_commit(struct store *store, struct store_batch *batch);
enum store_verdict local_resolve(struct store *store, struct store_batch *batch);

/* An operation: what it gives to segments (may be NULL), what it changes in the index, what it does when that is
 * durable (may be NULL). */
struct local_kind {
    bool decides; /* it has lines in local->decisions */
    void (*write)(struct local *local, struct store_op *op);
    int (*index)(struct local *local, struct store_op *op, struct fault *fault);
    void (*after)(struct local *local, struct store_op *op);
};
extern const struct local_kind local_add, local_hand, local_finish, local_untouch, local_set_state, local_reroute,
    local_divert, local_memo, local_pause, local_forget, local_clock, local_move, local_heard, local_learn, local_erase;
/* A delivery that an operation adds to a message that is there, at once due; its line goes to the decisions. */
MUST_USE int local_change_add(struct local *local, uint64_t message, const char *id, const char *sender,
                              const struct mail_delivery *delivery, struct fault *fault);

/* ---- local_upload.c ---- */

struct store_upload *local_upload(struct store *store);
MUST_USE int local_upload_write(struct store *store, struct store_upload *upload, struct bytes data,
                                struct fault *fault);
MUST_USE ptrdiff_t local_upload_read(struct store_upload *upload, uint64_t offset, void *into, size_t len,
                                     struct fault *fault);
void local_upload_free(struct store *store, struct store_upload **upload, bool leave);
/* Writes the rest of the body, the meta and the head; the segment is not yet synced. */
MUST_USE int local_upload_complete(struct local *local, struct store_upload *upload, struct bytes rest,
                                   struct bytes meta, struct local_record *record_r, struct fault *fault);
struct local_segment *local_upload_segment(struct store_upload *upload);
/* Its message is durable: closes the segment. Sets *upload to NULL. */
void local_upload_keep(struct store_upload **upload);

/* ---- local_claim.c, local_query.c ---- */

MUST_USE int local_claim(struct store *store, struct store_claim *claim, struct fault *fault);
MUST_USE int local_ask(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                       struct fault *fault);

/* ---- local_chore.c, local_move.c ---- */

/* Nothing lives in this segment any more: a chore removes it, unless it is the one that is appended to. */
void local_chore_discard(struct local *local, uint64_t segment);
/* The index's log is long: a chore copies it into the database. */
void local_chore_tidy(struct local *local);
/* Something in the segment was settled: a chore moves the rest away if little of it lives. */
void local_move_consider(struct local *local, uint64_t segment);

struct local_chore {
    struct store_chore chore;
    /* NULL where there is nothing to let go of. */
    void (*step)(struct local *local, struct store_chore *chore);
    void (*drop)(struct local *local, struct store_chore *chore);
    uint64_t segment;
};
void local_chore_leave(struct local *local, struct store_chore *chore);
void local_chore(struct store *store, struct store_chore *chore);
void local_chore_drop(struct store *store, struct store_chore **chore);

/* ---- local_scrub.c, local_check.c ---- */

MUST_USE int local_scrub(struct store *store, struct store_scrub *scrub, struct fault *fault);
/*
 * Before anything is removed by what the index says: does it agree with itself? What can be mended is. agrees_r false:
 * it does not all the same, and no segment may be taken for dead.
 */
MUST_USE int local_scrub_start(struct local *local, bool *agrees_r, struct fault *fault);
MUST_USE int local_mend(struct store *store, struct store_counts *counts_r, struct fault *fault);
/*
 * Holds the record of a message against its checksums and the index: 0, also when it was settled meanwhile; -1 with a
 * fault, "damaged" or "enoent" when it is not as it was acknowledged. *octets_r: of its body, when it is whole.
 */
MUST_USE int local_check_record(struct local_index *index, const char *folder, uint64_t message, uint64_t *octets_r,
                                struct fault *fault);

/* ---- local_recover.c, local_disk.c ---- */

/* -1 with a fault "damaged" when there are messages but no index. */
MUST_USE int local_recover_expect_index(const char *path, const char *index, const char *folder, struct fault *fault);
/*
 * An index that is no database, and no segment at all: it was being made when a crash came. Moves it out of the way: 0,
 * or -1 when there is more than that.
 */
MUST_USE int local_recover_unmade(struct local *local);
/* Removes what was never acknowledged, sets aside what is not understood; before anything else runs. */
MUST_USE int local_recover(struct local *local, struct fault *fault);
/* Looks at the disk, and warns when it does not keep what it was given. */
void local_disk_judge(struct local *local);

#endif
