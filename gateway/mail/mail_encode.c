/*
 * mail_encode - see mail_encode.h.
 */
#include "mail/mail_encode.h"

#include "base/units.h"

/* RFC 2047 section 2: a word has at most 75 characters; "=?UTF-8?B?" and "?=" are 12 of them, so 45 octets become 60 in
 * base64. */
#define WORD_OCTETS 45u

/* How much of value fits into one word and ends with a whole character. */
static size_t word_length(struct bytes value)
{
    if (value.len <= WORD_OCTETS) {
        return value.len;
    }
    size_t len = WORD_OCTETS;
    while (len > WORD_OCTETS - 4 && (value.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

int mail_encode_text(struct bytes value, struct buf *out)
{
    if (bytes_is_ascii(value) && value.len <= MAIL_ENCODE_PLAIN_MAX) {
        return buf_append_bytes(out, value);
    }
    int result = 0;
    for (bool first = true; value.len > 0; first = false) {
        size_t len = word_length(value);
        result |= buf_append_text(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        result |= units_base64_encode(out, bytes_slice(value, 0, len));
        result |= buf_append_text(out, "?=");
        value = bytes_from(value, len);
    }
    return result;
}
