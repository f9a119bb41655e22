/* upstream_token, upstream_grant, upstream_assertion: what commands print, files, when a token is fresh, where secrets may go. */
#include "test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "upstream/upstream_assertion.h"
#include "upstream/upstream_grant.h"
#include "upstream/upstream_token.h"

static char directory[] = "/tmp/mailweir-token-XXXXXX";

struct heard {
    struct net_loop *loop;
    struct fault fault;
    unsigned calls;
};

static void on_done(void *ctx, const struct fault *fault)
{
    struct heard *heard = ctx;
    heard->calls++;
    heard->fault = fault != NULL ? *fault : FAULT_INIT;
    net_loop_stop(heard->loop);
}

static const char *write_file(const char *name, const char *text, mode_t mode)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void fetch(struct heard *heard, struct upstream_token *token)
{
    heard->calls = 0;
    assert_true(upstream_token_fetch(token, on_done, heard));
    assert_false(upstream_token_fetch(token, on_done, heard)); /* one at a time */
    assert_int_equal(heard->calls, 0);
    net_loop_run(heard->loop);
    assert_int_equal(heard->calls, 1);
}

/* ---- what a command prints ---- */

static const struct {
    const char *output;
    const char *token; /* NULL: refused */
    uint64_t lifetime_s;
    const char *words; /* of the fault */
} outputs[] = {
    {"abc.def-_~+/=\n", "abc.def-_~+/=", 90, NULL},
    {"  abc\r\n\n", "abc", 90, NULL},
    {"{\"access_token\":\"abc\",\"expires_in\":3600}", "abc", 3600, NULL},
    {"{\"access_token\":\"abc\",\"expires_in\":\"3599\",\"token_type\":\"Bearer\"}\n", "abc", 3599, NULL},
    {"{\"access_token\":\"abc\"}", "abc", 90, NULL},
    {"{\"access_token\":\"abc\",\"expires_in\":-5}", "abc", 90, NULL},
    {"{\"access_token\":\"abc\",\"expires_in\":99999999999}", "abc", 864000, NULL},
    {"", NULL, 0, "gave no token"},
    {"\n", NULL, 0, "gave no token"},
    {"secret two words", NULL, 0, "not a token"},
    {"secret\ntwo lines", NULL, 0, "not a token"},
    {"secret\x01", NULL, 0, "not a token"},
    {"secret\xc3\xa9", NULL, 0, "not a token"},
    {"{\"access_token\":\"secret\\u0001\"}", NULL, 0, "not a token"},
    {"{\"access_token\":\"\"}", NULL, 0, "gave no token"},
    {"{\"token\":\"secret\"}", NULL, 0, "without an \"access_token\""},
    {"{\"error\":\"expired_session\"}", NULL, 0, "expired_session"},
    {"{\"access_token\":\"secret\"", NULL, 0, "without an \"access_token\""},
};

static void reads_what_a_command_prints(void **state)
{
    static const char *const command[] = {"/bin/get", NULL};
    const struct upstream_token_options options = {.command = command, .lifetime_ms = 90000};
    (void)state;
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        struct upstream_grant grant = {.options = &options};
        buf_init(&grant.token, UPSTREAM_GRANT_TOKEN_MAX);
        upstream_grant_read(&grant, bytes_of(outputs[i].output));
        assert_int_equal(fault_is_set(&grant.fault), outputs[i].token == NULL);
        assert_string_equal(buf_text(&grant.token), outputs[i].token != NULL ? outputs[i].token : "");
        if (outputs[i].token != NULL) {
            assert_int_equal(grant.lifetime_s, outputs[i].lifetime_s);
        } else {
            assert_int_equal(grant.fault.class, FAULT_TEMP);
            assert_non_null(strstr(grant.fault.text, outputs[i].words));
            assert_non_null(strstr(grant.fault.text, "/bin/get"));
            assert_null(strstr(grant.fault.text, "secret"));
        }
        buf_wipe(&grant.token);
    }
}

static void too_long_a_token(void **state)
{
    static const char *const command[] = {"/bin/get", NULL};
    const struct upstream_token_options options = {.command = command, .lifetime_ms = 90000};
    struct upstream_grant grant = {.options = &options};
    char *text = calloc(1, UPSTREAM_GRANT_TOKEN_MAX + 2);
    (void)state;
    memset(text, 'x', UPSTREAM_GRANT_TOKEN_MAX + 1);
    buf_init(&grant.token, UPSTREAM_GRANT_TOKEN_MAX);
    upstream_grant_read(&grant, bytes_of(text));
    assert_non_null(strstr(grant.fault.text, "more than"));
    assert_int_equal(grant.token.len, 0);
    free(text);
    buf_wipe(&grant.token);
}

/* ---- when it is fresh ---- */

static void lives_as_long_as_it_says(void **state)
{
    struct heard heard = {.loop = net_loop_new()};
    const char *command[] = {
        write_file("get", "#!/bin/sh\necho '{\"access_token\":\"abc\",\"expires_in\":3600}'\n", 0700), NULL};
    struct upstream_token *token =
        upstream_token_new(heard.loop, &(struct upstream_token_options){.command = command, .timeout_ms = 10000});
    (void)state;
    assert_false(upstream_token_is_fresh(token));
    assert_true(upstream_token_expires_s(token) == INT64_MIN);
    assert_string_equal(upstream_token_text(token), "");
    fetch(&heard, token);
    assert_false(fault_is_set(&heard.fault));
    assert_string_equal(upstream_token_text(token), "abc");
    assert_true(upstream_token_is_fresh(token));
    assert_in_range(upstream_token_expires_s(token), 3590, 3600);
    upstream_token_spend(token, false); /* logged in with it */
    assert_true(upstream_token_is_fresh(token));
    write_file("get", "#!/bin/sh\necho no ticket >&2\nexit 1\n", 0700);
    upstream_token_spend(token, true); /* refused */
    assert_false(upstream_token_is_fresh(token));
    fetch(&heard, token);
    assert_string_equal(heard.fault.code, "child-status");
    assert_non_null(strstr(heard.fault.text, "no ticket"));
    assert_false(upstream_token_is_fresh(token));
    upstream_token_free(&token);
    net_loop_free(&heard.loop);
}

static void freed_while_the_command_runs(void **state)
{
    struct heard heard = {.loop = net_loop_new()};
    const char *command[] = {write_file("hang", "#!/bin/sh\nexec sleep 1000\n", 0700), NULL};
    struct upstream_token *token =
        upstream_token_new(heard.loop, &(struct upstream_token_options){.command = command, .timeout_ms = 100000});
    (void)state;
    assert_true(upstream_token_fetch(token, on_done, &heard));
    upstream_token_free(&token);
    net_loop_free(&heard.loop); /* hangs if the command were not ended */
    assert_int_equal(heard.calls, 0);
}

static void file_is_read_each_time(void **state)
{
    struct heard heard = {.loop = net_loop_new()};
    struct upstream_token_options options = {.file = write_file("file", "first\n", 0600)};
    struct upstream_token *token = upstream_token_new(heard.loop, &options);
    (void)state;
    fetch(&heard, token);
    assert_string_equal(upstream_token_text(token), "first");
    assert_true(upstream_token_is_fresh(token));
    assert_true(upstream_token_expires_s(token) == INT64_MIN); /* the file does not say */
    upstream_token_spend(token, false);
    assert_false(upstream_token_is_fresh(token));
    write_file("file", "  \n", 0600);
    fetch(&heard, token);
    assert_non_null(strstr(heard.fault.text, "gave no token"));
    write_file("file", "second", 0600);
    fetch(&heard, token);
    assert_string_equal(upstream_token_text(token), "second");
    upstream_token_free(&token);
    net_loop_free(&heard.loop);
}

/* ---- where secrets may go ---- */

static void secrets_go_where_they_may(void **state)
{
    static const char *const good[] = {"https://oauth2.googleapis.com/token", "http://127.0.0.1:8080/token",
                                       "http://127.0.0.1", "http://localhost/", "http://localhost:1"};
    static const char *const bad[] = {"http://example.net/",
                                      "http://127.0.0.1.example.net/",
                                      "http://127.0.0.1:80@example.net/",
                                      "http://localhost.example/",
                                      "http://127.0.0.10/",
                                      "ftp://127.0.0.1/",
                                      "https:/example.net",
                                      "",
                                      "http://127.0.0.1@example.net/"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(upstream_assertion_may_go_to(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(upstream_assertion_may_go_to(bad[i]));
    }
}

static void key_files_that_are_none(void **state)
{
    static const char *const cases[][2] = {
        {"", "has no \"client_email\""},
        {"[]", "has no \"client_email\""},
        {"{\"client_email\":\"a@b\"}", "has no \"private_key\""},
        {"{\"client_email\":\"a@b\",\"private_key\":\"secret\"}", "has no \"token_uri\""},
        {"{\"client_email\":\"a@b\",\"private_key\":\"secret\",\"token_uri\":\"http://example.net/\"}", "https://"},
        {"{\"client_email\":\"a@b\",\"private_key\":\"secret\",\"token_uri\":\"https://example.net/\"}", "is not PEM"},
    };
    const struct upstream_assertion_claims claims = {.subject = "user@example.net", .scope = "mail", .now_s = 1};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out, endpoint;
        struct fault fault = FAULT_INIT;
        buf_init(&out, 8192);
        buf_init(&endpoint, 8192);
        const char *path = write_file("key.json", cases[i][0], 0600);
        assert_int_equal(upstream_assertion_make(path, &claims, &out, &endpoint, &fault), -1);
        assert_string_equal(fault.code, "key-file");
        assert_non_null(strstr(fault.text, cases[i][1]));
        assert_non_null(strstr(fault.text, "key.json"));
        assert_null(strstr(fault.text, "secret"));
        assert_int_equal(out.len + endpoint.len, 0);
        buf_done(&out);
        buf_done(&endpoint);
    }
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_command_prints), cmocka_unit_test(too_long_a_token),
        cmocka_unit_test(lives_as_long_as_it_says),    cmocka_unit_test(freed_while_the_command_runs),
        cmocka_unit_test(file_is_read_each_time),      cmocka_unit_test(secrets_go_where_they_may),
        cmocka_unit_test(key_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
