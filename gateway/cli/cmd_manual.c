/*
 * cmd_manual - prints the manual page of the configuration file, as it stands in deploy/doc.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "config/config_manual.h"

#define MANUAL_MAX (1u << 20)

int cmd_manual(const struct cli_command *command, int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    int exit_code;
    struct buf text;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    buf_init(&text, MANUAL_MAX);
    config_manual(&text);
    fwrite(buf_bytes(&text).ptr, 1, text.len, stdout);
    buf_done(&text);
    return EX_OK;
}
