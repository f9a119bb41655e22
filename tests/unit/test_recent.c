/* recent: the last messages, by number and by octets; with their bodies where those are short; held by who works on them, forgotten by address. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decision/recent.h"

static char body[RECENT_BODY_MAX + 100];

/* Gives half of what is asked for at most, as a disk may; nothing behind `fails`. */
struct octets {
    const char *text;
    uint64_t fails;
};

static ptrdiff_t read_some(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    const struct octets *octets = ctx;
    (void)fault;
    if (offset >= octets->fails) {
        return -1;
    }
    size_t some = len > 1 ? len / 2 : len;
    memcpy(into, octets->text + offset, some);
    return (ptrdiff_t)some;
}

static struct recent_message *make(const char *from, const char *text, uint64_t fails, size_t max)
{
    struct mail_recipient to[] = {{.address = "ops@example.net"}};
    const struct mail_envelope envelope = {.id = "ID", .from = from, .to = to, .to_count = 1};
    struct octets octets = {text, fails};
    const struct mail_source source = {.ctx = &octets, .read = read_some, .size = strlen(text)};
    const char *end = strstr(text, "\n\n");
    struct filters_message message = {.envelope = &envelope,
                                      .header = bytes_at(text, (size_t)(end - text) + 2),
                                      .source = &source,
                                      .size = source.size,
                                      .now_ms = 7};
    return recent_message_new(&message, max);
}

static void add(struct recent *recent, const char *from)
{
    struct recent_message *message = make(from, "Subject: s\n\nhello\n", UINT64_MAX, 100000);
    recent_add(recent, &message);
    assert_null(message);
}

static void assert_kept(const struct recent *recent, const char *senders)
{
    struct recent_message **held;
    char found[100] = "";
    size_t count = recent_share(recent, &held);
    for (size_t i = 0; i < count; i++) {
        strncat(found, held[i]->envelope.from, sizeof found - strlen(found) - 1);
    }
    recent_release(held, count);
    free(held);
    assert_string_equal(found, senders);
}

static void the_newest_stay(void **state)
{
    (void)state;
    struct recent *recent = recent_new(3, 1000000);
    struct recent_message **held;
    add(recent, "a");
    add(recent, "b");
    assert_kept(recent, "ba");
    assert_int_equal(recent_share(recent, &held), 2);
    add(recent, "c");
    add(recent, "d");
    add(recent, "e");
    assert_kept(recent, "edc");
    assert_string_equal(held[1]->envelope.from, "a"); /* as long as somebody holds it */
    assert_int_equal(held[1]->number, 1);
    recent_free(&recent);
    assert_string_equal(held[0]->envelope.from, "b");
    recent_release(held, 2);
    free(held);
    recent_free(&recent);
}

static void octets_are_bounded_too(void **state)
{
    (void)state;
    struct recent_message *one = make("a", "Subject: s\n\nhello\n", UINT64_MAX, 100000), *none = NULL;
    struct recent *recent = recent_new(100, arena_used(one->arena) * 2);
    recent_add(recent, &one);
    add(recent, "b");
    add(recent, "c");
    assert_kept(recent, "cb");
    recent_add(recent, &none); /* was too long to be kept */
    struct recent_counts counts;
    recent_count(recent, &counts);
    assert_int_equal(counts.messages, 2);
    assert_int_equal(counts.octets, recent_octets_max(recent));
    assert_int_equal(counts.too_long, 1);
    recent_free(&recent);
}

static void what_is_kept_of_one(void **state)
{
    (void)state;
    struct recent *recent = recent_new(10, 1000000);
    struct recent_message *message = make("a", "Subject: s\n\nhello\n", UINT64_MAX, 100000);
    assert_true(bytes_is(message->whole, "Subject: s\n\nhello\n"));
    assert_true(bytes_is(message->header, "Subject: s\n\n"));
    assert_int_equal(message->now_ms, 7);
    recent_add(recent, &message);
    /* A body that is long, or that the disk does not give: the header alone. */
    memset(body, 'x', sizeof body - 1);
    memcpy(body, "Subject: t\n\n", 12);
    const uint64_t fails[] = {UINT64_MAX, 3};
    for (size_t i = 0; i < 2; i++) {
        message = make("a", i == 0 ? body : "Subject: t\n\nhello\n", fails[i], 100000);
        assert_null(message->whole.ptr);
        assert_true(bytes_is(message->header, "Subject: t\n\n"));
        recent_add(recent, &message);
    }
    /* No room for the envelope, the header, the whole. */
    assert_null(make("a", "Subject: s\n\nhello\n", UINT64_MAX, 1));
    body[RECENT_BODY_MAX] = '\0';
    assert_null(make("a", body, UINT64_MAX, 30000));
    recent_free(&recent);
}

static void an_address_is_forgotten(void **state)
{
    (void)state;
    struct recent *recent = recent_new(10, 1000000);
    struct recent_message **held;
    add(recent, "ann@example.com");
    add(recent, "bob@example.com");
    struct recent_message *message = make("c", "Cc: ann@example.com\n\nx\n", UINT64_MAX, 100000);
    recent_add(recent, &message);
    message = make("d", "Subject: s\n\nask ann@example.com\n", UINT64_MAX, 100000);
    recent_add(recent, &message);
    assert_int_equal(recent_share(recent, &held), 4);
    assert_int_equal(recent_forget(recent, "ann@example.com"), 3);
    assert_kept(recent, "bob@example.com");
    assert_string_equal(held[0]->envelope.from, "d");
    recent_release(held, 4);
    free(held);
    assert_int_equal(recent_forget(recent, "ops@example.net"), 1); /* a recipient of the one that is left */
    assert_kept(recent, "");
    recent_free(&recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_stay),
        cmocka_unit_test(octets_are_bounded_too),
        cmocka_unit_test(what_is_kept_of_one),
        cmocka_unit_test(an_address_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
