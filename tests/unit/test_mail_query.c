/* Tests of mail/mail_query, mail_fold and mail_about: what is read out of a header, and by which words it is found. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/mail_about.h"
#include "mail/mail_fold.h"
#include "mail/mail_query.h"

/* 2026-12-01T12:00:00Z */
#define NOON 1796126400000

static const char header[] = "From: =?utf-8?Q?M=C3=BCller=2C_J=C3=BCrgen?= <billing@vendor.example>\r\n"
                             "Reply-To: answers@vendor.example\r\n"
                             "To: Ops Team <ops@example.net>, \"Boss\" <boss@example.net>\r\n"
                             "Cc: anna@example.net\r\n"
                             "Subject: =?utf-8?Q?Purchase_order:_Stra=C3=9Fe?=\r\n\t4711 =?utf-8?B?6KuL5rGC5pu4?=\r\n"
                             "Subject: a second one\r\n\r\n";

static struct mail_recipient to[] = {{.address = "ops@example.net"}, {.address = "Archive@Example.Net"}};

static struct mail_envelope envelope_in(struct arena *arena)
{
    struct mail_envelope envelope = {.id = "01KBCDEFGHJKMNPQRSTVWXYZ00",
                                     .received_ms = NOON - 3600 * 1000,
                                     .from = "bounce@mail.vendor.example",
                                     .to = to,
                                     .to_count = 2,
                                     .message_id = "<4711@vendor.example>",
                                     .client = {.address = "192.0.2.7", .listener = "apps", .user = "app1"}};
    const struct mail_about all = {.subject = true, .addresses = true};
    mail_about_read(&all, bytes_of(header), arena, &envelope);
    return envelope;
}

static void test_about(void **state)
{
    (void)state;
    struct arena *arena = arena_new(100000);
    struct mail_envelope envelope = envelope_in(arena);
    assert_string_equal(envelope.subject, "Purchase order: Straße 4711 請求書");
    assert_int_equal(envelope.header_from_count, 2);
    assert_string_equal(envelope.header_from[0], "Müller, Jürgen <billing@vendor.example>");
    assert_string_equal(envelope.header_from[1], "answers@vendor.example");
    assert_int_equal(envelope.header_to_count, 3);
    assert_string_equal(envelope.header_to[0], "Ops Team <ops@example.net>");
    assert_string_equal(envelope.header_to[2], "anna@example.net");

    struct mail_envelope none = {.id = "1"};
    mail_about_read(&(struct mail_about){.addresses = true}, bytes_of(header), arena, &none);
    assert_null(none.subject);
    assert_int_equal(none.header_from_count, 2);
    struct mail_envelope nothing = {.id = "1"};
    mail_about_read(&(struct mail_about){0}, bytes_of(header), arena, &nothing);
    assert_null(nothing.subject);
    assert_int_equal(nothing.header_from_count + nothing.header_to_count, 0);
    arena_free(&arena);
}

/* It goes to terminals, and has a limit that does not cut a character in two. */
static void test_about_is_clean(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *kept;
    } rows[] = {
        {"a\x1b[31mred\x7f", "a [31mred "},
        {"=?utf-8?Q?one=0Atwo=C2=9Bthree?=", "one two  three"},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(100000);
        struct mail_envelope envelope = {.id = "1"};
        char text[300];
        snprintf(text, sizeof text, "Subject: %s\r\n\r\n", rows[i].subject);
        mail_about_read(&(struct mail_about){.subject = true}, bytes_of(text), arena, &envelope);
        if (rows[i].kept == NULL) {
            assert_null(envelope.subject);
        } else {
            assert_string_equal(envelope.subject, rows[i].kept);
        }
        arena_free(&arena);
    }
    struct arena *arena = arena_new(100000);
    struct mail_envelope envelope = {.id = "1"};
    char text[1000] = "Subject: x";
    for (size_t i = 10; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "ü", 3);
    }
    mail_about_read(&(struct mail_about){.subject = true}, bytes_of(text), arena, &envelope);
    assert_int_equal(strlen(envelope.subject), MAIL_ABOUT_TEXT_MAX - 1);
    assert_true(bytes_is_utf8(bytes_of(envelope.subject)));
    arena_free(&arena);
}

static void test_fold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"Re: Invoice #4711!", "re invoice 4711 "},
        {"", ""},
        {"  --  ", ""},
        {"Müller-Straße ÉTÉ", "muller strasse ete "},
        {"請求書2026", "請 求 書 2026 "},
        {"ﬁnal ＡＢ", "final ab "},
        {"Привет, МИР", "привет мир "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 1000);
        mail_fold_words(bytes_of(rows[i].text), &out);
        assert_string_equal(buf_text(&out), rows[i].words);
        buf_done(&out);
    }
}

/* The members that mail_query_needs() names, and nothing else. */
static struct mail_envelope needed(const struct mail_query *query, const struct mail_envelope *whole)
{
    struct mail_envelope some = {0};
    const char *names[MAIL_QUERY_NEEDS];
    mail_query_needs(query, names);
    for (size_t i = 0; names[i] != NULL; i++) {
        struct bytes name = bytes_of(names[i]);
        some.from = bytes_is(name, "from") ? whole->from : some.from;
        some.received_ms = bytes_is(name, "received_ms") ? whole->received_ms : some.received_ms;
        some.subject = bytes_is(name, "subject") ? whole->subject : some.subject;
        some.id = bytes_is(name, "id") ? whole->id : some.id;
        some.message_id = bytes_is(name, "message_id") ? whole->message_id : some.message_id;
        some.client = bytes_is(name, "client") ? whole->client : some.client;
        if (bytes_is(name, "to")) {
            some.to = whole->to;
            some.to_count = whole->to_count;
        } else if (bytes_is(name, "header_from")) {
            some.header_from = whole->header_from;
            some.header_from_count = whole->header_from_count;
        } else if (bytes_is(name, "header_to")) {
            some.header_to = whole->header_to;
            some.header_to_count = whole->header_to_count;
        }
    }
    return some;
}

static bool finds(const char *text, const struct mail_envelope *envelope)
{
    struct arena *arena = arena_new(100000);
    struct mail_query query;
    struct fault fault = FAULT_INIT;
    if (mail_query_read(text, NOON, arena, &query, &fault) != 0) {
        fail_msg("%s: %s", text, fault.text);
    }
    bool fits = mail_query_fits(&query, envelope);
    const struct mail_envelope some = needed(&query, envelope);
    assert_int_equal(mail_query_fits(&query, &some), fits);
    arena_free(&arena);
    return fits;
}

static void test_fits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        {"", true},
        {"subject:order", true},
        {"subject:ORDER", true},
        {"subject:orde", false},
        {"subject:orde*", true},
        {"subject:\"purchase order\"", true},
        {"subject:\"order purchase\"", false},
        {"subject:strasse", true},
        {"subject:求書", true},
        {"subject:書求", false},
        {"order strasse 4711", true},
        {"order missing", false},
        {"order -missing", true},
        {"-order", false},
        {"-subject:order", false},
        {"subject:second", false},
        {"from:@vendor.example", true},
        {"from:@mail.vendor.example", true},
        {"from:@endor.example", false},
        {"from:vendor", true},
        {"from:muller", true},
        {"from:billing@", true},
        {"from:billing@vendor.example", true},
        {"from:billing@vendor.exampl", false},
        {"from:billing@v*", true},
        {"from:ops", false},
        {"to:ops", true},
        {"to:\"ops team\"", true},
        {"to:archive@example.net", true},
        {"to:anna", true},
        {"boss", true},
        {"anna@example.net", true},
        {"01KBCDEFGHJKMNPQRSTVWXYZ00", true},
        {"01KBCDEFGHJKMNPQRSTVWXYZ00.3", true},
        {"01KBCDEFGHJKMNPQRSTVWXYZ01", false},
        {"message-id:4711@vendor.example", true},
        {"message-id:<4711@vendor.example>", true},
        {"message-id:4712@vendor.example", false},
        {"client:192.0.2.7", true},
        {"client:192.0.2.*", true},
        {"client:192.0.2", false},
        {"listener:apps user:app1", true},
        {"user:app2", false},
        {"since:2h", true},
        {"since:30m", false},
        {"until:30m", true},
        {"until:2h", false},
        {"since:today", true},
        {"until:today", false},
        {"since:yesterday until:2026-12-01T11:30", true},
        {"since:2026-12-01T11:00:00Z", true},
        {"since:2026-12-01T11:00:01", false},
        {"since:2026-12-02", false},
        {"until:2026-12-02", true},
    };
    struct arena *arena = arena_new(100000);
    struct mail_envelope envelope = envelope_in(arena);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (finds(rows[i].text, &envelope) != rows[i].fits) {
            fail_msg("%s", rows[i].text);
        }
    }
    arena_free(&arena);
}

static void test_fits_delivery(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        {"state:held", true},         {"state:waiting,held", true}, {"state:filed", false},
        {"-state:filed", true},       {"-state:held", false},       {"upstream:corp folder:CI/*", true},
        {"folder:ci/web", true},      {"folder:CI", false},         {"-folder:CI", true},
        {"rule:red rule:red", true},  {"rule:blue", false},         {"order", true},
        {"state:HELD rule:r*", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(100000);
        struct mail_query query;
        struct fault fault = FAULT_INIT;
        assert_int_equal(mail_query_read(rows[i].text, NOON, arena, &query, &fault), 0);
        if (mail_query_fits_delivery(&query, "held", "corp", "CI/web", "red") != rows[i].fits) {
            fail_msg("%s", rows[i].text);
        }
        assert_int_equal(query.of_delivery, strcmp(rows[i].text, "order") != 0);
        arena_free(&arena);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"colour:red", "there is no search field \"colour:\"; the fields are subject, from, to, state, since, until, "
                       "upstream, folder, rule, client, listener, user, id or message-id; to find"},
        {"state:wating",
         "\"wating\" is not a state; a state is waiting, held, dead, filed, dropped, moved, discarded or refused"},
        {"since:soon", "\"soon\" is not a time: write 2h"},
        {"since:2026-13-01", "is not a time"},
        {"subject:", "the word after the colon is missing"},
        {"\"open", "is not closed"},
        {"\xff", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(100000);
        struct mail_query query;
        struct fault fault = FAULT_INIT;
        assert_int_equal(mail_query_read(rows[i].text, NOON, arena, &query, &fault), -1);
        assert_string_equal(fault.code, "usage");
        if (strstr(fault.text, rows[i].said) == NULL) {
            fail_msg("%s: %s", rows[i].text, fault.text);
        }
        arena_free(&arena);
    }
}

static void test_mentions(void **state)
{
    (void)state;
    struct arena *arena = arena_new(100000);
    struct mail_envelope envelope = envelope_in(arena);
    static const char *const named[] = {"bounce@mail.vendor.example", "BILLING@vendor.example", "anna@example.net",
                                        "archive@example.net"};
    static const char *const others[] = {"nna@example.net", "anna@example.ne", "vendor.example", "anna"};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        assert_true(mail_query_mentions(&envelope, named[i]));
        assert_false(mail_query_mentions(&envelope, others[i]));
    }
    static const struct {
        const char *text;
        bool is_in;
    } rows[] = {
        {"<anna@x.example>: no such user", true},
        {"joanna@x.example", false},
        {"ANNA@X.example.", true},
        {"anna@x.example.net", false},
        {"mary.anna@x.example", false},
        {"anna@x.example-corp.net", false},
        {"to anna@x.example", true},
        {"anna@x.exampl", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (mail_query_is_in(bytes_of(rows[i].text), "anna@x.example") != rows[i].is_in) {
            fail_msg("%s", rows[i].text);
        }
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_about),    cmocka_unit_test(test_about_is_clean), cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fits),     cmocka_unit_test(test_fits_delivery),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_mentions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
