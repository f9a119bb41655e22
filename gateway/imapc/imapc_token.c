/*
 * imapc_token - fetching of OAuth2 access tokens; see imapc_token.h. A token never reaches a log or a fault's text.
 */
#include "imapc/imapc_token.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "net/net_file.h"
#include "net/net_lane.h"

#define ANSWER_MAX      ((size_t)64 << 10)
#define TOKEN_MAX       ((size_t)16 << 10)
#define CONNECT_SECONDS 10L
#define FETCH_SECONDS   20L
/* A token is fetched anew so long before it expires. */
#define EARLY_MS UINT64_C(60000)
/* What a server that does not say grants (RFC 6749 leaves it open). */
#define LIFETIME_S 300

struct imapc_token {
    struct net_loop *loop;
    struct net_lane *lane;
    struct imapc_token_options options;
    struct buf text;     /* the token */
    uint64_t expires_at; /* of net_now(); 0: there is none */
    bool fetching;
    _Atomic bool cancelled;
    void (*done)(void *ctx, const struct fault *fault);
    void *ctx;
    /* The lane's, while it works. */
    struct buf fetched;
    uint64_t lifetime_s;
    struct fault fault;
};

static void copy_options(struct imapc_token_options *to, const struct imapc_token_options *from)
{
    to->file = expect_strdup(from->file);
    to->endpoint = expect_strdup(from->endpoint);
    to->client_id = expect_strdup(from->client_id);
    to->client_secret = expect_strdup(from->client_secret);
    to->refresh_token = expect_strdup(from->refresh_token);
    to->scope = expect_strdup(from->scope);
    to->ca_file = expect_strdup(from->ca_file);
}

struct imapc_token *imapc_token_new(struct net_loop *loop, const struct imapc_token_options *options)
{
    struct imapc_token *token = expect_calloc(1, sizeof *token);
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted; not safe on lanes */
    token->loop = loop;
    copy_options(&token->options, options);
    buf_init(&token->text, TOKEN_MAX);
    buf_init(&token->fetched, TOKEN_MAX);
    token->lane = net_lane_new(loop, "token");
    return token;
}

void imapc_token_free(struct imapc_token **token)
{
    if (*token == NULL) {
        return;
    }
    struct imapc_token_options *options = &(*token)->options;
    const char *strings[] = {options->file,          options->endpoint, options->client_id, options->client_secret,
                             options->refresh_token, options->scope,    options->ca_file};
    (*token)->cancelled = true;
    (*token)->done = NULL;
    net_lane_free(&(*token)->lane);
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        free((char *)strings[i]);
    }
    buf_wipe(&(*token)->text);
    buf_wipe(&(*token)->fetched);
    free(*token);
    *token = NULL;
    curl_global_cleanup();
}

/* ---- on the lane ---- */

static size_t on_answer(char *data, size_t size, size_t count, void *ctx)
{
    return buf_append(ctx, data, size * count) < 0 ? 0 : size * count;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct imapc_token *token = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return token->cancelled ? 1 : 0;
}

static void append_field(CURL *curl, struct buf *form, const char *name, const char *value)
{
    char *escaped = value != NULL ? curl_easy_escape(curl, value, 0) : NULL;
    if (escaped != NULL) {
        buf_printf(form, "%s%s=%s", form->len > 0 ? "&" : "", name, escaped);
    }
    curl_free(escaped);
}

static void write_form(const struct imapc_token *token, CURL *curl, struct buf *form)
{
    const struct imapc_token_options *options = &token->options;
    append_field(curl, form, "grant_type", options->refresh_token != NULL ? "refresh_token" : "client_credentials");
    append_field(curl, form, "client_id", options->client_id);
    append_field(curl, form, "client_secret", options->client_secret);
    append_field(curl, form, "refresh_token", options->refresh_token);
    append_field(curl, form, "scope", options->scope);
}

/* The members of RFC 6749 section 5.1, or the error of 5.2. */
static void take_answer(struct imapc_token *token, struct bytes answer, long status)
{
    json_t *json = json_loadb((const char *)answer.ptr, answer.len, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(json, "access_token"));
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *about = json_string_value(json_object_get(json, "error_description"));
    json_int_t lifetime = json_integer_value(json_object_get(json, "expires_in"));
    if (status == 200 && text != NULL && buf_append_text(&token->fetched, text) == 0) {
        token->lifetime_s = lifetime > 0 && lifetime < 864000 ? (uint64_t)lifetime : LIFETIME_S;
    } else {
        fault_set(&token->fault, FAULT_TEMP, "token", "token", "%s answered %ld: %s%s%s", token->options.endpoint,
                  status, error != NULL ? error : "no access_token in it", about != NULL ? ": " : "",
                  about != NULL ? about : "");
    }
    json_decref(json);
}

static void set_options(struct imapc_token *token, CURL *curl, struct buf *form, struct buf *answer)
{
    curl_easy_setopt(curl, CURLOPT_URL, token->options.endpoint);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_text(form));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, FETCH_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, token);
    if (token->options.ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, token->options.ca_file);
    }
}

static void ask_endpoint(struct imapc_token *token)
{
    CURL *curl = expect_memory(curl_easy_init());
    struct buf form, answer;
    long status = 0;
    buf_init(&form, ANSWER_MAX);
    buf_init(&answer, ANSWER_MAX);
    write_form(token, curl, &form);
    set_options(token, curl, &form, &answer);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        fault_set(&token->fault, FAULT_TEMP, "token", "token", "%s: %s", token->options.endpoint,
                  curl_easy_strerror(code));
    } else {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        take_answer(token, buf_bytes(&answer), status);
    }
    curl_easy_cleanup(curl);
    buf_wipe(&form);
    buf_wipe(&answer);
}

static void read_file(struct imapc_token *token)
{
    if (net_file_read_all(token->options.file, &token->fetched, &token->fault) == 0) {
        size_t len = bytes_trim(buf_bytes(&token->fetched)).len;
        buf_truncate(&token->fetched, len);
        token->lifetime_s = LIFETIME_S;
    }
    if (token->fetched.len == 0) {
        fault_set(&token->fault, FAULT_TEMP, "token", "token", "%s is empty", token->options.file);
    }
}

static void work(void *ctx)
{
    struct imapc_token *token = ctx;
    if (token->options.file != NULL) {
        read_file(token);
    } else {
        ask_endpoint(token);
    }
}

/* ---- on the loop ---- */

static void on_worked(void *ctx)
{
    struct imapc_token *token = ctx;
    token->fetching = false;
    if (!fault_is_set(&token->fault)) {
        buf_clear(&token->text);
        buf_append_bytes(&token->text, buf_bytes(&token->fetched));
        token->expires_at = net_now(token->loop) + token->lifetime_s * 1000;
    }
    buf_clear(&token->fetched);
    if (token->done != NULL) {
        token->done(token->ctx, fault_is_set(&token->fault) ? &token->fault : NULL);
    }
}

bool imapc_token_fetch(struct imapc_token *token, void (*done)(void *ctx, const struct fault *fault), void *ctx)
{
    if (token->fetching) {
        return false;
    }
    token->fetching = true;
    token->done = done;
    token->ctx = ctx;
    token->fault = FAULT_INIT;
    net_lane_submit(token->lane, work, on_worked, token);
    return true;
}

bool imapc_token_is_fresh(const struct imapc_token *token)
{
    uint64_t early = token->lifetime_s * 1000 > 2 * EARLY_MS ? EARLY_MS : token->lifetime_s * 500;
    return token->expires_at > net_now(token->loop) + early;
}

int64_t imapc_token_expires_s(const struct imapc_token *token)
{
    if (token->expires_at == 0 || token->options.file != NULL) {
        return INT64_MIN;
    }
    return ((int64_t)token->expires_at - (int64_t)net_now(token->loop)) / 1000;
}

const char *imapc_token_text(const struct imapc_token *token)
{
    return buf_text((struct buf *)&token->text);
}

void imapc_token_spend(struct imapc_token *token, bool refused)
{
    if (refused || token->options.file != NULL) {
        token->expires_at = 0;
    }
}
