/* cli_sandbox - the sandbox of "mailweir run", by what its configuration names. */
#ifndef MAILWEIR_CLI_CLI_SANDBOX_H
#define MAILWEIR_CLI_CLI_SANDBOX_H

#include "base/log.h"
#include "base/must_use.h"
#include "config/config.h"
#include "net/net_sandbox.h"

/*
 * Becomes the user that the configuration file names, before anything else is read: so that what only root can read is
 * found out at the start, and not by the first reload. -1 with a fault.
 */
MUST_USE int cli_sandbox_become(const char *file, struct fault *fault);

/* Enters the sandbox, before the first lane begins, and logs what holds. What runs the programs that the configuration
 * names is begun before (net_runner_stop()). -1 with a fault when that cannot be, or when all is required and something
 * is missing. */
MUST_USE int cli_sandbox_enter(const struct config *config, struct net_loop *loop, struct log *log,
                               struct net_sandbox_state *state_r, struct fault *fault);

#endif
