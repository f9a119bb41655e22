/*
 * cli_login - "mailweir upstreams login NAME": gets a refresh token of an account and keeps it in the upstream's
 * refresh_token_file. By the device grant (RFC 8628) where the provider has one that may read mail (Microsoft), else by
 * authorization code with PKCE over a redirect to this machine (RFC 8252, RFC 7636; Google). The operator brings the
 * client's id; a token is never printed.
 */
#ifndef MAILWEIR_CLI_CLI_LOGIN_H
#define MAILWEIR_CLI_CLI_LOGIN_H

#include "base/must_use.h"
#include "config/config.h"

/* Talks to the person at the terminal; blocks until it is done. An exit code of sysexits.h. */
MUST_USE int cli_login(const struct config *config, const char *name);

#endif
