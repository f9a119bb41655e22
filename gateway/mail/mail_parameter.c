/*
 * mail_parameter - see mail_parameter.h.
 */
#include "mail/mail_parameter.h"

#include <string.h>

#include "mail/mail_charset.h"
#include "mail/mail_decode.h"
#include "mail/mail_token.h"
#include "mail/mail_words.h"

#define SECTIONS_MAX 100 /* of one parameter (RFC 2231 section 3) */

struct section {
    struct bytes value;
    bool extended; /* percent signs are meant */
};

struct search {
    const char *name;
    mail_parameter_fn *fn;
    void *ctx;
    struct section sections[SECTIONS_MAX];
};

/* Up to the semicolon that ends it; in quotes there is none. */
static size_t value_length(struct bytes value)
{
    size_t len = 0;
    bool quoted = value.len > 0 && value.ptr[0] == '"';
    for (bool within = false; len < value.len && (within || value.ptr[len] != ';'); len++) {
        if (quoted && value.ptr[len] == '"') {
            within = !within;
        } else if (within && value.ptr[len] == '\\') {
            len++;
        }
    }
    return len;
}

/* Takes "name=value" off *rest; false at the end. Quotes stay around the value. */
static bool next_parameter(struct bytes *rest, struct bytes *name_r, struct bytes *value_r)
{
    while (rest->len > 0 && strchr(";,: \t\r\n\"", rest->ptr[0]) != NULL) {
        *rest = bytes_from(*rest, 1);
    }
    size_t equals = 0;
    while (equals < rest->len && rest->ptr[equals] != '=' && rest->ptr[equals] != ';') {
        equals++;
    }
    *name_r = bytes_trim(bytes_slice(*rest, 0, equals));
    if (equals >= rest->len || rest->ptr[equals] == ';') {
        *value_r = bytes_at(NULL, 0);
        bool any = rest->len > 0;
        *rest = bytes_from(*rest, equals);
        return any;
    }
    *rest = bytes_from(*rest, equals + 1);
    size_t start = 0;
    while (start < rest->len && (rest->ptr[start] == ' ' || rest->ptr[start] == '\t')) {
        start++;
    }
    *rest = bytes_from(*rest, start);
    size_t len = value_length(*rest);
    *value_r = bytes_trim(bytes_slice(*rest, 0, len));
    *rest = bytes_from(*rest, len);
    return true;
}

/* Without quotes and backslashes; what stands behind the closing quote is none of it. */
static void put_unquoted(struct bytes value, struct buf *out)
{
    if (value.len == 0 || value.ptr[0] != '"') {
        buf_append_bytes(out, value);
        return;
    }
    for (size_t i = 1; i < value.len && value.ptr[i] != '"'; i++) {
        i += value.ptr[i] == '\\' && i + 1 < value.len ? 1 : 0;
        buf_append_octet(out, value.ptr[i]);
    }
}

static void put_percent(struct bytes value, struct buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        int high = value.ptr[i] == '%' && i + 2 < value.len ? mail_decode_digit16(value.ptr[i + 1]) : -1;
        int low = high >= 0 ? mail_decode_digit16(value.ptr[i + 2]) : -1;
        buf_append_octet(out, low >= 0 ? (uint8_t)(high * 16 + low) : value.ptr[i]);
        i += low >= 0 ? 2 : 0;
    }
}

static void give_text(const struct search *search, struct bytes value)
{
    struct buf text;
    buf_init(&text, value.len * 4 + 16);
    mail_words_decode(value, &text);
    search->fn(search->ctx, buf_bytes(&text));
    buf_done(&text);
}

/* What some readers make of a value without quotes: without the comment in front of it or behind it, and without single
 * quotes around. */
static void give_bare(const struct search *search, struct bytes value)
{
    struct bytes plain = mail_token_skip_comments(value);
    ptrdiff_t comment = bytes_find_octet(plain, '(');
    if (comment > 0 && plain.ptr[plain.len - 1] == ')') {
        plain = bytes_trim(bytes_slice(plain, 0, (size_t)comment));
    }
    if (plain.len > 2 && plain.ptr[0] == '\'' && plain.ptr[plain.len - 1] == '\'') {
        plain = bytes_slice(plain, 1, plain.len - 2);
    }
    if (plain.len > 0 && plain.len != value.len) {
        give_text(search, plain);
    }
}

static void give_plain(const struct search *search, struct bytes value)
{
    struct buf plain;
    buf_init(&plain, value.len + 1);
    put_unquoted(value, &plain);
    give_text(search, buf_bytes(&plain));
    if (value.len > 0 && value.ptr[0] != '"') {
        give_bare(search, value);
    } else if (value.len > 2 && bytes_find_octet(value, '\\') >= 0 && value.ptr[value.len - 1] == '"') {
        give_text(search,
                  bytes_slice(value, 1, value.len - 2)); /* a path of Windows, whose backslashes quote nothing */
    }
    buf_done(&plain);
}

/* The sections in order, as far as none is missing; the first names the character set: charset'language'text. */
static void give_sections(const struct search *search)
{
    struct buf octets, text, plain;
    struct bytes charset = bytes_of("");
    size_t room = 1;
    for (size_t i = 0; i < SECTIONS_MAX; i++) {
        room += search->sections[i].value.len;
    }
    buf_init(&octets, room);
    buf_init(&text, room * 4);
    buf_init(&plain, room);
    for (size_t i = 0; i < SECTIONS_MAX && search->sections[i].value.ptr != NULL; i++) {
        const struct section *section = &search->sections[i];
        buf_clear(&plain);
        put_unquoted(section->value, &plain);
        struct bytes value = buf_bytes(&plain);
        ptrdiff_t first = i == 0 && section->extended ? bytes_find_octet(value, '\'') : -1;
        ptrdiff_t second = first < 0 ? -1 : bytes_find_octet(bytes_from(value, (size_t)first + 1), '\'');
        if (second >= 0) {
            charset = bytes_slice(section->value, section->value.ptr[0] == '"' ? 1 : 0, (size_t)first);
            value = bytes_from(value, (size_t)(first + second) + 2);
        }
        if (section->extended) {
            put_percent(value, &octets);
        } else {
            buf_append_bytes(&octets, value);
        }
    }
    mail_charset_decode(charset, buf_bytes(&octets), &text);
    search->fn(search->ctx, buf_bytes(&text));
    buf_done(&octets);
    buf_done(&text);
    buf_done(&plain);
}

/* "*", "*0" or "*0*" behind the name; false when it is another name. */
static bool section_of(struct bytes suffix, size_t *number_r, bool *extended_r)
{
    *extended_r = suffix.len > 0 && suffix.ptr[suffix.len - 1] == '*';
    uint64_t number = 0;
    if (suffix.len == 0 || suffix.ptr[0] != '*') {
        return false;
    }
    struct bytes digits = bytes_slice(suffix, 1, suffix.len - (*extended_r && suffix.len > 1 ? 2 : 1));
    if (digits.len > 0 && (!bytes_to_u64(digits, &number) || number >= SECTIONS_MAX)) {
        return false;
    }
    *number_r = (size_t)number;
    return true;
}

/* name*=... is whole by itself. */
static void give_extended(const struct search *search, struct bytes value)
{
    struct search alone = {.fn = search->fn, .ctx = search->ctx};
    alone.sections[0] = (struct section){value, true};
    give_sections(&alone);
}

void mail_parameter_each(struct bytes value, const char *name, mail_parameter_fn *fn, void *ctx)
{
    struct search search = {.name = name, .fn = fn, .ctx = ctx};
    struct bytes key, text;
    size_t len = strlen(name);
    struct bytes head = mail_token_head(value);
    if (bytes_find_octet(head, '=') < 0) { /* else the first parameter stands in its place */
        value = bytes_from(value, (size_t)(head.ptr - value.ptr) + head.len);
    }
    while (next_parameter(&value, &key, &text)) {
        size_t number;
        bool extended;
        struct bytes suffix = bytes_from(key, len);
        if (!bytes_starts_nocase(key, name) || text.ptr == NULL) {
            continue;
        }
        if (key.len == len) {
            give_plain(&search, text);
        } else if (bytes_is(suffix, "*")) {
            give_extended(&search, text);
        } else if (section_of(suffix, &number, &extended) && search.sections[number].value.ptr == NULL) {
            search.sections[number] = (struct section){text, extended};
        }
    }
    if (search.sections[0].value.ptr != NULL) {
        give_sections(&search);
    }
}
