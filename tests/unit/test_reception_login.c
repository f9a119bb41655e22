/* reception_login and reception_users: each mechanism against users made by reception_users_make(), with libgsasl as the client of SCRAM. */
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_loop.h"
#include "reception/reception_login.h"

#include "test.h" /* behind the rest: cmocka has a macro of the name expect_memory */

#define DEADLINE_MS 60000

static struct world {
    struct net_loop *loop;
    struct net_timer *deadline;
    struct reception_logins *logins;
    struct reception_users *users;
    struct reception_login *login;
    int kind; /* of the last answer */
    char user[64];
    struct buf challenge;
    uint64_t delay;
    bool answered, timed_out;
} w;

static void on_answer(void *ctx, const struct smtpd_auth_answer *answer)
{
    (void)ctx;
    w.answered = true;
    w.kind = (int)answer->kind;
    w.delay = answer->delay_ms;
    buf_clear(&w.challenge);
    buf_append_bytes(&w.challenge, answer->challenge);
    if (answer->kind == SMTPD_AUTH_OK) {
        snprintf(w.user, sizeof w.user, "%s", answer->user);
    }
    net_loop_stop(w.loop);
}

static void on_deadline(void *ctx)
{
    (void)ctx;
    w.timed_out = true;
    net_loop_stop(w.loop);
}

static int step(struct bytes data, bool has_data)
{
    w.answered = false;
    reception_login_step(w.login, data, has_data);
    assert_false(w.answered); /* never from inside the call */
    net_timer_start(w.deadline, DEADLINE_MS);
    net_loop_run(w.loop);
    assert_false(w.timed_out);
    return w.kind;
}

static void begin(enum smtpd_mechanism mechanism, struct bytes binding)
{
    reception_login_free(&w.login);
    w.login = reception_login_new(w.logins, w.users, mechanism, "192.0.2.1", binding, on_answer, NULL);
}

static int set_up(void **state)
{
    char hash[RECEPTION_HASH_MAX], scram[RECEPTION_HASH_MAX], text[4096];
    struct problems *problems = problems_new();
    (void)state;
    memset(&w, 0, sizeof w);
    buf_init(&w.challenge, 4096);
    w.loop = net_loop_new();
    w.deadline = net_timer_new(w.loop, on_deadline, NULL);
    w.logins = reception_logins_new(w.loop);
    assert_int_equal(reception_users_make("secret", hash, scram, NULL), 0);
    snprintf(
        text, sizeof text,
        "{\"users\": {\"app\": {\"password\": \"%s\", \"scram\": \"%s\", \"senders\": [\"*@a.example\"]},"
        " \"old\": {\"password\": \"%s\"}, \"gone\": {\"password\": \"%s\", \"scram\": \"%s\", \"disabled\": true}}}",
        hash, scram, hash, hash, scram);
    w.users = reception_users_parse("users.json", bytes_of(text), problems);
    assert_non_null(w.users);
    problems_free(&problems);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    reception_login_free(&w.login);
    reception_logins_free(&w.logins);
    reception_users_free(&w.users);
    net_timer_free(&w.deadline);
    net_loop_free(&w.loop);
    buf_done(&w.challenge);
    return 0;
}

static const struct {
    const char *data;
    size_t len;
    int kind;
} plain[] = {
    {"\0app\0secret", 11, SMTPD_AUTH_OK},
    {"app\0app\0secret", 14, SMTPD_AUTH_OK},
    {"\0old\0secret", 11, SMTPD_AUTH_OK},
    {"\0app\0Secret", 11, SMTPD_AUTH_FAILED},
    {"\0app\0secret\0", 12, SMTPD_AUTH_FAILED},
    {"\0app\0", 5, SMTPD_AUTH_FAILED},
    {"\0nobody\0secret", 14, SMTPD_AUTH_FAILED},
    {"\0gone\0secret", 12, SMTPD_AUTH_FAILED},
    {"other\0app\0secret", 16, SMTPD_AUTH_FAILED},
    {"\0*)(uid=*\0secret", 16, SMTPD_AUTH_FAILED},
    {"\0' OR 1=1--\0secret", 18, SMTPD_AUTH_FAILED},
    {"\0\0", 2, SMTPD_AUTH_FAILED},
    {"\0\0\0\0\0", 5, SMTPD_AUTH_FAILED},
    {"app", 3, SMTPD_AUTH_FAILED},
    {"", 0, SMTPD_AUTH_FAILED},
};

static void plain_takes_the_right_password_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        begin(SMTPD_MECHANISM_PLAIN, bytes_of(NULL));
        if (step(bytes_at(plain[i].data, plain[i].len), true) != plain[i].kind) {
            fail_msg("case %zu: %d", i, w.kind);
        }
    }
    begin(SMTPD_MECHANISM_PLAIN, bytes_of(NULL));
    assert_int_equal(step(bytes_of(""), false), SMTPD_AUTH_CHALLENGE);
    assert_int_equal(w.challenge.len, 0);
    assert_int_equal(step(bytes_at("\0app\0secret", 11), true), SMTPD_AUTH_OK);
    assert_string_equal(w.user, "app");
}

static void login_asks_twice(void **state)
{
    (void)state;
    begin(SMTPD_MECHANISM_LOGIN, bytes_of(NULL));
    assert_int_equal(step(bytes_of(""), false), SMTPD_AUTH_CHALLENGE);
    assert_string_equal(buf_text(&w.challenge), "Username:");
    assert_int_equal(step(bytes_of("app"), true), SMTPD_AUTH_CHALLENGE);
    assert_string_equal(buf_text(&w.challenge), "Password:");
    assert_int_equal(step(bytes_of("secret"), true), SMTPD_AUTH_OK);
    begin(SMTPD_MECHANISM_LOGIN, bytes_of(NULL));
    assert_int_equal(step(bytes_of("nobody"), true), SMTPD_AUTH_CHALLENGE);
    assert_string_equal(buf_text(&w.challenge), "Password:");
    assert_int_equal(step(bytes_of("secret"), true), SMTPD_AUTH_FAILED);
}

/* ---- SCRAM with libgsasl on the other side ---- */

static const char *the_binding; /* base64, of the client */

static int on_client_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    (void)gsasl;
    if (property == GSASL_CB_TLS_EXPORTER && the_binding != NULL) {
        gsasl_property_set(session, property, the_binding);
        return GSASL_OK;
    }
    return GSASL_NO_CALLBACK;
}

/* Runs the whole exchange; how it ended. */
static int run_scram(const char *name, enum smtpd_mechanism mechanism, const char *user, const char *password,
                     struct bytes binding)
{
    Gsasl *gsasl;
    Gsasl_session *client;
    char *out = NULL;
    size_t out_len = 0;
    assert_int_equal(gsasl_init(&gsasl), GSASL_OK);
    gsasl_callback_set(gsasl, on_client_property);
    assert_int_equal(gsasl_client_start(gsasl, name, &client), GSASL_OK);
    gsasl_property_set(client, GSASL_AUTHID, user);
    gsasl_property_set(client, GSASL_PASSWORD, password);
    begin(mechanism, binding);
    int result = gsasl_step(client, NULL, 0, &out, &out_len);
    assert_int_equal(result, GSASL_NEEDS_MORE);
    int kind = step(bytes_at(out, out_len), true);
    while (kind == SMTPD_AUTH_CHALLENGE) {
        gsasl_free(out);
        out = NULL;
        struct bytes challenge = buf_bytes(&w.challenge);
        result = gsasl_step(client, (const char *)challenge.ptr, challenge.len, &out, &out_len);
        assert_true(result == GSASL_OK || result == GSASL_NEEDS_MORE);
        kind = step(bytes_at(out, out_len), true);
    }
    gsasl_free(out);
    gsasl_finish(client);
    gsasl_done(gsasl);
    return kind;
}

static void scram_works_with_another_implementation(void **state)
{
    (void)state;
    assert_int_equal(run_scram("SCRAM-SHA-256", SMTPD_MECHANISM_SCRAM, "app", "secret", bytes_of(NULL)), SMTPD_AUTH_OK);
    assert_string_equal(w.user, "app");
    assert_int_equal(run_scram("SCRAM-SHA-256", SMTPD_MECHANISM_SCRAM, "app", "wrong", bytes_of(NULL)),
                     SMTPD_AUTH_FAILED);
    assert_int_equal(run_scram("SCRAM-SHA-256", SMTPD_MECHANISM_SCRAM, "nobody", "secret", bytes_of(NULL)),
                     SMTPD_AUTH_FAILED);
    assert_int_equal(run_scram("SCRAM-SHA-256", SMTPD_MECHANISM_SCRAM, "gone", "secret", bytes_of(NULL)),
                     SMTPD_AUTH_FAILED);
    assert_int_equal(run_scram("SCRAM-SHA-256", SMTPD_MECHANISM_SCRAM, "old", "secret", bytes_of(NULL)),
                     SMTPD_AUTH_FAILED);
}

static void scram_plus_binds_to_the_channel(void **state)
{
    uint8_t binding[32] = {1, 2, 3};
    (void)state;
    the_binding = "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_int_equal(
        run_scram("SCRAM-SHA-256-PLUS", SMTPD_MECHANISM_SCRAM_PLUS, "app", "secret", bytes_at(binding, 32)),
        SMTPD_AUTH_OK);
    binding[0] = 9; /* somebody is in the middle */
    assert_int_equal(
        run_scram("SCRAM-SHA-256-PLUS", SMTPD_MECHANISM_SCRAM_PLUS, "app", "secret", bytes_at(binding, 32)),
        SMTPD_AUTH_FAILED);
    the_binding = NULL;
}

static void broken_scram_fails(void **state)
{
    /* The last two name nobody once they are prepared (RFC 4013 section 2.1): a leak of libgsasl, which AddressSanitizer's build sees. */
    static const char *const first[] = {"",
                                        "n",
                                        "n,,",
                                        "n,,n=,r=",
                                        "y,,n=app",
                                        "p=tls-exporter,,n=app,r=x",
                                        "n,,n=\xEF\xBB\xBF,r=x",
                                        "n,a=app,n=\xC2\xAD,r=x"};
    (void)state;
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        begin(SMTPD_MECHANISM_SCRAM, bytes_of(NULL));
        if (step(bytes_of(first[i]), true) != SMTPD_AUTH_FAILED) {
            fail_msg("\"%s\": %d", first[i], w.kind);
        }
    }
    begin(SMTPD_MECHANISM_SCRAM, bytes_of(NULL));
    assert_int_equal(step(bytes_of("n,,n=app,r=abc"), true), SMTPD_AUTH_CHALLENGE);
    assert_int_equal(step(bytes_of("c=biws,r=abc,p=AAAA"), true), SMTPD_AUTH_FAILED);
}

static void failures_slow_down_and_block(void **state)
{
    static const uint64_t delays[] = {1000, 2000, 4000, 8000, 8000};
    (void)state;
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        begin(SMTPD_MECHANISM_PLAIN, bytes_of(NULL));
        assert_int_equal(step(bytes_of("x"), true), SMTPD_AUTH_FAILED);
        assert_int_equal(w.delay, delays[i]);
    }
    assert_true(reception_logins_blocked(w.logins, "192.0.2.1", 5));
    assert_false(reception_logins_blocked(w.logins, "192.0.2.1", 6));
    assert_false(reception_logins_blocked(w.logins, "192.0.2.2", 1));
}

static void a_login_that_is_given_up_is_never_answered(void **state)
{
    (void)state;
    begin(SMTPD_MECHANISM_PLAIN, bytes_of(NULL));
    w.answered = false;
    reception_login_step(w.login, bytes_at("\0app\0secret", 11), true);
    reception_login_free(&w.login);
    begin(SMTPD_MECHANISM_LOGIN, bytes_of(NULL));
    reception_login_step(w.login, bytes_of(""), false);
    reception_login_free(&w.login);
    reception_logins_free(&w.logins);
    assert_false(w.answered);
}

static const char *const bad_files[] = {
    "[]",
    "{}",
    "{\"users\": []}",
    "{\"users\": {}, \"more\": 1}",
    "{\"users\": {\"a\": 1}}",
    "{\"users\": {\"a\": {\"password\": \"secret\"}}}",
    "{\"users\": {\"a\": {\"password\": \"$9$x\"}}}",
    "{\"users\": {\"a\": {\"password\": 1}}}",
    "{\"users\": {\"\": {}}}",
    "{\"users\": {\"a\\n\": {}}}",
    "{\"users\": {\"a\": {\"scram\": \"x\"}}}",
    "{\"users\": {\"a\": {\"scram\": \"{SCRAM-SHA-256}4096,AA==,AA==,AA==\"}}}",
    "{\"users\": {\"a\": {\"scram\": \"{SCRAM-SHA-256}0,AA==,AA==,AA==\"}}}",
    "{\"users\": {\"a\": {\"sender\": []}}}",
    "{\"users\": {\"a\": {\"senders\": \"x\"}}}",
    "{\"users\": {\"a\": {\"senders\": [1]}}}",
    "{\"users\": {\"a\": {}, \"a\": {}}}",
};

static void wrong_files_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        struct problems *problems = problems_new();
        if (reception_users_parse("users.json", bytes_of(bad_files[i]), problems) != NULL) {
            fail_msg("%s", bad_files[i]);
        }
        assert_true(problems_errors(problems) > 0);
        problems_free(&problems);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(plain_takes_the_right_password_only),
        TEST(login_asks_twice),
        TEST(scram_works_with_another_implementation),
        TEST(scram_plus_binds_to_the_channel),
        TEST(broken_scram_fails),
        TEST(failures_slow_down_and_block),
        TEST(a_login_that_is_given_up_is_never_answered),
        TEST(wrong_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
