/*
 * mail_words - encoded words (RFC 2047) in a header field's value, as readers decode them, which is more than the RFC
 * allows: words with blanks in them, glued to text, in quotes; padded one by one or not; split within a character or
 * within a quantum of base64.
 */
#ifndef MAILWEIR_MAIL_MAIL_WORDS_H
#define MAILWEIR_MAIL_MAIL_WORDS_H

#include "base/buf.h"

/* The length of the encoded word at the head of text, which begins with "=?"; 0 when there is none. */
size_t mail_words_at(struct bytes text);

/*
 * Appends an unfolded value with its encoded words decoded; valid UTF-8 whatever came. Octets above 127 outside of
 * words are UTF-8 when the value is, else windows-1252. False when a character set was not known or did not fit.
 */
bool mail_words_decode(struct bytes value, struct buf *out);

#endif
