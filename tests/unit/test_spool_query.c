/*
 * Tests of spool/spool_query and spool_heard: selections there and back, rows as JSON, what is told of a message to
 * whoever takes it in elsewhere, and a sender who has heard yes.
 */
#include <jansson.h>

#include "spool/spool_change.h"
#include "spool/spool_export.h"
#include "spool/spool_query.h"
#include "spool_fixture.h"

/* ---- selections ---- */

static void test_select_there_and_back(void **state)
{
    (void)state;
    const struct store_select select = {.id = "a.1",
                                        .message_id = "<m@x>",
                                        .state = "moved",
                                        .upstream = "corp",
                                        .folder = "A/B",
                                        .sender = "s@x",
                                        .rule = "r",
                                        .to = "t@x",
                                        .subject = "hello",
                                        .before_ms = 1700000000000,
                                        .since_ms = 1600000000000,
                                        .tried = true};
    struct store_select back;
    struct fault fault = FAULT_INIT;
    json_t *object = spool_select_to_json(&select);
    assert_int_equal(spool_select_from_json(object, &back, &fault), 0);
    const char *const pairs[][2] = {{select.id, back.id},          {select.message_id, back.message_id},
                                    {select.state, back.state},    {select.upstream, back.upstream},
                                    {select.folder, back.folder},  {select.sender, back.sender},
                                    {select.rule, back.rule},      {select.to, back.to},
                                    {select.subject, back.subject}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_string_equal(pairs[i][0], pairs[i][1]);
    }
    assert_int_equal(back.before_ms, select.before_ms);
    assert_int_equal(back.since_ms, select.since_ms);
    assert_true(back.tried);
    json_object_set_new(object, "tried", json_false());
    assert_int_equal(spool_select_from_json(object, &back, &fault), 0);
    assert_false(back.tried);
    json_decref(object);
    object = spool_select_to_json(&select);
    const char *name;
    json_t *value;
    struct buf names;
    buf_init(&names, 300);
    spool_select_names(&names);
    json_object_foreach(object, name, value) /* whatever a selection has is told */
    {
        assert_non_null(strstr(buf_text(&names), name));
    }
    buf_done(&names);
    json_decref(object);
    object = spool_select_to_json(&(struct store_select){.state = "dead"});
    assert_int_equal(json_object_size(object), 1);
    json_decref(object);
}

static void test_select_refused(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"{\"upsteam\": \"corp\"}", "upsteam"},  {"{\"upstream\": 5}", "upstream"},
        {"{\"before_ms\": \"5\"}", "before_ms"}, {"{\"tried\": 1}", "tried"},
        {"{\"state\": \"lost\"}", "lost"},       {"{\"since_ms\": true}", "since_ms"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_select select = {.id = "untouched"};
        struct fault fault = FAULT_INIT;
        json_t *object = json_loads(cases[i].text, 0, NULL);
        assert_int_equal(spool_select_from_json(object, &select, &fault), -1);
        assert_string_equal(fault.code, "usage");
        assert_non_null(strstr(fault.text, cases[i].word));
        assert_string_equal(select.id, "untouched");
        json_decref(object);
    }
}

/* ---- rows ---- */

static struct store *look(const struct fixture *fixture)
{
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    assert_int_equal(spool_look(fixture->spool, &store, &fault), 0);
    return store;
}

static const char *text_at(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void settle(struct fixture *fixture, struct spool_outcome outcome)
{
    unsigned answers = fixture->answers;
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
}

/* A filed delivery is found by its UID, in the folder that the server has for it; its story tells both and the note. */
static void test_filed(void **state)
{
    struct fixture *fixture = *state;
    uint64_t found[3];
    size_t count = 0;
    json_t *story = NULL;
    commit_and_wait(fixture, "filed", 1);
    settle(fixture, (struct spool_outcome){
                        .kind = SPOOL_FILED, .uidvalidity = 7, .uid = 42, .folder = "Sent", .note = "found again"});
    struct store *store = look(fixture);
    assert_int_equal(spool_query_find_uid(store, "corp", "Sent", 42, found, 3, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(spool_query_find_uid(store, "corp", "Sent", 43, found + 1, 2, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(spool_query_story(store, found[0], &story, NULL), 0);
    const json_t *delivery = json_array_get(json_object_get(story, "deliveries"), 0);
    assert_string_equal(text_at(delivery, "folder"), "Sent");
    assert_int_equal(json_integer_value(json_object_get(delivery, "uidvalidity")), 7);
    assert_int_equal(json_integer_value(json_object_get(delivery, "uid")), 42);
    assert_string_equal(text_at(json_array_get(json_object_get(delivery, "notes"), 0), "text"), "found again");
    assert_int_equal(json_integer_value(json_object_get(story, "open")), 0);
    assert_true(json_integer_value(json_object_get(story, "settled_ms")) > 0);
    assert_null(json_object_get(story, "segment"));
    json_decref(story);
    assert_int_equal(spool_query_story(store, 999, &story, NULL), 0);
    assert_null(story);
    spool_export_close(&store);
}

/* Doubt goes with it, and so does that it was held; what is settled stays behind. */
static void test_facts(void **state)
{
    struct fixture *fixture = *state;
    json_t *facts = NULL;
    unsigned answers = fixture->answers;
    commit(fixture, bytes_of("held, in doubt and filed"), 3, true);
    run_until(fixture, &fixture->answers, answers + 1);
    assert_int_equal(fixture->item_count, 2);
    settle(fixture, (struct spool_outcome){.kind = SPOOL_FILED, .uid = 1});
    struct spool_outcome doubt = {
        .kind = SPOOL_DEFERRED, .again_in_ms = 60000, .uncertain = true, .doubt = "uidvalidity=7 uidnext=12"};
    fault_set(&doubt.fault, FAULT_UNCERTAIN, "econnreset", "append", "reset");
    settle(fixture, doubt);
    struct store *store = look(fixture);
    assert_int_equal(spool_query_facts(store, 1, &facts, NULL), 0);
    const json_t *deliveries = json_object_get(facts, "deliveries");
    assert_int_equal(json_array_size(deliveries), 2);
    assert_true(json_is_true(json_object_get(json_array_get(deliveries, 0), "held")));
    assert_string_equal(text_at(json_array_get(deliveries, 1), "doubt"), doubt.doubt);
    assert_int_equal(json_integer_value(json_object_get(facts, "size")), 24);
    assert_int_equal(strlen(text_at(facts, "sum")), 16);
    json_decref(facts);
    assert_int_equal(spool_query_facts(store, 999, &facts, NULL), 0);
    assert_null(facts);
    spool_export_close(&store);
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

static void on_paused(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    (void)result;
    on_answer(ctx, fault);
}

static void test_summary_of_pauses(void **state)
{
    struct fixture *fixture = *state;
    json_t *summary = NULL;
    unsigned answers = fixture->answers;
    spool_change_pause(fixture->spool, "corp", true, "somebody", on_paused, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    struct store *store = look(fixture);
    assert_int_equal(spool_query_summary(store, &summary, NULL), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(summary, "paused"), 0)), "corp");
    const json_t *pause = json_array_get(json_object_get(summary, "pauses"), 0);
    assert_string_equal(text_at(pause, "by"), "somebody");
    assert_true(json_integer_value(json_object_get(pause, "since_ms")) > 0);
    json_decref(summary);
    spool_export_close(&store);
}

/* ---- searches, and answers that cannot be had ---- */

static const struct store_ops *real;
static unsigned answers_left; /* questions that are answered yet */
static bool spoils;

struct spoiling {
    store_row_fn *fn;
    void *ctx;
};

/* The row with JSON that cannot be read, and texts that are no UTF-8. */
static int spoil_row(void *ctx, const struct store_answer_row *row)
{
    const struct spoiling *spoiling = ctx;
    struct store_answer_row spoilt = *row;
    struct store_message_row of;
    if (row->kind == STORE_ROW_MESSAGE) {
        spoilt.message.envelope = bytes_of("{no JSON");
    } else if (row->kind == STORE_ROW_DELIVERY) {
        spoilt.delivery.folder = "caf\xe9";
        spoilt.delivery.detail = bytes_of("[");
    }
    if (row->kind == STORE_ROW_DELIVERY && row->delivery.of != NULL) {
        of = *row->delivery.of;
        of.envelope = bytes_of("");
        spoilt.delivery.of = &of;
    }
    return spoiling->fn(spoiling->ctx, &spoilt);
}

static int ask_odd(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                   struct fault *fault)
{
    struct spoiling spoiling = {fn, ctx};
    if (answers_left == 0) {
        fault_set(fault, FAULT_LOCAL, "eio", "test", "the store was told to fail");
        return -1;
    }
    answers_left--;
    return real->ask(store, question, spoils ? spoil_row : fn, spoils ? &spoiling : ctx, fault);
}

static ptrdiff_t read_odd(struct store *store, struct store_body *body, uint64_t offset, void *into, size_t len,
                          struct fault *fault)
{
    (void)store, (void)body, (void)offset, (void)into, (void)len;
    fault_set(fault, FAULT_LOCAL, "damaged", "test", "the body was told to be damaged");
    return -1;
}

/* A store that answers so many questions, with rows that are whole or not. */
static struct store *look_odd(const struct fixture *fixture, unsigned answers, bool spoilt)
{
    static struct store_ops odd;
    struct store *store = look(fixture);
    real = store->ops;
    odd = *real;
    odd.ask = ask_odd;
    odd.body = read_odd;
    store->ops = &odd;
    answers_left = answers;
    spoils = spoilt;
    return store;
}

static json_t *search(struct store *store, const char *text)
{
    json_t *hits = NULL;
    struct fault fault = FAULT_INIT;
    struct mail_query query;
    struct arena *arena = arena_new(65536);
    assert_int_equal(mail_query_read(text, 1764590000000, arena, &query, &fault), 0);
    struct store_search asked = {.query = &query, .limit = 10, .look = 1000};
    assert_int_equal(spool_query_search(store, &asked, &hits, &fault), 0);
    arena_free(&arena);
    return hits;
}

/* What is found comes last first, each with all its deliveries. */
static void test_search(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "first", 2);
    fixture->sender = "another@example.org";
    commit_and_wait(fixture, "second", 1);
    struct store *store = look(fixture);
    json_t *hits = search(store, "");
    assert_int_equal(json_array_size(hits), 2);
    const json_t *second = json_array_get(hits, 0), *first = json_array_get(hits, 1);
    assert_string_equal(text_at(second, "from"), "another@example.org");
    assert_string_equal(text_at(first, "message_id"), "<m@example.org>");
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "to"), 0)), "to@example.net");
    assert_int_equal(json_array_size(json_object_get(first, "deliveries")), 2);
    assert_int_equal(json_array_size(json_object_get(second, "deliveries")), 1);
    assert_string_equal(text_at(json_array_get(json_object_get(first, "deliveries"), 1), "state"), "waiting");
    assert_int_equal(json_integer_value(json_object_get(first, "size")), 5);
    json_decref(hits);
    hits = search(store, "from:another");
    assert_int_equal(json_array_size(hits), 1);
    json_decref(hits);
    spool_export_close(&store);
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

static int note_row(void *ctx, const json_t *object)
{
    json_array_append(ctx, (json_t *)(uintptr_t)object);
    return 0;
}

static int refuse_row(void *ctx, const json_t *object)
{
    (*(unsigned *)ctx)++;
    return object != NULL;
}

/* Every question passes the store's fault on, and gives nothing. */
static void test_no_answers(void **state)
{
    struct fixture *fixture = *state;
    json_t *none = NULL;
    uint64_t found[1];
    size_t count = 77;
    unsigned rows = 0;
    struct store_search asked = {.limit = 10};
    const struct store_select all = {0};
    commit_and_wait(fixture, "there", 2);
    for (unsigned i = 0; i < 7; i++) {
        struct fault fault = FAULT_INIT;
        struct store *store = look_odd(fixture, i == 6 ? 1 : 0, false);
        int result = i == 0   ? spool_query_list(store, &all, 0, refuse_row, &rows, &fault)
                     : i == 1 ? spool_query_summary(store, &none, &fault)
                     : i == 2 ? spool_query_search(store, &asked, &none, &fault)
                     : i == 3 ? spool_query_facts(store, 1, &none, &fault)
                     : i == 4 ? spool_query_find(store, "x", found, 1, &count, &fault)
                              : spool_query_story(store, 1, &none, &fault);
        assert_int_equal(result, -1);
        assert_string_equal(fault.code, "eio");
        assert_null(none);
        assert_int_equal(count, 77);
        spool_export_close(&store);
    }
    assert_int_equal(rows, 0);
    struct store *store = look(fixture);
    assert_int_equal(spool_query_list(store, &all, 0, refuse_row, &rows, NULL), 0);
    assert_int_equal(rows, 1);
    spool_export_close(&store);
    spool_export_close(&store);
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

/* Of what is damaged the rest is told. */
static void test_spoilt_rows(void **state)
{
    struct fixture *fixture = *state;
    json_t *list = json_array(), *story = NULL, *facts = NULL;
    const struct store_select all = {0};
    commit_and_wait(fixture, "spoilt", 1);
    struct store *store = look_odd(fixture, 100, true);
    assert_int_equal(spool_query_list(store, &all, 0, note_row, list, NULL), 0);
    const json_t *row = json_array_get(list, 0);
    assert_string_equal(text_at(row, "folder"), "?");
    assert_int_equal(json_array_size(json_object_get(row, "to")), 0);
    assert_null(json_object_get(row, "subject"));
    assert_int_equal(spool_query_story(store, 1, &story, NULL), 0);
    assert_int_equal(json_object_size(json_object_get(story, "envelope")), 0);
    assert_null(json_object_get(json_array_get(json_object_get(story, "deliveries"), 0), "flags"));
    assert_int_equal(spool_query_facts(store, 1, &facts, NULL), 0);
    assert_int_equal(json_array_size(json_object_get(facts, "deliveries")), 1);
    json_t *hits = search(store, "");
    assert_null(json_object_get(json_array_get(hits, 0), "from"));
    json_decref(hits);
    json_decref(list);
    json_decref(story);
    json_decref(facts);
    spool_export_close(&store);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* A dead letter without doubt, and one in hand with the mark that it was handed out with. */
static void test_facts_of_the_dead(void **state)
{
    struct fixture *fixture = *state;
    json_t *facts = NULL;
    const struct doubt_mark mark = {.validity = 7, .next = 12};
    spool_set_mark(fixture->spool, "corp", "INBOX", &mark);
    commit_and_wait(fixture, "dead and in hand", 2);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
    struct store *store = look(fixture);
    assert_int_equal(spool_query_facts(store, 1, &facts, NULL), 0);
    const json_t *deliveries = json_object_get(facts, "deliveries");
    assert_string_equal(text_at(json_array_get(deliveries, 0), "doubt"), "uidvalidity=7 uidnext=12");
    assert_true(json_is_true(json_object_get(json_array_get(deliveries, 1), "dead")));
    assert_null(json_object_get(json_array_get(deliveries, 1), "doubt"));
    json_decref(facts);
    spool_export_close(&store);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void expect_pause(struct fixture *fixture, const char *upstream, bool told, bool all)
{
    json_t *story = NULL;
    unsigned answers = fixture->answers;
    spool_change_pause(fixture->spool, upstream, true, "somebody", on_paused, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    struct store *store = look(fixture);
    assert_int_equal(spool_query_story(store, 1, &story, NULL), 0);
    const json_t *deliveries = json_object_get(story, "deliveries");
    const json_t *pause = json_object_get(json_array_get(deliveries, 0), "paused");
    assert_null(json_object_get(json_array_get(deliveries, 1), "paused")); /* it is dead, and waits for nobody */
    assert_int_equal(pause != NULL, told);
    assert_int_equal(json_is_true(json_object_get(pause, "all")), all);
    json_decref(story);
    spool_export_close(&store);
}

/* What waits for an upstream that is paused says so in its story; the pause of another does not concern it. */
static void test_story_of_pauses(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "waits", 2);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
    finish_and_wait(fixture, SPOOL_DEFERRED, fixture_now(fixture) + 60000);
    expect_pause(fixture, "other", false, false);
    expect_pause(fixture, "corp", true, false);
    expect_pause(fixture, NULL, true, true);
}

static int keep_pieces(void *ctx, struct bytes piece)
{
    unsigned *calls = ctx;
    assert_true(piece.len > 0);
    return ++*calls == 2;
}

/* Whoever has enough of a body gets no more of it, and that is no fault; a body that cannot be read is one. */
static void test_bodies(void **state)
{
    struct fixture *fixture = *state;
    static char body[STORE_CHUNK * 3 + 1];
    struct fault fault = FAULT_INIT;
    unsigned calls = 0;
    memset(body, 'b', sizeof body - 1);
    commit_and_wait(fixture, body, 1);
    struct store *store = look(fixture);
    assert_int_equal(spool_export_body(store, 1, keep_pieces, &calls, &fault), 0);
    assert_int_equal(calls, 2);
    spool_export_close(&store);
    store = look_odd(fixture, 1, false);
    assert_int_equal(spool_export_body(store, 1, keep_pieces, &calls, &fault), -1);
    assert_string_equal(fault.code, "damaged");
    fault = FAULT_INIT;
    assert_int_equal(spool_export_body(store, 1, keep_pieces, &calls, &fault), -1);
    assert_string_equal(fault.code, "eio");
    assert_int_equal(calls, 2);
    spool_export_close(&store);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* ---- who has heard yes ---- */

/* The same message again is the first one until its sender has heard; then an equal one is another. */
static void test_heard(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_LEN];
    fixture->waits_ms = 60000;
    commit_and_wait(fixture, "the same", 1);
    snprintf(id, sizeof id, "%s", fixture->items[0]->envelope.id);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    commit_and_wait(fixture, "the same", 1);
    assert_string_equal(fixture->repeated, id);
    assert_int_equal(counts(fixture).waiting, 0);
    spool_heard(fixture->spool, id);
    commit_and_wait(fixture, "the same", 1);
    assert_int_equal(counts(fixture).waiting, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select_there_and_back),
        cmocka_unit_test(test_select_refused),
        TEST(test_filed),
        TEST(test_facts),
        TEST(test_summary_of_pauses),
        TEST(test_search),
        TEST(test_no_answers),
        TEST(test_spoilt_rows),
        TEST(test_facts_of_the_dead),
        TEST(test_story_of_pauses),
        TEST(test_bodies),
        TEST(test_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
