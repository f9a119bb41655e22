/*
 * fuzz_mail_repair - what is filed of any octets: it is read as they were, it wants no more mending, and without what was put in it is what came.
 */
#include <string.h>

#include "base/arena.h"
#include "base/expect.h"
#include "mail/mail_header.h"
#include "mail/mail_rope.h"
#include "mail/mail_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes section_of(struct bytes message)
{
    bool complete;
    return bytes_slice(message, 0, mail_header_length(message, &complete));
}

/* What of the rope comes from the message, and all of it behind our fields. */
static void read_rope(const struct mail_rope *rope, struct bytes message, struct buf *stored, struct buf *filed)
{
    for (uint64_t at = 0; at < mail_rope_size(rope);) {
        struct mail_rope_part part = mail_rope_at(rope, at);
        struct bytes piece = part.memory;
        if (piece.ptr == NULL) {
            piece = bytes_slice(message, (size_t)part.stored, (size_t)part.stored_len);
            buf_append_bytes(stored, piece);
        }
        buf_append_bytes(filed, piece);
        at += piece.len;
    }
    static const char mark[] = MAIL_ID_FIELD ": ID.1\r\n";
    ptrdiff_t end = bytes_find(buf_bytes(filed), bytes_of(mark));
    buf_consume(filed, (size_t)end + strlen(mark));
}

static bool next_is_same(struct bytes *a, struct bytes *b)
{
    struct mail_header_field one, other;
    int first = mail_header_next(a, &one), second = mail_header_next(b, &other);
    EXPECT(first == second && (first == 0 || bytes_equal(one.name, other.name)));
    return first == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes message = bytes_at(data, size), section = section_of(message);
    struct arena *arena = arena_new(8u << 20);
    struct mail_envelope envelope = {.id = "ID", .hostname = "gw", .from = ""};
    struct mail_delivery delivery = {.number = 1};
    struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, &section, size, false);
    EXPECT(rope != NULL);
    struct buf stored, filed;
    buf_init(&stored, size + 1);
    buf_init(&filed, size * 30 + 1000);
    read_rope(rope, message, &stored, &filed);
    EXPECT(bytes_equal(buf_bytes(&stored), message));

    struct mail_repairs repairs = mail_rope_repairs(section, size);
    struct mail_shape_meter meter = {0};
    mail_shape_add(&meter, message);
    bool ends = size > 0 && data[size - 1] == '\n';
    EXPECT(!meter.shape.header_plain || (repairs.odd_lines == 0 && !repairs.empty_line));

    struct bytes again = section_of(buf_bytes(&filed)), rest = section;
    repairs = mail_rope_repairs(again, filed.len);
    EXPECT(!ends || (repairs.odd_lines == 0 && !repairs.empty_line));
    while (ends && next_is_same(&rest, &again)) {
    }
    buf_done(&stored);
    buf_done(&filed);
    arena_free(&arena);
    return 0;
}
