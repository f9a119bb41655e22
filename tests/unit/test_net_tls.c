/*
 * test_net_tls - settings that cannot work are refused when they are made, with the file's name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/net_tls.h"
#include "tls_fixture.h"

static struct certificate good, other, weak;

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(tls_directory));
    good = make_certificate(&(struct certificate_options){.name = "good"});
    other = make_certificate(&(struct certificate_options){.name = "other"});
    weak = make_certificate(&(struct certificate_options){.name = "weak", .is_weak = true});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free_certificate(&good);
    free_certificate(&other);
    free_certificate(&weak);
    return rmdir(tls_directory);
}

/* A key that asks for a pass phrase: nobody is there to type it. */
static void write_encrypted_key(char *path, size_t size)
{
    snprintf(path, size, "%s/encrypted.key", tls_directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, good.key, EVP_aes_128_cbc(), (unsigned char *)"secret", 6, NULL, NULL),
                     1);
    fclose(file);
}

static void faults_name_the_file(void **state)
{
    (void)state;
    char encrypted[128];
    write_encrypted_key(encrypted, sizeof encrypted);
    const struct {
        bool is_client;
        struct net_tls_options options;
        const char *says, *path;
    } cases[] = {
        {false, {.certificate = NULL}, "needs a certificate", ""},
        {false,
         {.certificate = "/nowhere.crt", .key = good.key_path},
         "certificate /nowhere.crt: No such file",
         "/nowhere.crt"},
        {false,
         {.certificate = good.certificate_path, .key = "/nowhere.key"},
         "key /nowhere.key: No such file",
         "/nowhere.key"},
        {false, {.certificate = good.certificate_path, .key = other.key_path}, "mismatch", other.key_path},
        {false, {.certificate = good.certificate_path, .key = encrypted}, "key", encrypted},
        {false, {.certificate = good.certificate_path}, "key", good.certificate_path},
        {false, {.certificate = good.key_path, .key = good.key_path}, "no start line", good.key_path},
        {false,
         {.certificate = weak.certificate_path, .key = weak.key_path},
         "ee key too small",
         weak.certificate_path},
        {true, {.ca_file = "/nowhere.pem", .server_name = "a"}, "CA file /nowhere.pem", "/nowhere.pem"},
        {true, {.ca_file = good.key_path, .server_name = "a"}, "CA file", good.key_path},
        {true, {.ca_file = good.certificate_path}, "needs the name", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_tls *tls = NULL;
        struct fault fault = FAULT_INIT;
        int result = cases[i].is_client ? net_tls_client_new(&tls, &cases[i].options, &fault)
                                        : net_tls_server_new(&tls, &cases[i].options, &fault);
        assert_int_equal(result, -1);
        assert_null(tls);
        assert_int_equal(fault.class, FAULT_LOCAL);
        if (strstr(fault.text, cases[i].says) == NULL || strstr(fault.text, cases[i].path) == NULL) {
            fail_msg("case %zu says: %s", i, fault.text);
        }
    }
    unlink(encrypted);
}

static void good_settings_are_made(void **state)
{
    (void)state;
    struct net_tls *tls;
    struct net_tls_options server = {.certificate = good.certificate_path, .key = good.key_path};
    assert_int_equal(net_tls_server_new(&tls, &server, NULL), 0);
    net_tls_free(&tls);
    assert_null(tls);
    net_tls_free(&tls);
    struct net_tls_options system_cas = {.server_name = "imap.example.net"};
    assert_int_equal(net_tls_client_new(&tls, &system_cas, NULL), 0);
    net_tls_free(&tls);
    struct net_tls_options insecure = {.insecure = true};
    assert_int_equal(net_tls_client_new(&tls, &insecure, NULL), 0);
    net_tls_free(&tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_name_the_file),
        cmocka_unit_test(good_settings_are_made),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
