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
static char *read_stored(const struct mail_rope *rope, const char *message, uint64_t offset)
{
    char *text = calloc(1, (size_t)mail_rope_size(rope) + 1);
    size_t len = 0;
    while (offset < mail_rope_size(rope)) {
        struct mail_rope_part part = mail_rope_at(rope, offset);
        size_t n = part.memory.ptr != NULL ? part.memory.len : (size_t)part.stored_len;
        memcpy(text + len, part.memory.ptr != NULL ? (const char *)part.memory.ptr : message + part.stored, n);
        len += n;
        offset += n;
    }
    return text;
}

static char *read_from(const struct mail_rope *rope, uint64_t offset)
{
    return read_stored(rope, stored, offset);
}

static void puts_trace_fields_in_front(void **state)
{
    (void)state;
    struct arena *arena = arena_new(65536);
    struct mail_delivery delivery = {.number = 2};
    struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, NULL, strlen(stored), false);
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
    struct bytes section = bytes_at(stored, header);
    struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, &section, strlen(stored), false);
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
        struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, NULL, 10, false);
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
    struct bytes section = bytes_of(header);
    struct mail_rope *rope = mail_rope_of_delivery(arena, &foreign, &delivery, &section, strlen(stored), true);
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

/* What is received, what of it is filed behind our fields, and the names of the fields that rules see. */
static const struct {
    const char *message, *filed, *fields;
} odd[] = {
    {"Subject: x\r\n\r\nbody\r\n", NULL, "Subject"},
    {"From: a\r\nSubject: only\r\nX-Last: yes\r\n", NULL, "From Subject X-Last"},
    {"\r\nSubject: x\r\n", NULL, ""},
    {"Subject : x\r\n \r\n y\r\n\r\nbody\r\n", NULL, "Subject"},
    {"UPS on battery power\r\nRuntime 12 min\r\n", "\r\nUPS on battery power\r\nRuntime 12 min\r\n", ""},
    {"UPS on battery\r\nTime: 12:30\r\n\r\nLoad: 3\r\n", "\r\nUPS on battery\r\nTime: 12:30\r\n\r\nLoad: 3\r\n", ""},
    {"Subject: x\r\nUPS on battery\r\nTime: 12:30\r\n", "Subject: x\r\n\r\nUPS on battery\r\nTime: 12:30\r\n",
     "Subject"},
    {"Subject: x\r\nHello,\r\nall is well\r\n\r\nBye\r\n", "Subject: x\r\n\r\nHello,\r\nall is well\r\n\r\nBye\r\n",
     "Subject"},
    {"From r@h Tue Dec  1 04:00:00 2026\r\nSubject: x\r\n\r\nbody\r\n",
     "X-Mailweir-Odd-Line: From r@h Tue Dec  1 04:00:00 2026\r\nSubject: x\r\n\r\nbody\r\n",
     "X-Mailweir-Odd-Line Subject"},
    {">From r@h\r\nToken: x\r\n\r\nbody\r\n", "X-Mailweir-Odd-Line: >From r@h\r\nToken: x\r\n\r\nbody\r\n",
     "X-Mailweir-Odd-Line Token"},
    {"\xef\xbb\xbfSubject: x\r\n\r\nbody\r\n", "X-Mailweir-Odd-Line: \xef\xbb\xbf\r\nSubject: x\r\n\r\nbody\r\n",
     "X-Mailweir-Odd-Line Subject"},
    {" leading\r\nSubject: x\r\n\r\nbody\r\n", "X-Mailweir-Odd-Line:  leading\r\nSubject: x\r\n\r\nbody\r\n",
     "X-Mailweir-Odd-Line Subject"},
    {" leading\r\n\ttext\r\n\r\nmore\r\n", "\r\n leading\r\n\ttext\r\n\r\nmore\r\n", ""},
    {"From: a\r\nX-Valid Header: 5\r\nSubject: x\r\n\r\nbody\r\n",
     "From: a\r\nX-Mailweir-Odd-Line: X-Valid Header: 5\r\nSubject: x\r\n\r\nbody\r\n",
     "From X-Mailweir-Odd-Line Subject"},
    {"From: a\r\nno colon\r\nToken: 1\r\n\r\nbody\r\n",
     "From: a\r\nX-Mailweir-Odd-Line: no colon\r\nToken: 1\r\n\r\nbody\r\n", "From X-Mailweir-Odd-Line Token"},
    {"From: a\r\nno colon\r\n folded\r\nSubject: x\r\n\r\n",
     "From: a\r\nX-Mailweir-Odd-Line: no colon\r\n folded\r\nSubject: x\r\n\r\n", "From X-Mailweir-Odd-Line Subject"},
    {"From: a\r\n: no name\r\nSubject: x\r\n", "From: a\r\nX-Mailweir-Odd-Line: : no name\r\nSubject: x\r\n",
     "From X-Mailweir-Odd-Line Subject"},
    {"Subject: a\r\nS\xc3\xbc: b\r\nSubject: c\r\nlike text\r\n",
     "Subject: a\r\nX-Mailweir-Odd-Line: S\xc3\xbc: b\r\nSubject: c\r\n\r\nlike text\r\n",
     "Subject X-Mailweir-Odd-Line Subject"},
    {"one\r\ntwo\r\nFrom: a\r\nToken: b\r\n\r\nbody\r\n",
     "X-Mailweir-Odd-Line: one\r\nX-Mailweir-Odd-Line: two\r\nFrom: a\r\nToken: b\r\n\r\nbody\r\n",
     "X-Mailweir-Odd-Line X-Mailweir-Odd-Line From Token"},
    {"From: a\nbad\nSubject: x\n\nbody\n", "From: a\nX-Mailweir-Odd-Line: bad\nSubject: x\n\nbody\n",
     "From X-Mailweir-Odd-Line Subject"},
    {"X: y\r\n\tz\r\ntext\r\n", "X: y\r\n\tz\r\n\r\ntext\r\n", "X"},
};

static struct bytes section_of(const char *message)
{
    bool complete;
    return bytes_slice(bytes_of(message), 0, mail_header_length(bytes_of(message), &complete));
}

static char *names_of(struct bytes section)
{
    struct mail_header_field field;
    struct buf names;
    buf_init(&names, 1000);
    while (mail_header_next(&section, &field) == 1) {
        buf_append_text(&names, names.len > 0 ? " " : "");
        buf_append_bytes(&names, field.name);
    }
    char *copy = strdup(buf_text(&names));
    buf_done(&names);
    return copy;
}

static bool is_odd(const char *message)
{
    struct mail_shape_meter meter = {0};
    mail_shape_add(&meter, bytes_of(message));
    return meter.shape.header_odd;
}

/* Odd lines become fields, text gets its empty line; what was filed is then read as it was, and wants no more mending. */
static void mends_what_readers_read_differently(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct arena *arena = arena_new(65536);
        struct mail_delivery delivery = {.number = 1};
        const char *message = odd[i].message, *filed = odd[i].filed == NULL ? message : odd[i].filed;
        struct bytes section = section_of(message);
        struct mail_repairs repairs = mail_rope_repairs(section, strlen(message));
        assert_int_equal(repairs.odd_lines > 0 || repairs.empty_line, odd[i].filed != NULL);
        assert_true(is_odd(message) || odd[i].filed == NULL);
        struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, &section, strlen(message), false);
        char *text = read_stored(rope, message, 0);
        assert_string_equal(strstr(text, "FAV.1\r\n") + 7, filed);
        char *names = names_of(section), *again = names_of(section_of(filed));
        assert_string_equal(names, odd[i].fields);
        assert_string_equal(again, odd[i].fields);
        repairs = mail_rope_repairs(section_of(filed), strlen(filed));
        assert_true(repairs.odd_lines == 0 && !repairs.empty_line);
        free(names), free(again), free(text);
        arena_free(&arena);
    }
}

/* An odd line that would be longer than lines may be with its new name is folded, and never within a character. */
static void folds_a_long_odd_line(void **state)
{
    (void)state;
    for (size_t len = 895; len <= 1000; len++) {
        char message[1100] = "";
        for (size_t i = 0; i < len; i += 2) {
            strcat(message, "\xc3\xb6");
        }
        strcat(message, "\r\nSubject: x\r\n\r\n");
        struct arena *arena = arena_new(65536);
        struct mail_delivery delivery = {.number = 1};
        struct bytes section = bytes_of(message);
        struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, &section, strlen(message), false);
        char *text = read_stored(rope, message, 0);
        struct mail_shape_meter meter = {0};
        mail_shape_add(&meter, bytes_of(text));
        assert_true(meter.shape.longest_line <= MAIL_LINE_MAX || len > MAIL_LINE_MAX);
        assert_true(bytes_is_utf8(bytes_of(text)));
        bool folded = strstr(text, "\xc3\xb6\r\n \xc3\xb6") != NULL;
        assert_int_equal(folded, len > 900 && len <= MAIL_LINE_MAX);
        free(text);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_trace_fields_in_front),     cmocka_unit_test(makes_fields_ascii),
        cmocka_unit_test(edits_leave_the_rest_as_it_was), cmocka_unit_test(mends_what_readers_read_differently),
        cmocka_unit_test(folds_a_long_odd_line),          cmocka_unit_test(a_full_arena_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
