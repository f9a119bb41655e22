/*
 * tls_fixture - certificates for tests, made on the spot in a directory of their own.
 */
#ifndef MAILWEIR_TESTS_TLS_FIXTURE_H
#define MAILWEIR_TESTS_TLS_FIXTURE_H

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
    char certificate_path[128], key_path[128];
};

struct certificate_options {
    const char *name;  /* of the files, and the common name */
    const char *san;   /* "DNS:a,IP:127.0.0.1"; NULL: none */
    const char *usage; /* extended key usage; NULL: none */
    long valid_from;   /* seconds from now */
    long valid_to;
    bool is_ca;
    bool is_weak;                     /* RSA of 1024 bits */
    const struct certificate *issuer; /* NULL: self-signed */
};

static char tls_directory[] = "/tmp/mailweir-tls-XXXXXX";

static inline void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

static inline void save_certificate(struct certificate *made, const char *name)
{
    snprintf(made->certificate_path, sizeof made->certificate_path, "%s/%s.crt", tls_directory, name);
    snprintf(made->key_path, sizeof made->key_path, "%s/%s.key", tls_directory, name);
    FILE *file = fopen(made->certificate_path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, made->x509), 1);
    fclose(file);
    file = fopen(made->key_path, "w");
    assert_int_equal(PEM_write_PrivateKey(file, made->key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

static inline struct certificate make_certificate(const struct certificate_options *options)
{
    static long serial = 1;
    struct certificate made = {.x509 = X509_new()};
    made.key = options->is_weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
    const struct certificate *issuer = options->issuer != NULL ? options->issuer : &made;
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), options->valid_from);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), options->valid_to != 0 ? options->valid_to : 86400);
    X509_set_pubkey(made.x509, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)options->name, -1, -1, 0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(issuer->x509));
    add_extension(made.x509, issuer->x509, NID_basic_constraints,
                  options->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (options->san != NULL) {
        add_extension(made.x509, issuer->x509, NID_subject_alt_name, options->san);
    }
    if (options->usage != NULL) {
        add_extension(made.x509, issuer->x509, NID_ext_key_usage, options->usage);
    }
    assert_true(X509_sign(made.x509, issuer->key, EVP_sha256()) > 0);
    save_certificate(&made, options->name);
    return made;
}

static inline void free_certificate(struct certificate *made)
{
    unlink(made->certificate_path);
    unlink(made->key_path);
    X509_free(made->x509);
    EVP_PKEY_free(made->key);
}

#endif
