/*
 * cmd_check - is the configuration good? Like `nginx -t`: problems with their places on standard error, 1 when there are errors.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli.h"

int cmd_check(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    const struct cli_option options[] = {{.name = "config", .value = &file, .help = "the configuration file"},
                                         {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    struct config *config = cli_load_config(file);
    if (config == NULL) {
        return 1;
    }
    printf("%s: good (listeners: %zu, upstreams: %zu, rules: %zu)\n", config->file, config->listeners.count,
           config->upstreams.count, filters_rule_count(config->rule_set));
    config_free(&config);
    return EX_OK;
}
