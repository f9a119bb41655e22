/* config_check_start: what no start would survive is found before it: addresses taken twice, an impossible spool, an unknown user; and what is no door any
 * more, a certificate that has expired. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config.h"
#include "tls_fixture.h"

static char folder[] = "/tmp/mailweir-test-XXXXXX";
/* How the upstream logs in. */
static const char *auth = "\"username\": \"u\", \"password\": \"p\"";

/* Loads a configuration with these listeners and the rest; true when it is good. The problems as they are printed go into said_r. */
static bool load(const char *listeners, const char *spool, const char *rest, char said_r[4000])
{
    char path[200];
    snprintf(path, sizeof path, "%s/mailweir.json", folder);
    FILE *file = fopen(path, "w");
    fprintf(file,
            "{\"hostname\": \"gw.example\", \"listeners\": [%s], \"spool\": {\"path\": \"%s\"}, \"default\": "
            "{\"upstream\": \"corp\"},"
            "\"upstreams\": {\"corp\": {\"address\": \"127.0.0.1:143\", \"tls\": {\"mode\": \"none\"}, \"auth\": "
            "{%s}}}%s}",
            listeners, spool, auth, rest);
    fclose(file);
    struct problems *problems = problems_new();
    struct config *config = config_load(path, problems);
    struct buf out;
    buf_init(&out, 3999);
    problems_print(problems, &out);
    snprintf(said_r, 4000, "%s", buf_text(&out));
    buf_done(&out);
    problems_free(&problems);
    unlink(path);
    bool good = config != NULL;
    config_free(&config);
    return good;
}

static void addresses_that_cannot_both_be_had(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        bool collide;
    } pairs[] = {
        {"127.0.0.1:2525", "127.0.0.1:2525", true},  {"127.0.0.1:2525", "127.0.0.1:2526", false},
        {"127.0.0.1:2525", "127.0.0.2:2525", false}, {"0.0.0.0:2525", "127.0.0.1:2525", true},
        {"0.0.0.0:2525", "[::1]:2525", false},       {"[::]:2525", "127.0.0.1:2525", true},
        {"[::]:2525", "[::1]:2525", true},           {"0.0.0.0:2525", "[::]:2525", true},
        {"127.0.0.1:0", "127.0.0.1:0", false},       {"unix:/run/a", "unix:/run/a", true},
        {"unix:/run/a", "unix:/run/b", false},       {"inherited:a", "inherited:a", true},
        {"inherited:a", "unix:/run/a", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char listeners[300], said[4000];
        snprintf(listeners, sizeof listeners,
                 "{\"name\": \"one\", \"address\": \"%s\"}, {\"name\": \"two\", \"address\": \"%s\"}", pairs[i].one,
                 pairs[i].other);
        bool good = load(listeners, "/tmp/spool", "", said);
        if (good == pairs[i].collide ||
            (!good && strstr(said, "the listener \"one\" listens on this address already") == NULL)) {
            fail_msg("%s and %s: %s", pairs[i].one, pairs[i].other, said);
        }
        assert_true(good || strstr(said, "/listeners/1/address") != NULL);
    }
}

static void the_admin_server_has_an_address_of_its_own(void **state)
{
    (void)state;
    char said[4000];
    const char *admin = ", \"admin\": {\"address\": \"127.0.0.1:2525\", \"token\": \"0123456789abcdef\"}";
    assert_false(load("{\"name\": \"one\", \"address\": \"127.0.0.1:2525\"}", "/tmp/spool", admin, said));
    assert_non_null(strstr(said, "\"admin\" listens on this address as well"));
    assert_true(load("{\"name\": \"one\", \"address\": \"127.0.0.1:2526\"}", "/tmp/spool", admin, said));
}

#define LISTENER "{\"name\": \"one\", \"address\": \"127.0.0.1:2525\"}"

static void a_spool_that_cannot_be_made(void **state)
{
    (void)state;
    char said[4000];
    assert_false(load(LISTENER, "/etc/passwd", "", said));
    assert_non_null(strstr(said, "/etc/passwd is a file"));
    assert_non_null(strstr(said, "/spool/path"));
    assert_false(load(LISTENER, "/etc/passwd/below/it", "", said));
    assert_true(load(LISTENER, "/nowhere/at/all", "", said));
    assert_non_null(strstr(said, "warning: there is no folder to create the spool in"));
    assert_true(load(LISTENER, "/tmp/new-spool", "", said));
    assert_string_equal(said, "");
}

static void a_user_who_does_not_exist(void **state)
{
    (void)state;
    char said[4000];
    assert_false(load(LISTENER, "/tmp/spool", ", \"user\": \"nobody-of-that-name\"", said));
    assert_non_null(strstr(said, "\"nobody-of-that-name\": there is no such user"));
    assert_non_null(strstr(said, "/user"));
    assert_true(load(LISTENER, "/tmp/spool", ", \"user\": \"root\"", said));
    assert_true(load(LISTENER, "/tmp/spool", ", \"user\": \"4711:4711\"", said));
}

static void a_certificate_that_expires(void **state)
{
    (void)state;
    const struct {
        long days;
        const char *says;
    } cases[] = {{-2, "the certificate has expired"}, {3, "the certificate expires in 2 days"}, {60, NULL}};
    assert_non_null(mkdtemp(tls_directory));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char listener[700], said[4000];
        struct certificate made =
            make_certificate(&(struct certificate_options){.name = "own",
                                                           .san = "DNS:gw.example",
                                                           .valid_from = -90L * 86400,
                                                           .valid_to = cases[i].days * 86400 - 60});
        snprintf(listener, sizeof listener,
                 "{\"name\": \"one\", \"address\": \"127.0.0.1:2525\", \"tls\": {\"mode\": \"starttls\", "
                 "\"certificate\": \"%s\", "
                 "\"key\": \"%s\"}}",
                 made.certificate_path, made.key_path);
        assert_true(load(listener, "/tmp/spool", "", said));
        if (cases[i].says == NULL) {
            assert_string_equal(said, "");
        } else if (strstr(said, cases[i].says) == NULL || strstr(said, "/listeners/0/tls/certificate") == NULL) {
            fail_msg("%ld days: %s", cases[i].days, said);
        }
        unlink(made.certificate_path);
        unlink(made.key_path);
        free_certificate(&made);
    }
    rmdir(tls_directory);
}

/* A spool, a secret, a key, a token, and the configuration itself. */
static void what_any_user_may_read_or_change(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
        const char *says; /* NULL: nothing */
    } cases[] = {
        {"spool", 0700, NULL},
        {"spool", 0755, "any user of this machine may read what waits for delivery there; chmod o-r"},
        {"spool", 0703, "any user of this machine may put files there"},
        {"secret", 0600, NULL},
        {"secret", 0640, NULL},
        {"secret", 0644, "any user of this machine may read this file, which holds a secret; chmod o-r"},
        {"token", 0644, "any user of this machine may read this file, which holds a secret; chmod o-r"},
        {"token", 0602,
         "any user of this machine may change or replace this file, which controls the gateway; chmod o-w"},
        {"rules", 0644, NULL}, /* whoever may read rules learns no secret */
        {"rules", 0646,
         "any user of this machine may change or replace this file, which controls the gateway; chmod o-w"},
    };
    (void)state;
    char spool[100], secret[100], token[100], rules[100], rest[1000], said[4000];
    snprintf(spool, sizeof spool, "%s/spool", folder);
    snprintf(secret, sizeof secret, "%s/secret", folder);
    snprintf(token, sizeof token, "%s/token", folder);
    snprintf(rules, sizeof rules, "%s/rules", folder);
    snprintf(rest, sizeof rest,
             ", \"admin\": {\"token\": {\"file\": \"%s\"}}, \"rules\": [\"%s\"], \"dead_letters\": {\"upstream\": "
             "\"corp\"}",
             secret, rules);
    assert_int_equal(mkdir(spool, 0700) | chmod(folder, 0755), 0);
    const char *const files[][2] = {{secret, "0123456789abcdef"}, {token, "t"}, {rules, "{\"rules\": []}"}};
    for (size_t i = 0; i < 3; i++) {
        FILE *file = fopen(files[i][0], "w");
        fputs(files[i][1], file);
        fclose(file);
        assert_int_equal(chmod(files[i][0], 0600), 0);
    }
    mode_t before = umask(0077);
    auth = "\"username\": \"u\", \"token_file\": \"token\"";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", folder, cases[i].name);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        assert_true(load(LISTENER, spool, rest, said));
        if (cases[i].says == NULL ? said[0] != '\0'
                                  : strstr(said, cases[i].says) == NULL || strstr(said, path) == NULL) {
            fail_msg("%s with mode %o: %s", cases[i].name, (unsigned)cases[i].mode, said);
        }
        assert_int_equal(chmod(path, strcmp(path, spool) == 0 ? 0700 : 0600), 0);
    }
    /* The configuration holds no secret as long as it names where they are. */
    umask(0022);
    assert_true(load(LISTENER, spool, rest, said));
    assert_string_equal(said, "");
    auth = "\"username\": \"u\", \"password\": \"p\"";
    assert_true(load(LISTENER, spool, rest, said));
    assert_non_null(
        strstr(said, "mailweir.json: warning: any user of this machine may read this file, which holds a secret"));
    umask(before);
    assert_int_equal(rmdir(spool) | unlink(secret) | unlink(token) | unlink(rules) | chmod(folder, 0700), 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_cannot_both_be_had),
        cmocka_unit_test(the_admin_server_has_an_address_of_its_own),
        cmocka_unit_test(a_spool_that_cannot_be_made),
        cmocka_unit_test(a_user_who_does_not_exist),
        cmocka_unit_test(a_certificate_that_expires),
        cmocka_unit_test(what_any_user_may_read_or_change),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
