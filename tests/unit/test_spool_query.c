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
                                        .before_ms = 1700000000000,
                                        .tried = true};
    struct store_select back;
    struct fault fault = FAULT_INIT;
    json_t *object = spool_select_to_json(&select);
    assert_int_equal(spool_select_from_json(object, &back, &fault), 0);
    const char *const pairs[][2] = {{select.id, back.id},         {select.message_id, back.message_id},
                                    {select.state, back.state},   {select.upstream, back.upstream},
                                    {select.folder, back.folder}, {select.sender, back.sender},
                                    {select.rule, back.rule}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_string_equal(pairs[i][0], pairs[i][1]);
    }
    assert_int_equal(back.before_ms, select.before_ms);
    assert_true(back.tried);
    json_decref(object);
}

static void test_select_refused(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"{\"upsteam\": \"corp\"}", "upsteam"},  {"{\"upstream\": 5}", "upstream"},
        {"{\"before_ms\": \"5\"}", "before_ms"}, {"{\"tried\": 1}", "tried"},
        {"{\"state\": \"lost\"}", "lost"},
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
        TEST(test_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
