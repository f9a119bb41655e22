/*
 * mail_wrap - see mail_wrap.h. Three layers: octets to lines (with the places where a line could be broken), lines to
 * header fields and parts, fields to what they say.
 */
#include "mail/mail_wrap.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "mail/mail_header.h"
#include "mail/mail_shape.h"

#define DEPTH_MAX    32   /* of parts in parts; deeper ones are text like any other */
#define BOUNDARY_MAX 70   /* RFC 2046 section 5.1.1 */
#define HEAD_MAX     128  /* of a line: enough for a delimiter */
#define FIELD_MAX    8192 /* of a field that is looked at */

enum kind { KIND_HEADER, KIND_TEXT, KIND_BASE64, KIND_QUOTED };

struct mail_wrap {
    uint64_t line_max, width;
    uint64_t at;      /* of the next octet, in the message */
    uint64_t text_at; /* where the header ends without an empty line; or no line begins there */

    /* the line */
    uint64_t start;     /* of it */
    uint64_t segment;   /* of what stands behind its last break */
    unsigned lead;      /* octets that the break put in front of that */
    uint64_t blank;     /* behind the last blank; 0: none */
    uint64_t equals;    /* behind the last "="; 0: none */
    uint64_t character; /* where the current one begins */
    bool cr;
    size_t first_break; /* of this line */
    char head[HEAD_MAX];
    size_t head_len;

    /* the part */
    enum kind kind;
    struct buf field;
    enum kind encoding;
    bool is_message;
    char boundary[BOUNDARY_MAX + 1]; /* of the multipart whose header this is; empty: none */
    char boundaries[DEPTH_MAX][BOUNDARY_MAX + 1];
    size_t depth;

    struct mail_break *breaks;
    size_t count, room;
    bool failed;
};

struct mail_wrap *mail_wrap_new(uint64_t line_max)
{
    struct mail_wrap *wrap = expect_calloc(1, sizeof *wrap);
    wrap->line_max = line_max;
    wrap->width = line_max < MAIL_LINE_MAX ? line_max : MAIL_LINE_MAX;
    wrap->text_at = UINT64_MAX;
    wrap->encoding = KIND_TEXT;
    buf_init(&wrap->field, FIELD_MAX);
    return wrap;
}

void mail_wrap_free(struct mail_wrap **wrap)
{
    if (*wrap == NULL) {
        return;
    }
    buf_done(&(*wrap)->field);
    free((*wrap)->breaks);
    free(*wrap);
    *wrap = NULL;
}

/* ---- fields ---- */

/* The parameter's value, without quotes. */
static struct bytes parameter_of(struct bytes value, const char *name)
{
    bytes_cut(&value, ';');
    while (value.len > 0) {
        struct bytes rest = bytes_cut(&value, ';');
        struct bytes key = bytes_trim(bytes_cut(&rest, '='));
        if (bytes_is_nocase(key, name)) {
            rest = bytes_trim(rest);
            if (rest.len > 0 && rest.ptr[0] == '"') {
                rest = bytes_from(rest, 1);
                return bytes_cut(&rest, '"');
            }
            return rest;
        }
    }
    return bytes_of("");
}

static void take_type(struct mail_wrap *wrap, struct bytes value)
{
    struct bytes boundary = parameter_of(value, "boundary");
    wrap->is_message = bytes_starts_nocase(value, "message/rfc822") || bytes_starts_nocase(value, "message/global");
    if (bytes_starts_nocase(value, "multipart/") && boundary.len > 0 && boundary.len <= BOUNDARY_MAX) {
        memcpy(wrap->boundary, boundary.ptr, boundary.len);
        wrap->boundary[boundary.len] = '\0';
    }
}

/* A field is complete. */
static void end_field(struct mail_wrap *wrap)
{
    struct bytes value = buf_bytes(&wrap->field);
    struct bytes name = bytes_trim(bytes_cut(&value, ':'));
    value = bytes_trim(value);
    if (bytes_is_nocase(name, "Content-Type")) {
        take_type(wrap, value);
    } else if (bytes_is_nocase(name, "Content-Transfer-Encoding")) {
        wrap->encoding = bytes_is_nocase(value, "base64")             ? KIND_BASE64
                         : bytes_is_nocase(value, "quoted-printable") ? KIND_QUOTED
                                                                      : KIND_TEXT;
    }
    buf_clear(&wrap->field);
}

/* ---- parts ---- */

static void begin_header(struct mail_wrap *wrap)
{
    wrap->kind = KIND_HEADER;
    wrap->encoding = KIND_TEXT;
    wrap->is_message = false;
    wrap->boundary[0] = '\0';
}

static void end_header(struct mail_wrap *wrap)
{
    end_field(wrap);
    if (wrap->boundary[0] != '\0' && wrap->depth < DEPTH_MAX) {
        memcpy(wrap->boundaries[wrap->depth++], wrap->boundary, sizeof wrap->boundary);
        wrap->kind = KIND_TEXT;
    } else if (wrap->is_message && wrap->encoding == KIND_TEXT) {
        begin_header(wrap);
    } else {
        wrap->kind = wrap->encoding;
    }
}

/* "--" and a boundary that is open: the next part, or the end of all of them. */
static void take_delimiter(struct mail_wrap *wrap)
{
    struct bytes line = bytes_at(wrap->head, wrap->head_len);
    for (size_t level = wrap->depth; level-- > 0;) {
        struct bytes boundary = bytes_of(wrap->boundaries[level]);
        struct bytes rest = bytes_from(line, 2 + boundary.len);
        bool closes = bytes_is(bytes_slice(rest, 0, 2), "--");
        if (bytes_equal(bytes_slice(line, 2, boundary.len), boundary) && (closes || bytes_trim(rest).len == 0)) {
            wrap->depth = closes ? level : level + 1;
            begin_header(wrap);
            wrap->kind = closes ? KIND_TEXT : KIND_HEADER;
            return;
        }
    }
}

static void end_line_of_part(struct mail_wrap *wrap, uint64_t len)
{
    if (wrap->kind != KIND_HEADER) {
        if (len >= 2 && len < HEAD_MAX && wrap->head[0] == '-' && wrap->head[1] == '-') {
            take_delimiter(wrap);
        }
    } else if (len == 0) {
        end_header(wrap);
    }
}

/* ---- breaks ---- */

static void add_break(struct mail_wrap *wrap, uint64_t at, const char *text)
{
    if (wrap->count == MAIL_WRAP_BREAKS_MAX) {
        wrap->failed = true;
    } else {
        if (wrap->count == wrap->room) {
            wrap->room = wrap->room == 0 ? 64 : wrap->room * 2;
            wrap->breaks = expect_memory(realloc(wrap->breaks, wrap->room * sizeof *wrap->breaks));
        }
        wrap->breaks[wrap->count++] = (struct mail_break){at, text};
    }
    wrap->segment = at;
    wrap->lead = 0;
}

/* The segment is full and the line goes on with the octet at wrap->at. */
static void break_line(struct mail_wrap *wrap)
{
    uint64_t here = wrap->character > wrap->segment ? wrap->character : wrap->at;
    uint64_t in_front = wrap->at - wrap->equals;
    switch (wrap->kind) {
    case KIND_HEADER:
        if (wrap->blank > wrap->segment + 1) {
            add_break(wrap, wrap->blank - 1, "\r\n");
        } else {
            add_break(wrap, here, "\r\n ");
            wrap->lead = 1;
        }
        break;
    case KIND_BASE64:
        add_break(wrap, wrap->at, "\r\n");
        break;
    case KIND_QUOTED: /* "=" and its two digits stay together */
        add_break(wrap, wrap->equals > wrap->segment + 1 && in_front < 2 ? wrap->equals - 1 : wrap->at, "=\r\n");
        break;
    case KIND_TEXT:
        add_break(wrap, wrap->blank > wrap->segment ? wrap->blank : here, "\r\n");
        break;
    }
}

/* ---- lines ---- */

static void begin_line(struct mail_wrap *wrap)
{
    wrap->start = wrap->segment = wrap->character = wrap->at;
    wrap->lead = 0;
    wrap->blank = wrap->equals = 0;
    wrap->cr = false;
    wrap->head_len = 0;
    wrap->first_break = wrap->count;
}

static void begin_text(struct mail_wrap *wrap)
{
    if (wrap->at == wrap->text_at) {
        end_header(wrap);
    }
}

void mail_wrap_text_at(struct mail_wrap *wrap, uint64_t at)
{
    wrap->text_at = at;
    begin_text(wrap);
}

static void end_line(struct mail_wrap *wrap, uint64_t len)
{
    if (len <= wrap->line_max) {
        wrap->count = wrap->first_break;
    }
    end_line_of_part(wrap, len);
}

/* Whether the line, of which the head is here, is none of a field. */
static bool is_odd(const struct mail_wrap *wrap)
{
    struct bytes head = bytes_at(wrap->head, wrap->head_len);
    struct mail_header_field field;
    return (wrap->start == 0 || (wrap->head[0] != ' ' && wrap->head[0] != '\t')) &&
           mail_header_next(&head, &field) == 1 && field.odd;
}

static void take_octet(struct mail_wrap *wrap, uint8_t c)
{
    uint64_t len = wrap->at - wrap->start;
    bool begins = (c & 0xC0) != 0x80;
    uint64_t width = wrap->kind == KIND_QUOTED ? wrap->width - 1 : wrap->width;
    if (begins) {
        wrap->character = wrap->at;
    }
    if (len == HEAD_MAX && wrap->kind == KIND_HEADER && is_odd(wrap)) {
        wrap->lead = 1; /* mail_rope puts a blank in front of it */
    }
    if (wrap->at - wrap->segment + wrap->lead >= width) {
        break_line(wrap);
    }
    if (wrap->kind == KIND_HEADER) {
        if (len == 0 && c != ' ' && c != '\t') {
            end_field(wrap);
        }
        buf_append_octet(&wrap->field, c);
    }
    if (len < HEAD_MAX) {
        wrap->head[wrap->head_len++] = (char)c;
    }
    wrap->at++;
    if (c == ' ' || c == '\t') {
        wrap->blank = wrap->at;
    } else if (c == '=') {
        wrap->equals = wrap->at;
    }
}

void mail_wrap_add(struct mail_wrap *wrap, struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        uint8_t c = data.ptr[i];
        if (c == '\n') {
            end_line(wrap, wrap->at - wrap->start);
            wrap->at += wrap->cr ? 2 : 1;
            begin_line(wrap);
            begin_text(wrap);
            continue;
        }
        if (wrap->cr) { /* no line end after all */
            wrap->cr = false;
            take_octet(wrap, '\r');
        }
        if (c == '\r') {
            wrap->cr = true;
        } else {
            take_octet(wrap, c);
        }
    }
}

int mail_wrap_end(struct mail_wrap *wrap, const struct mail_break **breaks_r, size_t *count_r)
{
    end_line(wrap, wrap->at - wrap->start);
    *breaks_r = wrap->breaks;
    *count_r = wrap->count;
    return wrap->failed ? -1 : 0;
}
