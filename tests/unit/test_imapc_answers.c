/*
 * imapc_engine: what the server answers to each command beside APPEND, and what becomes of the message. A table of
 * commands against a table of answers: an optional question that is refused costs the message nothing; a CREATE keeps
 * the class of its answer; what is said of the account is the account's; a session that ends is no verdict on the
 * message. The server's words are told each time.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/imapc_engine.h"

#define WORDS "the weir is shut"

static const struct answer {
    const char *line;       /* in the place of the tagged answer; a BYE has no tag */
    enum fault_class class; /* of a command that is needed */
    bool account, ends;
} answers[] = {
    {"NO " WORDS, FAULT_TEMP, false, false},
    {"NO [INUSE] " WORDS, FAULT_TEMP, false, false},
    {"NO [SERVERBUG] " WORDS, FAULT_TEMP, false, false},
    {"NO [UNAVAILABLE] " WORDS, FAULT_TEMP, true, false},
    {"NO [THROTTLED] " WORDS, FAULT_TEMP, true, false},
    {"NO [NOPERM] " WORDS, FAULT_PERM, false, false},
    {"NO [CANNOT] " WORDS, FAULT_PERM, false, false},
    {"BAD [SERVERBUG] " WORDS, FAULT_TEMP, false, false},
    {"BAD temporary failure, " WORDS, FAULT_TEMP, false, false},
    {"BAD Server Unavailable. 15: " WORDS, FAULT_TEMP, true, false},
    {"BAD " WORDS, FAULT_PERM, false, false},
    {"* BYE " WORDS, FAULT_TEMP, false, true},
    {"* BYE [UNAVAILABLE] " WORDS, FAULT_TEMP, true, true},
};

static const struct command {
    const char *name, *capabilities;
    bool optional, missing, compress, locate;
} commands[] = {
    {"ID", "ID", true, false, false, false},
    {"COMPRESS", "COMPRESS=DEFLATE", true, false, true, false},
    {"ENABLE", "ENABLE UTF8=ACCEPT", true, false, false, false},
    {"NAMESPACE", "NAMESPACE", true, false, false, false},
    {"LIST", "", true, false, false, false},
    {"MYRIGHTS", "ACL", true, false, false, false},
    {"GETQUOTAROOT", "QUOTA", true, false, false, false},
    {"STATUS", "", true, false, false, false},
    {"SELECT", "", true, false, false, false},
    {"UNSELECT", "UNSELECT", true, false, false, false},
    {"SUBSCRIBE", "", true, true, false, false},
    {"CREATE", "", false, true, false, false},
    {"EXAMINE", "", false, false, false, true},
    {"FETCH", "", false, false, false, true},
};

static struct {
    struct imapc_engine *engine;
    struct imapc_folders *folders;
    struct imapc_habits habits;
    const struct command *command;
    const struct answer *answer;
    struct buf sent;
    struct imapc_result result;
    struct fault fault;
    char told[600]; /* what the engine keeps of the server's words, at any time */
    char tag[40];   /* of an APPEND under way */
    bool done, closed, created, asked;
} world;

static void begin(const struct command *command, const struct answer *answer)
{
    memset(&world, 0, sizeof world);
    world.command = command;
    world.answer = answer;
    world.folders = imapc_folders_new();
    world.created = !command->missing;
    imapc_habits_init(&world.habits);
    buf_init(&world.sent, 1 << 16);
    const struct imapc_engine_options options = {.tls = true,
                                                 .username = "u",
                                                 .password = "p",
                                                 .greeting_timeout_ms = 1000,
                                                 .command_timeout_ms = 1000,
                                                 .subscribe = true,
                                                 .keywords = true,
                                                 .utf8 = true,
                                                 .compress = command->compress,
                                                 .version = "1",
                                                 .habits = &world.habits,
                                                 .folders = world.folders};
    world.engine = imapc_engine_new(&options, 0);
}

static void end(void)
{
    imapc_engine_free(&world.engine);
    imapc_folders_free(&world.folders);
    buf_done(&world.sent);
}

static void hear(const char *text)
{
    struct bytes input = bytes_of(text);
    enum imapc_want want = IMAPC_WANT_RESULT;
    while (!world.closed && want != IMAPC_WANT_INPUT) {
        struct imapc_request request;
        size_t used;
        want = imapc_engine_step(world.engine, 0, input, &used, &request);
        input = bytes_from(input, used);
        struct buf *output = imapc_engine_output(world.engine);
        buf_append_bytes(&world.sent, buf_bytes(output));
        buf_consume(output, output->len);
        if (!world.command->locate && strstr(imapc_engine_said(world.engine), WORDS) != NULL) {
            snprintf(world.told, sizeof world.told, "%s", imapc_engine_said(world.engine));
        }
        if (want == IMAPC_WANT_BODY) {
            imapc_engine_body(world.engine, 0, bytes_of("abcde"), NULL);
        } else if (want == IMAPC_WANT_RESULT) {
            world.result = *request.result;
            world.done = true;
        } else if (want == IMAPC_WANT_CLOSE) {
            world.fault = *request.fault;
            world.closed = true;
        }
    }
}

/* ---- the server ---- */

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

static void answer_append(const char *tag)
{
    char text[100];
    if (!world.created) {
        snprintf(text, sizeof text, "%s NO [TRYCREATE] no such mailbox\r\n", tag);
        hear(text);
        return;
    }
    hear("+ go\r\n"); /* the five octets and the end of the line come at once */
    buf_clear(&world.sent);
    snprintf(text, sizeof text, "%s OK done\r\n", tag);
    hear(text);
}

static void answer(const char *tag, const char *name)
{
    char text[300];
    const char *data = is(name, "EXAMINE")    ? "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 2] n\r\n"
                       : is(name, "MYRIGHTS") ? "* MYRIGHTS A lrswi\r\n"
                                              : "";
    if (is(name, "APPEND")) {
        answer_append(tag);
        return;
    }
    if (is(name, world.command->name)) {
        world.asked = true;
        bool is_bye = world.answer->line[0] == '*';
        snprintf(text, sizeof text, "%s%s%s\r\n", is_bye ? "" : tag, is_bye ? "" : " ", world.answer->line);
    } else {
        world.created = world.created || is(name, "CREATE");
        snprintf(text, sizeof text, "%s%s OK done\r\n", data, tag);
    }
    hear(text);
}

static void serve(void)
{
    while (world.sent.len > 0 && !world.closed && !world.done) {
        struct bytes rest = buf_bytes(&world.sent);
        struct bytes tag = bytes_cut(&rest, ' '), name = bytes_cut(&rest, ' ');
        char tag_text[40], name_text[40];
        snprintf(tag_text, sizeof tag_text, "%.*s", (int)tag.len, (const char *)tag.ptr);
        snprintf(name_text, sizeof name_text, "%.*s", (int)bytes_trim(name).len, (const char *)name.ptr);
        buf_clear(&world.sent);
        answer(tag_text, name_text);
    }
}

/* ---- what becomes of it ---- */

static void run(void)
{
    static const char *const flags[] = {"\\Flagged", "k"};
    static const struct doubt doubt = {.open = true};
    struct imapc_message message = {.size = 5, .flags = flags, .flag_count = 2};
    struct imapc_wanted wanted = {.id = "an-id", .doubt = &doubt};
    char text[200];
    snprintf(text, sizeof text, "* PREAUTH [CAPABILITY IMAP4rev1 UIDPLUS %s] ready\r\n", world.command->capabilities);
    hear(text);
    serve();
    if (!world.closed && world.command->locate) {
        imapc_engine_locate(world.engine, 0, "A", &wanted, 1);
    } else if (!world.closed) {
        imapc_engine_append(world.engine, 0, "A", &message, 1);
    }
    hear("");
    serve();
    assert_true(world.asked);
    assert_true(world.done || world.closed);
}

static void check(void)
{
    const struct answer *answer = world.answer;
    const struct fault *fault = world.done ? &world.result.fault : &world.fault;
    bool looked = world.done && world.result.said != NULL && strstr(world.result.said, WORDS) != NULL;
    bool told = looked || strstr(fault->text, WORDS) != NULL || strstr(world.told, WORDS) != NULL;
    if (answer->account || answer->ends) {
        assert_int_equal(fault->class, FAULT_TEMP);
        assert_true(!answer->account || !world.done || world.result.account);
    } else if (world.command->locate) {
        assert_true(fault->class == FAULT_NONE || fault->class == FAULT_TEMP);
        assert_true(world.result.sight != DOUBT_SIGHT_WHOLE && world.result.sight != DOUBT_SIGHT_MISSING);
    } else if (world.command->optional) {
        assert_int_equal(fault->class, FAULT_NONE);
        assert_true(imapc_engine_is_ready(world.engine));
    } else {
        assert_int_equal(fault->class, answer->class);
    }
    assert_true(told);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        for (size_t j = 0; j < sizeof answers / sizeof answers[0]; j++) {
            begin(&commands[i], &answers[j]);
            run();
            check();
            end();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
