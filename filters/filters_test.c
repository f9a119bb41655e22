/*
 * filters_test - runs the tests that stand beside the rules; see filters.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_set.h"
#include "filters/filters_text.h"
#include "mail/mail_header.h"

#define MESSAGE_MAX    (64u << 20)
#define WHY_MAX        4096
#define TEST_ARENA_MAX (16u << 20)

struct check {
    const struct filters_test *test;
    const struct filters_decision *decision;
    const struct mail_delivery *deliveries;
    size_t delivery_count;
    struct buf why;
};

static void list_texts(struct buf *out, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s\"%s\"", i == 0 ? "" : ", ", texts[i]);
    }
    buf_append_text(out, count == 0 ? "none" : "");
}

/* One part of why, with "; " between the parts. */
static void begin_check(struct check *check, const char *what)
{
    buf_printf(&check->why, "%s%s: expected ", check->why.len == 0 ? "" : "; ", what);
}

static bool has_text(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_order(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return a_count == b_count;
}

static bool same_set(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; i < a_count; i++) {
        same = same && has_text(b, b_count, a[i]);
    }
    for (size_t i = 0; i < b_count; i++) {
        same = same && has_text(a, a_count, b[i]);
    }
    return same;
}

static void compare_lists(struct check *check, const char *what, bool same, const char *const *wanted,
                          size_t wanted_count, const char *const *came, size_t came_count)
{
    if (same) {
        return;
    }
    begin_check(check, what);
    list_texts(&check->why, wanted, wanted_count);
    buf_append_text(&check->why, ", got ");
    list_texts(&check->why, came, came_count);
}

/* Where it goes otherwise, each as "upstream:folder"; "" where there is no such. */
static const char *way_text(const struct mail_delivery *delivery, size_t index, char *out, size_t size)
{
    if (index >= mail_delivery_way_count(delivery)) {
        return "";
    }
    struct mail_way way = mail_delivery_way(delivery, index);
    snprintf(out, size, "%s:%s", way.upstream == NULL ? delivery->upstream : way.upstream,
             way.folder == NULL ? delivery->folder : way.folder);
    return out;
}

/* Whether the way is taken when that is wrong; a test that says nothing of it takes each. */
static bool is_same_when(const struct filters_way *wanted, struct mail_way way)
{
    return (!wanted->refused && !wanted->down && !wanted->full) ||
           (wanted->refused == way.refused && wanted->down == way.down && wanted->full == way.full &&
            wanted->down_ms == way.down_ms && wanted->full_ms == way.full_ms);
}

static bool has_ways(const struct filters_filed *wanted, const struct mail_delivery *delivery)
{
    char text[2000];
    bool same = wanted->otherwise_count == mail_delivery_way_count(delivery);
    for (size_t i = 0; same && i < wanted->otherwise_count; i++) {
        same = strcmp(wanted->otherwise[i], way_text(delivery, i, text, sizeof text)) == 0 &&
               is_same_when(&wanted->ways[i], mail_delivery_way(delivery, i));
    }
    return same;
}

static bool is_filed(const struct filters_filed *wanted, const struct mail_delivery *delivery, const char *text)
{
    return strcmp(wanted->text, text) == 0 && (!wanted->has_held || wanted->held == delivery->held) &&
           (!wanted->has_flags || same_set(wanted->flags, wanted->flag_count, delivery->flags, delivery->flag_count)) &&
           (!wanted->has_else || has_ways(wanted, delivery)) &&
           (!wanted->has_date || wanted->date_from_header == (delivery->date_ms != 0)) &&
           (!wanted->has_to || same_set(wanted->to, wanted->to_count, delivery->recipients, delivery->recipient_count));
}

static void list_more(struct buf *out, const char *word, const char *const *texts, size_t count)
{
    buf_printf(out, " (%s ", word);
    list_texts(out, texts, count);
    buf_append_text(out, ")");
}

static void list_wanted(struct buf *out, const struct filters_expectation *expect)
{
    for (size_t k = 0; k < expect->filed_count; k++) {
        const struct filters_filed *filed = &expect->filed[k];
        buf_printf(out, "%s\"%s\"", k == 0 ? "" : ", ", filed->text);
        if (filed->has_flags) {
            list_more(out, "flags", filed->flags, filed->flag_count);
        }
        if (filed->has_to) {
            list_more(out, "to", filed->to, filed->to_count);
        }
        if (filed->has_else) {
            list_more(out, "else", filed->otherwise, filed->otherwise_count);
        }
        buf_append_text(out, !filed->has_date ? "" : filed->date_from_header ? " (date header)" : " (date received)");
        buf_append_text(out, !filed->has_held ? "" : filed->held ? " (held)" : " (not held)");
    }
}

/* Whether each delivery is one that was expected, and each that was expected has come. */
static bool is_all_filed(const struct filters_expectation *expect, const struct filters_decision *decision,
                         const char *const *came)
{
    bool same = expect->filed_count == decision->delivery_count;
    for (size_t i = 0; i < decision->delivery_count && same; i++) {
        same = false;
        for (size_t k = 0; k < expect->filed_count && !same; k++) {
            same = is_filed(&expect->filed[k], &decision->deliveries[i], came[i]);
        }
    }
    for (size_t k = 0; k < expect->filed_count && same; k++) {
        same = false;
        for (size_t i = 0; i < decision->delivery_count && !same; i++) {
            same = is_filed(&expect->filed[k], &decision->deliveries[i], came[i]);
        }
    }
    return same;
}

/* Whether more than folders is expected: then more is told of what came. */
static bool asks_for_more(const struct filters_expectation *expect)
{
    for (size_t k = 0; k < expect->filed_count; k++) {
        const struct filters_filed *filed = &expect->filed[k];
        if (filed->has_date || filed->has_flags || filed->has_held || filed->has_to || filed->has_else) {
            return true;
        }
    }
    return false;
}

static void list_all(const struct mail_delivery *delivery, struct buf *out)
{
    list_more(out, "flags", delivery->flags, delivery->flag_count);
    list_more(out, "to", delivery->recipients, delivery->recipient_count);
    for (size_t way = 0; way < mail_delivery_way_count(delivery); way++) {
        char text[2000];
        buf_printf(out, " (else \"%s\")", way_text(delivery, way, text, sizeof text));
    }
    buf_append_text(out, delivery->date_ms != 0 ? " (date header)" : "");
    buf_append_text(out, delivery->held ? " (held)" : "");
}

/* Every delivery as one that was expected, each once: what was wanted and did not come, what came and was not wanted.
 */
static void compare_filed(struct check *check, const char *const *came)
{
    const struct filters_expectation *expect = &check->test->expect;
    const struct filters_decision *decision = check->decision;
    if (is_all_filed(expect, decision, came)) {
        return;
    }
    begin_check(check, "filed");
    list_wanted(&check->why, expect);
    buf_append_text(&check->why, expect->filed_count == 0 ? "none, got " : ", got ");
    for (size_t i = 0; i < decision->delivery_count; i++) {
        buf_printf(&check->why, "%s\"%s\"", i == 0 ? "" : ", ", came[i]);
        if (asks_for_more(expect)) {
            list_all(&decision->deliveries[i], &check->why);
        }
    }
    buf_append_text(&check->why, decision->delivery_count == 0 ? "none" : "");
}

static void check_filed(struct check *check, struct arena *arena)
{
    const struct filters_expectation *expect = &check->test->expect;
    size_t count = check->decision->delivery_count;
    const char **filed = expect_memory(arena_array(arena, count, sizeof *filed));
    for (size_t i = 0; i < count; i++) {
        filed[i] = expect_memory(arena_printf(arena, "%s:%s", check->decision->deliveries[i].upstream,
                                              check->decision->deliveries[i].folder));
    }
    if (expect->has_filed) {
        compare_filed(check, filed);
    }
    for (size_t i = 0; i < count && expect->has_flags; i++) {
        const struct mail_delivery *delivery = &check->decision->deliveries[i];
        compare_lists(check, "flags",
                      same_set(expect->flags, expect->flag_count, delivery->flags, delivery->flag_count), expect->flags,
                      expect->flag_count, delivery->flags, delivery->flag_count);
    }
}

static void check_truth(struct check *check, bool has, const char *what, bool wanted, bool came)
{
    if (has && wanted != came) {
        begin_check(check, what);
        buf_printf(&check->why, "%s, got %s", wanted ? "true" : "false", came ? "true" : "false");
    }
}

static void check_refusal(struct check *check)
{
    const struct filters_expectation *expect = &check->test->expect;
    const struct filters_decision *decision = check->decision;
    check_truth(check, expect->has_rejected, "rejected", expect->rejected, decision->reply_code >= 500);
    check_truth(check, expect->has_deferred, "deferred", expect->deferred,
                decision->reply_code >= 400 && decision->reply_code < 500);
    if (expect->code != 0 && decision->reply_code != 0 && decision->reply_code != expect->code) {
        begin_check(check, "code");
        buf_printf(&check->why, "%d, got %d", expect->code, decision->reply_code);
    }
    if (expect->text != NULL && decision->reply_code != 0 && strstr(decision->reply_text, expect->text) == NULL) {
        begin_check(check, "reply");
        buf_printf(&check->why, "\"%s\" in it, got \"%s\"", expect->text, decision->reply_text);
    }
    /* A refusal that nobody expected is the first thing to know. */
    if (decision->reply_code != 0 && !expect->has_rejected && !expect->has_deferred && check->why.len > 0) {
        buf_printf(&check->why, "; the message is refused: %d %s %s", decision->reply_code, decision->enhanced,
                   decision->reply_text);
    }
}

static const char *edited_value(const struct filters_decision *decision, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < decision->delivery_count; i++) {
        for (size_t j = 0; j < decision->deliveries[i].edit_count; j++) {
            const struct mail_edit *edit = &decision->deliveries[i].edits[j];
            value = bytes_is_nocase(bytes_of(edit->field), name) ? edit->value : value;
        }
    }
    return value;
}

static void check_headers(struct check *check)
{
    const struct filters_expectation *expect = &check->test->expect;
    for (size_t i = 0; i < expect->header_count; i++) {
        const char *value = edited_value(check->decision, expect->header_names[i]);
        if (value == NULL || strcmp(value, expect->header_values[i]) != 0) {
            begin_check(check, expect->header_names[i]);
            buf_printf(&check->why, "\"%s\", got %s%s%s", expect->header_values[i], value == NULL ? "no edit" : "\"",
                       value == NULL ? "" : value, value == NULL ? "" : "\"");
        }
    }
}

static void check_counted(struct check *check, struct arena *arena)
{
    const struct filters_expectation *expect = &check->test->expect;
    size_t count = check->decision->counted_count;
    const char **came = expect_memory(arena_array(arena, count, sizeof *came));
    for (size_t i = 0; i < count; i++) {
        const struct mail_counted *counted = &check->decision->counted[i];
        came[i] = expect_memory(
            arena_printf(arena, "%s%s%s", counted->counter, counted->key[0] == '\0' ? "" : ":", counted->key));
    }
    if (expect->has_counted) {
        compare_lists(check, "counted", same_set(expect->counted, expect->counted_count, came, count), expect->counted,
                      expect->counted_count, came, count);
    }
}

static void check_all(struct check *check, struct arena *arena)
{
    const struct filters_expectation *expect = &check->test->expect;
    const struct filters_decision *decision = check->decision;
    bool held = decision->delivery_count > 0;
    for (size_t i = 0; i < decision->delivery_count; i++) {
        held = held && decision->deliveries[i].held;
    }
    if (expect->has_rules) {
        compare_lists(check, "rules",
                      same_order(expect->rules, expect->rule_count, decision->rules, decision->rule_count),
                      expect->rules, expect->rule_count, decision->rules, decision->rule_count);
    }
    if (expect->has_watched) {
        compare_lists(check, "watched",
                      same_order(expect->watched, expect->watched_count, decision->watched, decision->watched_count),
                      expect->watched, expect->watched_count, decision->watched, decision->watched_count);
    }
    check_filed(check, arena);
    check_counted(check, arena);
    check_truth(check, expect->has_held, "held", expect->held, held);
    check_truth(check, expect->has_discarded, "discarded", expect->discarded,
                decision->delivery_count == 0 && decision->reply_code == 0);
    check_headers(check);
    check_refusal(check);
}

/* What the test says was counted before. */
static uint64_t given_count(const struct filters_counters *asked, const char *counter, struct bytes key,
                            int64_t since_ms)
{
    const struct filters_test *test = asked->ctx;
    (void)since_ms;
    for (size_t i = 0; i < test->given_count; i++) {
        const struct filters_given *given = &test->given[i];
        if (strcmp(given->counter, counter) == 0 && (given->key == NULL || bytes_is(key, given->key))) {
            return given->count;
        }
    }
    return 0;
}

/* Decides the message and checks what came of it; why is empty when all is as expected. */
static void run_test(const struct filters_set *set, struct filters_scratch *scratch, struct check *check,
                     struct bytes text, struct arena *arena)
{
    const struct filters_test *test = check->test;
    int64_t now_ms = test->has_now ? test->now_ms : set->loaded_ms;
    struct mail_source source = mail_source_of(&text);
    struct mail_recipient *to = expect_memory(arena_array(arena, test->to_count, sizeof *to));
    for (size_t i = 0; i < test->to_count; i++) {
        to[i].address = test->to[i];
    }
    struct mail_envelope envelope = {.id = "TEST",
                                     .hostname = "test",
                                     .client = test->client,
                                     .from = test->from,
                                     .to = to,
                                     .to_count = test->to_count,
                                     .received_ms = now_ms};
    bool complete;
    const struct filters_counters counters = {.count = given_count, .ctx = (void *)(uintptr_t)test};
    struct filters_message message = {.envelope = &envelope,
                                      .counters = &counters,
                                      .header = bytes_slice(text, 0, mail_header_length(text, &complete)),
                                      .source = &source,
                                      .size = text.len,
                                      .now_ms = now_ms};
    struct filters_decision decision;
    struct fault fault = FAULT_INIT;
    if (filters_decide(set, scratch, &message, arena, &decision, &fault) < 0) {
        /* What the sender would hear. */
        decision = (struct filters_decision){
            .reply_code = 451, .enhanced = "4.3.0", .reply_text = arena_text(arena, fault.text)};
    }
    check->decision = &decision;
    check_all(check, arena);
    check->decision = NULL;
    check->deliveries = decision.deliveries;
    check->delivery_count = decision.delivery_count;
}

size_t filters_test_count(const struct filters_set *set)
{
    return set->test_count;
}

/* LF line ends become CRLF, as the message would come by SMTP. */
static void to_crlf(struct bytes text, struct buf *out)
{
    while (text.len > 0) {
        bool ended = bytes_find_octet(text, '\n') >= 0;
        struct bytes line = bytes_cut(&text, '\n');
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        buf_append_bytes(out, line);
        buf_append_text(out, ended ? "\r\n" : "");
    }
}

void filters_test_run(const struct filters_set *set, struct filters_scratch *scratch, size_t index,
                      int (*read_file)(void *ctx, const char *from, const char *path, struct buf *out,
                                       struct fault *fault),
                      void *ctx, struct arena *arena, struct filters_test_result *result_r)
{
    const struct filters_test *test = &set->tests[index];
    struct check check = {.test = test};
    buf_init(&check.why, WHY_MAX);
    if (test->path == NULL) {
        run_test(set, scratch, &check, test->message, arena);
    } else {
        struct buf file, text;
        struct fault fault = FAULT_INIT;
        buf_init(&file, MESSAGE_MAX);
        buf_init(&text, MESSAGE_MAX * 2);
        if (read_file == NULL || read_file(ctx, test->file, test->path, &file, &fault) < 0) {
            buf_printf(&check.why, "the message \"%s\" cannot be read: %s", test->path, fault.text);
        } else {
            to_crlf(buf_bytes(&file), &text);
            run_test(set, scratch, &check, buf_bytes(&text), arena);
        }
        buf_done(&file);
        buf_done(&text);
    }
    const char *why = expect_memory(arena_copy(arena, buf_bytes(&check.why)));
    *result_r = (struct filters_test_result){.name = test->name,
                                             .file = test->file,
                                             .line = test->line,
                                             .column = test->column,
                                             .passed = check.why.len == 0,
                                             .why = why,
                                             .rules = test->expect.rules,
                                             .rule_count = test->expect.rule_count,
                                             .deliveries = check.deliveries,
                                             .delivery_count = check.delivery_count};
    buf_done(&check.why);
}

size_t filters_tests_check(const struct filters_set *set,
                           int (*read_file)(void *ctx, const char *from, const char *path, struct buf *out,
                                            struct fault *fault),
                           void *ctx, struct problems *problems)
{
    struct filters_scratch *scratch = filters_scratch_new();
    size_t failed = 0;
    for (size_t i = 0; i < set->test_count; i++) {
        struct arena *arena = arena_new(TEST_ARENA_MAX);
        struct filters_test_result result;
        filters_test_run(set, scratch, i, read_file, ctx, arena, &result);
        if (!result.passed) {
            failed++;
            problems_add(problems, PROBLEM_ERROR, result.file, result.line, result.column, "",
                         "the test \"%s\" fails: %s", result.name, result.why);
        }
        arena_free(&arena);
    }
    filters_scratch_free(&scratch);
    return failed;
}
