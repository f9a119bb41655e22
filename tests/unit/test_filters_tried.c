/* What every rule said is kept with the decision: in order, whether the index left it out or not, once for each recipient where that matters. */
#include <stdio.h>
#include <stdlib.h>

#include "filters_fixture.h"

static void print_tried(const struct filters_decision *decision, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < decision->tried_count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : " ", decision->tried[i]);
    }
}

static void expect_tried(const char *rules, const char *to, const char *header, const char *wanted)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct filters_set *set = fixture_load(rules, &out);
    if (set == NULL) {
        fail_msg("%s", buf_text(&out));
    }
    struct filters_scratch *scratch = filters_scratch_new();
    struct arena *arena = arena_new(1 << 20);
    struct mail_recipient recipients[2] = {{.address = to}, {.address = "second@x.example"}};
    struct mail_envelope envelope = {.id = "ID", .from = "a@b.example", .to = recipients, .to_count = 2};
    struct filters_message message = {.envelope = &envelope, .header = bytes_of(header), .size = strlen(header)};
    struct filters_decision decision;
    assert_int_equal(filters_decide(set, scratch, &message, arena, &decision, NULL), 0);
    filters_set_free(&set); /* the record outlives it */
    print_tried(&decision, &out);
    assert_string_equal(buf_text(&out), wanted);
    arena_free(&arena);
    filters_scratch_free(&scratch);
    buf_done(&out);
}

#define RULE(name, subject, then)                                                                                      \
    "{\"name\":\"" name "\",\"if\":{\"header\":\"Subject\",\"is\":\"" subject "\"},\"then\":[" then "]}"
#define FILE_X "{\"fileinto\":{\"folder\":\"X\"}}"
#define STOP   "{\"stop\":true}"

static void test_in_order(void **state)
{
    (void)state;
    static const char rules[] = "{\"rules\":[" RULE("a", "one", FILE_X) "," RULE("b", "two", FILE_X) "," RULE(
        "c", "one", FILE_X "," STOP) "," RULE("d", "one", FILE_X) "]}";
    expect_tried(rules, "x@y.example", "Subject: one\r\n", "+a -b +c");
    expect_tried(rules, "x@y.example", "Subject: two\r\n", "-a +b -c -d");
    expect_tried(rules, "x@y.example", "Subject: none\r\n", "-a -b -c -d");
}

static void test_recipients(void **state)
{
    (void)state;
    expect_tried("{\"rules\":[{\"name\":\"a\",\"if\":{\"field\":\"to\",\"is\":\"x@y.example\"},\"then\":[" FILE_X
                 "," STOP "]}," RULE("b", "one", FILE_X) "]}",
                 "x@y.example", "Subject: one\r\n", "@x@y.example +a @second@x.example -a +b");
}

/* Many rules: those that act are there all the same, and the rest is counted. */
static void test_bounded(void **state)
{
    (void)state;
    struct buf rules, wanted;
    buf_init(&rules, 1 << 20);
    buf_init(&wanted, 1 << 20);
    buf_append_text(&rules, "{\"rules\":[");
    for (unsigned i = 0; i < 500; i++) {
        buf_printf(&rules, "{\"name\":\"no%u\",\"if\":{\"header\":\"Subject\",\"is\":\"n%u\"},\"then\":[" FILE_X "]},",
                   i, i);
        if (i < 96) {
            buf_printf(&wanted, "-no%u ", i);
        }
    }
    buf_append_text(&rules, RULE("last", "one", FILE_X) "]}");
    buf_append_text(&wanted, "+last *404");
    expect_tried(buf_text(&rules), "x@y.example", "Subject: one\r\n", buf_text(&wanted));
    buf_done(&rules);
    buf_done(&wanted);
}

/* A decision outlives the set that made it, in every member. */
static void test_the_fallback_outlives_the_set(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    struct filters_set *set = fixture_load("{\"rules\":[{\"name\":\"a\",\"then\":[{\"fileinto\":{\"upstream\":\"corp\","
                                           "\"folder\":\"X\",\"fallback\":\"archive\"}}]}]}",
                                           &out);
    struct filters_scratch *scratch = filters_scratch_new();
    struct arena *arena = arena_new(1 << 20);
    struct mail_recipient recipient = {.address = "x@y.example"};
    struct mail_envelope envelope = {.id = "ID", .from = "", .to = &recipient, .to_count = 1};
    struct filters_message message = {.envelope = &envelope};
    struct filters_decision decision;
    assert_int_equal(filters_decide(set, scratch, &message, arena, &decision, NULL), 0);
    filters_set_free(&set);
    assert_string_equal(decision.deliveries[0].fallback, "archive");
    assert_string_equal(decision.deliveries[0].recipients[0], "x@y.example");
    arena_free(&arena);
    filters_scratch_free(&scratch);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_the_fallback_outlives_the_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
