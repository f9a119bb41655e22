/*
 * mail_part - the parts of a message (RFC 2046): where each has its header and its content. The message passes once, in
 * pieces; what is kept is the places, and the headers.
 *
 * It finds what any reader finds: a second Content-Type with another boundary, a boundary with blanks at its end, a
 * part behind the closing boundary, a last part that is never ended, text in a multipart that has no parts. The header
 * sections are read as that of the message is (mail_header).
 */
#ifndef MAILWEIR_MAIL_MAIL_PART_H
#define MAILWEIR_MAIL_MAIL_PART_H

#include "base/arena.h"
#include "base/must_use.h"
#include "mail/mail_envelope.h"

#define MAIL_PART_HEADERS_MAX (256u << 10) /* octets of all header sections */
#define MAIL_PART_NESTING_MAX 50u          /* multiparts and messages in each other */
#define MAIL_PART_COUNT_MAX   1000u        /* parts, those that hold others included */

struct mail_part {
    struct bytes header; /* in the arena */
    uint64_t start, end; /* its content, in the message */
    unsigned depth;
    bool nested;    /* it belongs to a message that this one brings along */
    bool is_digest; /* without a Content-Type it is a message (RFC 2046 section 5.1.5) */
    bool is_message, is_multipart;
    bool lacks_boundary; /* a multipart without a boundary, or in which it never comes: its content may be read as text
                          */
};

struct mail_parts {
    struct mail_part *list; /* in the order in which they begin */
    size_t count;
    const char
        *limit; /* the first that was hit: "header-size", "nesting", "parts"; what is behind it is not there. Or NULL */
};

/* Everything lives in the arena. -1 with a fault when the source could not be read, or with "rules-memory" when the
 * arena is full. */
MUST_USE int mail_part_read(const struct mail_source *source, struct arena *arena, struct mail_parts *parts_r,
                            struct fault *fault);

#endif
