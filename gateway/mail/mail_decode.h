/*
 * mail_decode - base64 and quoted-printable as they come (RFC 2045 section 6): in pieces, and by senders who padded too
 * early, too late or never.
 *
 * Base64 goes on behind its padding, as mail programs read it; what is no digit of it is left out. In quoted-printable
 * a "=" that begins nothing stands for itself.
 */
#ifndef MAILWEIR_MAIL_MAIL_DECODE_H
#define MAILWEIR_MAIL_MAIL_DECODE_H

#include "base/buf.h"
#include "base/must_use.h"

enum mail_encoding { MAIL_ENCODING_NONE, MAIL_ENCODING_BASE64, MAIL_ENCODING_QUOTED, MAIL_ENCODING_UNKNOWN };

/* Of a Content-Transfer-Encoding field's value; a comment or parameter behind the name does not count. */
enum mail_encoding mail_decode_encoding(struct bytes value);

/* All zero at first, but for encoding and out. */
struct mail_decoder {
    enum mail_encoding encoding;
    struct buf *out; /* NULL: octets are only counted; what does not fit is left out (out->full) */
    uint64_t size;   /* octets decoded */
    uint32_t bits;   /* base64: that have not become an octet yet */
    unsigned count;  /* of them */
    size_t kept_len;
    uint8_t kept[80]; /* quoted-printable: blanks that may end the line, or what stands behind "=" */
};
void mail_decode_add(struct mail_decoder *decoder, struct bytes data);
/* Behind the last octet. */
void mail_decode_end(struct mail_decoder *decoder);

/* The value of a digit of base64, or -1; of a hexadecimal digit, or -1. */
MUST_USE int mail_decode_digit64(uint8_t c);
MUST_USE int mail_decode_digit16(uint8_t c);

#endif
