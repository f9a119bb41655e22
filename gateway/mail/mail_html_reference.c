/*
 * mail_html_reference - see mail_html_reference.h.
 */
#include "mail/mail_html_reference.h"

#include <string.h>

#include "mail/mail_charset.h"

#define NAME_MAX_LEN 32

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
    {"amp", '&'},        {"lt", '<'},        {"gt", '>'},
    {"quot", '"'},       {"apos", '\''},     {"euro", 0x20ac},
    {"trade", 0x2122},   {"hellip", 0x2026}, {"ndash", 0x2013},
    {"mdash", 0x2014},   {"lsquo", 0x2018},  {"rsquo", 0x2019},
    {"ldquo", 0x201c},   {"rdquo", 0x201d},  {"sbquo", 0x201a},
    {"bdquo", 0x201e},   {"lsaquo", 0x2039}, {"rsaquo", 0x203a},
    {"bull", 0x2022},    {"dagger", 0x2020}, {"permil", 0x2030},
    {"OElig", 0x152},    {"oelig", 0x153},   {"Scaron", 0x160},
    {"scaron", 0x161},   {"Yuml", 0x178},    {"fnof", 0x192},
    {"larr", 0x2190},    {"uarr", 0x2191},   {"rarr", 0x2192},
    {"darr", 0x2193},    {"ne", 0x2260},     {"le", 0x2264},
    {"ge", 0x2265},      {"infin", 0x221e},  {"minus", 0x2212},
    {"zwnj", 0x200c},    {"zwj", 0x200d},    {"ensp", ' '},
    {"emsp", ' '},       {"thinsp", ' '},    {"ZeroWidthSpace", 0x200b},
    {"NoBreak", 0x2060}, {"AMP", '&'},       {"LT", '<'},
    {"GT", '>'},         {"QUOT", '"'},      {"colon", ':'},
    {"comma", ','},      {"period", '.'},    {"sol", '/'},
    {"excl", '!'},       {"num", '#'},       {"dollar", '$'},
    {"percnt", '%'},     {"lpar", '('},      {"rpar", ')'},
    {"commat", '@'},     {"lowbar", '_'},    {"hyphen", 0x2010},
    {"NewLine", ' '},    {"Tab", ' '},
};

/* 99: it is none. */
static uint32_t digit_of(uint8_t c)
{
    c = octet_lower(c);
    return octet_is_digit(c) ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : 99;
}

/* Digits may go on for ever: what is too large stays so. */
static size_t number_reference(struct bytes html, uint32_t *character_r)
{
    bool hex = html.len > 2 && octet_lower(html.ptr[2]) == 'x';
    size_t first = hex ? 3 : 2, at = first;
    uint32_t value = 0;
    for (; at < html.len; at++) {
        uint32_t digit = digit_of(html.ptr[at]);
        if (digit >= (hex ? 16u : 10u)) {
            break;
        }
        value = value > 0x110000 ? value : value * (hex ? 16 : 10) + digit;
    }
    /* Pages that were written in windows-1252 mean its characters. */
    *character_r = value >= 0x80 && value < 0xa0 ? mail_charset_windows((uint8_t)value) : value;
    return at == first ? 0 : at + (at < html.len && html.ptr[at] == ';' ? 1 : 0);
}

/* The name as a whole. */
static bool named(struct bytes name, uint32_t *character_r)
{
    for (size_t i = 0; i < sizeof latin / sizeof *latin; i++) {
        if (bytes_is(name, latin[i])) {
            *character_r = 0xa0 + (uint32_t)i;
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

static bool begins_with(struct bytes text, const char *name)
{
    size_t len = strlen(name);
    return text.len >= len && memcmp(text.ptr, name, len) == 0;
}

/* Those that browsers know without a semicolon: the longest that stands there. */
static size_t old_name(struct bytes text, uint32_t *character_r)
{
    static const char *const written[] = {"amp", "lt", "gt", "quot", "AMP", "LT", "GT", "QUOT"};
    static const char characters[] = "&<>\"&<>\"";
    size_t longest = 0;
    for (size_t i = 0; i < sizeof latin / sizeof *latin; i++) {
        if (strlen(latin[i]) > longest && begins_with(text, latin[i])) {
            longest = strlen(latin[i]);
            *character_r = 0xa0 + (uint32_t)i;
        }
    }
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        if (strlen(written[i]) > longest && begins_with(text, written[i])) {
            longest = strlen(written[i]);
            *character_r = (uint8_t)characters[i];
        }
    }
    return longest == 0 ? 0 : longest + 1;
}

size_t mail_html_reference(struct bytes html, uint32_t *character_r)
{
    if (html.len > 1 && html.ptr[1] == '#') {
        return number_reference(html, character_r);
    }
    ptrdiff_t end = bytes_find_octet(bytes_slice(html, 0, NAME_MAX_LEN), ';');
    if (end >= 2 && named(bytes_slice(html, 1, (size_t)end - 1), character_r)) {
        return (size_t)end + 1;
    }
    return old_name(bytes_from(html, 1), character_r);
}

void mail_html_put_value(struct bytes value, struct buf *out)
{
    for (ptrdiff_t at; (at = bytes_find_octet(value, '&')) >= 0;) {
        uint32_t character = 0;
        struct bytes rest = bytes_from(value, (size_t)at);
        size_t len = mail_html_reference(rest, &character);
        buf_append_bytes(out, bytes_slice(value, 0, (size_t)at));
        if (len > 0 && rest.ptr[len - 1] == ';') {
            mail_charset_append(out, character);
        } else {
            len = 1;
            buf_append_text(out, "&");
        }
        value = bytes_from(rest, len);
    }
    buf_append_bytes(out, value);
}
