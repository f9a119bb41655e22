/*
 * mail_encode - header values as they go out: encoded words (RFC 2047) where the value is not ASCII, folded (RFC 5322
 * section 2.2.3).
 */
#ifndef MAILWEIR_MAIL_MAIL_ENCODE_H
#define MAILWEIR_MAIL_MAIL_ENCODE_H

#include "base/buf.h"
#include "base/must_use.h"

/* An ASCII value up to this long goes out as it is. */
#define MAIL_ENCODE_PLAIN_MAX 900u

/* Appends the value, UTF-8 without control characters, as it stands behind "Name: ". The same value always gives the
 * same octets. */
STICKS_TO_BUF int mail_encode_text(struct bytes value, struct buf *out);

#endif
