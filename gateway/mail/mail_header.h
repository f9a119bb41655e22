/*
 * mail_header - walks the header section of a message as received; no decoding, no copies.
 *
 * One parser serves the rules and what is stored, so that there are never two readings of a header (reliability: header smuggling).
 * A field is a name of printable ASCII without colon, optional blanks, a colon, a value that may be folded (RFC 5322 section 2.2).
 * The section ends at the first empty line, at the end of the message, or before the first line that is neither a field nor a
 * continuation of one (such a line begins the body).
 */
#ifndef MAILWEIR_MAIL_MAIL_HEADER_H
#define MAILWEIR_MAIL_MAIL_HEADER_H

#include "base/buf.h"

struct mail_header_field {
    struct bytes name;
    struct bytes value; /* behind the colon, folds and blanks as they are, without the final line end */
    struct bytes whole; /* name, colon, value and the final line end */
};

/* Takes the next field off *rest: 1 with *field_r, 0 at the end of the section (*rest is then untouched). */
int mail_header_next(struct bytes *rest, struct mail_header_field *field_r);

/* The first field of that name (case does not count), from the start of the message: 1 or 0. */
int mail_header_find(struct bytes message, const char *name, struct mail_header_field *field_r);

/* The value on one line: line ends of folds removed (RFC 5322 section 2.2.3), blanks at both ends too; appended to out. */
int mail_header_unfold(struct bytes value, struct buf *out);

/*
 * The length of the header section with its empty line when that is in message; *complete_r tells whether the end was seen: false
 * means that more octets could still belong to it.
 */
size_t mail_header_length(struct bytes message, bool *complete_r);

#endif
