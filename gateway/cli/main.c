/*
 * main - finds the subcommand in the table and runs it.
 */
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"

const struct cli_command cli_commands[] = {
    {"run", cmd_run, "[--config FILE]", "Receive mail, decide by the rules, deliver: the gateway itself."},
    {"check", cmd_check, "[--config FILE] [--upstreams] [--json]",
     "Check the configuration and the rule files without running them."},
    {"test", cmd_test, "[--config FILE] [--tap | --json] [--default UPSTREAM:FOLDER] [RULES...]",
     "Run the tests that stand beside the rules."},
    {"explain", cmd_explain,
     "[--config FILE] [--json] [--diff OLD NEW | --diff --recent NEW...] [--spool PATH] [--from A] [--to B] [--client "
     "IP] [--helo H] [--user U] "
     "[--listener L] [--protocol P] [--tls V] [--certificate C] [--default UPSTREAM:FOLDER] [MESSAGE...]",
     "Show what the rules would do with a message, and why."},
    {"status", cmd_status, "[--config FILE] [--json]", "Show the running gateway at one look."},
    {"top", cmd_top, "[--config FILE] [--json] [--times N]", "Watch the running gateway live."},
    {"trace", cmd_trace, "(--upstream NAME | --listener NAME | --client NETWORK) [OPTIONS]",
     "Show what is said with an upstream or by clients, without secrets."},
    {"health", cmd_health, "[--config FILE] [--live] [--json]", "Exit with 0 when the running gateway takes mail."},
    {"reload", cmd_reload, "[--config FILE] [--json]", "Have the running gateway load configuration and rules again."},
    {"queue", cmd_queue, "VERB [SELECTION] [OPTIONS]", "Look at the queue and change it, also while the gateway runs."},
    {"spool", cmd_spool, "check | rebuild [--config FILE] [--spool FOLDER] [--json]",
     "Check the spool on the disk, or make its index anew."},
    {"why", cmd_why, "ID | MESSAGE-ID | UPSTREAM FOLDER UID", "What happened to a message, and why."},
    {"upstreams", cmd_upstreams, "[--config FILE] [--profiles] [--json] [UPSTREAM...]",
     "Try every upstream: connect, TLS, log in; or show what is known about kinds of servers."},
    {"schema", cmd_schema, "[config | rules]", "Print the JSON Schema of the configuration file, or of rule files."},
    {"passwd", cmd_passwd, "--users FILE [--senders PATTERNS] [--delete] NAME",
     "Add a user who may authenticate, change a password, or delete a user."},
    {"manual", cmd_manual, "", "Print the manual of the configuration file, for man."},
    {"completion", cmd_completion, "bash | zsh | fish", "Print a completion script for a shell."},
    {"version", cmd_version, "[--json]", "Print the version."},
    {NULL, NULL, NULL, NULL},
};

static void print_usage(FILE *out)
{
    fprintf(out, "usage: mailweir COMMAND [OPTIONS]\n\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        fprintf(out, "  %-10s %s\n", command->name, command->summary);
    }
    fprintf(out, "\n\"mailweir COMMAND --help\" explains one.\n");
}

/* What was read as JSON may have been a password. */
static void free_wiped(void *memory)
{
    if (memory != NULL) {
        explicit_bzero(memory, malloc_usable_size(memory));
    }
    free(memory);
}

int main(int argc, char **argv)
{
    json_set_alloc_funcs(malloc, free_wiped);
    signal(SIGPIPE, SIG_IGN);
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return EX_OK;
    }
    if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command->run(command, argc - 1, argv + 1);
        }
    }
    if (argc > 1) {
        fprintf(stderr, "mailweir: there is no command \"%s\"\n", name);
    }
    print_usage(stderr);
    return EX_USAGE;
}
