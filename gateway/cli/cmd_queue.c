/*
 * cmd_queue - the verbs of `mailweir queue`; each stands in a file of its own (queue_*.c).
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/expect.h"
#include "cli/queue.h"
#include "document/nearest.h"

#define CHOICE (QUEUE_TAKES_SELECTION | QUEUE_TAKES_RECIPIENT | QUEUE_TAKES_ALL | QUEUE_TAKES_DRY_RUN)

static const struct verb {
    const char *name;
    int (*run)(struct queue_options *options, int argc, char **argv);
    unsigned takes; /* of enum queue_takes */
    int most;       /* arguments beside the options */
    const char *arguments, *summary, *example;
} verbs[] = {
    {"summary", queue_summary, QUEUE_TAKES_NOTHING, 0, "", "counts by upstream and state, and what is paused",
     "  mailweir queue summary\n"},
    {"list", queue_list, QUEUE_TAKES_SELECTION | QUEUE_TAKES_RECIPIENT | QUEUE_TAKES_LIMIT, 0, "[SELECTION]",
     "list deliveries, newest first",
     "  mailweir queue list --state dead         the dead letters, with their reasons\n  mailweir queue list --to ops "
     "--since 2h\n"},
    {"show", queue_show, QUEUE_TAKES_NOTHING, 1, "ID", "show one message with its deliveries and attempts",
     "  mailweir queue show 01M8SDXGG18TD8B6RV9EQ8WK1M\n"},
    {"cat", queue_cat, QUEUE_TAKES_NOTHING, 1, "ID", "print the message as it was received",
     "  mailweir queue cat 01M8SDXGG18TD8B6RV9EQ8WK1M > message.eml\n"},
    {"retry", queue_change, CHOICE | QUEUE_TAKES_AGAIN, 1, "ID | SELECTION | --all [--dry-run] [--again]",
     "try waiting deliveries and dead letters now",
     "  mailweir queue retry --upstream corp     everything that waits for that server\n"},
    {"hold", queue_change, CHOICE, 1, "ID | SELECTION | --all [--dry-run]",
     "keep deliveries back until they are released",
     "  mailweir queue hold --rule invoices      they wait until somebody releases them\n"},
    {"release", queue_change, CHOICE, 1, "ID | SELECTION | --all [--dry-run]", "let held deliveries go",
     "  mailweir queue release --all\n"},
    {"drop", queue_change, CHOICE | QUEUE_TAKES_AGAIN, 1, "ID | SELECTION | --all [--dry-run] [--again]",
     "give deliveries up for good",
     "  mailweir queue drop --to ops@example.net --dry-run    which ones would be dropped\n"},
    {"reroute", queue_reroute, CHOICE | QUEUE_TAKES_AGAIN, 1, "ID | SELECTION | --all [--dry-run] [--again]",
     "decide again by the rules in force",
     "  mailweir queue reroute --state dead --dry-run    where the rules in force would send them\n"},
    {"export", queue_export, QUEUE_TAKES_SELECTION | QUEUE_TAKES_ALL | QUEUE_TAKES_TARGET, 1,
     "ID | SELECTION | --all --to PATH", "copy messages out, as .eml files or an mbox",
     "  mailweir queue export --all --to mail/   every message, with the facts for an import\n"},
    {"import", queue_import, QUEUE_TAKES_MESSAGES | QUEUE_TAKES_DRY_RUN, INT_MAX, "PATH ... [--by-rules] [--dry-run]",
     "import messages: files, folders, Maildirs, mboxes",
     "  mailweir queue import mail/              what an export wrote, with its facts\n  mailweir queue import "
     "old.mbox --recipients ops@example.net --by-rules\n"},
    {"pause", queue_change, QUEUE_TAKES_NOTHING, 1, "[UPSTREAM]", "deliver nothing to an upstream, or to all",
     "  mailweir queue pause corp                its mail waits in the spool\n"},
    {"resume", queue_change, QUEUE_TAKES_NOTHING, 1, "[UPSTREAM]", "end a pause", "  mailweir queue resume corp\n"},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

void queue_list_verbs(const char *argument, const char *between, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strncmp(verbs[i].arguments, argument, strlen(argument)) == 0 && len < size) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : between, verbs[i].name);
        }
    }
    EXPECT(len < size);
}

static int print_verbs(FILE *out)
{
    fprintf(out, "usage: mailweir queue VERB [SELECTION] [OPTIONS]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        fprintf(out, "  %-8s %-46s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
    }
    fprintf(out, "\nA SELECTION combines --state, --upstream, --folder, --from, --to, --subject, "
                 "--rule,\n--message-id, --since and --older.\n"
                 "\"mailweir queue VERB --help\" lists the options.\n");
    return out == stdout ? EX_OK : EX_USAGE;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
    char name[32];
    snprintf(name, sizeof name, "queue %s", verb->name);
    const struct cli_command command = {
        .name = name, .usage = verb->arguments, .summary = verb->summary, .examples = verb->example};
    struct queue_options options = {0};
    int exit_code = EX_OK, others = queue_parse(&options, verb->takes, &command, argc, argv, &exit_code);
    if (others > verb->most) {
        exit_code = cli_usage_error(&command, "unexpected argument \"%s\"", argv[1 + verb->most]);
    } else if (others >= 0 && queue_find_spool(&options, &exit_code) == 0) {
        exit_code = verb->run(&options, others + 1, argv);
    }
    queue_options_done(&options);
    return exit_code;
}

int cmd_queue(const struct cli_command *command, int argc, char **argv)
{
    (void)command;
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return print_verbs(argc > 1 ? stdout : stderr);
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return run_verb(&verbs[i], argc - 1, argv + 1);
        }
    }
    const char *names[VERB_COUNT + 1] = {NULL};
    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i].name;
    }
    const char *nearest = nearest_word(name, names);
    if (nearest != NULL) {
        fprintf(stderr, "mailweir queue: there is no verb \"%s\"; did you mean \"%s\"?\n", name, nearest);
    } else {
        fprintf(stderr, "mailweir queue: there is no verb \"%s\"; \"mailweir queue --help\" lists them\n", name);
    }
    return EX_USAGE;
}
