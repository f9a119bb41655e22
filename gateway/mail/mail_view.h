/*
 * mail_view - a message as its reader sees it: encoded words, addresses, text parts in UTF-8, attachments. By GMime.
 *
 * What GMime would spend memory on without bound is counted before it is called; above a limit the view is marked with its name, and what was
 * not decoded is not there. It decodes for looking at only: what is filed are the bytes as received. It may take long: for worker lanes.
 */
#ifndef MAILWEIR_MAIL_MAIL_VIEW_H
#define MAILWEIR_MAIL_MAIL_VIEW_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mail_envelope.h"

#define MAIL_VIEW_HEADER_MAX     (256u << 10) /* octets of the header section */
#define MAIL_VIEW_FIELDS_MAX     1000u        /* header fields */
#define MAIL_VIEW_BOUNDARIES_MAX 10000u       /* lines that begin with "--" */
#define MAIL_VIEW_NESTING_MAX    50u          /* multiparts and messages in each other */
#define MAIL_VIEW_PARTS_MAX      1000u        /* leaves that are looked at */
#define MAIL_VIEW_TEXT_MAX       (4u << 20)   /* octets of decoded text in all */
#define MAIL_VIEW_ADDRESSES_MAX  1000u        /* of one header field */
#define MAIL_VIEW_COLONS_MAX     200u /* in one address field: each may begin a group, which GMime reads by recursion */

struct mail_view_attachment {
    const char *name; /* UTF-8, "" when it has none */
    const char *type; /* "application/pdf", lower case */
    uint64_t size;    /* octets, decoded; 0 unless MAIL_VIEW_SIZES was wanted */
};

struct mail_view {
    struct bytes *texts; /* valid UTF-8, one per text part; HTML as text */
    size_t text_count;
    struct mail_view_attachment *attachments;
    size_t attachment_count;
    /* The first limit that was hit: "header-size", "header-fields", "boundaries", "addresses", "nesting", "parts", "text"; NULL when none was. */
    const char *limit;
};

/* What is wanted beside the names and types of attachments, and costs time. */
#define MAIL_VIEW_TEXTS 1u
#define MAIL_VIEW_SIZES 2u

/*
 * Decodes the message. Everything lives in the arena, which should have room for MAIL_VIEW_TEXT_MAX octets and more. -1 with a fault
 * when the source could not be read or the arena is full.
 */
int mail_view_read(const struct mail_source *source, unsigned wanted, struct arena *arena, struct mail_view *view_r,
                   struct fault *fault);

/* Appends an unfolded header value with its encoded words (RFC 2047) decoded; valid UTF-8 whatever came. */
int mail_view_text(struct bytes value, struct buf *out);

/* Calls fn for each mailbox of an address list (RFC 5322 section 3.4), groups included; name is "" when there is none. */
typedef void mail_view_address_fn(void *ctx, const char *name, const char *address);
void mail_view_addresses(struct bytes value, mail_view_address_fn *fn, void *ctx);

/* The time of a Date field (RFC 5322 section 3.3), milliseconds since 1970. False when it is none, or before 1970. */
bool mail_view_date(struct bytes value, int64_t *ms_r);

#endif
