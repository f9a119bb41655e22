/*
 * net_hash - over OpenSSL's EVP; see net_hash.h.
 */
#include "net/net_hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/expect.h"

static const EVP_MD *method(enum net_hash hash)
{
    return hash == NET_HASH_SHA_1 ? EVP_sha1() : EVP_sha256();
}

size_t net_hash_size(enum net_hash hash)
{
    return hash == NET_HASH_SHA_1 ? 20 : 32;
}

void net_hash_digest(enum net_hash hash, struct bytes text, uint8_t out[NET_HASH_MAX])
{
    unsigned len;
    EXPECT(EVP_Digest(text.ptr, text.len, out, &len, method(hash), NULL) == 1);
}

void net_hash_hmac(enum net_hash hash, struct bytes key, struct bytes text, uint8_t out[NET_HASH_MAX])
{
    unsigned len;
    EXPECT(HMAC(method(hash), key.ptr, (int)key.len, text.ptr, text.len, out, &len) != NULL);
}

void net_hash_derive(enum net_hash hash, struct bytes password, struct bytes salt, unsigned iterations,
                     uint8_t out[NET_HASH_MAX])
{
    EXPECT(PKCS5_PBKDF2_HMAC((const char *)password.ptr, (int)password.len, salt.ptr, (int)salt.len, (int)iterations,
                             method(hash), (int)net_hash_size(hash), out) == 1);
}
