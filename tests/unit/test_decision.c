/*
 * decision: what the rules say becomes what reception does; with the real rules on a real lane. The spool's stage is replaced
 * by this file.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "decision/decision.h"
#include "decision/outcome.h"

static struct net_loop *loop;

/* The message that the rules may look at; NULL: none of them does. */
static const char *body;

static ptrdiff_t read_body(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    memcpy(into, (const char *)ctx + offset, len);
    return (ptrdiff_t)len;
}

uint64_t spool_stage_size(const struct spool_stage *stage)
{
    (void)stage;
    return 100;
}

void spool_stage_source(struct spool_stage *stage, void (*on_ready)(void *ctx, const struct mail_source *source),
                        void *ctx)
{
    (void)stage;
    assert_non_null(body);
    const struct mail_source source = {.ctx = (void *)(uintptr_t)body, .read = read_body, .size = strlen(body)};
    on_ready(ctx, &source);
}

static struct filters_set *load(const char *text)
{
    const char *upstreams[] = {"corp"};
    struct filters_source source = {.name = "rules.json", .text = bytes_of(text)};
    struct filters_load_options options = {.sources = &source,
                                           .source_count = 1,
                                           .upstreams = upstreams,
                                           .upstream_count = 1,
                                           .fallback = {.upstream = "corp", .folder = "INBOX"}};
    struct problems *problems = problems_new();
    struct filters_set *set = filters_load(&options, problems);
    problems_free(&problems);
    assert_non_null(set);
    return set;
}

static struct filters_set *rules(const char *folder)
{
    char text[500];
    snprintf(text, sizeof text,
             "{\"rules\": [{\"name\": \"r\", \"if\": {\"header\": \"Subject\", \"is\": \"hello\"}, \"then\": "
             "[{\"fileinto\": "
             "{\"upstream\": \"corp\", \"folder\": \"%s\"}}, {\"stop\": true}]}]}",
             folder);
    return load(text);
}

struct heard {
    struct reception_decision decision;
    unsigned calls;
};

static unsigned expected_calls;

static const struct net_lane_turn turn = {0};

static void on_decided(void *ctx, const struct reception_decision *decision)
{
    struct heard *heard = ctx;
    heard->decision = *decision;
    heard->calls++;
    if (--expected_calls == 0) {
        net_loop_stop(loop);
    }
}

static struct mail_recipient to[] = {{.address = "ops@example.net"}};
static const struct mail_envelope envelope = {.id = "ID", .from = "a@b.example", .to = to, .to_count = 1};

static void a_session_keeps_the_rules_it_began_with(void **state)
{
    (void)state;
    loop = net_loop_new();
    struct filters_set *set = rules("Old");
    struct decision *decision = decision_new(loop, &set, NULL);
    assert_null(set);
    struct reception_hooks hooks = decision_hooks(decision);
    struct arena *arenas[4] = {arena_new(1 << 20), arena_new(1 << 20), arena_new(1 << 20), arena_new(1 << 20)};
    struct heard heard[4] = {0};
    expected_calls = 4;
    void *session = hooks.begin_session(hooks.ctx);
    hooks.decide_message(hooks.ctx, session, &envelope, bytes_of("Subject: hello\r\n\r\n"), NULL, &turn, arenas[0],
                         on_decided, &heard[0]);
    set = rules("New");
    assert_false(decision_replace(decision, &set));
    void *newer = hooks.begin_session(hooks.ctx);
    hooks.decide_message(hooks.ctx, newer, &envelope, bytes_of("Subject: hello\r\n\r\n"), NULL, &turn, arenas[1],
                         on_decided, &heard[1]);
    hooks.decide_message(hooks.ctx, newer, &envelope, bytes_of("Subject: other\r\n\r\n"), NULL, &turn, arenas[2],
                         on_decided, &heard[2]);
    hooks.decide_message(hooks.ctx, session, &envelope, bytes_of("Subject: hello\r\n\r\n"), NULL, &turn, arenas[3],
                         on_decided, &heard[3]);
    hooks.end_session(session); /* what is under way goes on */
    hooks.end_session(newer);
    assert_int_equal(heard[0].calls + heard[1].calls + heard[2].calls + heard[3].calls,
                     0); /* never from inside the call */
    net_loop_run(loop);
    const char *folders[] = {"Old", "New", "INBOX", "Old"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(heard[i].calls, 1);
        assert_int_equal(heard[i].decision.code, 0);
        assert_int_equal(heard[i].decision.delivery_count, 1);
        assert_string_equal(heard[i].decision.deliveries[0].folder, folders[i]);
        arena_free(&arenas[i]);
    }
    decision_free(&decision);
    net_loop_free(&loop);
}

static void what_cannot_be_decided_is_our_fault(void **state)
{
    (void)state;
    loop = net_loop_new();
    struct filters_set *set = rules("A");
    struct decision *decision = decision_new(loop, &set, NULL);
    struct reception_hooks hooks = decision_hooks(decision);
    struct arena *arena = arena_new(8); /* no room for any decision */
    struct heard heard = {0};
    void *session = hooks.begin_session(hooks.ctx);
    expected_calls = 1;
    hooks.decide_message(hooks.ctx, session, &envelope, bytes_of("Subject: hello\r\n\r\n"), NULL, &turn, arena,
                         on_decided, &heard);
    net_loop_run(loop);
    assert_int_equal(heard.decision.code, 451);
    assert_int_equal(heard.decision.delivery_count, 0);
    struct arena *room = arena_new(1 << 20);
    struct reception_decision at_rcpt;
    assert_true(hooks.decide_recipient(hooks.ctx, session, &envelope, &turn, room, &at_rcpt, on_decided, &heard));
    assert_int_equal(at_rcpt.code, 0);
    hooks.end_session(session);
    arena_free(&room);
    arena_free(&arena);
    decision_free(&decision);
    net_loop_free(&loop);
}

/* Decides one message and gives what reception hears; all of it lives in the arena. */
static struct reception_decision decide(struct decision *decision, const struct mail_envelope *asked,
                                        struct arena *arena)
{
    struct reception_hooks hooks = decision_hooks(decision);
    struct heard heard = {0};
    void *session = hooks.begin_session(hooks.ctx);
    expected_calls = 1;
    hooks.decide_message(hooks.ctx, session, asked, bytes_of("Subject: hello\r\n\r\n"), NULL, &turn, arena, on_decided,
                         &heard);
    net_loop_run(loop);
    assert_int_equal(heard.calls, 1);
    hooks.end_session(session);
    return heard.decision;
}

#define REFUSING                                                                                                       \
    "{\"rules\": [{\"name\": \"no\", \"if\": {\"field\": \"to\", \"in\": [\"x@n.example\", \"y@n.example\"]}, "        \
    "\"then\": [{\"reject\": \"not here\"}]}]}"

/* By LMTP each recipient hears of its own; by SMTP there is one answer for all. */
static void a_refusal_is_its_recipients_alone_by_lmtp(void **state)
{
    (void)state;
    loop = net_loop_new();
    struct filters_set *set = load(REFUSING);
    struct decision *decision = decision_new(loop, &set, NULL);
    decision_set_timeout(decision, 60000);
    struct mail_recipient three[] = {
        {.address = "a@n.example"}, {.address = "x@n.example"}, {.address = "b@n.example"}};
    struct mail_envelope asked = {
        .id = "ID", .from = "a@b.example", .to = three, .to_count = 3, .client = {.protocol = "ESMTP"}};
    struct arena *arena = arena_new(1 << 20);
    struct reception_decision heard = decide(decision, &asked, arena);
    assert_int_equal(heard.code, 550);
    assert_null(heard.refusals);
    asked.client.protocol = "LMTP";
    heard = decide(decision, &asked, arena);
    assert_int_equal(heard.code, 0);
    assert_int_equal(heard.delivery_count, 1); /* equal for both that are accepted */
    const int codes[] = {0, 550, 0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(heard.refusals[i].code, codes[i]);
        assert_int_equal(heard.refusal_rules[i] != NULL, codes[i] != 0);
    }
    assert_string_equal(heard.refusals[1].text, "not here");
    assert_string_equal(heard.refusal_rules[1], "no");
    /* Nobody is left; and one alone hears the message's answer. */
    three[0].address = three[2].address = "y@n.example";
    heard = decide(decision, &asked, arena);
    assert_int_equal(heard.code, 550);
    assert_int_equal(heard.refusals[0].code, 550);
    asked.to_count = 1;
    heard = decide(decision, &asked, arena);
    assert_int_equal(heard.code, 550);
    assert_null(heard.refusals);
    arena_free(&arena);
    decision_free(&decision);
    net_loop_free(&loop);
}

/* REQUIRETLS (RFC 8689): refused where the mailbox server is not reached over TLS whose certificate was verified. */
static void requiretls_is_kept_or_refused(void **state)
{
    (void)state;
    static const char *const unverified[] = {"other", "corp"};
    loop = net_loop_new();
    struct filters_set *set = rules("A");
    struct decision *decision = decision_new(loop, &set, NULL);
    struct mail_envelope asked = envelope;
    struct arena *arena = arena_new(1 << 20);
    asked.requiretls = true;
    assert_int_equal(decide(decision, &asked, arena).code, 0);
    decision_set_unverified(decision, unverified, 1);
    assert_int_equal(decide(decision, &asked, arena).code, 0);
    decision_set_unverified(decision, unverified, 2);
    struct reception_decision heard = decide(decision, &asked, arena);
    assert_int_equal(heard.code, 550);
    assert_string_equal(heard.enhanced, "5.7.30");
    asked.requiretls = false;
    assert_int_equal(decide(decision, &asked, arena).code, 0);
    arena_free(&arena);
    decision_free(&decision);
    net_loop_free(&loop);
}

/* A rule that looks at the body gets the whole message, which is kept for trying other rules on it. */
static void the_body_and_the_last_messages(void **state)
{
    (void)state;
    loop = net_loop_new();
    struct filters_set *set = load("{\"rules\": [{\"name\": \"b\", \"if\": {\"field\": \"body\", \"contains\": "
                                   "\"secret\"}, \"then\": [{\"fileinto\": {\"upstream\": \"corp\", \"folder\": "
                                   "\"Secret\"}}, {\"stop\": true}]}]}");
    struct decision *decision = decision_new(loop, &set, NULL);
    struct arena *arena = arena_new(1 << 20);
    assert_null(decision_recent(decision));
    decision_keep_recent(decision, 0, 100000);
    assert_null(decision_recent(decision));
    decision_keep_recent(decision, 10, 100000);
    body = "Subject: hello\r\n\r\nthe secret\r\n";
    struct reception_decision heard = decide(decision, &envelope, arena);
    assert_string_equal(heard.deliveries[0].folder, "Secret");
    body = "Subject: hello\r\n\r\nnothing\r\n";
    heard = decide(decision, &envelope, arena);
    assert_string_equal(heard.deliveries[0].folder, "INBOX");
    body = NULL;
    struct recent_counts counts;
    recent_count(decision_recent(decision), &counts);
    assert_int_equal(counts.messages, 2);
    assert_int_equal(rule_stats_rule(decision_stats(decision), "b")->hits, 1);
    assert_true(decision_costs(decision)[0].tried > 0);
    arena_free(&arena);
    decision_free(&decision);
    net_loop_free(&loop);
}

static void assert_outcome(const char *text, bool body_missing, size_t memory, const char *outcome)
{
    struct filters_set *set = load(text);
    struct filters_scratch *scratch = filters_scratch_new();
    const struct filters_message message = {
        .envelope = &envelope, .header = bytes_of("Subject: hello\r\n"), .size = 20, .body_missing = body_missing};
    struct fault fault = FAULT_INIT;
    struct buf out;
    buf_init(&out, 1000);
    int result = outcome_write(set, scratch, &message, memory, &out, &fault);
    assert_int_equal(result, outcome == NULL ? -1 : 0);
    assert_string_equal(buf_text(&out), outcome == NULL ? "" : outcome);
    assert_int_equal(fault_is_set(&fault), outcome == NULL);
    buf_done(&out);
    filters_scratch_free(&scratch);
    filters_set_free(&set);
}

#define ALWAYS(then) "{\"rules\": [{\"name\": \"r\", \"then\": [" then "]}]}"
static void an_outcome_on_one_line(void **state)
{
    (void)state;
    const size_t memory = 1 << 20;
    assert_outcome("{\"rules\": []}", false, memory, "corp:INBOX");
    assert_outcome(ALWAYS("{\"reject\": \"no\"}"), false, memory, "550 5.7.1 no");
    assert_outcome(ALWAYS("{\"defer\": \"later\"}"), false, memory, "450 4.7.1 later");
    assert_outcome(ALWAYS("{\"discard\": true}"), false, memory, "discarded");
    assert_outcome(ALWAYS("{\"hold\": true}, {\"addheader\": {\"name\": \"X-Seen\", \"value\": \"1\"}}, "
                          "{\"fileinto\": {\"upstream\": \"corp\", \"folder\": \"A\", \"flags\": [\"\\\\Seen\", "
                          "\"ci\"]}}, {\"fileinto\": {\"upstream\": \"corp\", \"folder\": \"B\"}}"),
                   false, memory, "corp:A \\Seen ci (held) +X-Seen, corp:B (held) +X-Seen");
    assert_outcome(ALWAYS("{\"discard\": true}"), false, 1,
                   "deferred (rules: the rules need more memory for this message than a decision may use)");
    const char *looks = "{\"rules\": [{\"name\": \"r\", \"if\": {\"field\": \"body\", \"contains\": \"x\"}, \"then\": "
                        "[{\"discard\": true}]}]}";
    assert_outcome(looks, true, memory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_keeps_the_rules_it_began_with),
        cmocka_unit_test(what_cannot_be_decided_is_our_fault),
        cmocka_unit_test(a_refusal_is_its_recipients_alone_by_lmtp),
        cmocka_unit_test(requiretls_is_kept_or_refused),
        cmocka_unit_test(the_body_and_the_last_messages),
        cmocka_unit_test(an_outcome_on_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
