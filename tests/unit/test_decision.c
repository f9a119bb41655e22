/*
 * decision: what the rules say becomes what reception does; with the real rules on a real lane. The spool's stage is replaced
 * by this file.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "decision/decision.h"

static struct net_loop *loop;

uint64_t spool_stage_size(const struct spool_stage *stage)
{
    (void)stage;
    return 100;
}

void spool_stage_source(struct spool_stage *stage, void (*on_ready)(void *ctx, const struct mail_source *source),
                        void *ctx)
{
    (void)stage;
    (void)on_ready;
    (void)ctx;
    fail_msg("no rule here looks at the body");
}

static struct filters_set *rules(const char *folder)
{
    char text[500];
    snprintf(text, sizeof text,
             "{\"rules\": [{\"name\": \"r\", \"if\": {\"header\": \"Subject\", \"is\": \"hello\"}, \"then\": "
             "[{\"fileinto\": "
             "{\"upstream\": \"corp\", \"folder\": \"%s\"}}, {\"stop\": true}]}]}",
             folder);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_keeps_the_rules_it_began_with),
        cmocka_unit_test(what_cannot_be_decided_is_our_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
