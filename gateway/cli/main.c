/*
 * main - finds the subcommand in the table and runs it.
 */
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "document/nearest.h"

/* It lists the table that it stands in, and so is given it. */
static int run_completion(const struct cli_command *command, int argc, char **argv);

static const struct cli_command commands[] = {
    {"run", cmd_run, "[--config FILE]", "Run the gateway: receive mail, decide by the rules, deliver.",
     "  mailweir run --config ./mailweir.json    in the foreground; the log goes to standard error\n"},
    {"init", cmd_init, "[--config FILE] [--server HOST:PORT] [--username NAME] [OPTIONS]",
     "Write a first configuration from five questions, check it, try the account, file a test message.",
     "  mailweir init                            asks the questions\n  mailweir init --config mailweir.json --server "
     "imap.example.net --username shared@example.net "
     "--password-file pw --listen 0.0.0.0:2525 --allow 10.0.0.0/8\n"},
    {"check", cmd_check, "[--config FILE] [--upstreams [--probe FOLDER]] [--database] [--json]",
     "Check the configuration and the rule files without running them.",
     "  mailweir check                           exit 0: good; 78: the configuration or a rule is wrong\n  mailweir "
     "check --upstreams               also log in to every server; exit 1 when a login fails\n"
     "  mailweir check --database                connect to the spool in PostgreSQL; exit 1 when no gateway "
     "could run on it\n"},
    {"test", cmd_test, "[--config FILE] [--tap | --json] [--default UPSTREAM:FOLDER] [RULES...]",
     "Run the tests in the rule files.",
     "  mailweir test rules.d/ci.json            the tests in one file, without a configuration\n"},
    {"explain", cmd_explain,
     "[--config FILE] [--json] [--diff OLD NEW | --diff --recent NEW...] [--spool PATH] [--from A] [--to B] [--client "
     "IP] [--helo H] [--user U] "
     "[--listener L] [--protocol P] [--tls V] [--certificate C] [--default UPSTREAM:FOLDER] [MESSAGE...]",
     "Show what the rules would do with a message, and why.",
     "  mailweir explain --from ci@build.example --to ops@example.net mail.eml\n"
     "  mailweir explain --diff rules.d new-rules.d mail/    which messages would go elsewhere\n"
     "  mailweir explain --diff --recent new-rules.d         the same over the messages that the gateway decided "
     "last\n"},
    {"status", cmd_status, "[--config FILE] [--json]", "Show the state of the running gateway at a glance.",
     "  mailweir status                          what needs you comes first, with the command that fixes it\n"
     "  mailweir status --json | jq .upstreams\n"},
    {"top", cmd_top, "[--config FILE] [--json] [--times N]", "Watch the running gateway live.",
     "  mailweir top                             s sorts the rules, ? lists the keys, q quits\n"
     "  mailweir top --json --times 1            one second as JSON\n"},
    {"trace", cmd_trace, "(--upstream NAME | --listener NAME | --client NETWORK) [OPTIONS]",
     "Show the dialogue with an upstream or with clients, live and without secrets.",
     "  mailweir trace --upstream corp           the IMAP dialogue with that upstream, from now on\n"
     "  mailweir trace --client 10.20.0.7        what that printer says and hears\n"},
    {"health", cmd_health, "[--config FILE] [--live] [--json]", "Exit with 0 if the running gateway takes mail.",
     "  mailweir health                          for containers and load balancers: 0 ready, 1 not\n"
     "  mailweir health --live                   whether the process answers at all\n"},
    {"reload", cmd_reload, "[--config FILE] [--json]", "Make the running gateway reload its configuration and rules.",
     "  mailweir reload                          errors are shown with their places; the previous rules stay in "
     "force\n"},
    {"drain", cmd_drain, "[--config FILE] [--json]",
     "Make the running gateway take no new mail, finish what is under way, and exit.",
     "  mailweir drain                           what waits stays in the queue; other nodes of it deliver it\n"},
    {"queue", cmd_queue, "VERB [SELECTION] [OPTIONS]", "Look at the queue and change it, also while the gateway runs.",
     "  mailweir queue list --state dead         the dead letters, with their reasons\n"
     "  mailweir queue retry --upstream corp     try them again now\n"
     "  mailweir queue export --all --to mail/   copy everything out, with the facts for an import\n"},
    {"spool", cmd_spool, "check | rebuild | backup FOLDER | restore FOLDER | migrate | move [OPTIONS]",
     "Check the spool, rebuild its index, back it up and restore it; create its tables in PostgreSQL, move mail there "
     "and back.",
     "  mailweir spool check                     read every record of the mail that waits\n"
     "  mailweir spool rebuild                   make a lost index again from the mail; the gateway must not run\n"
     "  mailweir spool backup /backup/today      a checked copy of the mail that waits; the gateway may run\n"
     "  mailweir spool restore /backup/today     into an empty spool; mail that may be filed already is looked for "
     "first\n"
     "  mailweir spool migrate                   create or upgrade the tables in PostgreSQL\n"
     "  mailweir spool move --to postgresql      move the mail that waits there; back with --to local\n"},
    {"clients", cmd_clients, "[--config FILE] [--spool FOLDER] [--json] [ADDRESS]",
     "Show the clients that connected, what became of their mail, and the refusals they heard.",
     "  mailweir clients                         all clients, with the last refusal of each\n"
     "  mailweir clients 10.20.0.7               everything known about that printer\n"},
    {"why", cmd_why, "ID | MESSAGE-ID | UPSTREAM FOLDER UID", "Show what happened to a message, and why.",
     "  mailweir why '<20261201.7@build.example>'    by its Message-ID\n"
     "  mailweir why corp CI/web 4711                by the place where it was filed\n"},
    {"find", cmd_find, "[--limit N] [--json] [WORD | FIELD:WORD ...]",
     "Find messages by subject, people, state and time: filed, waiting, held, dead or refused.",
     "  mailweir find invoice                    in subjects, names and addresses\n"
     "  mailweir find subject:invoice from:@vendor.example since:2h state:refused\n"
     "  mailweir find 'subject:\"purchase order\"' to:ops -state:filed    not filed, or not yet\n"
     "fields: subject, from, to, state, since, until, upstream, folder, rule, client, listener, user, id, message-id;\n"
     "word* is the beginning of a word, @domain and local@ are parts of an address, -field:word excludes\n"},
    {"forget", cmd_forget, "[--config FILE] [--json] ADDRESS",
     "Erase an address from history, search, refusals and recent messages, and say what is left elsewhere.",
     "  mailweir forget anna@example.net         asks the running gateway; mail that still waits stays\n"},
    {"upstreams", cmd_upstreams, "[--config FILE] [--probe FOLDER] [--profiles] [--json] [login] [UPSTREAM...]",
     "Try every upstream: connect, TLS, log in; or show what mailweir knows about kinds of servers.",
     "  mailweir upstreams                       every account: does the login work, and is there room?\n"
     "  mailweir upstreams corp --probe Tests    file a message there, find it, remove it\n"
     "  mailweir upstreams login corp            OAuth2: shows the page and the code that let the gateway in\n"},
    {"probe", cmd_probe,
     "[--config FILE] [--server HOST:PORT] [--to ADDRESS --folder FOLDER] [--timeout TIME] [--json]",
     "Test whether mail arrives: send a message through the front door, read it back from its folder, remove it.",
     "  mailweir probe                           exit 0: the message arrived; 1: says which step failed, and what to "
     "do\n"},
    {"schema", cmd_schema, "[config | rules]", "Print the JSON Schema of the configuration file, or of rule files.",
     "  mailweir schema rules > rules.schema.json    for editors that complete and check\n"},
    {"passwd", cmd_passwd, "--users FILE [--senders PATTERNS] [--delete] NAME",
     "Add a user who may log in, change a password, or delete a user.",
     "  mailweir passwd --users users.json app1 --senders '*@apps.example'\n"
     "the password is asked for on a terminal, else it is the first line of standard input\n"},
    {"manual", cmd_manual, "", "Print the manual page of the configuration file.", "  mailweir manual | man -l -\n"},
    {"completion", run_completion, "bash | zsh | fish",
     "Print a completion script for a shell: commands, options, states, upstreams, rules, ids.",
     "  mailweir completion bash > /etc/bash_completion.d/mailweir\n"
     "  mailweir completion --words upstreams    what the script asks for: states, upstreams, listeners, rules or "
     "ids\n"},
    {"version", cmd_version, "[--json]", "Print the version.", "  mailweir version --json\n"},
    {NULL, NULL, NULL, NULL, NULL},
};

static int run_completion(const struct cli_command *command, int argc, char **argv)
{
    return cmd_completion(commands, command, argc, argv);
}

static void print_usage(FILE *out)
{
    fprintf(out, "usage: mailweir COMMAND [OPTIONS]\n\n");
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        fprintf(out, "  %-10s %s\n", command->name, command->summary);
    }
    fprintf(out, "\n\"mailweir help COMMAND\" or \"mailweir COMMAND --help\" explains a command.\n");
}

/* What was read as JSON may have been a password. */
static void free_wiped(void *memory)
{
    if (memory != NULL) {
        explicit_bzero(memory, malloc_usable_size(memory));
    }
    free(memory);
}

static const struct cli_command *find_command(const char *name)
{
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

static int unknown(const char *name)
{
    const char *known[sizeof commands / sizeof commands[0]] = {NULL};
    for (size_t i = 0; commands[i].name != NULL; i++) {
        known[i] = commands[i].name;
    }
    const char *nearest = nearest_word(name, known);
    if (nearest != NULL) {
        fprintf(stderr, "mailweir: there is no command \"%s\"; did you mean \"%s\"?\n", name, nearest);
    } else {
        fprintf(stderr, "mailweir: there is no %s \"%s\"; \"mailweir help\" lists %s\n",
                name[0] == '-' ? "option" : "command", name, name[0] == '-' ? "the commands" : "them");
    }
    return EX_USAGE;
}

static int run_command(const char *name, int argc, char **argv)
{
    const struct cli_command *command = find_command(name);
    return command != NULL ? command->run(command, argc, argv) : unknown(name);
}

/* "mailweir help queue list" is "mailweir queue list --help". */
static int help(int argc, char **argv)
{
    char *asked[] = {argv[0], argc > 1 ? argv[1] : NULL, NULL, NULL};
    int count = argc > 1 ? 2 : 1;
    asked[count++] = (char[]){"--help"};
    return run_command(argv[0], count, asked);
}

/* "mailweir -c FILE status" is "mailweir status -c FILE". */
static void take_config(int *argc, char **argv)
{
    static const char with_value[] = "--config=";
    const char *file = NULL;
    int taken = 0;
    if (*argc > 1 && strncmp(argv[1], with_value, sizeof with_value - 1) == 0) {
        file = argv[1] + sizeof with_value - 1;
        taken = 1;
    } else if (*argc > 2 && (strcmp(argv[1], "-c") == 0 || strcmp(argv[1], "--config") == 0)) {
        file = argv[2];
        taken = 2;
    }
    if (file != NULL) {
        setenv("MAILWEIR_CONFIG", file, 1);
        *argc -= taken;
        memmove(argv + 1, argv + 1 + taken, (size_t)*argc * sizeof *argv);
    }
}

int main(int argc, char **argv)
{
    json_set_alloc_funcs(malloc, free_wiped);
    signal(SIGPIPE, SIG_IGN);
    /*
     * Whatever is made by the way, by SQLite, by a program that prints a token, or for a moment before its mode is set,
     * holds somebody's mail or secret. What others shall reach (a socket for operators) is opened to them by name.
     */
    umask(0077);
    take_config(&argc, argv);
    const char *name = argc > 1 ? argv[1] : "";
    bool asks_help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
    if (asks_help && argc > 2) {
        return help(argc - 2, argv + 2);
    }
    if (asks_help || argc < 2) {
        print_usage(asks_help ? stdout : stderr);
        return asks_help ? EX_OK : EX_USAGE;
    }
    return run_command(strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 ? "version" : name, argc - 1,
                       argv + 1);
}
