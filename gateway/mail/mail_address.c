/*
 * mail_address - see mail_address.h.
 *
 * A value is cut into tokens (quoted strings, comments, encoded words, <...>, separators, all other text). Of those
 * between two separators the ones in angle brackets are addresses, and what stands in front is the name; without
 * brackets it is the text with an "@".
 */
#include "mail/mail_address.h"

#include <string.h>

#include "mail/mail_words.h"

#define LITERAL_MAX 60

enum kind { KIND_TEXT, KIND_BLANK, KIND_QUOTED, KIND_COMMENT, KIND_WORD, KIND_ANGLE, KIND_SEPARATOR, KIND_COLON };

struct token {
    enum kind kind;
    struct bytes text; /* with its quotes, parentheses, brackets */
};

struct reader {
    struct bytes value, rest;
    /* Whether a closing one is yet to come, so that one that opens is taken for what it says: looked up once, from
     * behind. */
    size_t last_quote, last_parenthesis, last_angle;
    mail_address_fn *fn;
    void *ctx;
    struct buf name;    /* of the mailbox that is being read */
    struct buf bare;    /* text without brackets */
    struct buf comment; /* the last one: the name of a bare address */
    bool had_angle;
};

/* ---- tokens ---- */

static size_t last_of(struct bytes value, uint8_t c)
{
    for (size_t i = value.len; i > 0; i--) {
        if (value.ptr[i - 1] == c) {
            return i; /* behind it */
        }
    }
    return 0;
}

static size_t position(const struct reader *reader)
{
    return (size_t)(reader->rest.ptr - reader->value.ptr);
}

/* The length of what begins with an opening octet, with its closing one; 0 when it is not closed. Comments may hold
 * comments. */
static size_t enclosed_len(struct bytes text, uint8_t opening, uint8_t closing)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '\\' && i > 0) {
            i++;
        } else if (c == closing && (opening != closing ? depth == 1 : i > 0)) {
            return i + 1;
        } else {
            depth += c == opening ? 1 : 0;
            depth -= c == closing && depth > 0 && opening != closing ? 1 : 0;
        }
    }
    return 0;
}

/* A "<" is no bracket when another one comes before its ">". */
static size_t angle_length(struct bytes text)
{
    bool closes = true; /* quotes do; after one that does not, none behind it does */
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '>') {
            return i + 1;
        }
        if (text.ptr[i] == '<') {
            return 0;
        }
        size_t quoted = text.ptr[i] == '"' && closes ? enclosed_len(bytes_from(text, i), '"', '"') : 0;
        closes = closes && (text.ptr[i] != '"' || quoted > 0);
        i += quoted > 0 ? quoted - 1 : 0;
    }
    return 0;
}

static size_t enclosed_here(struct reader *reader, size_t *last, uint8_t opening, uint8_t closing)
{
    if (position(reader) + 1 >= *last) {
        return 0;
    }
    size_t len = enclosed_len(reader->rest, opening, closing);
    if (len == 0) {
        *last = 0; /* none that opens behind this one is closed either */
    }
    return len;
}

static struct token token_of(enum kind kind, struct bytes rest, size_t len)
{
    return (struct token){kind, bytes_slice(rest, 0, len)};
}

static struct token text_token(struct bytes rest)
{
    size_t len = 1;
    while (len < rest.len && strchr(" \t\r\n\"(<,;:=", rest.ptr[len]) == NULL) {
        bool literal = rest.ptr[len] == '[' && rest.ptr[len - 1] == '@'; /* [IPv6:...] */
        ptrdiff_t end = literal ? bytes_find_octet(bytes_slice(rest, len, LITERAL_MAX), ']') : -1;
        len += end > 0 ? (size_t)end + 1 : 1;
    }
    return token_of(KIND_TEXT, rest, len);
}

static struct token token_at(struct reader *reader)
{
    struct bytes rest = reader->rest;
    size_t len = 0;
    switch (rest.ptr[0]) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return token_of(KIND_BLANK, rest, 1);
    case '"':
        len = enclosed_here(reader, &reader->last_quote, '"', '"');
        return len > 0 ? token_of(KIND_QUOTED, rest, len) : text_token(rest);
    case '(':
        len = enclosed_here(reader, &reader->last_parenthesis, '(', ')');
        return len > 0 ? token_of(KIND_COMMENT, rest, len) : text_token(rest);
    case '<':
        len = position(reader) < reader->last_angle ? angle_length(rest) : 0;
        return len > 0 ? token_of(KIND_ANGLE, rest, len) : text_token(rest);
    case '=':
        len = mail_words_at(rest);
        return len > 0 ? token_of(KIND_WORD, rest, len) : text_token(rest);
    case ',':
    case ';':
        return token_of(KIND_SEPARATOR, rest, 1);
    case ':':
        return token_of(KIND_COLON, rest, 1);
    default:
        return text_token(rest);
    }
}

/* ---- mailboxes ---- */

static void unquote(struct bytes quoted, struct buf *out)
{
    for (size_t i = 1; i + 1 < quoted.len; i++) {
        i += quoted.ptr[i] == '\\' && i + 2 < quoted.len ? 1 : 0;
        buf_append_octet(out, quoted.ptr[i]);
    }
}

static void give_address(struct reader *reader, struct bytes name, struct bytes address)
{
    struct buf text, plain;
    buf_init(&text, name.len * 4 + 16);
    buf_init(&plain, address.len * 4 + 16);
    mail_words_decode(bytes_trim(name), &text);
    if (bytes_is_utf8(address) && bytes_find_octet(address, 0) < 0) {
        buf_append_bytes(&plain, address);
    } else {
        mail_words_decode(address, &plain);
    }
    reader->fn(reader->ctx, bytes_trim(buf_bytes(&text)), buf_bytes(&plain));
    buf_done(&text);
    buf_done(&plain);
}

/* Without a route in front (RFC 5322 section 4.4), and without what browsers write there. */
static struct bytes without_route(struct bytes inside)
{
    inside = bytes_trim(inside);
    if (inside.len > 0 && inside.ptr[0] == '@') {
        ptrdiff_t colon = bytes_find_octet(inside, ':');
        inside = colon < 0 ? inside : bytes_from(inside, (size_t)colon + 1);
    }
    return bytes_starts_nocase(inside, "mailto:") ? bytes_from(inside, 7) : inside;
}

/* The address without route, blanks and comments. Nothing when it is an encoded word. */
static void put_address(struct bytes inside, struct buf *out)
{
    inside = without_route(inside);
    bool closes = true; /* comments do; after one that does not, a parenthesis is a character like any other */
    for (size_t i = 0; i < inside.len;) {
        struct bytes rest = bytes_from(inside, i);
        uint8_t c = rest.ptr[0];
        size_t len = c == '"' ? enclosed_len(rest, '"', '"') : c == '(' && closes ? enclosed_len(rest, '(', ')') : 0;
        closes = closes && (c != '(' || len > 0);
        len = c == '"' && len == 0 ? rest.len : len;
        if (c == '"') {
            buf_append_bytes(out, bytes_slice(rest, 0, len));
        } else if (len == 0 && strchr(" \t\r\n", c) == NULL) {
            buf_append_octet(out, c);
        }
        i += len > 0 ? len : 1;
    }
}

static void take_angle(struct reader *reader, struct bytes token)
{
    struct buf address;
    struct bytes inside = bytes_slice(token, 1, token.len - 2);
    buf_init(&address, inside.len + 1);
    if (mail_words_at(bytes_trim(inside)) == 0) {
        put_address(inside, &address);
    }
    if (address.len > 0) {
        give_address(reader, buf_bytes(&reader->name), buf_bytes(&address));
        reader->had_angle = true;
    }
    buf_done(&address);
    buf_clear(&reader->name);
    buf_clear(&reader->bare);
}

/* Up to a blank that is not in quotes. */
static struct bytes cut_word(struct bytes *rest)
{
    size_t len = 0;
    for (bool quoted = false; len < rest->len && (quoted || rest->ptr[len] != ' '); len++) {
        if (rest->ptr[len] == '"') {
            quoted = !quoted;
        } else if (quoted && rest->ptr[len] == '\\') {
            len++;
        }
    }
    struct bytes word = bytes_slice(*rest, 0, len);
    *rest = bytes_trim(bytes_from(*rest, len));
    return word;
}

static struct bytes without_brackets(struct bytes word)
{
    while (word.len > 0 && word.ptr[0] == '<') {
        word = bytes_from(word, 1);
    }
    while (word.len > 0 && word.ptr[word.len - 1] == '>') {
        word.len--;
    }
    return word;
}

/* Words of a text without brackets: each that has an "@" is an address; a single one that has none is a name of a local
 * mailbox. */
static void take_bare(struct reader *reader)
{
    struct bytes all = bytes_trim(buf_bytes(&reader->bare)), rest = all;
    for (bool first = true; rest.len > 0 && !reader->had_angle; first = false) {
        struct bytes word = cut_word(&rest), name = buf_bytes(&reader->comment);
        bool alone = first && rest.len == 0 && word.ptr[0] != '"';
        if (bytes_find_octet(word, '@') >= 0) { /* a bracket of it may be missing: Name <a@b */
            name = word.ptr[0] == '<' ? bytes_slice(all, 0, (size_t)(word.ptr - all.ptr)) : name;
            word = without_brackets(word);
        }
        if (word.len > 0 && (bytes_find_octet(word, '@') >= 0 || alone)) {
            give_address(reader, name, word);
        }
    }
}

/* Between separators: an address that stood there is given. A name without one goes on behind a comma: Doe, John <j@d>.
 */
static void end_mailbox(struct reader *reader, bool at_comma)
{
    struct bytes bare = bytes_trim(buf_bytes(&reader->bare));
    bool goes_on = at_comma && !reader->had_angle && bytes_find_octet(bare, '@') < 0;
    if (goes_on && position(reader) < reader->last_angle) {
        struct bytes next = bytes_from(reader->rest, 1);
        next = bytes_cut(&next, ',');
        ptrdiff_t angle = bytes_find_octet(next, '<'), at = bytes_find_octet(next, '@');
        if (angle >= 0 && at > angle) {
            buf_append_text(&reader->name, ",");
            buf_clear(&reader->bare);
            return;
        }
    }
    take_bare(reader);
    buf_clear(&reader->name);
    buf_clear(&reader->bare);
    buf_clear(&reader->comment);
    reader->had_angle = false;
}

/* "a @ b" and "a . b" are one address. */
static void put_bare(struct reader *reader, struct bytes text)
{
    struct bytes bare = bytes_trim(buf_bytes(&reader->bare));
    uint8_t last = bare.len > 0 ? bare.ptr[bare.len - 1] : 0;
    if (last == '@' || text.ptr[0] == '@' || (last == '.' && text.ptr[0] != '.') ||
        (bare.len > 0 && text.ptr[0] == '.')) {
        buf_truncate(&reader->bare, (size_t)(bare.ptr - buf_bytes(&reader->bare).ptr) + bare.len);
    }
    buf_append_bytes(&reader->bare, text);
}

static void take_token(struct reader *reader, const struct token *token)
{
    struct bytes inside = bytes_slice(token->text, 1, token->text.len >= 2 ? token->text.len - 2 : 0);
    switch (token->kind) {
    case KIND_ANGLE:
        take_angle(reader, token->text);
        break;
    case KIND_SEPARATOR:
        end_mailbox(reader, token->text.ptr[0] == ',');
        break;
    case KIND_COLON: /* what stands in front is a group's name (or "mailto"), unless it is an address */
        if (bytes_find_octet(buf_bytes(&reader->bare), '@') < 0) {
            buf_clear(&reader->bare);
            buf_clear(&reader->name);
        } else {
            buf_append_text(&reader->bare, ":");
        }
        break;
    case KIND_COMMENT:
        buf_clear(&reader->comment);
        buf_append_bytes(&reader->comment, inside);
        break;
    case KIND_QUOTED:
        unquote(token->text, &reader->name);
        buf_append_bytes(&reader->bare, token->text);
        break;
    case KIND_WORD:
        buf_append_bytes(&reader->name, token->text);
        break;
    case KIND_BLANK:
        buf_append_text(&reader->name, " ");
        buf_append_text(&reader->bare, " ");
        break;
    case KIND_TEXT:
        buf_append_bytes(&reader->name, token->text);
        put_bare(reader, token->text);
        break;
    }
}

void mail_address_each(struct bytes value, mail_address_fn *fn, void *ctx)
{
    struct reader reader = {.value = value,
                            .rest = value,
                            .last_quote = last_of(value, '"'),
                            .last_parenthesis = last_of(value, ')'),
                            .last_angle = last_of(value, '>'),
                            .fn = fn,
                            .ctx = ctx};
    buf_init(&reader.name, value.len + 1);
    buf_init(&reader.bare, value.len + 1);
    buf_init(&reader.comment, value.len + 1);
    while (reader.rest.len > 0) {
        struct token token = token_at(&reader);
        take_token(&reader, &token);
        reader.rest = bytes_from(reader.rest, token.text.len);
    }
    end_mailbox(&reader, false);
    buf_done(&reader.name);
    buf_done(&reader.bare);
    buf_done(&reader.comment);
}
