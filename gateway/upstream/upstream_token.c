/*
 * upstream_token - when access tokens are fetched, and the one in use; see upstream_token.h. A token never reaches a
 * log or a fault's text.
 */
#include "upstream/upstream_token.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/expect.h"
#include "base/units.h"
#include "upstream/upstream_grant.h"
#include "net/net_child.h"
#include "net/net_lane.h"

/* Octets that a command may print. */
#define OUTPUT_MAX ((size_t)64 << 10)
/* A token is fetched anew so long before it expires. */
#define EARLY_MS UINT64_C(60000)

struct upstream_token {
    struct net_loop *loop;
    struct net_lane *lane;   /* of files and endpoints */
    struct net_child *child; /* of a command, while it runs */
    struct upstream_token_options options;
    struct buf text;      /* the token */
    uint64_t expires_at;  /* of net_now(); 0: there is none */
    uint64_t lifetime_ms; /* when it was fetched */
    int64_t claims_s;     /* of a file: when it expires by what it says of itself, seconds since 1970; 0: it does not */
    bool fetching;
    void (*done)(void *ctx, const struct fault *fault);
    void *ctx;
    struct upstream_grant grant; /* the lane's, while it works */
};

static const char **copy_command(const char *const *command)
{
    size_t count = 0;
    while (command != NULL && command[count] != NULL) {
        count++;
    }
    if (count == 0) {
        return NULL;
    }
    const char **copy = expect_calloc(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = expect_strdup(command[i]);
    }
    return copy;
}

static void copy_options(struct upstream_token_options *to, const struct upstream_token_options *from)
{
    *to = (struct upstream_token_options){
        .file = expect_strdup(from->file),
        .command = copy_command(from->command),
        .endpoint = expect_strdup(from->endpoint),
        .client_id = expect_strdup(from->client_id),
        .client_secret = expect_strdup(from->client_secret),
        .refresh_token = expect_strdup(from->refresh_token),
        .key_file = expect_strdup(from->key_file),
        .subject = expect_strdup(from->subject),
        .refresh_file = expect_strdup(from->refresh_file),
        .scope = expect_strdup(from->scope),
        .ca_file = expect_strdup(from->ca_file),
        .lifetime_ms = from->lifetime_ms,
        .timeout_ms = from->timeout_ms,
    };
}

static void free_options(struct upstream_token_options *options)
{
    const char *strings[] = {options->file,          options->endpoint,     options->client_id, options->client_secret,
                             options->refresh_token, options->refresh_file, options->key_file,  options->subject,
                             options->scope,         options->ca_file};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        free((char *)strings[i]);
    }
    for (size_t i = 0; options->command != NULL && options->command[i] != NULL; i++) {
        free((char *)options->command[i]);
    }
    free((void *)options->command);
}

struct upstream_token *upstream_token_new(struct net_loop *loop, const struct upstream_token_options *options)
{
    struct upstream_token *token = expect_calloc(1, sizeof *token);
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted; not safe on lanes */
    token->loop = loop;
    copy_options(&token->options, options);
    buf_init(&token->text, UPSTREAM_GRANT_TOKEN_MAX);
    buf_init(&token->grant.token, UPSTREAM_GRANT_TOKEN_MAX);
    token->grant.options = &token->options;
    if (options->command == NULL) {
        token->lane = net_lane_new(loop, "token");
    }
    return token;
}

void upstream_token_free(struct upstream_token **token)
{
    if (*token == NULL) {
        return;
    }
    (*token)->grant.cancelled = true;
    (*token)->done = NULL;
    net_child_free(&(*token)->child);
    if ((*token)->lane != NULL) {
        net_lane_free(&(*token)->lane);
    }
    free_options(&(*token)->options);
    buf_wipe(&(*token)->text);
    buf_wipe(&(*token)->grant.token);
    free(*token);
    *token = NULL;
    curl_global_cleanup();
}

/* ---- fetching ---- */

/* When a JSON Web Token says that it expires (RFC 7519 section 4.1.4), without asking whether it is right; 0: it is
 * none, or does not say. */
static int64_t claim_of(struct bytes token)
{
    struct buf text, json;
    buf_init(&text, UPSTREAM_GRANT_TOKEN_MAX + 4);
    buf_init(&json, UPSTREAM_GRANT_TOKEN_MAX);
    bytes_cut(&token, '.');
    struct bytes part = bytes_cut(&token, '.');
    for (size_t i = 0; i < part.len; i++) { /* base64url to base64, RFC 4648 section 5 */
        uint8_t c = part.ptr[i];
        buf_append_octet(&text, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (text.len % 4 != 0) {
        buf_append_octet(&text, '=');
    }
    json_t *claims = NULL;
    if (part.len > 0 && units_base64_decode(&json, buf_bytes(&text)) == 0) {
        claims = json_loadb(buf_text(&json), json.len, 0, NULL);
    }
    int64_t expires = json_integer_value(json_object_get(claims, "exp"));
    json_decref(claims);
    buf_wipe(&text);
    buf_wipe(&json);
    return expires;
}

static void finish_token(struct upstream_token *token)
{
    struct upstream_grant *grant = &token->grant;
    bool failed = fault_is_set(&grant->fault);
    token->fetching = false;
    if (!failed) {
        buf_clear(&token->text);
        buf_append_bytes(&token->text, buf_bytes(&grant->token));
        token->lifetime_ms = grant->lifetime_s * 1000;
        token->expires_at = net_now(token->loop) + token->lifetime_ms;
        token->claims_s = token->options.file == NULL ? 0 : claim_of(buf_bytes(&token->text));
    }
    buf_wipe(&grant->token);
    if (token->done != NULL) {
        token->done(token->ctx, failed ? &grant->fault : NULL);
    }
}

static void work_token(void *ctx)
{
    struct upstream_token *token = ctx;
    upstream_grant_fetch(&token->grant);
}

static void on_worked(void *ctx)
{
    finish_token(ctx);
}

static void on_child(void *ctx, struct bytes output, const struct fault *fault)
{
    struct upstream_token *token = ctx;
    if (fault == NULL) {
        upstream_grant_read(&token->grant, output);
    } else {
        fault_set(&token->grant.fault, FAULT_TEMP, fault->code, "token", "%s", fault->text);
    }
    net_child_free(&token->child);
    finish_token(token);
}

bool upstream_token_fetch(struct upstream_token *token, void (*done)(void *ctx, const struct fault *fault), void *ctx)
{
    if (token->fetching) {
        return false;
    }
    token->fetching = true;
    token->done = done;
    token->ctx = ctx;
    token->grant.fault = FAULT_INIT;
    token->grant.now_s = net_wall(token->loop) / 1000;
    if (token->options.command != NULL) {
        const struct net_child_options options = {
            .arguments = token->options.command, .timeout_ms = token->options.timeout_ms, .output_max = OUTPUT_MAX};
        token->child = net_child_run(token->loop, &options, on_child, token);
    } else {
        net_lane_submit(token->lane, work_token, on_worked, token);
    }
    return true;
}

bool upstream_token_is_asked_for(const struct upstream_token *token)
{
    return token->options.file == NULL;
}

bool upstream_token_is_fresh(const struct upstream_token *token)
{
    uint64_t early = token->lifetime_ms > 2 * EARLY_MS ? EARLY_MS : token->lifetime_ms / 2;
    return token->expires_at > net_now(token->loop) + early;
}

const char *upstream_token_text(const struct upstream_token *token)
{
    return buf_text((struct buf *)&token->text);
}

int64_t upstream_token_expires_s(const struct upstream_token *token)
{
    if (token->options.file != NULL) {
        return token->claims_s == 0 ? INT64_MIN : token->claims_s - net_wall(token->loop) / 1000;
    }
    if (token->expires_at == 0) {
        return INT64_MIN;
    }
    return ((int64_t)token->expires_at - (int64_t)net_now(token->loop)) / 1000;
}

void upstream_token_spend(struct upstream_token *token, bool refused)
{
    if (refused || token->options.file != NULL) {
        token->expires_at = 0;
    }
}
