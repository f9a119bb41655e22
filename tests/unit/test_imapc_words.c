/*
 * What a server says of messages and folders that is no IMAP, or not quite: of each line it is known what is believed, and nothing but that.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "engine/imapc_private.h"

static struct imap_reply reply_of(const char *name, const char *args)
{
    return (struct imap_reply){.name = bytes_of(name), .args = bytes_of(args)};
}

/* STATUS (RFC 9051 section 7.3.4), before an append: which numbering, and where it goes on. */
static void the_mark_of_a_folder(void **state)
{
    (void)state;
    static const struct {
        const char *args, *mailbox;
        uint32_t validity, next;
    } cases[] = {
        {"INBOX (UIDNEXT 5 UIDVALIDITY 7)", "", 7, 5},
        {"INBOX (UIDVALIDITY 7 UIDNEXT 5 MAILBOXID (abc))", "abc", 7, 5},
        {"\"a b\" (MAILBOXID abc UIDNEXT 5 UIDVALIDITY 7)", "abc", 7, 5},
        {"INBOX (MAILBOXID () UIDVALIDITY 7)", "", 7, 0},
        {"INBOX (MAILBOXID (a b) UIDVALIDITY 7)", "a", 7, 0},
        {"INBOX (UIDNEXT 5)", "", 0, 5},
        {"INBOX (UIDNEXT 4294967296 UIDVALIDITY 7)", "", 7, 0},
        {"INBOX (UIDNEXT many UIDVALIDITY seven)", "", 0, 0},
        {"INBOX (UIDVALIDITY 4294967296)", "", 0, 0},
        {"INBOX (MESSAGES 3 UIDVALIDITY 7)", "", 7, 0},
        {"INBOX (UIDVALIDITY 7 UIDNEXT", "", 7, 0},
        {"INBOX (UIDVALIDITY 7 MAILBOXID (", "", 7, 0},
        {"INBOX UIDNEXT 5", "", 0, 0},
        {"INBOX (\"UIDNEXT\" 5)", "", 0, 0},
        {"INBOX", "", 0, 0},
        {"", "", 0, 0},
        {"(", "", 0, 0},
        {"\"a", "", 0, 0},
        {"INBOX \"(UIDNEXT", "", 0, 0},
        {"INBOX (\"UIDNEXT", "", 0, 0},
        {"INBOX (UIDNEXT \"5", "", 0, 0},
        {"INBOX (UIDVALIDITY 7 MAILBOXID (\"a", "", 7, 0},
        {"INBOX (MAILBOXID \"a\" UIDVALIDITY 7)", "a", 7, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doubt_mark mark = {0};
        struct imap_reply reply = reply_of("STATUS", cases[i].args);
        imapc_mark_of(&mark, &reply);
        if (mark.validity != cases[i].validity || mark.next != cases[i].next ||
            strcmp(mark.mailbox, cases[i].mailbox) != 0) {
            fail_msg("%s: %u %u \"%s\"", cases[i].args, mark.validity, mark.next, mark.mailbox);
        }
    }
}

/* The same of what SELECT and EXAMINE say, a code at a time. Another numbering makes what was known void. */
static void the_mark_in_codes(void **state)
{
    (void)state;
    static const struct {
        const char *code, *args;
        uint32_t validity, next;
    } steps[] = {
        {"UIDVALIDITY", "7", 7, 0},        {"UIDNEXT", "5", 7, 5},
        {"UIDVALIDITY", "7", 7, 5},        {"UIDNEXT", "x", 7, 5},
        {"UIDNEXT", "4294967296", 7, 5},   {"UIDVALIDITY", "4294967296", 7, 5},
        {"PERMANENTFLAGS", "(\\*)", 7, 5}, {"UIDVALIDITY", "8", 8, 0},
    };
    struct doubt_mark mark = {0};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct imap_reply reply = {
            .name = bytes_of("OK"), .code = bytes_of(steps[i].code), .code_args = bytes_of(steps[i].args)};
        imapc_mark_of(&mark, &reply);
        assert_int_equal(mark.validity, steps[i].validity);
        assert_int_equal(mark.next, steps[i].next);
    }
    struct imap_reply id = {.name = bytes_of("OK"), .code = bytes_of("MAILBOXID"), .code_args = bytes_of("(x y)")};
    imapc_mark_of(&mark, &id);
    assert_string_equal(mark.mailbox, "");
    id.code_args = bytes_of("(");
    imapc_mark_of(&mark, &id);
    assert_string_equal(mark.mailbox, "(");
    id.code_args = bytes_of("(xy)");
    imapc_mark_of(&mark, &id);
    assert_string_equal(mark.mailbox, "xy");
    char longer[sizeof mark.mailbox + 1];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    id.code_args = bytes_of(longer);
    imapc_mark_of(&mark, &id);
    assert_string_equal(mark.mailbox, "xy");
}

/* FETCH: what is looked for, by UID and header field, in any order. */
static void a_message_that_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        uint32_t uid;
        const char *fields; /* NULL: none were shown */
    } cases[] = {
        {"(UID 4 BODY[HEADER.FIELDS (X)] \"X: 1\")", 4, "X: 1"},
        {"(body[header.fields (X)] \"X: 1\" uid 4)", 4, "X: 1"},
        {"(FLAGS (\\Seen) UID 4 BODY[] \"\")", 4, ""},
        {"(UID 4 BODY[] NIL)", 4, NULL},
        {"(UID 4)", 4, NULL},
        {"(UID 4294967296 BODY[] \"X\")", 0, "X"},
        {"(UID four BODY[] \"X\")", 0, "X"},
        {"(BODY[] \"X\")", 0, "X"},
        {"(BODY[] \"X\" UID", 0, "X"},
        {"(BODY[] \"X\" UID (", 0, NULL},
        {"(7 UID 4)", 0, NULL},
        {"(UID \"4", 0, NULL},
        {"(\"UID", 0, NULL},
        {"\"(UID", 0, NULL},
        {"UID 4", 0, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes fields;
        uint32_t uid;
        bool is_nil;
        imapc_locate_pairs(bytes_of(cases[i].args), &uid, &fields, &is_nil);
        assert_int_equal(is_nil, strstr(cases[i].args, "NIL") != NULL);
        bool same =
            cases[i].fields == NULL ? fields.ptr == NULL : fields.ptr != NULL && bytes_is(fields, cases[i].fields);
        if (uid != cases[i].uid || !same) {
            fail_msg("%s: %u \"%.*s\"", cases[i].args, uid, (int)fields.len, (const char *)fields.ptr);
        }
    }
}

static void rights(void **state)
{
    (void)state;
    static const struct {
        const char *name, *args, *rights; /* NULL: it says nothing of them */
    } cases[] = {
        {"MYRIGHTS", "INBOX lrswi", "lrswi"}, {"myrights", "\"a b\" \"lr\"", "lr"}, {"MYRIGHTS", "INBOX \"\"", ""},
        {"MYRIGHTS", "INBOX (l r)", NULL},    {"MYRIGHTS", "INBOX", NULL},          {"MYRIGHTS", "", NULL},
        {"MYRIGHTS", "INBOX \"l", NULL},      {"MYRIGHTS", "\"INBOX lr", NULL},     {"ACL", "INBOX lrswi", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes rights = {NULL, 0};
        struct imap_reply reply = reply_of(cases[i].name, cases[i].args);
        assert_int_equal(imapc_rights_of(&reply, &rights), cases[i].rights != NULL);
        assert_true(cases[i].rights == NULL || bytes_is(rights, cases[i].rights));
    }
}

static void note_resource(void *ctx, enum imapc_resource resource, uint64_t used, uint64_t limit)
{
    struct buf *out = ctx;
    buf_printf(out, "%s %llu/%llu ", resource == IMAPC_RESOURCE_OCTETS ? "octets" : "messages",
               (unsigned long long)used, (unsigned long long)limit);
}

static void quotas(void **state)
{
    (void)state;
    static const struct {
        const char *name, *args, *heard;
    } cases[] = {
        {"QUOTA", "\"\" (STORAGE 10 512)", "octets 10240/524288 "},
        {"quota", "root (MESSAGE 2 100 storage 1 2)", "messages 2/100 octets 1024/2048 "},
        {"QUOTA", "root (X-OTHER 1 2 MESSAGE 3 4)", "messages 3/4 "},
        {"QUOTA", "root (STORAGE 18446744073709551615 18446744073709551615)",
         "octets 18446744073709551615/18446744073709551615 "},
        {"QUOTA", "root (MESSAGE 2)", ""},
        {"QUOTA", "root (MESSAGE 2 many)", ""},
        {"QUOTA", "root (MESSAGE \"2\" 3)", ""},
        {"QUOTA", "root (MESSAGE", ""},
        {"QUOTA", "root (\"MESSAGE\" 2 3)", ""},
        {"QUOTA", "root ()", ""},
        {"QUOTA", "root MESSAGE 2 3", ""},
        {"QUOTA", "root", ""},
        {"QUOTA", "", ""},
        {"QUOTA", "\"root (MESSAGE 2 3)", ""},
        {"QUOTA", "root \"(MESSAGE 2 3)", ""},
        {"QUOTA", "root (\"MESSAGE 2 3)", ""},
        {"QUOTA", "root (MESSAGE \"2 3)", ""},
        {"QUOTA", "root (MESSAGE 2 \"3)", ""},
        {"QUOTAROOT", "INBOX root", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf heard;
        struct imap_reply reply = reply_of(cases[i].name, cases[i].args);
        buf_init(&heard, 200);
        imapc_quota_of(&reply, note_resource, &heard);
        assert_string_equal(buf_text(&heard), cases[i].heard);
        buf_done(&heard);
    }
}

/* ---- in a session ---- */

static struct imapc_engine *engine;
static struct imapc_habits habits;
static char said[300];        /* the last that went out */
static struct fault ended_by; /* why it closed */

static enum imapc_want hear(const char *text)
{
    struct bytes input = bytes_of(text);
    enum imapc_want want = IMAPC_WANT_RESULT;
    while (want != IMAPC_WANT_INPUT && want != IMAPC_WANT_CLOSE && want != IMAPC_WANT_SASL) {
        struct imapc_request request;
        size_t used;
        want = imapc_engine_step(engine, 0, input, &used, &request);
        input = bytes_from(input, used);
        struct buf *output = imapc_engine_output(engine);
        if (output->len > 0) {
            snprintf(said, sizeof said, "%s", buf_text(output));
        }
        buf_clear(output);
        if (want == IMAPC_WANT_CLOSE) {
            ended_by = *request.fault;
        }
    }
    return want;
}

static struct imapc_engine_options options_of(const char *user, const char *password, enum imapc_mechanism mechanism)
{
    imapc_habits_init(&habits);
    said[0] = '\0';
    ended_by = FAULT_INIT;
    return (struct imapc_engine_options){.tls = true,
                                         .username = user,
                                         .password = password,
                                         .mechanism = mechanism,
                                         .habits = &habits,
                                         .greeting_timeout_ms = 1000,
                                         .command_timeout_ms = 1000};
}

static void log_in(const char *capabilities)
{
    char text[200];
    const struct imapc_engine_options options = options_of("u", "p", IMAPC_AUTH_AUTO);
    engine = imapc_engine_new(&options, 0);
    hear("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n");
    snprintf(text, sizeof text, "AAAAAA1 OK [CAPABILITY IMAP4rev1 %s] in\r\n", capabilities);
    hear(text);
}

/* NAMESPACE (RFC 2342): of what is not whole, what came before counts; without a personal one the first place is kept for it. */
static void namespaces(void **state)
{
    (void)state;
    static const struct {
        const char *args, *heard;
    } cases[] = {
        {"((\"\" \"/\")) NIL NIL", "[ /]"},
        {"((\"INBOX.\" \".\")) ((\"~\" \"/\")) ((\"#pub/\" \"/\"))", "[INBOX. .][~ /][#pub/ /]"},
        {"((\"\" \"\\\\\")) NIL NIL", "[ \\]"},
        {"((\"\" \"/\" \"X-PARAM\" (\"a\" \"b\"))(\"#mh/\" \"/\")) NIL NIL", "[ /][#mh/ /]"},
        {"((\"flat\" NIL)) NIL NIL", "[flat 0]"},
        {"((\"two\" \"//\")) NIL NIL", "[two 0]"},
        {"NIL ((\"~\" \"%\")) NIL", "[ /][~ %]"},
        {"((\"a\" \"/\")) ((\"b\"", "[a /][b 0]"},
        {"((\"a\" \"/\") (\"b\" \"/\" (\"c\"", "[a /][b /]"},
        {"((\"a\" \"/\") NIL) NIL NIL", "[a /]"},
        {"((\"a\\001\" \"/\")) NIL NIL", "[a001 /]"},
        {"\"x\"", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[300];
        struct buf heard;
        buf_init(&heard, 500);
        log_in("NAMESPACE");
        snprintf(line, sizeof line, "* NAMESPACE %s\r\nAAAAAA2 OK\r\n", cases[i].args);
        hear(line);
        const struct imap_namespaces *spaces = imapc_engine_namespaces(engine);
        for (size_t k = 0; k < spaces->count; k++) {
            char delimiter = spaces->items[k].delimiter;
            buf_printf(&heard, "[%s %c]", spaces->items[k].prefix, delimiter == '\0' ? '0' : delimiter);
        }
        if (strcmp(buf_text(&heard), cases[i].heard) != 0) {
            fail_msg("%s: %s", cases[i].args, buf_text(&heard));
        }
        buf_done(&heard);
        imapc_engine_free(&engine);
    }
    imapc_engine_free(&engine);
}

/* As many as there is room for, and no prefix that is longer than any. */
static void too_many_namespaces(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, 20000);
    buf_append_text(&line, "* NAMESPACE ((\"");
    for (size_t i = 0; i < 2 * IMAP_NAME_MAX; i++) {
        buf_append_octet(&line, 'x');
    }
    buf_append_text(&line, "\" \"/\")");
    for (int i = 0; i < 2 * IMAP_NAMESPACES_MAX; i++) {
        buf_printf(&line, "(\"n%d/\" \"/\")", i);
    }
    buf_append_text(&line, ") NIL NIL\r\nAAAAAA2 OK\r\n");
    assert_false(line.full);
    log_in("NAMESPACE");
    hear(buf_text(&line));
    const struct imap_namespaces *spaces = imapc_engine_namespaces(engine);
    assert_int_equal(spaces->count, IMAP_NAMESPACES_MAX);
    assert_string_equal(spaces->items[0].prefix, "n0/");
    buf_done(&line);
    imapc_engine_free(&engine);
}

/* What goes out for a login, or why none does. */
static void logins(void **state)
{
    (void)state;
    static char longer[20000];
    memset(longer, 'x', sizeof longer - 1);
    const struct {
        const char *user, *password, *offers, *says, *code;
        enum imapc_mechanism mechanism;
    } cases[] = {
        {"", "", "AUTH=EXTERNAL SASL-IR", "AAAAAA1 AUTHENTICATE EXTERNAL =\r\n", "", IMAPC_AUTH_EXTERNAL},
        {"relay", "", "AUTH=EXTERNAL SASL-IR", "AAAAAA1 AUTHENTICATE EXTERNAL cmVsYXk=\r\n", "", IMAPC_AUTH_EXTERNAL},
        {"u", longer, "AUTH=PLAIN SASL-IR", "", "credentials", IMAPC_AUTH_AUTO},
        {"u", "p", "LOGINDISABLED", "AAAAAA1 CAPABILITY\r\n", "", IMAPC_AUTH_LOGIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        const struct imapc_engine_options options = options_of(cases[i].user, cases[i].password, cases[i].mechanism);
        engine = imapc_engine_new(&options, 0);
        snprintf(text, sizeof text, "* OK [CAPABILITY IMAP4rev1 %s] hello\r\n", cases[i].offers);
        hear(text);
        assert_string_equal(said, cases[i].says);
        assert_string_equal(ended_by.code, cases[i].code);
        imapc_engine_free(&engine);
    }
    const struct imapc_engine_options options = options_of("u", "p", IMAPC_AUTH_LOGIN);
    engine = imapc_engine_new(&options, 0);
    hear("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello\r\n");
    hear("* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nAAAAAA1 OK\r\n");
    assert_string_equal(ended_by.code, "authentication");
    assert_non_null(strstr(ended_by.text, "does not offer AUTH=PLAIN, nor LOGIN"));
    imapc_engine_free(&engine);
}

/* Where an account has once logged in without showing its password, it is not shown to a server that offers only that. */
static void a_password_is_not_shown_instead(void **state)
{
    (void)state;
    const struct imapc_engine_options options = options_of("u", "p", IMAPC_AUTH_AUTO);
    habits.mechanism = IMAPC_AUTH_SCRAM_SHA_256;
    engine = imapc_engine_new(&options, 0);
    hear("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN] hello\r\n");
    assert_string_equal(said, "AAAAAA1 CAPABILITY\r\n"); /* the first list may have been a short one */
    hear("* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN\r\nAAAAAA1 OK\r\n");
    assert_string_equal(said, "AAAAAA1 CAPABILITY\r\n");
    assert_string_equal(ended_by.code, "authentication");
    assert_non_null(strstr(ended_by.text, "SCRAM-SHA-256, which this account has used to log in before"));
    imapc_engine_free(&engine);
}

/* Who works out a proof may not be able to, or may come too late. */
static void a_proof_that_fails(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_PERM, "scram", "scram", "the server's nonce is not ours");
    static const char *const codes[] = {"scram", "connection-lost", "connection-lost", "protocol"};
    const struct fault none = FAULT_INIT;
    for (int i = 0; i < 4; i++) {
        const struct imapc_engine_options options = options_of("u", "p", IMAPC_AUTH_SCRAM_SHA_256);
        engine = imapc_engine_new(&options, 0);
        hear("* OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256] hello\r\n");
        assert_string_equal(said, "AAAAAA1 AUTHENTICATE SCRAM-SHA-256\r\n");
        assert_int_equal(hear("+ \r\n"), IMAPC_WANT_SASL);
        if (i == 0) {
            imapc_engine_sasl(engine, 0, bytes_of(""), &fault);
        } else if (i < 3) { /* the connection is gone before the proof comes */
            imapc_engine_lost(engine, i == 1 ? NULL : &none);
            imapc_engine_sasl(engine, 0, bytes_of("biws"), NULL);
        }
        assert_int_equal(hear(i == 3 ? "+ \r\n" : ""), IMAPC_WANT_CLOSE); /* 3: asks again, and has not been answered */
        assert_string_equal(ended_by.code, codes[i]);
        imapc_engine_lost(engine, NULL); /* as whoever closes it may say */
        imapc_engine_free(&engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mark_of_a_folder),
        cmocka_unit_test(the_mark_in_codes),
        cmocka_unit_test(a_message_that_is_shown),
        cmocka_unit_test(rights),
        cmocka_unit_test(quotas),
        cmocka_unit_test(namespaces),
        cmocka_unit_test(too_many_namespaces),
        cmocka_unit_test(logins),
        cmocka_unit_test(a_proof_that_fails),
        cmocka_unit_test(a_password_is_not_shown_instead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
