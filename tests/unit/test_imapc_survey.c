/*
 * imapc_names, imapc_check, imapc_suspect: what a look at an account learns behind the login, told by a server of a few lines: which folders there are,
 * rights and quota of some, and characters that names may not have. Nothing that was there already is changed.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "engine/imapc_engine.h"

/* The server: the first line whose command a client's command begins with answers it. */
struct line {
    const char *command, *data, *tagged;
};

static struct world {
    struct imapc_engine *engine;
    struct imapc_names names;
    struct imapc_check checks[6];
    struct imapc_suspect suspects[4];
    struct line lines[16];
    char heard[4000]; /* every command behind the login, by line, without its tag */
    char fault[40];
    bool closed;
    uint64_t now;
} w;

static void set_up(const struct line *lines, size_t count, size_t list_max)
{
    memset(&w, 0, sizeof w);
    memcpy(w.lines, lines, count * sizeof *lines);
    buf_init(&w.names.list, list_max);
    w.names.checks = w.checks;
    w.names.suspects = w.suspects;
}

static void answer(struct bytes command, struct buf *said)
{
    struct bytes tag = bytes_cut(&command, ' ');
    size_t len = strlen(w.heard);
    snprintf(w.heard + len, sizeof w.heard - len, "%.*s\n", (int)command.len, (const char *)command.ptr);
    for (size_t i = 0; i < sizeof w.lines / sizeof w.lines[0] && w.lines[i].command != NULL; i++) {
        const struct line *line = &w.lines[i];
        if (strncmp((const char *)command.ptr, line->command, strlen(line->command)) != 0) {
            continue;
        }
        buf_printf(said, "%s%.*s %s\r\n", line->data, (int)tag.len, (const char *)tag.ptr, line->tagged);
        return;
    }
    buf_printf(said, "%.*s OK done\r\n", (int)tag.len, (const char *)tag.ptr);
}

/* One turn: what the engine does with what the server said; its commands are answered into `next`. */
static void turn(struct bytes input, struct buf *next)
{
    for (bool again = true; again;) {
        struct imapc_request request;
        size_t used;
        enum imapc_want want = imapc_engine_step(w.engine, w.now, input, &used, &request);
        input = bytes_from(input, used);
        struct buf *output = imapc_engine_output(w.engine);
        struct bytes sent = buf_bytes(output);
        while (sent.len > 0) {
            answer(bytes_trim(bytes_cut(&sent, '\n')), next);
        }
        buf_consume(output, output->len);
        if (want == IMAPC_WANT_CLOSE) {
            snprintf(w.fault, sizeof w.fault, "%s", request.fault->code);
            w.closed = true;
        }
        again = want != IMAPC_WANT_INPUT && want != IMAPC_WANT_CLOSE;
    }
}

static void survey(const char *capabilities)
{
    const struct imapc_engine_options options = {.tls = true,
                                                 .username = "u",
                                                 .password = "p",
                                                 .greeting_timeout_ms = 1000,
                                                 .command_timeout_ms = 1000,
                                                 .utf8 = true,
                                                 .names = &w.names};
    struct buf said, next;
    w.engine = imapc_engine_new(&options, 0);
    buf_init(&said, 1 << 16);
    buf_init(&next, 1 << 16);
    buf_printf(&said, "* PREAUTH [CAPABILITY IMAP4rev1 %s] ready\r\n", capabilities);
    for (int turns = 0; turns < 60 && said.len > 0 && !w.closed; turns++) {
        turn(buf_bytes(&said), &next);
        buf_clear(&said);
        buf_append_bytes(&said, buf_bytes(&next));
        buf_clear(&next);
    }
    buf_done(&said);
    buf_done(&next);
}

static void tear_down(void)
{
    imapc_engine_free(&w.engine);
    buf_done(&w.names.list);
}

static bool has_name(const char *name)
{
    for (struct bytes rest = buf_bytes(&w.names.list); rest.len > 0;) {
        if (bytes_is(bytes_cut(&rest, '\0'), name)) {
            return true;
        }
    }
    return false;
}

#define SET_UP(...)                                                                                                    \
    set_up((const struct line[]){__VA_ARGS__}, sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line),       \
           1 << 16)

/* ---- names ---- */

static void test_names(void **state)
{
    (void)state;
    SET_UP({"LIST",
            "* LIST (\\HasNoChildren) \".\" INBOX\r\n"
            "* LIST () \".\" \"INBOX.Sent\"\r\n"
            "* LIST (\\Noselect) \".\" Shared\r\n"
            "* LIST (\\HasChildren \\NonExistent) \".\" Gone\r\n"
            "* LIST (\\Marked) NIL Flat.Name\r\n"
            "* LIST () \".\" {5}\r\nWords\r\n"
            "* LIST () \".\" \"&bad\"\r\n"
            "* LIST NIL\r\n"
            "* LIST\r\n"
            "* LIST (\r\n"
            "* LIST () \".\"\r\n"
            "* LIST () \".\" (list)\r\n"
            "* LIST \\Bare \".\" Bare\r\n"
            "* LIST () \"\" Flat.Too\r\n"
            "* LSUB () \".\" Other\r\n"
            "* STATUS INBOX (UIDNEXT 3)\r\n",
            "OK done"},
           {"NAMESPACE", "* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n", "OK done"});
    survey("NAMESPACE");
    assert_true(imapc_engine_is_ready(w.engine));
    assert_true(w.names.complete);
    assert_true(has_name("INBOX") && has_name("INBOX/Sent") && has_name("Sent") && has_name("Words"));
    assert_true(has_name("Flat.Name") && has_name("Flat.Too"));
    assert_false(has_name("(") || has_name("list") || has_name("Bare"));
    assert_false(has_name("Shared") || has_name("Gone") || has_name("Other") || has_name("&bad"));
    tear_down();
}

static void test_names_are_not_all(void **state)
{
    (void)state;
    set_up((const struct line[]){{"LIST", "* LIST () \"/\" A\r\n* LIST () \"/\" Bcdefghijk\r\n* LIST () \"/\" C\r\n",
                                  "OK done"}},
           1, 4);
    survey("");
    assert_true(imapc_engine_is_ready(w.engine));
    assert_true(has_name("A") && has_name("C") && !has_name("Bcdefghijk"));
    tear_down();

    set_up((const struct line[]){{"LIST", "* LIST () \"/\" Ab\r\n", "OK done"}}, 1, 2); /* no room for the NUL */
    survey("");
    assert_false(w.names.complete);
    assert_int_equal(w.names.count, 0);
    tear_down();

    SET_UP({"LIST", "* LIST () \"/\" A\r\n", "NO not now"});
    survey("");
    assert_true(imapc_engine_is_ready(w.engine));
    assert_false(w.names.complete);
    tear_down();
}

/* A server that enables more than it was asked for, or says so twice: each word is read once, and the login goes on. */
static void test_enabled(void **state)
{
    (void)state;
    static const char *const said[] = {"* ENABLED UTF8=ACCEPT\r\n", "* ENABLED UTF8=ACCEPT CONDSTORE\r\n",
                                       "* ENABLED CONDSTORE UTF8=ACCEPT X\r\n",
                                       "* ENABLED UTF8=ACCEPT\r\n* ENABLED UTF8=ACCEPT X\r\n"};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        SET_UP({"ENABLE", said[i], "OK done"}, {"LIST", "* LIST () \"/\" \"M\xc3\xbcll\"\r\n", "OK done"});
        survey("ENABLE UTF8=ACCEPT");
        assert_true(imapc_engine_is_ready(w.engine));
        assert_true(has_name("M\xc3\xbcll"));
        tear_down();
    }
}

/* ---- rights and quota ---- */

static void test_checks(void **state)
{
    (void)state;
    SET_UP({"LIST", "* LIST () \"/\" A\r\n* LIST () \"/\" \"A/B\"\r\n* LIST () \"/\" Full\r\n", "OK done"},
           {"MYRIGHTS A\n", "", ""}, {"MYRIGHTS \"Full\"", "* MYRIGHTS Full \"lr\"\r\n", "OK done"},
           {"MYRIGHTS \"A/B\"", "* MYRIGHTS A/B lrswi\r\n* MYRIGHTS\r\n* ACL A/B u lr\r\n", "OK done"},
           {"MYRIGHTS", "* MYRIGHTS A\r\n* MYRIGHTS A (x)\r\n", "NO [NOPERM] nobody is told"},
           {"GETQUOTAROOT \"Full\"",
            "* QUOTAROOT Full one two three\r\n* QUOTA one (STORAGE 5 0 MESSAGE 7 100)\r\n"
            "* QUOTA two (STORAGE 900 1000 MESSAGE 99 100)\r\n* QUOTA three (STORAGE 2000 1000)\r\n"
            "* QUOTA four (STORAGE 10 5000)\r\n* QUOTA four (STORAGE 1 0)\r\n",
            "OK done"},
           {"GETQUOTAROOT", "* QUOTA x\r\n* QUOTA x (STORAGE)\r\n* QUOTA x (STORAGE 1)\r\n* QUOTA x (OTHER 1 2)\r\n",
            "NO no quota"});
    w.checks[0].folder = "A/B";
    w.checks[1].folder = "A/New/Deep";
    w.checks[2].folder = "Full";
    w.checks[3].folder = "Nowhere/Else";
    w.checks[4].folder = "INBOX";
    w.checks[5].folder = "AX";
    w.names.check_count = 6;
    survey("ACL QUOTA");
    assert_true(imapc_engine_is_ready(w.engine));
    assert_string_equal(w.checks[0].rights, "lrswi");
    assert_false(w.checks[0].missing);
    assert_true(w.checks[1].missing); /* of "A", the nearest that is there */
    assert_string_equal(w.checks[1].refusal, "no quota");
    assert_string_equal(w.checks[2].rights, "lr");
    assert_string_equal(w.checks[2].refusal, "");
    assert_true(w.checks[2].octets.known && w.checks[2].messages.known);
    assert_int_equal(w.checks[2].octets.used, 2000 * 1024); /* nothing is left there */
    assert_int_equal(w.checks[2].messages.used, 99);
    assert_true(w.checks[3].missing);
    assert_false(w.checks[3].rights_asked || w.checks[3].quota_asked);
    assert_false(w.checks[4].missing);
    assert_true(w.checks[5].missing);
    assert_non_null(strstr(w.heard, "MYRIGHTS \"A\""));
    tear_down();
}

/* A list that is not whole says of no folder that it is missing; a server without ACL and QUOTA is asked nothing. */
static void test_checks_without_knowledge(void **state)
{
    (void)state;
    SET_UP({"LIST", "", "NO not now"});
    w.checks[0].folder = "A";
    w.names.check_count = 1;
    survey("");
    assert_true(imapc_engine_is_ready(w.engine));
    assert_false(w.checks[0].missing || w.checks[0].rights_asked || w.checks[0].quota_asked);
    assert_null(strstr(w.heard, "MYRIGHTS"));
    tear_down();

    SET_UP({"LIST", "* LIST () \"/\" A\r\n", "OK done"});
    w.checks[0].folder = "A";
    w.names.check_count = 1;
    survey("QUOTA");
    assert_false(w.checks[0].rights_asked);
    assert_true(w.checks[0].quota_asked);
    tear_down();
}

/* ---- characters ---- */

static void set_suspects(bool may_create)
{
    static const char characters[] = {'^', '/', '*', '~'};
    for (size_t i = 0; i < sizeof characters; i++) {
        w.suspects[i].character = characters[i];
    }
    w.names.suspect_count = 4;
    w.names.may_create = may_create;
}

static void test_suspects(void **state)
{
    (void)state;
    SET_UP({"NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n", "OK done"},
           {"STATUS \"mailweir-tries-names\"", "", "NO [NONEXISTENT] none"},
           {"STATUS \"mailweir-tries-names^x\"", "", "NO [CANNOT] a character that is not allowed"},
           {"STATUS \"mailweir-tries-names*x\"", "", "NO [NONEXISTENT] none"},
           {"STATUS \"mailweir-tries-names~x\"", "* STATUS x (UIDNEXT 1)\r\n", "OK it is there"});
    set_suspects(false);
    survey("NAMESPACE");
    assert_true(imapc_engine_is_ready(w.engine));
    assert_true(w.suspects[0].asked && w.suspects[0].refused);
    assert_string_equal(w.suspects[0].refusal, "a character that is not allowed");
    assert_false(w.suspects[1].asked); /* the server's delimiter */
    assert_true(w.suspects[2].asked && !w.suspects[2].refused);
    assert_true(w.suspects[3].asked && !w.suspects[3].refused);
    assert_null(strstr(w.heard, "CREATE"));
    tear_down();
}

/* Where it may be created, it is, and deleted again; what is there already is left alone. */
static void test_suspects_are_created(void **state)
{
    (void)state;
    SET_UP({"NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n", "OK done"},
           {"STATUS \"mailweir-tries-names~x\"", "", "OK it is there"}, {"STATUS", "", "NO [NONEXISTENT] none"},
           {"CREATE \"mailweir-tries-names*x\"", "", "NO [CANNOT] no stars"}, {"CREATE", "", "OK made"},
           {"DELETE", "", "NO it does not go"});
    set_suspects(true);
    survey("NAMESPACE");
    assert_true(imapc_engine_is_ready(w.engine));
    assert_non_null(strstr(w.heard, "CREATE \"mailweir-tries-names\"\nDELETE \"mailweir-tries-names\"\n"));
    assert_non_null(strstr(w.heard, "DELETE \"mailweir-tries-names^x\""));
    assert_null(strstr(w.heard, "DELETE \"mailweir-tries-names*x\""));
    assert_null(strstr(w.heard, "CREATE \"mailweir-tries-names~x\""));
    assert_false(w.suspects[0].refused);
    assert_true(w.suspects[2].refused);
    assert_string_equal(w.suspects[2].refusal, "no stars");
    tear_down();
}

/* A server that says BYE in the midst of it is no server that refuses a name. */
static void test_suspects_end(void **state)
{
    (void)state;
    static const char *const commands[] = {"STATUS", "CREATE", "DELETE"};
    for (size_t i = 0; i < 3; i++) {
        SET_UP({commands[i], "* BYE that is enough\r\n", "NO over"}, {"STATUS", "", "NO [NONEXISTENT] none"});
        set_suspects(true);
        survey("");
        assert_false(w.suspects[0].refused);
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_are_not_all),
        cmocka_unit_test(test_enabled),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_checks_without_knowledge),
        cmocka_unit_test(test_suspects),
        cmocka_unit_test(test_suspects_are_created),
        cmocka_unit_test(test_suspects_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
