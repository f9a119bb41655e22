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

/* A row of the table in rules.md: what is received, what of it is filed behind our fields, and the names of the fields that rules see. */
struct row {
    char received[1000], filed[1000], fields[1000];
};

/* "\r", "\n", "\t" and "\xEF" as what they stand for. */
static void unescape(const char *text, char *out)
{
    for (; *text != '\0' && *text != '\n'; text++) {
        unsigned value;
        if (text[0] == '\\' && text[1] == 'x' && sscanf(text + 2, "%2x", &value) == 1) {
            *out++ = (char)value;
            text += 3;
        } else if (text[0] == '\\') {
            *out++ = text[1] == 'r' ? '\r' : text[1] == 'n' ? '\n' : '\t';
            text++;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

/* The value of a line with this key; NULL when it has another. */
static const char *value_of(const char *line, const char *key)
{
    line += strspn(line, " \t");
    return strncmp(line, key, strlen(key)) == 0 ? line + 10 : NULL;
}

/* The names with "odd" for what it stands for. */
static void expand_fields(const char *text, char *out)
{
    char copy[1000], *rest = copy;
    unescape(text, copy);
    *out = '\0';
    for (const char *name = strsep(&rest, " "); name != NULL; name = strsep(&rest, " ")) {
        strcat(out, *out == '\0' ? "" : " ");
        strcat(out, strcmp(name, "odd") == 0 ? MAIL_HEADER_ODD : name);
    }
}

static size_t read_rows(struct row *rows, size_t max)
{
    FILE *file = fopen(SOURCE_DIR "/deploy/doc/rules.md", "r");
    char line[4000];
    size_t count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL && count < max) {
        const char *received = value_of(line, "received  "), *filed = value_of(line, "filed     "),
                   *fields = value_of(line, "fields");
        if (received != NULL) {
            unescape(received, rows[count].received);
        } else if (filed != NULL) {
            unescape(filed, rows[count].filed);
        } else if (fields != NULL && rows[count].filed[0] != '\0') {
            expand_fields(strlen(fields) > 0 && line[strlen(line) - 1] == '\n' && strlen(line) > 10 ? fields : "",
                          rows[count++].fields);
        }
    }
    fclose(file);
    return count;
}

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

static bool is_plain(const char *message)
{
    struct mail_shape_meter meter = {0};
    mail_shape_add(&meter, bytes_of(message));
    return meter.shape.header_plain;
}

/* Odd lines become fields, text gets its empty line; what was filed is then read as it was, and wants no more mending. */
static void mends_what_readers_read_differently(void **state)
{
    (void)state;
    static struct row rows[100];
    size_t count = read_rows(rows, 100);
    assert_true(count >= 20);
    for (size_t i = 0; i < count; i++) {
        struct arena *arena = arena_new(65536);
        struct mail_delivery delivery = {.number = 1};
        const char *message = rows[i].received, *filed = rows[i].filed;
        bool mended = strcmp(message, filed) != 0;
        struct bytes section = section_of(message);
        struct mail_repairs repairs = mail_rope_repairs(section, strlen(message));
        assert_int_equal(repairs.odd_lines > 0 || repairs.empty_line, mended);
        assert_true(!is_plain(message) || !mended);
        struct mail_rope *rope = mail_rope_of_delivery(arena, &envelope, &delivery, &section, strlen(message), false);
        char *text = read_stored(rope, message, 0);
        assert_string_equal(strstr(text, "FAV.1\r\n") + 7, filed);
        char *names = names_of(section), *again = names_of(section_of(filed));
        assert_string_equal(names, rows[i].fields);
        assert_string_equal(again, rows[i].fields);
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
