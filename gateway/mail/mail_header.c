/*
 * mail_header - the one reading of a header section; see mail_header.h. RFC 5322 sections 2.2 and 3.6.8, RFC 4155.
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

/* The length of the field name at the head of the line (RFC 5322 section 3.6.8: ftext), or 0 when it is not a field;
 * *colon_r is where its colon stands. */
static size_t find_name(struct bytes line, size_t *colon_r)
{
    size_t len = 0;
    while (len < line.len && line.ptr[len] > ' ' && line.ptr[len] < 0x7F && line.ptr[len] != ':') {
        len++;
    }
    size_t colon = len;
    while (colon < line.len && (line.ptr[colon] == ' ' || line.ptr[colon] == '\t')) {
        colon++; /* obs-optional: blanks before the colon */
    }
    *colon_r = colon;
    return colon < line.len && line.ptr[colon] == ':' ? len : 0;
}

static size_t name_length(struct bytes line)
{
    size_t colon;
    return find_name(line, &colon);
}

static bool is_empty_line(struct bytes line)
{
    return line.len > 0 && line.ptr[line.len - 1] == '\n' && without_line_end(line).len == 0;
}

/* The line of that length that begins data, and those that continue it. */
static size_t folded_length(struct bytes data, size_t len)
{
    while (len < data.len && is_continuation(bytes_from(data, len))) {
        len += first_line(bytes_from(data, len)).len;
    }
    return len;
}

/* A field of RFC 5322 at the head of *rest. */
static bool take_field(struct bytes *rest, struct mail_header_field *field_r)
{
    struct bytes line = first_line(*rest);
    size_t colon;
    size_t name = find_name(line, &colon); /* a continuation has none, for it begins with a blank */
    if (name == 0) {
        return false;
    }
    struct bytes whole = bytes_slice(*rest, 0, folded_length(*rest, line.len));
    *field_r = (struct mail_header_field){
        .name = bytes_slice(whole, 0, name), .value = without_line_end(bytes_from(whole, colon + 1)), .whole = whole};
    *rest = bytes_from(*rest, whole.len);
    return true;
}

static bool begins_with_mark(struct bytes data)
{
    struct bytes mark = bytes_of(MAIL_HEADER_BOM);
    return bytes_equal(bytes_slice(data, 0, mark.len), mark);
}

static void take_odd_line(struct bytes *rest, struct mail_header_field *field_r)
{
    struct bytes mark = bytes_slice(*rest, 0, sizeof MAIL_HEADER_BOM - 1);
    bool only_mark = begins_with_mark(*rest) && name_length(first_line(bytes_from(*rest, mark.len))) > 0;
    struct bytes whole = only_mark ? mark : bytes_slice(*rest, 0, folded_length(*rest, first_line(*rest).len));
    *field_r = (struct mail_header_field){
        .name = bytes_of(MAIL_HEADER_ODD), .value = without_line_end(whole), .whole = whole, .odd = true};
    *rest = bytes_from(*rest, whole.len);
}

int mail_header_next(struct bytes *rest, struct mail_header_field *field_r)
{
    if (take_field(rest, field_r)) {
        return 1;
    }
    if (rest->len == 0 || is_empty_line(first_line(*rest))) {
        return 0;
    }
    take_odd_line(rest, field_r);
    return 1;
}

int mail_header_find(struct bytes section, const char *name, struct mail_header_field *field_r)
{
    struct mail_header_field field;
    while (mail_header_next(&section, &field) == 1) {
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

/* ---- where the section ends ---- */

/* Names that tell of a header wherever they stand; those that texts like to begin a line with (Date, Status,
 * Priority) are not among them. */
static bool tells_of_a_header(struct bytes name)
{
    static const char *const names[] = {"From",
                                        "To",
                                        "Cc",
                                        "Bcc",
                                        "Subject",
                                        "Reply-To",
                                        "Sender",
                                        "Message-ID",
                                        "In-Reply-To",
                                        "References",
                                        "Received",
                                        "MIME-Version",
                                        "Return-Path",
                                        "Delivered-To",
                                        "Envelope-To",
                                        "Auto-Submitted",
                                        "Authentication-Results",
                                        NULL};
    static const char *const beginnings[] = {"X-", "Content-", "Resent-", "List-", "DKIM-", "ARC-", NULL};
    for (size_t i = 0; names[i] != NULL; i++) {
        if (bytes_is_nocase(name, names[i])) {
            return true;
        }
    }
    for (size_t i = 0; beginnings[i] != NULL; i++) {
        if (bytes_starts_nocase(name, beginnings[i])) {
            return true;
        }
    }
    return false;
}

/* From_ (RFC 4155), also when a mail program quoted it. */
static bool is_from_line(struct bytes line)
{
    return bytes_starts_nocase(line, "From ") || bytes_starts_nocase(line, ">From ");
}

/* Whether an empty line ends what follows, within the octets that are looked at. */
static bool has_empty_line(struct bytes data)
{
    for (size_t at = 0; at < data.len;) {
        struct bytes line = first_line(bytes_from(data, at));
        if (is_empty_line(line)) {
            return true;
        }
        at += line.len;
    }
    return false;
}

/* A mail program wrote it, and so the empty line behind the header, too. */
static bool is_of_a_program(struct bytes name)
{
    return bytes_is_nocase(name, "MIME-Version") || bytes_is_nocase(name, "Message-ID") ||
           bytes_is_nocase(name, "Received") || bytes_starts_nocase(name, "Content-") ||
           bytes_starts_nocase(name, "DKIM-");
}

/* What is known of the lines in front of the first odd one, and of those that are looked at. */
struct ahead {
    bool began;   /* it is a header, so that any field makes it go on, not only one of some names */
    bool program; /* a field that only mail programs write stands in it: then all is header up to the empty line */
    bool ended;   /* an empty line comes */
    bool is_cut;  /* the octets are not all there are, so that the last field may be longer */
};

/* How much of data, which begins with an odd line, belongs to the section. */
static size_t odd_length(struct bytes data, struct ahead ahead)
{
    struct bytes rest = data;
    struct mail_header_field field;
    size_t end = 0;
    unsigned odd = 0;
    bool goes_on = false;
    while (mail_header_next(&rest, &field) == 1 && odd <= MAIL_HEADER_ODD_MAX) {
        odd += field.odd ? 1 : 0;
        goes_on = !field.odd && (goes_on || (ahead.began && ahead.ended) || tells_of_a_header(field.name));
        ahead.program = ahead.program || (goes_on && is_of_a_program(field.name));
        if ((goes_on || (ahead.program && ahead.ended)) && odd <= MAIL_HEADER_ODD_MAX &&
            !(ahead.is_cut && rest.len == 0)) {
            end = data.len - rest.len;
        }
    }
    return end;
}

size_t mail_header_length(struct bytes message, bool *complete_r)
{
    struct bytes rest = message;
    struct mail_header_field field;
    bool program = false;
    while (take_field(&rest, &field)) {
        program = program || is_of_a_program(field.name);
    }
    size_t len = message.len - rest.len;
    struct bytes line = first_line(rest);
    *complete_r = is_empty_line(line);
    if (*complete_r || line.len == 0 || line.ptr[line.len - 1] != '\n') {
        /* A last line without its end may still become a field or the empty line; the field before it may still be
         * continued. */
        return len + (*complete_r ? line.len : 0);
    }
    struct bytes ahead = bytes_slice(rest, 0, MAIL_HEADER_LOOK);
    struct ahead known = {
        .began = len > 0 || is_from_line(line) || (begins_with_mark(line) && name_length(bytes_from(line, 3)) > 0),
        .program = program,
        .ended = has_empty_line(ahead),
        .is_cut = ahead.len < rest.len,
    };
    len += odd_length(ahead, known);
    *complete_r = known.ended || ahead.len == MAIL_HEADER_LOOK;
    line = first_line(bytes_from(message, len));
    return len + (is_empty_line(line) ? line.len : 0);
}
