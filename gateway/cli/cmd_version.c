/*
 * cmd_version - which mailweir this is.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli.h"

int cmd_version(const struct cli_command *command, int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    if (others > 0) {
        return cli_usage_error(command, "\"%s\" is one argument too many", argv[1]);
    }
    printf("mailweir %s\n", MAILWEIR_VERSION);
    return EX_OK;
}
