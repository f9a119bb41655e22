/*
 * cli_notify - tells the service manager how the process is (sd_notify(3)): ready, reloading, stopping, alive.
 *
 * Without $NOTIFY_SOCKET nothing is sent. The protocol is a few datagrams, so no library is needed for it.
 */
#ifndef MAILWEIR_CLI_CLI_NOTIFY_H
#define MAILWEIR_CLI_CLI_NOTIFY_H

#include "base/must_use.h"
#include "net/net_loop.h"

struct cli_notify;

/* Says READY=1, and from now on WATCHDOG=1 as often as $WATCHDOG_USEC asks for: a loop that hangs is restarted. */
MUST_USE struct cli_notify *cli_notify_new(struct net_loop *loop);
/* Before a reload; READY=1 follows after it by cli_notify_ready(). */
void cli_notify_reloading(struct cli_notify *notify);
void cli_notify_ready(struct cli_notify *notify);
void cli_notify_stopping(struct cli_notify *notify);
/* Sets *notify to NULL; NULL is fine. */
void cli_notify_free(struct cli_notify **notify);

#endif
