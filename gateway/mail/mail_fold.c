/*
 * mail_fold - words of a text, for searching. Contract: mail_fold.h.
 */
#include "mail/mail_fold.h"

#include <glib.h>

/* What stands between two words is one blank, however much of it there is. */
static void end_word(struct buf *out, size_t start)
{
    if (out->len > start && buf_bytes(out).ptr[out->len - 1] != ' ') {
        buf_append_octet(out, ' ');
    }
}

/* Nearly all headers are ASCII, and each message passes here: no allocation for those. */
static void fold_ascii(struct bytes text, struct buf *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (octet_is_alpha(c) || octet_is_digit(c)) {
            buf_append_octet(out, octet_lower(c));
        } else {
            end_word(out, start);
        }
    }
    end_word(out, start);
}

/* Scripts that write without blanks: CJK radicals to unified ideographs, Yi excepted, and the supplementary planes. */
static bool stands_alone(gunichar c)
{
    return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

static void fold_character(gunichar c, struct buf *out, size_t start)
{
    char octets[6];
    if (g_unichar_ismark(c)) {
        return;
    }
    if (!g_unichar_isalnum(c)) {
        end_word(out, start);
        return;
    }
    if (stands_alone(c)) {
        end_word(out, start);
    }
    buf_append(out, octets, (size_t)g_unichar_to_utf8(c, octets));
    if (stands_alone(c)) {
        end_word(out, start);
    }
}

void mail_fold_words(struct bytes text, struct buf *out)
{
    if (bytes_is_ascii(text)) {
        fold_ascii(text, out);
        return;
    }
    size_t start = out->len;
    /* Folding first: "ß" becomes "ss", which is one more letter and not a mark to be left out. */
    char *folded = g_utf8_casefold((const char *)text.ptr, (gssize)text.len);
    char *parts = folded == NULL ? NULL : g_utf8_normalize(folded, -1, G_NORMALIZE_ALL);
    for (const char *at = parts; at != NULL && *at != '\0'; at = g_utf8_next_char(at)) {
        fold_character(g_utf8_get_char(at), out, start);
    }
    end_word(out, start);
    g_free(parts);
    g_free(folded);
}
