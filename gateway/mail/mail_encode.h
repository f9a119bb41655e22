/*
 * mail_encode - header values as they go out: encoded words (RFC 2047) where the value is not ASCII, folded (RFC 5322
 * section 2.2.3).
 */
#ifndef MAILWEIR_MAIL_MAIL_ENCODE_H
#define MAILWEIR_MAIL_MAIL_ENCODE_H

#include "base/buf.h"
#include "base/must_use.h"

/* Octets of a line without its end: RFC 5322 section 2.1.1; with an encoded word in it, RFC 2047 section 2. */
#define MAIL_ENCODE_LINE      78u
#define MAIL_ENCODE_WORD_LINE 76u
/* An ASCII word of text that is longer is encoded: no line could hold it (RFC 5322: 998). */
#define MAIL_ENCODE_PLAIN_MAX 900u

/*
 * Appends the value of a field that is text, UTF-8 without control characters, as it stands behind `column` octets of
 * its line. The same value always gives the same octets, and what is read back is the value.
 */
STICKS_TO_BUF int mail_encode_text(struct bytes value, size_t column, struct buf *out);
/* Appends the value with line breaks before blanks, where a line would else have more than `most` octets; those that it
 * has stay. */
STICKS_TO_BUF int mail_encode_fold(struct bytes value, size_t column, size_t most, struct buf *out);

#endif
