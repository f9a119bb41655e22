/*
 * cli_folders - which folders there are at the upstreams of a configuration, for commands that check against them.
 */
#ifndef MAILWEIR_CLI_CLI_FOLDERS_H
#define MAILWEIR_CLI_CLI_FOLDERS_H

#include "base/arena.h"
#include "base/must_use.h"
#include "config/config.h"

struct cli_folders {
    struct arena *arena; /* of: */
    struct filters_folder *items;
    size_t count;
};

/*
 * Logs in at each upstream and asks for its folders; blocks. Those that cannot be asked, or have more than can be
 * taken, are named on standard error and have none here. -1 when there was any of these. cli_folders_done() is due in
 * any case.
 */
MUST_USE int cli_folders_ask(struct cli_folders *folders_r, const struct config *config);
void cli_folders_done(struct cli_folders *folders);

#endif
