/*
 * cmd_probe - does mail arrive? One message through the gateway's front door into the probe's folder, read back over
 * IMAP and removed. 1 when a step does not work; which one, why, and what to do stand on standard error.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/units.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "daemon/probe.h"

struct asking {
    struct net_loop *loop;
    const struct config *config;
    struct probe_options options;
    struct net_address address;
    char upstream[200];
    bool as_json;
    int result;
};

/* ---- what came of it ---- */

static json_t *ms(uint64_t us)
{
    return us == 0 ? json_null() : json_real((double)us / 1000);
}

static void print_json(const struct asking *asking, const struct probe_result *result)
{
    json_t *object =
        json_pack("{s:b, s:s?, s:s, s:s, s:s, s:b, s:o, s:o}", "good", result->step == NULL, "id",
                  result->id[0] == '\0' ? NULL : result->id, "listener", config_probe_listener(asking->config)->name,
                  "upstream", asking->options.upstream, "folder", asking->options.folder, "arrived", result->arrived,
                  "accepted_ms", ms(result->accepted_us), "arrived_ms", ms(result->arrived_us));
    if (result->step != NULL) {
        json_object_set_new(object, "step", json_string(result->step));
        json_object_set_new(object, "problem", json_string(result->text));
        json_object_set_new(object, "advice", json_string(result->advice));
    }
    cli_api_clean(object);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
}

static void print_text(const struct asking *asking, const struct probe_result *result)
{
    /* The server's words are in it. */
    json_t *text = json_pack("{s:s}", "text", result->text);
    cli_api_clean(text);
    if (result->accepted_us > 0) {
        printf("accepted as %s after %" PRIu64 " ms\n", result->id, result->accepted_us / 1000);
    }
    if (result->arrived) {
        printf("read back from %s of upstream \"%s\" after %" PRIu64 " ms\n", asking->options.folder,
               asking->options.upstream, result->arrived_us / 1000);
    }
    if (result->step == NULL) {
        printf("removed; mail arrives\n");
    } else {
        fflush(stdout);
        fprintf(stderr, "mailweir probe: FAILED at the step \"%s\": %s\n%s\n", result->step,
                json_string_value(json_object_get(text, "text")), result->advice);
    }
    json_decref(text);
}

static void on_probed(void *ctx, const struct probe_result *result)
{
    struct asking *asking = ctx;
    asking->result = result->step == NULL ? EX_OK : 1;
    (asking->as_json ? print_json : print_text)(asking, result);
    net_loop_stop(asking->loop);
}

static int ask_gateway(struct asking *asking)
{
    asking->loop = net_loop_new();
    struct probe *probe = probe_new(asking->loop, &asking->options, on_probed, asking);
    net_loop_run(asking->loop);
    probe_free(&probe);
    net_loop_free(&asking->loop);
    return asking->result;
}

/* ---- the command ---- */

/* "UPSTREAM:FOLDER", or a folder of the probe's upstream. */
static int take_folder(const struct cli_command *command, struct asking *asking, const char *target)
{
    const char *colon = target == NULL ? NULL : strchr(target, ':');
    struct probe_options *options = &asking->options;
    options->upstream = asking->config->probe.upstream;
    options->folder = target == NULL ? asking->config->probe.folder : target;
    if (colon != NULL) {
        snprintf(asking->upstream, sizeof asking->upstream, "%.*s", (int)(colon - target), target);
        if (config_upstream_named(asking->config, asking->upstream) != NULL) {
            options->upstream = asking->upstream;
            options->folder = colon + 1;
        }
    }
    return options->folder[0] == '\0' ? cli_usage_error(command, "--folder names an upstream but no folder") : EX_OK;
}

static int take_options(const struct cli_command *command, struct asking *asking, const char *server,
                        const char *timeout, const char *folder)
{
    struct fault fault = FAULT_INIT;
    if (server != NULL && net_address_parse(&asking->address, bytes_of(server), &fault) < 0) {
        return cli_usage_error(command, "--server: %s", fault.text);
    }
    asking->options.address = server == NULL ? NULL : &asking->address;
    if (timeout != NULL &&
        (units_duration(bytes_of(timeout), &asking->options.timeout_ms) < 0 || asking->options.timeout_ms == 0)) {
        return cli_usage_error(command, "--timeout: \"%s\" is not a duration such as 30s", timeout);
    }
    return take_folder(command, asking, folder);
}

int cmd_probe(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL, *server = NULL, *timeout = NULL, *folder = NULL;
    struct asking asking = {.result = 1};
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file),
        {.name = "json", .flag = &asking.as_json, .help = "print JSON instead of text"},
        {.name = "server",
         .value = &server,
         .help = "address of the front door, as seen from here: host:port [from the configuration]"},
        {.name = "ca-file",
         .value = &asking.options.ca_file,
         .help = "CA that signed the certificate of the front door"},
        {.name = "to",
         .value = &asking.options.to,
         .help = "send to this recipient instead; your rules must file the message into --folder"},
        {.name = "folder",
         .value = &folder,
         .help = "with --to: the folder, or UPSTREAM:FOLDER, where the message should arrive"},
        {.name = "timeout",
         .value = &timeout,
         .help = "how long to wait for the message [from the configuration, else 60s]"},
        {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    if ((asking.options.to == NULL) != (folder == NULL)) {
        return cli_usage_error(command,
                               "--to and --folder go together: the recipient, and the folder where its mail arrives");
    }
    struct config *config = cli_load_config(file, false);
    if (config == NULL) {
        return EX_CONFIG;
    }
    if (!config->probe.enabled) {
        fprintf(stderr,
                "mailweir probe: %s names no folder for the probe: add \"probe\": {\"folder\": \"mailweir-probe\"} "
                "(and \"every\": \"5m\" to repeat the probe by itself), then \"mailweir reload\"\n",
                config->file);
        exit_code = EX_CONFIG;
    } else {
        asking.config = asking.options.config = config;
        exit_code = take_options(command, &asking, server, timeout, folder);
        exit_code = exit_code == EX_OK ? ask_gateway(&asking) : exit_code;
    }
    config_free(&config);
    return exit_code;
}
