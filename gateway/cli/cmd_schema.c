/*
 * cmd_schema - prints the JSON Schema of the configuration file or of rule files, as they stand in filters/schema.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "config/config_schema.h"
#include "filters/filters.h"

int cmd_schema(const struct cli_command *command, int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    bool rules = others > 0 && strcmp(argv[1], "rules") == 0;
    if (others > 1 || (others == 1 && !rules && strcmp(argv[1], "config") != 0)) {
        return cli_usage_error(command, "there are two schemas: config and rules");
    }
    if (rules) {
        struct buf text;
        buf_init(&text, 4u << 20);
        filters_schema(&text);
        fputs(buf_text(&text), stdout);
        buf_done(&text);
        return EX_OK;
    }
    json_t *schema = config_schema();
    json_dumpf(schema, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(schema);
    return EX_OK;
}
