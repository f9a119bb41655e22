/*
 * mail_text - see mail_text.h.
 */
#include "mail/mail_text.h"

#include <string.h>

int mail_text_lines(struct bytes text, struct buf *out)
{
    while (text.len > 0) {
        const uint8_t *cr = memchr(text.ptr, '\r', text.len);
        size_t len = cr == NULL ? text.len : (size_t)(cr - text.ptr);
        if (buf_append_bytes(out, bytes_slice(text, 0, len)) < 0 || (cr != NULL && buf_append_octet(out, '\n') < 0)) {
            return -1;
        }
        bool pair = len + 1 < text.len && text.ptr[len + 1] == '\n';
        text = bytes_from(text, cr == NULL ? len : len + (pair ? 2 : 1));
    }
    return 0;
}

/* The line at the head of *rest without its LF; *ended_r tells whether it has one. */
static struct bytes next_line(struct bytes *rest, bool *ended_r)
{
    *ended_r = bytes_find_octet(*rest, '\n') >= 0;
    return bytes_cut(rest, '\n');
}

static size_t quote_depth(struct bytes line)
{
    size_t depth = 0;
    while (depth < line.len && line.ptr[depth] == '>') {
        depth++;
    }
    return depth;
}

/* The signature's mark ends in a blank and is no soft line end (RFC 3676 section 4.3). */
static bool ends_softly(struct bytes text)
{
    return text.len > 0 && text.ptr[text.len - 1] == ' ' && !bytes_is(text, "-- ");
}

int mail_text_flowed(struct bytes lines, bool del_sp, struct buf *out)
{
    size_t depth_before = 0;
    bool flows = false; /* the line before ends softly */
    while (lines.len > 0 && !out->full) {
        bool ended;
        struct bytes line = next_line(&lines, &ended);
        size_t depth = quote_depth(line);
        struct bytes text = bytes_from(line, depth);
        if (text.len > 0 && text.ptr[0] == ' ') {
            text = bytes_from(text, 1); /* space-stuffed (RFC 3676 section 4.4) */
        }
        if (flows && depth != depth_before) { /* another's words: the paragraph ends (section 4.5) */
            buf_append_text(out, "\n");
            flows = false;
        }
        if (!flows && depth > 0) {
            buf_append_bytes(out, bytes_slice(line, 0, depth));
            buf_append_text(out, " ");
        }
        bool soft = ended && ends_softly(text);
        buf_append_bytes(out, soft && del_sp ? bytes_slice(text, 0, text.len - 1) : text);
        buf_append_text(out, ended && !soft ? "\n" : "");
        depth_before = depth;
        flows = soft;
    }
    return out->full ? -1 : 0;
}

size_t mail_text_invisible(struct bytes text)
{
    static const char *const characters[] = {
        "\xc2\xad",     "\xe1\xa0\x8e", "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e", "\xe2\x80\x8f",
        "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa0", "\xe2\x81\xa1",
        "\xe2\x81\xa2", "\xe2\x81\xa3", "\xe2\x81\xa4", "\xcd\x8f",     "\xef\xbb\xbf", NULL,
    };
    if (text.len < 2 || text.ptr[0] < 0xc2 || strchr("\xc2\xcd\xe1\xe2\xef", text.ptr[0]) == NULL) {
        return 0;
    }
    for (size_t i = 0; characters[i] != NULL; i++) {
        size_t len = strlen(characters[i]);
        if (text.len >= len && memcmp(text.ptr, characters[i], len) == 0) {
            return len;
        }
    }
    return 0;
}

/* Appends the text without its invisible characters; true when there were any. */
static bool put_visible(struct bytes text, struct buf *out)
{
    if (bytes_is_ascii(text)) {
        buf_append_bytes(out, text);
        return false;
    }
    bool any = false;
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t len = text.ptr[i] < 0xc2 ? 0 : mail_text_invisible(bytes_from(text, i));
        if (len > 0) {
            buf_append_bytes(out, bytes_slice(text, from, i - from));
            i += len - 1;
            from = i + 1;
            any = true;
        }
    }
    buf_append_bytes(out, bytes_from(text, from));
    return any;
}

bool mail_text_paragraphs(struct bytes lines, struct buf *out)
{
    bool joined = false, open = false, any = false;
    while (lines.len > 0 && !out->full) {
        bool ended;
        struct bytes line = next_line(&lines, &ended);
        while (line.len > 0 && (line.ptr[0] == '>' || line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
            line = bytes_from(line, 1);
        }
        line = bytes_trim(line);
        if (line.len == 0) {
            buf_append_text(out, open ? "\n" : "");
            open = false;
            continue;
        }
        buf_append_text(out, open ? " " : "");
        joined = joined || open;
        any = put_visible(line, out) || any;
        open = true;
    }
    buf_append_text(out, open ? "\n" : "");
    return joined || any;
}
