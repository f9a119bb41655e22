/*
 * upstream_scram - the messages of SCRAM and their arithmetic; see upstream_scram.h. The functions stand in the order
 * of the dialogue.
 */
#include "upstream/upstream_scram.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "net/net_hash.h"
#include "net/net_loop.h"

#define MESSAGE_MAX  ((size_t)16 << 10)
#define NONCE_OCTETS 18

struct upstream_scram {
    enum net_hash hash;
    char *username, *password;   /* prepared */
    struct buf header;           /* the GS2 header: "p=tls-exporter,,", "y,," or "n,," */
    struct buf binding;          /* what is bound: the header, and with "p" the channel's data */
    struct buf nonce;            /* ours, then the server's behind it */
    struct buf messages;         /* AuthMessage, as it grows (RFC 5802 section 3) */
    uint8_t proof[NET_HASH_MAX]; /* what the server must show: ServerSignature */
    unsigned steps;
};

/* ---- life ---- */

void upstream_scram_free(struct upstream_scram **scram_ref)
{
    struct upstream_scram *scram = *scram_ref;
    *scram_ref = NULL;
    if (scram == NULL) {
        return;
    }
    if (scram->password != NULL) {
        explicit_bzero(scram->password, strlen(scram->password));
    }
    free(scram->username);
    free(scram->password);
    buf_wipe(&scram->binding);
    buf_done(&scram->header);
    buf_done(&scram->nonce);
    buf_wipe(&scram->messages);
    free(scram);
}

/* SASLprep (RFC 4013), as RFC 5802 section 5.1 asks for. */
static char *prepared(const char *text, const char *what, struct fault *fault)
{
    char *out = NULL;
    int status = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &out, NULL);
    if (status != GSASL_OK) {
        fault_set(fault, FAULT_LOCAL, "credentials", "login", "the %s cannot be used with SCRAM: %s", what,
                  gsasl_strerror(status));
        return NULL;
    }
    char *copy = expect_strdup(out);
    explicit_bzero(out, strlen(out));
    gsasl_free(out);
    return copy;
}

/* RFC 5802 section 6: bound; able to bind to a server that does not offer it; or unable. */
static void write_header(struct upstream_scram *scram, const struct upstream_scram_options *options)
{
    bool plus = strstr(options->mechanism, "-PLUS") != NULL;
    EXPECT(!plus || options->binding != NULL);
    if (plus) {
        buf_printf(&scram->header, "p=%s,,", options->binding);
    } else {
        buf_append_text(&scram->header, options->binding != NULL ? "y,," : "n,,");
    }
    buf_append_bytes(&scram->binding, buf_bytes(&scram->header));
    if (plus) {
        buf_append_bytes(&scram->binding, options->binding_data);
    }
}

struct upstream_scram *upstream_scram_new(const struct upstream_scram_options *options, struct fault *fault)
{
    struct upstream_scram *scram = expect_calloc(1, sizeof *scram);
    buf_init(&scram->header, MESSAGE_MAX);
    buf_init(&scram->binding, MESSAGE_MAX);
    buf_init(&scram->nonce, MESSAGE_MAX);
    buf_init(&scram->messages, 4 * MESSAGE_MAX);
    scram->hash = strncmp(options->mechanism, "SCRAM-SHA-256", 13) == 0 ? NET_HASH_SHA_256 : NET_HASH_SHA_1;
    write_header(scram, options);
    scram->username = prepared(options->username, "user name", fault);
    scram->password = scram->username != NULL ? prepared(options->password, "password", fault) : NULL;
    if (scram->password == NULL) {
        upstream_scram_free(&scram);
    }
    return scram;
}

/* ---- attributes: "r=...,s=...,i=..." ---- */

static int refuse_proof(struct fault *fault, const char *why)
{
    fault_set(fault, FAULT_PERM, "authentication", "login", "SCRAM: %s", why);
    return -1;
}

/* Takes the value of the attribute that must come next; -1 when it is another. */
static int take_proof(struct bytes *rest, char name, struct bytes *value_r)
{
    struct bytes one = bytes_cut(rest, ',');
    if (one.len < 3 || one.ptr[0] != (uint8_t)name || one.ptr[1] != '=') {
        return -1;
    }
    *value_r = bytes_from(one, 2);
    return 0;
}

/* ---- the client's first message ---- */

static void write_first(struct upstream_scram *scram, struct buf *out)
{
    uint8_t random[NONCE_OCTETS];
    net_random(random, sizeof random);
    units_base64_encode(&scram->nonce, bytes_at(random, sizeof random));
    buf_append_text(&scram->messages, "n=");
    for (const char *c = scram->username; *c != '\0'; c++) {
        if (*c == ',' || *c == '=') {
            buf_append_text(&scram->messages, *c == ',' ? "=2C" : "=3D");
        } else {
            buf_append_octet(&scram->messages, (uint8_t)*c);
        }
    }
    buf_append_text(&scram->messages, ",r=");
    buf_append_bytes(&scram->messages, buf_bytes(&scram->nonce));
    buf_append_bytes(out, buf_bytes(&scram->header));
    buf_append_bytes(out, buf_bytes(&scram->messages));
}

/* ---- the server's first and the client's final message ---- */

struct server_first {
    struct bytes nonce;
    struct buf salt;
    uint64_t iterations;
};

/* Returns NULL, or what is wrong. */
static const char *read_first(const struct upstream_scram *scram, struct bytes text, struct server_first *first)
{
    struct bytes rest = text, salt, iterations, own = buf_bytes(&scram->nonce);
    if (take_proof(&rest, 'r', &first->nonce) < 0 || take_proof(&rest, 's', &salt) < 0 ||
        take_proof(&rest, 'i', &iterations) < 0 || units_base64_decode(&first->salt, salt) < 0 ||
        !bytes_to_u64(iterations, &first->iterations)) {
        return "the server's first message is not a SCRAM message";
    }
    if (first->nonce.len <= own.len || !bytes_equal(bytes_slice(first->nonce, 0, own.len), own)) {
        return "the server answers another login";
    }
    if (first->iterations == 0 || first->iterations > UPSTREAM_SCRAM_ITERATIONS_MAX) {
        return "the server asks for 0 iterations, or more than a million";
    }
    return NULL;
}

/* ClientKey XOR HMAC(H(ClientKey), AuthMessage); and what the server will have to show (RFC 5802 section 3). */
static void prove(struct upstream_scram *scram, const struct server_first *first, uint8_t proof[NET_HASH_MAX])
{
    uint8_t salted[NET_HASH_MAX], client[NET_HASH_MAX], stored[NET_HASH_MAX], server[NET_HASH_MAX];
    size_t size = net_hash_size(scram->hash);
    struct bytes messages = buf_bytes(&scram->messages);
    net_hash_derive(scram->hash, bytes_of(scram->password), buf_bytes(&first->salt), (unsigned)first->iterations,
                    salted);
    net_hash_hmac(scram->hash, bytes_at(salted, size), bytes_of("Client Key"), client);
    net_hash_digest(scram->hash, bytes_at(client, size), stored);
    net_hash_hmac(scram->hash, bytes_at(stored, size), messages, proof);
    for (size_t i = 0; i < size; i++) {
        proof[i] ^= client[i];
    }
    net_hash_hmac(scram->hash, bytes_at(salted, size), bytes_of("Server Key"), server);
    net_hash_hmac(scram->hash, bytes_at(server, size), messages, scram->proof);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    explicit_bzero(stored, sizeof stored);
    explicit_bzero(server, sizeof server);
}

static int write_final(struct upstream_scram *scram, struct bytes challenge, struct buf *out, struct fault *fault)
{
    struct server_first first;
    uint8_t proof[NET_HASH_MAX];
    buf_init(&first.salt, MESSAGE_MAX);
    const char *wrong = read_first(scram, challenge, &first);
    if (wrong == NULL) {
        buf_append_text(out, "c=");
        units_base64_encode(out, buf_bytes(&scram->binding));
        buf_append_text(out, ",r=");
        buf_append_bytes(out, first.nonce);
        buf_append_octet(&scram->messages, ',');
        buf_append_bytes(&scram->messages, challenge);
        buf_append_octet(&scram->messages, ',');
        buf_append_bytes(&scram->messages, buf_bytes(out));
        prove(scram, &first, proof);
        buf_append_text(out, ",p=");
        units_base64_encode(out, bytes_at(proof, net_hash_size(scram->hash)));
        wrong = out->full || scram->messages.full ? "the server's first message is too long" : NULL;
    }
    buf_done(&first.salt);
    return wrong == NULL ? 0 : refuse_proof(fault, wrong);
}

/* ---- the server's final message ---- */

/* In constant time. */
static bool is_proof(const struct upstream_scram *scram, struct bytes shown)
{
    size_t size = net_hash_size(scram->hash);
    unsigned difference = shown.len != size;
    for (size_t i = 0; i < size && i < shown.len; i++) {
        difference |= shown.ptr[i] ^ scram->proof[i];
    }
    return difference == 0;
}

static int read_final(const struct upstream_scram *scram, struct bytes challenge, struct fault *fault)
{
    struct bytes rest = challenge, value;
    struct buf shown;
    int result = -1;
    buf_init(&shown, MESSAGE_MAX);
    if (take_proof(&rest, 'v', &value) == 0 && units_base64_decode(&shown, value) == 0 &&
        is_proof(scram, buf_bytes(&shown))) {
        result = 0;
    } else if (rest = challenge, take_proof(&rest, 'e', &value) == 0) {
        fault_set(fault, FAULT_PERM, "authentication", "login", "SCRAM: the server says %.*s", (int)value.len,
                  (const char *)value.ptr);
    } else {
        disregard(refuse_proof(fault, "the server did not prove that it knows the password"));
    }
    buf_done(&shown);
    return result;
}

/* ---- steps ---- */

static int answer_proof(struct upstream_scram *scram, struct bytes challenge, struct buf *out, struct fault *fault)
{
    switch (scram->steps++) {
    case 0:
        write_first(scram, out);
        return 0;
    case 1:
        return write_final(scram, challenge, out, fault);
    case 2:
        return read_final(scram, challenge, fault);
    default:
        return refuse_proof(fault, "the server's login dialogue does not end");
    }
}

int upstream_scram_step(struct upstream_scram *scram, struct bytes challenge, struct buf *response, struct fault *fault)
{
    struct buf text, out;
    buf_init(&text, MESSAGE_MAX);
    buf_init(&out, MESSAGE_MAX);
    int result = units_base64_decode(&text, challenge) < 0 ? refuse_proof(fault, "the server's challenge is not base64")
                                                           : answer_proof(scram, buf_bytes(&text), &out, fault);
    if (result == 0 && units_base64_encode(response, buf_bytes(&out)) < 0) {
        result = refuse_proof(fault, "the response is too long");
    }
    buf_done(&text);
    buf_wipe(&out);
    return result;
}
