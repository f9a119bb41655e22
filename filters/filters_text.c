/*
 * filters_text - see filters_text.h. RFC 3629.
 */
#include "filters/filters_text.h"

#define REPLACEMENT 0xfffdu

/* Length of the sequence that the octet begins, 0 for none; *bits_r are the payload bits of it. */
static size_t sequence_length(uint8_t octet, uint32_t *bits_r)
{
    if (octet >= 0xc2 && octet <= 0xdf) {
        *bits_r = octet & 0x1fu;
        return 2;
    }
    if ((octet & 0xf0) == 0xe0) {
        *bits_r = octet & 0x0fu;
        return 3;
    }
    if (octet >= 0xf0 && octet <= 0xf4) {
        *bits_r = octet & 0x07u;
        return 4;
    }
    return 0;
}

size_t filters_text_next(struct bytes text, uint32_t *character_r)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t character = text.ptr[0];
    *character_r = character;
    if (character < 0x80) {
        return 1;
    }
    size_t len = sequence_length(text.ptr[0], &character);
    *character_r = REPLACEMENT;
    if (len == 0 || len > text.len) {
        return 1;
    }
    for (size_t i = 1; i < len; i++) {
        if ((text.ptr[i] & 0xc0) != 0x80) {
            return 1;
        }
        character = character << 6 | (text.ptr[i] & 0x3fu);
    }
    if (character < least[len] || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff)) {
        return 1;
    }
    *character_r = character;
    return len;
}

int filters_text_append(struct buf *out, uint32_t character)
{
    uint8_t octets[4];
    size_t len = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i > 1; i--) {
        octets[i - 1] = (uint8_t)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    octets[0] = (uint8_t)(lead[len] | character);
    return buf_append(out, octets, len);
}

int filters_text_valid(struct bytes text, struct buf *out)
{
    if (bytes_is_utf8(text)) {
        return buf_append_bytes(out, text);
    }
    int result = 0;
    while (text.len > 0) {
        uint32_t character;
        text = bytes_from(text, filters_text_next(text, &character));
        result |= filters_text_append(out, character);
    }
    return result;
}

struct bytes filters_text_cut(struct bytes text, size_t max)
{
    if (text.len <= max) {
        return text;
    }
    while (max > 0 && (text.ptr[max] & 0xc0) == 0x80) {
        max--;
    }
    return bytes_slice(text, 0, max);
}

bool filters_text_is_control(uint32_t character)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
        {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (character >= ranges[i].first && character <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

void filters_text_level(struct bytes text, size_t max, struct buf *out)
{
    size_t start = out->len;
    bool blank = false;
    while (text.len > 0) {
        uint32_t character;
        size_t len = filters_text_next(text, &character);
        text = bytes_from(text, len);
        bool is_blank = character == ' ' || character == '\t';
        if (is_blank && blank) {
            continue;
        }
        blank = is_blank;
        if (is_blank) {
            character = ' ';
        } else if (character == '/' || character == '*' || character == '%' || filters_text_is_control(character)) {
            character = '_';
        }
        if (out->len - start + 4 > max || filters_text_append(out, character) < 0) {
            return;
        }
    }
}

const char *filters_text_folder_error(const char *text)
{
    struct bytes rest = bytes_of(text);
    if (rest.len == 0) {
        return "a folder's name must not be empty";
    }
    while (rest.ptr != NULL) {
        struct bytes level = bytes_cut(&rest, '/');
        if (level.len == 0 || bytes_is(level, ".") || bytes_is(level, "..")) {
            return "a level of a folder's name must not be empty, \".\" or \"..\"; levels are separated by \"/\"";
        }
        if (bytes_trim(level).len != level.len) {
            return "a level of a folder's name must not begin or end with a blank";
        }
        while (level.len > 0) {
            uint32_t character;
            level = bytes_from(level, filters_text_next(level, &character));
            if (filters_text_is_control(character) || character == '*' || character == '%') {
                return "a folder's name must not have control characters, \"*\" or \"%\"";
            }
        }
    }
    return NULL;
}
