/* net_sign: RS256 signatures that OpenSSL verifies, and keys that are none. */
#include "test.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "net/net_sign.h"

#define TEXT "head.body"

/* The private key in PEM, into out. */
static void write_key(EVP_PKEY *key, struct buf *out, const char *pass_phrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    const EVP_CIPHER *cipher = pass_phrase != NULL ? EVP_aes_128_cbc() : NULL;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, cipher, NULL, 0, NULL, (void *)pass_phrase), 1);
    long len = BIO_get_mem_data(bio, &data);
    buf_clear(out);
    assert_int_equal(buf_append(out, data, (size_t)len), 0);
    BIO_free(bio);
}

static bool is_signature(EVP_PKEY *key, struct bytes text, struct bytes signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, signature.ptr, signature.len, text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static void signs(void **state)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    struct buf pem, out;
    struct fault fault = FAULT_INIT;
    (void)state;
    buf_init(&pem, 8192);
    buf_init(&out, 8192);
    write_key(key, &pem, NULL);
    assert_int_equal(net_sign_rs256(buf_bytes(&pem), bytes_of(TEXT), &out, &fault), 0);
    assert_false(fault_is_set(&fault));
    assert_int_equal(out.len, 256);
    assert_true(is_signature(key, bytes_of(TEXT), buf_bytes(&out)));
    assert_false(is_signature(key, bytes_of(TEXT "!"), buf_bytes(&out)));
    buf_done(&pem);
    buf_done(&out);
    EVP_PKEY_free(key);
}

static void check_refused(EVP_PKEY *key, const char *pass_phrase, size_t room, const char *words)
{
    struct buf pem, out;
    struct fault fault = FAULT_INIT;
    buf_init(&pem, 8192);
    buf_init(&out, room);
    if (key != NULL) {
        write_key(key, &pem, pass_phrase);
    } else {
        buf_append_text(&pem, "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n");
    }
    assert_int_equal(net_sign_rs256(buf_bytes(&pem), bytes_of(TEXT), &out, &fault), -1);
    assert_int_equal(fault.class, FAULT_LOCAL);
    assert_non_null(strstr(fault.text, words));
    assert_int_equal(out.len, 0);
    buf_done(&pem);
    buf_done(&out);
    EVP_PKEY_free(key);
}

static void refuses_what_is_no_key(void **state)
{
    (void)state;
    check_refused(NULL, NULL, 8192, "is not PEM");
    check_refused(EVP_RSA_gen(1024), NULL, 8192, "2048 bits");
    check_refused(EVP_EC_gen("P-256"), NULL, 8192, "must be an RSA key");
    check_refused(EVP_RSA_gen(2048), "pass phrase", 8192, "needs a pass phrase");
    check_refused(EVP_RSA_gen(2048), NULL, 100, "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs),
        cmocka_unit_test(refuses_what_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
