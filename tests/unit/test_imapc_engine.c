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
    char mechanism[40]; /* of SASL */
    struct imapc_habits habits;
};

static void start(struct world *world, struct imapc_engine_options options)
{
    *world = (struct world){0};
    imapc_habits_init(&world->habits);
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
        } else if (want == IMAPC_WANT_SASL) {
            snprintf(world->mechanism, sizeof world->mechanism, "%s", request.mechanism);
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
    start(world,
          (struct imapc_engine_options){.tls = true, .literal_max = 100, .message_max = 50, .habits = &world->habits});
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

/* What an OK names of three messages: as many as there are, or more, are filed; of fewer nobody knows which they are. */
static const struct {
    const char *code;
    uint32_t uids[3];
    bool filed;
} named[] = {
    {"", {0, 0, 0}, true},
    {"[APPENDUID 9 3:5] ", {3, 4, 5}, true},
    {"[APPENDUID 9 5:3] ", {3, 4, 5}, true},
    {"[APPENDUID 9 8,7,6] ", {8, 7, 6}, true},
    {"[APPENDUID 9 3:9] ", {3, 4, 5}, true},
    {"[APPENDUID 9 1:4294967295] ", {1, 2, 3}, true},
    {"[APPENDUID 9 3:4,4:5] ", {3, 4, 5}, true},
    {"[APPENDUID 9 0] ", {0, 0, 0}, true},
    {"[APPENDUID 9 *] ", {0, 0, 0}, true},
    {"[APPENDUID 9 ] ", {0, 0, 0}, true},
    {"[APPENDUID 9 3] ", {0, 0, 0}, false},
    {"[APPENDUID 9 3:4] ", {0, 0, 0}, false},
    {"[APPENDUID 9 3,3,3] ", {0, 0, 0}, false},
    {"[APPENDUID 9 3:4,4] ", {0, 0, 0}, false},
    {"[APPENDUID 9 3,x,5] ", {0, 0, 0}, false},
};

static void test_batch_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        struct imapc_message messages[3] = {{.size = 5}, {.size = 5}, {.size = 5}};
        struct world world;
        char line[100];
        log_in(&world, "MULTIAPPEND LITERAL+");
        imapc_engine_append(world.engine, 0, "A", messages, 3);
        say(&world, 0, "");
        snprintf(line, sizeof line, "AAAAAA2 OK %sdone\r\n", named[i].code);
        say(&world, 0, line);
        assert_true(world.have_result && imapc_engine_is_ready(world.engine));
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(messages[k].uid, named[i].uids[k]);
        }
        assert_int_equal(world.result.fault.class, named[i].filed ? FAULT_NONE : FAULT_UNCERTAIN);
        assert_int_equal(world.result.reached, named[i].filed ? 0 : 3);
        assert_int_equal(imapc_engine_takes_batches(world.engine), named[i].filed);
        end(&world);
    }
}

/* One message is filed by its OK, whatever that names. */
static void test_one_named(void **state)
{
    (void)state;
    struct imapc_message message = {.size = 5};
    struct world world;
    log_in(&world, "MULTIAPPEND LITERAL+");
    imapc_engine_append(world.engine, 0, "A", &message, 1);
    say(&world, 0, "");
    say(&world, 0, "AAAAAA2 OK [APPENDUID 9 4:7] done\r\n");
    assert_int_equal(world.result.fault.class, FAULT_NONE);
    assert_int_equal(message.uid, 4);
    assert_true(imapc_engine_takes_batches(world.engine));
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

/* ---- SCRAM ---- */

#define BOTH "AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS"

static const struct {
    enum imapc_binding binding;
    bool can_bind;
    const char *offered;
    const char *sent; /* NULL: nothing but a fault */
} choices[] = {
    {IMAPC_BINDING_AUTO, true, BOTH, "SCRAM-SHA-256-PLUS"},
    {IMAPC_BINDING_AUTO, false, BOTH, "SCRAM-SHA-256"},
    {IMAPC_BINDING_AUTO, true, "AUTH=SCRAM-SHA-256", "SCRAM-SHA-256"},
    {IMAPC_BINDING_AUTO, true, "AUTH=SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS"},
    {IMAPC_BINDING_AUTO, true, "AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-1-PLUS", "SCRAM-SHA-256"},
    {IMAPC_BINDING_AUTO, false, "AUTH=SCRAM-SHA-256-PLUS", NULL},
    {IMAPC_BINDING_NEVER, true, BOTH, "SCRAM-SHA-256"},
    {IMAPC_BINDING_REQUIRED, true, BOTH, "SCRAM-SHA-256-PLUS"},
    {IMAPC_BINDING_REQUIRED, true, "AUTH=SCRAM-SHA-256", NULL},
    {IMAPC_BINDING_REQUIRED, false, BOTH, NULL},
};

static void greet_scram(struct world *world, size_t choice)
{
    char text[200];
    start(world, (struct imapc_engine_options){
                     .tls = true, .mechanism = IMAPC_AUTH_SCRAM_SHA_256, .binding = choices[choice].binding});
    if (choices[choice].can_bind) {
        imapc_engine_can_bind(world->engine);
    }
    snprintf(text, sizeof text, "* OK [CAPABILITY IMAP4rev1 SASL-IR %s] ready\r\n", choices[choice].offered);
    say(world, 0, text);
}

static void test_scram_binding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        struct world world;
        char line[100];
        greet_scram(&world, i);
        const char *asked =
            strcmp(buf_text(&world.sent), "AAAAAA1 CAPABILITY\r\n") == 0 ? "AAAAAA1 CAPABILITY\r\n" : "";
        if (asked[0] != '\0') {
            say(&world, 0, "AAAAAA1 OK that was all\r\n"); /* the greeting's list may have been shorter */
        }
        snprintf(line, sizeof line, "AAAAAA1 AUTHENTICATE %s\r\n", choices[i].sent != NULL ? choices[i].sent : "");
        assert_string_equal(buf_text(&world.sent), choices[i].sent != NULL ? line : asked);
        assert_int_equal(world.closed, choices[i].sent == NULL);
        if (choices[i].sent != NULL) {
            say(&world, 0, "+ \r\n");
            assert_string_equal(world.mechanism, choices[i].sent);
        } else {
            assert_int_equal(world.fault.class, FAULT_PERM);
        }
        end(&world);
    }
}

/* The server says OK before it has shown that it knows the password: after none, one or two of its messages. */
static void test_scram_without_proof(void **state)
{
    (void)state;
    for (int answers = 0; answers <= 3; answers++) {
        struct world world;
        greet_scram(&world, 0);
        for (int i = 0; i < answers; i++) {
            say(&world, 0, i == 0 ? "+ \r\n" : "+ eA==\r\n");
            imapc_engine_sasl(world.engine, 0, bytes_of("eA=="), NULL);
        }
        say(&world, 0, "AAAAAA1 OK [CAPABILITY IMAP4rev1] in\r\n");
        assert_int_equal(world.closed, answers < 3);
        if (world.closed) {
            assert_string_equal(world.fault.code, "authentication");
            assert_non_null(strstr(world.fault.text, "did not prove"));
        }
        end(&world);
    }
}

static void test_scram_challenges_in_one_go(void **state)
{
    struct world world;
    (void)state;
    greet_scram(&world, 0);
    say(&world, 0, "+ \r\n+ eA==\r\n");
    assert_true(world.closed);
    assert_string_equal(world.fault.code, "protocol");
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starttls_injection),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_batch_named),
        cmocka_unit_test(test_one_named),
        cmocka_unit_test(test_batch_refused_in_the_middle),
        cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_deadline_follows_octets),
        cmocka_unit_test(test_idle_has_no_deadline),
        cmocka_unit_test(test_scram_binding),
        cmocka_unit_test(test_scram_without_proof),
        cmocka_unit_test(test_scram_challenges_in_one_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
