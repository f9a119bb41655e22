/*
 * queue - see queue.h.
 */
#include "cli/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/expect.h"
#include "base/units.h"

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- options ---- */

static int take_numbers(struct queue_options *options, const struct cli_command *command)
{
    uint64_t age;
    if (options->older != NULL) {
        if (units_duration(bytes_of(options->older), &age) != 0) {
            return cli_usage_error(command, "\"%s\" is no duration such as 30m or 5d", options->older);
        }
        options->select.before_ms = now_ms() - (int64_t)age;
    }
    if (options->limit != NULL && !bytes_to_u64(bytes_of(options->limit), &options->limit_number)) {
        return cli_usage_error(command, "\"%s\" is no number", options->limit);
    }
    if (options->select.state != NULL && spool_state_of(options->select.state) < 0) {
        return cli_usage_error(command, "\"%s\" is no state: waiting, held, dead, filed or dropped",
                               options->select.state);
    }
    return EX_OK;
}

int queue_parse(struct queue_options *options, const struct cli_command *command, int argc, char **argv, int *exit_r)
{
    const struct cli_option known[] = {
        {.name = "config", .value = &options->config_file, .help = "the configuration file"},
        {.name = "spool", .value = &options->path, .help = "the spool's folder, instead of the configuration's"},
        {.name = "json", .flag = &options->json, .help = "JSON instead of text, one object on each line"},
        {.name = "state", .value = &options->select.state, .help = "waiting, held, dead, filed or dropped"},
        {.name = "upstream", .value = &options->select.upstream, .help = "deliveries to this upstream"},
        {.name = "folder", .value = &options->select.folder, .help = "into this folder"},
        {.name = "from", .value = &options->select.sender, .help = "from this envelope sender"},
        {.name = "rule", .value = &options->select.rule, .help = "that this rule asked for"},
        {.name = "message-id", .value = &options->select.message_id, .help = "with this Message-ID field"},
        {.name = "older", .value = &options->older, .help = "received longer ago than this (2h, 5d)"},
        {.name = "limit", .value = &options->limit, .help = "how many to list; 0 is all of them"},
        {.name = "all", .flag = &options->all, .help = "every delivery that is not settled"},
        {.name = "dry-run", .flag = &options->dry_run, .help = "tell what would happen, and do not do it"},
        {.name = "to", .value = &options->to, .help = "the folder or file to export to"},
        {.name = "format", .value = &options->format, .help = "eml (one file for each message) or mbox"},
        {.name = "recipients",
         .value = &options->recipients,
         .help = "import: for whom what has no facts is, with commas between"},
        {.name = "by-rules", .flag = &options->by_rules, .help = "import: let today's rules decide about all of it"},
        {.name = NULL},
    };
    int others = cli_parse(command, known, argc, argv, exit_r);
    if (others < 0) {
        return -1;
    }
    *exit_r = take_numbers(options, command);
    return *exit_r == EX_OK ? others : -1;
}

int queue_find_spool(struct queue_options *options, int *exit_r)
{
    if (options->path != NULL) {
        options->spool = expect_strdup(options->path);
        return 0;
    }
    struct config *config = cli_load_config(options->config_file);
    if (config == NULL) {
        fprintf(stderr, "mailweir: without a good configuration, name the spool's folder: --spool /var/lib/mailweir\n");
        *exit_r = EX_CONFIG;
        return -1;
    }
    options->spool = expect_strdup(config->spool_path);
    config_free(&config);
    return 0;
}

void queue_options_done(struct queue_options *options)
{
    free(options->spool);
}

/* ---- printing ---- */

int queue_failed(const struct fault *fault)
{
    fprintf(stderr, "mailweir: %s (%s)\n", fault->text, fault->code);
    return fault->class == FAULT_PERM ? EX_USAGE : EX_UNAVAILABLE;
}

void queue_print_text(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        putchar(c < 0x20 || c == 0x7F ? '?' : c);
    }
}

void queue_print_json(const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    puts(text == NULL ? "{}" : text);
    free(text);
}

void queue_age(int64_t since_ms, char out[32])
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    int64_t seconds = (now_ms() - since_ms) / 1000;
    size_t i = 0;
    seconds = seconds < 0 ? 0 : seconds;
    while (i < 3 && seconds < 2 * units[i].seconds) {
        i++;
    }
    snprintf(out, 32, "%" PRId64 "%s", seconds / units[i].seconds, units[i].unit);
}
