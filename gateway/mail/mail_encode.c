/*
 * mail_encode - see mail_encode.h.
 */
#include "mail/mail_encode.h"

#include "base/units.h"

/* RFC 2047 section 2: a word has at most 75 characters; "=?UTF-8?B?" and "?=" are 12 of them, so 45 octets become 60 in
 * base64. */
#define WORD_OCTETS   45u
#define WORD_OVERHEAD 12u
/* A first word with fewer goes to a line of its own. */
#define WORD_LEAST 9u

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How much of value fits into one word of so many octets and ends with a whole character. */
static size_t word_length(struct bytes value, size_t most)
{
    if (value.len <= most) {
        return value.len;
    }
    size_t len = most;
    while (len > most - 4 && (value.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

/* ---- folding ---- */

static size_t blanks_of(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && is_blank(text.ptr[len])) {
        len++;
    }
    return len;
}

static size_t plain_of(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && !is_blank(text.ptr[len])) {
        len++;
    }
    return len;
}

/* Octets behind the last line break of the blanks; -1 without one. */
static ptrdiff_t behind_break(struct bytes blanks)
{
    for (size_t i = blanks.len; i > 0; i--) {
        if (blanks.ptr[i - 1] == '\n') {
            return (ptrdiff_t)(blanks.len - i);
        }
    }
    return -1;
}

/*
 * RFC 5322 section 2.2.3: a line break goes before blanks that are there. Not before the first word, which would leave
 * the name alone on its line, and not before blanks at the end: a line of blanks alone is obsolete (section 4.2), and
 * some read it as the end of the header section.
 */
int mail_encode_fold(struct bytes value, size_t column, size_t most, struct buf *out)
{
    int result = 0;
    bool first = true;
    while (value.len > 0) {
        struct bytes blanks = bytes_slice(value, 0, blanks_of(value));
        value = bytes_from(value, blanks.len);
        struct bytes word = bytes_slice(value, 0, plain_of(value));
        value = bytes_from(value, word.len);
        ptrdiff_t behind = behind_break(blanks);
        if (behind >= 0) {
            column = (size_t)behind;
        } else if (!first && blanks.len > 0 && word.len > 0 && column + blanks.len + word.len > most) {
            result |= buf_append_text(out, "\r\n");
            column = blanks.len;
        } else {
            column += blanks.len;
        }
        result |= buf_append_bytes(out, blanks);
        result |= buf_append_bytes(out, word);
        column += word.len;
        first = first && word.len == 0;
    }
    return result;
}

/* ---- text ---- */

/* Whether it is ASCII, in words that fit into lines. */
static bool is_plain(struct bytes value)
{
    if (!bytes_is_ascii(value)) {
        return false;
    }
    while (value.len > 0) {
        value = bytes_from(value, blanks_of(value));
        size_t len = plain_of(value);
        if (len > MAIL_ENCODE_PLAIN_MAX) {
            return false;
        }
        value = bytes_from(value, len);
    }
    return true;
}

/* Octets that a word may carry which stands behind so many on its line. */
static size_t room_of(size_t column)
{
    size_t taken = column + WORD_OVERHEAD;
    size_t octets = taken < MAIL_ENCODE_WORD_LINE ? (MAIL_ENCODE_WORD_LINE - taken) / 4 * 3 : 0;
    return octets < WORD_OCTETS ? octets : WORD_OCTETS;
}

int mail_encode_text(struct bytes value, size_t column, struct buf *out)
{
    if (is_plain(value)) {
        return mail_encode_fold(value, column, MAIL_ENCODE_LINE, out);
    }
    int result = 0;
    size_t room = room_of(column);
    bool fits = room >= WORD_LEAST;
    for (room = fits ? room : WORD_OCTETS; value.len > 0; room = WORD_OCTETS) {
        size_t len = word_length(value, room);
        result |= buf_append_text(out, fits ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        result |= units_base64_encode(out, bytes_slice(value, 0, len));
        result |= buf_append_text(out, "?=");
        value = bytes_from(value, len);
        fits = false;
    }
    return result;
}
