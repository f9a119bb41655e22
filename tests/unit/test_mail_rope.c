/* mail_rope: sizes, offsets, trace fields and edits, read back whole and from every offset. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/mail_header.h"
#include "mail/mail_rope.h"

static const char stored[] = "Subject: old\r\nX-Keep: 1\r\n two\r\nsubject: older\r\nX-Drop: 2\r\n\r\nbody\r\n";

static struct mail_recipient to[] = {{.address = "ops@example.net"}};
static const struct mail_envelope envelope = {
    .id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    .received_ms = 1795417880000,
    .hostname = "gw.example.net",
    .client = {.address = "2001:db8::1",
               .helo = "client.example",
               .protocol = "ESMTPS",
               .tls_version = "TLSv1.3",
               .tls_cipher = "TLS_AES_256_GCM_SHA384"},
    .from = "ci@build.example",
    .to = to,
    .to_count = 1,
};

/* The rope's octets from `offset` on, as a string of the test's own. */
static char *read_from(const struct mail_rope *rope, uint64_t offset)
{
    char *text = calloc(1, (size_t)mail_rope_size(rope) + 1);
    size_t len = 0;
    while (offset < mail_rope_size(rope)) {
        struct mail_rope_part part = mail_rope_at(rope, offset);
        size_t n = part.memory.ptr != NULL ? part.memory.len : (size_t)part.stored_len;
        memcpy(text + len, part.memory.ptr != NULL ? (const char *)part.memory.ptr : stored + part.stored, n);
        len += n;
        offset += n;
    }
    return text;
}

static void puts_trace_fields_in_front(void **state)
{
    (void)state;
    struct arena *arena = arena_new(65536);
    struct mail_delivery delivery = {.number = 2};
    struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, bytes_of(""), strlen(stored), false);
    char *text = read_from(rope, 0);
    const char *expected = "Return-Path: <ci@build.example>\r\n"
                           "Received: from client.example ([IPv6:2001:db8::1])\r\n"
                           "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
                           "\tby gw.example.net (mailweir) with ESMTPS id 01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n"
                           "\tfor <ops@example.net>;\r\n"
                           "\tMon, 23 Nov 2026 07:11:20 +0000\r\n"
                           "X-Mailweir-Id: 01ARZ3NDEKTSV4RRFFQ69G5FAV.2\r\n";
    assert_memory_equal(text, expected, strlen(expected));
    assert_string_equal(text + strlen(expected), stored);
    assert_int_equal(strlen(text), mail_rope_size(rope));
    for (size_t offset = 0; offset < mail_rope_size(rope); offset++) {
        char *tail = read_from(rope, offset);
        assert_string_equal(tail, text + offset);
        free(tail);
    }
    free(text);
    arena_free(&arena);
}

static void edits_leave_the_rest_as_it_was(void **state)
{
    (void)state;
    struct arena *arena = arena_new(65536);
    const struct mail_edit edits[] = {
        {.kind = MAIL_EDIT_REPLACE, .field = "subject", .value = "undone by the next"},
        {.kind = MAIL_EDIT_REPLACE, .field = "Subject", .value = "n\xc3\xa4w"},
        {.kind = MAIL_EDIT_DELETE, .field = "x-drop"},
        {.kind = MAIL_EDIT_ADD, .field = "X-Keep", .value = "added"},
    };
    struct mail_delivery delivery = {.number = 1, .edits = edits, .edit_count = 4};
    bool complete;
    size_t header = mail_header_length(bytes_of(stored), &complete);
    struct mail_rope *rope =
        mail_rope_of_delivery(arena, &envelope, &delivery, bytes_at(stored, header), strlen(stored), false);
    char *text = read_from(rope, 0);
    assert_non_null(
        strstr(text, "FAV.1\r\nSubject: =?UTF-8?B?bsOkdw==?=\r\nX-Keep: added\r\nX-Keep: 1\r\n two\r\n\r\nbody\r\n"));
    assert_null(strstr(text, "older"));
    assert_null(strstr(text, "X-Drop"));
    free(text);
    arena_free(&arena);
}

static void a_full_arena_gives_nothing(void **state)
{
    (void)state;
    struct mail_delivery delivery = {.number = 1};
    for (size_t max = 0; max < 400; max += 7) {
        struct arena *arena = arena_new(max);
        struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, bytes_of(""), 10, false);
        assert_true(rope == NULL || max > 300);
        arena_free(&arena);
    }
}

/* Fields with octets above 127 are made ASCII, those in front as well; the others and the body stay where they are stored. */
static void makes_fields_ascii(void **state)
{
    (void)state;
    static const char header[] = "Subject: old\r\nX-Keep: 1\r\n two\r\nsubject: \xc3\xa4xyz\r\nX-Drop: 2\r\n\r\n";
    struct arena *arena = arena_new(65536);
    struct mail_delivery delivery = {.number = 2};
    struct mail_envelope foreign = envelope;
    foreign.from = "\xc3\xa4@example.net";
    struct mail_rope *rope = mail_rope_of_delivery(arena, &foreign, &delivery, bytes_of(header), strlen(stored), true);
    assert_non_null(rope);
    assert_true(mail_rope_memory_is_ascii(rope));
    char *text = read_from(rope, 0);
    assert_non_null(strstr(text, "Downgraded-Return-Path: =?UTF-8?B?"));
    assert_non_null(strstr(text,
                           "\r\nX-Mailweir-Id: 01ARZ3NDEKTSV4RRFFQ69G5FAV.2\r\nSubject: old\r\nX-Keep: 1\r\n two\r\n"
                           "subject: =?UTF-8?B?w6R4eXo=?=\r\nX-Drop: 2\r\n"));
    free(text);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_trace_fields_in_front),
        cmocka_unit_test(makes_fields_ascii),
        cmocka_unit_test(edits_leave_the_rest_as_it_was),
        cmocka_unit_test(a_full_arena_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
