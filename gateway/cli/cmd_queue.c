/*
 * cmd_queue - the verbs of `mailweir queue`; each stands in a file of its own (queue_*.c).
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/queue.h"

static const struct verb {
    const char *name;
    int (*run)(struct queue_options *options, int argc, char **argv);
    const char *arguments, *summary;
} verbs[] = {
    {"summary", queue_summary, "", "numbers by upstream and state, and what is paused"},
    {"list", queue_list, "[SELECTION]", "deliveries, oldest first"},
    {"show", queue_show, "ID", "one message with its deliveries and attempts"},
    {"cat", queue_cat, "ID", "the message as it was received"},
    {"retry", queue_change, "ID | SELECTION | --all", "try waiting deliveries and dead letters now"},
    {"hold", queue_change, "ID | SELECTION | --all", "keep deliveries back until they are released"},
    {"release", queue_change, "ID | SELECTION | --all", "let held deliveries go"},
    {"drop", queue_change, "ID | SELECTION | --all", "give deliveries up for good"},
    {"reroute", queue_reroute, "ID | SELECTION | --all [--dry-run]", "run today's rules over what waits"},
    {"export", queue_export, "ID | SELECTION | --all --to PATH", "copy messages out, as .eml files or an mbox"},
    {"import", queue_import, "PATH ... [--by-rules] [--dry-run]", "take messages in: files, folders, Maildirs, mboxes"},
    {"pause", queue_change, "[UPSTREAM]", "deliver nothing to an upstream, or to all"},
    {"resume", queue_change, "[UPSTREAM]", "end a pause"},
};

static int print_verbs(FILE *out)
{
    fprintf(out, "usage: mailweir queue VERB [SELECTION] [OPTIONS]\n\n");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        fprintf(out, "  %-8s %-46s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
    }
    fprintf(out, "\nA SELECTION is made of --state, --upstream, --folder, --from, --rule, --message-id and --older.\n"
                 "\"mailweir queue VERB --help\" lists the options.\n");
    return out == stdout ? EX_OK : EX_USAGE;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
    const struct cli_command command = {.name = "queue", .usage = verb->arguments, .summary = verb->summary};
    struct queue_options options = {0};
    int exit_code = EX_OK, others = queue_parse(&options, &command, argc, argv, &exit_code);
    if (others >= 0 && queue_find_spool(&options, &exit_code) == 0) {
        exit_code = verb->run(&options, others + 1, argv);
    }
    queue_options_done(&options);
    return exit_code;
}

int cmd_queue(const struct cli_command *command, int argc, char **argv)
{
    (void)command;
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0) {
        return print_verbs(argc > 1 ? stdout : stderr);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return run_verb(&verbs[i], argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "mailweir queue: there is no verb \"%s\"\n", name);
    return print_verbs(stderr);
}
