/*
 * cmd_order - what the running gateway is told to do as a whole: to load its configuration and rules again, all or
 * nothing; to take nothing new, finish what is under way, and end (what SIGTERM does, where nobody can send one: other
 * nodes of the same queue go on with what waits).
 */
#include <inttypes.h>
#include <stdio.h>

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
    json_t *body = json_object();
    struct cli_api_question question = {.path = path, .body = body, .json_help = "print JSON instead of text"};
    int exit_code = cli_api_command(command, argc, argv, &question);
    if (question.answer != NULL && question.as_json) {
        json_dumpf(question.answer, stdout, JSON_COMPACT);
        printf("\n");
    } else if (question.answer != NULL) {
        tell(question.answer);
    }
    json_decref(body);
    json_decref(question.answer);
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
