/*
 * cmd_status - the running gateway at one look.
 */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli_api.h"
#include "cli/cli_status.h"
#include "cli/cli_paint.h"

int cmd_status(const struct cli_command *command, int argc, char **argv)
{
    struct cli_api_question question = {.path = "/api/v1/status", .json_help = "print everything, as JSON"};
    int exit_code = cli_api_command(command, argc, argv, &question);
    const json_t *status = question.answer;
    if (status == NULL) {
        return exit_code;
    }
    if (question.as_json) {
        json_dumpf(status, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        cli_status_print(stdout, status, cli_has_colour(STDOUT_FILENO));
    }
    /* Like a service manager's status: no when mail is not taken. */
    exit_code = json_is_true(json_object_get(status, "ready")) ? EX_OK : 1;
    json_decref(question.answer);
    return exit_code;
}
