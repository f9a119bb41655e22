/*
 * upstream_grant - files, endpoints and answers that bring access tokens; see upstream_grant.h.
 */
#include "upstream/upstream_grant.h"

#include <curl/curl.h>
#include <jansson.h>

#include "base/expect.h"
#include "upstream/upstream_assertion.h"
#include "net/net_file.h"

#define ANSWER_MAX      ((size_t)64 << 10)
#define CONNECT_SECONDS 10L
#define FETCH_SECONDS   20L
/* What a server that does not say grants (RFC 6749 leaves it open). */
#define LIFETIME_S 300
/* A server that says more means it does not expire. */
#define LIFETIME_MOST_S 864000

__attribute__((format(printf, 2, 3))) static void fail(struct upstream_grant *grant, const char *format, ...)
{
    char text[sizeof grant->fault.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_clear(&grant->token);
    fault_set(&grant->fault, FAULT_TEMP, "token", "token", "%s", text);
}

/* ---- answers ---- */

/* Takes the token when it can be sent as it is: visible ASCII (RFC 6749 appendix A.12). */
static void take_grant(struct upstream_grant *grant, struct bytes token, uint64_t lifetime_s, const char *from)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] <= ' ' || token.ptr[i] > '~') {
            fail(grant,
                 "%s gave something that is not a token: it has blanks, control characters or characters outside ASCII",
                 from);
            return;
        }
    }
    if (token.len == 0) {
        fail(grant, "%s gave no token", from);
    } else if (buf_append_bytes(&grant->token, token) < 0) {
        fail(grant, "%s gave a token of more than %zu octets", from, UPSTREAM_GRANT_TOKEN_MAX);
    } else {
        grant->lifetime_s = lifetime_s;
    }
}

/* As a number, or as a text of one; 0 when the server does not say. */
static uint64_t lifetime_of(const json_t *json)
{
    const json_t *said = json_object_get(json, "expires_in");
    uint64_t lifetime = 0;
    if (json_is_integer(said) && json_integer_value(said) > 0) {
        lifetime = (uint64_t)json_integer_value(said);
    } else if (json_is_string(said)) {
        disregard(bytes_to_u64(bytes_of(json_string_value(said)), &lifetime));
    }
    return lifetime < LIFETIME_MOST_S ? lifetime : LIFETIME_MOST_S;
}

/* The members of RFC 6749 section 5.1, or the error of 5.2. status 0: not of HTTP. */
static void take_json(struct upstream_grant *grant, const json_t *json, long status, const char *from)
{
    const char *text = json_string_value(json_object_get(json, "access_token"));
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *about = json_string_value(json_object_get(json, "error_description"));
    uint64_t lifetime = lifetime_of(json), fallback = grant->options->lifetime_ms / 1000;
    fallback = fallback > 0 ? fallback : LIFETIME_S;
    if ((status == 200 || status == 0) && text != NULL) {
        take_grant(grant, bytes_of(text), lifetime > 0 ? lifetime : fallback, from);
    } else if (status != 0) {
        fail(grant, "%s answered %ld: %s%s%s", from, status,
             error != NULL ? error : "there is no access_token in the answer", about != NULL ? ": " : "",
             about != NULL ? about : "");
    } else {
        fail(grant, "%s printed JSON without an \"access_token\"%s%s", from, error != NULL ? ": " : "",
             error != NULL ? error : "");
    }
}

void upstream_grant_read(struct upstream_grant *grant, struct bytes output)
{
    const char *from = grant->options->command[0];
    struct bytes text = bytes_trim(output);
    if (text.len > 0 && text.ptr[0] == '{') {
        json_t *json = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
        take_json(grant, json, 0, from);
        json_decref(json);
    } else {
        take_grant(grant, text, grant->options->lifetime_ms / 1000, from);
    }
}

/* ---- an endpoint ---- */

static size_t on_answer(char *data, size_t size, size_t count, void *ctx)
{
    return buf_append(ctx, data, size * count) < 0 ? 0 : size * count;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct upstream_grant *grant = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return grant->cancelled ? 1 : 0;
}

static void append_field(CURL *curl, struct buf *form, const char *name, const char *value)
{
    char *escaped = value != NULL ? curl_easy_escape(curl, value, 0) : NULL;
    if (escaped != NULL) {
        buf_printf(form, "%s%s=%s", form->len > 0 ? "&" : "", name, escaped);
    }
    curl_free(escaped);
}

static void set_options(struct upstream_grant *grant, CURL *curl, const char *endpoint, struct buf *form,
                        struct buf *answer)
{
    curl_easy_setopt(curl, CURLOPT_URL, endpoint);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_text(form));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, FETCH_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, grant);
    if (grant->options->ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, grant->options->ca_file);
    }
}

/* A new refresh token takes the place of the old one, which may not work again (RFC 6749 section 6). */
static void keep_refresh_token(struct upstream_grant *grant, const json_t *json)
{
    const char *file = grant->options->refresh_file;
    const char *text = json_string_value(json_object_get(json, "refresh_token"));
    struct fault fault = FAULT_INIT;
    if (file != NULL && text != NULL && text[0] != '\0' && net_file_replace(file, bytes_of(text), &fault) < 0) {
        fail(grant, "the provider gave a new refresh token, which cannot be written to %s: %s", file, fault.text);
    }
}

static void post_form(struct upstream_grant *grant, CURL *curl, const char *endpoint, struct buf *form)
{
    struct buf answer;
    long status = 0;
    buf_init(&answer, ANSWER_MAX);
    set_options(grant, curl, endpoint, form, &answer);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        fail(grant, "%s: %s", endpoint, curl_easy_strerror(code));
    } else {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        json_t *json = json_loadb((const char *)buf_bytes(&answer).ptr, answer.len, JSON_REJECT_DUPLICATES, NULL);
        take_json(grant, json, status, endpoint);
        keep_refresh_token(grant, json);
        json_decref(json);
    }
    buf_wipe(&answer);
}

static void ask_as_client(struct upstream_grant *grant, CURL *curl, struct buf *form)
{
    const struct upstream_token_options *options = grant->options;
    struct buf kept;
    buf_init(&kept, UPSTREAM_GRANT_TOKEN_MAX);
    const char *refresh = options->refresh_token;
    if (options->refresh_file != NULL) {
        struct fault fault = FAULT_INIT;
        if (net_file_read_all(options->refresh_file, &kept, &fault) < 0 || bytes_trim(buf_bytes(&kept)).len == 0) {
            fail(grant,
                 "there is no refresh token in %s yet: run \"mailweir upstreams login\" with the upstream's name",
                 options->refresh_file);
            buf_done(&kept);
            return;
        }
        struct bytes text = bytes_trim(buf_bytes(&kept));
        buf_truncate(&kept, (size_t)(text.ptr - buf_bytes(&kept).ptr) + text.len);
        refresh = buf_text(&kept) + (text.ptr - buf_bytes(&kept).ptr);
    }
    append_field(curl, form, "grant_type", refresh != NULL ? "refresh_token" : "client_credentials");
    append_field(curl, form, "client_id", options->client_id);
    append_field(curl, form, "client_secret", options->client_secret);
    append_field(curl, form, "refresh_token", refresh);
    append_field(curl, form, "scope", options->scope);
    buf_wipe(&kept);
    post_form(grant, curl, options->endpoint, form);
}

/* RFC 7523 section 2.1. The key file is read each time, so that a new key takes effect. */
static void ask_as_service(struct upstream_grant *grant, CURL *curl, struct buf *form)
{
    const struct upstream_token_options *options = grant->options;
    const struct upstream_assertion_claims claims = {
        .subject = options->subject, .scope = options->scope, .now_s = grant->now_s};
    struct buf assertion, endpoint;
    buf_init(&assertion, ANSWER_MAX);
    buf_init(&endpoint, ANSWER_MAX);
    if (upstream_assertion_make(options->key_file, &claims, &assertion, &endpoint, &grant->fault) == 0) {
        append_field(curl, form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
        append_field(curl, form, "assertion", buf_text(&assertion));
        post_form(grant, curl, buf_text(&endpoint), form);
    }
    buf_wipe(&assertion);
    buf_done(&endpoint);
}

static void read_file(struct upstream_grant *grant)
{
    const char *file = grant->options->file;
    struct buf text;
    buf_init(&text, UPSTREAM_GRANT_TOKEN_MAX + 16);
    if (net_file_read_all(file, &text, &grant->fault) == 0) {
        take_grant(grant, bytes_trim(buf_bytes(&text)), LIFETIME_S, file);
    }
    buf_wipe(&text);
}

void upstream_grant_fetch(struct upstream_grant *grant)
{
    if (grant->options->file != NULL) {
        read_file(grant);
        return;
    }
    CURL *curl = expect_memory(curl_easy_init());
    struct buf form;
    buf_init(&form, 2 * ANSWER_MAX);
    if (grant->options->key_file != NULL) {
        ask_as_service(grant, curl, &form);
    } else {
        ask_as_client(grant, curl, &form);
    }
    curl_easy_cleanup(curl);
    buf_wipe(&form);
}
