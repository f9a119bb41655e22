/*
 * doubt - what is not known about one delivery that may lie in a folder already, and how that ends. Pure.
 *
 *   mark     a lower bound: the folder's UIDNEXT (RFC 9051 section 7.3.1) as it was at some time before the message
 * went out. An older one is as true as a newer one, it only leaves more to look at. arise    the last octet of the
 * message may have reached the server, and nobody said what became of it look     one enumeration of the folder; see
 * struct doubt_look judge    what the look proves
 *
 * Doubt ends in three ways: the message is found; it is proven absent; an operator says so (whoever clears it then).
 * Proven absent means: in the same mailbox (UIDVALIDITY, MAILBOXID of RFC 8474), asked at the same place, each UID from
 * the mark up to the UIDNEXT that stood when the look began belongs to a message that is there and has shown its id
 * field, and none is ours. A look that shows less is made again, DOUBT_LOOKS times where what is missing may never
 * come, and no more where the server says that it is gone; what then stays unproven is sent again and noted: rather a
 * second copy than none.
 *
 * The assumption of it all: a server shows or drops what an APPEND brought within `settle` of its last octet.
 */
#ifndef MAILWEIR_ENGINE_DOUBT_H
#define MAILWEIR_ENGINE_DOUBT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Looks that show the same gap before it is taken for what it is: mail that came and went, or that can never be seen.
 */
#define DOUBT_LOOKS 3
/* And so many times `settle` it must have lasted: some servers tell the next UID before they show the message. */
#define DOUBT_GAP_SETTLES 2
/* Times that a message ended the server's connection, while others got through between them, before it is set aside;
 * ... */
#define DOUBT_KILLS 3
/* ... and in all, when others got through since the first time and none has come by to tell more. */
#define DOUBT_TRIES 6
/* Octets of a MAILBOXID, with its end; a longer one is not kept. */
#define DOUBT_MAILBOX_MAX 128
/* Octets of a name as it is kept, with its end: see doubt_name(). */
#define DOUBT_NAME_MAX 160
/* Octets of the text form, with its end. */
#define DOUBT_TEXT_MAX 800
/* A place that no other one is: it went out at several. */
#define DOUBT_PLACES UINT32_MAX

struct doubt_mark {
    uint32_t validity; /* UIDVALIDITY; 0: not known */
    uint32_t next;     /* UIDNEXT at some time before; 0: not known */
    char mailbox[DOUBT_MAILBOX_MAX];
    char account[DOUBT_NAME_MAX]; /* whose mailboxes they are, by doubt_name(); "": not known */
    char folder[DOUBT_NAME_MAX];  /* what the server calls it, by doubt_name(); "": not known */
    bool there;                   /* it was there, whatever else is known of it */
};

struct doubt {
    bool open;              /* it may lie there */
    bool noted;             /* an earlier doubt ended unproven: a second copy is possible */
    bool alone;             /* it was in a batch that ended in doubt: it goes by itself */
    bool bare;              /* its keywords may be what the server refuses: it goes without */
    struct doubt_mark mark; /* from before the first message that is in doubt went out */
    unsigned place;         /* a print of the account's address that it went to; 0: not known */
    int64_t since_ms;       /* wall clock; for people */
    unsigned looks;         /* in a row that showed a gap */
    unsigned kills;         /* see doubt_kill(): with others between them, and ... */
    unsigned tries;         /* ... in all, alone */
    int64_t killed_ms;
    bool dead;        /* it became a dead letter; whoever tries it again ... */
    int64_t again_ms; /* ... begins its time anew: since when; wall clock, 0: it never was one */
};

/* A name for a mark: without blanks, and short; one that is too long is told from others and cannot be read back. */
void doubt_name(char out[DOUBT_NAME_MAX], struct bytes name);
/* The octets of such a name, into out, as C text; false when they were not kept, or there are none. */
bool doubt_name_read(const char *name, char out[DOUBT_NAME_MAX]);

/* The message's last octet may be there. An open doubt keeps its mark: both sends lie behind it. */
void doubt_arise(struct doubt *doubt, const struct doubt_mark *mark, unsigned place, int64_t now_ms);

enum doubt_sight {
    DOUBT_SIGHT_WHOLE,   /* everything that was asked for was answered */
    DOUBT_SIGHT_FAILED,  /* the server said no for now, or left something out */
    DOUBT_SIGHT_REFUSED, /* the folder may not be read */
    DOUBT_SIGHT_MISSING, /* there is no such folder */
};

/* What one look showed, for one message. */
struct doubt_look {
    enum doubt_sight sight;
    bool found;             /* in the folder, or elsewhere in the account */
    bool early;             /* it began before the server had `settle` to show what came */
    bool young;             /* the doubt is not DOUBT_GAP_SETTLES times `settle` old: a gap may close */
    unsigned place;         /* as in struct doubt */
    struct doubt_mark mark; /* of the folder when the look began: next is the upper bound */
    bool cut;               /* it ended at its limit, above the doubt's mark */
    uint32_t seen;     /* messages that were seen with UIDs from the doubt's mark (1 without one) up to mark.next */
    uint32_t vanished; /* UIDs among those that were not, of which the server says that they are gone (RFC 7162) */
};

enum doubt_verdict {
    DOUBT_FOUND,
    DOUBT_ABSENT,   /* proven: it may be sent */
    DOUBT_AGAIN,    /* nothing is proven: look later */
    DOUBT_UNPROVEN, /* nothing more can be found out: it is sent again, and noted */
};

/* Judges the look and keeps what follows in the doubt. *why_r is for people, static; it says what was missing. */
enum doubt_verdict doubt_judge(struct doubt *doubt, const struct doubt_look *look, const char **why_r);
/* The lowest UID that a look for it must reach, in a mailbox with this mark. */
uint32_t doubt_from(const struct doubt *doubt, const struct doubt_mark *now);

/*
 * The connection ended while the message went out alone. others_ms: when the upstream last filed another one (wall
 * clock; 0: never). true: it is this message that the server cannot take, and not the account: it is to be set aside.
 */
bool doubt_kill(struct doubt *doubt, int64_t now_ms, int64_t others_ms);
/* The connection ended while it went out in a batch: it may be this one. What is filed from here on speaks for the
 * server. */
void doubt_kill_together(struct doubt *doubt, int64_t now_ms);

/*
 * Whether it is too old to be tried on, behind an attempt that did not file it: more than most_ms have gone since it
 * came, or since it is tried again after it was a dead letter or has lain where nobody tried it. old_ms: since it came.
 */
bool doubt_is_old(struct doubt *doubt, int64_t now_ms, int64_t old_ms, int64_t most_ms, bool is_first);

/* "uidvalidity=7 uidnext=123 ..." for keeping; "" when there is nothing to say. `open` is kept elsewhere. */
void doubt_write(const struct doubt *doubt, char out[DOUBT_TEXT_MAX]);
/* Reads it back; unknown words are skipped. */
void doubt_read(struct doubt *doubt_r, struct bytes text);

#endif
