/*
 * local_index - the SQLite index: every statement that the spool makes, and nothing else.
 *
 * One connection with its prepared statements. A connection is used by one thread at a time. Functions return 0, or -1
 * with a fault of class LOCAL: "enospc", "eio", "erofs", "damaged", "busy" or "sqlite".
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_INDEX_H
#define MAILWEIR_STORE_LOCAL_LOCAL_INDEX_H

#include "base/must_use.h"
#include "store/local/local_segment.h"
#include "store/store_batch.h"
#include "store/store_ask.h"

struct local_index;

enum local_index_mode {
    LOCAL_INDEX_WRITE, /* the one writer; creates the database and brings its schema up to date */
    LOCAL_INDEX_READ,
};

/* Opens the database at path. vfs: SQLite's name of one, or NULL. */
MUST_USE int local_index_open(struct local_index **index_r, const char *path, const char *vfs,
                              enum local_index_mode mode, struct fault *fault);
/* Sets *index to NULL; NULL is fine. */
void local_index_close(struct local_index **index);

MUST_USE int local_index_begin(struct local_index *index, struct fault *fault);
/* For several queries that see the same state, and share the cost of looking at the log. Ended by
 * local_index_rollback(). */
MUST_USE int local_index_begin_read(struct local_index *index, struct fault *fault);
MUST_USE int local_index_commit(struct local_index *index, struct fault *fault);
/*
 * Of a commit that has just failed: whether the transaction may lie whole in the log all the same, and would come to
 * life at the next opening after a crash. It does not when a part of it could not be written; it does when the sync
 * failed.
 */
bool local_index_in_limbo(const struct local_index *index);
void local_index_rollback(struct local_index *index);

/* A number of the table "spool". */
MUST_USE int local_index_get(struct local_index *index, const char *name, uint64_t *value_r, struct fault *fault);
MUST_USE int local_index_set(struct local_index *index, const char *name, uint64_t value, struct fault *fault);
/* The highest message number in use, 0 when there is none. */
MUST_USE int local_index_last_message(struct local_index *index, uint64_t *seq_r, struct fault *fault);

struct local_index_message {
    uint64_t seq;
    const char *id;
    int64_t received_ms;
    struct store_place place;
    unsigned open;
    int64_t settled_ms; /* when open is 0 */
    const char *sender;
    const char *message_id; /* or NULL */
    uint64_t print;         /* recognises the same message sent again; 0: none */
    int64_t unheard_ms;     /* since when its sender waits for the upstreams' answer; 0: he does not */
    struct bytes envelope;
};
MUST_USE int local_index_add_message(struct local_index *index, const struct local_index_message *message,
                                     struct fault *fault);

/* run: of this start, in whose hands a row may be born. */
MUST_USE int local_index_add_delivery(struct local_index *index, uint64_t message, const struct store_row *row,
                                      int64_t now_ms, uint64_t run, struct fault *fault);
/* The column and the attempt: 1, 0 when it is not in this run's hands, -1. */
MUST_USE int local_index_finish(struct local_index *index, const struct store_finish *finish, int64_t now_ms,
                                uint64_t run, struct fault *fault);
/* What it is from now on: upstream, folder, and what else the row says of where it goes. */
MUST_USE int local_index_redirect(struct local_index *index, struct store_key key, const struct store_row *row,
                                  struct fault *fault);
MUST_USE int local_index_add_attempt(struct local_index *index, const struct store_finish *finish, int64_t now_ms,
                                     struct fault *fault);
/* Marks a delivery as handed out in this run: 1; 0 when it is not as it was when it was claimed, -1. */
MUST_USE int local_index_hand(struct local_index *index, const struct store_hand_key *key, uint64_t run,
                              struct fault *fault);
/* And as given back: 1, 0 when it was not in this run's hands, -1. */
MUST_USE int local_index_give_back(struct local_index *index, const struct store_untouch *untouch, uint64_t run,
                                   struct fault *fault);
/* What is known of where it may lie, of a delivery that nobody holds. */
MUST_USE int local_index_set_doubt(struct local_index *index, struct store_key key, bool uncertain, const char *doubt,
                                   struct fault *fault);
/*
 * A message that comes back, though all that is known of it was dropped: 1, and it is forgotten, so that it can be
 * added anew; 0 when it is known otherwise; 2 when a part of it was dropped; -1.
 */
MUST_USE int local_index_forget_dropped(struct local_index *index, const char *id, struct fault *fault);
/*
 * The message with this print, length and sum whose sender has waited since since_ms or later and not heard yes: 1 with
 * its id, and what was dropped of it is due again. With nothing open its body is gone: then it lies in `place` from
 * here on (adopted). 0 when there is none; -1.
 */
struct local_reopened {
    char id[STORE_ID_LEN];
    unsigned open;     /* deliveries, with those */
    unsigned reopened; /* of them */
    bool adopted;
};
MUST_USE int local_index_reopen(struct local_index *index, uint64_t print, const struct store_place *place,
                                int64_t since_ms, int64_t now_ms, struct local_reopened *reopened_r,
                                struct fault *fault);
/* Its sender has heard that all have it. */
MUST_USE int local_index_heard(struct local_index *index, const char *id, struct fault *fault);
/* Dead letters of the message are due now; *count_r is how many. */
MUST_USE int local_index_retry_dead(struct local_index *index, const char *id, int64_t now_ms, unsigned *count_r,
                                    struct fault *fault);
/* Whether a message of this id is known: 1, 0, -1. */
MUST_USE int local_index_knows(struct local_index *index, const char *id, struct fault *fault);
/*
 * The message with this print, length and sum that was received since since_ms and of which nothing was dropped: 1 with
 * its id (a view until the next call) and how many of its deliveries are open, 0, -1.
 */
MUST_USE int local_index_find_print(struct local_index *index, uint64_t print, const struct store_place *place,
                                    int64_t since_ms, const char **id_r, unsigned *open_r, struct fault *fault);
/* One delivery of the message is settled: *place_r is where it lies, *open_r how many are still open. */
MUST_USE int local_index_settle(struct local_index *index, uint64_t message, int64_t now_ms, unsigned *open_r,
                                struct store_place *place_r, struct fault *fault);

/* One delivery as it stands in the index; the views are valid until the next call. */
struct local_index_due {
    struct store_key key;
    enum store_state state;
    const char *id;
    struct store_place place;
    int64_t due_ms;
    unsigned attempts;
    bool uncertain;
    uint64_t handed;
    struct bytes envelope, detail;
    struct bytes doubt;
};
typedef int local_index_key_fn(void *ctx, struct store_key key);
/*
 * Calls fn for each waiting delivery of the upstream that is due at now_ms and not in this run's hands, the longest due
 * first, until fn returns non-zero.
 */
MUST_USE int local_index_each_due(struct local_index *index, const char *upstream, int64_t now_ms, uint64_t run,
                                  local_index_key_fn *fn, void *ctx, struct fault *fault);
/* The same for one turn. */
MUST_USE int local_index_each_due_of_turn(struct local_index *index, const char *upstream, int64_t turn, int64_t now_ms,
                                          uint64_t run, local_index_key_fn *fn, void *ctx, struct fault *fault);
/* The next turn above `turn` in which something waits: 1, 0 when there is none, -1. */
MUST_USE int local_index_next_turn(struct local_index *index, const char *upstream, int64_t turn, int64_t *turn_r,
                                   struct fault *fault);
/* Whether it, or all, are paused: 1, 0, -1. */
MUST_USE int local_index_is_paused(struct local_index *index, const char *upstream, struct fault *fault);
/* Deliveries that may go to their fallback, behind `after`, in order of their keys. */
MUST_USE int local_index_each_divertible(struct local_index *index, const char *upstream, struct store_key after,
                                         unsigned limit, local_index_key_fn *fn, void *ctx, struct fault *fault);
/* All about one delivery: 1, 0 when there is none, -1. fn may be called once, during the call. */
MUST_USE int local_index_load(struct local_index *index, struct store_key key,
                              void (*fn)(void *ctx, const struct local_index_due *due), void *ctx, struct fault *fault);
/* Adds delta_ms to the time of each waiting delivery that is not due yet; before_ms: what the clock would show without
 * its jump. */
MUST_USE int local_index_move_due(struct local_index *index, int64_t delta_ms, int64_t before_ms, struct fault *fault);
/* When the next waiting delivery that is not due at now_ms becomes due; -1 when there is none. */
MUST_USE int local_index_next_due(struct local_index *index, const char *upstream, int64_t now_ms, int64_t *due_ms_r,
                                  struct fault *fault);
/* Where a message lies now (it may have been moved); segment 0 when it is not known any more. */
MUST_USE int local_index_place(struct local_index *index, uint64_t message, struct store_place *place_r,
                               struct fault *fault);

struct local_index_counts {
    uint64_t waiting, held, dead, messages;
};
MUST_USE int local_index_count(struct local_index *index, struct local_index_counts *counts_r, struct fault *fault);
/* An operator's change of a delivery that nobody holds. run: of this start. */
MUST_USE int local_index_set_state(struct local_index *index, struct store_key key, enum store_state state,
                                   int64_t now_ms, uint64_t run, struct fault *fault);
/* Of one moment there is one note: what else is said in it is told behind that. */
MUST_USE int local_index_add_note(struct local_index *index, struct store_key key, int64_t now_ms, const char *text,
                                  struct fault *fault);
/* count further deliveries of the message are open. */
MUST_USE int local_index_open_more(struct local_index *index, uint64_t message, unsigned count, struct fault *fault);
/* The id of a message and, when sender is no NULL, its sender: the caller's to free. */
MUST_USE int local_index_name(struct local_index *index, uint64_t message, char id_r[STORE_ID_LEN], char **sender_r,
                              struct fault *fault);
/* The highest delivery number of a message. */
MUST_USE int local_index_last_number(struct local_index *index, uint64_t message, uint64_t *number_r,
                                     struct fault *fault);

/* Upstreams that operators paused; "" is all. Until fn returns non-zero. */
MUST_USE int local_index_each_pause(struct local_index *index,
                                    int (*fn)(void *ctx, const struct store_pause_row *pause), void *ctx,
                                    struct fault *fault);
/* A pause that is there already stays as it is. Whether anything has changed. */
MUST_USE int local_index_set_pause(struct local_index *index, const struct store_pause_row *pause, bool paused,
                                   struct fault *fault);

/* ---- local_words.c ---- */

/*
 * Makes up to `limit` messages behind the last learnt one findable by their words; *count_r is how many. What is wrong
 * with the words alone is never a fault of the index: they are thrown away then, and learnt anew.
 */
MUST_USE int local_index_learn(struct local_index *index, unsigned limit, unsigned *count_r, struct fault *fault);
/* Takes subject and header addresses from up to `limit` messages settled before before_ms, the oldest first. */
MUST_USE int local_index_unlearn(struct local_index *index, int64_t before_ms, unsigned limit, unsigned *count_r,
                                 struct fault *fault);

/* What searches know of places (local_chunk.c). A delivery of the message has another one, or is new; NULL: that has
 * not changed. */
MUST_USE int local_index_note_place(struct local_index *index, uint64_t seq, const char *upstream, const char *folder,
                                    const char *rule, struct fault *fault);
/* The places of messages that stood beside this one and have gone are forgotten. */
MUST_USE int local_index_chunk_anew(struct local_index *index, uint64_t seq, struct fault *fault);
/* The words of a message go, before the message does. */
MUST_USE int local_index_forget_words(struct local_index *index, uint64_t seq, struct fault *fault);
/* The message and all that is known of it. */
MUST_USE int local_index_forget_message(struct local_index *index, uint64_t seq, struct fault *fault);

/* ---- local_search.c ---- */

/* A message that fits; of its envelope there is what the query looks at. Non-zero ends the search. */
typedef int local_index_hit_fn(void *ctx, uint64_t seq, unsigned open, const struct mail_envelope *envelope);
/* Calls fn for each message that fits, the highest number first; limit counts calls. */
MUST_USE int local_index_search(struct local_index *index, struct store_search *search, local_index_hit_fn *fn,
                                void *ctx, struct fault *fault);

/* See spool_memo.h. Until fn returns non-zero. */
MUST_USE int local_index_each_memo(struct local_index *index,
                                   int (*fn)(void *ctx, const char *upstream, const char *text), void *ctx,
                                   struct fault *fault);
MUST_USE int local_index_set_memo(struct local_index *index, const char *upstream, const char *text,
                                  struct fault *fault);

/*
 * Calls fn once for each message that lives, in no order: to sum them up is the caller's, because SQLite would sort
 * them in memory first, and a long backlog shall not cost more of that than a short one.
 */
MUST_USE int local_index_each_living(struct local_index *index, local_segment_fn *fn, void *ctx, struct fault *fault);
/* Calls fn for each message that lives in the segment, in their order in it, until fn returns non-zero. */
MUST_USE int local_index_each_in_segment(struct local_index *index, uint64_t segment,
                                         int (*fn)(void *ctx, uint64_t message, const struct store_place *place),
                                         void *ctx, struct fault *fault);
/* The message lies elsewhere now: 1; 0 when it is settled or does not lie in `from`; -1. */
MUST_USE int local_index_move(struct local_index *index, uint64_t message, uint64_t from, const struct store_place *to,
                              struct fault *fault);
/* How many messages are settled and still known. */
MUST_USE int local_index_count_settled(struct local_index *index, uint64_t *count_r, struct fault *fault);
/* Forgets up to `limit` messages that were settled before before_ms; *count_r is how many it were. */
MUST_USE int local_index_forget(struct local_index *index, int64_t before_ms, unsigned limit, unsigned *count_r,
                                struct fault *fault);

/* Copies the write-ahead log into the database as far as nobody stands in the way. */
MUST_USE int local_index_checkpoint(struct local_index *index, struct fault *fault);
/* All of the write-ahead log goes into the database, which is one file from then on; for one that is closed next. */
MUST_USE int local_index_end_log(struct local_index *index, struct fault *fault);
/* Octets of the write-ahead log that this connection's last commit found in use; no less than its head. */
uint64_t local_index_log_octets(const struct local_index *index);

/* The selected deliveries behind `after`, in order of their keys, at most `limit`; *count_r is how many. */
struct local_index_found {
    struct store_key key;
    enum store_state state;
    bool uncertain;
    bool noted;      /* an earlier doubt about it ended unproven */
    uint64_t handed; /* the run in whose hands it is, or was; 0: nobody's */
};
MUST_USE int local_index_select(struct local_index *index, const struct store_select *select, struct store_key after,
                                size_t limit, struct local_index_found *found, size_t *count_r, struct fault *fault);
/* The message whose id is exactly this: 1, 0, -1. */
MUST_USE int local_index_of_id(struct local_index *index, const char *id, uint64_t *message_r, struct fault *fault);
/* Messages by a message's or delivery's id, or by the Message-ID field with or without its brackets. */
MUST_USE int local_index_find(struct local_index *index, const char *what, uint64_t *messages, size_t limit,
                              size_t *count_r, struct fault *fault);
/* The messages that were filed there under this UID. */
MUST_USE int local_index_find_uid(struct local_index *index, const char *upstream, const char *folder, uint32_t uid,
                                  uint64_t *messages, size_t limit, size_t *count_r, struct fault *fault);

#endif
