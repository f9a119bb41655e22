/*
 * cli - the program's subcommands: a table (main.c), one file each (cmd_*.c), and what they share.
 *
 * Results go to standard output, problems and the log to standard error; exit codes are those of sysexits.h, and 1
 * where a check that was asked for says no.
 */
#ifndef MAILWEIR_CLI_CLI_H
#define MAILWEIR_CLI_CLI_H

#include <stdbool.h>

#include "base/log.h"
#include "base/must_use.h"
#include "config/config.h"

struct cli_command {
    const char *name;
    /* argv[0] is the subcommand's name; returns the exit code. */
    int (*run)(const struct cli_command *command, int argc, char **argv);
    const char *usage;    /* what stands behind the name */
    const char *summary;  /* one line */
    const char *examples; /* for --help: lines, each a command and what it does after two blanks; or NULL */
};

MUST_USE int cmd_run(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_init(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_check(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_queue(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_spool(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_clients(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_find(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_forget(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_why(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_upstreams(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_probe(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_schema(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_status(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_trace(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_top(const struct cli_command *command, int argc, char **argv);
/* commands: all of them, ended by a NULL name. */
MUST_USE int cmd_completion(const struct cli_command *commands, const struct cli_command *command, int argc,
                            char **argv);
MUST_USE int cmd_manual(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_health(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_drain(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_reload(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_test(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_explain(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_passwd(const struct cli_command *command, int argc, char **argv);
MUST_USE int cmd_version(const struct cli_command *command, int argc, char **argv);

/* Where the configuration stands, unless --config or $MAILWEIR_CONFIG names another file. */
#define CLI_CONFIG_FILE "/etc/mailweir/mailweir.json"
/* The option --config, in a table of options. */
#define CLI_OPTION_CONFIG(target)                                                                                      \
    {                                                                                                                  \
        .name = "config", .value = (target),                                                                           \
        .help = "the configuration file, in short -c [$MAILWEIR_CONFIG, else " CLI_CONFIG_FILE "]"                     \
    }

/* One option of a subcommand: exactly one of the two targets is set. */
struct cli_option {
    const char *name;   /* without "--"; NULL ends the table */
    const char **value; /* takes the option's argument */
    bool *flag;         /* set when the option is there */
    const char *help;
};

/*
 * Parses argv; options may stand anywhere before "--". "-h" is --help, "-c FILE" is --config FILE. Returns the number
 * of other arguments, which are moved to argv[1]…; or -1 after
 * --help was answered or a mistake was named: *exit_r is then the exit code.
 */
MUST_USE int cli_parse(const struct cli_command *command, const struct cli_option *options, int argc, char **argv,
                       int *exit_r);
/* The same for a subcommand that takes options only: 0, or -1 also after an argument too many was named. */
MUST_USE int cli_parse_options(const struct cli_command *command, const struct cli_option *options, int argc,
                               char **argv, int *exit_r);
/* A usage error: prints it with the usage line; returns EX_USAGE. */
MUST_USE int cli_usage_error(const struct cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --config, else $MAILWEIR_CONFIG, else /etc/mailweir/mailweir.json. */
const char *cli_config_file(const char *option);
/*
 * Loads the configuration and prints its errors to standard error; NULL when there are errors. With warns also what it
 * warns of, and whether the spool can be where it is to be: for who starts the gateway; a command about the queue has
 * other things to say.
 */
MUST_USE struct config *cli_load_config(const char *option, bool warns);

/* A log on standard error, by the configuration's format and level (config may be NULL). Its clock is the loop's. */
void cli_log_init(struct log *log, const struct config *config, struct net_loop *loop);

#endif
