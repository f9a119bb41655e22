/*
 * cmd_drain - has the running gateway take nothing new, finish what is under way, and end: what SIGTERM does, where
 * nobody can send one. Other nodes of the same queue go on with what waits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli_api.h"

int cmd_drain(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    bool json = false;
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file), {.name = "json", .flag = &json, .help = "print JSON"}, {.name = NULL}};
    int exit_code;
    json_t *answer = NULL;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    struct cli_api *api = cli_api_open(file);
    if (api == NULL) {
        return EX_CONFIG;
    }
    json_t *body = json_object();
    exit_code = cli_api_call(api, "/api/v1/drain", body, &answer);
    if (exit_code == EX_OK && json) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        printf("\n");
    } else if (exit_code == EX_OK) {
        printf("draining: %" JSON_INTEGER_FORMAT " sessions and %" JSON_INTEGER_FORMAT
               " deliveries under way end first; then the gateway does\n",
               json_integer_value(json_object_get(answer, "sessions")),
               json_integer_value(json_object_get(answer, "active")));
    }
    json_decref(body);
    json_decref(answer);
    cli_api_close(&api);
    return exit_code;
}
