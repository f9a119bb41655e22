/*
 * store_batch - the operations of a batch, what each needs and what it answers.
 *
 * For each it is said whether its answer is needed *before* the batch is durable ("before": whoever asked does
 * something with it that the log must already hold, or the answer decides what the log says) or may follow ("after": a
 * log that leads its index could acknowledge first and tell this later).
 */
#ifndef MAILWEIR_STORE_STORE_BATCH_H
#define MAILWEIR_STORE_STORE_BATCH_H

#include "base/list.h"
#include "base/must_use.h"
#include "store/store.h"

enum store_op_kind {
    STORE_ADD_MESSAGE,
    STORE_HAND,
    STORE_FINISH,
    STORE_UNTOUCH,
    STORE_SET_STATE,
    STORE_REROUTE,
    STORE_DIVERT,
    STORE_MEMO,
    STORE_PAUSE,
    STORE_FORGET,
    STORE_CLOCK,
    STORE_MOVE,
    STORE_HEARD,
    STORE_LEARN,
    STORE_ERASE,
};
#define STORE_OP_KINDS 15

/*
 * ADD_MESSAGE: a message with its deliveries; none: history only, and no body is kept. Fault "known" (FAULT_PERM) when
 * it is to be unique and one of its id is known, "dropped" when a part of that was dropped. Before: `twin` and `known`
 * decide whether anything is kept. After: its number and place.
 */
struct store_add {
    const char *id, *sender;
    const char *message_id; /* or NULL */
    int64_t received_ms;    /* as the envelope says, by the clock of who took it */
    uint64_t age_ms;        /* since then, by the same clock */
    bool unique;
    /* Recognise the same print and body that was received in the so many milliseconds before this one, unless a
     * delivery of it was dropped; 0: do not. A store that several nodes share counts by its own clock, back by age_ms:
     * theirs may be wrong. */
    uint64_t once_ms;
    /* Its sender waits for an answer: one that came in the last so many milliseconds, and whose sender has not HEARD,
     * is this one; 0: nobody waits. */
    uint64_t waits_ms;
    uint64_t print;    /* of store_print_of(), when once_ms or waits_ms is not 0 */
    struct bytes meta; /* the whole of store_meta.h; `envelope` and the rows' details are parts of it */
    struct bytes envelope;
    struct store_row *rows;
    size_t count;
    struct bytes body; /* a view ... */
    struct store_upload
        *upload; /* ... or what comes before it was uploaded: taken over (NULL) when the message is kept */
    /* Answers. */
    uint64_t message;
    struct store_place place;
    char twin[STORE_ID_LEN]; /* the id of what it repeats, nothing is kept then; else "" */
    unsigned twin_open;      /* so many deliveries of that are open ... */
    /* ... and so many were dead letters, which are due again: nobody would get what the sender thinks well kept */
    unsigned twin_retried;
    unsigned reopened; /* ... and so many had been dropped, whose sender waits: they are due again ... */
    bool adopted;      /* ... from this body, because the twin's is gone */
    bool revived;      /* it is unique, and comes back after all of it had been dropped */
};

/*
 * HAND: the deliveries are in the asker's hands until a FINISH or UNTOUCH. A delivery that was changed or taken since
 * it was claimed stays where it is (given[i] false). Before: nothing may be sent of what a crash would take for
 * untouched.
 */
struct store_hand {
    const struct store_hand_key {
        struct store_key key;
        int64_t due;       /* as the claim told */
        unsigned attempts; /* likewise */
        /* What is known now of where it would lie (or NULL); what is in doubt already keeps what was known then. */
        const char *doubt;
    } * keys;
    size_t count;
    bool *given; /* answers */
};

/* FINISH: what an attempt made of a delivery in hand. After: which message is settled with it. */
struct store_finish {
    struct store_key key;
    enum store_state state;              /* FILED, DEAD, or WAITING: again in again_in_ms */
    const struct mail_delivery *instead; /* WAITING: what it is from now on, another place; or NULL */
    uint64_t again_in_ms;
    unsigned attempts; /* with this one */
    /* But for FILED: */
    bool uncertain;    /* it may lie there, whatever becomes of it now ... */
    const char *doubt; /* ... and what is known of that; or NULL */
    struct fault why;
    const char *note; /* for its history; or NULL. With `instead` it says why; where to is added */
    uint32_t uidvalidity, uid;
    const char *folder; /* FILED: another than was asked for; or NULL */
};

/* UNTOUCH: given back without an attempt that counts. After. */
struct store_untouch {
    struct store_key key;
    bool uncertain; /* as for FINISH */
    const char *doubt;
};

/*
 * SET_STATE: what an operator does to up to `limit` of the chosen deliveries behind `after`, in the order of their
 * keys. What somebody has in hand is left alone and counted as busy. Before: the numbers are told, and a rebuild must
 * know of the change when they are.
 */
enum store_verb {
    STORE_RETRY,   /* waiting and dead ones are due now */
    STORE_HOLD,    /* waiting and dead ones stay until they are released */
    STORE_RELEASE, /* held ones are due now */
    STORE_DROP,    /* open ones are given up for good; what may have been filed, only when it is said again */
};
/* What the verb makes of a delivery in this state; false when it does not concern it. And what it is called when it is
 * done. */
MUST_USE bool store_verb_next(enum store_verb verb, enum store_state from, enum store_state *to_r);
const char *store_verb_done(enum store_verb verb);
struct store_set_state {
    enum store_verb verb;
    const struct store_select *select;
    const char *by; /* who, for the history; or NULL */
    bool again; /* his word ends doubt. RETRY: what may have been filed is sent again without a look; DROP: that too */
    struct store_key after;
    unsigned limit;
    /* Answers. */
    unsigned found;        /* limit: there may be more, behind `last` */
    struct store_key last; /* of those found */
    uint64_t changed, busy;
    uint64_t doubtful; /* left alone, see store_verb_spares() */
};
/*
 * Whether a delivery is left alone because it may have been filed: a DROP forgets that, and the same message of a
 * sender who comes again would be filed once more without a word.
 */
MUST_USE bool store_verb_spares(const struct store_set_state *set, bool is_doubtful);

/*
 * REROUTE: all open deliveries of a message give way to new ones (none: they are dropped), or none when one is in
 * somebody's hands, or, unless it says `again`, when one is in doubt. Before: their numbers, and which ones they
 * replace.
 */
struct store_reroute {
    const char *id; /* the message's */
    const char *by;
    bool again;
    const struct mail_delivery *deliveries; /* numbered by the store */
    size_t count;
    /* Answers. */
    uint64_t changed, busy;
    uint64_t doubtful; /* left alone, because they may lie where they were to go */
};

/*
 * DIVERT: what waits for an upstream that is in trouble, behind `after`, in nobody's hands and certainly not filed,
 * gives way to a delivery by the first of its ways that the trouble opens (mail_delivery.h), if that leads to a known
 * upstream. Before: as REROUTE.
 */
struct store_diverted {
    char id[STORE_ID_LEN];         /* the message's */
    unsigned from, to;             /* numbers of its deliveries */
    const char *upstream, *folder; /* where to */
    bool is_full;                  /* the trouble that sent it there: full, else down */
    bool is_renamed;               /* the folder is another */
};
struct store_divert {
    const char *upstream;
    const char *const *known;
    size_t known_count;
    struct mail_trouble trouble;
    struct store_key after;
    unsigned limit;
    struct arena *arena; /* of the answers' strings */
    /* Answers. */
    unsigned found; /* limit: there may be more, behind `last` */
    struct store_key last;
    struct store_diverted *diverted; /* room for `limit`, the caller's */
    size_t count;
    uint64_t wait_ms; /* when the next of those that stay may go; UINT64_MAX: time alone makes none go */
};

/*
 * For stores: whether this delivery goes; it is then the new one, but for its number, and *diverted_r says where to.
 * wait_ms of the divert becomes the least. -1: the arena is full.
 */
MUST_USE int store_divert_goes(struct store_divert *divert, struct mail_delivery *delivery,
                               struct store_diverted *diverted_r);
/* What the history of the old one says, at now_ms of the store's clock. */
#define STORE_NOTE_MAX 1400
void store_divert_note(const struct store_divert *divert, const struct store_diverted *diverted, int64_t now_ms,
                       char note[STORE_NOTE_MAX]);
/* The same for a FINISH with `instead`. */
void store_finish_note(const struct store_finish *finish, char note[STORE_NOTE_MAX]);

/* MEMO: a text that is found again after a restart, for each upstream; "" forgets it. After. */
struct store_memo {
    const char *upstream, *text;
};

/* PAUSE: nothing of the upstream ("": of all) is claimed until it is resumed; resuming all ends each pause. Before: it
 * is told. */
struct store_pause {
    const char *upstream;
    bool paused;
    const char *by;   /* who pauses, for those who ask later; NULL: nobody says */
    int64_t since_ms; /* told: when it began */
    bool changed;     /* answer: it was not so before */
};

/* FORGET: up to `limit` messages that were settled longer ago than keep_ms, or that are more than keep_messages; the
 * oldest first. After. */
struct store_forget {
    uint64_t keep_ms, keep_messages;
    unsigned limit;
    unsigned forgotten; /* answer */
};

/*
 * CLOCK: this machine's wall clock was found to have jumped by delta_ms; before_ms is what it would show without. A
 * store whose times are this clock's has each delivery that waits for its time wait as long as it would have, also what
 * was changed at a time that neither clock has reached (of two jumps that were seen as one); another ignores it. After.
 */
struct store_clock {
    int64_t delta_ms, before_ms;
};

/* HEARD: the sender of the message has heard that all have it; see waits_ms of ADD_MESSAGE. After. */
struct store_heard {
    const char *id;
};

/*
 * LEARN: up to `limit` messages that came since the last LEARN can be searched quickly from here on; and up to `limit`
 * that were settled longer than keep_ms ago lose their subject and the addresses of their header. What was not learnt
 * yet is found all the same, by looking at it. After.
 */
struct store_learn {
    uint64_t keep_ms;
    unsigned limit;
    unsigned learnt, unlearnt; /* answers: with `limit` there may be more */
};

/*
 * ERASE: of up to `limit` messages that name the address as sender, recipient or in what is kept of their header, those
 * that are settled are forgotten, with all that is known of them. What is open stays. After.
 */
struct store_erase {
    const char *address;
    uint64_t before; /* as in store_search */
    unsigned limit;
    uint64_t erased, open; /* answers */
    uint64_t next;         /* likewise */
};

/* MOVE is the store's own, out of a chore: what lives in a segment that is mostly dead goes elsewhere. After. */

struct store_op {
    struct list link;
    enum store_op_kind kind;
    size_t octets; /* of the body in memory */
    /*
     * In which of the store's runs deliveries are in the asker's hands: ADD and HAND answer it, FINISH and UNTOUCH say
     * it; 0: in none. A node that was taken for dead begins another run: what it knows of what it had in its hands
     * before must not be taken for news of what it has been given again since.
     */
    uint64_t run;
    union {
        struct store_add add;
        struct store_hand hand;
        struct store_finish finish;
        struct store_untouch untouch;
        struct store_set_state set_state;
        struct store_reroute reroute;
        struct store_divert divert;
        struct store_memo memo;
        struct store_pause pause;
        struct store_forget forget;
        struct store_clock clock;
        struct store_heard heard;
        struct store_learn learn;
        struct store_erase erase;
    };
    struct fault fault; /* it failed, alone or with the batch */
    struct fault
        beside; /* it is done and durable, but something that goes with it could not be written: for who asked */
    bool failed_with_batch; /* the fault is the batch's, and goes when that turns out to be durable */
    void *own;              /* the store's, during the commit */
    void *asker;            /* the caller's */
};

struct store_batch {
    struct list ops;
    size_t count;
    struct fault fault; /* of the whole batch */
    struct store_counts counts;
    struct list chores; /* struct store_chore.link */
    uint64_t own[2];    /* the store's: what it calls a batch in limbo */
};

void store_batch_init(struct store_batch *batch);
void store_batch_add(struct store_batch *batch, struct store_op *op);
/* Gives the fault to each operation that has none. */
void store_batch_fail(struct store_batch *batch, const struct fault *fault);

/* Work that is not urgent and would hold up a batch. */
struct store_chore {
    struct list link;
    enum {
        STORE_CHORE_DONE,  /* nothing more: drop it */
        STORE_CHORE_TIDY,  /* call chore() on the lane of room() */
        STORE_CHORE_DISK,  /* call chore() on the lane of commit() */
        STORE_CHORE_BATCH, /* put op into a batch; then call chore() on the lane of room() */
    } next;
    struct store_op op;
};

#endif
