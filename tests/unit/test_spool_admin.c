/*
 * Tests of spool/spool_admin, spool_change and spool_query: what operators ask for, with deliveries in every state, some of them in
 * somebody's hands; and requests from another process.
 */
#include "spool_fixture.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spool/spool_admin.h"
#include "spool/spool_export.h"
#include "spool/spool_query.h"

static json_t *reply;
static unsigned replies, wakes;
static struct spool_change_result moved; /* by the last reroute */

static void on_reply(void *ctx, const json_t *said)
{
    struct fixture *fixture = ctx;
    json_decref(reply);
    reply = json_deep_copy(said);
    replies++;
    net_loop_stop(fixture->loop);
}

static void on_wake(void *ctx, const char *upstream)
{
    (void)ctx;
    (void)upstream;
    wakes++;
}

static void ask(struct fixture *fixture, const char *text)
{
    unsigned before = replies;
    fixture_request(fixture, text, on_reply);
    assert_int_equal(replies, before);
    run_until(fixture, &replies, before + 1);
}

static void on_rerouted(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct fixture *fixture = ctx;
    assert_null(fault);
    moved = *result;
    replies++;
    net_loop_stop(fixture->loop);
}

static void reroute(struct fixture *fixture, const char *id, const struct mail_delivery *deliveries, size_t count,
                    bool again)
{
    const struct spool_asker asker = {.again = again, .done = on_rerouted, .ctx = fixture};
    unsigned before = replies;
    spool_change_reroute(fixture->spool, id, deliveries, count, &asker);
    assert_int_equal(replies, before);
    run_until(fixture, &replies, before + 1);
}

static void expect_moved(uint64_t changed, uint64_t busy, uint64_t doubtful)
{
    assert_int_equal(moved.changed, changed);
    assert_int_equal(moved.busy, busy);
    assert_int_equal(moved.doubtful, doubtful);
}

static const struct mail_delivery to_new = {.upstream = "corp", .folder = "New"};

/* What an operator dropped nobody has: sent again, it is taken anew. */
static void test_dropped_and_sent_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->window_ms = 60000;
    commit(fixture, bytes_of("once"), 1, true);
    run_until(fixture, &fixture->answers, 1);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{}}");
    commit_and_wait(fixture, "once", 1);
    assert_int_equal(counts(fixture).repeats, 0);
    assert_int_equal(fixture->item_count, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* What was rerouted is still there; what is rerouted to nowhere is not. */
static void test_rerouted_and_sent_again(void **state)
{
    struct fixture *fixture = *state;
    const struct {
        size_t count; /* of deliveries */
        unsigned repeats, waiting;
    } cases[] = {{1, 1, 1}, {0, 1, 1}};
    fixture->window_ms = 60000;
    fixture->takes = false;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[40];
        const char *body = i == 0 ? "first" : "second";
        commit_and_wait(fixture, body, 1);
        assert_int_equal(fetch(fixture, 1), 1);
        snprintf(id, sizeof id, "%s", fixture->items[0]->envelope.id);
        finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
        reroute(fixture, id, &to_new, cases[i].count, false);
        commit_and_wait(fixture, body, 1);
        assert_int_equal(counts(fixture).repeats, cases[i].repeats);
        assert_int_equal(counts(fixture).waiting, cases[i].waiting);
        assert_int_equal(fetch(fixture, 10), 1);
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

static void expect_reply(json_int_t changed, json_int_t busy)
{
    assert_null(json_object_get(reply, "error"));
    assert_int_equal(json_integer_value(json_object_get(reply, "changed")), changed);
    assert_int_equal(json_integer_value(json_object_get(reply, "busy")), busy);
}

/* The last of the items becomes unknown: it may lie in its folder. */
static void leave_in_doubt(struct fixture *fixture, int kind)
{
    struct spool_outcome outcome = {.uncertain = true, .doubt = "uidvalidity=7 uidnext=12"};
    outcome.kind = (unsigned)kind;
    unsigned answers = fixture->answers;
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
}

/* What may lie where it was to go stays until that is known, or until an operator says otherwise: then it is told as what may be there twice. */
static void test_reroute_in_doubt(void **state)
{
    struct fixture *fixture = *state;
    char id[40];
    commit_and_wait(fixture, "body", 1);
    snprintf(id, sizeof id, "%s", fixture->items[0]->envelope.id);
    leave_in_doubt(fixture, SPOOL_DEFERRED);
    reroute(fixture, id, &to_new, 1, false);
    expect_moved(0, 0, 1);
    assert_int_equal(counts(fixture).waiting, 1);
    reroute(fixture, id, &to_new, 1, true);
    expect_moved(1, 0, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_string_equal(fixture->items[0]->delivery.folder, "New");
    assert_string_equal(fixture->items[0]->delivery.doubt, "noted=1");
    assert_false(fixture->items[0]->uncertain);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* No doubt is left, and what it ended with stays with the message, wherever it is sent. */
static void test_reroute_keeps_the_note(void **state)
{
    struct fixture *fixture = *state;
    char id[40];
    commit_and_wait(fixture, "body", 1);
    snprintf(id, sizeof id, "%s", fixture->items[0]->envelope.id);
    struct spool_outcome outcome = {.kind = SPOOL_DEFERRED, .doubt = "uidvalidity=7 noted=1"};
    fault_set(&outcome.fault, FAULT_TEMP, "overquota", "append", "full");
    unsigned answers = fixture->answers;
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    reroute(fixture, id, &to_new, 1, false);
    expect_moved(1, 0, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_string_equal(fixture->items[0]->delivery.folder, "New");
    assert_string_equal(fixture->items[0]->delivery.doubt, "noted=1");
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* A retry leaves the doubt as it is; "again" ends it, by name. */
static void test_retry_in_doubt(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "body", 1);
    leave_in_doubt(fixture, SPOOL_DEAD);
    ask(fixture, "{\"verb\":\"retry\",\"select\":{}}");
    expect_reply(1, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(fixture->items[0]->uncertain);
    assert_string_equal(fixture->items[0]->delivery.doubt, "uidvalidity=7 uidnext=12");
    leave_in_doubt(fixture, SPOOL_DEAD);
    ask(fixture, "{\"verb\":\"retry\",\"select\":{},\"again\":true,\"by\":\"joe\"}");
    expect_reply(1, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_false(fixture->items[0]->uncertain);
    assert_string_equal(fixture->items[0]->delivery.doubt, "noted=1");
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static json_int_t in_doubt(void)
{
    return json_integer_value(json_object_get(reply, "in_doubt"));
}

/* A drop leaves what may have been filed alone: who sends it again would have it twice, and nobody would be told. An operator's word gives it up,
   by name. */
static void test_drop_in_doubt(void **state)
{
    struct fixture *fixture = *state;
    fixture->window_ms = 60000;
    commit_and_wait(fixture, "once", 2);
    leave_in_doubt(fixture, SPOOL_DEAD); /* the second; the first is certain */
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{}}");
    expect_reply(1, 0);
    assert_int_equal(in_doubt(), 1);
    assert_int_equal(counts(fixture).dead, 1);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{},\"again\":true,\"by\":\"joe\"}");
    expect_reply(1, 0);
    assert_int_equal(in_doubt(), 0);
    assert_int_equal(counts(fixture).messages, 0);
}

/* The message that is sent again meets the one in doubt, which is looked for. */
static void test_spared_and_sent_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->window_ms = 60000;
    commit_and_wait(fixture, "once", 1);
    leave_in_doubt(fixture, SPOOL_DEFERRED);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{}}");
    expect_reply(0, 0);
    fixture->takes = false;
    commit_and_wait(fixture, "once", 1);
    assert_int_equal(counts(fixture).repeats, 1);
    assert_int_equal(counts(fixture).waiting, 1);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(fixture->items[0]->uncertain);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(counts(fixture).messages, 0);
}

/* A sender who waits for the upstreams, hears no and comes again: what has his message is left alone, the rest is due again with its doubt, from the body
   that he brings; and once he has heard yes, the same message is another one. Over a restart, too. */
static void test_a_sender_who_waits(void **state)
{
    struct fixture *fixture = *state;
    fixture->waits_ms = 60000;
    commit_and_wait(fixture, "once", 2);
    char id[40];
    snprintf(id, sizeof id, "%s", fixture->items[0]->envelope.id);
    leave_in_doubt(fixture, SPOOL_DEFERRED); /* the second */
    finish_and_wait(fixture, SPOOL_FILED, 0);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{},\"again\":true}");
    assert_int_equal(counts(fixture).messages, 0);
    fixture_reopen(fixture);
    fixture->takes = false;
    commit_and_wait(fixture, "once", 2);
    assert_true(bytes_starts_nocase(bytes_of(fixture->repeated), id) && strstr(fixture->repeated, "open") != NULL);
    assert_int_equal(counts(fixture).messages, 1);
    assert_int_equal(counts(fixture).waiting, 1);
    fixture_reopen(fixture);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_int_equal(fixture->items[0]->delivery.number, 2);
    assert_true(fixture->items[0]->uncertain);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 100), "once"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
    commit_and_wait(fixture, "once", 2); /* he lost the answer */
    assert_string_equal(fixture->repeated, id);
    assert_int_equal(counts(fixture).messages, 0);
    spool_heard(fixture->spool, id);
    commit_and_wait(fixture, "once", 2);
    assert_int_equal(counts(fixture).messages, 1);
    assert_int_equal(fetch(fixture, 10), 2);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* Whoever sends a dead letter again hears that it is well kept: so it is tried again, too. */
static void test_a_dead_twin_is_tried(void **state)
{
    struct fixture *fixture = *state;
    fixture->window_ms = 60000;
    commit_and_wait(fixture, "once", 2);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
    assert_int_equal(counts(fixture).dead, 1);
    commit_and_wait(fixture, "once", 2);
    assert_int_equal(counts(fixture).repeats, 1);
    assert_int_equal(counts(fixture).dead, 0);
    assert_int_equal(counts(fixture).waiting, 1);
    assert_int_equal(wakes, 1);
    assert_int_equal(fetch(fixture, 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(counts(fixture).messages, 0);
}

static int set_up(void **state)
{
    int result = fixture_set_up(state);
    struct fixture *fixture = *state;
    wakes = 0;
    spool_set_wake(fixture->spool, on_wake, NULL);
    return result;
}

static int tear_down(void **state)
{
    json_decref(reply);
    reply = NULL;
    return fixture_tear_down(state);
}

static void leave_on_disk(struct fixture *fixture, int count)
{
    fixture->takes = false;
    for (int i = 0; i < count; i++) {
        commit_and_wait(fixture, "waiting", 1);
    }
}

static void test_hold_release(void **state)
{
    struct fixture *fixture = *state;
    leave_on_disk(fixture, 3);
    ask(fixture, "{\"verb\":\"hold\",\"select\":{\"upstream\":\"corp\"},\"by\":\"joe\"}");
    expect_reply(3, 0);
    assert_int_equal(counts(fixture).held, 3);
    assert_int_equal(counts(fixture).waiting, 0);
    assert_int_equal(fetch(fixture, 10), 0);
    ask(fixture, "{\"verb\":\"release\",\"select\":{\"upstream\":\"other\"}}");
    expect_reply(0, 0);
    assert_int_equal(wakes, 0);
    ask(fixture, "{\"verb\":\"release\",\"select\":{\"state\":\"held\"}}");
    expect_reply(3, 0);
    assert_int_equal(wakes, 1);
    assert_int_equal(fetch(fixture, 10), 3);
    /* In hand now: nothing is taken away from under a delivery. */
    ask(fixture, "{\"verb\":\"drop\",\"select\":{}}");
    expect_reply(0, 3);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{}}");
    expect_reply(2, 0);
    assert_int_equal(counts(fixture).messages, 0);
    fixture_reopen(fixture);
    assert_int_equal(counts(fixture).waiting + counts(fixture).held, 0);
}

static void test_retry_dead(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "x", 1);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
    commit_and_wait(fixture, "y", 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, net_wall(fixture->loop) + 1000000);
    assert_int_equal(fetch(fixture, 10), 0);
    ask(fixture, "{\"verb\":\"retry\",\"select\":{}}");
    expect_reply(2, 0);
    assert_int_equal(counts(fixture).dead, 0);
    assert_int_equal(counts(fixture).waiting, 2);
    assert_int_equal(fetch(fixture, 10), 2);
    assert_int_equal(fixture->items[0]->attempts, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* More than one batch, and one of many by its id. */
static void test_many(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    for (int i = 0; i < 1203; i++) {
        commit(fixture, bytes_of("m"), 1, false);
    }
    run_until(fixture, &fixture->answers, 1203);
    ask(fixture, "{\"verb\":\"hold\",\"select\":{}}");
    expect_reply(1203, 0);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{\"from\":\"from@example.org\"}}");
    expect_reply(1203, 0);
    assert_int_equal(counts(fixture).messages, 0);
}

static void test_pause(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "{\"verb\":\"pause\",\"upstream\":\"corp\"}");
    expect_reply(1, 0);
    commit_and_wait(fixture, "x", 1);
    assert_int_equal(fixture->item_count, 0);
    fixture_reopen(fixture);
    spool_set_wake(fixture->spool, on_wake, NULL);
    assert_int_equal(fetch(fixture, 10), 0);
    ask(fixture, "{\"verb\":\"resume\"}");
    assert_int_equal(wakes, 1);
    assert_int_equal(fetch(fixture, 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* While all are paused nobody is told that one's own pause has ended; who paused them is named when it is known. */
static void test_resume_under_a_pause_of_all(void **state)
{
    struct fixture *fixture = *state;
    static const char *const pauses[] = {"{\"verb\":\"pause\",\"by\":\"joe\"}", "{\"verb\":\"pause\"}"};
    for (size_t i = 0; i < 2; i++) {
        ask(fixture, pauses[i]);
        expect_reply(1, 0);
        ask(fixture, "{\"verb\":\"resume\",\"upstream\":\"corp\"}");
        const char *error = json_string_value(json_object_get(reply, "error"));
        assert_non_null(error);
        assert_int_equal(strstr(error, "paused by joe since") != NULL, i == 0);
        ask(fixture, i == 0 ? "{\"verb\":\"resume\",\"upstream\":\"\"}" : "{\"verb\":\"resume\"}");
        expect_reply(1, 0);
        assert_false(spool_pause_of(fixture->spool, "corp").on);
    }
    ask(fixture, "{\"verb\":\"pause\",\"upstream\":\"corp\"}");
    ask(fixture, "{\"verb\":\"resume\",\"upstream\":\"corp\"}");
    expect_reply(1, 0);
    assert_false(spool_pause_of(fixture->spool, "corp").on);
}

static void expect_note(const char *beginning)
{
    const char *note = json_string_value(json_object_get(reply, "note"));
    expect_reply(0, 0);
    assert_non_null(note);
    if (strncmp(note, beginning, strlen(beginning)) != 0 || strstr(note, "; nothing has changed") == NULL) {
        fail_msg("%s: %s", beginning, note);
    }
}

/* What nobody has paused cannot be resumed, and what is paused stays the first one's pause. */
static void test_pause_that_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "{\"verb\":\"resume\",\"upstream\":\"corp\"}");
    expect_note("corp was not paused");
    ask(fixture, "{\"verb\":\"resume\"}");
    expect_note("no upstream was paused");
    ask(fixture, "{\"verb\":\"pause\",\"upstream\":\"corp\",\"by\":\"joe\"}");
    expect_reply(1, 0);
    assert_null(json_object_get(reply, "note"));
    ask(fixture, "{\"verb\":\"pause\",\"upstream\":\"corp\",\"by\":\"ann\"}");
    expect_note("corp is paused already by joe, since 20");
    ask(fixture, "{\"verb\":\"resume\",\"upstream\":\"other\"}");
    expect_note("other was not paused");
    ask(fixture, "{\"verb\":\"resume\"}"); /* of all: of each */
    expect_reply(1, 0);
    ask(fixture, "{\"verb\":\"pause\"}");
    expect_reply(1, 0);
    ask(fixture, "{\"verb\":\"pause\"}");
    expect_note("all upstreams are paused already, since 20");
}

/* What is settled is forgotten, in as many batches as it takes; what is open is counted and stays. */
static void test_forget(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 700; i++) {
        commit(fixture, bytes_of("settled"), 0, false);
    }
    run_until(fixture, &fixture->answers, 700);
    commit_and_wait(fixture, "open", 1);
    ask(fixture, "{\"verb\":\"forget\",\"address\":\"to@example.net\"}");
    expect_reply(700, 1);
    ask(fixture, "{\"verb\":\"forget\",\"address\":\"to@example.net\"}");
    expect_reply(0, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    for (unsigned i = 0; i < 700; i++) {
        commit(fixture, bytes_of("settled"), 0, false);
    }
    run_until(fixture, &fixture->answers, 1402);
    unsigned before = replies;
    fixture_request(fixture, "{\"verb\":\"forget\",\"address\":\"to@example.net\"}", on_reply);
    spool_close(&fixture->spool); /* with the batch that is under way */
    assert_int_equal(replies, before + 1);
    assert_in_range(json_integer_value(json_object_get(reply, "changed")), 1, 700);
    fixture_open(fixture);
}

static void test_reroute(void **state)
{
    struct fixture *fixture = *state;
    static const struct mail_delivery two[] = {{.upstream = "corp", .folder = "New", .rule = "n"},
                                               {.upstream = "other", .folder = "New", .held = true}};
    char id[40];
    leave_on_disk(fixture, 1);
    fetch(fixture, 1);
    snprintf(id, sizeof id, "%s", fixture->items[0]->envelope.id);
    reroute(fixture, id, two, 2, false);
    expect_moved(0, 1, 0);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    reroute(fixture, id, two, 2, false);
    expect_moved(1, 0, 0);
    assert_int_equal(counts(fixture).held, 1);
    assert_int_equal(counts(fixture).waiting, 1);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_string_equal(fixture->items[0]->delivery.folder, "New");
    assert_int_equal(fixture->items[0]->delivery.number, 2);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(counts(fixture).messages, 1);
}

static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const requests[] = {
        "",
        "{}",
        "[]",
        "{\"verb\":\"explode\"}",
        "{\"verb\":\"drop\"}",
        "{\"verb\":\"drop\",\"select\":5}",
        "{\"verb\":\"forget\"}",
        "{\"verb\":\"forget\",\"address\":\"\"}",
        "{\"verb\":\"drop\",\"select\":{\"colour\":\"red\"}}",
        "{\"verb\":\"drop\",\"select\":{\"state\":\"x\"}}",
        "{\"verb\":\"drop\",\"select\":{\"from\":1}}",
    };
    leave_on_disk(fixture, 1);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        ask(fixture, requests[i]);
        assert_non_null(json_string_value(json_object_get(reply, "error")));
    }
    assert_int_equal(counts(fixture).waiting, 1);
}

/* ---- questions ---- */

static int count_and_keep(void *ctx, const json_t *object)
{
    json_array_append(ctx, (json_t *)(uintptr_t)object);
    return 0;
}

static void test_queries(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    struct store *store;
    commit_and_wait(fixture, "first body", 2);
    finish_and_wait(fixture, SPOOL_DEFERRED, 1);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
    assert_int_equal(spool_export_open(&store, &local_store, fixture->path, &fault), 0);
    static const struct {
        struct store_select select;
        size_t count;
    } selects[] = {
        {{0}, 2},
        {{.state = "dead"}, 1},
        {{.state = "filed"}, 0},
        {{.upstream = "corp", .folder = "INBOX"}, 2},
        {{.rule = "no"}, 0},
        {{.sender = "from@example.org"}, 2},
        {{.message_id = "<m@example.org>"}, 2},
        {{.before_ms = 5}, 0},
    };
    for (size_t i = 0; i < sizeof selects / sizeof selects[0]; i++) {
        json_t *list = json_array();
        assert_int_equal(spool_query_list(store, &selects[i].select, 0, count_and_keep, list, &fault), 0);
        assert_int_equal(json_array_size(list), selects[i].count);
        json_decref(list);
    }
    uint64_t found[4];
    size_t count;
    json_t *story, *summary;
    assert_int_equal(spool_query_find(store, "m@example.org", found, 4, &count, &fault), 0);
    assert_int_equal(count, 1);
    assert_int_equal(spool_query_story(store, found[0], &story, &fault), 0);
    json_t *dead = json_array_get(json_object_get(story, "deliveries"), 0);
    assert_string_equal(json_string_value(json_object_get(dead, "state")), "dead");
    json_t *attempt = json_array_get(json_object_get(dead, "history"), 0);
    assert_string_equal(json_string_value(json_object_get(attempt, "text")), "the server said no");
    json_decref(story);
    assert_int_equal(spool_query_summary(store, &summary, &fault), 0);
    json_t *corp = json_object_get(json_object_get(summary, "upstreams"), "corp");
    assert_int_equal(json_integer_value(json_object_get(corp, "dead")), 1);
    assert_int_equal(json_integer_value(json_object_get(corp, "waiting")), 1);
    json_decref(summary);
    spool_export_close(&store);
}

static int keep_piece(void *ctx, struct bytes piece)
{
    return buf_append_bytes(ctx, piece);
}

static void test_body_out(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    struct store *store;
    commit_and_wait(fixture, "the body", 1);
    assert_int_equal(spool_export_open(&store, &local_store, fixture->path, &fault), 0);
    assert_int_equal(spool_export_body(store, 1, keep_piece, &fixture->body, &fault), 0);
    assert_true(bytes_is(buf_bytes(&fixture->body), "the body"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(spool_export_body(store, 1, keep_piece, &fixture->body, &fault), -1);
    assert_string_equal(fault.code, "settled");
    spool_export_close(&store);
}

/* ---- from another process ---- */

#define REQUEST "{\"verb\":\"hold\",\"select\":{}}"

/* While a gateway has the spool nobody else changes it; when none has, who asks does it himself. */
static void test_call(void **state)
{
    struct fixture *fixture = *state;
    json_t *answer = NULL, *hold = json_loads(REQUEST, 0, NULL);
    struct fault fault = FAULT_INIT;
    const struct spool_options options = {.store = &local_store, .path = fixture->path};
    leave_on_disk(fixture, 1);
    assert_int_equal(spool_admin_call(&options, hold, &answer, &fault), -1);
    assert_string_equal(fault.code, "locked");
    spool_close(&fixture->spool);
    fault = FAULT_INIT;
    assert_int_equal(spool_admin_call(&options, hold, &answer, &fault), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "changed")), 1);
    json_decref(answer);
    /* What else stands in the way is told as it is. */
    char file[300];
    snprintf(file, sizeof file, "%s/VERSION/none", fixture->path);
    const struct spool_options nowhere = {.store = &local_store, .path = file};
    struct spool_desk *desk = NULL;
    assert_int_equal(spool_desk_open(&desk, &nowhere, &fault), -1);
    assert_string_not_equal(fault.code, "locked");
    assert_null(desk);
    spool_desk_close(&desk);
    json_decref(hold);
    fixture_open(fixture);
    assert_int_equal(counts(fixture).held, 1);
}

/* Without a gateway: what waits goes elsewhere, typed, and of one that is not there nothing changes. */
static void test_a_desk_reroutes(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    struct spool_change_result result = {0};
    fixture->takes = false;
    commit_and_wait(fixture, "body", 1);
    char id[32];
    assert_int_equal(fetch(fixture, 1), 1);
    snprintf(id, sizeof id, "%.*s", (int)strcspn(fixture->items[0]->id, "."), fixture->items[0]->id);
    finish_and_wait(fixture, SPOOL_DEFERRED, fixture_now(fixture) + 60000);
    spool_close(&fixture->spool);
    struct spool_desk *desk = NULL;
    assert_int_equal(spool_desk_open(&desk, &fixture->options, &fault), 0);
    const struct mail_delivery elsewhere = {.upstream = "other", .folder = "INBOX", .rule = "r"};
    struct spool_desk_move move = {.id = id, .by = "test", .deliveries = &elsewhere, .count = 1};
    assert_int_equal(spool_desk_reroute(desk, &move, &result, &fault), 0);
    assert_int_equal(result.changed, 1);
    move.id = "01TESTNOBODY00000000000000";
    assert_int_equal(spool_desk_reroute(desk, &move, &result, &fault), 0);
    assert_int_equal(result.changed, 0);
    spool_desk_close(&desk);
    fixture_open(fixture);
    assert_int_equal(fetch_from(fixture, "other", fixture_now(fixture), 1), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hold_release),
        TEST(test_retry_dead),
        TEST(test_many),
        TEST(test_pause),
        TEST(test_resume_under_a_pause_of_all),
        TEST(test_pause_that_changes_nothing),
        TEST(test_forget),
        TEST(test_reroute),
        TEST(test_reroute_in_doubt),
        TEST(test_reroute_keeps_the_note),
        TEST(test_retry_in_doubt),
        TEST(test_drop_in_doubt),
        TEST(test_spared_and_sent_again),
        TEST(test_a_dead_twin_is_tried),
        TEST(test_a_sender_who_waits),
        TEST(test_dropped_and_sent_again),
        TEST(test_rerouted_and_sent_again),
        TEST(test_refused),
        TEST(test_queries),
        TEST(test_body_out),
        TEST(test_call),
        TEST(test_a_desk_reroutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
