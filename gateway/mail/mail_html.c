/*
 * mail_html - see mail_html.h.
 */
#include "mail/mail_html.h"

#include <string.h>

#define ENTITY_MAX 32

static int append_character(struct buf *out, uint32_t c)
{
    if (c < 0x20 || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff) {
        c = c == '\t' || c == '\n' || c == '\r' ? ' ' : 0xfffd;
    }
    uint8_t octets[4];
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i > 1; i--, c >>= 6) {
        octets[i - 1] = (uint8_t)(0x80 | (c & 0x3f));
    }
    octets[0] = (uint8_t)(lead[len] | c);
    return buf_append(out, octets, len);
}

static bool numeric_reference(struct bytes digits, uint32_t base, uint32_t *character_r)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        uint8_t c = octet_lower(digits.ptr[i]);
        uint32_t digit = octet_is_digit(c) ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : 99;
        if (digit >= base || value > 0x110000) {
            return false;
        }
        value = value * base + digit;
    }
    *character_r = value;
    return digits.len > 0;
}

/* "&amp;" and its like at the head of html: how many octets it takes, 0 when it is none. */
static size_t reference(struct bytes html, uint32_t *character_r)
{
    static const struct {
        const char *name;
        uint32_t character;
    } names[] = {
        {"amp", '&'},      {"lt", '<'},       {"gt", '>'},        {"quot", '"'},     {"apos", '\''},
        {"nbsp", ' '},     {"auml", 0xe4},    {"ouml", 0xf6},     {"uuml", 0xfc},    {"Auml", 0xc4},
        {"Ouml", 0xd6},    {"Uuml", 0xdc},    {"szlig", 0xdf},    {"eacute", 0xe9},  {"egrave", 0xe8},
        {"agrave", 0xe0},  {"aacute", 0xe1},  {"ccedil", 0xe7},   {"ntilde", 0xf1},  {"oacute", 0xf3},
        {"iacute", 0xed},  {"uacute", 0xfa},  {"euro", 0x20ac},   {"pound", 0xa3},   {"copy", 0xa9},
        {"reg", 0xae},     {"trade", 0x2122}, {"hellip", 0x2026}, {"ndash", 0x2013}, {"mdash", 0x2014},
        {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"ldquo", 0x201c},  {"rdquo", 0x201d}, {"bull", 0x2022},
        {"middot", 0xb7},  {"laquo", 0xab},   {"raquo", 0xbb},    {"zwnj", 0x200c},  {"shy", 0xad},
    };
    ptrdiff_t end = bytes_find_octet(bytes_slice(html, 0, ENTITY_MAX), ';');
    if (end < 2) {
        return 0;
    }
    struct bytes name = bytes_slice(html, 1, (size_t)end - 1);
    if (name.ptr[0] == '#') {
        bool hex = name.len > 1 && octet_lower(name.ptr[1]) == 'x';
        return numeric_reference(bytes_from(name, hex ? 2 : 1), hex ? 16 : 10, character_r) ? (size_t)end + 1 : 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (bytes_is(name, names[i].name)) {
            *character_r = names[i].character;
            return (size_t)end + 1;
        }
    }
    return 0;
}

/* The length of the tag at the head of html, quotes in attributes respected; a "<" that begins none counts as 0. */
static size_t tag_length(struct bytes html)
{
    if (html.len < 2 ||
        !(octet_is_alpha(html.ptr[1]) || html.ptr[1] == '/' || html.ptr[1] == '!' || html.ptr[1] == '?')) {
        return 0;
    }
    uint8_t quote = 0;
    for (size_t i = 1; i < html.len; i++) {
        uint8_t c = html.ptr[i];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '>') {
            return i + 1;
        } else if ((c == '"' || c == '\'') && html.ptr[i - 1] == '=') {
            quote = c;
        }
    }
    return html.len; /* it never ends: nothing behind it is seen by a reader either */
}

static struct bytes tag_name(struct bytes tag)
{
    size_t end = 1;
    while (end < tag.len &&
           (octet_is_alpha(tag.ptr[end]) || octet_is_digit(tag.ptr[end]) || (end == 1 && tag.ptr[end] == '/'))) {
        end++;
    }
    return bytes_slice(tag, 1, end - 1);
}

static bool is_one_of(struct bytes name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (bytes_is_nocase(name, *names)) {
            return true;
        }
    }
    return false;
}

/* Past the end tag of an element whose contents nobody sees. */
static size_t hidden_length(struct bytes html, struct bytes name)
{
    for (size_t i = 0; i + name.len + 2 <= html.len; i++) {
        const uint8_t *next = memchr(html.ptr + i, '<', html.len - i);
        if (next == NULL) {
            break;
        }
        i = (size_t)(next - html.ptr);
        if (i + 2 + name.len <= html.len && html.ptr[i + 1] == '/' &&
            bytes_equal_nocase(bytes_slice(html, i + 2, name.len), name)) {
            return i;
        }
    }
    return html.len;
}

static void link_target(struct bytes tag, struct buf *out)
{
    for (size_t i = 2; i + 6 < tag.len; i++) {
        if (octet_lower(tag.ptr[i]) != 'h' || !bytes_starts_nocase(bytes_from(tag, i), "href=")) {
            continue;
        }
        struct bytes rest = bytes_from(tag, i + 5);
        bool quoted = rest.ptr[0] == '"' || rest.ptr[0] == '\'';
        struct bytes value = bytes_from(rest, quoted ? 1 : 0);
        ptrdiff_t end = bytes_find_octet(value, quoted ? rest.ptr[0] : '>');
        buf_append_text(out, " <");
        buf_append_bytes(out, bytes_slice(value, 0, end < 0 ? value.len : (size_t)end));
        buf_append_text(out, "> ");
        return;
    }
}

/* What a tag gives to the text; returns how much of html it and what it hides take. */
static size_t put_tag(struct bytes html, size_t len, struct buf *out)
{
    static const char *const lines[] = {"br", "p",  "/p", "div", "/div",  "tr",     "/tr", "li",
                                        "h1", "h2", "h3", "h4",  "table", "/table", "hr",  NULL};
    static const char *const hidden[] = {"script", "style", "title", NULL};
    struct bytes tag = bytes_slice(html, 0, len);
    if (bytes_starts_nocase(html, "<!--")) {
        ptrdiff_t end = bytes_find(html, bytes_of("-->"));
        return end < 0 ? html.len : (size_t)end + 3;
    }
    struct bytes name = tag_name(tag);
    if (is_one_of(name, hidden)) {
        return len + hidden_length(bytes_from(html, len), name);
    }
    if (is_one_of(name, lines)) {
        buf_append_text(out, "\n");
    } else if (bytes_is_nocase(name, "td") || bytes_is_nocase(name, "th")) {
        buf_append_text(out, " ");
    } else if (bytes_is_nocase(name, "a")) {
        link_target(tag, out);
    }
    return len;
}

int mail_html_text(struct bytes html, struct buf *out)
{
    bool blank = true;
    while (html.len > 0 && !out->full) {
        uint8_t c = html.ptr[0];
        uint32_t character;
        size_t len = c == '<' ? tag_length(html) : 0;
        if (len > 0) {
            html = bytes_from(html, put_tag(html, len, out));
            continue;
        }
        len = c == '&' ? reference(html, &character) : 0;
        if (len > 0) {
            append_character(out, character);
        } else if (c <= ' ') { /* runs of blanks are one */
            buf_append_text(out, blank ? "" : " ");
            len = 1;
        } else {
            len = 1;
            buf_append_octet(out, c);
        }
        blank = c <= ' ';
        html = bytes_from(html, len);
    }
    return out->full ? -1 : 0;
}
