/* What rules decide: conditions, order, stop, merging, captures in folder names, limits. */
#include "filters_fixture.h"

static const char rules_text[] =
    "{ \"rules\": ["
    "  { \"name\": \"ci\","
    "    \"if\": { \"all\": ["
    "      { \"field\": \"from\", \"is\": \"ci@build.example\" },"
    "      { \"header\": \"Subject\", \"matches\": \"^failed: (?<project>[\\\\w./ -]*)\", \"ignore_case\": true } ] },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"CI/${project}\", \"flags\": [\"\\\\Flagged\", \"ci\"] } },"
    "              { \"stop\": true } ] },"
    "  { \"name\": \"sales\", \"if\": { \"field\": \"to\", \"is\": [\"sales@x\", \"orders@x\"] },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"Sales\" } } ] },"
    "  { \"name\": \"vip\", \"if\": { \"any\": [ { \"header\": \"X-Vip\", \"is\": \"YES\", \"ignore_case\": true },"
    "                                  { \"not\": { \"field\": \"from\", \"matches\": \"@\" } } ] },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"archive\", \"folder\": \"VIP\" } } ] },"
    "  { \"name\": \"end\", \"if\": { \"header\": \"X-End\", \"is\": \"1\" }, \"then\": [ { \"stop\": true } ] },"
    "  { \"name\": \"number\", \"if\": { \"header\": \"X-Id\", \"matches\": \"^(\\\\d+)-(x)?\" },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"N/${1}/${2}\" } } ] },"
    "  { \"name\": \"bomb\", \"if\": { \"header\": \"X-Bomb\", \"matches\": \"^(a+)+$\" },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"Bomb\" } } ] }"
    "] }";

static const struct {
    const char *from, *to, *header, *expected;
} cases[] = {
    {"a@b", "c@d", "Subject: x\r\n", "corp:INBOX <c@d>;"},
    {"ci@build.example", "c@d", "Subject: FAILED: web\r\n", "corp:CI/web \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed:\r\n  web\r\n", "corp:CI/web \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: a/../b\r\n", "corp:CI/a_.._b \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: ..\r\n", "corp:CI/_ \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: .\r\n", "corp:CI/_ \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: !\r\n", "corp:CI/_ \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d e@f", "Subject: failed: web\r\n", "corp:CI/web \\Flagged ci <c@d e@f>; ci"},
    {"a@b", "sales@x c@d orders@x", "Subject: x\r\n", "corp:Sales <sales@x orders@x>;corp:INBOX <c@d>; sales"},
    {"a@b", "sales@x", "X-Vip: no\r\nX-VIP: yes\r\n", "corp:Sales <sales@x>;archive:VIP <sales@x>; sales vip"},
    {"", "c@d", "Subject: x\r\n", "archive:VIP <c@d>; vip"},
    {"a@b", "c@d", "X-End: 1\r\nX-Id: 5-\r\n", "corp:INBOX <c@d>; end"},
    {"a@b", "c@d", "X-Id: 17-x\r\n", "corp:N/17/x <c@d>; number"},
    {"a@b", "c@d", "X-Id: 17-\r\n", "corp:N/17/_ <c@d>; number"},
    {"a@b", "c@d", "X-Id: 17-\r\n\r\nX-End: 1\r\n", "corp:N/17/_ <c@d>; number"},
    {"a@b", "c@d", "X-Bomb: aaa\r\n", "corp:Bomb <c@d>; bomb"},
    {"a@b", "c@d", "X-Bomb: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\r\n", "fault pattern-limit"},
    {"a@b", "c@d", "X-Id: 1-\r\nX-Vip: \xff\xfe\r\n", "corp:N/1/_ <c@d>; number"},
    {"a@b", "c@d", "", "corp:INBOX <c@d>;"},
};

static void messages_are_decided(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    struct filters_set *set = fixture_load(rules_text, &out);
    if (set == NULL) {
        fail_msg("%s", buf_text(&out));
    }
    assert_int_equal(filters_rule_count(set), 6);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&out);
        fixture_decide(set, cases[i].from, cases[i].to, cases[i].header, &out);
        if (!bytes_is(buf_bytes(&out), cases[i].expected)) {
            fail_msg("%zu: %s\n  instead of %s", i, buf_text(&out), cases[i].expected);
        }
    }
    filters_set_free(&set);
    buf_done(&out);
}

static void without_a_default_the_message_is_refused(void **state)
{
    (void)state;
    struct filters_problems *problems = filters_problems_new();
    struct filters_set *set = filters_load(&(struct filters_load_options){.source_count = 0}, problems);
    assert_non_null(set);
    struct buf out;
    buf_init(&out, 4096);
    fixture_decide(set, "a@b", "c@d", "Subject: x\r\n", &out);
    assert_string_equal(buf_text(&out), "550 5.7.1 no rule takes this message;");
    buf_done(&out);
    filters_set_free(&set);
    filters_problems_free(&problems);
}

static void a_full_arena_is_a_fault(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    struct filters_set *set = fixture_load(rules_text, &out);
    struct arena *arena = arena_new(16);
    struct filters_scratch *scratch = filters_scratch_new();
    struct mail_recipient to = {.address = "c@d"};
    struct mail_envelope envelope = {.from = "a@b", .to = &to, .to_count = 1};
    struct filters_message message = {.envelope = &envelope};
    struct filters_decision decision = {.reply_code = 1};
    struct fault fault = FAULT_INIT;
    assert_int_equal(filters_decide(set, scratch, &message, arena, &decision, &fault), -1);
    assert_string_equal(fault.code, "rules-memory");
    assert_int_equal(decision.reply_code, 1);
    filters_scratch_free(&scratch);
    arena_free(&arena);
    filters_set_free(&set);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_decided),
        cmocka_unit_test(without_a_default_the_message_is_refused),
        cmocka_unit_test(a_full_arena_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
