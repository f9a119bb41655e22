/*
 * net_sign - RS256 over OpenSSL; see net_sign.h.
 */
#include "net/net_sign.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/expect.h"

/* RFC 7518 section 3.3. */
#define KEY_BITS_MIN 2048

static int refuse_key(struct fault *fault, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    fault_set(fault, FAULT_LOCAL, "key", "signature", "%s%s%s", what, reason != NULL ? ": " : "",
              reason != NULL ? reason : "");
    ERR_clear_error();
    return -1;
}

/* Without it OpenSSL asks at the terminal for the pass phrase of an encrypted key. */
static int no_pass_phrase(char *into, int size, int writing, void *ctx)
{
    (void)into, (void)size, (void)writing, (void)ctx;
    return -1;
}

static EVP_PKEY *read_key(struct bytes key)
{
    if (key.len > INT_MAX) {
        return NULL;
    }
    BIO *text = expect_memory(BIO_new_mem_buf(key.ptr, (int)key.len));
    EVP_PKEY *read = PEM_read_bio_PrivateKey(text, NULL, no_pass_phrase, NULL);
    BIO_free(text);
    return read;
}

static int sign_text(EVP_PKEY *key, struct bytes text, struct buf *out)
{
    EVP_MD_CTX *context = expect_memory(EVP_MD_CTX_new());
    size_t len = (size_t)EVP_PKEY_get_size(key), room;
    uint8_t *into = buf_reserve(out, len, &room);
    int good = into != NULL && room >= len && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
               EVP_DigestSign(context, into, &len, text.ptr, text.len) == 1;
    if (good) {
        buf_commit(out, len);
    }
    EVP_MD_CTX_free(context);
    return good ? 0 : -1;
}

int net_sign_rs256(struct bytes key, struct bytes text, struct buf *out, struct fault *fault)
{
    ERR_clear_error();
    EVP_PKEY *read = read_key(key);
    int result = -1;
    if (read == NULL) {
        disregard(refuse_key(fault, "the private key is not PEM, or needs a pass phrase"));
    } else if (EVP_PKEY_get_base_id(read) != EVP_PKEY_RSA || EVP_PKEY_get_bits(read) < KEY_BITS_MIN) {
        disregard(refuse_key(fault, "the private key must be an RSA key of 2048 bits or more"));
    } else if (sign_text(read, text, out) < 0) {
        disregard(refuse_key(fault, "signing with the private key failed"));
    } else {
        result = 0;
    }
    EVP_PKEY_free(read);
    return result;
}
