/*
 * cmd_top - the running gateway, live: its state each second, over the admin server's stream. On a terminal the picture
 * is drawn anew in place; in a pipe one JSON object comes per second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli_api.h"
#include "cli/cli_status.h"

struct top {
    bool as_json, colour;
    uint64_t left; /* pictures still to come; 0: for ever */
    int64_t accepted, filed;
    bool has_before;
};

static int64_t number(const json_t *state, const char *group, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(state, group), name));
}

static void print_rates(struct top *top, const json_t *state)
{
    int64_t accepted = number(state, "messages", "accepted"), filed = number(state, "deliveries", "filed");
    if (top->has_before) {
        printf("  now        %" PRId64 "/s accepted, %" PRId64 "/s filed, %" PRId64 " under way\n",
               accepted - top->accepted, filed - top->filed, number(state, "deliveries", "active"));
    }
    top->accepted = accepted;
    top->filed = filed;
    top->has_before = true;
}

static void show(struct top *top, const json_t *state, const char *data)
{
    if (top->as_json) {
        printf("%s\n", data);
    } else {
        printf("\x1b[H\x1b[2J"); /* home, clear */
        cli_status_print(stdout, state, top->colour);
        print_rates(top, state);
        printf("\nCtrl-C ends it.\n");
    }
    fflush(stdout);
}

static bool on_event(void *ctx, const char *name, const char *data)
{
    struct top *top = ctx;
    if (strcmp(name, "state") != 0) {
        return true;
    }
    json_t *state = json_loads(data, 0, NULL);
    if (state != NULL) {
        show(top, state, data);
    }
    json_decref(state);
    return top->left == 0 || --top->left > 0;
}

int cmd_top(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL, *times = NULL;
    struct top top = {.as_json = false};
    const struct cli_option options[] = {CLI_OPTION_CONFIG(&file),
                                         {.name = "json", .flag = &top.as_json, .help = "one JSON object per second"},
                                         {.name = "times", .value = &times, .help = "end after so many pictures"},
                                         {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    if (times != NULL && (!bytes_to_u64(bytes_of(times), &top.left) || top.left == 0)) {
        return cli_usage_error(command, "\"%s\" is no number of times", times);
    }
    top.as_json = top.as_json || isatty(STDOUT_FILENO) != 1;
    top.colour = cli_has_colour(STDOUT_FILENO);
    struct cli_api *api = cli_api_open(file);
    if (api == NULL) {
        return EX_CONFIG;
    }
    exit_code = cli_api_follow(api, "/api/v1/events", on_event, &top);
    cli_api_close(&api);
    return exit_code;
}
