/*
 * mail_view - see mail_view.h. Which part is what; how its octets become text is mail_view_text.
 */
#include "mail/mail_view.h"

#include <string.h>

#include "mail/mail_charset.h"
#include "mail/mail_decode.h"
#include "mail/mail_header.h"
#include "mail/mail_parameter.h"
#include "mail/mail_token.h"
#include "mail/mail_part.h"
#include "mail/mail_tnef.h"
#include "mail/mail_view_private.h"

#define FIELDS_MAX        4 /* fields of one name that are looked at */
#define ATTACHMENTS_FIRST 8 /* for which the list has room at first */
#define ENCODED_DEPTH_MAX 8 /* of encoded messages in each other */

/* What a part's header says of it. The values are unfolded and live as long as the arena. */
struct leaf {
    struct bytes types[FIELDS_MAX], dispositions[FIELDS_MAX];
    size_t type_count, disposition_count;
    const char *names[MAIL_VIEW_NAMES_MAX];
    size_t name_count;
    bool is_text, is_html, attached;
};

/* ---- fields ---- */

/* The values of the fields of that name; how many. */
static size_t find_fields(struct mail_view_reader *reader, struct bytes header, const char *name,
                          struct bytes values[FIELDS_MAX])
{
    struct mail_header_field field;
    size_t count = 0;
    while (count < FIELDS_MAX && mail_header_next(&header, &field) == 1) {
        if (!bytes_is_nocase(field.name, name)) {
            continue;
        }
        struct buf line;
        buf_init(&line, field.value.len + 1);
        mail_header_unfold(field.value, &line);
        char *copy = arena_copy(reader->arena, buf_bytes(&line));
        reader->arena_full = reader->arena_full || copy == NULL;
        values[count++] = bytes_at(copy, copy == NULL ? 0 : line.len);
        buf_done(&line);
    }
    return count;
}

/* ---- names ---- */

struct names {
    struct mail_view_reader *reader;
    const char **list;
    size_t *count;
};

/* Windows leaves dots and blanks at the end of a name out, and so runs what is named "x.exe. ". */
static void keep_name(void *ctx, struct bytes value)
{
    struct names *names = ctx;
    value = bytes_trim(value);
    while (value.len > 0 && strchr(". \t", value.ptr[value.len - 1]) != NULL) {
        value.len--;
    }
    for (size_t i = 0; i < *names->count; i++) {
        if (bytes_is(value, names->list[i])) {
            return;
        }
    }
    if (value.len == 0 || *names->count == MAIL_VIEW_NAMES_MAX) {
        return;
    }
    const char *copy = arena_copy(names->reader->arena, value);
    if (copy == NULL) {
        names->reader->arena_full = true;
        return;
    }
    names->list[(*names->count)++] = copy;
}

static void find_names(struct mail_view_reader *reader, struct leaf *leaf)
{
    struct names names = {reader, leaf->names, &leaf->name_count};
    for (size_t i = 0; i < leaf->disposition_count; i++) {
        mail_parameter_each(leaf->dispositions[i], "filename", keep_name, &names);
        mail_parameter_each(leaf->dispositions[i], "name", keep_name, &names);
    }
    for (size_t i = 0; i < leaf->type_count; i++) {
        mail_parameter_each(leaf->types[i], "name", keep_name, &names);
        mail_parameter_each(leaf->types[i], "filename", keep_name, &names);
    }
}

/* ---- what a leaf is ---- */

/* RFC 2045 section 5.2: what cannot be parsed is text/plain. */
static bool is_text_type(struct bytes type)
{
    return bytes_starts_nocase(type, "text/") || bytes_find_octet(type, '/') < 0;
}

/* RFC 2183 section 2.8: what is not known is an attachment. A parameter where the disposition should be says nothing of
 * it. */
static bool is_attached(const struct leaf *leaf)
{
    struct bytes head = leaf->disposition_count == 0 ? bytes_of("") : mail_token_head(leaf->dispositions[0]);
    return head.len > 0 && !bytes_is_nocase(head, "inline") && bytes_find_octet(head, '=') < 0;
}

static void look_at(struct mail_view_reader *reader, const struct mail_part *part, struct leaf *leaf)
{
    leaf->type_count = find_fields(reader, part->header, "Content-Type", leaf->types);
    leaf->disposition_count = find_fields(reader, part->header, "Content-Disposition", leaf->dispositions);
    find_names(reader, leaf);
    leaf->attached = is_attached(leaf);
    leaf->is_text = leaf->type_count == 0 && !part->is_message;
    for (size_t i = 0; i < leaf->type_count; i++) {
        struct bytes type = mail_token_head(leaf->types[i]);
        leaf->is_text =
            leaf->is_text || is_text_type(type) || (part->lacks_boundary && bytes_starts_nocase(type, "multipart"));
        leaf->is_html =
            leaf->is_html || bytes_is_nocase(type, "text/html") || bytes_is_nocase(type, "application/xhtml+xml");
        if (i > 0 && !bytes_equal_nocase(type, mail_token_head(leaf->types[0]))) {
            mail_view_error(reader, "content-type");
        }
    }
    leaf->is_text = leaf->is_text || leaf->is_html;
}

/* What nobody but its recipient can read, and what is only a piece. */
static void note_unreadable(struct mail_view_reader *reader, const struct leaf *leaf)
{
    static const char *const encrypted[] = {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime",
                                            "application/pgp-encrypted", NULL};
    static const char *const partial[] = {"message/partial", NULL};
    for (size_t i = 0; i < leaf->type_count; i++) {
        struct bytes type = mail_token_head(leaf->types[i]);
        if (bytes_is_one_of(type, encrypted)) {
            mail_view_error(reader, "encrypted");
        } else if (bytes_is_one_of(type, partial)) {
            mail_view_error(reader, "partial");
        }
    }
}

/* ---- attachments ---- */

static const char *lower_type(struct mail_view_reader *reader, struct bytes type)
{
    struct buf text;
    buf_init(&text, type.len * 4 + 16);
    mail_charset_guess(type, &text);
    char *copy = arena_copy(reader->arena, buf_bytes(&text));
    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        *c = (char)octet_lower((uint8_t)*c);
    }
    reader->arena_full = reader->arena_full || copy == NULL;
    buf_done(&text);
    return copy == NULL ? "" : copy;
}

/* Room for one more: the list moves. */
static bool grow_attachments(struct mail_view_reader *reader)
{
    struct mail_view *view = reader->view;
    size_t size = reader->attachment_size == 0 ? ATTACHMENTS_FIRST : reader->attachment_size * 2;
    struct mail_view_attachment *list = arena_array(reader->arena, size, sizeof *list);
    if (list == NULL) {
        reader->arena_full = true;
        return false;
    }
    if (view->attachment_count > 0) {
        memcpy(list, view->attachments, view->attachment_count * sizeof *list);
    }
    view->attachments = list;
    reader->attachment_size = size;
    return true;
}

static struct mail_view_attachment *new_attachment(struct mail_view_reader *reader, const struct mail_part *part,
                                                   const char *const *names, size_t count)
{
    struct mail_view *view = reader->view;
    const char **copy = arena_array(reader->arena, count + 1, sizeof *copy);
    if (copy == NULL || view->attachment_count == MAIL_VIEW_ATTACHMENTS_MAX) {
        reader->arena_full = reader->arena_full || copy == NULL;
        mail_view_hit(reader, "parts");
        return NULL;
    }
    if (view->attachment_count == reader->attachment_size && !grow_attachments(reader)) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = names[i];
    }
    struct mail_view_attachment *attachment = &view->attachments[view->attachment_count++];
    *attachment = (struct mail_view_attachment){.names = copy, .name_count = count, .nested = part->nested};
    return attachment;
}

static void add_attachment(struct mail_view_reader *reader, const struct mail_part *part, const struct leaf *leaf)
{
    struct mail_view_attachment *attachment = new_attachment(reader, part, leaf->names, leaf->name_count);
    if (attachment == NULL) {
        return;
    }
    struct bytes type = leaf->type_count == 0 ? bytes_of(part->is_message ? "message/rfc822" : "text/plain")
                                              : mail_token_head(leaf->types[0]);
    attachment->type = lower_type(reader, type);
    for (size_t i = 1; i < leaf->type_count; i++) {
        struct bytes other = mail_token_head(leaf->types[i]);
        attachment->other_type = bytes_equal_nocase(other, type) ? attachment->other_type : lower_type(reader, other);
    }
    if ((reader->wanted & MAIL_VIEW_SIZES) != 0) {
        attachment->size = mail_view_decode(reader, part, mail_view_encoding(reader, part), NULL);
    }
}

/* ---- winmail.dat ---- */

static bool is_tnef(const struct leaf *leaf)
{
    static const char *const types[] = {"application/ms-tnef", "application/vnd.ms-tnef", NULL};
    for (size_t i = 0; i < leaf->name_count; i++) {
        if (bytes_is_nocase(bytes_of(leaf->names[i]), "winmail.dat")) {
            return true;
        }
    }
    return leaf->type_count > 0 && bytes_is_one_of(mail_token_head(leaf->types[0]), types);
}

struct tnef {
    struct mail_view_reader *reader;
    const struct mail_part *part;
};

static void on_tnef_name(void *ctx, struct bytes value)
{
    struct tnef *tnef = ctx;
    const char *list[MAIL_VIEW_NAMES_MAX];
    size_t count = 0;
    struct names names = {tnef->reader, list, &count};
    keep_name(&names, value);
    struct mail_view_attachment *attachment = count == 0 ? NULL : new_attachment(tnef->reader, tnef->part, list, count);
    if (attachment != NULL) {
        attachment->type = "application/octet-stream";
    }
}

static void look_into_tnef(struct mail_view_reader *reader, const struct mail_part *part)
{
    struct buf octets;
    struct tnef tnef = {reader, part};
    buf_init(&octets, MAIL_VIEW_TNEF_MAX);
    mail_view_decode(reader, part, mail_view_encoding(reader, part), &octets);
    if (octets.full) {
        mail_view_hit(reader, "text");
    }
    if (mail_tnef_names(buf_bytes(&octets), on_tnef_name, &tnef) < 0) {
        mail_view_error(reader, "tnef");
    }
    buf_done(&octets);
}

/* ---- parts ---- */

static void add_text(struct mail_view_reader *reader, const struct mail_part *part, const struct leaf *leaf)
{
    struct mail_view_kind kind = {.is_html = leaf->is_html};
    for (size_t i = leaf->type_count; i > 0; i--) {
        kind.type = is_text_type(mail_token_head(leaf->types[i - 1])) ? leaf->types[i - 1] : kind.type;
    }
    mail_view_add_text(reader, part, &kind);
}

/* Reports (RFC 3464, RFC 5965, RFC 8098) and data that programs send are text, whatever their types begin with. */
static bool is_readable(const char *type)
{
    static const char *const others[] = {"message/delivery-status",
                                         "message/global-delivery-status",
                                         "message/disposition-notification",
                                         "message/feedback-report",
                                         "message/headers",
                                         "application/json",
                                         "application/xml",
                                         "application/csv",
                                         "application/tlsrpt+json",
                                         "application/ics",
                                         NULL};
    return strncmp(type, "text/", 5) == 0 || bytes_is_one_of(bytes_of(type), others);
}

static void note_part(struct mail_view_reader *reader, const struct mail_part *part, const struct leaf *leaf)
{
    struct mail_view *view = reader->view;
    if ((reader->wanted & MAIL_VIEW_PARTS) == 0) {
        return;
    }
    struct bytes type = leaf->type_count == 0 ? bytes_of(part->is_message ? "message/rfc822" : "text/plain")
                                              : mail_token_head(leaf->types[0]);
    struct mail_view_part *noted = &view->parts[view->part_count++];
    *noted = (struct mail_view_part){.type = lower_type(reader, type), .nested = part->nested};
    if ((reader->wanted & MAIL_VIEW_PART_TEXTS) != 0 && is_readable(noted->type) && !part->is_multipart) {
        const struct mail_view_kind kind = {.type = leaf->type_count == 0 ? bytes_of("") : leaf->types[0],
                                            .is_html = leaf->is_html};
        noted->text = mail_view_part_text(reader, part, &kind);
    }
}

static void look_into_message(struct mail_view_reader *reader, const struct mail_part *part);

static void add_part(struct mail_view_reader *reader, const struct mail_part *part)
{
    struct leaf leaf = {.type_count = 0};
    look_at(reader, part, &leaf);
    note_part(reader, part, &leaf);
    note_unreadable(reader, &leaf);
    if (part->lacks_boundary) {
        mail_view_error(reader, "boundary");
    }
    bool is_text = leaf.is_text && !part->is_message;
    if (part->is_multipart && !is_text) {
        return;
    }
    if (is_text && !leaf.attached) {
        add_text(reader, part, &leaf);
    }
    bool only_text = is_text && (!leaf.attached || part->is_multipart) && leaf.name_count == 0;
    if (!only_text) {
        add_attachment(reader, part, &leaf);
    }
    if (is_tnef(&leaf)) {
        look_into_tnef(reader, part);
    }
    if (part->is_message) {
        look_into_message(reader, part);
    }
}

/* Room for the texts of so many parts more, and for the parts: beside what a message around them still has to come. */
static bool make_room(struct mail_view_reader *reader, size_t more)
{
    struct mail_view *view = reader->view;
    bool wants_parts = (reader->wanted & MAIL_VIEW_PARTS) != 0;
    reader->room += more;
    struct mail_view_text *texts = arena_array(reader->arena, reader->room, sizeof *texts);
    struct mail_view_part *parts = wants_parts ? arena_array(reader->arena, reader->room, sizeof *parts) : NULL;
    if (texts == NULL || (wants_parts && parts == NULL)) {
        reader->arena_full = true;
        return false;
    }
    for (size_t i = 0; i < view->text_count; i++) {
        texts[i] = view->texts[i];
    }
    for (size_t i = 0; i < view->part_count; i++) {
        parts[i] = view->parts[i];
    }
    view->texts = texts;
    view->parts = parts;
    return true;
}

/* The parts of the message that the reader's source is; nested: they are of one that the message brings along. */
static void add_parts(struct mail_view_reader *reader, bool nested)
{
    struct mail_parts parts = {.count = 0};
    if (mail_part_read(reader->source, reader->arena, &parts, reader->fault) < 0) {
        return;
    }
    if (parts.limit != NULL) {
        mail_view_hit(reader, parts.limit);
    }
    bool goes_on = make_room(reader, parts.count);
    for (size_t i = 0; i < parts.count && goes_on; i++) {
        parts.list[i].nested = parts.list[i].nested || nested;
        add_part(reader, &parts.list[i]);
        goes_on = !reader->arena_full && !fault_is_set(reader->fault);
    }
}

/* A message that came encoded: RFC 2045 section 6.4 forbids it, and mail programs show it all the same. */
static void look_into_message(struct mail_view_reader *reader, const struct mail_part *part)
{
    enum mail_encoding encoding = mail_view_encoding(reader, part);
    if (encoding != MAIL_ENCODING_BASE64 && encoding != MAIL_ENCODING_QUOTED) {
        return; /* mail_part has gone into it */
    }
    if (reader->encoded_depth == ENCODED_DEPTH_MAX) {
        mail_view_hit(reader, "nesting");
        return;
    }
    struct buf octets;
    buf_init(&octets, MAIL_VIEW_TEXT_MAX);
    mail_view_decode(reader, part, encoding, &octets);
    if (octets.full) {
        mail_view_hit(reader, "text");
    }
    struct bytes message = buf_bytes(&octets);
    struct mail_source inside = mail_source_of(&message);
    const struct mail_source *outside = reader->source;
    reader->source = &inside;
    reader->encoded_depth++;
    add_parts(reader, true);
    reader->encoded_depth--;
    reader->source = outside;
    buf_done(&octets);
}

int mail_view_read(const struct mail_source *source, unsigned wanted, struct arena *arena, struct mail_view *view_r,
                   struct fault *fault)
{
    struct fault own = FAULT_INIT;
    struct mail_view view = {.limit = NULL};
    struct mail_view_reader reader = {.source = source, .arena = arena, .fault = &own, .view = &view, .wanted = wanted};
    add_parts(&reader, false);
    if (reader.arena_full) {
        fault_set(&own, FAULT_LOCAL, "rules-memory", "decoding", "the message needs more memory than decoding may use");
    }
    if (fault_is_set(&own)) {
        fault_set(fault, own.class, own.code, own.where, "%s", own.text);
        return -1;
    }
    *view_r = view;
    return 0;
}
