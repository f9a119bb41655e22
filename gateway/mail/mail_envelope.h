/*
 * mail_envelope - what is known of a message beside its bytes, and what was decided about it.
 *
 * The words that reception, rules, spool and delivery share. All strings are NUL-terminated, free of control characters,
 * and live in the arena of whoever made the object; nothing here owns memory.
 */
#ifndef MAILWEIR_MAIL_MAIL_ENVELOPE_H
#define MAILWEIR_MAIL_MAIL_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "mail/mail_shape.h"

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
    const char *message_id;   /* the Message-ID field, with its brackets; NULL when there is none */
    const char *const *rules; /* names of the rules that acted; known from the decision on */
    size_t rule_count;
    struct mail_shape shape; /* of the stored message; the spool fills it in */
    /*
     * Every rule tried, in order: a mark (enum mail_tried) and its name, "group/name" in a group. Where the rules look at recipients, those of each
     * begin with his address. Bounded: behind what does not fit stands how much it was.
     */
    const char *const *tried;
    size_t tried_count;
};

/* The mark that an entry of mail_envelope.tried begins with. */
enum mail_tried {
    MAIL_TRIED_YES = '+',
    MAIL_TRIED_NO = '-',
    MAIL_TRIED_FAILED = '!',
    MAIL_TRIED_RECIPIENT = '@',
    MAIL_TRIED_MORE = '*',
};

/* One header edit, applied in order to the bytes that are appended; the stored message stays as received. */
struct mail_edit {
    enum { MAIL_EDIT_ADD, MAIL_EDIT_DELETE, MAIL_EDIT_REPLACE } kind;
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
    bool held; /* waits in the spool until an operator releases it */
};

/*
 * A stored message to read from at any offset, while it is staged or after. read() returns octets read (0 only at the
 * end) or -1 with a fault. It may block: for worker lanes only.
 */
struct mail_source {
    uint64_t size;
    ptrdiff_t (*read)(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault);
    void *ctx;
};

#endif
