/*
 * mail_view_words - see mail_view_words.h.
 */
#include "mail/mail_view_words.h"

#include <string.h>

#define WORD_MAX 4096 /* octets of one word that is mended; RFC 2047 allows 75 */
#define GROWTH   5    /* an octet of base64 is 3/4 of an octet, and that is "=XX" in Q; the rest is margin */

struct word {
    size_t len; /* from "=?" to "?=", both included */
    struct bytes charset, text;
    uint8_t encoding;
};

/* The encoded word at the head of text; false when there is none. */
static bool word_at(struct bytes text, struct word *word_r)
{
    struct bytes rest = bytes_slice(text, 2, WORD_MAX);
    ptrdiff_t charset = bytes_find_octet(rest, '?');
    if (charset <= 0 || (size_t)charset + 2 >= rest.len || rest.ptr[charset + 2] != '?') {
        return false;
    }
    struct bytes inside = bytes_from(rest, (size_t)charset + 3);
    ptrdiff_t end = bytes_find(inside, bytes_of("?="));
    if (end < 0) {
        return false;
    }
    *word_r = (struct word){.len = 2 + (size_t)charset + 3 + (size_t)end + 2,
                            .charset = bytes_slice(rest, 0, (size_t)charset),
                            .text = bytes_slice(inside, 0, (size_t)end),
                            .encoding = octet_lower(rest.ptr[charset + 1])};
    return true;
}

static bool another_follows(struct bytes rest)
{
    size_t blanks = 0;
    while (blanks < rest.len && (rest.ptr[blanks] == ' ' || rest.ptr[blanks] == '\t')) {
        blanks++;
    }
    return blanks > 0 && blanks + 1 < rest.len && rest.ptr[blanks] == '=' && rest.ptr[blanks + 1] == '?';
}

static bool wants_mending(const struct word *word, struct bytes behind)
{
    return word->encoding == 'b' && word->text.len > 0 && word->text.ptr[word->text.len - 1] == '=' &&
           another_follows(behind);
}

static int base64_digit(uint8_t c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* What is no base64 is left out, as in the words that GMime decodes. */
static void write_as_q(const struct word *word, struct buf *out)
{
    uint32_t bits = 0;
    unsigned count = 0;
    buf_append_text(out, "=?");
    buf_append_bytes(out, word->charset);
    buf_append_text(out, "?Q?");
    for (size_t i = 0; i < word->text.len && word->text.ptr[i] != '='; i++) {
        int digit = base64_digit(word->text.ptr[i]);
        if (digit < 0) {
            continue;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_printf(out, "=%02X", bits >> count & 0xffu);
        }
    }
    buf_append_text(out, "?=");
}

struct bytes mail_view_mend_words(struct bytes value, struct buf *mended_r)
{
    size_t copied = 0; /* of value, to mended_r */
    buf_init(mended_r, value.len * GROWTH + 16);
    for (size_t at = 0;;) {
        ptrdiff_t found = bytes_find(bytes_from(value, at), bytes_of("=?"));
        struct word word;
        if (found < 0) {
            break;
        }
        at += (size_t)found;
        if (!word_at(bytes_from(value, at), &word)) {
            at += 2;
            continue;
        }
        if (wants_mending(&word, bytes_from(value, at + word.len))) {
            buf_append_bytes(mended_r, bytes_slice(value, copied, at - copied));
            write_as_q(&word, mended_r);
            copied = at + word.len;
        }
        at += word.len;
    }
    if (copied == 0) {
        return value;
    }
    buf_append_bytes(mended_r, bytes_from(value, copied));
    return buf_bytes(mended_r);
}
