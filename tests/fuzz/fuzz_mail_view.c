/*
 * fuzz_mail_view - a message of any octets as its reader sees it: all texts, names and addresses are valid UTF-8 without NUL, within their limits.
 */
#include <string.h>

#include "base/expect.h"
#include "mail/mail_address.h"
#include "mail/mail_date.h"
#include "mail/mail_header.h"
#include "mail/mail_view.h"
#include "mail/mail_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ptrdiff_t read_bytes(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    struct bytes part = bytes_slice(*(struct bytes *)ctx, (size_t)offset, len > 700 ? 700 : len);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

static void expect_text(struct bytes text)
{
    EXPECT(bytes_is_utf8(text) && bytes_find_octet(text, 0) < 0);
}

static void on_address(void *ctx, struct bytes name, struct bytes address)
{
    (void)ctx;
    expect_text(name);
    expect_text(address);
    EXPECT(address.len > 0);
}

static void read_header(struct bytes header)
{
    struct mail_header_field field;
    while (mail_header_next(&header, &field) == 1) {
        struct buf line, text;
        int64_t ms;
        buf_init(&line, field.value.len + 1);
        buf_init(&text, field.value.len * 4 + 16);
        mail_header_unfold(field.value, &line);
        mail_words_decode(buf_bytes(&line), &text);
        expect_text(buf_bytes(&text));
        mail_address_each(buf_bytes(&line), on_address, NULL);
        disregard(mail_date_parse(buf_bytes(&line), &ms));
        buf_done(&line);
        buf_done(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes message = bytes_at(data, size);
    struct mail_source source = {.size = size, .read = read_bytes, .ctx = &message};
    struct arena *arena = arena_new(32u << 20);
    struct mail_view view;
    struct fault fault = FAULT_INIT;
    bool complete;
    read_header(bytes_slice(message, 0, mail_header_length(message, &complete)));
    EXPECT(mail_view_read(&source, MAIL_VIEW_TEXTS | MAIL_VIEW_SIZES | MAIL_VIEW_RAW, arena, &view, &fault) == 0);
    size_t octets = 0;
    for (size_t i = 0; i < view.text_count; i++) {
        octets += view.texts[i].text.len;
        expect_text(view.texts[i].text);
        expect_text(view.texts[i].paragraphs);
        expect_text(view.texts[i].raw);
    }
    EXPECT(octets <= MAIL_VIEW_TEXT_MAX);
    for (size_t i = 0; i < view.attachment_count; i++) {
        EXPECT(view.attachments[i].size <= size);
        for (size_t k = 0; k < view.attachments[i].name_count; k++) {
            EXPECT(view.attachments[i].names[k][0] != '\0' && bytes_is_utf8(bytes_of(view.attachments[i].names[k])));
        }
    }
    arena_free(&arena);
    return 0;
}
