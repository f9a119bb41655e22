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

/* Another place for a delivery, and what has to be wrong with its own before it goes there. */
struct mail_way {
    const char *upstream; /* NULL: the same */
    const char *folder;   /* NULL: the same */
    bool refused;         /* when the server takes no folder of the name, or lets nobody write into it */
    bool down;            /* when the upstream has been down for so long */
    uint64_t down_ms;     /* 0: as long as the upstream's "fallback_after" */
    bool full;            /* when the mailbox has been full for so long */
    uint64_t full_ms;     /* as down_ms */
};

/* One message to one folder of one upstream. Its id is "<message id>.<number>". */
struct mail_delivery {
    unsigned number; /* from 1 */
    const char *upstream;
    const char *fallback;        /* short for a first way {upstream, down}; NULL: none */
    const struct mail_way *ways; /* each is gone once at most; the first that fits is taken */
    size_t way_count;
    const char *instead_of;   /* the upstream that it was for, when it went to another; or NULL */
    const char *because;      /* why it is not in the folder that it was for, for people; or NULL */
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

/* ---- where it goes otherwise ---- */

/* What is wrong with the place where a delivery was to go. */
struct mail_trouble {
    bool refused;
    bool down, full;
    uint64_t down_ms, full_ms; /* for so long, until now */
    uint64_t patience_ms;      /* what a way without a time of its own waits: the upstream's "fallback_after" */
};

/* All its ways, the fallback first. */
size_t mail_delivery_way_count(const struct mail_delivery *delivery);
struct mail_way mail_delivery_way(const struct mail_delivery *delivery, size_t index);
/* Whether it goes elsewhere when its upstream stays down or full. */
bool mail_delivery_may_leave(const struct mail_delivery *delivery);

/* A way leads nowhere when its upstream is none of these. */
typedef bool mail_known_fn(void *ctx, const char *upstream);
/*
 * The first way that the trouble opens; -1: none. *wait_ms_r is then how long the trouble must last until it opens one,
 * UINT64_MAX when time opens none. is_known may be NULL: all are.
 */
MUST_USE ptrdiff_t mail_delivery_way_out(const struct mail_delivery *delivery, const struct mail_trouble *trouble,
                                         mail_known_fn *is_known, void *ctx, uint64_t *wait_ms_r);
/* Makes it the delivery that has gone this way, with the ways that are left. -1: the arena is full. */
MUST_USE int mail_delivery_go(struct mail_delivery *delivery, const struct mail_way *way, struct arena *arena);

#endif
