/*
 * cmd_schema - prints the JSON Schema of the configuration file, as it stands in filters/schema.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "daemon/config_schema.h"

int cmd_schema(const struct cli_command *command, int argc, char **argv)
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
    json_t *schema = config_schema();
    json_dumpf(schema, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(schema);
    return EX_OK;
}
