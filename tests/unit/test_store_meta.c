/* Tests of spool/store_meta: what is written is read back; what was not written by it is refused, never misread. */
#include "members_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "mail/mail_query.h"
#include "store/store.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

static struct mail_recipient recipients[] = {
    {.address = "ops@example.net"},
    {.address = "\xC3\xBC@example.net", .notify = "NEVER", .orcpt = "rfc822;x@y"},
};
static const char *const flags[] = {"\\Flagged", "ci"};
static const char *const whom[] = {"ops@example.net"};
static const struct mail_edit edits[] = {
    {.kind = MAIL_EDIT_ADD, .field = "X-Tag", .value = "a \"quoted\" \\ value"},
    {.kind = MAIL_EDIT_DELETE, .field = "X-Gone"},
};
static const char *const rules[] = {"a"};
static const char *const tried[] = {"-\"quoted\"", "+a"};
static const struct mail_envelope full = {
    .id = "01JABCDEFGHJKMNPQRSTVWXYZ0",
    .received_ms = 1763884800123,
    .hostname = "gw.example.net",
    .client = {"apps", "192.0.2.1", 40000, "client.example", "ESMTPSA", "TLSv1.3", "TLS_AES_256", "CN=x", "user"},
    .from = "",
    .to = recipients,
    .to_count = 2,
    .body = MAIL_BODY_8BITMIME,
    .smtputf8 = true,
    .requiretls = true,
    .envid = "e1",
    .ret = "HDRS",
    .rules = rules,
    .rule_count = 1,
    .tried = tried,
    .tried_count = 2,
    .shape = {12345, true, true},
};
static const struct mail_delivery one = {
    .number = 3,
    .upstream = "corp",
    .fallback = "standby",
    .instead_of = "first",
    .folder = "CI/web",
    .flags = flags,
    .flag_count = 2,
    .date_ms = 12345,
    .rule = "ci-failures",
    .recipients = whom,
    .recipient_count = 1,
    .edits = edits,
    .edit_count = 2,
    .held = true,
};

static void check_envelope(const struct mail_envelope *got)
{
    assert_string_equal(got->id, full.id);
    assert_int_equal(got->received_ms, full.received_ms);
    assert_string_equal(got->hostname, full.hostname);
    assert_string_equal(got->client.tls_peer, "CN=x");
    assert_int_equal(got->client.port, 40000);
    assert_string_equal(got->from, "");
    assert_int_equal(got->to_count, 2);
    assert_null(got->to[0].notify);
    assert_string_equal(got->to[1].address, recipients[1].address);
    assert_string_equal(got->to[1].orcpt, "rfc822;x@y");
    assert_int_equal(got->body, MAIL_BODY_8BITMIME);
    assert_true(got->smtputf8 && got->requiretls);
    assert_string_equal(got->ret, "HDRS");
    assert_int_equal(got->rule_count, 1);
    assert_int_equal(got->tried_count, 2);
    assert_string_equal(got->tried[0], tried[0]);
    assert_string_equal(got->tried[1], tried[1]);
    assert_true(got->shape.longest_line == 12345 && got->shape.header_8bit && got->shape.header_plain);
}

static void check_delivery(const struct mail_delivery *got)
{
    assert_int_equal(got->number, 3);
    assert_string_equal(got->fallback, "standby");
    assert_string_equal(got->instead_of, "first");
    assert_string_equal(got->folder, "CI/web");
    assert_int_equal(got->flag_count, 2);
    assert_string_equal(got->flags[0], "\\Flagged");
    assert_int_equal(got->date_ms, 12345);
    assert_string_equal(got->recipients[0], whom[0]);
    assert_int_equal(got->edit_count, 2);
    assert_string_equal(got->edits[0].value, edits[0].value);
    assert_int_equal(got->edits[1].kind, MAIL_EDIT_DELETE);
    assert_null(got->edits[1].value);
    assert_true(got->held);
}

static void write_all(struct buf *out)
{
    buf_append_text(out, "{\"envelope\":");
    store_meta_write_envelope(out, &full);
    buf_append_text(out, ",\"deliveries\":[");
    store_meta_write_delivery(out, &one);
    buf_append_text(out, "]}");
}

static void test_round_trip(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    write_all(&out);
    struct arena *arena = arena_new(10000);
    struct mail_envelope envelope;
    struct mail_delivery *deliveries;
    size_t count;
    struct fault fault = FAULT_INIT;
    assert_int_equal(store_meta_read(buf_bytes(&out), arena, &envelope, &deliveries, &count, &fault), 0);
    assert_int_equal(count, 1);
    check_envelope(&envelope);
    check_delivery(&deliveries[0]);
    arena_free(&arena);
    buf_done(&out);
}

static void test_sparse(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    struct mail_envelope sparse = {.id = "i", .from = "a@b"}, got;
    store_meta_write_envelope(&out, &sparse);
    struct arena *arena = arena_new(10000);
    assert_int_equal(store_meta_read_envelope(buf_bytes(&out), arena, &got, NULL), 0);
    assert_null(got.hostname);
    assert_null(got.client.address);
    assert_int_equal(got.to_count, 0);
    arena_free(&arena);
    buf_done(&out);
}

/* A JSON text that ends early is never taken for a whole one. */
static void test_cut(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    write_all(&out);
    for (size_t len = 0; len < out.len; len++) {
        struct arena *arena = arena_new(10000);
        struct mail_envelope envelope;
        struct mail_delivery *deliveries;
        size_t count;
        struct fault fault = FAULT_INIT;
        struct bytes cut = bytes_slice(buf_bytes(&out), 0, len);
        assert_int_equal(store_meta_read(cut, arena, &envelope, &deliveries, &count, &fault), -1);
        assert_string_equal(fault.code, "damaged");
        arena_free(&arena);
    }
    buf_done(&out);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"id\":1,\"from\":\"x\"}",
        "{\"id\":\"x\"}",
        "{\"id\":\"x\",\"from\":\"\",\"body\":9}",
        "{\"id\":\"x\",\"from\":\"\",\"to\":[{}]}",
        "{\"id\":\"x\",\"from\":\"\",\"client\":{\"port\":70000}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct arena *arena = arena_new(10000);
        struct mail_envelope envelope;
        assert_int_equal(store_meta_read_envelope(bytes_of(bad[i]), arena, &envelope, NULL), -1);
        arena_free(&arena);
    }
}

/* Whatever the member tables hold, now or later, is written and read back. */
static void test_every_member_comes_back(void **state)
{
    (void)state;
    struct members_filler filler = {arena_new(10000), 0};
    struct mail_envelope envelope = {0}, envelope_back;
    struct mail_delivery delivery = {0}, delivery_back;
    members_fill(&filler, &mail_envelope_members, &envelope);
    members_fill(&filler, &mail_delivery_members, &delivery);
    struct buf out;
    buf_init(&out, 10000);
    store_meta_write_envelope(&out, &envelope);
    assert_int_equal(store_meta_read_envelope(buf_bytes(&out), filler.arena, &envelope_back, NULL), 0);
    assert_true(mail_envelope_equal(&envelope, &envelope_back));
    buf_clear(&out);
    store_meta_write_delivery(&out, &delivery);
    assert_int_equal(store_meta_read_delivery(buf_bytes(&out), filler.arena, &delivery_back, NULL), 0);
    assert_true(mail_delivery_equal(&delivery, &delivery_back));
    buf_done(&out);
    arena_free(&filler.arena);
}

static void check_words(const struct mail_envelope *a, const struct mail_envelope *b)
{
    for (enum mail_query_field field = MAIL_QUERY_SUBJECT; field <= MAIL_QUERY_TO; field++) {
        struct buf words, others;
        buf_init(&words, 10000);
        buf_init(&others, 10000);
        mail_query_words_of(a, field, &words);
        mail_query_words_of(b, field, &others);
        assert_true(words.len > 0);
        assert_string_equal(buf_text(&words), buf_text(&others));
        buf_done(&words);
        buf_done(&others);
    }
}

/* Whatever the table holds: the words of a part are those of the whole, also where texts look like JSON. */
static void test_a_part_has_the_words_of_the_whole(void **state)
{
    (void)state;
    static const char *const subjects[] = {"plain", "a \"quoted\" \\ word,}]{[:", "\\", "\"", "\xc3\xa4\tb\n}", "\\\""};
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        struct members_filler filler = {arena_new(20000), 0};
        struct mail_envelope envelope = {0}, part;
        members_fill(&filler, &mail_envelope_members, &envelope);
        const char *names[] = {subjects[i], subjects[sizeof subjects / sizeof subjects[0] - 1 - i]};
        envelope.rules = names;
        envelope.rule_count = 2;
        char subject[60];
        snprintf(subject, sizeof subject, "word %s", subjects[i]);
        envelope.subject = subject;
        struct buf out;
        buf_init(&out, 20000);
        store_meta_write_envelope(&out, &envelope);
        assert_int_equal(store_meta_read_some(buf_bytes(&out), mail_query_members, filler.arena, &part, NULL), 0);
        check_words(&envelope, &part);
        assert_null(part.id); /* it was not read */
        for (size_t len = 0; len < out.len; len++) {
            struct bytes cut = bytes_slice(buf_bytes(&out), 0, len);
            struct arena *arena = arena_new(20000);
            assert_int_equal(store_meta_read_some(cut, mail_query_members, arena, &part, NULL), -1);
            arena_free(&arena);
        }
        buf_done(&out);
        arena_free(&filler.arena);
    }
}

/* What an earlier version wrote otherwise is read all the same; what is damaged is not. */
static void test_a_part_is_read_as_the_whole_is(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int result;
    } rows[] = {
        {"{\"id\":\"i\",\"client\":{},\"from\":\"a@b\",\"to\":[],\"subject\":\"s\"}", 0},
        {"{ \"id\": \"i\", \"from\": \"a@b\", \"subject\": \"s\" }", 0},
        {"{\"\\u0069d\":\"i\",\"from\":\"a@b\",\"subject\":\"s\"}", 0},
        {"{\"from\":\"a@b\",\"subject\":s}", -1},
        {"{\"id\":\"i\",\"subject\":\"s\"}", -1},
        {"{\"from\":\"a@b\",\"subject\":\"s\"", -1},
        {"{\"from\":\"a@b\",\"to\":[{}]}", -1},
        {"{\"id\":\"i\",\"from\":\"a@b\"}}", -1},
        {"{\"", -1},
        {"{\"from", -1},
        {"{\"from\"", -1},
        {"{\"from\":", -1},
        {"", -1},
        {"[]", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(10000);
        struct mail_envelope part;
        assert_int_equal(store_meta_read_some(bytes_of(rows[i].json), mail_query_members, arena, &part, NULL),
                         rows[i].result);
        if (rows[i].result == 0) {
            assert_string_equal(part.from, "a@b");
            assert_string_equal(part.subject, "s");
        }
        arena_free(&arena);
    }
}

/* Mail that waits since a version that did not look at the lines of a header, or told of them otherwise, is read once more
 * when it is filed, so that it is mended as what comes today. */
static void test_an_older_header_may_want_mending(void **state)
{
    (void)state;
    static const char *const older[] = {
        "{\"id\":\"i\",\"client\":{},\"from\":\"\",\"to\":[],\"header_8bit\":true}",
        "{\"id\":\"i\",\"client\":{},\"from\":\"\",\"to\":[],\"header_odd\":true}",
    };
    for (size_t i = 0; i < sizeof older / sizeof older[0]; i++) {
        struct arena *arena = arena_new(10000);
        struct mail_envelope envelope;
        assert_int_equal(store_meta_read_envelope(bytes_of(older[i]), arena, &envelope, NULL), 0);
        assert_false(envelope.shape.header_plain);
        arena_free(&arena);
    }
}

/* What older versions wrote, octet by octet: it is still written so, and read. */
static void test_the_form_stays(void **state)
{
    (void)state;
    static const char *const form =
        "{\"number\":1,\"upstream\":\"corp\",\"fallback\":\"b\",\"folder\":\"x\",\"flags\":[\"a\",\"b\"],"
        "\"edits\":[{\"field\":\"X\",\"value\":\"y\"},{\"kind\":1,\"field\":\"Z\"}],\"held\":true}";
    struct arena *arena = arena_new(10000);
    struct mail_delivery delivery;
    assert_int_equal(store_meta_read_delivery(bytes_of(form), arena, &delivery, NULL), 0);
    struct buf out;
    buf_init(&out, 10000);
    store_meta_write_delivery(&out, &delivery);
    assert_true(bytes_is(buf_bytes(&out), form));
    buf_clear(&out);
    store_meta_write_envelope(&out, &(struct mail_envelope){.id = "i", .from = ""});
    assert_true(bytes_is(buf_bytes(&out), "{\"id\":\"i\",\"client\":{},\"from\":\"\",\"to\":[]}"));
    buf_done(&out);
    arena_free(&arena);
}

/* A Date field of 1969 gives an INTERNALDATE before the epoch: it must not make the message unreadable. */
static void test_a_date_before_1970(void **state)
{
    (void)state;
    struct arena *arena = arena_new(10000);
    struct mail_delivery back, old = {.number = 1, .upstream = "a", .folder = "b", .date_ms = -86400000};
    struct buf out;
    buf_init(&out, 10000);
    store_meta_write_delivery(&out, &old);
    assert_int_equal(store_meta_read_delivery(buf_bytes(&out), arena, &back, NULL), 0);
    assert_int_equal(back.date_ms, old.date_ms);
    buf_done(&out);
    arena_free(&arena);
}

/* ---- what a disk makes of it ---- */

static int read_as(unsigned how, struct bytes json, struct arena *arena, struct fault *fault)
{
    struct mail_envelope envelope;
    struct mail_delivery delivery, *deliveries;
    size_t count;
    switch (how) {
    case 0:
        return store_meta_read_envelope(json, arena, &envelope, fault);
    case 1:
        return store_meta_read_some(json, mail_query_members, arena, &envelope, fault);
    case 2:
        return store_meta_read_delivery(json, arena, &delivery, fault);
    default:
        return store_meta_read(json, arena, &envelope, &deliveries, &count, fault);
    }
}

/* Envelope, envelope, delivery, both: as read_as() reads them. */
static void write_as(unsigned how, struct buf *out)
{
    buf_clear(out);
    buf_append_text(out, how == 3 ? "{\"envelope\":" : "");
    if (how != 2) {
        store_meta_write_envelope(out, &full);
    }
    buf_append_text(out, how == 3 ? ",\"deliveries\":[" : "");
    if (how > 1) {
        store_meta_write_delivery(out, &one);
    }
    buf_append_text(out, how == 3 ? "]}" : "");
}

/* Any octet may become any other: it is read as something, or refused in words. */
static void test_changed_at_each_octet(void **state)
{
    static const char others[] = "\"{}[]:,\\0-9entfu \x01\xff";
    (void)state;
    struct buf text;
    struct arena *arena = arena_new(1 << 20);
    unsigned refused = 0;
    buf_init(&text, 1 << 20);
    for (unsigned how = 0; how < 4; how++) {
        write_as(how, &text);
        char *octets = strdup(buf_text(&text));
        size_t len = text.len;
        assert_non_null(octets);
        for (size_t at = 0; at < len; at++) {
            const char before = octets[at];
            for (size_t i = 0; i < sizeof others - 1; i++) {
                struct fault fault = FAULT_INIT;
                octets[at] = others[i];
                int result = read_as(how, bytes_at(octets, len), arena, &fault);
                assert_true(result == 0 || fault_is_set(&fault));
                refused += result != 0;
                arena_clear(arena);
            }
            octets[at] = before;
        }
        free(octets);
    }
    assert_true(refused > 1000);
    arena_free(&arena);
    buf_done(&text);
}

/* Where the arena is full it is said, at whichever of its pieces; one that is large enough holds all. */
static void test_the_arena_is_full(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (unsigned how = 0; how < 4; how++) {
        write_as(how, &text);
        bool is_read = false;
        for (size_t size = 0; !is_read && size < 100000; size += 8) {
            struct arena *arena = arena_new(size);
            struct fault fault = FAULT_INIT;
            is_read = read_as(how, buf_bytes(&text), arena, &fault) == 0;
            assert_true(is_read || strcmp(fault.code, "too-large") == 0);
            arena_free(&arena);
        }
        assert_true(is_read);
    }
    buf_done(&text);
}

static void test_the_words_of_all_states(void **state)
{
    char words[200] = "";
    (void)state;
    for (int i = 0; i < STORE_STATES; i++) {
        const char *between = i == 0 ? "" : i == STORE_STATES - 1 ? " or " : ", ";
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", between,
                 store_state_name((enum store_state)i));
    }
    assert_string_equal(words, STORE_STATE_WORDS);
}

/* Who looks for mail by its state finds each of the store's, and what no delivery is left of. */
static void test_the_states_that_are_looked_for(void **state)
{
    (void)state;
    for (int i = 0; i < STORE_STATES; i++) {
        assert_string_equal(mail_query_state_at((size_t)i), store_state_name((enum store_state)i));
    }
    assert_string_equal(mail_query_state_at(STORE_STATES), MAIL_QUERY_DISCARDED);
    assert_string_equal(mail_query_state_at(STORE_STATES + 1), MAIL_QUERY_REFUSED);
    assert_null(mail_query_state_at(STORE_STATES + 2));
}

/* ---- words and prints ---- */

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(store_state_name(STORE_STATE_MOVED), "moved");
    assert_string_equal(store_state_name((enum store_state)STORE_STATES), "unknown");
    assert_int_equal(store_state_of("nowhere"), -1);
    assert_false(store_doubt_is_noted(NULL));
    assert_false(store_doubt_is_noted("uidnext=5 place=1"));
    assert_true(store_doubt_is_noted("uidnext=5 noted=1 place=1"));
}

/* Who logged in, and what listener heard it, make another message of the same octets. */
static void test_prints(void **state)
{
    struct mail_envelope envelope = full;
    (void)state;
    uint64_t print = store_print_of(&envelope);
    envelope.client.user = NULL;
    assert_int_not_equal(store_print_of(&envelope), print);
    envelope = full;
    envelope.client.listener = NULL;
    assert_int_not_equal(store_print_of(&envelope), print);
    envelope = full;
    envelope.from = "another@example.com";
    assert_int_not_equal(store_print_of(&envelope), print);
    struct store_sum *sum = NULL;
    store_sum_free(&sum);
}

static uint64_t print_by(const char *protocol, const char *first, const char *second, const char *third)
{
    const char *const addresses[] = {first, second, third};
    struct mail_recipient to[3] = {0};
    struct mail_envelope envelope = full;
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        if (addresses[i] != NULL) {
            to[count++].address = addresses[i];
        }
    }
    envelope.to = to;
    envelope.to_count = count;
    envelope.client.protocol = protocol;
    return store_print_of(&envelope);
}

static uint64_t print_to(const char *first, const char *second, const char *third)
{
    return print_by("ESMTP", first, second, third);
}

/* Who tries again may name the same recipients in another order, one of them twice, and domains in another case. */
static void test_prints_of_recipients(void **state)
{
    (void)state;
    uint64_t print = print_to("a@example.net", "B@example.net", "c@example.org");
    assert_int_equal(print_to("c@example.org", "a@example.net", "B@example.net"), print);
    assert_int_equal(print_to("B@EXAMPLE.net", "c@example.Org", "a@example.net"), print);
    assert_int_not_equal(print_to("b@example.net", "c@example.org", "a@example.net"), print);
    assert_int_not_equal(print_to("a@example.net", "B@example.net", NULL), print);
    assert_int_not_equal(print_to("a@example.net", "B@example.net", "B@example.net"), print);
    assert_int_equal(print_to("a@example.net", "B@example.net", "a@example.net"),
                     print_to("B@example.net", "a@example.net", NULL));
    assert_int_not_equal(print_to("a@example.netB@example.net", "c@example.org", NULL), print);
    /* Each of LMTP's has an answer of his own, by his place. */
    uint64_t ordered = print_by("LMTP", "a@example.net", "B@example.net", NULL);
    assert_int_equal(print_by("LMTP", "a@Example.net", "B@example.net", NULL), ordered);
    assert_int_not_equal(print_by("LMTP", "B@example.net", "a@example.net", NULL), ordered);
    assert_int_not_equal(print_by("UTF8LMTPS", "a@example.net", "B@example.net", "a@example.net"), ordered);
    assert_int_equal(print_by(NULL, "a@example.net", "B@example.net", "c@example.org"),
                     print_by(NULL, "c@example.org", "B@example.net", "a@example.net"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_member_comes_back),
        cmocka_unit_test(test_a_part_has_the_words_of_the_whole),
        cmocka_unit_test(test_a_part_is_read_as_the_whole_is),
        cmocka_unit_test(test_an_older_header_may_want_mending),
        cmocka_unit_test(test_the_form_stays),
        cmocka_unit_test(test_a_date_before_1970),
        cmocka_unit_test(test_changed_at_each_octet),
        cmocka_unit_test(test_the_arena_is_full),
        cmocka_unit_test(test_the_words_of_all_states),
        cmocka_unit_test(test_the_states_that_are_looked_for),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_prints),
        cmocka_unit_test(test_prints_of_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
