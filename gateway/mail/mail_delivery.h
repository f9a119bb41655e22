/*
 * mail_delivery - one message to one folder of one upstream, as the rules decided it.
 *
 * Strings live in the arena of whoever made the object; nothing here owns memory. A new member gets a row in
 * mail_delivery.c, else it does not build; writing, reading, copying and comparing then know it.
 */
#ifndef MAILWEIR_MAIL_MAIL_DELIVERY_H
#define MAILWEIR_MAIL_MAIL_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/must_use.h"
#include "mail/mail_members.h"

/* One header edit, applied in order to the bytes that are appended; the stored message stays as received. */
struct mail_edit {
    enum mail_edit_kind { MAIL_EDIT_ADD, MAIL_EDIT_DELETE, MAIL_EDIT_REPLACE } kind;
    const char *field;
    const char *value; /* NULL for DELETE; one logical line, UTF-8 */
};

/* One message to one folder of one upstream. Its id is "<message id>.<number>". */
struct mail_delivery {
    unsigned number; /* from 1 */
    const char *upstream;
    const char *fallback;     /* the upstream that gets it when the first stays down; NULL: none */
    const char *instead_of;   /* the upstream that it was for, when this one is its fallback; or NULL */
    const char *folder;       /* UTF-8, "/" between levels */
    const char *const *flags; /* IMAP flags and keywords as they go out: "\\Flagged", "ci" */
    size_t flag_count;
    int64_t date_ms;               /* INTERNALDATE; 0: the time of reception */
    const char *rule;              /* the rule that asked for it; "default" when none matched */
    const char *const *recipients; /* for whom */
    size_t recipient_count;
    const struct mail_edit *edits;
    size_t edit_count;
    bool held;         /* waits in the spool until an operator releases it */
    const char *doubt; /* what is known of where it may lie already, as engine/doubt.h writes it; or NULL */
};

extern const struct mail_members mail_delivery_members;

/* A deep copy in the arena; -1 when that is full, *to_r is then untouched. */
MUST_USE int mail_delivery_copy(struct arena *arena, const struct mail_delivery *from, struct mail_delivery *to_r);
/* Whether all members say the same. */
bool mail_delivery_equal(const struct mail_delivery *a, const struct mail_delivery *b); /* for tests */
/*
 * Whether filing the one files the other as well: the same octets in the same place. Its number, for whom it is, which
 * rule asked, and which upstream steps in do not matter for that.
 */
bool mail_delivery_is_same_copy(const struct mail_delivery *a, const struct mail_delivery *b);

#endif
