/*
 * mail_part - see mail_part.h. Octets to lines, lines to headers and delimiters, those to parts.
 */
#include "mail/mail_part.h"

#include <string.h>

#include "base/buf.h"
#include "mail/mail_decode.h"
#include "mail/mail_header.h"
#include "mail/mail_parameter.h"
#include "mail/mail_token.h"

#define CHUNK          65536
#define LEVELS_MAX     MAIL_PART_NESTING_MAX
#define BOUNDARIES_MAX 4   /* that one multipart may have: of its Content-Type fields and parameters */
#define HEAD_MAX       300 /* octets of a line that tell what it is; RFC 2046 allows 70 for a boundary */
#define FIELDS_MAX     4   /* Content-Type fields that are looked at */

/* A multipart whose end has not come; a closed one may be opened again by a delimiter. */
struct level {
    struct bytes boundaries[BOUNDARIES_MAX];
    size_t count;
    size_t part; /* index */
    bool has_parts;
};

struct reader {
    struct arena *arena;
    struct mail_parts parts;
    size_t part_size; /* of the list: it grows, most messages have few */
    struct level levels[LEVELS_MAX];
    size_t depth;     /* of levels */
    struct buf block; /* the header that is being read: all up to its empty line */
    size_t header_octets;
    uint64_t block_at; /* where it begins */
    size_t current;    /* the part at hand, or NO_PART between parts */
    bool in_header;
    bool is_over, arena_full;
    bool is_open[MAIL_PART_COUNT_MAX];

    /* the line */
    uint64_t at, line_start;
    uint64_t content_end; /* of what stands in front of the line, without its line end */
    uint8_t head[HEAD_MAX];
    size_t head_len, line_len; /* without the line's end */
    size_t line_octets;        /* with it */
    uint8_t last;              /* octet of the line so far */
};

#define NO_PART     SIZE_MAX
#define PARTS_FIRST 8 /* for which the list has room at first */

static void hit(struct reader *reader, const char *limit)
{
    if (reader->parts.limit == NULL) {
        reader->parts.limit = limit;
    }
}

/* ---- parts ---- */

static struct mail_part *current_part(struct reader *reader)
{
    return reader->current == NO_PART ? NULL : &reader->parts.list[reader->current];
}

/* Room for one more part: the list may move. */
static bool make_room(struct reader *reader)
{
    if (reader->parts.count < reader->part_size) {
        return true;
    }
    size_t size = reader->part_size == 0 ? PARTS_FIRST : reader->part_size * 2;
    struct mail_part *list = arena_array(reader->arena, size, sizeof *list);
    if (list == NULL) {
        reader->arena_full = true;
        return false;
    }
    if (reader->parts.count > 0) {
        memcpy(list, reader->parts.list, reader->parts.count * sizeof *list);
    }
    reader->parts.list = list;
    reader->part_size = size;
    return true;
}

/* A part begins at the octet `at` with its header; parent: the one that it belongs to, or NULL. */
static void begin_part(struct reader *reader, uint64_t at, const struct mail_part *parent, bool is_digest)
{
    if (parent != NULL && parent->depth >= MAIL_PART_NESTING_MAX) {
        hit(reader, "nesting"); /* it is passed over */
        reader->current = NO_PART;
        return;
    }
    if (reader->parts.count == MAIL_PART_COUNT_MAX) {
        hit(reader, "parts");
        reader->is_over = true;
        return;
    }
    struct mail_part part = {.start = at,
                             .end = at,
                             .depth = parent == NULL ? 0 : parent->depth + 1,
                             .nested = parent != NULL && (parent->nested || parent->is_message),
                             .is_digest = is_digest};
    if (!make_room(reader)) {
        return;
    }
    reader->is_open[reader->parts.count] = true;
    reader->current = reader->parts.count;
    reader->parts.list[reader->parts.count++] = part;
    reader->in_header = true;
    reader->block_at = at;
    buf_clear(&reader->block);
}

/* Ends all parts that are open within the level, counted from 1; 0: all. */
static void end_parts(struct reader *reader, size_t level, uint64_t end)
{
    for (size_t i = reader->parts.count; i-- > 0;) {
        struct mail_part *part = &reader->parts.list[i];
        if (level > 0 && i <= reader->levels[level - 1].part) {
            break;
        }
        if (reader->is_open[i]) {
            part->end = end > part->start ? end : part->start;
            reader->is_open[i] = false;
        }
    }
}

struct boundaries {
    struct reader *reader;
    struct level *level;
};

static void keep_boundary(void *ctx, struct bytes value)
{
    struct boundaries *boundaries = ctx;
    struct level *level = boundaries->level;
    while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t')) {
        value.len--; /* they are none of it (RFC 2046 section 5.1.1) */
    }
    if (value.len == 0 || value.len + 4 > HEAD_MAX || level->count == BOUNDARIES_MAX) {
        return;
    }
    for (size_t i = 0; i < level->count; i++) {
        if (bytes_equal(level->boundaries[i], value)) {
            return;
        }
    }
    char *copy = arena_copy(boundaries->reader->arena, value);
    if (copy == NULL) {
        boundaries->reader->arena_full = true;
        return;
    }
    level->boundaries[level->count++] = bytes_at(copy, value.len);
}

static bool is_message_type(struct bytes type)
{
    return bytes_is_nocase(type, "message/rfc822") || bytes_is_nocase(type, "message/global") ||
           bytes_is_nocase(type, "message/news");
}

static bool is_encoded(struct bytes header)
{
    struct mail_header_field field;
    if (mail_header_find(header, "Content-Transfer-Encoding", &field) == 0) {
        return false;
    }
    enum mail_encoding encoding = mail_decode_encoding(field.value);
    return encoding == MAIL_ENCODING_BASE64 || encoding == MAIL_ENCODING_QUOTED;
}

/* What the part's Content-Type fields make of it; boundaries are kept in *level. */
static void take_types(struct reader *reader, struct mail_part *part, struct level *level)
{
    struct bytes rest = part->header;
    struct mail_header_field field;
    struct boundaries boundaries = {reader, level};
    size_t seen = 0;
    while (mail_header_next(&rest, &field) == 1 && seen < FIELDS_MAX) {
        if (!bytes_is_nocase(field.name, "Content-Type")) {
            continue;
        }
        seen++;
        struct buf line;
        buf_init(&line, field.value.len + 1);
        mail_header_unfold(field.value, &line);
        struct bytes type = mail_token_head(buf_bytes(&line));
        if (bytes_starts_nocase(type, "multipart/") || bytes_is_nocase(type, "multipart")) {
            part->is_multipart = true;
            mail_parameter_each(buf_bytes(&line), "boundary", keep_boundary, &boundaries);
        }
        part->is_message = part->is_message || is_message_type(type);
        buf_done(&line);
    }
    part->is_message = part->is_message || (part->is_digest && seen == 0);
}

static bool is_digest(const struct mail_part *part)
{
    struct mail_header_field field;
    return mail_header_find(part->header, "Content-Type", &field) == 1 &&
           bytes_starts_nocase(bytes_trim(field.value), "multipart/digest");
}

static void begin_content(struct reader *reader, struct mail_part *part)
{
    struct level level = {.part = reader->current};
    take_types(reader, part, &level);
    part->lacks_boundary = part->is_multipart;
    part->is_message = part->is_message && !part->is_multipart;
    if (part->is_multipart && level.count > 0) {
        if (reader->depth == LEVELS_MAX) {
            hit(reader, "nesting");
        } else {
            reader->levels[reader->depth++] = level;
        }
    } else if (part->is_message && !is_encoded(part->header)) {
        begin_part(reader, part->start, part, false);
    }
}

/* The header at hand is complete; what stands in it behind the section is content. */
static void end_header(struct reader *reader)
{
    struct mail_part *part = current_part(reader);
    bool complete;
    size_t len = mail_header_length(buf_bytes(&reader->block), &complete);
    char *copy = arena_copy(reader->arena, bytes_slice(buf_bytes(&reader->block), 0, len));
    reader->in_header = false;
    if (copy == NULL) {
        reader->arena_full = true;
        return;
    }
    part->header = bytes_at(copy, len);
    part->start = part->end = reader->block_at + len;
    begin_content(reader, part);
}

/* ---- delimiters ---- */

/* What the line says of this boundary: 0 nothing, 1 a part begins, 2 the last one ends. */
static int match(struct bytes line, struct bytes boundary)
{
    struct bytes rest = bytes_from(line, 2 + boundary.len);
    if (line.len < 2 + boundary.len || !bytes_equal(bytes_slice(line, 2, boundary.len), boundary)) {
        return 0;
    }
    if (bytes_is(bytes_slice(rest, 0, 2), "--")) {
        return 2;
    }
    return bytes_trim(rest).len == 0 ? 1 : 0;
}

static int match_level(const struct level *level, struct bytes line)
{
    int result = 0;
    for (size_t i = 0; i < level->count && result == 0; i++) {
        result = match(line, level->boundaries[i]);
    }
    return result;
}

/* A line that begins with "--". The innermost multipart is asked first, so that of two with one boundary the inner one
 * has it; one further out ends all within it, whose own ends are missing (RFC 2046 section 5.1.2). */
static bool take_delimiter(struct reader *reader)
{
    struct bytes line = bytes_at(reader->head, reader->head_len);
    for (size_t i = reader->depth; i-- > 0;) {
        struct level *level = &reader->levels[i];
        int matched = match_level(level, line);
        if (matched == 0) {
            continue;
        }
        if (reader->in_header) { /* its last line was none of it */
            buf_truncate(&reader->block, reader->block.len - reader->line_octets);
            end_header(reader);
            reader->in_header = false;
        }
        uint64_t end = reader->content_end;
        end_parts(reader, i + 1, end);
        reader->depth = i + 1;
        reader->current = NO_PART;
        struct mail_part *multipart = &reader->parts.list[level->part];
        if (matched == 1) {
            level->has_parts = true;
            multipart->lacks_boundary = false;
            begin_part(reader, reader->at, multipart, is_digest(multipart));
        }
        return true;
    }
    return false;
}

/* ---- lines ---- */

static bool is_blank_line(const struct reader *reader)
{
    return reader->line_len == 0 || (reader->line_len == 1 && reader->head[0] == '\r');
}

/* The line is complete; at stands behind its end. */
static void end_line(struct reader *reader)
{
    bool delimiter =
        reader->head_len >= 2 && reader->head[0] == '-' && reader->head[1] == '-' && take_delimiter(reader);
    if (!delimiter && reader->in_header && is_blank_line(reader)) {
        end_header(reader);
    }
    reader->content_end = reader->at - (reader->last == '\r' ? 2 : 1);
    if (delimiter) {
        reader->content_end = reader->at;
    }
    reader->line_start = reader->at;
    reader->head_len = reader->line_len = reader->line_octets = 0;
    reader->last = 0;
}

/* Lines of a header are kept as they come; a delimiter ends it before its line is. */
static void keep_header(struct reader *reader, struct bytes piece)
{
    reader->header_octets += piece.len;
    if (reader->header_octets > MAIL_PART_HEADERS_MAX) {
        hit(reader, "header-size");
        reader->is_over = true;
    }
    buf_append_bytes(&reader->block, piece);
}

static void take_piece(struct reader *reader, struct bytes piece, bool ends)
{
    size_t text = piece.len - (ends ? 1 : 0);
    size_t room = HEAD_MAX - reader->head_len;
    size_t kept = text < room ? text : room;
    if (kept > 0) {
        memcpy(reader->head + reader->head_len, piece.ptr, kept);
    }
    reader->head_len += kept;
    reader->line_len += text;
    reader->line_octets += piece.len;
    reader->last = text > 0 ? piece.ptr[text - 1] : reader->last;
    reader->at += piece.len;
    if (reader->in_header) {
        keep_header(reader, piece);
    }
    if (ends && !reader->is_over) {
        end_line(reader);
    }
}

static void take_chunk(struct reader *reader, struct bytes chunk)
{
    while (chunk.len > 0 && !reader->is_over && !reader->arena_full) {
        const uint8_t *end = memchr(chunk.ptr, '\n', chunk.len);
        size_t len = end == NULL ? chunk.len : (size_t)(end - chunk.ptr) + 1;
        take_piece(reader, bytes_slice(chunk, 0, len), end != NULL);
        chunk = bytes_from(chunk, len);
    }
}

static void end_message(struct reader *reader)
{
    bool delimiter = reader->line_len >= 2 && reader->head[0] == '-' && reader->head[1] == '-' && !reader->is_over &&
                     take_delimiter(reader);
    if (!delimiter && reader->in_header && !reader->is_over) {
        end_header(reader);
        reader->in_header = false;
    }
    end_parts(reader, 0, reader->at);
    if (reader->in_header && reader->parts.count > 0) {
        reader->parts.count--; /* nothing of it is here */
    }
}

static int read_all(struct reader *reader, const struct mail_source *source, struct fault *fault)
{
    size_t size = source->size < CHUNK ? (size_t)source->size : CHUNK;
    uint8_t *chunk = arena_alloc(reader->arena, size);
    if (chunk == NULL) {
        reader->arena_full = true;
        return 0;
    }
    while (reader->at < source->size && !reader->is_over && !reader->arena_full) {
        ptrdiff_t got = source->read(source->ctx, reader->at, chunk, size, fault);
        if (got <= 0) {
            return got < 0 ? -1 : 0;
        }
        take_chunk(reader, bytes_at(chunk, (size_t)got));
    }
    return 0;
}

int mail_part_read(const struct mail_source *source, struct arena *arena, struct mail_parts *parts_r,
                   struct fault *fault)
{
    struct reader *reader = arena_alloc(arena, sizeof *reader);
    if (reader == NULL) {
        fault_set(fault, FAULT_LOCAL, "rules-memory", "decoding",
                  "the message needs more memory than decoding may use");
        return -1;
    }
    *reader = (struct reader){.arena = arena, .current = NO_PART};
    buf_init(&reader->block, MAIL_PART_HEADERS_MAX + CHUNK);
    begin_part(reader, 0, NULL, false);
    int result = read_all(reader, source, fault);
    if (result == 0) {
        end_message(reader);
    }
    buf_done(&reader->block);
    if (reader->arena_full) {
        fault_set(fault, FAULT_LOCAL, "rules-memory", "decoding",
                  "the message needs more memory than decoding may use");
        return -1;
    }
    *parts_r = reader->parts;
    return result;
}
