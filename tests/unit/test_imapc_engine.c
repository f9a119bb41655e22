/* imapc_engine: what transcripts cannot say: octets in one segment with an answer, batches, time and fairness of deadlines. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "engine/imapc_engine.h"

struct world {
    struct imapc_engine *engine;
    struct buf sent;
    struct imapc_result result;
    struct fault fault;
    bool have_result, closed, wants_tls;
};

static void start(struct world *world, struct imapc_engine_options options)
{
    *world = (struct world){0};
    options.username = "u";
    options.password = "p";
    options.greeting_timeout_ms = 1000;
    options.command_timeout_ms = 1000;
    world->engine = imapc_engine_new(&options, 0);
    buf_init(&world->sent, 1 << 20);
}

static void end(struct world *world)
{
    imapc_engine_free(&world->engine);
    buf_done(&world->sent);
}

static void say(struct world *world, uint64_t now, const char *text)
{
    struct bytes input = bytes_of(text);
    bool again = !world->closed && !world->wants_tls;
    while (again) {
        struct imapc_request request;
        size_t used;
        enum imapc_want want = imapc_engine_step(world->engine, now, input, &used, &request);
        input = bytes_from(input, used);
        struct buf *output = imapc_engine_output(world->engine);
        buf_append_bytes(&world->sent, buf_bytes(output));
        buf_consume(output, output->len);
        if (want == IMAPC_WANT_BODY) {
            imapc_engine_body(world->engine, now, bytes_slice(bytes_of("abcde"), (size_t)request.offset, request.len),
                              NULL);
        } else if (want == IMAPC_WANT_RESULT) {
            world->result = *request.result;
            world->have_result = true;
        } else if (want == IMAPC_WANT_CLOSE) {
            world->fault = *request.fault;
            world->closed = true;
        }
        world->wants_tls = want == IMAPC_WANT_TLS;
        again = want != IMAPC_WANT_INPUT && want != IMAPC_WANT_CLOSE && want != IMAPC_WANT_TLS;
    }
}

/* Everything that could stand behind the tagged OK, in the same segment: closed, and TLS never begins. */
static void test_starttls_injection(void **state)
{
    (void)state;
    static const char *const behind[] = {"* CAPABILITY IMAP4rev1\r\n", "AAAAAA2 OK\r\n", "x", "\r\n",
                                         "* PREAUTH hello\r\n"};
    for (size_t i = 0; i < sizeof behind / sizeof behind[0]; i++) {
        struct world world;
        char text[200] = "AAAAAA1 OK begin\r\n";
        start(&world, (struct imapc_engine_options){.starttls = true});
        say(&world, 0, "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n");
        strncat(text, behind[i], sizeof text - strlen(text) - 1);
        say(&world, 0, text);
        assert_true(world.closed);
        assert_false(world.wants_tls);
        assert_string_equal(world.fault.code, "starttls");
        assert_string_equal(buf_text(&world.sent), "AAAAAA1 STARTTLS\r\n");
        end(&world);
    }
}

static void log_in(struct world *world, const char *capabilities)
{
    char text[400];
    snprintf(text, sizeof text, "* PREAUTH [CAPABILITY IMAP4rev1 UIDPLUS %s] ready\r\n", capabilities);
    start(world, (struct imapc_engine_options){.tls = true, .literal_max = 100, .message_max = 50});
    say(world, 0, text);
    say(world, 0, "AAAAAA1 OK\r\n");
    assert_true(imapc_engine_is_ready(world->engine));
    buf_clear(&world->sent);
}

#define DATE "\" 1-Jan-1970 00:00:00 +0000\""

static void test_batch(void **state)
{
    (void)state;
    struct imapc_message messages[3] = {{.size = 5}, {.size = 5}, {.size = 5}};
    struct world world;
    log_in(&world, "MULTIAPPEND LITERAL+");
    imapc_engine_append(world.engine, 0, "A", messages, 3);
    say(&world, 0, "");
    assert_string_equal(buf_text(&world.sent), "AAAAAA2 APPEND \"A\" () " DATE " {5+}\r\nabcde () " DATE
                                               " {5+}\r\nabcde () " DATE " {5+}\r\nabcde\r\n");
    say(&world, 0, "AAAAAA2 OK [APPENDUID 9 7,3:4] done\r\n");
    assert_true(world.have_result);
    assert_int_equal(world.result.fault.class, FAULT_NONE);
    assert_int_equal(messages[0].uid, 7);
    assert_int_equal(messages[1].uid, 3);
    assert_int_equal(messages[2].uid, 4);
    end(&world);
}

/* Synchronising: each message of the batch waits for its own "+", and a refusal of the second ends it with nothing uncertain. */
static void test_batch_refused_in_the_middle(void **state)
{
    (void)state;
    struct imapc_message messages[2] = {{.size = 5}, {.size = 5}};
    struct world world;
    log_in(&world, "MULTIAPPEND");
    imapc_engine_append(world.engine, 0, "A", messages, 2);
    say(&world, 0, "");
    say(&world, 0, "+ go\r\n");
    assert_string_equal(buf_text(&world.sent), "AAAAAA2 APPEND \"A\" () " DATE " {5}\r\nabcde () " DATE " {5}\r\n");
    say(&world, 0, "AAAAAA2 NO [OVERQUOTA] full\r\n");
    assert_true(world.have_result);
    assert_string_equal(world.result.fault.code, "overquota");
    assert_true(imapc_engine_is_ready(world.engine));
    end(&world);
}

static void test_too_big(void **state)
{
    (void)state;
    struct imapc_message message = {.size = 51};
    struct world world;
    log_in(&world, "LITERAL+");
    imapc_engine_append(world.engine, 0, "A", &message, 1);
    say(&world, 0, "");
    assert_string_equal(world.result.fault.code, "toobig");
    assert_int_equal(world.sent.len, 0);
    end(&world);
    log_in(&world, "LITERAL+ APPENDLIMIT=10");
    message.size = 11;
    imapc_engine_append(world.engine, 0, "A", &message, 1);
    say(&world, 0, "");
    assert_string_equal(world.result.fault.code, "toobig");
    end(&world);
}

/* The deadline counts from the last octet moved, in either direction. */
static void test_deadline_follows_octets(void **state)
{
    (void)state;
    struct imapc_message message = {.size = 5};
    struct world world;
    log_in(&world, "LITERAL+");
    imapc_engine_append(world.engine, 0, "A", &message, 1);
    say(&world, 0, "");
    imapc_engine_moved(world.engine, 900);
    assert_int_equal(imapc_engine_deadline(world.engine), 1900);
    say(&world, 1899, "");
    assert_false(world.closed);
    say(&world, 1900, "");
    assert_true(world.closed);
    assert_int_equal(world.result.fault.class, FAULT_UNCERTAIN);
    end(&world);
}

/* Without mail, a logged-in connection has no deadline of its own. */
static void test_idle_has_no_deadline(void **state)
{
    (void)state;
    struct world world;
    log_in(&world, "LITERAL+");
    assert_true(imapc_engine_deadline(world.engine) == UINT64_MAX);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starttls_injection),          cmocka_unit_test(test_batch),
        cmocka_unit_test(test_batch_refused_in_the_middle), cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_deadline_follows_octets),     cmocka_unit_test(test_idle_has_no_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
