/*
 * imap_name - modified UTF-7 and the mapping of levels; see imap_name.h.
 */
#include "proto/imap_name.h"

#include <string.h>

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* Takes one character of valid UTF-8 off *text. */
static uint32_t take_character(struct bytes *text)
{
    uint8_t first = text->ptr[0];
    size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t c = first & masks[len];
    for (size_t i = 1; i < len; i++) {
        c = (c << 6) | (text->ptr[i] & 0x3Fu);
    }
    *text = bytes_from(*text, len);
    return c;
}

/* The bits of a shifted part that wait for a whole letter. */
struct shift {
    bool open;
    uint32_t bits;
    unsigned count;
};

static int put_unit(struct buf *out, struct shift *shift, uint32_t unit)
{
    int result = 0;
    if (!shift->open) {
        shift->open = true;
        result |= buf_append_octet(out, '&');
    }
    shift->bits = (shift->bits << 16) | unit;
    shift->count += 16;
    while (shift->count >= 6) {
        shift->count -= 6;
        result |= buf_append_octet(out, (uint8_t)base64_letters[(shift->bits >> shift->count) & 63]);
    }
    shift->bits &= 63;
    return result;
}

static int close_shift(struct buf *out, struct shift *shift)
{
    int result = 0;
    /* "-" always: modified UTF-7 has no implicit way back to ASCII (RFC 3501 section 5.1.3). */
    if (shift->open) {
        if (shift->count > 0) {
            result |= buf_append_octet(out, (uint8_t)base64_letters[(shift->bits << (6 - shift->count)) & 63]);
        }
        result |= buf_append_octet(out, '-');
    }
    *shift = (struct shift){0};
    return result;
}

int imap_name_encode(struct buf *out, struct bytes text)
{
    struct shift shift = {0};
    int result = 0;
    if (!bytes_is_utf8(text)) {
        return -1;
    }
    while (text.len > 0) {
        uint32_t c = take_character(&text);
        /* UTF-7 could carry control characters, and every list of folders would bring them to a terminal. */
        if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
            return -1;
        }
        if (c < 0x7F) {
            result |= close_shift(out, &shift);
            result |= buf_append_octet(out, (uint8_t)c);
            result |= c == '&' ? buf_append_octet(out, '-') : 0;
        } else if (c < 0x10000) {
            result |= put_unit(out, &shift, c);
        } else {
            result |= put_unit(out, &shift, 0xD800 + ((c - 0x10000) >> 10));
            result |= put_unit(out, &shift, 0xDC00 + ((c - 0x10000) & 0x3FF));
        }
    }
    result |= close_shift(out, &shift);
    return result < 0 ? -1 : 0;
}

/* ---- the way back, for names that servers list ---- */

static int put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        return buf_append_octet(out, (uint8_t)c);
    }
    uint8_t octets[4];
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--) {
        octets[i] = (uint8_t)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    octets[0] = (uint8_t)(heads[len] | c);
    return buf_append(out, octets, len);
}

/* One UTF-16 unit; *high holds the first half of a pair. */
static int take_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    bool is_low = unit >= 0xDC00 && unit < 0xE000;
    if (is_low != (*high != 0)) {
        return -1;
    }
    if (is_low) {
        uint32_t c = 0x10000 + ((*high - 0xD800) << 10) + (unit - 0xDC00);
        *high = 0;
        return put_utf8(out, c);
    }
    if (unit >= 0xD800 && unit < 0xDC00) {
        *high = unit;
        return 0;
    }
    return unit < 0x20 ? -1 : put_utf8(out, unit);
}

static int decode_shifted(struct buf *out, struct bytes letters)
{
    uint32_t bits = 0, high = 0;
    unsigned count = 0;
    for (size_t i = 0; i < letters.len; i++) {
        const char *at = letters.ptr[i] == 0 ? NULL : strchr(base64_letters, letters.ptr[i]);
        if (at == NULL) {
            return -1;
        }
        bits = (bits << 6) | (uint32_t)(at - base64_letters);
        count += 6;
        if (count >= 16) {
            count -= 16;
            if (take_unit(out, (bits >> count) & 0xFFFF, &high) < 0) {
                return -1;
            }
        }
        bits &= 0xFFFF;
    }
    return high != 0 || count >= 6 ? -1 : 0;
}

int imap_name_decode(struct buf *out, struct bytes name)
{
    while (name.len > 0) {
        uint8_t c = name.ptr[0];
        if (c < 0x20 || c >= 0x7F) {
            return -1;
        }
        name = bytes_from(name, 1);
        if (c != '&') {
            if (buf_append_octet(out, c) < 0) {
                return -1;
            }
            continue;
        }
        ptrdiff_t end = bytes_find_octet(name, '-');
        if (end < 0) {
            return -1;
        }
        int result = end == 0 ? buf_append_octet(out, '&') : decode_shifted(out, bytes_slice(name, 0, (size_t)end));
        if (result < 0) {
            return -1;
        }
        name = bytes_from(name, (size_t)end + 1);
    }
    return 0;
}

/* ---- levels ---- */

static int join_levels(struct buf *out, struct bytes folder, char delimiter)
{
    int result = 0;
    while (folder.len > 0) {
        struct bytes level = bytes_cut(&folder, '/');
        if (level.len == 0) {
            continue;
        }
        if (out->len > 0) {
            result |= buf_append_octet(out, (uint8_t)(delimiter != 0 ? delimiter : '_'));
        }
        if (out->len == 0 && bytes_is_nocase(level, "INBOX")) {
            level =
                bytes_of("INBOX"); /* RFC 9051 section 5.1: its case does not count, below it some servers count it */
        }
        for (size_t i = 0; i < level.len; i++) {
            result |= buf_append_octet(out, level.ptr[i] == (uint8_t)delimiter ? '_' : level.ptr[i]);
        }
    }
    return result < 0 || out->len == 0 ? -1 : 0;
}

/* Whether the name lies in the namespace: it begins with its prefix, or is the prefix without the delimiter. */
static bool is_inside(struct bytes name, const struct imap_namespace *space)
{
    struct bytes prefix = bytes_of(space->prefix);
    bool inbox = bytes_starts_nocase(prefix, "INBOX");
    if (name.len + 1 == prefix.len && prefix.ptr[name.len] == (uint8_t)space->delimiter) {
        prefix.len--;
    }
    struct bytes head = bytes_slice(name, 0, prefix.len);
    return prefix.len > 0 && (inbox ? bytes_equal_nocase(head, prefix) : bytes_equal(head, prefix));
}

const struct imap_namespace *imap_name_space(struct bytes name, const struct imap_namespaces *namespaces)
{
    for (size_t i = 1; i < namespaces->count; i++) {
        if (is_inside(name, &namespaces->items[i])) {
            return &namespaces->items[i];
        }
    }
    return namespaces->count > 0 ? &namespaces->items[0] : NULL;
}

/* The delimiter that stands behind the first level in the namespace that has it as prefix, else the personal one. */
static const struct imap_namespace *space_of(struct bytes folder, const struct imap_namespaces *namespaces)
{
    for (size_t i = 1; i < namespaces->count; i++) {
        const struct imap_namespace *space = &namespaces->items[i];
        struct bytes prefix = bytes_of(space->prefix);
        struct bytes rest = folder;
        while (prefix.len > 0 && rest.len > 0 &&
               (prefix.ptr[0] == rest.ptr[0] || (rest.ptr[0] == '/' && prefix.ptr[0] == (uint8_t)space->delimiter))) {
            prefix = bytes_from(prefix, 1);
            rest = bytes_from(rest, 1);
        }
        if (prefix.len == 0 && space->prefix[0] != 0) {
            return space;
        }
    }
    return namespaces->count > 0 ? &namespaces->items[0] : NULL;
}

int imap_name_map(struct buf *out, struct bytes folder, const struct imap_namespaces *namespaces, bool utf8)
{
    while (folder.len > 0 && folder.ptr[0] == '/') {
        folder = bytes_from(folder, 1);
    }
    const struct imap_namespace *space = space_of(folder, namespaces);
    struct buf joined, encoded;
    buf_init(&joined, IMAP_NAME_MAX);
    buf_init(&encoded, IMAP_NAME_MAX);
    int result = join_levels(&joined, folder, space != NULL ? space->delimiter : '/');
    if (result == 0) {
        result = imap_name_encode(&encoded, buf_bytes(&joined));
    }
    struct bytes name = buf_bytes(utf8 ? &joined : &encoded);
    if (result == 0 && space != NULL && space->prefix[0] != 0 && !bytes_is_nocase(name, "INBOX") &&
        !is_inside(name, space)) {
        result = buf_append_text(out, space->prefix);
    }
    if (result == 0) {
        result = out->len + name.len > IMAP_NAME_MAX ? -1 : buf_append_bytes(out, name);
    }
    buf_done(&joined);
    buf_done(&encoded);
    return result;
}

int imap_name_unmap(struct buf *out, struct bytes name, char delimiter, bool utf8)
{
    struct buf decoded;
    buf_init(&decoded, IMAP_NAME_MAX * 2);
    int result = utf8 ? buf_append_bytes(&decoded, name) : imap_name_decode(&decoded, name);
    struct bytes text = buf_bytes(&decoded);
    result = text.len == 0 || bytes_has_control(text) || !bytes_is_utf8(text) ? -1 : result;
    size_t level = 0; /* octets of this one */
    for (size_t i = 0; i < text.len && result == 0; i++) {
        bool divides = delimiter != 0 && text.ptr[i] == (uint8_t)delimiter;
        bool wrong = divides ? level == 0 : text.ptr[i] == '/';
        level = divides ? 0 : level + 1;
        result = wrong ? -1 : buf_append_octet(out, divides ? '/' : text.ptr[i]);
    }
    buf_done(&decoded);
    return result;
}
