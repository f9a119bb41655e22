/*
 * spool_index - the SQLite index: every statement that the spool makes, and nothing else.
 *
 * One connection with its prepared statements. A connection is used by one thread at a time. Functions return 0, or -1 with a
 * fault of class LOCAL: "enospc", "eio", "erofs", "damaged", "busy" or "sqlite".
 */
#ifndef MAILWEIR_SPOOL_SPOOL_INDEX_H
#define MAILWEIR_SPOOL_SPOOL_INDEX_H

#include <sqlite3.h>

#include "base/bytes.h"
#include "base/fault.h"

/* Of a delivery; the numbers stand in the index. */
enum spool_state {
    SPOOL_STATE_WAITING = 0,
    SPOOL_STATE_HELD = 1,
    SPOOL_STATE_DEAD = 2,
    SPOOL_STATE_FILED = 3,
    SPOOL_STATE_DROPPED = 4, /* nobody has what it brought */
    SPOOL_STATE_MOVED = 5,   /* rerouted, or to its fallback: another delivery of the message has taken its place */
};

/* Where a message's record lies. segment 0: nowhere. */
struct spool_place {
    uint64_t segment, start;
    uint64_t record_len;
    uint64_t body_len;
    uint64_t body_sum;
};

struct spool_index;

enum spool_index_mode {
    SPOOL_INDEX_WRITE, /* the one writer; creates the database and brings its schema up to date */
    SPOOL_INDEX_READ,
    SPOOL_INDEX_ASK, /* another process, which puts commands into it */
};

/* Opens the database at path. vfs: SQLite's name of one, or NULL. */
int spool_index_open(struct spool_index **index_r, const char *path, const char *vfs, enum spool_index_mode mode,
                     struct fault *fault);
/* Sets *index to NULL; NULL is fine. */
void spool_index_close(struct spool_index **index);

int spool_index_begin(struct spool_index *index, struct fault *fault);
/* For several queries that see the same state, and share the cost of looking at the log. Ended by spool_index_rollback(). */
int spool_index_begin_read(struct spool_index *index, struct fault *fault);
int spool_index_commit(struct spool_index *index, struct fault *fault);
/*
 * Of a commit that has just failed: whether the transaction may lie whole in the log all the same, and would come to life at the next opening
 * after a crash. It does not when a part of it could not be written; it does when the sync failed.
 */
bool spool_index_in_doubt(const struct spool_index *index);
void spool_index_rollback(struct spool_index *index);

/* A number of the table "spool". */
int spool_index_get(struct spool_index *index, const char *name, uint64_t *value_r, struct fault *fault);
int spool_index_set(struct spool_index *index, const char *name, uint64_t value, struct fault *fault);
/* The highest message number in use, 0 when there is none. */
int spool_index_last_message(struct spool_index *index, uint64_t *seq_r, struct fault *fault);

struct spool_index_message {
    uint64_t seq;
    const char *id;
    int64_t received_ms;
    struct spool_place place;
    unsigned open;
    int64_t settled_ms; /* when open is 0 */
    const char *sender;
    const char *message_id; /* or NULL */
    uint64_t print;         /* recognises the same message sent again; 0: none */
    struct bytes envelope;
};
int spool_index_add_message(struct spool_index *index, const struct spool_index_message *message, struct fault *fault);

struct spool_index_delivery {
    uint64_t message;
    unsigned number;
    enum spool_state state;
    const char *upstream, *folder, *rule;
    const char *fallback; /* or NULL */
    uint64_t lane;        /* deliveries of one lane wait for each other, lanes take turns */
    int64_t due_ms, changed_ms;
    bool uncertain;
    uint64_t handed;
    struct bytes detail;
};
int spool_index_add_delivery(struct spool_index *index, const struct spool_index_delivery *delivery,
                             struct fault *fault);

/* What an attempt makes of a delivery. */
struct spool_index_change {
    uint64_t message;
    unsigned number;
    enum spool_state state;
    int64_t due_ms, changed_ms;
    unsigned attempts;
    bool uncertain;
    uint32_t uidvalidity, uid;
    const char *folder; /* another than was asked for; or NULL */
};
int spool_index_change_delivery(struct spool_index *index, const struct spool_index_change *change,
                                struct fault *fault);
int spool_index_add_attempt(struct spool_index *index, const struct spool_index_change *change,
                            const struct fault *what, struct fault *fault);
/* Marks a delivery as handed out in this run (0: given back). 1 when it did; 0 when it does not wait any more; -1. */
int spool_index_hand(struct spool_index *index, uint64_t message, unsigned number, uint64_t run, struct fault *fault);
/* Whether a message of this id is known: 1, 0, -1. */
int spool_index_knows(struct spool_index *index, const char *id, struct fault *fault);
/*
 * The message with this print, length and sum that was received since since_ms and of which nothing was dropped: 1 with its id (a view
 * until the next call) and how many of its deliveries are open, 0, -1.
 */
int spool_index_find_print(struct spool_index *index, uint64_t print, const struct spool_place *place, int64_t since_ms,
                           const char **id_r, unsigned *open_r, struct fault *fault);
/* One delivery of the message is settled: *place_r is where it lies, *open_r how many are still open. */
int spool_index_settle(struct spool_index *index, uint64_t message, int64_t now_ms, unsigned *open_r,
                       struct spool_place *place_r, struct fault *fault);

/* Names a delivery. */
struct spool_index_key {
    uint64_t message;
    unsigned number;
};

/* One delivery as it stands in the index; the views are valid until the next call. */
struct spool_index_due {
    struct spool_index_key key;
    enum spool_state state;
    const char *id;
    struct spool_place place;
    int64_t due_ms;
    unsigned attempts;
    bool uncertain;
    uint64_t handed;
    struct bytes envelope, detail;
};
typedef int spool_index_key_fn(void *ctx, struct spool_index_key key);
/* Calls fn for each waiting delivery of the upstream that is due at now_ms, the longest due first, until fn returns non-zero. */
int spool_index_each_due(struct spool_index *index, const char *upstream, int64_t now_ms, spool_index_key_fn *fn,
                         void *ctx, struct fault *fault);
/* Deliveries that may go to their fallback, behind `after`, in order of their keys. run_number: the present run. */
int spool_index_each_divertible(struct spool_index *index, const char *upstream, uint64_t run_number,
                                struct spool_index_key after, unsigned limit, spool_index_key_fn *fn, void *ctx,
                                struct fault *fault);
/* The same for one lane. */
int spool_index_each_due_in_lane(struct spool_index *index, const char *upstream, int64_t lane, int64_t now_ms,
                                 spool_index_key_fn *fn, void *ctx, struct fault *fault);
/* The next lane above `lane` in which something waits: 1, 0 when there is none, -1. */
int spool_index_next_lane(struct spool_index *index, const char *upstream, int64_t lane, int64_t *lane_r,
                          struct fault *fault);
/* All about one delivery: 1, 0 when there is none, -1. fn may be called once, during the call. */
int spool_index_load(struct spool_index *index, struct spool_index_key key,
                     void (*fn)(void *ctx, const struct spool_index_due *due), void *ctx, struct fault *fault);
/* Adds delta_ms to the time of each waiting delivery that is not due yet; before_ms: what the clock would show without its jump. */
int spool_index_move_due(struct spool_index *index, int64_t delta_ms, int64_t before_ms, struct fault *fault);
/* When the next waiting delivery that is not due at now_ms becomes due; -1 when there is none. */
int spool_index_next_due(struct spool_index *index, const char *upstream, int64_t now_ms, int64_t *due_ms_r,
                         struct fault *fault);
/* Where a message lies now (it may have been moved); segment 0 when it is not known any more. */
int spool_index_place(struct spool_index *index, uint64_t message, struct spool_place *place_r, struct fault *fault);

struct spool_index_counts {
    uint64_t waiting, held, dead, messages;
};
int spool_index_count(struct spool_index *index, struct spool_index_counts *counts_r, struct fault *fault);
/* An operator's change of a delivery that nobody holds. run: of this start. */
int spool_index_set_state(struct spool_index *index, struct spool_index_key key, enum spool_state state, int64_t now_ms,
                          uint64_t run, struct fault *fault);
int spool_index_add_note(struct spool_index *index, struct spool_index_key key, int64_t now_ms, const char *text,
                         struct fault *fault);
/* count further deliveries of the message are open. */
int spool_index_open_more(struct spool_index *index, uint64_t message, unsigned count, struct fault *fault);
#define SPOOL_INDEX_ID_LEN 48
/* The id of a message and, when sender is no NULL, its sender: the caller's to free. */
int spool_index_name(struct spool_index *index, uint64_t message, char id_r[SPOOL_INDEX_ID_LEN], char **sender_r,
                     struct fault *fault);
/* The highest delivery number of a message. */
int spool_index_last_number(struct spool_index *index, uint64_t message, uint64_t *number_r, struct fault *fault);

/* Upstreams that operators paused; "" is all. */
int spool_index_each_pause(struct spool_index *index, void (*fn)(void *ctx, const char *upstream), void *ctx,
                           struct fault *fault);
int spool_index_set_pause(struct spool_index *index, const char *upstream, bool paused, int64_t now_ms,
                          struct fault *fault);

/* See spool_memo.h. */
int spool_index_each_memo(struct spool_index *index, void (*fn)(void *ctx, const char *upstream, const char *text),
                          void *ctx, struct fault *fault);
int spool_index_set_memo(struct spool_index *index, const char *upstream, const char *text, struct fault *fault);

/* The oldest command without a reply: 1 with a copy of its request (the caller's to free), 0, -1. */
int spool_index_next_command(struct spool_index *index, uint64_t *id_r, char **request_r, struct fault *fault);
int spool_index_add_command(struct spool_index *index, int64_t now_ms, const char *request, uint64_t *id_r,
                            struct fault *fault);
int spool_index_reply_command(struct spool_index *index, uint64_t id, const char *reply, struct fault *fault);
/* 1 with a copy of the reply (the caller's to free), 0 when there is none yet, -1. */
int spool_index_command_reply(struct spool_index *index, uint64_t id, char **reply_r, struct fault *fault);
/* Takes a command back (no reply will come), or forgets an old one. */
int spool_index_remove_command(struct spool_index *index, uint64_t id, struct fault *fault);

/* So many messages, with so many octets of records, live in a segment. */
typedef void spool_segment_fn(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets);
/*
 * Calls fn once for each message that lives, in no order: to sum them up is the caller's, because SQLite would sort them in memory first, and
 * a long backlog shall not cost more of that than a short one.
 */
int spool_index_each_living(struct spool_index *index, spool_segment_fn *fn, void *ctx, struct fault *fault);
/* Calls fn for each message that lives in the segment, in their order in it, until fn returns non-zero. */
int spool_index_each_in_segment(struct spool_index *index, uint64_t segment,
                                int (*fn)(void *ctx, uint64_t message, const struct spool_place *place), void *ctx,
                                struct fault *fault);
/* The message lies elsewhere now: 1; 0 when it is settled or does not lie in `from`; -1. */
int spool_index_move(struct spool_index *index, uint64_t message, uint64_t from, const struct spool_place *to,
                     struct fault *fault);
/* How many messages are settled and still known. */
int spool_index_count_settled(struct spool_index *index, uint64_t *count_r, struct fault *fault);
/* Forgets up to `limit` messages that were settled before before_ms; *count_r is how many it were. */
int spool_index_forget(struct spool_index *index, int64_t before_ms, unsigned limit, unsigned *count_r,
                       struct fault *fault);

/* Copies the write-ahead log into the database as far as nobody stands in the way. */
int spool_index_checkpoint(struct spool_index *index, struct fault *fault);
/* Pages that the write-ahead log of this connection held after its last commit. */
unsigned spool_index_log_pages(const struct spool_index *index);

/* The connection, for the queries of spool_query.c. */
sqlite3 *spool_index_db(struct spool_index *index);

/* Fills the fault from SQLite's result code; returns -1. */
int spool_index_failed(sqlite3 *db, int code, struct fault *fault);

#endif
