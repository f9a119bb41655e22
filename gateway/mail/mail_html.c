/*
 * mail_html - see mail_html.h.
 */
#include "mail/mail_html.h"

#include <string.h>

#include "mail/mail_text.h"

#define ENTITY_MAX   32
#define HIDDEN_DEPTH 64   /* elements in each other within a hidden one */
#define CHARSET_LOOK 2048 /* octets in which a page names its character set */

/* From U+00A0 on, in order. */
static const char *const latin[] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",   "ordf",
    "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",   "acute",  "micro",
    "para",   "middot", "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave",
    "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",
    "Igrave", "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",
    "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute",
    "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil", "egrave", "eacute", "ecirc",  "euml",   "igrave",
    "iacute", "icirc",  "iuml",   "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide",
    "oslash", "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

static const struct {
    const char *name;
    uint32_t character;
} others[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},      {"apos", '\''},
    {"euro", 0x20ac},   {"trade", 0x2122},  {"hellip", 0x2026}, {"ndash", 0x2013},  {"mdash", 0x2014},
    {"lsquo", 0x2018},  {"rsquo", 0x2019},  {"ldquo", 0x201c},  {"rdquo", 0x201d},  {"sbquo", 0x201a},
    {"bdquo", 0x201e},  {"lsaquo", 0x2039}, {"rsaquo", 0x203a}, {"bull", 0x2022},   {"dagger", 0x2020},
    {"permil", 0x2030}, {"OElig", 0x152},   {"oelig", 0x153},   {"Scaron", 0x160},  {"scaron", 0x161},
    {"Yuml", 0x178},    {"fnof", 0x192},    {"larr", 0x2190},   {"uarr", 0x2191},   {"rarr", 0x2192},
    {"darr", 0x2193},   {"ne", 0x2260},     {"le", 0x2264},     {"ge", 0x2265},     {"infin", 0x221e},
    {"minus", 0x2212},  {"zwnj", 0x200c},   {"zwj", 0x200d},    {"ensp", ' '},      {"emsp", ' '},
    {"thinsp", ' '},    {"colon", ':'},     {"comma", ','},     {"period", '.'},    {"sol", '/'},
    {"excl", '!'},      {"num", '#'},       {"dollar", '$'},    {"percnt", '%'},    {"lpar", '('},
    {"rpar", ')'},      {"commat", '@'},    {"lowbar", '_'},    {"hyphen", 0x2010}, {"NewLine", ' '},
    {"Tab", ' '},
};

/* What takes no room is none of the text, and U+00A0 is a blank. */
static int append_character(struct buf *out, uint32_t c)
{
    if (c < 0x20 || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff) {
        c = c == '\t' || c == '\n' || c == '\r' ? ' ' : 0xfffd;
    }
    c = c == 0xa0 ? ' ' : c;
    uint8_t octets[4];
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i > 1; i--, c >>= 6) {
        octets[i - 1] = (uint8_t)(0x80 | (c & 0x3f));
    }
    octets[0] = (uint8_t)(lead[len] | c);
    if (mail_text_invisible(bytes_at(octets, len)) > 0) {
        return 0;
    }
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

static bool named_reference(struct bytes name, uint32_t *character_r)
{
    for (size_t i = 0; i < sizeof latin / sizeof *latin; i++) {
        if (bytes_is(name, latin[i])) {
            *character_r = i == 0 ? ' ' : 0xa0 + (uint32_t)i;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (bytes_is(name, others[i].name)) {
            *character_r = others[i].character;
            return true;
        }
    }
    return false;
}

/* "&amp;" and its like at the head of html: how many octets it takes, 0 when it is none. */
static size_t reference(struct bytes html, uint32_t *character_r)
{
    ptrdiff_t end = bytes_find_octet(bytes_slice(html, 0, ENTITY_MAX), ';');
    if (end < 2) {
        return 0;
    }
    struct bytes name = bytes_slice(html, 1, (size_t)end - 1);
    if (name.ptr[0] == '#') {
        bool hex = name.len > 1 && octet_lower(name.ptr[1]) == 'x';
        return numeric_reference(bytes_from(name, hex ? 2 : 1), hex ? 16 : 10, character_r) ? (size_t)end + 1 : 0;
    }
    return named_reference(name, character_r) ? (size_t)end + 1 : 0;
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

/* ---- what is not shown ---- */

/* The value of the attribute of the tag; ptr NULL when it has none. An attribute without a value has an empty one. */
static struct bytes attribute(struct bytes tag, const char *name)
{
    size_t at = 1 + tag_name(tag).len;
    while (at < tag.len && tag.ptr[at] != '>') {
        size_t start = at;
        while (at < tag.len && strchr(" \t\r\n/=>", tag.ptr[at]) == NULL) {
            at++;
        }
        struct bytes key = bytes_slice(tag, start, at - start), value = bytes_of("");
        if (at < tag.len && tag.ptr[at] == '=') {
            uint8_t quote = at + 1 < tag.len ? tag.ptr[at + 1] : 0;
            bool quoted = quote == '"' || quote == '\'';
            struct bytes rest = bytes_from(tag, at + (quoted ? 2 : 1));
            size_t len = 0;
            while (len < rest.len && (quoted ? rest.ptr[len] != quote : strchr(" \t\r\n>", rest.ptr[len]) == NULL)) {
                len++;
            }
            value = bytes_slice(rest, 0, len);
            at += len + (quoted ? 3 : 1);
        } else if (at < tag.len && tag.ptr[at] != '>') {
            at += at == start || strchr(" \t\r\n/", tag.ptr[at]) != NULL ? 1 : 0;
        }
        if (key.len > 0 && bytes_is_nocase(key, name)) {
            return value;
        }
    }
    return bytes_at(NULL, 0);
}

/* Whether the last declaration of "display" (CSS) that counts is "none". */
static bool displays_nothing(struct bytes style)
{
    bool none = false, important = false;
    while (style.len > 0) {
        struct bytes value = bytes_cut(&style, ';');
        struct bytes name = bytes_trim(bytes_cut(&value, ':'));
        value = bytes_trim(value);
        bool more = bytes_find_octet(value, '!') >= 0;
        if (bytes_is_nocase(name, "display") && (more || !important)) {
            none = bytes_starts_nocase(value, "none");
            important = more;
        }
    }
    return none;
}

static bool is_void(struct bytes name)
{
    static const char *const names[] = {"area", "base", "br",    "col",    "embed", "hr",  "img", "input",
                                        "link", "meta", "param", "source", "track", "wbr", NULL};
    return is_one_of(name, names);
}

static bool is_hidden(struct bytes tag, struct bytes name)
{
    return name.len > 0 && name.ptr[0] != '/' && !is_void(name) &&
           (attribute(tag, "hidden").ptr != NULL || displays_nothing(attribute(tag, "style")));
}

/* A start tag that ends a paragraph or an item, so that what follows is shown again. */
static bool ends_paragraph(struct bytes hidden, struct bytes name)
{
    static const char *const blocks[] = {
        "p",  "div", "table", "ul", "ol", "li", "tr", "td", "th",         "pre",     "form",    "hr",     "h1",
        "h2", "h3",  "h4",    "h5", "h6", "dl", "dt", "dd", "blockquote", "section", "article", "center", NULL};
    static const char *const implied[] = {"p", "li", "td", "th", "tr", "dt", "dd", "option", NULL};
    return is_one_of(hidden, implied) &&
           (bytes_equal_nocase(hidden, name) || (bytes_is_nocase(hidden, "p") && is_one_of(name, blocks)));
}

/*
 * The length of what the hidden element holds, up to the tag that ends it. In doubt it ends early, for what is shown
 * must be seen: at an end tag of what was opened outside.
 */
static size_t hidden_element(struct bytes html, struct bytes hidden)
{
    struct bytes open[HIDDEN_DEPTH];
    size_t depth = 0, at = 0;
    while (at < html.len) {
        const uint8_t *next = memchr(html.ptr + at, '<', html.len - at);
        if (next == NULL) {
            break;
        }
        at = (size_t)(next - html.ptr);
        struct bytes rest = bytes_from(html, at);
        bool is_comment = bytes_starts_nocase(rest, "<!--");
        ptrdiff_t comment = is_comment ? bytes_find(rest, bytes_of("-->")) : -1;
        if (is_comment && comment < 0) {
            return html.len; /* nothing behind it is seen either */
        }
        size_t len = comment >= 0 ? (size_t)comment + 3 : tag_length(rest);
        struct bytes name = comment >= 0 || len == 0 ? bytes_of("") : tag_name(bytes_slice(rest, 0, len));
        if (name.len > 0 && name.ptr[0] == '/') {
            while (depth > 0 && !bytes_equal_nocase(open[depth - 1], bytes_from(name, 1))) {
                depth--;
            }
            if (depth == 0) {
                return at;
            }
            depth--;
        } else if (depth == 0 && ends_paragraph(hidden, name)) {
            return at;
        } else if (name.len > 0 && octet_is_alpha(name.ptr[0]) && !is_void(name)) {
            if (depth == HIDDEN_DEPTH) {
                return at;
            }
            open[depth++] = name;
        }
        at += len > 0 ? len : 1;
    }
    return html.len;
}

struct bytes mail_html_charset(struct bytes html)
{
    html = bytes_slice(html, 0, CHARSET_LOOK);
    for (size_t at = 0; at < html.len; at++) {
        struct bytes rest = bytes_from(html, at);
        if (html.ptr[at] != '<' || !bytes_starts_nocase(rest, "<meta")) {
            continue;
        }
        struct bytes tag = bytes_slice(rest, 0, tag_length(rest));
        struct bytes name = attribute(tag, "charset"), content = attribute(tag, "content");
        for (size_t i = 0; name.ptr == NULL && i < content.len; i++) {
            if (bytes_starts_nocase(bytes_from(content, i), "charset=")) {
                name = bytes_from(content, i + 8);
                name = bytes_trim(bytes_cut(&name, ';'));
            }
        }
        if (name.len > 0) {
            return name;
        }
    }
    return bytes_of("");
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
    if (is_hidden(tag, name)) {
        return len + hidden_element(bytes_from(html, len), name);
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

static bool is_nbsp(struct bytes html)
{
    return html.len >= 2 && html.ptr[0] == 0xc2 && html.ptr[1] == 0xa0;
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
            disregard(append_character(out, character));
            c = character == ' ' || character == 0xa0 ? ' ' : 'x';
        } else if (c <= ' ' || is_nbsp(html)) { /* runs of blanks are one */
            buf_append_text(out, blank ? "" : " ");
            len = c <= ' ' ? 1 : 2;
            c = ' ';
        } else {
            len = mail_text_invisible(html);
            if (len > 0) {
                html = bytes_from(html, len);
                continue;
            }
            len = 1;
            buf_append_octet(out, c);
        }
        blank = c <= ' ';
        html = bytes_from(html, len);
    }
    return out->full ? -1 : 0;
}
