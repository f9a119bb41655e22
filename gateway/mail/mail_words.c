/*
 * mail_words - see mail_words.h. RFC 2047, RFC 2231 section 5.
 */
#include "mail/mail_words.h"

#include <string.h>

#include "mail/mail_charset.h"
#include "mail/mail_decode.h"

#define WORD_MAX    4096 /* octets of one word; RFC 2047 allows 75 */
#define CHARSET_MAX 80

struct word {
    size_t len; /* from "=?" to "?=", both included */
    struct bytes charset, text;
    bool base64;
};

/* Neighbouring words of one character set: their octets are joined before that is looked at. */
struct run {
    struct bytes charset;
    struct buf octets;
    uint32_t bits; /* of base64 that have not become an octet yet */
    unsigned count;
    bool is_open, clean;
};

static bool word_at(struct bytes text, struct word *word_r)
{
    struct bytes rest = bytes_slice(text, 2, WORD_MAX);
    ptrdiff_t charset = bytes_find_octet(bytes_slice(rest, 0, CHARSET_MAX), '?');
    if (charset <= 0 || (size_t)charset + 2 >= rest.len || rest.ptr[charset + 2] != '?') {
        return false;
    }
    uint8_t encoding = octet_lower(rest.ptr[charset + 1]);
    struct bytes inside = bytes_from(rest, (size_t)charset + 3);
    ptrdiff_t end = bytes_find(inside, bytes_of("?="));
    if (end < 0 || (encoding != 'b' && encoding != 'q')) {
        return false;
    }
    inside = bytes_slice(inside, 0, (size_t)end);
    if (bytes_find(inside, bytes_of("=?")) >= 0) {
        return false;
    }
    *word_r = (struct word){.len = 2 + (size_t)charset + 3 + (size_t)end + 2,
                            .charset = bytes_slice(rest, 0, (size_t)charset),
                            .text = inside,
                            .base64 = encoding == 'b'};
    return true;
}

size_t mail_words_at(struct bytes text)
{
    struct word word;
    return text.len > 2 && text.ptr[0] == '=' && text.ptr[1] == '?' && word_at(text, &word) ? word.len : 0;
}

static void add_quoted(struct run *run, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        int high = c == '=' && i + 2 < text.len ? mail_decode_digit16(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? mail_decode_digit16(text.ptr[i + 2]) : -1;
        if (low >= 0) {
            buf_append_octet(&run->octets, (uint8_t)(high * 16 + low));
            i += 2;
        } else {
            buf_append_octet(&run->octets, c == '_' ? ' ' : c);
        }
    }
}

/*
 * Base64 that the word before did not end goes on in this one: one digit alone is no octet, and bits that are left over
 * at the end of what is complete are zero.
 */
static void add_base64(struct run *run, struct bytes text)
{
    bool goes_on = run->count == 6 || (run->bits & ((1u << run->count) - 1)) != 0;
    run->count = goes_on ? run->count : 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = mail_decode_digit64(text.ptr[i]);
        if (digit >= 0) {
            run->bits = run->bits << 6 | (uint32_t)digit;
            run->count += 6;
        } else if (text.ptr[i] == '=') {
            run->count = 0;
        }
        if (run->count >= 8) {
            run->count -= 8;
            buf_append_octet(&run->octets, (uint8_t)(run->bits >> run->count));
        }
    }
}

static void end_run(struct run *run, struct buf *out)
{
    if (run->is_open) {
        run->clean = mail_charset_decode(run->charset, buf_bytes(&run->octets), out) && run->clean;
    }
    buf_clear(&run->octets);
    run->is_open = false;
    run->count = 0;
}

static void add_word(struct run *run, const struct word *word, struct buf *out)
{
    if (run->is_open && !mail_charset_same(run->charset, word->charset)) {
        end_run(run, out);
    }
    run->is_open = true;
    run->charset = word->charset;
    if (word->base64) {
        add_base64(run, word->text);
    } else {
        run->count = 0;
        add_quoted(run, word->text);
    }
}

static size_t count_blanks(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && strchr(" \t\r\n", text.ptr[len]) != NULL && text.ptr[len] != 0) {
        len++;
    }
    return len;
}

/* Text outside of words, in UTF-8. Pieces of a value that is UTF-8 as a whole are; those of another are windows-1252.
 */
static void put_text(struct bytes text, bool utf8, struct buf *out)
{
    mail_charset_decode(bytes_of(utf8 ? "utf-8" : "windows-1252"), text, out);
}

/* Where the next word begins, or the end. */
static size_t find_word(struct bytes value, size_t at, struct word *word_r)
{
    for (;;) {
        ptrdiff_t found = bytes_find(bytes_from(value, at), bytes_of("=?"));
        if (found < 0) {
            return value.len;
        }
        at += (size_t)found;
        if (word_at(bytes_from(value, at), word_r)) {
            return at;
        }
        at += 2;
    }
}

bool mail_words_decode(struct bytes value, struct buf *out)
{
    bool utf8 = bytes_is_utf8(value);
    struct run run = {.clean = true};
    buf_init(&run.octets, value.len + 1);
    for (size_t at = 0; at < value.len;) {
        struct word word;
        size_t next = find_word(value, at, &word);
        struct bytes between = bytes_slice(value, at, next - at);
        bool joins = run.is_open && next < value.len && count_blanks(between) == between.len;
        if (!joins) {
            end_run(&run, out);
            put_text(between, utf8, out);
        }
        if (next < value.len) {
            add_word(&run, &word, out);
            next += word.len;
        }
        at = next;
    }
    end_run(&run, out);
    buf_done(&run.octets);
    return run.clean;
}
