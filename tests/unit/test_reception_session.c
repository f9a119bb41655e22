/*
 * Reception over real sockets, with a spool and hooks of the test's own: what is stored, what is answered, and what is left when
 * the client, the disk or the program goes away in between.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_stream.h"
#include "reception/reception.h"
#include "spool/spool_overflow.h"

#include "test.h" /* behind the rest: cmocka has a macro of the name expect_memory */

#define DEADLINE_MS 60000

/* ---- a spool in memory; the linker takes these instead of the real one ---- */

struct spool_stage {
    struct buf body;
    void (*on_writable)(void *ctx);
    void *ctx;
};

static struct world {
    struct net_loop *loop;
    struct reception *reception;
    struct net_stream *client;
    struct net_timer *deadline;
    struct buf said;   /* by the server */
    const char *until; /* stop the loop when it was said */
    bool until_gone;   /* stop the loop when the server has hung up */
    bool gone;
    bool timed_out;

    unsigned stages;   /* open */
    struct buf stored; /* the last message committed */
    unsigned commits;
    const char *fail_accept, *fail_write, *fail_commit; /* fault codes */
    bool in_limbo;                                      /* of fail_commit: nobody knows */
    unsigned stop_after;                                /* the stage says "stop" after so many writes, 0: never */
    struct reception_decision decision;                 /* of messages */
    int refuse_recipient;
    bool slow_recipient; /* recipients are decided later */
    struct reception_decision recipient;
    int rules; /* sessions that hold them */
    spool_commit_fn *committed;
    void *committed_ctx;
    reception_decided_fn *decided;
    void *decided_ctx;
    bool keep_waiting;    /* the decision is not given before the test does */
    bool keep_committing; /* nor what became of the commit */
    reception_delivered_fn *delivered;
    void *delivered_ctx;
    unsigned forgotten; /* waits for upstreams that were called off */
    char from[64], id[32], protocol[16];
    struct spool_stage *stopped;
    struct fault stage_fault;
} w;

int spool_can_accept(struct spool *spool, uint64_t size, struct fault *fault)
{
    (void)spool;
    (void)size;
    if (w.fail_accept != NULL) {
        fault_set(fault, FAULT_LOCAL, w.fail_accept, "test", "no");
        return -1;
    }
    return 0;
}

struct spool *spool_overflow_choose(struct spool_overflow *overflow, uint64_t size, struct fault *fault)
{
    (void)overflow, (void)size, (void)fault;
    fail_msg("there is no overflow");
    return NULL;
}

struct spool_stage *spool_stage_new(struct spool *spool, void (*on_writable)(void *ctx), void *ctx)
{
    struct spool_stage *stage = expect_calloc(1, sizeof *stage);
    (void)spool;
    buf_init(&stage->body, 64u << 20);
    stage->on_writable = on_writable;
    stage->ctx = ctx;
    w.stages++;
    return stage;
}

void spool_stage_once(struct spool_stage *stage, uint64_t window_ms, spool_repeat_fn *on_repeat, void *ctx)
{
    (void)stage;
    (void)window_ms;
    (void)on_repeat;
    (void)ctx;
}

void spool_stage_waits(struct spool_stage *stage, uint64_t window_ms)
{
    (void)stage;
    (void)window_ms;
}

void spool_heard(struct spool *spool, const char *id)
{
    (void)spool;
    (void)id;
}

static void go_on(void *ctx)
{
    struct spool_stage *stage = ctx;
    if (w.stopped == stage) {
        w.stopped = NULL;
        stage->on_writable(stage->ctx);
    }
}

int spool_stage_write(struct spool_stage *stage, struct bytes data)
{
    assert_null(w.stopped); /* nothing may come while it is stopped */
    if (w.fail_write != NULL) {
        w.stage_fault = FAULT_INIT;
        fault_set(&w.stage_fault, FAULT_LOCAL, w.fail_write, "test", "no");
        return -1;
    }
    assert_int_equal(buf_append_bytes(&stage->body, data), 0);
    if (w.stop_after > 0) {
        w.stopped = stage;
        net_defer(w.loop, go_on, stage);
        return 1;
    }
    return 0;
}

uint64_t spool_stage_size(const struct spool_stage *stage)
{
    return stage->body.len;
}

const struct fault *spool_stage_fault(const struct spool_stage *stage)
{
    (void)stage;
    return &w.stage_fault;
}

void spool_stage_free(struct spool_stage **stage)
{
    if (*stage != NULL) {
        if (w.stopped == *stage) {
            w.stopped = NULL;
        }
        buf_done(&(*stage)->body);
        free(*stage);
        *stage = NULL;
        w.stages--;
    }
}

static void commit_done(void *ctx)
{
    struct fault fault = FAULT_INIT;
    (void)ctx;
    if (w.fail_commit != NULL) {
        fault_set(&fault, w.in_limbo ? FAULT_UNCERTAIN : FAULT_LOCAL, w.fail_commit, "test", "no");
    }
    w.committed(w.committed_ctx, w.fail_commit == NULL ? NULL : &fault);
}

void spool_commit(struct spool_stage **stage, const struct mail_envelope *envelope,
                  const struct mail_delivery *deliveries, size_t count, spool_commit_fn *done, void *ctx)
{
    (void)deliveries;
    (void)count;
    if (w.fail_commit == NULL) {
        w.commits++;
        buf_clear(&w.stored);
        buf_append_bytes(&w.stored, buf_bytes(&(*stage)->body));
        snprintf(w.from, sizeof w.from, "%s", envelope->from);
        snprintf(w.id, sizeof w.id, "%s", envelope->id);
        snprintf(w.protocol, sizeof w.protocol, "%s", envelope->client.protocol);
    }
    spool_stage_free(stage);
    w.committed = done;
    w.committed_ctx = ctx;
    if (w.keep_committing) {
        net_loop_stop(w.loop);
    } else {
        net_defer(w.loop, commit_done, NULL);
    }
}

/* ---- hooks ---- */

static void *begin_session(void *ctx)
{
    (void)ctx;
    w.rules++;
    return &w.rules;
}

static void end_session(void *rules)
{
    assert_ptr_equal(rules, &w.rules);
    w.rules--;
}

static void recipient_decided(void *ctx)
{
    (void)ctx;
    w.decided(w.decided_ctx, &w.recipient);
}

static bool decide_recipient(void *ctx, void *rules, const struct mail_envelope *envelope,
                             const struct net_lane_turn *turn, struct arena *arena,
                             struct reception_decision *decision_r, reception_decided_fn *done, void *done_ctx)
{
    (void)ctx;
    (void)arena;
    (void)turn;
    assert_ptr_equal(rules, &w.rules);
    assert_true(envelope->to_count > 0);
    if (w.refuse_recipient != 0) {
        *decision_r = (struct reception_decision){.code = w.refuse_recipient, .enhanced = "5.1.1", .text = "no such"};
    }
    if (w.slow_recipient) {
        w.recipient = *decision_r;
        w.decided = done;
        w.decided_ctx = done_ctx;
        if (w.keep_waiting) {
            net_loop_stop(w.loop);
        } else {
            net_defer(w.loop, recipient_decided, NULL);
        }
    }
    return !w.slow_recipient;
}

static void decided(void *ctx)
{
    (void)ctx;
    w.decided(w.decided_ctx, &w.decision);
}

static void decide_message(void *ctx, void *rules, const struct mail_envelope *envelope, struct bytes header,
                           struct spool_stage *stage, const struct net_lane_turn *turn, struct arena *arena,
                           reception_decided_fn *done, void *done_ctx)
{
    (void)turn;
    (void)ctx;
    (void)header;
    (void)arena;
    assert_ptr_equal(rules, &w.rules);
    assert_non_null(stage);
    assert_non_null(envelope->id);
    assert_true(envelope->received_ms > 0);
    w.decided = done;
    w.decided_ctx = done_ctx;
    if (!w.keep_waiting) {
        net_defer(w.loop, decided, NULL);
    } else {
        net_loop_stop(w.loop);
    }
}

static bool await_delivery(void *ctx, const struct reception_awaited *awaited, reception_delivered_fn *done,
                           void *done_ctx)
{
    (void)ctx;
    assert_int_equal(awaited->count, 1);
    w.delivered = done;
    w.delivered_ctx = done_ctx;
    return true;
}

static void forget_delivery(void *ctx, const char *id)
{
    (void)ctx;
    (void)id;
    w.forgotten++;
}

/* ---- a client ---- */

static void on_client(void *ctx, enum net_stream_event event)
{
    (void)ctx;
    struct bytes input = net_stream_input(w.client);
    buf_append_bytes(&w.said, input);
    net_stream_consume(w.client, input.len);
    if (event == NET_STREAM_EOF || event == NET_STREAM_FAILED) {
        w.gone = true;
    }
    bool heard = w.until != NULL && bytes_find(buf_bytes(&w.said), bytes_of(w.until)) >= 0;
    if (heard || (w.until_gone && w.gone)) {
        net_loop_stop(w.loop);
    }
}

static void on_deadline(void *ctx)
{
    (void)ctx;
    w.timed_out = true;
    net_loop_stop(w.loop);
}

static void run_loop(void)
{
    net_timer_start(w.deadline, DEADLINE_MS);
    net_loop_run(w.loop);
    if (w.timed_out) {
        fail_msg("waited in vain for \"%s\"; heard: %s", w.until == NULL ? "the end" : w.until, buf_text(&w.said));
    }
}

/* Sends text, and runs until the server has said `until`. */
static void say(const char *text, const char *until)
{
    buf_clear(&w.said);
    w.until = until;
    assert_int_equal(net_stream_write(w.client, text, strlen(text)), 0);
    run_loop();
    w.until = NULL;
}

static void wait_gone(void)
{
    w.until_gone = true;
    if (!w.gone) {
        run_loop();
    }
    w.until_gone = false;
}

static void connect_client(void)
{
    char text[64];
    struct net_address address;
    const struct net_stream_limits limits = {65536, 8u << 20, 1024};
    snprintf(text, sizeof text, "127.0.0.1:%u", reception_port(w.reception, "apps"));
    assert_int_equal(net_address_parse(&address, bytes_of(text), NULL), 0);
    w.gone = false;
    w.client = net_stream_connect(w.loop, &address, 5000, &limits, on_client, NULL);
    say("", "\r\n");
}

static int begin(bool acknowledge_delivered)
{
    const struct reception_hooks hooks = {.begin_session = begin_session,
                                          .end_session = end_session,
                                          .decide_recipient = decide_recipient,
                                          .decide_message = decide_message,
                                          .await_delivery = await_delivery,
                                          .forget_delivery = forget_delivery};
    struct reception_listener_options options = {.name = "apps", .acknowledge_delivered = acknowledge_delivered};
    struct fault fault = FAULT_INIT;
    memset(&w, 0, sizeof w);
    buf_init(&w.said, 1u << 20);
    buf_init(&w.stored, 64u << 20);
    w.loop = net_loop_new();
    w.deadline = net_timer_new(w.loop, on_deadline, NULL);
    w.reception = reception_new(w.loop, NULL, "gw.test", &hooks, NULL);
    assert_int_equal(net_address_parse(&options.address, bytes_of("127.0.0.1:0"), &fault), 0);
    smtpd_limits_default(&options.limits);
    options.limits.max_sessions = 3;
    options.limits.max_sessions_per_network = 2;
    assert_int_equal(reception_listen(w.reception, &options, &fault), 0);
    connect_client();
    assert_true(bytes_starts_nocase(buf_bytes(&w.said), "220 gw.test "));
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return begin(false);
}

static int set_up_delivered(void **state)
{
    (void)state;
    return begin(true);
}

static int tear_down(void **state)
{
    (void)state;
    net_stream_free(&w.client);
    reception_free(&w.reception);
    net_timer_free(&w.deadline);
    net_loop_free(&w.loop);
    buf_done(&w.said);
    buf_done(&w.stored);
    assert_int_equal(w.stages, 0); /* whatever happened, nothing is left half stored */
    assert_int_equal(w.rules, 0);  /* and every session has given back what it decided by */
    return 0;
}

static const char envelope[] = "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

/* ---- tests ---- */

static void a_message_is_stored_and_answered_with_its_id(void **state)
{
    (void)state;
    say(envelope, "354 ");
    say("Message-ID: <1@x>\r\n\r\n..hello\r\n.\r\n", "250 2.0.0");
    assert_int_equal(w.commits, 1);
    assert_string_equal(buf_text(&w.stored), "Message-ID: <1@x>\r\n\r\n.hello\r\n");
    assert_string_equal(w.from, "a@b.example");
    assert_string_equal(w.protocol, "ESMTP");
    assert_non_null(strstr(buf_text(&w.said), w.id));
    assert_non_null(strstr(buf_text(&w.said), "<1@x>"));
    say("QUIT\r\n", "221 ");
    wait_gone();
    struct reception_counts counts;
    reception_count(w.reception, &counts);
    assert_int_equal(counts.accepted, 1);
    assert_int_equal(counts.sessions_open, 0);
}

static void a_large_message_waits_for_the_disk(void **state)
{
    (void)state;
    static char line[1001];
    memset(line, 'x', sizeof line - 1);
    memcpy(line + 998, "\r\n", 2);
    w.stop_after = 1;
    say(envelope, "354 ");
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(net_stream_write(w.client, line, 1000), 0);
    }
    say(".\r\n", "250 2.0.0");
    assert_int_equal(w.stored.len, 3000000);
}

static void faults_of_the_spool_are_ours(void **state)
{
    (void)state;
    w.fail_accept = "enospc";
    say("EHLO c\r\nMAIL FROM:<a@b.example>\r\n", "452 4.3.1");
    w.fail_accept = NULL;
    w.fail_write = "eio";
    say(envelope, "354 ");
    say("x: y\r\n\r\nbody\r\n.\r\nNOOP\r\n", "250 2.0.0 ok");
    assert_non_null(strstr(buf_text(&w.said), "451 4.3.0"));
    w.fail_write = NULL;
    w.fail_commit = "enospc";
    say(envelope, "354 ");
    say("x: y\r\n\r\nbody\r\n.\r\n", "452 4.3.1");
    w.fail_commit = NULL;
    say(envelope, "354 ");
    say("x: y\r\n\r\nbody\r\n.\r\n", "250 2.0.0");
    assert_int_equal(w.commits, 1);
}

/* A message that may come to life after a crash is not refused: the connection ends without an answer. */
static void doubt_is_not_answered(void **state)
{
    (void)state;
    say(envelope, "354 ");
    buf_clear(&w.said);
    w.fail_commit = "eio";
    w.in_limbo = true;
    const char *message = "x: y\r\n\r\nbody\r\n.\r\n";
    assert_int_equal(net_stream_write(w.client, message, strlen(message)), 0);
    wait_gone();
    assert_int_equal(w.said.len, 0);
}

static void refusals_of_the_rules_are_said(void **state)
{
    (void)state;
    w.refuse_recipient = 550;
    say("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n", "550 5.1.1 no such");
    w.refuse_recipient = 0;
    w.decision = (struct reception_decision){.code = 554, .enhanced = "5.7.1", .text = "not wanted", .rule = "spam"};
    say("RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n", "354 ");
    say("x: y\r\n.\r\n", "554 5.7.1 not wanted");
    assert_int_equal(w.commits, 0);
    struct reception_counts counts;
    reception_count(w.reception, &counts);
    assert_int_equal(counts.rejected, 2);
}

static bool nobody_there(void)
{
    struct reception_counts counts;
    reception_count(w.reception, &counts);
    return counts.sessions_open == 0;
}

static void poll_gone(void *ctx)
{
    (void)ctx;
    if (nobody_there()) {
        net_loop_stop(w.loop);
    } else {
        net_defer(w.loop, poll_gone, NULL);
    }
}

static void a_client_that_vanishes_before_the_dot_leaves_nothing(void **state)
{
    (void)state;
    say(envelope, "354 ");
    assert_int_equal(net_stream_write(w.client, "x: y\r\n\r\nhalf", 12), 0);
    net_stream_finish(&w.client, 1000);
    net_defer(w.loop, poll_gone, NULL);
    run_loop();
    assert_int_equal(w.commits, 0);
    assert_int_equal(w.stages, 0);
}

static void an_answer_that_comes_too_late_meets_nobody(void **state)
{
    (void)state;
    w.keep_waiting = true;
    say(envelope, "354 ");
    say("x: y\r\n.\r\n", NULL);
    reception_free(&w.reception);
    w.decided(w.decided_ctx, &w.decision);
    assert_int_equal(w.commits, 0);
}

/* The end of a gateway answers who waits for upstreams, and then its commits: those find nobody to call anything off. */
static void a_commit_that_ends_last_meets_nobody(void **state)
{
    struct mail_delivery delivery = {.upstream = "corp", .folder = "INBOX", .number = 1};
    const struct smtpd_answer late = {451, "4.3.2", "shutting down", SMTPD_REPLY_SHUTDOWN_DELIVERY};
    (void)state;
    w.decision = (struct reception_decision){.deliveries = &delivery, .delivery_count = 1};
    w.keep_committing = true;
    w.fail_commit = "lost";
    w.in_limbo = true;
    say(envelope, "354 ");
    say("x: y\r\n.\r\n", NULL);
    reception_free(&w.reception);
    w.delivered(w.delivered_ctx, &late, NULL, 0);
    commit_done(NULL);
    assert_int_equal(w.forgotten, 0);
}

static void a_recipient_may_be_decided_later(void **state)
{
    (void)state;
    w.slow_recipient = true;
    say("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<d@d.example>\r\nNOOP\r\n",
        "recipient ok\r\n250 2.1.5 recipient ok\r\n250 2.0.0 ok\r\n");
    w.refuse_recipient = 550;
    say("RCPT TO:<e@d.example>\r\nNOOP\r\n", "550 5.1.1 no such\r\n250 2.0.0 ok\r\n");
    w.keep_waiting = true;
    say("RCPT TO:<f@d.example>\r\n", NULL);
    reception_free(&w.reception);
    w.decided(w.decided_ctx, &w.recipient);
    assert_int_equal(w.stages, 0);
}

static void too_many_sessions_are_told_so(void **state)
{
    (void)state;
    struct net_stream *first = w.client;
    connect_client();
    struct net_stream *second = w.client;
    connect_client();
    assert_true(bytes_starts_nocase(buf_bytes(&w.said), "421 4.7.0"));
    wait_gone();
    net_stream_free(&w.client);
    w.client = first;
    say("NOOP\r\n", "250");
    w.client = second;
    say("NOOP\r\n", "250");
    net_stream_free(&first);
}

static void on_drained(void *ctx)
{
    *(bool *)ctx = true;
    if (w.until == NULL) { /* else its last words are still on their way to the client */
        net_loop_stop(w.loop);
    }
}

static void a_drain_lets_the_transaction_finish(void **state)
{
    bool drained = false;
    (void)state;
    say(envelope, "354 ");
    reception_drain(w.reception, DEADLINE_MS * 2, on_drained, &drained);
    say("x: y\r\n.\r\n", "421 4.3.2");
    assert_non_null(strstr(buf_text(&w.said), "250 2.0.0"));
    if (!drained) {
        run_loop();
    }
    assert_true(drained);
    assert_int_equal(w.commits, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_stored_and_answered_with_its_id),
        TEST(a_large_message_waits_for_the_disk),
        TEST(faults_of_the_spool_are_ours),
        TEST(doubt_is_not_answered),
        TEST(refusals_of_the_rules_are_said),
        TEST(a_client_that_vanishes_before_the_dot_leaves_nothing),
        TEST(an_answer_that_comes_too_late_meets_nobody),
        cmocka_unit_test_setup_teardown(a_commit_that_ends_last_meets_nobody, set_up_delivered, tear_down),
        TEST(a_recipient_may_be_decided_later),
        TEST(too_many_sessions_are_told_so),
        TEST(a_drain_lets_the_transaction_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
