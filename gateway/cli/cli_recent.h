/*
 * cli_recent - rules that are not in force yet, over what the running gateway has decided last and what waits there.
 */
#ifndef MAILWEIR_CLI_CLI_RECENT_H
#define MAILWEIR_CLI_CLI_RECENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/must_use.h"

/*
 * Prints what would go elsewhere by the rule files at paths, as explain --diff does; config finds the gateway, may be
 * NULL. The exit code: 1 when anything differs or the rules have an error.
 */
MUST_USE int cli_recent_diff(const char *config, const char *const *paths, size_t count, bool json);

#endif
