/*
 * cmd_health - is the gateway that runs here well? For container health checks: no shell and no other program is
 * needed.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli_api.h"

int cmd_health(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL, *address = NULL;
    bool live = false, as_json = false;
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file),
        {.name = "address",
         .value = &address,
         .help = "address of the admin server [$MAILWEIR_ADMIN, else from the configuration]"},
        {.name = "live", .flag = &live, .help = "ask only whether the process is alive"},
        {.name = "json", .flag = &as_json, .help = "print JSON: each check with its reason"},
        {.name = NULL}};
    int exit_code;
    json_t *answer = NULL;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    /* The gateway is asked, not its file: a slip in an edited file must not have what runs well restarted. */
    struct cli_api *api = cli_api_open_probe(address, file);
    if (api == NULL) {
        return 1;
    }
    exit_code = cli_api_call(api, live ? "/livez" : "/readyz", NULL, &answer);
    if (as_json && answer != NULL) {
        json_dumpf(answer, stdout, JSON_INDENT(1));
        printf("\n");
    } else if (exit_code == EX_OK) {
        printf("%s\n", live ? "live" : "ready");
    }
    json_decref(answer);
    cli_api_close(&api);
    /* Container platforms know 0 and 1 only. */
    return exit_code == EX_OK ? EX_OK : 1;
}
