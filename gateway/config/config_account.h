/*
 * config_account - from an upstream of the configuration to the account that a pool is made of.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_ACCOUNT_H
#define MAILWEIR_CONFIG_CONFIG_ACCOUNT_H

#include "base/must_use.h"
#include "config/config.h"

/*
 * The account for a pool; its strings are the configuration's. Reads the certificates that it names. On success the
 * caller gives it back by upstream_account_release(); -1 with a fault.
 */
MUST_USE int config_upstream_account(const struct config_upstream *upstream, struct upstream_account *account_r,
                                     struct fault *fault);
/* How many places the upstream names that a token comes from. */
MUST_USE int config_token_ways(const struct config_upstream *upstream);

#endif
