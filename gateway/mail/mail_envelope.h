/*
 * mail_envelope - what is known of a message beside its bytes, and what was decided about it.
 *
 * The words that reception, rules, spool and delivery share. All strings are NUL-terminated, free of control
 * characters, and live in the arena of whoever made the object; nothing here owns memory. A new member gets a row in
 * mail_envelope.c, else it does not build; writing, reading and copying then know it.
 */
#ifndef MAILWEIR_MAIL_MAIL_ENVELOPE_H
#define MAILWEIR_MAIL_MAIL_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/must_use.h"
#include "mail/mail_delivery.h"
#include "mail/mail_shape.h"
#include "mail/mail_source.h"

/* One RCPT TO. The DSN parameters (RFC 3461) are recorded as given; NULL when absent. */
struct mail_recipient {
    const char *address; /* without angle brackets */
    const char *notify;
    const char *orcpt;
};

/* The session that brought the message. Strings are NULL where there is nothing to say. */
struct mail_client {
    const char *listener;
    const char *address; /* "192.0.2.1", "2001:db8::1", "unix" */
    uint16_t port;
    const char *helo;
    const char *protocol;    /* RFC 3848: "SMTP", "ESMTP", "ESMTPS", "ESMTPSA", "LMTP" ... */
    const char *tls_version; /* "TLSv1.3" */
    const char *tls_cipher;
    const char *tls_peer; /* subject of a verified client certificate */
    const char *user;     /* authenticated user */
};

/* What a rule counts when the message is acknowledged. */
struct mail_counted {
    const char *counter, *key;
};

enum mail_body { MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME };

struct mail_envelope {
    const char *id;       /* units_id(): the queue id, in every log line about the message */
    int64_t received_ms;  /* wall clock, milliseconds since 1970, at the end of DATA */
    const char *hostname; /* ours, as in the Received field */
    struct mail_client client;
    const char *from; /* "" is the null sender */
    struct mail_recipient *to;
    size_t to_count;
    enum mail_body body;
    bool smtputf8;
    bool requiretls;
    const char *envid; /* DSN ENVID and RET as given, or NULL */
    const char *ret;
    const char *message_id; /* the Message-ID field, with its brackets; NULL when there is none */
    /* What it can be found by (mail_about.h), when that is to be kept: each address with its name before it. */
    const char *subject;
    const char *const *header_from;
    size_t header_from_count;
    const char *const *header_to;
    size_t header_to_count;
    const char *const *rules; /* names of the rules that acted; known from the decision on */
    size_t rule_count;
    /*
     * Every rule tried, in order: a mark (enum mail_tried) and its name, "group/name" in a group. Where the rules look
     * at recipients, those of each begin with his address. Bounded: behind what does not fit stands how much it was.
     */
    const char *const *tried;
    size_t tried_count;
    const struct mail_counted *counted; /* each once; known from the decision on */
    size_t counted_count;
    struct mail_shape shape; /* of the stored message; the spool fills it in */
};

extern const struct mail_members mail_envelope_members;

/* A deep copy in the arena; -1 when that is full, *to_r is then untouched. */
MUST_USE int mail_envelope_copy(struct arena *arena, const struct mail_envelope *from, struct mail_envelope *to_r);
/* Whether all members say the same. */
bool mail_envelope_equal(const struct mail_envelope *a, const struct mail_envelope *b); /* for tests */

/* The mark that an entry of mail_envelope.tried begins with. */
enum mail_tried {
    MAIL_TRIED_YES = '+',
    MAIL_TRIED_NO = '-',
    MAIL_TRIED_WATCHED = '~', /* it would have acted, and only watches */
    MAIL_TRIED_FAILED = '!',
    MAIL_TRIED_RECIPIENT = '@',
    MAIL_TRIED_MORE = '*',
};

#endif
