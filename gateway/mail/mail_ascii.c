/*
 * mail_ascii - see mail_ascii.h.
 */
#include "mail/mail_ascii.h"

#include "mail/mail_encode.h"
#include "mail/mail_header.h"

#define VALUE_MAX ((size_t)512 << 10)

/* ---- words ---- */

/* Unfolded, in UTF-8 whatever it was. */
static int text_of(struct bytes value, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, VALUE_MAX);
    int result = mail_header_unfold(value, &plain);
    struct bytes octets = buf_bytes(&plain);
    bool is_utf8 = bytes_is_utf8(octets);
    for (size_t i = 0; i < octets.len && !is_utf8; i++) {
        uint8_t c = octets.ptr[i];
        if (c >= 0x80) {
            buf_append_octet(out, (uint8_t)(0xC0 | (c >> 6)));
        }
        result |= buf_append_octet(out, c < 0x80 ? c : (uint8_t)(0x80 | (c & 0x3F)));
    }
    result |= is_utf8 ? buf_append_bytes(out, octets) : 0;
    buf_done(&plain);
    return result;
}

/* How many octets stand on the last line. */
static size_t column_of(const struct buf *out)
{
    struct bytes line = buf_bytes(out);
    size_t column = 0;
    while (column < line.len && line.ptr[line.len - 1 - column] != '\n') {
        column++;
    }
    return column;
}

/* An encoded word stands between blanks (RFC 2047 section 5). */
static void put_word(struct buf *out, struct bytes text, const char *behind)
{
    uint8_t last = out->len > 0 ? buf_bytes(out).ptr[out->len - 1] : ' ';
    if (last != ' ' && last != '\t' && last != '(') {
        buf_append_octet(out, ' ');
    }
    mail_encode_text(text, column_of(out), out);
    buf_append_text(out, behind);
}

/* ---- addresses (RFC 6857 section 3.1) ---- */

/* The length of what begins with an opening octet, with its closing one; comments may hold comments. */
static size_t enclosed_end(struct bytes text, uint8_t opening, uint8_t closing)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '\\' && opening != '<') {
            i++;
        } else if (c == closing && (opening == closing ? i > 0 : depth == 1)) {
            return i + 1;
        } else if (c == opening) {
            depth++;
        }
    }
    return text.len;
}

static size_t piece_length(struct bytes text)
{
    static const char ends[] = "\"(<,;:";
    switch (text.ptr[0]) {
    case '"':
        return enclosed_end(text, '"', '"');
    case '(':
        return enclosed_end(text, '(', ')');
    case '<':
        return enclosed_end(text, '<', '>');
    case ',':
    case ';':
    case ':':
        return 1;
    default:
        break;
    }
    size_t len = 1;
    while (len < text.len && bytes_find_octet(bytes_of(ends), text.ptr[len]) < 0) {
        len++;
    }
    return len;
}

/* Without the quotes and backslashes. */
static void put_unquoted(struct buf *out, struct bytes quoted)
{
    struct buf text;
    buf_init(&text, VALUE_MAX);
    for (size_t i = 1; i + 1 < quoted.len; i++) {
        i += quoted.ptr[i] == '\\' && i + 2 < quoted.len ? 1 : 0;
        buf_append_octet(&text, quoted.ptr[i]);
    }
    put_word(out, buf_bytes(&text), "");
    buf_done(&text);
}

static void put_piece(struct buf *out, struct bytes piece)
{
    uint8_t first = piece.ptr[0];
    struct bytes inside = bytes_slice(piece, 1, piece.len >= 2 ? piece.len - 2 : 0);
    if (bytes_is_ascii(piece)) {
        buf_append_bytes(out, piece);
        buf_append_text(out, first == ',' ? "\r\n " : "");
    } else if (first == '"') {
        put_unquoted(out, piece);
    } else if (first == '(') {
        buf_append_octet(out, '(');
        put_word(out, inside, ")");
    } else if (first == '<') {
        put_word(out, inside, " :;");
    } else if (bytes_find_octet(piece, '@') >= 0) {
        put_word(out, bytes_trim(piece), " :;");
    } else {
        put_word(out, bytes_trim(piece), " ");
    }
}

static void put_addresses(struct buf *out, struct bytes text)
{
    while (text.len > 0) {
        size_t len = piece_length(text);
        put_piece(out, bytes_slice(text, 0, len));
        text = bytes_from(text, len);
    }
}

/* ---- parameters (RFC 2231) ---- */

static void put_parameter(struct buf *out, struct bytes parameter)
{
    struct bytes value = parameter;
    struct bytes name = bytes_trim(bytes_cut(&value, '='));
    value = bytes_trim(value);
    if (value.len >= 2 && value.ptr[0] == '"') {
        value = bytes_slice(value, 1, value.len - 2);
    }
    bool extended = name.len > 0 && name.ptr[name.len - 1] == '*';
    for (size_t i = 0; i < name.len; i++) {
        buf_append_octet(out, name.ptr[i] < 0x80 ? name.ptr[i] : '_');
    }
    buf_append_text(out, extended ? "=" : "*=UTF-8''");
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        if (octet_is_alpha(c) || octet_is_digit(c) || c == '.' || c == '-' || (extended && c < 0x80)) {
            buf_append_octet(out, c);
        } else {
            buf_printf(out, "%%%02X", c);
        }
    }
}

static void put_parameters(struct buf *out, struct bytes text)
{
    while (text.len > 0) {
        size_t len = 0;
        while (len < text.len && text.ptr[len] != ';') {
            len += text.ptr[len] == '"' ? enclosed_end(bytes_from(text, len), '"', '"') : 1;
        }
        struct bytes part = bytes_trim(bytes_slice(text, 0, len));
        if (bytes_is_ascii(part)) {
            buf_append_bytes(out, part);
        } else {
            put_parameter(out, part);
        }
        text = bytes_from(text, len + 1);
        buf_append_text(out, text.len > 0 ? ";\r\n " : "");
    }
}

/* ---- fields ---- */

/* Addresses and parameters have their syntax; all else is text. */
static void put_value(struct buf *out, struct bytes name, struct bytes value)
{
    static const char *const addresses[] = {"From",          "To",          "Cc",        "Bcc",       "Reply-To",
                                            "Sender",        "Resent-From", "Resent-To", "Resent-Cc", "Resent-Bcc",
                                            "Resent-Sender", NULL};
    static const char *const parameters[] = {"Content-Type", "Content-Disposition", NULL};
    if (bytes_is_one_of(name, addresses)) {
        put_addresses(out, value);
    } else if (bytes_is_one_of(name, parameters)) {
        put_parameters(out, value);
    } else {
        mail_encode_text(value, column_of(out), out);
    }
}

static void put_field(struct buf *out, const struct mail_header_field *field)
{
    static const char *const structured[] = {"Return-Path", "Received",   "Message-ID",        "In-Reply-To",
                                             "References",  "Content-ID", "Resent-Message-ID", NULL};
    struct buf text;
    buf_init(&text, VALUE_MAX);
    out->full = out->full || text_of(field->value, &text) < 0;
    buf_append_text(out, bytes_is_one_of(field->name, structured) ? "Downgraded-" : "");
    buf_append_bytes(out, field->name);
    buf_append_text(out, ": ");
    put_value(out, field->name, buf_bytes(&text));
    buf_append_text(out, "\r\n");
    buf_done(&text);
}

int mail_ascii_field(const char *name, struct bytes value, struct buf *out)
{
    struct buf made;
    buf_init(&made, VALUE_MAX);
    buf_printf(&made, "%s: ", name);
    size_t column = made.len;
    int result = buf_append_bytes(out, buf_bytes(&made));
    if (bytes_is_ascii(value)) {
        result |= mail_encode_text(value, column, out);
    } else {
        put_value(&made, bytes_of(name), value);
        result |= mail_encode_fold(bytes_from(buf_bytes(&made), column), column, MAIL_ENCODE_WORD_LINE, out);
    }
    result |= buf_append_text(out, "\r\n");
    result = made.full ? -1 : result;
    buf_done(&made);
    return result;
}

int mail_ascii_fields(struct bytes fields, struct buf *out)
{
    struct mail_header_field field;
    while (mail_header_next(&fields, &field) == 1) {
        if (bytes_is_ascii(field.whole)) {
            buf_append_bytes(out, field.whole);
        } else {
            put_field(out, &field);
        }
    }
    return out->full ? -1 : 0;
}
