/*
 * cmd_version - which mailweir this is.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli.h"

int cmd_version(const struct cli_command *command, int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{.name = "json", .flag = &json, .help = "print JSON"}, {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    printf(json ? "{\"version\": \"%s\"}\n" : "mailweir %s\n", MAILWEIR_VERSION);
    return EX_OK;
}
