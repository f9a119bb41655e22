/*
 * store_select - what somebody chooses deliveries by (struct store_select), taken apart: a list of criteria in one
 * order, all of which must hold, whatever language a room asks in. Its texts are views of the selection, or of the
 * list.
 *
 * The model does without: it says by itself what a selection means, so that both can be held against each other.
 */
#ifndef MAILWEIR_STORE_STORE_SELECT_H
#define MAILWEIR_STORE_STORE_SELECT_H

#include "store/store.h"

enum store_criterion_kind {
    STORE_BY_OPEN,       /* its message has a delivery that is not settled */
    STORE_BY_STATE,      /* number: enum store_state */
    STORE_BY_OPEN_STATE, /* waiting, held or dead */
    STORE_BY_ID,         /* text: its message's id */
    STORE_BY_ID_HEAD,    /* text: the head of it, which stands for the only message that has it: two are none */
    STORE_BY_NUMBER,     /* number: its own in the message */
    STORE_BY_MESSAGE_ID, /* text, as the next four: compared as it is */
    STORE_BY_UPSTREAM,
    STORE_BY_FOLDER,
    STORE_BY_SENDER,
    STORE_BY_RULE,
    STORE_BY_BEFORE,  /* number: milliseconds since 1970 */
    STORE_BY_SINCE,   /* the same */
    STORE_BY_TRIED,   /* an attempt was made */
    STORE_BY_SUBJECT, /* text: a part of it; ASCII case does not count */
    STORE_BY_TO,      /* text: a part of a recipient's address; the same */
};
#define STORE_CRITERION_KINDS 16

struct store_criteria {
    struct store_criterion {
        enum store_criterion_kind kind;
        const char *text; /* or NULL */
        bool has_number;
        int64_t number;
    } list[STORE_CRITERION_KINDS]; /* each kind once at most */
    size_t count;
    char id[64];
};

/* The criteria of the selection, which must outlive them. They are not to be moved. */
void store_select_criteria(const struct store_select *select, struct store_criteria *criteria);

#endif
