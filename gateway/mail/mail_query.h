/*
 * mail_query - the words in which people look for mail: "subject:invoice from:@vendor.example since:2h state:refused".
 * Reads them, and says of a message whether it is meant. Pure; the time is an argument.
 *
 *   word              in the subject, or in a name or address of sender and recipients
 *   subject:word      "subject:two words" in quotes stand behind each other; word* is the beginning of a word
 *   from: to:         a name, a word, a whole address, @domain or local@
 *   state:            waiting, held, dead, filed, dropped, moved, discarded, refused; several with commas
 *   upstream: folder: rule: client: listener: user: id: message-id:    as they are; a last * stands for any rest
 *   since: until:     2h, 30m, 7d, today, yesterday, 2026-11-30 or 2026-11-30T12:00 (UTC)
 *   -field:word       not; "!" is the same
 *
 * All of them must fit. State, upstream, folder and rule must fit one delivery of the message.
 */
#ifndef MAILWEIR_MAIL_MAIL_QUERY_H
#define MAILWEIR_MAIL_MAIL_QUERY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/must_use.h"
#include "mail/mail_envelope.h"

/* Octets of a query, and its conditions. */
#define MAIL_QUERY_MAX            1000u
#define MAIL_QUERY_CONDITIONS_MAX 32u

/* What stands behind "state:": index 0 is the first, those of a delivery in the order of enum store_state, then the two
 * below; NULL behind the last. A test holds them against the store's. */
const char *mail_query_state_at(size_t index); /* for tests */
/* States that are none of a delivery. */
#define MAIL_QUERY_DISCARDED "discarded"
#define MAIL_QUERY_REFUSED   "refused"

enum mail_query_field {
    MAIL_QUERY_ANY, /* subject, from or to; what looks like a message's id is looked for as one */
    MAIL_QUERY_SUBJECT,
    MAIL_QUERY_FROM,
    MAIL_QUERY_TO,
    MAIL_QUERY_ID,
    MAIL_QUERY_MESSAGE_ID,
    MAIL_QUERY_CLIENT,
    MAIL_QUERY_LISTENER,
    MAIL_QUERY_USER,
    MAIL_QUERY_STATE, /* from here on: of one delivery */
    MAIL_QUERY_UPSTREAM,
    MAIL_QUERY_FOLDER,
    MAIL_QUERY_RULE,
    MAIL_QUERY_SINCE,
    MAIL_QUERY_UNTIL,
};

struct mail_query_condition {
    enum mail_query_field field;
    bool inverted;
    bool open_ended;   /* ended in "*" */
    const char *text;  /* as it was written, without that */
    const char *words; /* the same as mail_fold_words() gives it */
};

struct mail_query {
    struct mail_query_condition conditions[MAIL_QUERY_CONDITIONS_MAX];
    size_t count;
    int64_t since_ms, until_ms; /* received in [since, until); 0 and INT64_MAX: at any time */
    bool of_delivery;           /* a condition is about deliveries */
};

/* Strings are the arena's. now_ms: wall clock. -1 with a fault "usage" that says what would be right. */
MUST_USE int mail_query_read(const char *text, int64_t now_ms, struct arena *arena, struct mail_query *query_r,
                             struct fault *fault);

/* Whether the conditions about the message itself fit. */
bool mail_query_fits(const struct mail_query *query, const struct mail_envelope *envelope);
/* The members of an envelope that it looks at, among them "from", which each has, and the time; NULL ends them. */
#define MAIL_QUERY_NEEDS 10
void mail_query_needs(const struct mail_query *query, const char *names_r[MAIL_QUERY_NEEDS]);
/* Whether those about deliveries fit this one, of a message that fits. */
bool mail_query_fits_delivery(const struct mail_query *query, const char *state, const char *upstream,
                              const char *folder, const char *rule);
/* Whether a delivery in that state can fit. */
bool mail_query_wants_state(const struct mail_query *query, const char *state);

/* The members of an envelope that mail_query_words_of() looks at; NULL ends them. */
extern const char *const mail_query_members[];
/* Appends the words of all texts that MAIL_QUERY_SUBJECT, _FROM or _TO looks at: for an index of them. */
void mail_query_words_of(const struct mail_envelope *envelope, enum mail_query_field field, struct buf *out);

/* Whether the address stands in any text, in capitals or small, and not as a part of a longer one. */
bool mail_query_is_in(struct bytes text, const char *address);
/* Whether the address stands in the envelope: as sender, recipient, or in the header that is kept of it. */
bool mail_query_mentions(const struct mail_envelope *envelope, const char *address);

#endif
