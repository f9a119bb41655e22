/*
 * store_ask - questions about what is kept, and the rows that answer them. Strings and octets of a row are views, valid
 * during the call.
 */
#ifndef MAILWEIR_STORE_STORE_ASK_H
#define MAILWEIR_STORE_STORE_ASK_H

#include "mail/mail_query.h"
#include "store/store.h"

enum store_question_kind {
    STORE_ASK_LIST,    /* select, limit (0: all): DELIVERY, oldest message first (newest: last), with its message and
                          last attempt */
    STORE_ASK_STORY,   /* message: MESSAGE, then each DELIVERY with its ATTEMPTs and NOTEs behind it; nothing when it is
                          not known */
    STORE_ASK_FIND,    /* what (the id of a message or delivery, or a Message-ID with or without its brackets), limit:
                          FOUND */
    STORE_ASK_FILED,   /* upstream, folder, uid, limit: FOUND, what was filed there */
    STORE_ASK_SUMMARY, /* TALLY for each upstream with open deliveries, in order of their names; PAUSE */
    STORE_ASK_PAUSES,  /* PAUSE */
    STORE_ASK_MEMOS,   /* MEMO */
    STORE_ASK_COUNTS,  /* COUNTS, once */
    STORE_ASK_SEARCH,  /* search: MESSAGE, the one that came last first, each with its DELIVERYs behind it */
    STORE_ASK_COUNTED, /* within_ms: MESSAGE for each that came so recently, whose envelope may say that it was counted,
                          and whose sender does not wait any more; the oldest first */
};

/* A search goes on where it stopped: after `limit` messages were found, or so much was looked at: a message is one, and
 * its envelope another one. */
struct store_search {
    const struct mail_query *query;
    uint64_t before; /* only messages with a lower number; 0: from the last one on */
    uint64_t limit, look;
    uint64_t next; /* answer: the next one's `before`; 0: there are no more */
};

struct store_question {
    enum store_question_kind kind;
    const struct store_select *select;
    uint64_t limit;
    uint64_t message;
    const char *what, *upstream, *folder;
    uint32_t uid;
    struct store_search *search;
    uint64_t within_ms;
};

struct store_message_row {
    uint64_t message;
    const char *id, *sender;
    int64_t received_ms;
    unsigned open;            /* deliveries that are not settled */
    int64_t settled_ms;       /* when none is */
    struct store_place place; /* body_len and body_sum are always told */
    struct bytes envelope;
};

struct store_attempt_row {
    unsigned attempt;
    int64_t at_ms;
    const char *class, *code, *during, *text;
};

struct store_delivery_row {
    struct store_key key;
    enum store_state state;
    const char *upstream, *folder, *rule;
    int64_t due_ms, changed_ms;
    unsigned attempts;
    bool uncertain;
    bool handed;       /* in somebody's hands, or was when he died */
    const char *doubt; /* what is known of where it may lie, or would; "": nothing */
    uint32_t uidvalidity, uid;
    struct bytes detail;
    const struct store_message_row *of;   /* LIST: but for open, settled_ms and the place's segment */
    const struct store_attempt_row *last; /* LIST: or NULL */
};

struct store_note_row {
    int64_t at_ms;
    const char *text;
};

struct store_tally_row {
    const char *upstream;
    uint64_t waiting, held, dead;
    int64_t oldest_ms; /* when the oldest of them was received */
};

struct store_memo_row {
    const char *upstream, *text;
};

/* What an operator has paused. */
struct store_pause_row {
    const char *upstream; /* "": all of them */
    int64_t since_ms;     /* wall clock; 0: not known */
    const char *by;       /* who did; "" when it is not known */
};

struct store_answer_row {
    enum store_row_kind {
        STORE_ROW_FOUND, /* a message by its number */
        STORE_ROW_MESSAGE,
        STORE_ROW_DELIVERY,
        STORE_ROW_ATTEMPT,
        STORE_ROW_NOTE,
        STORE_ROW_TALLY,
        STORE_ROW_PAUSE, /* an upstream's name; "": all */
        STORE_ROW_MEMO,
        STORE_ROW_COUNTS,
    } kind;
    union {
        uint64_t found;
        struct store_message_row message;
        struct store_delivery_row delivery;
        struct store_attempt_row attempt;
        struct store_note_row note;
        struct store_tally_row tally;
        struct store_pause_row pause;
        struct store_memo_row memo;
        struct store_counts counts;
    };
};
typedef int store_row_fn(void *ctx, const struct store_answer_row *row);

#endif
