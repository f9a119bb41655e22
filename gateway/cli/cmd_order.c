/*
 * cmd_order - what the running gateway is told to do as a whole: to load its configuration and rules again, all or
 * nothing; to take nothing new, finish what is under way, and end (what SIGTERM does, where nobody can send one: other
 * nodes of the same queue go on with what waits).
 */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli_api.h"

static void tell_reloaded(const json_t *answer)
{
    printf("reloaded: %" JSON_INTEGER_FORMAT " rules in force\n", json_integer_value(json_object_get(answer, "rules")));
}

static void tell_draining(const json_t *answer)
{
    printf("draining: %" JSON_INTEGER_FORMAT " sessions and %" JSON_INTEGER_FORMAT
           " deliveries under way are finished first; then the gateway exits\n",
           json_integer_value(json_object_get(answer, "sessions")),
           json_integer_value(json_object_get(answer, "active")));
}

/* path: of the API, which takes the order without a word; tell prints its answer for people. */
static int give_order(const struct cli_command *command, int argc, char **argv, const char *path,
                      void (*tell)(const json_t *answer))
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
    exit_code = cli_api_call(api, path, body, &answer);
    if (exit_code == EX_OK && json) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        printf("\n");
    } else if (exit_code == EX_OK) {
        tell(answer);
    }
    json_decref(body);
    json_decref(answer);
    cli_api_close(&api);
    return exit_code;
}

int cmd_reload(const struct cli_command *command, int argc, char **argv)
{
    return give_order(command, argc, argv, "/api/v1/reload", tell_reloaded);
}

int cmd_drain(const struct cli_command *command, int argc, char **argv)
{
    return give_order(command, argc, argv, "/api/v1/drain", tell_draining);
}
