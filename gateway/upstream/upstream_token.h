/*
 * upstream_token - OAuth2 access tokens of one account: from a file that something else keeps fresh, from a command, or
 * from a token endpoint (RFC 6749 sections 4.4 and 6; RFC 7523 for a service account) by libcurl on a lane of its own.
 * One fetch at a time serves all connections of the pool.
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_TOKEN_H
#define MAILWEIR_UPSTREAM_UPSTREAM_TOKEN_H

#include "base/fault.h"
#include "base/must_use.h"
#include "net/net_loop.h"

/* Strings are NULL where there is nothing. One of file, command, endpoint with client_id, or key_file with subject and
 * scope. */
struct upstream_token_options {
    const char *file;
    const char *const *command; /* program and arguments; NULL ends them */
    const char *endpoint;       /* https://... */
    const char *client_id;
    const char *client_secret;
    const char *refresh_token; /* grant refresh_token; without it, and without the next, client_credentials */
    const char *refresh_file;  /* the same, read for each token and written when the endpoint gives a new one */
    const char *key_file;      /* of a service account */
    const char *subject;       /* the user in whose name the service account asks */
    const char *scope;
    const char *ca_file;  /* whom to trust instead of the system's CAs */
    uint64_t lifetime_ms; /* of a command's token, when the command does not say */
    uint64_t timeout_ms;  /* of the command */
};

struct upstream_token;

/* The options are copied. */
MUST_USE struct upstream_token *upstream_token_new(struct net_loop *loop, const struct upstream_token_options *options);
/* Ends a fetch under way; no answer of it comes. Sets *token to NULL; NULL is fine. */
void upstream_token_free(struct upstream_token **token);

/* Whether there is a token that is good for the next minute. One from a file is read again for each new connection. */
bool upstream_token_is_fresh(const struct upstream_token *token);
/* "" without one. */
const char *upstream_token_text(const struct upstream_token *token);
/* Seconds until it expires, negative behind that; INT64_MIN when it cannot be told: no token yet, or one from a file
 * that is no JSON Web Token, or does not say. */
int64_t upstream_token_expires_s(const struct upstream_token *token);
/* It was used, or refused: the next connection needs a new look. */
void upstream_token_spend(struct upstream_token *token, bool refused);
/* Whether somebody is asked for it: another node that asked at the same time might be given what makes ours void. */
bool upstream_token_is_asked_for(const struct upstream_token *token);
/* Fetches; done comes once, from the loop, with NULL or a fault (TEMP). While a fetch is under way, nothing more is
 * begun and false returned. */
bool upstream_token_fetch(struct upstream_token *token, void (*done)(void *ctx, const struct fault *fault), void *ctx);

#endif
