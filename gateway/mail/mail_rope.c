/*
 * mail_rope - an outgoing message as pieces; see mail_rope.h.
 *
 * The fields that are put in front, and the edits of header fields (floor 1: bytes in, bytes out).
 */
#include "mail/mail_rope.h"

#include <string.h>

#include "base/date.h"
#include "mail/mail_ascii.h"
#include "mail/mail_header.h"

#define EDIT_MAX  65536         /* octets of one field that is added */
#define ASCII_MAX (1024u << 10) /* octets of one field that was made ASCII */
#define ODD_FOLD  900           /* where an odd line is folded that would be too long with its name */

struct rope_piece {
    uint64_t start; /* where it stands in the rope */
    uint64_t len;
    const uint8_t *memory; /* NULL: stored */
    uint64_t stored;
};

struct mail_rope {
    struct arena *arena;
    struct rope_piece *pieces;
    size_t count, room;
    uint64_t size;
};

/* Lives in the arena; NULL when the arena is full. */
static struct mail_rope *mail_rope_new(struct arena *arena)
{
    struct mail_rope *rope = arena_alloc(arena, sizeof *rope);
    if (rope != NULL) {
        rope->arena = arena;
    }
    return rope;
}

static int add_piece(struct mail_rope *rope, struct rope_piece piece)
{
    if (piece.len == 0) {
        return 0;
    }
    if (rope->count == rope->room) {
        size_t room = rope->room == 0 ? 4 : rope->room * 2;
        struct rope_piece *more = arena_array(rope->arena, room, sizeof *more);
        if (more == NULL) {
            return -1;
        }
        if (rope->count > 0) {
            memcpy(more, rope->pieces, rope->count * sizeof *more);
        }
        rope->pieces = more;
        rope->room = room;
    }
    piece.start = rope->size;
    rope->pieces[rope->count++] = piece;
    rope->size += piece.len;
    return 0;
}

static int mail_rope_add_memory(struct mail_rope *rope, struct bytes data)
{
    return add_piece(rope, (struct rope_piece){.len = data.len, .memory = data.ptr});
}

static int mail_rope_add_stored(struct mail_rope *rope, uint64_t offset, uint64_t len)
{
    struct rope_piece *last = rope->count > 0 ? &rope->pieces[rope->count - 1] : NULL;
    if (last != NULL && last->memory == NULL && last->stored + last->len == offset) {
        last->len += len;
        rope->size += len;
        return 0;
    }
    return add_piece(rope, (struct rope_piece){.len = len, .stored = offset});
}

uint64_t mail_rope_size(const struct mail_rope *rope)
{
    return rope->size;
}

bool mail_rope_memory_is_ascii(const struct mail_rope *rope)
{
    for (size_t i = 0; i < rope->count; i++) {
        const struct rope_piece *piece = &rope->pieces[i];
        if (piece->memory != NULL && !bytes_is_ascii(bytes_at(piece->memory, (size_t)piece->len))) {
            return false;
        }
    }
    return true;
}

struct mail_rope_part mail_rope_at(const struct mail_rope *rope, uint64_t offset)
{
    size_t low = 0, high = rope->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (rope->pieces[middle].start <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct rope_piece *piece = &rope->pieces[low];
    uint64_t skip = offset - piece->start;
    if (piece->memory != NULL) {
        return (struct mail_rope_part){.memory = bytes_at(piece->memory + skip, (size_t)(piece->len - skip))};
    }
    return (struct mail_rope_part){.stored = piece->stored + skip, .stored_len = piece->len - skip};
}

/* ---- broken lines ---- */

/* The stored piece, cut at the breaks within it. */
static int add_broken(struct mail_rope *broken, const struct rope_piece *piece, const struct mail_break *breaks,
                      size_t count)
{
    uint64_t from = piece->stored, end = piece->stored + piece->len;
    size_t low = 0, high = count;
    while (low < high) { /* the first one behind its beginning */
        size_t middle = low + (high - low) / 2;
        if (breaks[middle].at <= from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    int result = 0;
    for (; low < count && breaks[low].at < end; low++) {
        result |= mail_rope_add_stored(broken, from, breaks[low].at - from);
        result |= mail_rope_add_memory(broken, bytes_of(breaks[low].text));
        from = breaks[low].at;
    }
    return result | mail_rope_add_stored(broken, from, end - from);
}

struct mail_rope *mail_rope_broken(struct arena *arena, const struct mail_rope *rope, const struct mail_break *breaks,
                                   size_t count)
{
    struct mail_rope *broken = mail_rope_new(arena);
    int result = broken == NULL ? -1 : 0;
    for (size_t i = 0; i < rope->count && result == 0; i++) {
        const struct rope_piece *piece = &rope->pieces[i];
        result = piece->memory != NULL ? mail_rope_add_memory(broken, bytes_at(piece->memory, (size_t)piece->len))
                                       : add_broken(broken, piece, breaks, count);
    }
    return result < 0 ? NULL : broken;
}

/* ---- header edits ---- */

static bool is_removed(const struct mail_delivery *delivery, struct bytes name)
{
    for (size_t i = 0; i < delivery->edit_count; i++) {
        if (delivery->edits[i].kind != MAIL_EDIT_ADD && bytes_is_nocase(name, delivery->edits[i].field)) {
            return true;
        }
    }
    return false;
}

/* Fields in the arena, in ASCII. */
static int add_ascii(struct mail_rope *rope, struct bytes fields)
{
    struct buf out;
    buf_init(&out, ASCII_MAX);
    char *copy = mail_ascii_fields(fields, &out) < 0 ? NULL : arena_copy(rope->arena, buf_bytes(&out));
    int result = copy == NULL ? -1 : mail_rope_add_memory(rope, bytes_at(copy, out.len));
    buf_done(&out);
    return result;
}

/*
 * An odd line as a field of its own. So that it stays within MAIL_LINE_MAX with its name, a longer one is folded; one
 * that was longer by itself is for those who break lines (mail_wrap), and stands on a line of its own.
 */
static int add_odd_line(struct mail_rope *rope, const struct mail_header_field *field, uint64_t at)
{
    struct bytes whole = field->whole;
    size_t len = field->value.len;
    int result =
        mail_rope_add_memory(rope, bytes_of(len > MAIL_LINE_MAX ? MAIL_HEADER_ODD ":\r\n " : MAIL_HEADER_ODD ": "));
    if (len > ODD_FOLD && len <= MAIL_LINE_MAX && bytes_find_octet(field->value, '\n') < 0) {
        size_t cut = ODD_FOLD;
        while (cut > ODD_FOLD - 4 && (whole.ptr[cut] & 0xc0) == 0x80) {
            cut--;
        }
        result |= mail_rope_add_stored(rope, at, cut) | mail_rope_add_memory(rope, bytes_of("\r\n "));
        at += cut;
        whole = bytes_from(whole, cut);
    }
    result |= mail_rope_add_stored(rope, at, whole.len);
    return field->value.len == field->whole.len ? result | mail_rope_add_memory(rope, bytes_of("\r\n")) : result;
}

static int add_field(struct mail_rope *rope, const struct mail_header_field *field, uint64_t at, bool ascii)
{
    if (ascii && !bytes_is_ascii(field->whole)) {
        return add_ascii(rope, field->whole);
    }
    return field->odd ? add_odd_line(rope, field, at) : mail_rope_add_stored(rope, at, field->whole.len);
}

/* The stored message without the fields that edits delete or replace, its odd lines as fields, and an empty line in
 * front of its text. */
static int add_kept(struct mail_rope *rope, const struct mail_delivery *delivery, struct bytes header,
                    uint64_t body_size, bool ascii)
{
    struct bytes rest = header;
    struct mail_header_field field;
    int result = 0;
    while (mail_header_next(&rest, &field) == 1) {
        if (is_removed(delivery, field.name)) {
            continue;
        }
        result |= add_field(rope, &field, (uint64_t)(field.whole.ptr - header.ptr), ascii);
    }
    uint64_t end = header.len - rest.len;
    if (rest.len == 0 && end < body_size) {
        result |= mail_rope_add_memory(rope, bytes_of("\r\n"));
    }
    return result | mail_rope_add_stored(rope, end, body_size - end);
}

/* Edits apply in order: what a later one deletes or replaces is not there in the end. */
static bool is_undone(const struct mail_delivery *delivery, size_t edit)
{
    for (size_t i = edit + 1; i < delivery->edit_count; i++) {
        if (delivery->edits[i].kind != MAIL_EDIT_ADD &&
            bytes_is_nocase(bytes_of(delivery->edits[edit].field), delivery->edits[i].field)) {
            return true;
        }
    }
    return false;
}

static int add_new_field(struct mail_rope *rope, const struct mail_edit *edit)
{
    struct buf field;
    buf_init(&field, EDIT_MAX);
    char *copy = mail_ascii_field(edit->field, bytes_of(edit->value), &field) < 0
                     ? NULL
                     : arena_copy(rope->arena, buf_bytes(&field));
    buf_done(&field);
    return copy == NULL ? -1 : mail_rope_add_memory(rope, bytes_of(copy));
}

static int add_new_fields(struct mail_rope *rope, const struct mail_delivery *delivery)
{
    for (size_t i = 0; i < delivery->edit_count; i++) {
        const struct mail_edit *edit = &delivery->edits[i];
        if (edit->kind != MAIL_EDIT_DELETE && !is_undone(delivery, i) && add_new_field(rope, edit) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- trace fields ---- */

static void append_tls(struct buf *out, const struct mail_client *client)
{
    if (client->tls_version != NULL) {
        buf_printf(out, "\r\n\t(using %s with cipher %s)", client->tls_version,
                   client->tls_cipher != NULL ? client->tls_cipher : "unknown");
    }
}

/* RFC 5321 section 4.4: from-domain is what the client said, then what we saw. IPv6 carries its tag (section 4.1.3). */
static void append_received(struct buf *out, const struct mail_envelope *envelope)
{
    const struct mail_client *client = &envelope->client;
    const char *address = client->address != NULL ? client->address : "unknown";
    bool is_v6 = strchr(address, ':') != NULL;
    char date[DATE_LEN];
    date_rfc5322(envelope->received_ms, date);
    buf_printf(out, "Received: from %s ([%s%s])", client->helo != NULL ? client->helo : "unknown", is_v6 ? "IPv6:" : "",
               address);
    append_tls(out, client);
    buf_printf(out, "\r\n\tby %s (mailweir) with %s id %s", envelope->hostname,
               client->protocol != NULL ? client->protocol : "SMTP", envelope->id);
    if (envelope->to_count == 1) {
        buf_printf(out, "\r\n\tfor <%s>", envelope->to[0].address);
    }
    buf_printf(out, ";\r\n\t%s\r\n", date);
}

static struct bytes trace_fields(struct arena *arena, const struct mail_envelope *envelope,
                                 const struct mail_delivery *delivery)
{
    struct buf out;
    buf_init(&out, 16384);
    /* First of all: it is made at the final delivery (RFC 5321 section 4.4), and readers take the first they see. */
    buf_printf(&out, "Return-Path: <%s>\r\n", envelope->from);
    append_received(&out, envelope);
    buf_printf(&out, MAIL_ID_FIELD ": %s.%u\r\n", envelope->id, delivery->number);
    if (delivery->instead_of != NULL) {
        buf_printf(&out, MAIL_FALLBACK_FIELD ": %s\r\n", delivery->instead_of);
    }
    char *copy = out.full ? NULL : arena_copy(arena, buf_bytes(&out));
    struct bytes fields = bytes_at(copy, copy == NULL ? 0 : out.len);
    buf_done(&out);
    return fields;
}

struct mail_rope *mail_rope_of_delivery(struct arena *arena, const struct mail_envelope *envelope,
                                        const struct mail_delivery *delivery, const struct bytes *header,
                                        uint64_t body_size, bool ascii)
{
    struct mail_rope *rope = mail_rope_new(arena);
    struct bytes trace = trace_fields(arena, envelope, delivery);
    if (rope == NULL || trace.ptr == NULL || (ascii ? add_ascii(rope, trace) : mail_rope_add_memory(rope, trace)) < 0) {
        return NULL;
    }
    int result = header == NULL ? mail_rope_add_stored(rope, 0, body_size)
                                : add_new_fields(rope, delivery) | add_kept(rope, delivery, *header, body_size, ascii);
    return result < 0 ? NULL : rope;
}

struct mail_repairs mail_rope_repairs(struct bytes header, uint64_t body_size)
{
    struct mail_repairs repairs = {.odd_lines = 0};
    struct bytes rest = header;
    struct mail_header_field field;
    while (mail_header_next(&rest, &field) == 1) {
        repairs.odd_lines += field.odd ? 1 : 0;
    }
    repairs.empty_line = rest.len == 0 && header.len < body_size;
    return repairs;
}
