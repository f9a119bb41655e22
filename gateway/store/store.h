/*
 * store - the door to what the queue keeps: messages, their deliveries, and what operators decided about them.
 *
 *   batch      operations that become durable together, in their order (store_batch.h)
 *   claim      due deliveries that nobody has, for whoever asks
 *   question   what is kept, as rows (store_ask.h)
 *
 * There is one door and several rooms behind it: local/ (segment files and SQLite on a disk of this machine) and model/
 * (plain memory, for tests). What callers may rely on is written here and nowhere else; nothing above assumes that it
 * is the only one who writes.
 *
 * All functions block and are for worker lanes. One thread at a time calls commit, resolve and the uploads; one at a
 * time (it may be another) claim, body and ask; one at a time (a third) room and chore. Times that cross the door are
 * durations; the store's own clock makes times of them. Who is told that something is durable may rely on it after any
 * crash.
 */
#ifndef MAILWEIR_STORE_STORE_H
#define MAILWEIR_STORE_STORE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/must_use.h"
#include "mail/mail_envelope.h"

/* Octets of one message's envelope and deliveries as JSON (store_meta.h). */
#define STORE_META_MAX (16u << 20)
/* Octets of arena that the envelope, a delivery and its edits may take. */
#define STORE_ITEM_MAX (64u << 20)
/* Octets that are read or written at a time. */
#define STORE_CHUNK 65536u
/* Deliveries of one message. */
#define STORE_DELIVERIES_MAX 65535
/* Octets of a message's id, with its end. */
#define STORE_ID_LEN 48

/* ---- words ---- */

/* Of a delivery; the numbers are kept. */
enum store_state {
    STORE_STATE_WAITING = 0,
    STORE_STATE_HELD = 1, /* by an operator or a rule, until it is released */
    STORE_STATE_DEAD = 2,
    STORE_STATE_FILED = 3,
    STORE_STATE_DROPPED = 4, /* nobody has what it brought */
    STORE_STATE_MOVED = 5,   /* rerouted, or to its fallback: another delivery of the message has taken its place */
};
#define STORE_STATES 6
/* The words of all of them, for who is told which there are; a test holds it against store_state_name(). */
#define STORE_STATE_WORDS "waiting, held, dead, filed, dropped or moved"

/* "waiting" ...; and back, -1 for another word. */
const char *store_state_name(enum store_state state);
MUST_USE int store_state_of(const char *name);
/* Whether nothing more happens to a delivery in this state. */
bool store_state_is_settled(enum store_state state);

/* Names a delivery. */
struct store_key {
    uint64_t message;
    unsigned number;
};

/* Which deliveries; NULL and 0 do not choose. Strings are compared as they are. */
struct store_select {
    const char *id;         /* of a message, or of a delivery: "<message id>.<number>" */
    const char *message_id; /* the Message-ID field */
    const char *state;      /* "waiting", "held", "dead", "filed", "dropped", "moved"; NULL: the first three */
    const char *upstream, *folder, *sender, *rule;
    const char *to,
        *subject;      /* parts of a recipient's address, and of the subject that is kept; ASCII case does not count */
    int64_t before_ms; /* received before */
    int64_t since_ms;  /* received then or later */
    bool tried;        /* an attempt was made */
    bool newest;       /* lists only: the last message first */
    struct store_key after; /* lists only: behind this one, to go on where a list ended */
};

/* Where a message lies; the store's own. segment 0: nowhere, or not known to the caller. */
struct store_place {
    uint64_t segment, start;
    uint64_t record_len;
    uint64_t body_len;
    uint64_t body_sum;
};

/* Equal for deliveries that may wait for each other, those of one sender to one folder: the others take turns with
 * them. */
uint64_t store_turn_of(const char *sender, const char *folder);
/* Of all of an envelope that makes two messages the same, but their bodies: the recipients in any order, each once (of
 * LMTP in theirs), and domains in any case. Never 0. */
uint64_t store_print_of(const struct mail_envelope *envelope);

/* Whether a message has the parts of a recipient and of the subject that are chosen, in any case. */
bool store_select_is_about(const struct store_select *select, const struct mail_envelope *envelope);

/* All that is known of where a delivery may lie (engine/doubt.h), when an earlier attempt may have filed a copy that
 * nobody will look for any more; and whether that stands in what is known. */
#define STORE_DOUBT_NOTED "noted=1"
bool store_doubt_is_noted(const char *doubt);

/* A delivery as it is born: the one shape of it that every store writes. Made by store_row_of(). */
struct store_row {
    unsigned number;
    enum store_state state; /* WAITING or HELD */
    const char *upstream, *folder, *rule;
    const char *fallback; /* or NULL */
    uint64_t turn;
    bool uncertain;      /* an earlier life of it may have been filed */
    const char *doubt;   /* what is known of where it may lie, or would; or NULL */
    bool handed;         /* it is born in the hands of who adds it; see STORE_HAND */
    struct bytes detail; /* JSON, see store_meta.h */
};
/* The row of a delivery of this sender's, waiting or held as the delivery says. detail is appended to out, and a view
 * into it; other strings are the delivery's. */
struct store_row store_row_of(const struct mail_delivery *delivery, const char *sender, struct buf *out);

/* ---- the door ---- */

struct store;
struct store_batch;
struct store_chore;
struct store_question;
struct store_answer_row;

enum store_verdict {
    STORE_COMMITTED,
    STORE_FAILED,   /* nothing of it is kept, for certain */
    STORE_IN_LIMBO, /* nobody knows: ask resolve() again */
};

/* One due delivery that was claimed; views, valid during the call. */
struct store_item {
    struct store_key key;
    const char *id; /* the message's */
    struct bytes envelope, detail;
    unsigned attempts;
    bool uncertain;     /* an earlier attempt, or life, may have filed it ... */
    struct bytes doubt; /* ... and what is known of where it may lie */
    struct store_place place;
    int64_t due; /* for HAND: as it was read */
};
typedef void store_item_fn(void *ctx, const struct store_item *item);

struct store_claim {
    const char *upstream;
    size_t limit;
    store_item_fn *fn; /* called once for each, during the call */
    void *ctx;
    /* What it found. */
    bool more;              /* further ones are due now */
    bool paused;            /* by an operator: nothing is given */
    int64_t next_due_in_ms; /* when the earliest of those that are not due becomes due; -1: there is none */
};

/* A body to read from. */
struct store_body {
    uint64_t message;
    struct store_place place; /* as it was told; kept up to date */
    bool checked;             /* the whole of it matched its checksum */
};

struct store_room {
    uint64_t octets, inodes; /* that are free */
};

/* Deliveries and messages as of the end of a batch, and what was done since the store was opened. */
struct store_counts {
    uint64_t waiting, dead, held; /* deliveries by state */
    uint64_t messages;            /* with at least one delivery that is not settled */
    uint64_t syncs;               /* waits for the disk */
    uint64_t compacted;           /* segments that were emptied because little of them lived */
    uint64_t set_aside;           /* files that were found and not understood */
};

/* What a scrub has found. */
struct store_damage {
    enum store_damage_kind {
        STORE_DAMAGE_BODY,   /* a message is not what was acknowledged; its delivery turns out as "damaged" */
        STORE_DAMAGE_INDEX,  /* it is there, and would not be found: mend() makes that good */
        STORE_DAMAGE_TABLE,  /* the store contradicts itself about it, and cannot mend that while it is open */
        STORE_DAMAGE_UNREAD, /* it could not be looked at: nothing is said about it */
    } kind;
    const char *id; /* of the message; or NULL */
    struct fault what;
};

/* A look at everything that is kept, in steps. */
struct store_scrub {
    uint64_t at;     /* the store's: where the next step goes on; 0: at the beginning */
    uint64_t octets; /* a step ends when it has read so many octets of bodies, with the body that it reads then */
    void (*found)(void *ctx, const struct store_damage *damage); /* during the call */
    void *ctx;
    /* Of the step. */
    bool whole;              /* all was looked at: the round ends */
    uint64_t messages, read; /* messages looked at, and their octets */
};

/* A large body on its way in. */
struct store_upload;

struct log;

/* One of the nodes that share a store. */
struct store_node {
    uint64_t epoch; /* its number: each start has another */
    const char *name, *version;
    int64_t lease_ms; /* how long it counts as alive without saying so again; negative: how long ago that ended */
    bool is_me, draining;
    const char *state; /* JSON that it says of itself; "" */
};

/* Connections to an account, of which all nodes together have `most`; and whose turn it is to get a token for it. */
struct store_slots {
    const char *account;
    unsigned most;
    unsigned open;   /* that this node has: it opens no further one before the answer */
    unsigned wanted; /* for which it has work */
    bool could;      /* it would also take work that others leave */
    bool wants_turn; /* it is about to get itself an access token, or does */
    /* Answers. */
    unsigned given;   /* so many it may have; 0 unless the beat was heard */
    unsigned allowed; /* to so many it shall come down: others want theirs */
    bool is_due;      /* something is due that nobody has */
    bool has_turn;    /* nobody else gets one until it says that it does not any more */
};

/* What a node says of itself, and hears of the others. */
struct store_beat {
    const char *state; /* JSON; or NULL */
    bool draining;
    bool renounces; /* it has lost track of what it has in hand: all of that is nobody's, and in doubt */
    struct store_slots *slots;
    size_t slot_count;
    void (*found)(void *ctx, const struct store_node *node); /* of each, during the call */
    void *ctx;
    /* Answers. */
    bool is_ended;      /* it was taken for dead, or renounced: what was in its hands is not any more */
    bool is_news;       /* somebody else has changed what is due or paused */
    bool is_memo;       /* a memo is not what it was at the last beat */
    uint64_t takeovers; /* nodes that this one has ended because they had died */
    uint64_t taken;     /* deliveries that they had in their hands: they are due, and in doubt */
    bool has_more;      /* they had more: the next beat goes on with it, and had better come at once */
    int64_t clock_ms;   /* the store's wall clock, by which all is due */
    uint64_t dead_rows; /* of what waits, which the database has not cleaned up yet */
    uint64_t lease_ms;  /* how long it may be relied on, from before the call */
};

/* Of a store that is opened to be written to; by reference until it is closed. */
struct store_options {
    const char *path;           /* where it is kept; the store's own way to say so */
    const char *node;           /* what this one of several nodes is called; NULL: as the machine is */
    bool brief;                 /* for one command beside a node that may run here, too */
    uint64_t lease_ms;          /* for how long a node that says nothing counts as alive; 0: the store's own */
    uint64_t segment_size;      /* above it the next segment is begun; for stores that have some */
    struct log *log;            /* of what is found at the start; NULL: nobody is told */
    int64_t (*wall)(void *ctx); /* this machine's wall clock: milliseconds since 1970, from any thread */
    void *clock;                /* its ctx */
};

struct store_ops {
    const char *name; /* "local", "model" */
    /*
     * Opens the store, and makes it when there is none. Fault "locked" when somebody has it and it has one owner only;
     * "version" when it was written by a newer mailweir; "damaged" when it is not what it was left as.
     */
    int (*open)(struct store **store_r, const struct store_options *options, struct fault *fault);
    /*
     * To look at the store beside whoever has it, or when nobody has: close, ask and body only. Fault "version" when it
     * was written by a newer mailweir, or by an older one and not opened since.
     */
    int (*look)(struct store **store_r, const char *path, struct fault *fault);
    /* Closes and frees; everything claimed and not given back is uncertain the next time. */
    void (*close)(struct store *store);

    /*
     * Does all operations or none; those with a fault of their own (a name that is known, a body that could not be
     * written) are left out. Results stand in the operations and in the batch. After FAILED and IN_LIMBO each operation
     * has a fault.
     */
    enum store_verdict (*commit)(struct store *store, struct store_batch *batch);
    /* Of a batch in limbo: what became of it. COMMITTED: its results are valid now. FAILED: it can never come to life
     * any more, whatever happens. */
    enum store_verdict (*resolve)(struct store *store, struct store_batch *batch);
    /*
     * Finds up to limit deliveries of the upstream that are due and in nobody's hands: half of them the longest due,
     * half by turns. They are the caller's once a HAND of them was committed. -1 with a fault.
     */
    int (*claim)(struct store *store, struct store_claim *claim, struct fault *fault);
    /*
     * Reads from a body, which is checked as a whole before its first octet is given. Octets read, fewer than asked for
     * at the end only; or -1 with a fault: "damaged" when it is not what was acknowledged, "settled" when it is not
     * kept any more.
     */
    ptrdiff_t (*body)(struct store *store, struct store_body *body, uint64_t offset, void *into, size_t len,
                      struct fault *fault);
    /* Calls fn with each row of the answer until it returns non-zero. -1 with a fault. */
    int (*ask)(struct store *store, const struct store_question *question,
               int (*fn)(void *ctx, const struct store_answer_row *row), void *ctx, struct fault *fault);
    int (*room)(struct store *store, struct store_room *room_r, struct fault *fault);
    /*
     * A descriptor that becomes readable when somebody else has changed what is due, paused or remembered; -1: nobody
     * else does. It is the store's. Whoever waits for it calls heed(), from the loop's thread, before it looks: that
     * takes what can be read and does not block. NULL where nobody else does.
     */
    int (*hint)(struct store *store);
    void (*heed)(struct store *store);
    /*
     * Says that this node lives, each second or so, on a lane of its own; and ends nodes that have not for too long. -1
     * with a fault: nobody heard it. NULL where there is one node only.
     */
    int (*beat)(struct store *store, struct store_beat *beat, struct fault *fault);
    /* Why what is acknowledged may be lost with the power, for operators; or NULL. */
    const char *(*warning)(const struct store *store);

    /*
     * A body that is too large to wait in memory goes into the store before its message does. write appends; read gives
     * what was written so far, from any one thread while nothing is written. After a write that failed its ADD_MESSAGE
     * fails too, whoever has heard of that. An ADD_MESSAGE that is kept takes it over;
     * freed before, nothing of it remains, unless it is to be left because nobody knows whether its message is kept.
     */
    struct store_upload *(*upload)(struct store *store);
    int (*upload_write)(struct store *store, struct store_upload *upload, struct bytes data, struct fault *fault);
    ptrdiff_t (*upload_read)(struct store_upload *upload, uint64_t offset, void *into, size_t len, struct fault *fault);
    void (*upload_free)(struct store *store, struct store_upload **upload, bool leave); /* NULL is fine */

    /*
     * The next step of a scrub, on the lane of room(): whatever is kept is held against its checksums and against
     * itself. -1 with a fault when it could not go on; "damaged" when that is why.
     */
    int (*scrub)(struct store *store, struct store_scrub *scrub, struct fault *fault);
    /* Has what is there found again, on the lane of commit(); may take seconds. Counts as of then. */
    int (*mend)(struct store *store, struct store_counts *counts_r, struct fault *fault);

    /*
     * The next step of a chore that a batch left; afterwards chore->next says where it goes on. A batch may leave
     * chores whatever its verdict. drop frees one that is not gone on with.
     */
    void (*chore)(struct store *store, struct store_chore *chore);
    void (*chore_drop)(struct store *store, struct store_chore **chore);
};

struct store {
    const struct store_ops *ops;
};

#endif
