/*
 * mail_charset_shift - ISO-2022-JP (RFC 1468, with what Windows and telephones write under its name) and HZ (RFC 1843)
 * in the form in which no octet changes the meaning of others: EUC. iconv's own tables lack NEC's row 13 and half-width
 * katakana in the one, and the other as a whole. Pure.
 */
#ifndef MAILWEIR_MAIL_MAIL_CHARSET_SHIFT_H
#define MAILWEIR_MAIL_MAIL_CHARSET_SHIFT_H

#include "base/buf.h"

/* Appends ISO-2022-JP as eucJP-ms. False when it has characters of JIS X 0213, which has no place there: nothing is
 * appended. */
bool mail_charset_shift_jp(struct bytes octets, struct buf *out);

/* Appends HZ as GB 2312 in EUC. */
void mail_charset_shift_hz(struct bytes octets, struct buf *out);

#endif
