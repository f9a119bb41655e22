/*
 * cmd_health - is the gateway that runs here well? For container health checks: no shell and no other program is needed.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli_api.h"

int cmd_health(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    bool live = false;
    const struct cli_option options[] = {{.name = "config", .value = &file, .help = "the configuration file"},
                                         {.name = "live", .flag = &live, .help = "ask only whether the process works"},
                                         {.name = NULL}};
    int exit_code;
    json_t *answer = NULL;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    struct cli_api *api = cli_api_open(file);
    if (api == NULL) {
        return EX_CONFIG;
    }
    exit_code = cli_api_call(api, live ? "/livez" : "/readyz", NULL, &answer);
    if (exit_code == EX_OK) {
        printf("%s\n", live ? "live" : "ready");
    }
    json_decref(answer);
    cli_api_close(&api);
    /* Container platforms know 0 and 1 only. */
    return exit_code == EX_OK ? EX_OK : 1;
}
