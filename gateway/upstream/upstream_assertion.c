/*
 * upstream_assertion - a service account's JWT; see upstream_assertion.h.
 */
#include "upstream/upstream_assertion.h"

#include <jansson.h>
#include <string.h>

#include "base/units.h"
#include "net/net_file.h"
#include "net/net_sign.h"

#define KEY_FILE_MAX ((size_t)64 << 10)
/* Google takes no longer ones. */
#define LIFETIME_S 3600

bool upstream_assertion_may_go_to(const char *endpoint)
{
    static const char *const own[] = {"http://127.0.0.1", "http://localhost"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strncmp(endpoint, own[i], strlen(own[i])) == 0) {
            const char *rest = endpoint + strlen(own[i]);
            rest += *rest == ':' ? 1 + strspn(rest + 1, "0123456789") : 0;
            return *rest == '\0' || *rest == '/';
        }
    }
    return strncmp(endpoint, "https://", 8) == 0;
}

/* Appends in the alphabet of RFC 4648 section 5, without padding (RFC 7515 section 2). */
static void append_part(struct buf *out, struct bytes data)
{
    struct buf text;
    buf_init(&text, KEY_FILE_MAX);
    out->full = out->full || units_base64_encode(&text, data) < 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = buf_bytes(&text).ptr[i];
        if (c != '=') {
            buf_append_octet(out, c == '+' ? '-' : c == '/' ? '_' : c);
        }
    }
    buf_wipe(&text);
}

static void append_json(struct buf *out, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    out->full = out->full || text == NULL;
    append_part(out, bytes_of(text != NULL ? text : ""));
    free(text);
    json_decref(json);
}

static const char *member(const json_t *key, const char *name)
{
    return json_string_value(json_object_get(key, name));
}

static int sign_assertion(const json_t *key, const struct upstream_assertion_claims *claims, struct buf *out,
                          struct fault *fault)
{
    const char *id = member(key, "private_key_id");
    struct buf text, signature;
    buf_init(&text, KEY_FILE_MAX);
    buf_init(&signature, KEY_FILE_MAX);
    append_json(&text, json_pack("{s:s,s:s,s:s*}", "alg", "RS256", "typ", "JWT", "kid", id));
    buf_append_octet(&text, '.');
    append_json(&text, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "iss", member(key, "client_email"), "sub",
                                 claims->subject, "scope", claims->scope, "aud", member(key, "token_uri"), "iat",
                                 (json_int_t)claims->now_s, "exp", (json_int_t)claims->now_s + LIFETIME_S));
    int result = net_sign_rs256(bytes_of(member(key, "private_key")), buf_bytes(&text), &signature, fault);
    if (result == 0) {
        buf_append_octet(&text, '.');
        append_part(&text, buf_bytes(&signature));
        result = text.full ? -1 : buf_append_bytes(out, buf_bytes(&text));
    }
    if (result < 0) {
        fault_set(fault, FAULT_LOCAL, "key-file", "assertion", "the statement is too long, or is not text");
    }
    buf_wipe(&text);
    buf_wipe(&signature);
    return result;
}

/* The first thing that is missing, or NULL. */
static const char *lack_of(const json_t *key)
{
    static const char *const needed[] = {"client_email", "private_key", "token_uri"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (member(key, needed[i]) == NULL) {
            return needed[i];
        }
    }
    return NULL;
}

static int make_assertion(const json_t *key, const char *file, const struct upstream_assertion_claims *claims,
                          struct buf *out, struct buf *endpoint, struct fault *fault)
{
    const char *lack = lack_of(key);
    struct fault why = FAULT_INIT;
    if (lack != NULL) {
        fault_set(fault, FAULT_LOCAL, "key-file", file,
                  "%s is not the JSON key file of a service account: it has no \"%s\"", file, lack);
        return -1;
    }
    if (!upstream_assertion_may_go_to(member(key, "token_uri"))) {
        fault_set(fault, FAULT_LOCAL, "key-file", file, "%s: its \"token_uri\" must begin with https://", file);
        return -1;
    }
    if (sign_assertion(key, claims, out, &why) < 0) {
        fault_set(fault, FAULT_LOCAL, "key-file", file, "%s: %s", file, why.text);
        return -1;
    }
    return buf_append_text(endpoint, member(key, "token_uri"));
}

int upstream_assertion_make(const char *file, const struct upstream_assertion_claims *claims, struct buf *out,
                            struct buf *endpoint, struct fault *fault)
{
    struct buf text;
    buf_init(&text, KEY_FILE_MAX);
    int result = net_file_read_all(file, &text, fault);
    if (result == 0) {
        json_t *key = json_loadb((const char *)buf_bytes(&text).ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
        result = make_assertion(key, file, claims, out, endpoint, fault);
        json_decref(key);
    }
    buf_wipe(&text);
    return result;
}
