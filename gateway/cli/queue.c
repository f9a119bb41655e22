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

int64_t queue_now_ms(void)
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
            return cli_usage_error(command, "\"%s\" is not a duration such as 30m or 5d", options->older);
        }
        options->select.before_ms = queue_now_ms() - (int64_t)age;
    }
    if (options->since != NULL) {
        if (units_duration(bytes_of(options->since), &age) != 0) {
            return cli_usage_error(command, "\"%s\" is not a duration such as 30m or 5d", options->since);
        }
        options->select.since_ms = queue_now_ms() - (int64_t)age;
    }
    if (options->limit != NULL && !bytes_to_u64(bytes_of(options->limit), &options->limit_number)) {
        return cli_usage_error(command, "\"%s\" is not a number", options->limit);
    }
    if (options->select.state != NULL && store_state_of(options->select.state) < 0) {
        return cli_usage_error(command, "\"%s\" is no state: " STORE_STATE_WORDS, options->select.state);
    }
    return EX_OK;
}

/* A row of the options' table, and the verbs that take it: all, when takes is 0. */
struct row {
    unsigned takes;
    struct cli_option option;
};

int queue_parse(struct queue_options *options, unsigned takes, const struct cli_command *command, int argc, char **argv,
                int *exit_r)
{
    struct store_select *select = &options->select;
    const unsigned selection = QUEUE_TAKES_SELECTION, messages = QUEUE_TAKES_MESSAGES;
    const struct row rows[] = {
        {0, CLI_OPTION_CONFIG(&options->config_file)},
        {0, {"spool", &options->path, NULL, "the spool's folder [from the configuration]"}},
        {0, {"json", NULL, &options->json, "print JSON instead of text, one object on each line"}},
        {selection, {"state", &select->state, NULL, STORE_STATE_WORDS}},
        {selection, {"upstream", &select->upstream, NULL, "deliveries to this upstream"}},
        {selection, {"folder", &select->folder, NULL, "deliveries into this folder"}},
        {selection, {"from", &select->sender, NULL, "deliveries from this envelope sender"}},
        {selection, {"rule", &select->rule, NULL, "deliveries that this rule asked for"}},
        {selection, {"message-id", &select->message_id, NULL, "the message with this Message-ID"}},
        {selection, {"older", &options->older, NULL, "messages received longer ago than this (2h, 5d)"}},
        {selection, {"since", &options->since, NULL, "messages received within this time (2h, 5d)"}},
        {selection, {"subject", &select->subject, NULL, "messages whose subject contains this text"}},
        {QUEUE_TAKES_RECIPIENT,
         {"to", &select->to, NULL, "deliveries for a recipient whose address contains this text"}},
        {QUEUE_TAKES_LIMIT,
         {"limit", &options->limit, NULL,
          (takes & QUEUE_TAKES_AFTER) != 0 ? "how many to list; 0 lists all [50]"
                                           : "how many to list; 0 lists all [100]"}},
        {QUEUE_TAKES_AFTER, {"after", &options->after, NULL, "continue where the previous search ended"}},
        {QUEUE_TAKES_ALL, {"all", NULL, &options->all, "every delivery that is not settled"}},
        {QUEUE_TAKES_DRY_RUN, {"dry-run", NULL, &options->dry_run, "show what would happen, and change nothing"}},
        {QUEUE_TAKES_AGAIN,
         {"again", NULL, &options->again,
          "include deliveries that may have been filed already, without looking for them first: you accept a second "
          "copy"}},
        {QUEUE_TAKES_TARGET, {"to", &options->to, NULL, "the folder or file to export to"}},
        {QUEUE_TAKES_TARGET, {"format", &options->format, NULL, "eml (one file for each message) or mbox [eml]"}},
        {QUEUE_TAKES_PLACE,
         {"to", &options->to, NULL, "with backup: the folder; with move: postgresql, or local for the folder"}},
        {messages, {"from", &select->sender, NULL, "sender of messages without facts [from the header]"}},
        {messages,
         {"recipients", &options->recipients, NULL, "recipients of messages without facts, separated by commas"}},
        {messages, {"by-rules", NULL, &options->by_rules, "let the rules in force decide about every message"}},
    };
    struct cli_option known[sizeof rows / sizeof rows[0] + 1] = {{.name = NULL}};
    for (size_t i = 0, count = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].takes == 0 || (rows[i].takes & takes) != 0) {
            known[count++] = rows[i].option;
        }
    }
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
        cli_store_of_path(&options->store, options->path);
        return 0;
    }
    struct config *config = cli_load_config(options->config_file, false);
    if (config == NULL) {
        fprintf(stderr,
                "mailweir: without a valid configuration, name the spool's folder: --spool /var/lib/mailweir\n");
        *exit_r = EX_CONFIG;
        return -1;
    }
    options->spool = expect_strdup(config->spool_path);
    cli_store_of_config(&options->store, config);
    config_free(&config);
    return 0;
}

void queue_options_done(struct queue_options *options)
{
    free(options->spool);
    cli_store_done(&options->store);
}

/* ---- printing ---- */

int queue_failed(const struct fault *fault)
{
    fprintf(stderr, "mailweir: %s (%s)\n", fault->text, fault->code);
    return fault->class == FAULT_PERM ? EX_USAGE : EX_UNAVAILABLE;
}

void queue_print_text(const char *text)
{
    struct bytes rest = bytes_of(text);
    while (rest.len > 0) {
        size_t unprintable = bytes_unprintable(rest);
        uint8_t c = rest.ptr[0];
        putchar(unprintable > 0 || c < 0x20 || c == 0x7F ? '?' : c);
        rest = bytes_from(rest, unprintable > 0 ? unprintable : 1);
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
    int64_t seconds = (queue_now_ms() - since_ms) / 1000;
    size_t i = 0;
    seconds = seconds < 0 ? 0 : seconds;
    while (i < 3 && seconds < 2 * units[i].seconds) {
        i++;
    }
    snprintf(out, 32, "%" PRId64 "%s", seconds / units[i].seconds, units[i].unit);
}

const char *queue_operator(void)
{
    const char *name = getenv("SUDO_USER");
    name = name != NULL ? name : getenv("USER");
    return name != NULL ? name : "an operator";
}
