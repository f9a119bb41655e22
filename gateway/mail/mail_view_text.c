/*
 * mail_view_text - the content of a part: its octets decoded, and those of text parts as text. See mail_view.h; RFC
 * 2045, RFC 3676.
 */
#include "mail/mail_charset.h"
#include "mail/mail_header.h"
#include "mail/mail_html.h"
#include "mail/mail_parameter.h"
#include "mail/mail_text.h"
#include "mail/mail_view_private.h"

#define CHUNK 65536

/* ---- octets ---- */

enum mail_encoding mail_view_encoding(struct mail_view_reader *reader, const struct mail_part *part)
{
    struct bytes rest = part->header;
    struct mail_header_field field;
    enum mail_encoding encoding = MAIL_ENCODING_NONE;
    bool any = false;
    while (mail_header_next(&rest, &field) == 1) {
        if (!bytes_is_nocase(field.name, "Content-Transfer-Encoding")) {
            continue;
        }
        enum mail_encoding one = mail_decode_encoding(field.value);
        if (one == MAIL_ENCODING_UNKNOWN || (any && one != encoding)) {
            mail_view_error(reader, "encoding"); /* of two that differ readers take either */
        }
        encoding = any ? encoding : one;
        any = true;
    }
    return encoding;
}

uint64_t mail_view_decode(struct mail_view_reader *reader, const struct mail_part *part, enum mail_encoding encoding,
                          struct buf *out)
{
    struct mail_decoder decoder = {.encoding = encoding, .out = out};
    struct buf chunk;
    size_t size = part->end - part->start < CHUNK ? (size_t)(part->end - part->start) : CHUNK;
    buf_init(&chunk, size);
    size_t room;
    uint8_t *into = buf_reserve(&chunk, size, &room);
    for (uint64_t at = part->start; at < part->end && (out == NULL || !out->full);) {
        uint64_t left = part->end - at;
        size_t want = left < room ? (size_t)left : room;
        ptrdiff_t got = reader->source->read(reader->source->ctx, at, into, want, reader->fault);
        if (got <= 0) {
            break;
        }
        mail_decode_add(&decoder, bytes_at(into, (size_t)got));
        at += (uint64_t)got;
    }
    mail_decode_end(&decoder);
    buf_done(&chunk);
    return decoder.size;
}

/* ---- text ---- */

struct first {
    char value[80];
    size_t len;
};

/* Of several values the first counts; a comment behind it does not. */
static void keep_first(void *ctx, struct bytes value)
{
    struct first *first = ctx;
    value = bytes_trim(value);
    for (size_t i = 0; first->len == 0 && i < value.len && i < sizeof first->value - 1; i++) {
        if (value.ptr[i] == ' ' || value.ptr[i] == '(') {
            break;
        }
        first->value[i] = (char)value.ptr[i];
        first->value[i + 1] = '\0';
    }
    first->len += value.len;
}

static struct first parameter(struct bytes type, const char *name)
{
    struct first first = {.len = 0};
    mail_parameter_each(type, name, keep_first, &first);
    return first;
}

/* The name of the text's character set: a mark at its beginning, what the header says, what a page says of itself. */
static struct bytes charset_of(const struct mail_view_kind *kind, struct bytes octets, struct first *first)
{
    bool utf8 = octets.len >= 3 && bytes_equal(bytes_slice(octets, 0, 3), bytes_of(MAIL_HEADER_BOM));
    *first = parameter(kind->type, "charset");
    struct bytes name = bytes_of(first->value);
    if (utf8) {
        return bytes_of("utf-8");
    }
    if (kind->is_html && mail_charset_is_plain(name)) {
        return mail_html_charset(octets);
    }
    return name;
}

/* Text in UTF-8 with LF as it came. */
static void decode_text(struct mail_view_reader *reader, const struct mail_view_kind *kind, struct bytes octets,
                        struct buf *out)
{
    struct first first;
    struct bytes charset = charset_of(kind, octets, &first);
    struct buf text;
    buf_init(&text, out->max);
    if (!mail_charset_decode(charset, octets, &text)) {
        mail_view_error(reader, "charset");
    }
    struct bytes all = buf_bytes(&text);
    if (bytes_equal(bytes_slice(all, 0, 3), bytes_of(MAIL_HEADER_BOM))) {
        all = bytes_from(all, 3);
    }
    mail_text_lines(all, out);
    out->full = out->full || text.full;
    buf_done(&text);
}

/* A text that was cut off may end inside a character. */
static struct bytes whole_characters(struct bytes text)
{
    for (int i = 0; i < 4 && !bytes_is_utf8(text); i++) {
        text.len--;
    }
    return text;
}

static struct bytes keep_text(struct mail_view_reader *reader, const struct buf *text)
{
    struct bytes kept = whole_characters(buf_bytes(text));
    char *copy = arena_copy(reader->arena, kept);
    reader->arena_full = reader->arena_full || copy == NULL;
    return bytes_at(copy == NULL ? "" : copy, kept.len);
}

static void keep_paragraphs(struct mail_view_reader *reader, struct mail_view_text *text)
{
    struct buf out;
    buf_init(&out, text->text.len + 2);
    if (mail_text_paragraphs(text->text, &out)) {
        text->paragraphs = keep_text(reader, &out);
    }
    buf_done(&out);
}

/* The text as its reader sees it, of the lines as they came. */
static void show_lines(struct mail_view_reader *reader, const struct mail_view_kind *kind, struct bytes lines,
                       struct mail_view_text *text)
{
    struct buf out;
    struct first format = parameter(kind->type, "format"), del_sp = parameter(kind->type, "delsp");
    buf_init(&out, MAIL_VIEW_TEXT_MAX - reader->text_octets);
    if (kind->is_html) {
        mail_html_text(lines, &out);
    } else if (bytes_is_nocase(bytes_of(format.value), "flowed")) {
        mail_text_flowed(lines, bytes_is_nocase(bytes_of(del_sp.value), "yes"), &out);
    } else {
        buf_append_bytes(&out, lines);
    }
    if (out.full) {
        mail_view_hit(reader, "text");
    }
    text->text = keep_text(reader, &out);
    buf_done(&out);
    if (!kind->is_html && !reader->arena_full) {
        keep_paragraphs(reader, text);
    }
}

static void add_decoded(struct mail_view_reader *reader, const struct mail_part *part,
                        const struct mail_view_kind *kind, struct bytes octets)
{
    struct mail_view_text text = {.nested = part->nested};
    struct buf lines;
    buf_init(&lines, MAIL_VIEW_TEXT_MAX - reader->text_octets);
    decode_text(reader, kind, octets, &lines);
    if (lines.full) {
        mail_view_hit(reader, "text");
    }
    struct bytes all = whole_characters(buf_bytes(&lines));
    if ((reader->wanted & MAIL_VIEW_RAW) != 0) {
        text.raw = keep_text(reader, &lines);
    }
    show_lines(reader, kind, all, &text);
    reader->text_octets += text.text.len;
    if (all.len > 0 || text.text.len > 0) {
        reader->view->texts[reader->view->text_count++] = text;
    }
    buf_done(&lines);
}

void mail_view_add_text(struct mail_view_reader *reader, const struct mail_part *part,
                        const struct mail_view_kind *kind)
{
    enum mail_encoding encoding = mail_view_encoding(reader, part);
    size_t left = MAIL_VIEW_TEXT_MAX - reader->text_octets;
    if (left == 0 && part->end > part->start) {
        mail_view_hit(reader, "text");
    }
    if (left == 0 || (reader->wanted & MAIL_VIEW_TEXTS) == 0) {
        return;
    }
    struct buf octets;
    buf_init(&octets, left);
    mail_view_decode(reader, part, encoding, &octets);
    if (octets.full) {
        mail_view_hit(reader, "text");
    }
    add_decoded(reader, part, kind, buf_bytes(&octets));
    buf_done(&octets);
}

struct bytes mail_view_part_text(struct mail_view_reader *reader, const struct mail_part *part,
                                 const struct mail_view_kind *kind)
{
    size_t left = MAIL_VIEW_TEXT_MAX - reader->part_octets;
    struct buf octets, lines;
    buf_init(&octets, left);
    buf_init(&lines, left);
    mail_view_decode(reader, part, mail_view_encoding(reader, part), &octets);
    decode_text(reader, kind, buf_bytes(&octets), &lines);
    if (octets.full || lines.full) {
        mail_view_hit(reader, "text");
    }
    struct bytes text = keep_text(reader, &lines);
    reader->part_octets += text.len;
    buf_done(&octets);
    buf_done(&lines);
    return text;
}
