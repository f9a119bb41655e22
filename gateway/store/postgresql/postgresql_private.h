/*
 * postgresql_private - what the files of this room share.
 *
 * Three threads, each with a connection of its own: the lane of commit() (writer), that of claim(), body() and ask()
 * (reader), that of room() and chore() (tidier). Bodies on their way in have two more, beat() has one.
 *
 * Operations are functions of the database (schema_1.sql), those of which there are many one function for all of them
 * (postgresql_many.c): a batch is one round trip, its COMMIT a second. Some need
 * to see rows before they know what to do (operators' changes, other places): those have round trips of their own in
 * the same transaction.
 */
#ifndef MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_PRIVATE_H
#define MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_PRIVATE_H

#include <stdatomic.h>

#include "base/log.h"
#include "base/map.h"
#include "store/postgresql/postgresql.h"
#include "store/postgresql/postgresql_link.h"
#include "store/store_ask.h"
#include "store/store_batch.h"

/* Octets of each piece of a body but the last; schema_1.sql knows it, too. */
#define POSTGRESQL_PIECE (256u << 10)

/* What a batch changes of the counts. */
struct postgresql_change {
    int64_t waiting, held, dead, messages;
};

/* Operations of one kind that are asked together; of the batch's arena. */
struct postgresql_many {
    size_t kind; /* postgresql_many.c's */
    struct store_op **ops;
    size_t count;
};
#define POSTGRESQL_MANY 2 /* kinds */

/* A result that is to come: of which operation, and the how manieth of it; or of which operations. */
struct postgresql_expected {
    struct store_op *op; /* NULL: none */
    size_t part;
    struct postgresql_many *many; /* or NULL */
};

/* The piece of a body that was read last. */
struct postgresql_piece {
    uint64_t body, no;
    struct buf data;
};

struct postgresql {
    struct store store;
    struct store_options options;
    char *place;
    char warning[400];
    atomic_uint_fast64_t epoch;
    atomic_uint moves; /* of all links, see there */

    /* The lane of commit(). */
    struct postgresql_link writer, uploader;
    uint64_t group;               /* of the last batch ... */
    uint64_t running;             /* ... and the epoch in which it runs */
    atomic_uint_fast64_t durable; /* the last one that was committed in this epoch; 0: none */
    struct arena *arena;          /* of a batch's values */
    struct postgresql_expected *expected;
    size_t expected_count, expected_room;
    struct postgresql_many *many[POSTGRESQL_MANY]; /* what was not sent yet; or NULL */
    struct postgresql_change change;
    struct store_counts counts;

    /* The lane of claim(). */
    struct postgresql_link reader;
    struct postgresql_piece piece;
    struct map *cursors; /* of the turns, by upstream: who was served last */

    /* The lane of room(). */
    struct postgresql_link tidier;
    /* The lane of beat(). */
    struct postgresql_link beater;
    int64_t changed; /* what was heard last of what others have changed ... */
    int64_t memos;   /* ... and a sum of what all remember */
};

static inline struct postgresql *postgresql_of(struct store *store)
{
    return LIST_ITEM(store, struct postgresql, store);
}

/* ---- postgresql_ops.c, postgresql_change.c, postgresql_history.c ---- */

/*
 * An operation: either it sends its questions, of which each answer is taken; or it runs by itself, in the transaction.
 * -1 with a fault that is the batch's.
 */
struct postgresql_kind {
    int (*send)(struct postgresql *pg, struct store_op *op, struct fault *fault);
    void (*take)(struct postgresql *pg, struct store_op *op, size_t part, PGresult *result);
    int (*run)(struct postgresql *pg, struct store_op *op, struct fault *fault);
};
extern const struct postgresql_kind postgresql_add, postgresql_hand, postgresql_finish, postgresql_redirecting,
    postgresql_untouch, postgresql_set_state, postgresql_reroute, postgresql_divert, postgresql_memo, postgresql_pause,
    postgresql_forget, postgresql_heard, postgresql_learn, postgresql_erase;

/* Sends a question of the operation's, whose answer is expected. */
MUST_USE int postgresql_op_send(struct postgresql *pg, struct store_op *op, size_t part, const char *sql,
                                const struct postgresql_values *values, struct fault *fault);
/* The next answer is one to this. */
void postgresql_op_expect(struct postgresql *pg, struct postgresql_expected expected);
/* Adds the deliveries of these messages, as arrays; whose: the first one says to which message each belongs, from 1. */
void postgresql_op_rows(struct postgresql_values *values, struct store_op *const *ops, size_t count, bool whose);
/* In which run a FINISH or UNTOUCH is asked. */
MUST_USE int64_t postgresql_op_run(const struct store_op *op);
/* A FINISH of what is in other hands. */
void postgresql_op_lost(struct store_op *op);
/* Adds the columns "waiting", "held", "dead" and "messages" to what the batch changes. */
void postgresql_op_count(struct postgresql *pg, PGresult *result);

/*
 * The words of a note: of one moment there is one note, so they come behind what was noted in it before. In one
 * transaction now_ms() is the same.
 */
#define POSTGRESQL_NOTE(message, number, words)                                                                        \
    "coalesce((SELECT n.text || '; ' FROM note n WHERE n.message = " message " AND n.number = " number                 \
    " AND n.at_ms = now_ms()), '') || " words "::text"

/* ---- postgresql_many.c ---- */

/* Whether it is sent with others of its kind, by the next postgresql_many_send(); most: of so many. */
MUST_USE bool postgresql_many_add(struct postgresql *pg, struct store_op *op, size_t most);
MUST_USE bool postgresql_many_waits(const struct postgresql *pg);
MUST_USE int postgresql_many_send(struct postgresql *pg, struct fault *fault);
void postgresql_many_take(struct postgresql *pg, struct postgresql_many *many, PGresult *result);

/* ---- postgresql_batch.c ---- */

enum store_verdict postgresql_commit(struct store *store, struct store_batch *batch);
enum store_verdict postgresql_resolve(struct store *store, struct store_batch *batch);

/* ---- postgresql_node.c ---- */

/* Whether history was lost with the server before (follow in schema_5.sql): 1, and all that waits is in doubt, and no
 * node may go on without beginning anew; 0; or -1 with a fault. */
MUST_USE int postgresql_node_follow(struct postgresql *pg, struct postgresql_link *link, struct fault *fault);
/* Begins as a node, and takes over what earlier starts of it left. */
MUST_USE int postgresql_node_join(struct postgresql *pg, struct fault *fault);
/* Nothing of ours is in doubt or in hand for anybody. */
void postgresql_node_leave(struct postgresql *pg);
MUST_USE int postgresql_beat(struct store *store, struct store_beat *beat, struct fault *fault);

/* ---- postgresql_select.c ---- */

/* Columns of a row that was selected, from these on. */
#define POSTGRESQL_DELIVERY 0
#define POSTGRESQL_MESSAGE  15
#define POSTGRESQL_ATTEMPT  27
#define POSTGRESQL_DELIVERY_COLUMNS                                                                                    \
    "d.message, d.number, d.state, d.upstream, d.folder, d.rule, d.due_ms, d.attempts, d.uncertain, d.changed_ms,"     \
    " d.uidvalidity, d.uid, d.detail, d.doubt, d.handed"
#define POSTGRESQL_MESSAGE_COLUMNS                                                                                     \
    "m.seq, m.id, m.sender, m.received_ms, m.open, m.settled_ms, m.body, 0, 0, m.body_len, m.body_sum, m.envelope"
/* Views into the result. */
struct store_delivery_row postgresql_delivery_at(PGresult *result, int row, int column);
struct store_message_row postgresql_message_at(PGresult *result, int row, int column);
struct store_attempt_row postgresql_attempt_at(PGresult *result, int row, int column);

typedef int postgresql_row_fn(void *ctx, PGresult *result, int row);
/*
 * Calls fn with each delivery that is chosen, in their order, until it returns non-zero or was called `limit` times
 * (0: no limit). locks: nobody else changes them before the end of the transaction. after: behind this one; NULL.
 */
MUST_USE int postgresql_select(struct postgresql_link *link, const struct store_select *select,
                               const struct store_key *after, uint64_t limit, bool locks, postgresql_row_fn *fn,
                               void *ctx, struct fault *fault);

/* ---- postgresql_body.c ---- */

MUST_USE ptrdiff_t postgresql_body(struct store *store, struct store_body *body, uint64_t offset, void *into,
                                   size_t len, struct fault *fault);
/* Holds a body against its sum. -1 with a fault "damaged" when it is not what it was. */
MUST_USE int postgresql_body_check(struct postgresql_link *link, struct postgresql_piece *piece,
                                   const struct store_place *place, struct fault *fault);
struct store_upload *postgresql_upload(struct store *store);
MUST_USE int postgresql_upload_write(struct store *store, struct store_upload *upload, struct bytes data,
                                     struct fault *fault);
MUST_USE ptrdiff_t postgresql_upload_read(struct store_upload *upload, uint64_t offset, void *into, size_t len,
                                          struct fault *fault);
void postgresql_upload_free(struct store *store, struct store_upload **upload, bool leave);
/* Its last octets go up; then it can be kept. */
MUST_USE int postgresql_upload_complete(struct store *store, struct store_upload *upload, struct bytes rest,
                                        struct store_place *place_r, struct fault *fault);
/* Its message is durable. Sets *upload to NULL. */
void postgresql_upload_keep(struct store_upload **upload);

/* ---- postgresql_claim.c, postgresql_ask.c, postgresql_search.c, postgresql_scrub.c ---- */

MUST_USE int postgresql_claim(struct store *store, struct store_claim *claim, struct fault *fault);
MUST_USE int postgresql_answer(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                               struct fault *fault);
MUST_USE int postgresql_search(struct postgresql *pg, struct store_search *search, store_row_fn *fn, void *ctx,
                               struct fault *fault);
MUST_USE int postgresql_scrub(struct store *store, struct store_scrub *scrub, struct fault *fault);
MUST_USE int postgresql_mend(struct store *store, struct store_counts *counts_r, struct fault *fault);

#endif
