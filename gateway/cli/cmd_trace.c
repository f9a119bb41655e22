/*
 * cmd_trace - what is said between us and an upstream, or between clients and us: has the running gateway write it to
 * its log for a while, and shows it here until that is over or Ctrl-C.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli_api.h"
#include "cli/queue.h"
#include "cli/cli_paint.h"
#include "document/document_member.h"

struct options {
    const char *config, *upstream, *listener, *client, *time, *size;
    bool list, off, json;
};

struct watch {
    int64_t id;
    bool as_json;
    const char *in, *out, *end; /* colours */
};

/* Signals wait from here on, and are looked for with each event of the stream, which come at least each second. */
static void hold_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool is_interrupted(void)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, SIGINT) == 1 || sigismember(&set, SIGTERM) == 1;
}

static void print_line(const struct watch *watch, const json_t *line)
{
    bool client = strcmp(document_member_text(line, "said_by"), "client") == 0;
    const char *peer = document_member_text(line, "client.address");
    int64_t number = json_integer_value(json_object_get(line, peer[0] != '\0' ? "client.port" : "connection"));
    printf("%.12s %s%s%" PRId64 " %s%s ", document_member_text(line, "@timestamp") + 11, peer,
           peer[0] != '\0' ? ":" : "#", number, client ? watch->out : watch->in, client ? "C:" : "S:");
    queue_print_text(document_member_text(line, "line"));
    printf("%s\n", watch->end);
}

static bool on_event(void *ctx, const char *name, const char *data)
{
    const struct watch *watch = ctx;
    json_t *object = strcmp(name, "log") == 0 ? json_loads(data, 0, NULL) : NULL;
    const char *action = document_member_text(object, "event.action");
    bool ours = json_integer_value(json_object_get(object, "trace")) == watch->id;
    bool over = ours && strcmp(action, "trace_off") == 0;
    if (ours && strcmp(action, "trace") == 0) {
        if (watch->as_json) {
            puts(data);
        } else {
            print_line(watch, object);
        }
        fflush(stdout);
    }
    json_decref(object);
    return !over && !is_interrupted();
}

static int follow_trace(struct cli_api *api, const struct options *options, const json_t *trace)
{
    bool colour = cli_has_colour(STDOUT_FILENO);
    struct watch watch = {.id = json_integer_value(json_object_get(trace, "id")),
                          .as_json = options->json,
                          .in = colour ? "\033[36m" : "",
                          .out = colour ? "\033[33m" : "",
                          .end = colour ? "\033[0m" : ""};
    hold_signals();
    fprintf(stderr, "trace %" PRId64 " runs for %" PRId64 " s, up to %" PRId64 " octets; Ctrl-C ends it\n", watch.id,
            (int64_t)json_integer_value(json_object_get(trace, "seconds_left")),
            (int64_t)json_integer_value(json_object_get(trace, "octets_left")));
    int exit_code = cli_api_follow(api, "/api/v1/events", on_event, NULL, &watch);
    if (is_interrupted()) {
        char path[80];
        json_t *body = json_object(), *answer = NULL;
        snprintf(path, sizeof path, "/api/v1/traces/%" PRId64 "/stop", watch.id);
        exit_code = cli_api_call(api, path, body, &answer);
        json_decref(answer);
        json_decref(body);
    }
    return exit_code;
}

static int begin_trace(struct cli_api *api, const struct options *options)
{
    json_t *trace = NULL;
    json_t *body = json_pack("{s:s*,s:s*,s:s*,s:s*,s:s*}", "upstream", options->upstream, "listener", options->listener,
                             "client", options->client, "for", options->time, "size", options->size);
    int exit_code = cli_api_call(api, "/api/v1/traces", body, &trace);
    json_decref(body);
    if (exit_code == EX_OK) {
        exit_code = follow_trace(api, options, trace);
    }
    json_decref(trace);
    return exit_code;
}

/* Prints those that are on; ends them before when that is asked for. */
static int list_traces(struct cli_api *api, bool off)
{
    json_t *answer = NULL, *trace;
    size_t i;
    int exit_code = cli_api_call(api, "/api/v1/traces", NULL, &answer);
    json_array_foreach(json_object_get(answer, "traces"), i, trace)
    {
        char path[80];
        json_t *body = json_object(), *left = NULL;
        queue_print_json(trace);
        snprintf(path, sizeof path, "/api/v1/traces/%" JSON_INTEGER_FORMAT "/stop",
                 json_integer_value(json_object_get(trace, "id")));
        if (off && exit_code == EX_OK) {
            exit_code = cli_api_call(api, path, body, &left);
        }
        json_decref(left);
        json_decref(body);
    }
    json_decref(answer);
    return exit_code;
}

int cmd_trace(const struct cli_command *command, int argc, char **argv)
{
    struct options options = {0};
    const struct cli_option known[] = {
        CLI_OPTION_CONFIG(&options.config),
        {.name = "upstream", .value = &options.upstream, .help = "trace the IMAP dialogue with this upstream"},
        {.name = "listener",
         .value = &options.listener,
         .help = "trace the SMTP dialogue with clients of this listener"},
        {.name = "client", .value = &options.client, .help = "trace only clients with this address or in this network"},
        {.name = "for", .value = &options.time, .help = "how long to trace [10m]"},
        {.name = "size", .value = &options.size, .help = "how much to trace at most [1MiB]"},
        {.name = "list", .flag = &options.list, .help = "only list the traces that are running"},
        {.name = "off", .flag = &options.off, .help = "end all traces"},
        {.name = "json", .flag = &options.json, .help = "print JSON instead of text, one object on each line"},
        {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, known, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    struct cli_api *api = cli_api_open(options.config);
    if (api == NULL) {
        return EX_CONFIG;
    }
    exit_code = options.list || options.off ? list_traces(api, options.off) : begin_trace(api, &options);
    cli_api_close(&api);
    return exit_code;
}
