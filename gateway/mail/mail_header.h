/*
 * mail_header - walks the header section of a message as received; no decoding, no copies.
 *
 * One parser serves the rules, the edits, the loop check and what is filed, so that there are never two readings of a
 * header (reliability: header smuggling). A field is a name of printable ASCII without colon, optional blanks, a colon,
 * a value that may be folded (RFC 5322 section 2.2).
 *
 * Between the fields of a section lines may stand that are none: a From_ line of an mbox, a byte order mark, a name
 * with a blank in it, a line without colon, a first line that begins with a blank. Readers disagree about what is
 * behind such an odd line. Here it is a field of its own, named MAIL_HEADER_ODD, and it is filed so (mail_rope): from
 * then on all readers see the same. A byte order mark in front of a field is odd by itself, and the field counts.
 *
 * The section ends with its empty line. It ends earlier, in front of an odd line, when that is where the text begins:
 * when until the next empty line (within MAIL_HEADER_LOOK octets) no field comes that tells of a header. Any field
 * tells of one when the section began with a field, a From_ line or a byte order mark, and an empty line ends it; else
 * it takes a name that stands in the header of nearly every message (From, Subject, Received, X-...): in a text without
 * header "Time: 12:30" is text. Behind a field that only mail programs write (MIME-Version, Content-..., Message-ID,
 * Received, DKIM-...) all is header up to the empty line.
 */
#ifndef MAILWEIR_MAIL_MAIL_HEADER_H
#define MAILWEIR_MAIL_MAIL_HEADER_H

#include "base/buf.h"
#include "base/must_use.h"

#define MAIL_HEADER_ODD     "X-Mailweir-Odd-Line" /* the name of an odd line */
#define MAIL_HEADER_ODD_MAX 100u                  /* odd lines of one section; the next one begins the text */
#define MAIL_HEADER_LOOK    65536u                /* octets behind the first odd line in which the section may go on */
#define MAIL_HEADER_BOM     "\xef\xbb\xbf"

struct mail_header_field {
    struct bytes name; /* MAIL_HEADER_ODD for an odd line */
    struct bytes
        value; /* behind the colon (an odd line: all of it), folds and blanks as they are, without the final line end */
    struct bytes whole; /* name, colon, value and the final line end; of a byte order mark, that alone */
    bool odd;
};

/*
 * The length of the header section with its empty line when that is in message; *complete_r tells whether the end was
 * seen: false means that more octets could still belong to it.
 */
size_t mail_header_length(struct bytes message, bool *complete_r);

/*
 * Takes the next field off *rest, which is what is left of a section as mail_header_length() gives it: 1 with *field_r,
 * 0 at its end (*rest is then empty or begins with the empty line).
 */
MUST_USE int mail_header_next(struct bytes *rest, struct mail_header_field *field_r);

/* The first field of that name (case does not count) in a section: 1 or 0. */
MUST_USE int mail_header_find(struct bytes section, const char *name, struct mail_header_field *field_r);

/* The value on one line: line ends of folds removed (RFC 5322 section 2.2.3), blanks at both ends too; appended to
 * out. */
STICKS_TO_BUF int mail_header_unfold(struct bytes value, struct buf *out);

#endif
