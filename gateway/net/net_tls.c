/*
 * net_tls - TLS settings over OpenSSL's SSL_CTX; see net_tls.h. Names are checked by RFC 9525.
 *
 * OpenSSL's error queue belongs to the thread: it is cleared before each call whose errors are read.
 */
#include "net/net_tls_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/expect.h"
#include "base/buf.h"

/* RSA 2048, SHA-256: what NIST SP 800-57 calls 112 bits. */
#define SECURITY_LEVEL 2

struct net_tls {
    SSL_CTX *context;
    SSL_CTX **others; /* server: with the other certificates */
    size_t other_count;
    unsigned owners;
    bool is_client;
    bool is_verified; /* client: certificate and name are checked */
    char *name;       /* client: whom the certificate must name, without a dot at the end; may be NULL when insecure */
    bool name_is_ip;
    char refused[200]; /* about the last certificate that was refused: read at once by net_tls_explain() */
};

/* Fills the fault with OpenSSL's oldest reason, which is the nearest to the cause. Returns -1. */
static int refuse_tls(struct fault *fault, const char *what, const char *path)
{
    unsigned long error = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(error) ? strerror((int)ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    fault_set(fault, FAULT_LOCAL, "tls-settings", path != NULL ? path : "tls", "cannot use the %s%s%s: %s", what,
              path != NULL ? " " : "", path != NULL ? path : "", reason != NULL ? reason : "unknown reason");
    ERR_clear_error();
    return -1;
}

/* Without it OpenSSL asks at the terminal for the pass phrase of an encrypted key. */
static int no_pass_phrase(char *into, int size, int writing, void *ctx)
{
    (void)into, (void)size, (void)writing, (void)ctx;
    return -1;
}

static int load_certificate(SSL_CTX *context, const struct net_tls_options *options, struct fault *fault)
{
    if (options->certificate == NULL) {
        return 0;
    }
    const char *key = options->key != NULL ? options->key : options->certificate;
    SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1) {
        return refuse_tls(fault, "certificate", options->certificate);
    }
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        return refuse_tls(fault, "key", key);
    }
    return 0;
}

static int load_cas(SSL_CTX *context, const struct net_tls_options *options, struct fault *fault)
{
    if (options->ca_file != NULL) {
        return SSL_CTX_load_verify_file(context, options->ca_file) == 1
                   ? 0
                   : refuse_tls(fault, "CA file", options->ca_file);
    }
    return SSL_CTX_set_default_verify_paths(context) == 1 ? 0 : refuse_tls(fault, "system's CAs", NULL);
}

/* The names that a certificate does have, for the message that they do not fit. */
static void list_names(X509 *certificate, struct buf *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type == GEN_DNS) {
            buf_append_text(out, out->len > 0 ? ", " : "");
            buf_append(out, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
        }
    }
    GENERAL_NAMES_free(names);
    if (out->len == 0) {
        buf_append_text(out, "no name");
    }
}

static void describe_certificate(X509 *certificate, struct buf *out)
{
    BIO *text = expect_memory(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    BIO_puts(text, ", valid from ");
    ASN1_TIME_print(text, X509_get0_notBefore(certificate));
    BIO_puts(text, " to ");
    ASN1_TIME_print(text, X509_get0_notAfter(certificate));
    char *data;
    long len = BIO_get_mem_data(text, &data);
    size_t room = out->max - out->len;
    buf_append(out, data, (size_t)len < room ? (size_t)len : room);
    BIO_free(text);
}

/* Keeps what a message about the certificate must say; OpenSSL forgets a refused one. Changes nothing. */
static int on_verified(int is_good, X509_STORE_CTX *checks)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(checks);
    int error = X509_STORE_CTX_get_error(checks);
    SSL *session = X509_STORE_CTX_get_ex_data(checks, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct net_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(session));
    if (is_good || certificate == NULL) {
        return is_good;
    }
    struct buf text;
    buf_init(&text, sizeof tls->refused - 1);
    if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        list_names(certificate, &text);
    } else {
        describe_certificate(certificate, &text);
    }
    memcpy(tls->refused, buf_text(&text), text.len + 1);
    buf_done(&text);
    return is_good;
}

/* TLS 1.0 and 1.1 sign with SHA-1, which no security level above 0 has (OpenSSL 3). */
static void set_minimum(SSL_CTX *context, enum net_tls_version minimum)
{
    static const int versions[] = {[NET_TLS_1_0] = TLS1_VERSION,
                                   [NET_TLS_1_1] = TLS1_1_VERSION,
                                   [NET_TLS_1_2] = TLS1_2_VERSION,
                                   [NET_TLS_1_3] = TLS1_3_VERSION};
    bool old = minimum == NET_TLS_1_0 || minimum == NET_TLS_1_1;
    EXPECT(SSL_CTX_set_min_proto_version(context, versions[minimum]) == 1);
    SSL_CTX_set_security_level(context, old ? 0 : SECURITY_LEVEL);
    /* Level 0 alone would bring back what has no key at all. */
    EXPECT(!old || SSL_CTX_set_cipher_list(context, "HIGH:MEDIUM:3DES:!aNULL:!eNULL:!EXPORT:!RC4:!MD5:!PSK:!SRP") == 1);
}

static SSL_CTX *new_context(const SSL_METHOD *method, enum net_tls_version minimum)
{
    SSL_CTX *context = expect_memory(SSL_CTX_new(method));
    set_minimum(context, minimum);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

static struct net_tls *new_settings(SSL_CTX *context, bool is_client)
{
    struct net_tls *tls = expect_calloc(1, sizeof *tls);
    tls->context = context;
    SSL_CTX_set_app_data(context, tls);
    tls->owners = 1;
    tls->is_client = is_client;
    return tls;
}

/* Whom a server asks for a certificate; CAs are loaded only then. */
static int set_client_checks(SSL_CTX *context, const struct net_tls_options *options, struct fault *fault)
{
    if (!options->request_client_certificate && !options->require_client_certificate) {
        return 0;
    }
    int fail = options->require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | fail, on_verified);
    if (options->ca_file != NULL) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->ca_file);
        if (names == NULL) {
            return refuse_tls(fault, "CA file", options->ca_file);
        }
        SSL_CTX_set_client_CA_list(context, names);
    }
    return load_cas(context, options, fault);
}

/* The context whose certificate has the name that the client asks for; the first one for any other name. */
static int on_server_name(SSL *session, int *alert, void *ctx)
{
    struct net_tls *tls = ctx;
    const char *name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    if (name == NULL || X509_check_host(SSL_CTX_get0_certificate(tls->context), name, 0, 0, NULL) == 1) {
        return SSL_TLSEXT_ERR_OK;
    }
    for (size_t i = 0; i < tls->other_count; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(tls->others[i]), name, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(session, tls->others[i]);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

/* One context for each further certificate, with the same checks of clients; -1 with a fault. */
static int add_others(struct net_tls *tls, const struct net_tls_options *options, struct fault *fault)
{
    tls->others = expect_calloc(options->other_count + 1, sizeof(SSL_CTX *));
    for (size_t i = 0; i < options->other_count; i++) {
        struct net_tls_options one = *options;
        one.certificate = options->others[i].certificate;
        one.key = options->others[i].key;
        SSL_CTX *context = tls->others[tls->other_count++] = new_context(TLS_server_method(), options->minimum);
        SSL_CTX_set_app_data(context, tls);
        if (load_certificate(context, &one, fault) != 0 || set_client_checks(context, &one, fault) != 0) {
            return -1;
        }
    }
    if (options->other_count > 0) {
        SSL_CTX_set_tlsext_servername_callback(tls->context, on_server_name);
        SSL_CTX_set_tlsext_servername_arg(tls->context, tls);
    }
    return 0;
}

int net_tls_server_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault)
{
    ERR_clear_error();
    if (options->certificate == NULL) {
        fault_set(fault, FAULT_LOCAL, "tls-settings", "tls", "a server needs a certificate and its key");
        return -1;
    }
    SSL_CTX *context = new_context(TLS_server_method(), options->minimum);
    static const unsigned char id[] = "mailweir";
    EXPECT(SSL_CTX_set_session_id_context(context, id, sizeof id - 1) == 1);
    if (load_certificate(context, options, fault) != 0 || set_client_checks(context, options, fault) != 0) {
        SSL_CTX_free(context);
        return -1;
    }
    struct net_tls *tls = new_settings(context, false);
    if (add_others(tls, options, fault) != 0) {
        net_tls_free(&tls);
        return -1;
    }
    *tls_r = tls;
    return 0;
}

static void set_name(struct net_tls *tls, const char *name)
{
    uint8_t ignored[16];
    tls->name = expect_strdup(name);
    size_t len = strlen(tls->name);
    if (len > 1 && tls->name[len - 1] == '.') {
        tls->name[len - 1] = '\0';
    }
    tls->name_is_ip = uv_inet_pton(AF_INET, name, ignored) == 0 || uv_inet_pton(AF_INET6, name, ignored) == 0;
}

int net_tls_client_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault)
{
    ERR_clear_error();
    if (options->server_name == NULL && !options->insecure) {
        fault_set(fault, FAULT_LOCAL, "tls-settings", "tls",
                  "a client needs the name that the server's certificate must have");
        return -1;
    }
    SSL_CTX *context = new_context(TLS_client_method(), NET_TLS_1_2);
    if (load_certificate(context, options, fault) != 0 ||
        (!options->insecure && load_cas(context, options, fault) != 0)) {
        SSL_CTX_free(context);
        return -1;
    }
    SSL_CTX_set_verify(context, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, on_verified);
    struct net_tls *tls = new_settings(context, true);
    tls->is_verified = !options->insecure;
    if (options->server_name != NULL) {
        set_name(tls, options->server_name);
    }
    *tls_r = tls;
    return 0;
}

struct net_tls *net_tls_share(struct net_tls *tls)
{
    tls->owners++;
    return tls;
}

void net_tls_free(struct net_tls **tls_ref)
{
    struct net_tls *tls = *tls_ref;
    *tls_ref = NULL;
    if (tls == NULL || --tls->owners > 0) {
        return;
    }
    for (size_t i = 0; i < tls->other_count; i++) {
        SSL_CTX_free(tls->others[i]);
    }
    free(tls->others);
    SSL_CTX_free(tls->context);
    free(tls->name);
    free(tls);
}

int64_t net_tls_expiry(const X509 *certificate)
{
    struct tm when;
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) {
        return 0;
    }
    return (int64_t)timegm(&when);
}

int64_t net_tls_expires(const struct net_tls *tls)
{
    return net_tls_expiry(SSL_CTX_get0_certificate(tls->context));
}

int64_t net_tls_days_left(const struct net_tls *tls)
{
    const X509 *certificate = SSL_CTX_get0_certificate(tls->context);
    int days, seconds;
    if (certificate == NULL || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1) {
        return INT64_MAX;
    }
    return seconds < 0 ? days - 1 : days;
}

static void set_checks(const struct net_tls *tls, SSL *session)
{
    X509_VERIFY_PARAM *checks = SSL_get0_param(session);
    X509_VERIFY_PARAM_set_hostflags(checks, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (tls->name_is_ip) {
        EXPECT(X509_VERIFY_PARAM_set1_ip_asc(checks, tls->name) == 1);
    } else {
        EXPECT(X509_VERIFY_PARAM_set1_host(checks, tls->name, 0) == 1);
    }
}

SSL *net_tls_session(struct net_tls *tls)
{
    SSL *session = expect_memory(SSL_new(tls->context));
    if (!tls->is_client) {
        SSL_set_accept_state(session);
        return session;
    }
    SSL_set_connect_state(session);
    if (tls->name != NULL && !tls->name_is_ip) {
        EXPECT(SSL_set_tlsext_host_name(session, tls->name) == 1);
    }
    if (tls->is_verified) {
        set_checks(tls, session);
    }
    return session;
}

static void explain_name(const struct net_tls *tls, const char *peer, struct fault *fault)
{
    fault_set(fault, FAULT_TEMP, "tls-name", "tls", "the certificate of %s is not for %s but for %s", peer, tls->name,
              tls->refused);
}

static const struct {
    long result;
    const char *code;
} verdicts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "tls-expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "tls-not-yet-valid"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "tls-untrusted"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "tls-untrusted"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "tls-untrusted"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "tls-untrusted"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "tls-untrusted"},
    {X509_V_ERR_CERT_UNTRUSTED, "tls-untrusted"},
    {X509_V_ERR_INVALID_PURPOSE, "tls-purpose"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "tls-weak-key"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "tls-weak-key"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "tls-weak-key"},
};

static const char *code_of(long result)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (verdicts[i].result == result) {
            return verdicts[i].code;
        }
    }
    return "tls-certificate";
}

/* What an operator should think of first, where OpenSSL's reason does not say it. */
static const char *hint_of(unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
        return " (it does not speak TLS here)";
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return " (the connection was closed without a TLS close_notify)";
    default:
        return "";
    }
}

void net_tls_explain(const struct net_tls *tls, SSL *session, const char *peer, struct fault *fault)
{
    long result = SSL_get_verify_result(session);
    bool is_checked = SSL_get_verify_mode(session) != SSL_VERIFY_NONE;
    unsigned long error = ERR_peek_error();
    if (is_checked && (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)) {
        explain_name(tls, peer, fault);
    } else if (is_checked && result != X509_V_OK) {
        fault_set(fault, FAULT_TEMP, code_of(result), "tls", "the certificate of %s is refused: %s (%s)", peer,
                  X509_verify_cert_error_string(result), tls->refused);
    } else {
        const char *reason = ERR_reason_error_string(error);
        fault_set(fault, FAULT_TEMP, "tls", "tls", "TLS with %s failed: %s%s", peer,
                  reason != NULL ? reason : "the connection was closed", hint_of(error));
    }
    ERR_clear_error();
}
