/* config: what operators write, and what they are told when it is wrong: all of it at once, each with its place. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

static char folder[] = "/tmp/mailweir-test-XXXXXX";

#define LISTENER "{\"name\": \"in\", \"address\": \"127.0.0.1:2525\"}"
#define UPSTREAM                                                                                                       \
    "{\"address\": \"127.0.0.1:143\", \"tls\": {\"mode\": \"none\"}, \"auth\": {\"username\": \"u\", \"password\": "   \
    "\"p\"}}"
#define WHOLE(listener, upstream, rest)                                                                                \
    "{\"hostname\": \"gw.example\",\n \"listeners\": [" listener "],\n \"upstreams\": {\"corp\": " upstream "},\n"     \
    " \"spool\": {\"path\": \"spool\"},\n \"default\": {\"upstream\": \"corp\"}" rest "}\n"

static const char *write_file(const char *name, const char *text)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return path;
}

/* Loads the text as a configuration; the problems as they are printed go into problems_r. */
static struct config *load(const char *text, char problems_r[8000])
{
    struct problems *problems = problems_new();
    struct config *config = config_load(write_file("mailweir.json", text), problems);
    struct buf out;
    buf_init(&out, 7999);
    problems_print(problems, &out);
    snprintf(problems_r, 8000, "%s", buf_text(&out));
    buf_done(&out);
    problems_free(&problems);
    return config;
}

static void a_whole_configuration_loads(void **state)
{
    (void)state;
    char problems[8000];
    setenv("MAILWEIR_TEST_SECRET", "from the environment", 1);
    write_file("secret", "from a file\r\n");
    struct config *config = load(
        WHOLE("{\"name\": \"in\", \"address\": \"[::1]:2525\", \"allow\": [\"10.0.0.0/8\"], "
              "\"max_message_size\": \"1MiB\", \"timeouts\": {\"data\": \"7s\"}}",
              UPSTREAM ", \"two\": {\"address\": \"imap.example:993\", \"auth\": {\"username\": \"x\", "
                       "\"password\": {\"env\": \"MAILWEIR_TEST_SECRET\"}}}, \"three\": {\"address\": "
                       "\"imap.example:993\", \"auth\": {\"username\": \"x\", \"password\": {\"file\": \"secret\"}}}",
              ", \"log\": {\"level\": \"debug\"}, \"description\": \"any\", \"$schema\": \"x\""),
        problems);
    assert_string_equal(problems, "");
    assert_non_null(config);
    const struct config_listener *listener = config_listener_at(config, 0);
    assert_string_equal(listener->address.host, "::1");
    assert_int_equal(listener->max_message_size, 1 << 20);
    assert_int_equal(listener->data_timeout, 7000);
    assert_int_equal(listener->command_timeout, 300000);
    assert_int_equal(listener->max_recipients, 1000);
    assert_int_equal(config->upstreams.count, 3);
    assert_string_equal(config_upstream_at(config, 0)->password, "p");
    assert_string_equal(config_upstream_at(config, 1)->password, "from the environment");
    assert_int_equal(config_upstream_at(config, 1)->tls.mode, CONFIG_TLS_IMPLICIT);
    assert_string_equal(config_upstream_at(config, 2)->password, "from a file");
    assert_int_equal(config_upstream_at(config, 2)->retry_maximum, 900000);
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->shutdown_timeout, 25000);
    char spool[200];
    snprintf(spool, sizeof spool, "%s/spool", folder);
    assert_string_equal(config->spool_path, spool);
    config_free(&config);
}

struct wrong_case {
    const char *text;
    const char *said[3]; /* parts of the problems; NULL ends them */
};

static const struct wrong_case wrongs[] = {
    {"{\"hostname\": \"a\",}", {":1:"}},
    {"[]", {"expected an object"}},
    {"{}", {"\"hostname\" is missing", "\"listeners\" is missing", "\"upstreams\" is missing"}},
    {WHOLE("{\"name\": \"in\", \"adress\": \"127.0.0.1:25\"}", UPSTREAM, ""), {":2:", "adress", "address"}},
    {WHOLE("{\"name\": \"in\", \"address\": \"127.0.0.1\"}", UPSTREAM, ""), {"/listeners/0/address"}},
    {WHOLE("{\"name\": \"in\", \"address\": \"h:1\", \"max_message_size\": \"25 megs\"}", UPSTREAM, ""),
     {"expected a size such as"}},
    {WHOLE("{\"name\": \"in\", \"address\": \"h:1\", \"max_recipients\": 0}", UPSTREAM, ""), {"must be at least 1"}},
    {WHOLE("{\"name\": \"in\", \"address\": \"h:1\", \"max_recipients\": \"many\"}", UPSTREAM, ""),
     {"expected a whole number"}},
    {WHOLE("{\"name\": \"in\", \"address\": \"h:1\", \"allow\": [\"10.1.0.0/8\"]}", UPSTREAM, ""),
     {"is not a network"}},
    {WHOLE("{\"name\": \"in\", \"address\": \"h:1\", \"tls\": {\"mode\": \"sometimes\"}}", UPSTREAM, ""),
     {"\"sometimes\" is not one of \"none\", \"starttls\", \"implicit\""}},
    {WHOLE("{\"name\": \"in\", \"address\": \"h:1\", \"tls\": {\"mode\": \"implicit\"}}", UPSTREAM, ""),
     {"TLS needs \"certificate\" and \"key\""}},
    {WHOLE("{\"name\": \"in\", \"address\": \"h:1\", \"tls\": {\"mode\": \"implicit\", \"certificate\": \"no.pem\", "
           "\"key\": \"no.key\"}}",
           UPSTREAM, ""),
     {"no.pem"}},
    {WHOLE(LISTENER ", " LISTENER, UPSTREAM, ""), {"/listeners/1/name", "another listener"}},
    {WHOLE(LISTENER,
           "{\"address\": \"imap.example:143\", \"tls\": {\"mode\": \"none\"}, \"auth\": {\"username\": \"u\", "
           "\"password\": \"p\"}}",
           ""),
     {":3:", "unencrypted", "\"insecure\": true"}},
    {WHOLE(LISTENER,
           "{\"address\": \"127.0.0.1:143\", \"tls\": {\"mode\": \"none\"}, \"auth\": {\"username\": \"u\", "
           "\"password\": {\"env\": \"MAILWEIR_NO_SUCH_VARIABLE\"}}}",
           ""),
     {"/upstreams/corp/auth/password", "MAILWEIR_NO_SUCH_VARIABLE"}},
    {WHOLE(LISTENER,
           "{\"address\": \"127.0.0.1:143\", \"tls\": {\"mode\": \"none\"}, \"auth\": {\"username\": \"u\", "
           "\"password\": {\"file\": \"no-such-file\"}}}",
           ""),
     {"cannot read the secret", "no-such-file"}},
    {WHOLE(LISTENER, UPSTREAM, ", \"rules\": [\"no-such-rules.json\"]"), {"no-such-rules.json", "cannot be read"}},
    {"{\"hostname\": \"gw\", \"listeners\": [" LISTENER "], \"upstreams\": {\"corp\": " UPSTREAM
     "}, \"spool\": {\"path\": \"s\"}, \"default\": {\"upstream\": \"crop\"}}",
     {"there is no upstream \"crop\""}},
    {"{\"hostname\": \"gw\", \"listeners\": [" LISTENER "], \"upstreams\": {\"corp\": " UPSTREAM
     "}, \"spool\": {\"path\": \"s\"}}",
     {"set where a message goes that no rule takes"}},
};

static void each_mistake_is_named_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        char problems[8000];
        struct config *config = load(wrongs[i].text, problems);
        if (config != NULL) {
            fail_msg("loaded: %s", wrongs[i].text);
        }
        for (size_t j = 0; j < 3 && wrongs[i].said[j] != NULL; j++) {
            if (strstr(problems, wrongs[i].said[j]) == NULL) {
                fail_msg("no \"%s\" in the problems:\n%s\nof %s", wrongs[i].said[j], problems, wrongs[i].text);
            }
        }
        assert_non_null(strstr(problems, ".json:"));
    }
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct problems *problems = problems_new();
    assert_null(config_load("/nonexistent/mailweir.json", problems));
    assert_int_equal(problems_errors(problems), 1);
    assert_string_equal(problems_at(problems, 0)->file, "/nonexistent/mailweir.json");
    problems_free(&problems);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *names[] = {"mailweir.json", "secret"};
    for (size_t i = 0; i < 2; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_loads),
        cmocka_unit_test(each_mistake_is_named_with_its_place),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
