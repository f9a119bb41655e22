/*
 * mail_header - the one reading of a header section; see mail_header.h. RFC 5322 sections 2.2 and 3.6.8.
 */
#include "mail/mail_header.h"

/* The line at the head of data with its line end (CRLF, or a bare LF in messages that came by other ways). */
static struct bytes first_line(struct bytes data)
{
    ptrdiff_t at = bytes_find_octet(data, '\n');
    return at < 0 ? data : bytes_slice(data, 0, (size_t)at + 1);
}

static struct bytes without_line_end(struct bytes line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n') {
        line.len--;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
    }
    return line;
}

static bool is_continuation(struct bytes line)
{
    return line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
}

/* The length of the field name at the head of the line (RFC 5322 section 3.6.8: ftext), or 0 when it is not a field. */
static size_t name_length(struct bytes line)
{
    ptrdiff_t colon = bytes_find_octet(line, ':');
    if (colon <= 0) {
        return 0;
    }
    size_t len = (size_t)colon;
    while (len > 0 && (line.ptr[len - 1] == ' ' || line.ptr[len - 1] == '\t')) {
        len--; /* obs-optional: blanks before the colon */
    }
    for (size_t i = 0; i < len; i++) {
        if (line.ptr[i] <= ' ' || line.ptr[i] >= 0x7F) {
            return 0;
        }
    }
    return len;
}

int mail_header_next(struct bytes *rest, struct mail_header_field *field_r)
{
    struct bytes data = *rest;
    struct bytes line = first_line(data);
    size_t name = is_continuation(line) ? 0 : name_length(line);
    if (name == 0) {
        return 0;
    }
    size_t len = line.len;
    while (len < data.len && is_continuation(bytes_from(data, len))) {
        len += first_line(bytes_from(data, len)).len;
    }
    struct bytes whole = bytes_slice(data, 0, len);
    size_t colon = (size_t)bytes_find_octet(whole, ':');
    field_r->name = bytes_slice(whole, 0, name);
    field_r->value = without_line_end(bytes_from(whole, colon + 1));
    field_r->whole = whole;
    *rest = bytes_from(data, len);
    return 1;
}

int mail_header_find(struct bytes message, const char *name, struct mail_header_field *field_r)
{
    struct mail_header_field field;
    while (mail_header_next(&message, &field) == 1) {
        if (bytes_is_nocase(field.name, name)) {
            *field_r = field;
            return 1;
        }
    }
    return 0;
}

int mail_header_unfold(struct bytes value, struct buf *out)
{
    value = bytes_trim(value);
    int result = 0;
    while (value.len > 0) {
        struct bytes line = first_line(value);
        result |= buf_append_bytes(out, without_line_end(line));
        value = bytes_from(value, line.len);
    }
    return result;
}

static bool is_empty_line(struct bytes line)
{
    return line.len > 0 && line.ptr[line.len - 1] == '\n' && without_line_end(line).len == 0;
}

size_t mail_header_length(struct bytes message, bool *complete_r)
{
    struct bytes rest = message;
    struct mail_header_field field;
    while (mail_header_next(&rest, &field) == 1) {
    }
    size_t len = message.len - rest.len;
    struct bytes line = first_line(rest);
    if (is_empty_line(line)) {
        *complete_r = true;
        return len + line.len;
    }
    /* A last line without its end may still become a field or the empty line; the field before it may still be continued. */
    *complete_r = line.len > 0 && line.ptr[line.len - 1] == '\n';
    return len;
}
