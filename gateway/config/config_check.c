/*
 * config_check - see config_check.h. Every check is a function over one object; problems point at the key that is
 * wrong.
 */
#include "config/config_check.h"

#include <stdio.h>
#include <string.h>

#include "config/config_account.h"
#include "config/config_listener_options.h"
#include "upstream/upstream_assertion.h"
#include "net/net_file.h"

#define ASSERTION_MAX ((size_t)64 << 10)

struct check {
    const struct config *config;
    const struct document *json;
    struct problems *problems;
    char pointer[512]; /* of the object that is checked */
};

__attribute__((format(printf, 3, 4))) static void say_wrong(struct check *check, const char *key, const char *format,
                                                            ...)
{
    char pointer[600], text[700];
    snprintf(pointer, sizeof pointer, "%s/%s", check->pointer, key);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    document_problem(check->json, check->problems, PROBLEM_ERROR, pointer, "%s", text);
}

/* ---- upstreams ---- */

/* What tokens come from is there, and nothing secret crosses a network in clear. */
static void check_token(struct check *check, const struct config_upstream *upstream)
{
    const struct upstream_token_options *token = &upstream->token;
    const struct upstream_assertion_claims claims = {.subject = token->subject, .scope = token->scope};
    struct fault fault = FAULT_INIT;
    if (token->endpoint != NULL && !upstream_assertion_may_go_to(token->endpoint)) {
        say_wrong(check, "auth/oauth2/token_endpoint",
                  "secrets are sent to this address, so it must begin with https://");
    }
    if (token->command != NULL && token->command[0][0] != '/') {
        say_wrong(check, "auth/token/command/0", "give the full path of the program, such as /usr/local/bin/get-token");
    } else if (token->command != NULL && net_file_stamp(token->command[0]) == 0) {
        say_wrong(check, "auth/token/command/0", "there is no program %s", token->command[0]);
    }
    /* An assertion is made for nobody: a key that cannot sign is told now, not when the first token runs out. */
    if (token->key_file != NULL && token->subject != NULL) {
        struct buf assertion, endpoint;
        buf_init(&assertion, ASSERTION_MAX);
        buf_init(&endpoint, ASSERTION_MAX);
        if (upstream_assertion_make(token->key_file, &claims, &assertion, &endpoint, &fault) < 0) {
            say_wrong(check, "auth/service_account/file", "%s", fault.text);
        }
        buf_wipe(&assertion);
        buf_done(&endpoint);
    }
}

/* One way to log in, and what it takes. */
static void check_credentials(struct check *check, const struct config_upstream *upstream)
{
    bool external = upstream->mechanism == IMAPC_AUTH_EXTERNAL;
    bool bearer = upstream->mechanism == IMAPC_AUTH_XOAUTH2 || upstream->mechanism == IMAPC_AUTH_OAUTHBEARER;
    int tokens = config_token_ways(upstream);
    /* With two ways, the first could fail for weeks and nobody would know before the second does. */
    if ((upstream->password != NULL) + tokens + external != 1) {
        say_wrong(
            check, "auth",
            "exactly one of \"password\", \"token_file\", \"token\", \"oauth2\", \"service_account\" or the mechanism "
            "\"external\" is needed");
    } else if (upstream->mechanism != IMAPC_AUTH_AUTO && bearer != (tokens > 0)) {
        say_wrong(check, "auth/mechanism", "OAuth2 mechanisms go with a token, the others with a password");
    } else if (external && upstream->tls.certificate == NULL) {
        say_wrong(check, "tls", "the mechanism \"external\" needs a \"certificate\" and its \"key\"");
    }
    bool scram = upstream->mechanism == IMAPC_AUTH_SCRAM_SHA_1 || upstream->mechanism == IMAPC_AUTH_SCRAM_SHA_256;
    if (upstream->binding == IMAPC_BINDING_REQUIRED && (!scram || upstream->tls.mode == CONFIG_TLS_NONE)) {
        say_wrong(check, "auth/channel_binding",
                  "channel binding needs TLS and the mechanism \"scram-sha-256\" or \"scram-sha-1\"");
    }
    check_token(check, upstream);
}

/* Whether the addresses that stand by are some; *is_near is cleared when one is not on this machine. */
static bool check_standby(struct check *check, const struct config_upstream *upstream, bool *is_near)
{
    bool good = upstream->standby.count < UPSTREAM_PLACES_MAX;
    if (!good) {
        say_wrong(check, "standby", "at most %d addresses can stand by", UPSTREAM_PLACES_MAX - 1);
    }
    for (size_t i = 0; i < upstream->standby.count; i++) {
        struct net_address address;
        struct fault fault = FAULT_INIT;
        char key[40];
        snprintf(key, sizeof key, "standby/%zu", i);
        if (net_address_parse(&address, bytes_of(upstream->standby.items[i]), &fault) < 0) {
            say_wrong(check, key, "%s", fault.text);
            good = false;
        } else {
            *is_near = *is_near && net_address_is_loopback(&address);
        }
    }
    return good;
}

static void check_folders(struct check *check, const struct config_upstream *upstream)
{
    struct bytes forbidden = bytes_of(upstream->folders_forbidden == NULL ? "" : upstream->folders_forbidden);
    struct bytes replacement = bytes_of(upstream->folders_replacement == NULL ? "_" : upstream->folders_replacement);
    if (!bytes_is_utf8(forbidden) || bytes_has_control(forbidden) || bytes_find_octet(forbidden, '/') >= 0) {
        say_wrong(check, "folders/forbidden", "characters in UTF-8; \"/\" separates levels and never comes from mail");
    }
    if (replacement.len > 1 || !bytes_is_ascii(replacement) || bytes_has_control(replacement) ||
        (replacement.len == 1 && strchr("/*%", replacement.ptr[0]) != NULL)) {
        say_wrong(check, "folders/replacement", "one ASCII character other than \"/\", \"*\" and \"%%\", or \"\"");
    } else if (replacement.len == 1 && bytes_find(forbidden, replacement) >= 0) {
        say_wrong(check, "folders/replacement", "the replacement is itself one of the forbidden characters");
    }
}

static void check_upstream(struct check *check, size_t index)
{
    const struct config_upstream *upstream = config_upstream_at(check->config, index);
    snprintf(check->pointer, sizeof check->pointer, "/upstreams/%s", upstream->name);
    bool is_near = net_address_is_loopback(&upstream->address), standby = check_standby(check, upstream, &is_near);
    if (upstream->tls.mode == CONFIG_TLS_NONE && !upstream->insecure && !is_near) {
        say_wrong(check, "tls",
                  "the password and all mail would cross the network unencrypted; use TLS, or set \"insecure\": true");
    }
    check_credentials(check, upstream);
    check_folders(check, upstream);
    struct upstream_account account;
    struct fault fault = FAULT_INIT;
    /* Made and thrown away: only OpenSSL itself tells whether certificate, key and CA file go together. */
    if (standby && config_upstream_account(upstream, &account, &fault) < 0) {
        say_wrong(check, "tls", "%s: %s", fault.where, fault.text);
    } else if (standby) {
        upstream_account_release(&account);
    }
    if (upstream->retry_initial > upstream->retry_maximum) {
        say_wrong(check, "retry", "\"initial\" is longer than \"maximum\"");
    }
}

/* ---- admin ---- */

#define TOKEN_MIN 16 /* characters of a token that cannot be guessed */

static void check_tokens(struct check *check, const struct config_admin *admin)
{
    const struct config_admin_token *tokens = admin->tokens.items;
    if (admin->token != NULL && strlen(admin->token) < TOKEN_MIN) {
        say_wrong(check, "token", "shorter than %d characters, so it could be guessed", TOKEN_MIN);
    }
    for (size_t i = 0; i < admin->tokens.count; i++) {
        const char *token = tokens[i].token == NULL ? "" : tokens[i].token;
        char key[200];
        snprintf(key, sizeof key, "tokens/%.100s/token", tokens[i].name);
        bool twice = admin->token != NULL && strcmp(token, admin->token) == 0;
        for (size_t j = 0; j < i; j++) {
            twice = twice || (tokens[j].token != NULL && strcmp(token, tokens[j].token) == 0);
        }
        if (strcmp(tokens[i].name, "admin") == 0) {
            say_wrong(check, key, "\"admin\" is the name of whoever uses \"token\"; choose another name");
        } else if (strlen(token) < TOKEN_MIN) {
            say_wrong(check, key, "shorter than %d characters, so it could be guessed", TOKEN_MIN);
        } else if (twice) {
            say_wrong(check, key, "another token is the same, so the gateway could not tell them apart");
        }
    }
}

static void check_admin_tls(struct check *check, const struct config_admin *admin)
{
    struct net_tls *tls = NULL;
    struct fault fault = FAULT_INIT;
    const struct net_tls_options options = {.certificate = admin->certificate, .key = admin->key};
    if (admin->tls_mode == CONFIG_TLS_STARTTLS) {
        say_wrong(check, "tls/mode", "HTTP has no STARTTLS: use \"implicit\" or \"none\"");
    }
    if (admin->certificate == NULL || admin->key == NULL) {
        return;
    }
    if (net_tls_server_new(&tls, &options, &fault) < 0) {
        say_wrong(check, "tls", "%s: %s", fault.where, fault.text);
    } else if (net_tls_days_left(tls) < 0) {
        say_wrong(check, "tls/certificate", "the certificate has expired");
    }
    net_tls_free(&tls);
}

static void check_admin(struct check *check)
{
    const struct config_admin *admin = &check->config->admin;
    struct net_address addresses[CONFIG_ADMIN_ADDRESSES];
    struct fault fault = FAULT_INIT;
    size_t count;
    bool has_tls = admin->certificate != NULL && admin->tls_mode == CONFIG_TLS_IMPLICIT, tokenless = true;
    snprintf(check->pointer, sizeof check->pointer, "/admin");
    if (!admin->enabled || check->config->spool_path == NULL) {
        return;
    }
    if (config_admin_addresses(check->config, addresses, &count, &fault) < 0) {
        say_wrong(check, "address", "%s", fault.text);
        return;
    }
    tokenless = admin->token == NULL && admin->tokens.count == 0;
    for (size_t i = 0; i < count; i++) {
        if (!addresses[i].is_unix && tokenless) {
            say_wrong(
                check, "token",
                "anybody who reaches a TCP address may use the admin server: set a token of at least %d characters",
                TOKEN_MIN);
            tokenless = false; /* once is enough */
        }
        if (!net_address_is_loopback(&addresses[i]) && !admin->behind_tls_proxy && !has_tls) {
            say_wrong(
                check, "address",
                "the token would cross the network unencrypted: listen on loopback or a unix socket, give \"admin\" a "
                "\"tls\" with a certificate, or say \"behind_tls_proxy\": true");
        }
    }
    check_tokens(check, admin);
    check_admin_tls(check, admin);
}

/* ---- the rest ---- */

/* A backslash in front is that of a special use. */
static void check_folder(struct check *check, const char *key, const char *folder)
{
    if (folder != NULL && imap_special_is_named(bytes_of(folder)) &&
        imap_special_find(bytes_of(folder)) == IMAP_SPECIAL_USES) {
        struct buf uses;
        buf_init(&uses, 200);
        imap_special_list(&uses);
        say_wrong(check, key, "\"%s\" is not a special use: %s", folder, buf_text(&uses));
        buf_done(&uses);
    }
}

static void check_default(struct check *check)
{
    const struct config *config = check->config;
    check->pointer[0] = '\0';
    check_folder(check, "default/folder", config->default_folder);
    check_folder(check, "dead_letters/folder", config->dead_folder);
    if (config->dead_upstream != NULL && !config_has_upstream(config, config->dead_upstream)) {
        say_wrong(check, "dead_letters/upstream", "there is no upstream \"%s\"", config->dead_upstream);
    }
    if (config->default_reject && config->default_upstream != NULL) {
        say_wrong(check, "default", "either \"reject\" or an \"upstream\", not both");
    } else if (!config->default_reject && config->default_upstream == NULL) {
        say_wrong(
            check, "default",
            "set where a message goes that no rule takes: {\"upstream\": …, \"folder\": …}, or {\"reject\": true}");
    } else if (config->default_upstream != NULL && !config_has_upstream(config, config->default_upstream)) {
        say_wrong(check, "default/upstream", "there is no upstream \"%s\"", config->default_upstream);
    }
    const char *fallback = config->default_fallback;
    if (fallback != NULL && !config_has_upstream(config, fallback)) {
        say_wrong(check, "default/fallback", "there is no upstream \"%s\"", fallback);
    } else if (fallback != NULL && config->default_upstream != NULL &&
               strcmp(fallback, config->default_upstream) == 0) {
        say_wrong(check, "default/fallback", "the fallback of \"%s\" must be another upstream", fallback);
    }
}

void config_check(const struct config *config, const struct document *json, struct problems *problems)
{
    struct check check = {.config = config, .json = json, .problems = problems};
    for (size_t i = 0; i < config->listeners.count; i++) {
        config_check_listener(config, i, json, problems);
    }
    for (size_t i = 0; i < config->upstreams.count; i++) {
        check_upstream(&check, i);
    }
    check_default(&check);
    check_admin(&check);
    config_check_probe(config, json, problems);
    config_check_start(config, json, problems);
    check.pointer[0] = '\0';
    if (config->listeners.count == 0) {
        say_wrong(&check, "listeners", "at least one listener is needed");
    }
    if (config->hostname != NULL && strpbrk(config->hostname, " \t<>()[]@\"\\") != NULL) {
        say_wrong(&check, "hostname", "\"%s\" is not a host name", config->hostname);
    }
}
