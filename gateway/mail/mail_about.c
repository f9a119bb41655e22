/*
 * mail_about - reads a header section for those who will look for the message. Contract: mail_about.h.
 */
#include "mail/mail_about.h"

#include "mail/mail_address.h"
#include "mail/mail_header.h"
#include "mail/mail_words.h"

#define VALUE_MAX (64u << 10)

/* Cut between characters, and every control character a blank: it goes to terminals and into JSON. */
static const char *clean(struct arena *arena, struct bytes text)
{
    if (text.len > MAIL_ABOUT_TEXT_MAX) {
        text.len = MAIL_ABOUT_TEXT_MAX;
        while (text.len > 0 && (text.ptr[text.len] & 0xC0) == 0x80) {
            text.len--;
        }
    }
    char *copy = arena_copy(arena, text);
    for (size_t i = 0; copy != NULL && i < text.len; i++) {
        uint8_t c = (uint8_t)copy[i];
        /* C1 controls are 0xC2 0x80 to 0x9F in UTF-8: terminals obey those, too. */
        bool is_c1 = c == 0xC2 && i + 1 < text.len && (uint8_t)copy[i + 1] < 0xA0;
        if (c < 0x20 || c == 0x7F || is_c1) {
            copy[i] = ' ';
            if (is_c1) {
                copy[i + 1] = ' ';
            }
        }
    }
    return copy;
}

static void read_subject(struct bytes value, struct arena *arena, struct mail_envelope *envelope)
{
    struct buf line, text;
    buf_init(&line, VALUE_MAX);
    buf_init(&text, 4 * VALUE_MAX);
    if (mail_header_unfold(value, &line) == 0) {
        mail_words_decode(buf_bytes(&line), &text);
        envelope->subject = text.len == 0 ? NULL : clean(arena, bytes_trim(buf_bytes(&text)));
    }
    buf_done(&line);
    buf_done(&text);
}

struct people {
    struct arena *arena;
    const char **texts;
    size_t count;
};

static void add_person(void *ctx, struct bytes name, struct bytes address)
{
    struct people *people = ctx;
    struct buf text;
    if (people->texts == NULL || people->count == MAIL_ABOUT_EACH_MAX) {
        return;
    }
    buf_init(&text, VALUE_MAX);
    if (name.len > 0) {
        buf_append_bytes(&text, name);
        buf_append_text(&text, " <");
        buf_append_bytes(&text, address);
        buf_append_octet(&text, '>');
    } else {
        buf_append_bytes(&text, address);
    }
    const char *copy = clean(people->arena, buf_bytes(&text));
    buf_done(&text);
    if (copy != NULL) {
        people->texts[people->count++] = copy;
    }
}

static void read_people(struct people *people, struct bytes value)
{
    struct buf line;
    if (people->texts == NULL) {
        people->texts = arena_array(people->arena, MAIL_ABOUT_EACH_MAX, sizeof *people->texts);
    }
    buf_init(&line, VALUE_MAX);
    if (mail_header_unfold(value, &line) == 0) {
        mail_address_each(buf_bytes(&line), add_person, people);
    }
    buf_done(&line);
}

void mail_about_read(const struct mail_about *wanted, struct bytes header, struct arena *arena,
                     struct mail_envelope *envelope)
{
    static const char *const senders[] = {"From", "Sender", "Reply-To", NULL};
    static const char *const readers[] = {"To", "Cc", NULL};
    struct people from = {.arena = arena}, to = {.arena = arena};
    struct bytes rest = bytes_slice(header, 0, MAIL_ABOUT_HEADER_MAX);
    struct mail_header_field field;
    while ((wanted->subject || wanted->addresses) && mail_header_next(&rest, &field) == 1) {
        if (wanted->subject && envelope->subject == NULL && bytes_is_nocase(field.name, "Subject")) {
            read_subject(field.value, arena, envelope);
        } else if (wanted->addresses && bytes_is_one_of(field.name, senders)) {
            read_people(&from, field.value);
        } else if (wanted->addresses && bytes_is_one_of(field.name, readers)) {
            read_people(&to, field.value);
        }
    }
    envelope->header_from = from.texts;
    envelope->header_from_count = from.count;
    envelope->header_to = to.texts;
    envelope->header_to_count = to.count;
}
