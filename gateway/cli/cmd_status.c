/*
 * cmd_status - the running gateway at one look.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli_api.h"
#include "cli/cli_status.h"
#include "cli/cli_paint.h"

int cmd_status(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file), {.name = "json", .flag = &as_json, .help = "everything, as JSON"}, {.name = NULL}};
    int exit_code;
    json_t *status = NULL;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    struct cli_api *api = cli_api_open(file);
    if (api == NULL) {
        return EX_CONFIG;
    }
    exit_code = cli_api_call(api, "/api/v1/status", NULL, &status);
    cli_api_close(&api);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    if (as_json) {
        json_dumpf(status, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        cli_status_print(stdout, status, cli_has_colour(STDOUT_FILENO));
    }
    /* Like a service manager's status: no when mail is not taken. */
    exit_code = json_is_true(json_object_get(status, "ready")) ? EX_OK : 1;
    json_decref(status);
    return exit_code;
}
