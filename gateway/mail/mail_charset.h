/*
 * mail_charset - octets of a named character set as UTF-8, by iconv. Names as senders write them: one table says what
 * is meant. Pure but for what iconv loads.
 *
 * ISO-8859-1 is read as windows-1252, GB2312 as GB18030, KS C 5601 as CP949, as every reader does. What claims to be
 * US-ASCII, or nothing, or a name that nobody knows, is UTF-8 when it is valid UTF-8, else windows-1252. No octet is
 * dropped: one that means nothing becomes U+FFFD, and so does NUL, for which there is no place in texts.
 */
#ifndef MAILWEIR_MAIL_MAIL_CHARSET_H
#define MAILWEIR_MAIL_MAIL_CHARSET_H

#include "base/buf.h"
#include "base/must_use.h"

/*
 * Appends octets in UTF-8; name is that of their character set, "" when there is none. False when the name is not known
 * or octets were not of the set: the text is then a guess. What does not fit into out is left out (out->full).
 */
bool mail_charset_decode(struct bytes name, struct bytes octets, struct buf *out);

/* The same without a name. */
void mail_charset_guess(struct bytes octets, struct buf *out);

/* Whether two names mean the same character set. */
bool mail_charset_same(struct bytes a, struct bytes b);

/* Whether the name says nothing: none, or US-ASCII. */
bool mail_charset_is_plain(struct bytes name);

/* Appends one character in UTF-8. */
STICKS_TO_BUF int mail_charset_append(struct buf *out, uint32_t character);

/* The character of an octet of windows-1252. */
uint32_t mail_charset_windows(uint8_t octet);

#endif
