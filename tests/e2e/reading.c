/*
 * reading - the program's reading of messages, for comparing with that of others. On standard input stand messages, each behind a line with its number of
 * octets; for each a line of JSON is written: what is filed of it behind our fields, the fields' names, subjects, addresses, texts and attachments.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/expect.h"
#include "base/units.h"
#include "mail/mail_address.h"
#include "mail/mail_canonical.h"
#include "mail/mail_header.h"
#include "mail/mail_rope.h"
#include "mail/mail_view.h"
#include "mail/mail_words.h"

#define ARENA_MAX (64u << 20)

static json_t *string_of(struct bytes text)
{
    json_t *value = json_stringn(text.len == 0 ? "" : (const char *)text.ptr, text.len);
    return value == NULL ? json_string("(not UTF-8)") : value;
}

static ptrdiff_t read_bytes(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    struct bytes part = bytes_slice(*(struct bytes *)ctx, (size_t)offset, len);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

/* As base64: what stands behind the fields of ours. */
static json_t *filed(struct arena *arena, struct bytes message, struct bytes header)
{
    struct mail_recipient to = {.address = "to@example.net"};
    struct mail_envelope envelope = {.id = "ID", .hostname = "gw", .from = "", .to = &to, .to_count = 1};
    struct mail_delivery delivery = {.number = 1};
    struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, &header, message.len, false);
    struct buf octets, text;
    buf_init(&octets, ARENA_MAX);
    buf_init(&text, ARENA_MAX);
    for (uint64_t at = 0; at < mail_rope_size(rope);) {
        struct mail_rope_part part = mail_rope_at(rope, at);
        struct bytes piece =
            part.memory.ptr != NULL ? part.memory : bytes_slice(message, (size_t)part.stored, (size_t)part.stored_len);
        buf_append_bytes(&octets, piece);
        at += piece.len;
    }
    static const char mark[] = MAIL_ID_FIELD ": ID.1\r\n";
    ptrdiff_t end = bytes_find(buf_bytes(&octets), bytes_of(mark));
    units_base64_encode(&text, bytes_from(buf_bytes(&octets), (size_t)end + strlen(mark)));
    json_t *value = string_of(buf_bytes(&text));
    buf_done(&octets);
    buf_done(&text);
    return value;
}

static void keep_address(void *ctx, struct bytes name, struct bytes address)
{
    json_t *pair = json_array();
    json_array_append_new(pair, string_of(name));
    json_array_append_new(pair, string_of(address));
    json_array_append_new(ctx, pair);
}

static void read_header(struct bytes header, json_t *object)
{
    json_t *names = json_array(), *subjects = json_array(), *from = json_array();
    struct mail_header_field field;
    while (mail_header_next(&header, &field) == 1) {
        struct buf line, text;
        buf_init(&line, field.value.len + 1);
        buf_init(&text, field.value.len * 4 + 16);
        mail_header_unfold(field.value, &line);
        json_array_append_new(names, string_of(field.name));
        if (bytes_is_nocase(field.name, "Subject")) {
            mail_words_decode(buf_bytes(&line), &text);
            json_array_append_new(subjects, string_of(buf_bytes(&text)));
        } else if (bytes_is_nocase(field.name, "From")) {
            mail_address_each(buf_bytes(&line), keep_address, from);
        }
        buf_done(&line);
        buf_done(&text);
    }
    json_object_set_new(object, "fields", names);
    json_object_set_new(object, "subjects", subjects);
    json_object_set_new(object, "from", from);
}

static json_t *names_of(const struct mail_view_attachment *attachment)
{
    json_t *names = json_array();
    for (size_t i = 0; i < attachment->name_count; i++) {
        json_array_append_new(names, json_string(attachment->names[i]));
    }
    return names;
}

static void read_parts(struct arena *arena, struct bytes message, json_t *object)
{
    struct mail_source source = {.size = message.len, .read = read_bytes, .ctx = &message};
    struct mail_view view;
    struct fault fault = FAULT_INIT;
    json_t *texts = json_array(), *shown = json_array(), *attachments = json_array(), *errors = json_array();
    EXPECT(mail_view_read(&source, MAIL_VIEW_TEXTS | MAIL_VIEW_SIZES | MAIL_VIEW_RAW, arena, &view, &fault) == 0);
    for (size_t i = 0; i < view.text_count; i++) {
        json_array_append_new(texts, string_of(view.texts[i].raw));
        json_array_append_new(shown, string_of(view.texts[i].text));
    }
    for (size_t i = 0; i < view.attachment_count; i++) {
        const struct mail_view_attachment *attachment = &view.attachments[i];
        json_array_append_new(attachments,
                              json_pack("{s:s,s:o,s:I,s:b}", "type", attachment->type, "names", names_of(attachment),
                                        "size", (json_int_t)attachment->size, "nested", attachment->nested));
    }
    for (size_t i = 0; i < view.error_count; i++) {
        json_array_append_new(errors, json_string(view.errors[i]));
    }
    json_object_set_new(object, "texts", texts);
    json_object_set_new(object, "shown", shown);
    json_object_set_new(object, "attachments", attachments);
    json_object_set_new(object, "errors", errors);
    if (view.limit != NULL) {
        json_object_set_new(object, "limit", json_string(view.limit));
    }
}

static void read_one(struct bytes message)
{
    struct arena *arena = arena_new(ARENA_MAX);
    json_t *object = json_object();
    bool complete;
    struct bytes header = bytes_slice(message, 0, mail_header_length(message, &complete));
    json_object_set_new(object, "filed", filed(arena, message, header));
    read_header(header, object);
    read_parts(arena, message, object);
    json_dumpf(object, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(object);
    arena_free(&arena);
}

int main(void)
{
    size_t len;
    char end;
    while (scanf("%zu%c", &len, &end) == 2) {
        uint8_t *octets = expect_calloc(1, len + 1);
        EXPECT(fread(octets, 1, len, stdin) == len);
        read_one(bytes_at(octets, len));
        free(octets);
    }
    return 0;
}
