/*
 * Tests of spool/spool_import: messages that come as files beside the queue, with what is wrong with some of them, and a spool that closes meanwhile.
 */
#include "spool/spool_admin.h"
#include "spool_fixture.h"

#include <sys/stat.h>

#include "spool/spool_import.h"
#include "store/store_sum.h"

#define ID "01M8439SV0J24875XRW0PF62%02u"

static json_t *reply;
static unsigned replies;

static void on_reply(void *ctx, const json_t *object)
{
    struct fixture *fixture = ctx;
    json_decref(reply);
    reply = json_deep_copy(object);
    replies++;
    net_loop_stop(fixture->loop);
}

/* Puts the file of message `number` beside the queue; returns what the request says of it. */
static json_t *put(struct fixture *fixture, unsigned number, const void *body, size_t len)
{
    char id[32], path[300], sum[20];
    snprintf(id, sizeof id, ID, number);
    spool_import_path(fixture->path, NULL, path, sizeof path);
    mkdir(path, 0700);
    spool_import_path(fixture->path, id, path, sizeof path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(body, 1, len, file), len);
    fclose(file);
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)store_sum_of(bytes_at(body, len)));
    return json_pack("{s:{s:s, s:I, s:s, s:[{s:s}]}, s:[{s:i, s:s, s:s}], s:I, s:s}", "envelope", "id", id,
                     "received_ms", (json_int_t)1700000000000, "from", "a@b.example", "to", "address", "c@d.example",
                     "deliveries", "number", 1, "upstream", "corp", "folder", "INBOX", "size", (json_int_t)len, "sum",
                     sum);
}

static void ask(struct fixture *fixture, json_t *messages)
{
    struct fault fault = FAULT_INIT;
    json_t *request = json_pack("{s:o}", "messages", messages);
    unsigned before = replies;
    assert_int_equal(spool_import(fixture->spool, request, on_reply, fixture, &fault), 0);
    assert_int_equal(replies, before);
    run_until(fixture, &replies, before + 1);
    json_decref(request);
}

static const char *result(size_t number)
{
    return json_string_value(json_array_get(json_object_get(reply, "results"), number));
}

static void on_dropped(void *ctx, const json_t *said)
{
    assert_int_equal(json_integer_value(json_object_get(said, "changed")), 1);
    on_answer(ctx, NULL);
}

static void test_taken_once(void **state)
{
    struct fixture *fixture = *state;
    static char large[700000];
    memset(large, 'x', sizeof large);
    for (unsigned i = 0; i < 2; i++) {
        json_t *messages = json_array();
        json_array_append_new(messages, put(fixture, 1, "small", 5));
        json_array_append_new(messages, put(fixture, 2, large, sizeof large));
        ask(fixture, messages);
        assert_string_equal(result(0), i == 0 ? "added" : "known");
        assert_string_equal(result(1), i == 0 ? "added" : "known");
        assert_int_equal(json_integer_value(json_object_get(reply, "changed")), i == 0 ? 2 : 0);
        assert_int_equal(json_integer_value(json_object_get(reply, "known")), i == 0 ? 0 : 2);
        assert_int_equal(counts(fixture).messages, 2);
    }
    assert_int_equal(fixture->item_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(fixture->items[i]->uncertain);
        assert_int_equal(fixture->items[i]->envelope.received_ms, 1700000000000);
    }
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* What was exported, then dropped, comes back whole, also for an index that is made anew; what was dropped in part is told. */
static void test_dropped_comes_back(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    for (unsigned i = 0; i < 2; i++) {
        json_t *messages = json_array();
        json_array_append_new(messages, put(fixture, 1, "small", 5));
        ask(fixture, messages);
        assert_string_equal(result(0), "added");
        assert_int_equal(counts(fixture).waiting, 1);
        unsigned answers = fixture->answers;
        if (i == 0) {
            fixture_request(fixture, "{\"verb\":\"drop\",\"select\":{},\"again\":true}", on_dropped);
            run_until(fixture, &fixture->answers, answers + 1);
            assert_int_equal(counts(fixture).messages, 0);
        }
    }
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(fixture->items[0]->uncertain);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    json_t *messages = json_array();
    json_array_append_new(messages, put(fixture, 1, "small", 5));
    ask(fixture, messages);
    assert_string_equal(result(0), "known");
}

static void test_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    json_t *messages = json_array(), *message;
    json_array_append_new(messages, message = put(fixture, 1, "another body", 12));
    json_object_set_new(message, "sum", json_string("0000000000000000"));
    json_array_append_new(messages, message = put(fixture, 2, "shorter than said", 17));
    json_object_set_new(message, "size", json_integer(18));
    json_array_append_new(messages, message = put(fixture, 3, "no such file", 12));
    json_object_set_new(json_object_get(message, "envelope"), "id", json_string("01M8439SV0J24875XRW0PF6299"));
    json_array_append_new(messages, message = put(fixture, 4, "a path", 6));
    json_object_set_new(json_object_get(message, "envelope"), "id", json_string("../../../../etc/passwd0000"));
    json_array_append_new(messages, message = put(fixture, 5, "no delivery", 11));
    json_object_set_new(message, "deliveries", json_array());
    json_array_append_new(messages, put(fixture, 6, "good", 4));
    json_array_append_new(messages, json_pack("{}"));
    ask(fixture, messages);
    static const char *const words[] = {
        "checksum differs", "checksum differs", "No such file", "no valid id", "no valid id", "added", ""};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(result(i), words[i]) == NULL) {
            fail_msg("message %zu: \"%s\"", i, result(i));
        }
    }
    assert_int_equal(counts(fixture).messages, 1);
    assert_int_equal(fixture->item_count, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    json_t *nothing = json_object();
    assert_int_equal(spool_import(fixture->spool, nothing, on_reply, fixture, &fault), -1);
    assert_string_equal(fault.code, "usage");
    json_decref(nothing);
}

static void turn_of(void *ctx)
{
    net_loop_stop(ctx);
}

/*
 * A spool that closes after so many turns of its loop: each message is taken whole or not at all, and who asked hears of each what became of it.
 */
static void test_closing_at_any_time(void **state)
{
    struct fixture *fixture = *state;
    static char large[300000];
    fixture->takes = false;
    for (unsigned turns = 0; turns < 24; turns++) {
        struct fault fault = FAULT_INIT;
        json_t *messages = json_array();
        for (unsigned i = 0; i < 4; i++) {
            json_array_append_new(messages, put(fixture, turns * 4 + i, large, i % 2 == 0 ? 10 : sizeof large));
        }
        json_t *request = json_pack("{s:o}", "messages", messages);
        unsigned before = replies;
        uint64_t kept = counts(fixture).messages;
        assert_int_equal(spool_import(fixture->spool, request, on_reply, fixture, &fault), 0);
        for (unsigned i = 0; i < turns && replies == before; i++) {
            net_defer(fixture->loop, turn_of, fixture->loop);
            net_loop_run(fixture->loop);
        }
        spool_close(&fixture->spool);
        assert_int_equal(replies, before + 1);
        unsigned added = 0;
        for (size_t i = 0; i < 4; i++) {
            bool is_added = strcmp(result(i), "added") == 0;
            added += is_added;
            assert_true(is_added || strstr(result(i), "import the message again") != NULL);
        }
        json_decref(request);
        fixture_open(fixture);
        assert_int_equal(counts(fixture).messages, kept + added);
    }
}

/* What the queue refuses is told as it is: too little room, and more deliveries than a message may have. */
static void test_refused_by_the_queue(void **state)
{
    struct fixture *fixture = *state;
    json_t *messages = json_array(), *message, *many = json_array();
    fixture->options.minimum_free = UINT64_MAX / 2;
    fixture_reopen(fixture);
    json_array_append_new(messages, put(fixture, 1, "no room", 7));
    ask(fixture, messages);
    assert_non_null(strstr(result(0), "the disk of the spool is full"));
    fixture->options.minimum_free = 1;
    fixture_reopen(fixture);
    messages = json_array();
    json_array_append_new(messages, message = put(fixture, 1, "many", 4));
    for (unsigned i = 0; i < STORE_DELIVERIES_MAX + 1; i++) {
        json_array_append_new(
            many, json_pack("{s:i,s:s,s:s}", "number", (int)(i % 1000) + 1, "upstream", "u", "folder", "f"));
    }
    json_object_set_new(message, "deliveries", many);
    json_array_append_new(messages, message = put(fixture, 2, "an id of another length", 23));
    json_object_set_new(json_object_get(message, "envelope"), "id", json_string("01M8"));
    json_array_append_new(messages, message = put(fixture, 3, "no sum", 6));
    json_object_del(message, "sum");
    ask(fixture, messages);
    assert_non_null(strstr(result(0), "no valid id, or no delivery"));
    assert_non_null(strstr(result(1), "no valid id, or no delivery"));
    assert_non_null(strstr(result(2), "checksum differs"));
    assert_int_equal(counts(fixture).messages, 0);
    struct fault fault = FAULT_INIT;
    json_t *odd = json_pack("{s:s}", "messages", "none");
    assert_int_equal(spool_import(fixture->spool, odd, on_reply, fixture, &fault), -1);
    json_decref(odd);
}

/* What was not begun when the spool closes is said to be left, and nothing of it is kept. */
static void test_closing(void **state)
{
    struct fixture *fixture = *state;
    static char large[700000];
    struct fault fault = FAULT_INIT;
    fixture->takes = false;
    json_t *messages = json_array();
    for (unsigned i = 0; i < 3; i++) {
        json_array_append_new(messages, put(fixture, i, large, sizeof large - i));
    }
    json_t *request = json_pack("{s:o}", "messages", messages);
    unsigned before = replies;
    assert_int_equal(spool_import(fixture->spool, request, on_reply, fixture, &fault), 0);
    spool_close(&fixture->spool);
    assert_int_equal(replies, before + 1);
    json_decref(request);
    json_int_t added = json_integer_value(json_object_get(reply, "changed"));
    assert_non_null(strstr(result(2), "import the message again"));
    fixture_open(fixture);
    assert_int_equal(counts(fixture).messages, added);
}

static int tear_down(void **state)
{
    json_decref(reply);
    reply = NULL;
    return fixture_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_taken_once),          TEST(test_dropped_comes_back),   TEST(test_what_is_wrong),
        TEST(test_closing_at_any_time), TEST(test_refused_by_the_queue), TEST(test_closing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
