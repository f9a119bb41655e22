/*
 * mail_view - a message as its reader sees it: text parts in UTF-8, attachments, and what could not be read.
 *
 * Where readers differ, what any of them sees is here: of two Content-Type fields both count, an attachment has every
 * name that some program would save it under, a part behind the closing boundary is a part. What a sender can make
 * large is bounded; above a limit the view is marked with its name, and what was not decoded is not there. It decodes
 * for looking at only: what is filed are the bytes as received. It may take long: for worker lanes.
 */
#ifndef MAILWEIR_MAIL_MAIL_VIEW_H
#define MAILWEIR_MAIL_MAIL_VIEW_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/must_use.h"
#include "mail/mail_envelope.h"

#define MAIL_VIEW_TEXT_MAX   (4u << 20) /* octets of decoded text in all */
#define MAIL_VIEW_TNEF_MAX   (4u << 20) /* octets of a winmail.dat that are looked into */
#define MAIL_VIEW_ERRORS_MAX 8u         /* kinds of errors */
#define MAIL_VIEW_NAMES_MAX  20u        /* names of one attachment */

struct mail_view_text {
    struct bytes text; /* valid UTF-8, lines end in LF; format=flowed as its paragraphs, HTML as text */
    struct bytes
        paragraphs; /* the same with each paragraph of wrapped lines on one line; ptr NULL when that is nothing new */
    struct bytes
        raw; /* as it came but for character set, encoding and line ends; HTML with its tags; ptr NULL unless wanted */
    bool nested; /* of a message that this one brings along */
};

struct mail_view_attachment {
    const char *const *names; /* UTF-8, each once; without the dots and blanks at the end that Windows leaves out */
    size_t name_count;
    const char *type;       /* "application/pdf", lower case */
    const char *other_type; /* of a second Content-Type; or NULL */
    uint64_t size;          /* octets, decoded; 0 unless MAIL_VIEW_SIZES was wanted */
    bool nested;
};

/* Any part, those that hold others included. */
struct mail_view_part {
    const char *type;  /* "message/delivery-status", lower case */
    struct bytes text; /* its content in UTF-8, lines end in LF; ptr NULL unless wanted, and of what is no text */
    bool nested;
};

struct mail_view {
    struct mail_view_text *texts; /* one per text part that readers show in place */
    size_t text_count;
    struct mail_view_attachment *attachments; /* what is not shown in place, or has a name */
    size_t attachment_count;
    struct mail_view_part *parts; /* when wanted */
    size_t part_count;
    /* The first limit that was hit: "header-size", "nesting", "parts", "text"; NULL when none was. */
    const char *limit;
    /*
     * What could not be read as it says of itself, each once: "charset" (unknown, or octets that it lacks), "encoding"
     * (an unknown Content-Transfer-Encoding, or two that differ), "boundary" (a multipart without), "content-type" (two
     * that differ), "partial" (a piece of a message, RFC 2046 section 5.2.2), "encrypted", "tnef" (a broken
     * winmail.dat).
     */
    const char *errors[MAIL_VIEW_ERRORS_MAX];
    size_t error_count;
};

/* What is wanted beside the names and types of attachments, and costs time. */
#define MAIL_VIEW_TEXTS      1u
#define MAIL_VIEW_SIZES      2u
#define MAIL_VIEW_RAW        4u /* beside TEXTS */
#define MAIL_VIEW_PARTS      8u
#define MAIL_VIEW_PART_TEXTS 16u /* beside PARTS */

/*
 * Decodes the message. Everything lives in the arena, which should have room for MAIL_VIEW_TEXT_MAX octets three times
 * and more. -1 with a fault when the source could not be read or the arena is full.
 */
MUST_USE int mail_view_read(const struct mail_source *source, unsigned wanted, struct arena *arena,
                            struct mail_view *view_r, struct fault *fault);

#endif
