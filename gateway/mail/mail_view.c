/*
 * mail_view - see mail_view.h. RFC 2045-2047, 2231, 5322.
 */
#include "mail/mail_view.h"

#include <gmime/gmime.h>
#include <string.h>

#include "mail/mail_header.h"
#include "mail/mail_html.h"
#include "mail/mail_view_stream.h"
#include "mail/mail_view_words.h"

#define SCAN_CHUNK 65536

/* GMime wants to be initialised once, before any thread uses it, and has no harm in being left initialised. */
__attribute__((constructor)) static void start_gmime(void)
{
    g_mime_init();
}

struct reader {
    const struct mail_source *source;
    struct arena *arena;
    struct fault *fault;
    struct mail_view *view;
    unsigned wanted;
    size_t text_octets;
    size_t leaves;
    bool arena_full;
};

static void hit(struct reader *reader, const char *limit)
{
    if (reader->view->limit == NULL) {
        reader->view->limit = limit;
    }
}

/* ---- counting, before GMime sees anything ---- */

#define HEAD_MAX 12 /* octets of a line that tell what it is */

struct scan {
    size_t boundaries, fields, header, colons;
    size_t most_colons;     /* of one address field, in whatever header */
    uint8_t head[HEAD_MAX]; /* of this line */
    size_t head_len;
    bool in_header;  /* of the message itself */
    bool in_address; /* a field that GMime reads as addresses */
    bool is_known;   /* what this line is */
};

static bool is_address_field(struct bytes head)
{
    static const char *const names[] = {"from", "to", "cc", "bcc", "sender", "reply-to"};
    ptrdiff_t colon = bytes_find_octet(head, ':');
    struct bytes name = bytes_trim(bytes_slice(head, 0, colon < 0 ? head.len : (size_t)colon));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (bytes_is_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* The line's beginning is here: what it is. */
static void scan_head(struct scan *scan)
{
    struct bytes head = bytes_at(scan->head, scan->head_len);
    bool continues = head.len > 0 && (head.ptr[0] == ' ' || head.ptr[0] == '\t');
    bool empty = head.len == 0 || (head.len == 1 && head.ptr[0] == '\r');
    scan->is_known = true;
    scan->boundaries += head.len >= 2 && head.ptr[0] == '-' && head.ptr[1] == '-';
    scan->in_header = scan->in_header && !empty;
    scan->fields += scan->in_header && !continues;
    if (!continues) {
        scan->in_address = is_address_field(head);
        scan->colons = 0;
    }
}

/* A piece of one line. */
static void scan_piece(struct scan *scan, struct bytes piece, bool ends)
{
    for (size_t i = 0; i < piece.len && scan->head_len < HEAD_MAX; i++) {
        scan->head[scan->head_len++] = piece.ptr[i];
    }
    if (!scan->is_known && (ends || scan->head_len == HEAD_MAX)) {
        scan_head(scan);
    }
    for (size_t i = 0; scan->in_address && i < piece.len; i++) {
        scan->colons += piece.ptr[i] == ':';
    }
    scan->most_colons = scan->colons > scan->most_colons ? scan->colons : scan->most_colons;
    scan->header += scan->in_header ? piece.len + ends : 0;
    if (ends) {
        scan->head_len = 0;
        scan->is_known = false;
    }
}

static void scan_chunk(struct scan *scan, struct bytes chunk)
{
    while (chunk.len > 0) {
        const uint8_t *end = memchr(chunk.ptr, '\n', chunk.len);
        size_t len = end == NULL ? chunk.len : (size_t)(end - chunk.ptr);
        scan_piece(scan, bytes_slice(chunk, 0, len), end != NULL);
        chunk = bytes_from(chunk, end == NULL ? len : len + 1);
    }
}

/* Whether GMime may see the message. -1: it cannot be read. */
static int within_limits(struct reader *reader)
{
    struct scan scan = {.in_header = true};
    uint8_t *chunk = arena_alloc(reader->arena, SCAN_CHUNK);
    if (chunk == NULL) {
        reader->arena_full = true;
        return -1;
    }
    for (uint64_t at = 0; at < reader->source->size;) {
        ptrdiff_t got = reader->source->read(reader->source->ctx, at, chunk, SCAN_CHUNK, reader->fault);
        if (got <= 0) {
            return got < 0 ? -1 : 0;
        }
        scan_chunk(&scan, bytes_at(chunk, (size_t)got));
        at += (uint64_t)got;
    }
    if (scan.header > MAIL_VIEW_HEADER_MAX) {
        hit(reader, "header-size");
    } else if (scan.fields > MAIL_VIEW_FIELDS_MAX) {
        hit(reader, "header-fields");
    } else if (scan.boundaries > MAIL_VIEW_BOUNDARIES_MAX) {
        hit(reader, "boundaries");
    } else if (scan.most_colons > MAIL_VIEW_COLONS_MAX) {
        hit(reader, "addresses");
    }
    return reader->view->limit == NULL;
}

/* ---- leaves ---- */

/* GMime reads C strings: a NUL in between would hide what stands behind it. */
static char *without_nul(struct bytes value)
{
    char *text = g_malloc(value.len + 1);
    for (size_t i = 0; i < value.len; i++) {
        text[i] = (char)(value.ptr[i] == 0 ? ' ' : value.ptr[i]);
    }
    text[value.len] = '\0';
    return text;
}

static char *lower_copy(struct reader *reader, const char *text)
{
    char *copy = arena_text(reader->arena, text);
    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        *c = (char)octet_lower((uint8_t)*c);
    }
    return copy;
}

static char *valid_copy(struct reader *reader, const char *text)
{
    char *valid = g_utf8_make_valid(text == NULL ? "" : text, -1);
    char *copy = arena_text(reader->arena, valid);
    g_free(valid);
    return copy;
}

static uint64_t decoded_size(GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    if (content == NULL) {
        return 0;
    }
    GMimeStream *null = g_mime_stream_null_new();
    ssize_t size = g_mime_data_wrapper_write_to_stream(content, null);
    g_object_unref(null);
    return size < 0 ? 0 : (uint64_t)size;
}

/* The field's value on one line when its encoded words want mending; NULL when they do not. The caller's. */
static char *mended_field(GMimePart *part, const char *name)
{
    GMimeHeader *header = g_mime_header_list_get_header(g_mime_object_get_header_list(GMIME_OBJECT(part)), name);
    const char *raw = header == NULL ? NULL : g_mime_header_get_raw_value(header);
    if (raw == NULL || strstr(raw, "=?=") == NULL) {
        return NULL;
    }
    struct buf line, mended;
    buf_init(&line, MAIL_VIEW_HEADER_MAX);
    mail_header_unfold(bytes_of(raw), &line);
    struct bytes text = mail_view_mend_words(buf_bytes(&line), &mended);
    char *copy = mended.len > 0 ? without_nul(text) : NULL;
    buf_done(&line);
    buf_done(&mended);
    return copy;
}

/* As g_mime_part_get_filename() does: Content-Disposition's, else Content-Type's. */
static char *attachment_name(struct reader *reader, GMimePart *part)
{
    char *disposition = mended_field(part, "Content-Disposition"), *type = mended_field(part, "Content-Type");
    GMimeContentDisposition *parsed = disposition == NULL ? g_mime_object_get_content_disposition(GMIME_OBJECT(part))
                                                          : g_mime_content_disposition_parse(NULL, disposition);
    GMimeContentType *parsed_type =
        type == NULL ? g_mime_object_get_content_type(GMIME_OBJECT(part)) : g_mime_content_type_parse(NULL, type);
    const char *name = parsed == NULL ? NULL : g_mime_content_disposition_get_parameter(parsed, "filename");
    char *copy = valid_copy(reader, name != NULL ? name : g_mime_content_type_get_parameter(parsed_type, "name"));
    if (disposition != NULL && parsed != NULL) {
        g_object_unref(parsed);
    }
    if (type != NULL) {
        g_object_unref(parsed_type);
    }
    g_free(disposition);
    g_free(type);
    return copy;
}

static void add_attachment(struct reader *reader, GMimePart *part)
{
    struct mail_view_attachment *attachment = &reader->view->attachments[reader->view->attachment_count];
    char *type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(GMIME_OBJECT(part)));
    attachment->type = lower_copy(reader, type);
    attachment->name = attachment_name(reader, part);
    attachment->size = (reader->wanted & MAIL_VIEW_SIZES) != 0 ? decoded_size(part) : 0;
    g_free(type);
    if (attachment->type == NULL || attachment->name == NULL) {
        reader->arena_full = true;
        return;
    }
    reader->view->attachment_count++;
}

/* The content's first octets, so that what is decoded stays within `most` (an encoding never grows when it is decoded). */
static GMimeDataWrapper *bounded_content(struct reader *reader, GMimePart *part, size_t most)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    if (content == NULL) {
        return NULL;
    }
    GMimeStream *stream = g_mime_data_wrapper_get_stream(content);
    gint64 start = stream->bound_start, len = g_mime_stream_length(stream);
    gint64 cap = (gint64)most * 3 / 2;
    if (len < 0 || len > cap) {
        hit(reader, "text");
        len = cap;
    }
    GMimeStream *bounded = g_mime_stream_substream(stream, start, start + len);
    GMimeDataWrapper *wrapper = g_mime_data_wrapper_new_with_stream(bounded, g_mime_data_wrapper_get_encoding(content));
    g_object_unref(bounded);
    return wrapper;
}

/* The decoded octets in UTF-8, as far as its charset is known. */
static GByteArray *decoded_text(struct reader *reader, GMimePart *part, size_t most)
{
    GMimeDataWrapper *content = bounded_content(reader, part, most);
    if (content == NULL) {
        return NULL;
    }
    GByteArray *array = g_byte_array_new();
    GMimeStream *memory = g_mime_stream_mem_new();
    g_mime_stream_mem_set_byte_array(GMIME_STREAM_MEM(memory), array);
    GMimeStream *filtered = g_mime_stream_filter_new(memory);
    const char *charset = g_mime_object_get_content_type_parameter(GMIME_OBJECT(part), "charset");
    GMimeFilter *filter = charset == NULL ? NULL : g_mime_filter_charset_new(charset, "utf-8");
    if (filter != NULL) {
        g_mime_stream_filter_add(GMIME_STREAM_FILTER(filtered), filter);
        g_object_unref(filter);
    }
    g_mime_data_wrapper_write_to_stream(content, filtered);
    g_mime_stream_flush(filtered);
    g_object_unref(filtered);
    g_object_unref(memory);
    g_object_unref(content);
    return array;
}

/* A text that was cut off may end inside a character. */
static struct bytes whole_characters(struct bytes text)
{
    for (int i = 0; i < 4 && !bytes_is_utf8(text); i++) {
        text.len--;
    }
    return text;
}

static void keep_text(struct reader *reader, struct bytes text, bool html)
{
    size_t left = MAIL_VIEW_TEXT_MAX - reader->text_octets;
    char *valid = g_utf8_make_valid((const char *)text.ptr, (gssize)text.len);
    struct bytes all = bytes_of(valid);
    struct buf out;
    buf_init(&out, left);
    bool whole = html ? mail_html_text(all, &out) == 0 : all.len <= left;
    if (!whole) {
        hit(reader, "text");
    }
    struct bytes kept = whole_characters(html ? buf_bytes(&out) : bytes_slice(all, 0, left));
    char *copy = arena_copy(reader->arena, kept);
    if (copy == NULL) {
        reader->arena_full = true;
    } else {
        reader->view->texts[reader->view->text_count++] = bytes_at(copy, kept.len);
        reader->text_octets += kept.len;
    }
    buf_done(&out);
    g_free(valid);
}

static void add_text(struct reader *reader, GMimePart *part, bool html)
{
    size_t left = MAIL_VIEW_TEXT_MAX - reader->text_octets;
    if (left == 0) {
        hit(reader, "text");
    }
    if (left == 0 || (reader->wanted & MAIL_VIEW_TEXTS) == 0) {
        return;
    }
    GByteArray *array = decoded_text(reader, part, left);
    if (array != NULL) {
        keep_text(reader, bytes_at(array->data == NULL ? (const uint8_t *)"" : array->data, array->len), html);
        g_byte_array_unref(array);
    }
}

static void add_leaf(struct reader *reader, GMimePart *part)
{
    if (++reader->leaves > MAIL_VIEW_PARTS_MAX) {
        hit(reader, "parts");
        return;
    }
    GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(part));
    const char *disposition = g_mime_object_get_disposition(GMIME_OBJECT(part));
    bool attached = (disposition != NULL && g_ascii_strcasecmp(disposition, "attachment") == 0) ||
                    g_mime_part_get_filename(part) != NULL;
    if (!attached && g_mime_content_type_is_type(type, "text", "*")) {
        add_text(reader, part, g_mime_content_type_is_type(type, "text", "html"));
    } else {
        add_attachment(reader, part);
    }
}

static void walk(struct reader *reader, GMimeObject *object, unsigned depth)
{
    if (object == NULL || reader->arena_full || reader->leaves > MAIL_VIEW_PARTS_MAX) {
        return;
    }
    if (depth > MAIL_VIEW_NESTING_MAX) {
        hit(reader, "nesting");
    } else if (GMIME_IS_MULTIPART(object)) {
        GMimeMultipart *multipart = GMIME_MULTIPART(object);
        for (int i = 0; i < g_mime_multipart_get_count(multipart); i++) {
            walk(reader, g_mime_multipart_get_part(multipart, i), depth + 1);
        }
    } else if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        walk(reader, message == NULL ? NULL : g_mime_message_get_mime_part(message), depth + 1);
    } else if (GMIME_IS_PART(object)) {
        add_leaf(reader, GMIME_PART(object));
    }
}

static void read_parts(struct reader *reader)
{
    GMimeStream *stream = mail_view_stream_new(reader->source, reader->fault);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    g_mime_parser_set_persist_stream(parser, TRUE);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    if (message != NULL) {
        walk(reader, g_mime_message_get_mime_part(message), 0);
        g_object_unref(message);
    }
    g_object_unref(parser);
    g_object_unref(stream);
}

int mail_view_read(const struct mail_source *source, unsigned wanted, struct arena *arena, struct mail_view *view_r,
                   struct fault *fault)
{
    struct fault own = FAULT_INIT;
    struct mail_view view = {.texts = arena_array(arena, MAIL_VIEW_PARTS_MAX, sizeof *view.texts),
                             .attachments = arena_array(arena, MAIL_VIEW_PARTS_MAX, sizeof *view.attachments)};
    struct reader reader = {.source = source, .arena = arena, .fault = &own, .view = &view, .wanted = wanted};
    reader.arena_full = view.texts == NULL || view.attachments == NULL;
    int may = reader.arena_full ? -1 : within_limits(&reader);
    if (may > 0) {
        read_parts(&reader);
    }
    if (reader.arena_full) {
        fault_set(&own, FAULT_LOCAL, "rules-memory", "decoding", "the message needs more memory than decoding may use");
    }
    if (may < 0 || fault_is_set(&own)) {
        fault_set(fault, own.class, own.code, own.where, "%s", own.text);
        return -1;
    }
    *view_r = view;
    return 0;
}

/* ---- header values ---- */

static int decode_words(struct bytes value, struct buf *out)
{
    char *text = without_nul(value);
    char *decoded = g_mime_utils_header_decode_text(NULL, text);
    char *valid = g_utf8_make_valid(decoded, -1);
    int result = buf_append_text(out, valid);
    g_free(valid);
    g_free(decoded);
    g_free(text);
    return result;
}

int mail_view_text(struct bytes value, struct buf *out)
{
    if (bytes_find(value, bytes_of("=?")) < 0 && bytes_is_utf8(value)) {
        return buf_append_bytes(out, value);
    }
    struct buf mended;
    int result = decode_words(mail_view_mend_words(value, &mended), out);
    buf_done(&mended);
    return result;
}

struct address_walk {
    mail_view_address_fn *fn;
    void *ctx;
    size_t left;
};

static void walk_addresses(struct address_walk *walk, InternetAddressList *list, unsigned depth)
{
    for (int i = 0; list != NULL && depth < 4 && i < internet_address_list_length(list) && walk->left > 0; i++) {
        InternetAddress *address = internet_address_list_get_address(list, i);
        if (INTERNET_ADDRESS_IS_GROUP(address)) {
            walk_addresses(walk, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)), depth + 1);
            continue;
        }
        const char *name = internet_address_get_name(address);
        const char *mailbox = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
        walk->left--;
        walk->fn(walk->ctx, name == NULL ? "" : name, mailbox == NULL ? "" : mailbox);
    }
}

/* GMime reads groups by recursion: what is behind so many of their colons is left out. */
static struct bytes within_colons(struct bytes value)
{
    size_t colons = 0;
    for (size_t i = 0; i < value.len; i++) {
        colons += value.ptr[i] == ':';
        if (colons > MAIL_VIEW_COLONS_MAX) {
            return bytes_slice(value, 0, i);
        }
    }
    return value;
}

void mail_view_addresses(struct bytes value, mail_view_address_fn *fn, void *ctx)
{
    struct buf mended;
    char *text = without_nul(mail_view_mend_words(within_colons(value), &mended));
    InternetAddressList *list = internet_address_list_parse(NULL, text);
    buf_done(&mended);
    struct address_walk walk = {fn, ctx, MAIL_VIEW_ADDRESSES_MAX};
    walk_addresses(&walk, list, 0);
    if (list != NULL) {
        g_object_unref(list);
    }
    g_free(text);
}

bool mail_view_date(struct bytes value, int64_t *ms_r)
{
    char *text = without_nul(bytes_slice(value, 0, 200));
    GDateTime *date = g_mime_utils_header_decode_date(text);
    g_free(text);
    if (date == NULL) {
        return false;
    }
    gint64 seconds = g_date_time_to_unix(date);
    g_date_time_unref(date);
    if (seconds < 0 || seconds > INT64_MAX / 1000) {
        return false;
    }
    *ms_r = (int64_t)seconds * 1000;
    return true;
}
