/*
 * mail_charset_shift - see mail_charset_shift.h.
 */
#include "mail/mail_charset_shift.h"

#define SINGLE_SHIFT_2 0x8e /* in front of a katakana */
#define SINGLE_SHIFT_3 0x8f /* in front of a pair of JIS X 0212 */

enum set { ROMAN, KATAKANA, PAIRS, MORE_PAIRS };

static const struct {
    const char *escape;
    enum set set;
} escapes[] = {
    {"\x1b(B", ROMAN},  {"\x1b(J", ROMAN}, {"\x1b(H", ROMAN},  {"\x1b(I", KATAKANA}, {"\x1b$@", PAIRS},
    {"\x1b$(@", PAIRS}, {"\x1b$B", PAIRS}, {"\x1b$(B", PAIRS}, {"\x1b&@", ROMAN},    {"\x1b$(D", MORE_PAIRS},
};

/* The escape at the head of octets: its length, 0 when there is none. */
static size_t escape_at(struct bytes octets, enum set *set_r)
{
    for (size_t i = 0; octets.ptr[0] == 0x1b && i < sizeof escapes / sizeof *escapes; i++) {
        struct bytes escape = bytes_of(escapes[i].escape);
        if (bytes_equal(bytes_slice(octets, 0, escape.len), escape)) {
            *set_r = escapes[i].set;
            return escape.len;
        }
    }
    return 0;
}

static bool is_94(uint8_t c)
{
    return c > ' ' && c < 0x7f;
}

/* A character of the set: its length in octets. What is none of it stays as it is. */
static size_t put_characters(struct bytes octets, enum set set, struct buf *out)
{
    uint8_t c = octets.ptr[0];
    bool pair = octets.len > 1 && is_94(c) && is_94(octets.ptr[1]) && (set == PAIRS || set == MORE_PAIRS);
    if (pair || (set == KATAKANA && is_94(c))) {
        if (set != PAIRS) {
            buf_append_octet(out, set == KATAKANA ? SINGLE_SHIFT_2 : SINGLE_SHIFT_3);
        }
        buf_append_octet(out, c | 0x80);
        if (pair) {
            buf_append_octet(out, octets.ptr[1] | 0x80);
        }
        return pair ? 2 : 1;
    }
    buf_append_octet(out, c);
    return 1;
}

bool mail_charset_shift_jp(struct bytes octets, struct buf *out)
{
    static const char *const of_0213[] = {"\x1b$(O", "\x1b$(P", "\x1b$(Q"};
    for (size_t i = 0; i < sizeof of_0213 / sizeof *of_0213; i++) {
        if (bytes_find(octets, bytes_of(of_0213[i])) >= 0) {
            return false;
        }
    }
    enum set set = ROMAN;
    while (octets.len > 0) {
        size_t len = escape_at(octets, &set);
        if (len == 0) {
            set = octets.ptr[0] == '\n' ? ROMAN : set; /* RFC 1468: each line begins so */
            len = put_characters(octets, set, out);
        }
        octets = bytes_from(octets, len);
    }
    return true;
}

void mail_charset_shift_hz(struct bytes octets, struct buf *out)
{
    enum set set = ROMAN;
    while (octets.len > 0) {
        uint8_t next = octets.ptr[0] == '~' && octets.len > 1 ? octets.ptr[1] : 0;
        size_t len = 2;
        if (next == '{' || next == '}') {
            set = next == '{' ? PAIRS : ROMAN;
        } else if (next == '~' && set == ROMAN) {
            buf_append_octet(out, '~');
        } else if (next != '\n') { /* "~" at the end of a line joins it to the next */
            set = octets.ptr[0] == '\n' ? ROMAN : set;
            len = put_characters(octets, set, out);
        }
        octets = bytes_from(octets, len);
    }
}
