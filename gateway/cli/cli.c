/*
 * cli - what subcommands share; see cli.h.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_paint.h"
#include "document/nearest.h"

#define OPTIONS_MAX 40 /* of one command, for proposals */

int cli_usage_error(const struct cli_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "mailweir %s: ", command->name);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: mailweir %s %s\n", command->name, command->usage);
    return EX_USAGE;
}

/* Prints what --help says; options may be NULL. */
static void cli_print_help(const struct cli_command *command, const struct cli_option *options)
{
    printf("usage: mailweir %s%s%s\n\n%c%s%s\n\n", command->name, command->usage[0] == '\0' ? "" : " ", command->usage,
           toupper((unsigned char)command->summary[0]), command->summary + 1,
           command->summary[strlen(command->summary) - 1] == '.' ? "" : ".");
    int width = 12;
    for (const struct cli_option *option = options; option != NULL && option->name != NULL; option++) {
        width = (int)strlen(option->name) > width ? (int)strlen(option->name) : width;
    }
    for (const struct cli_option *option = options; option != NULL && option->name != NULL; option++) {
        printf("  --%-*s %s\n", width, option->name, option->help);
    }
    printf("  --%-*s %s\n", width, "help", "show this help; in short -h");
    if (command->examples != NULL) {
        printf("\nexamples:\n%s", command->examples);
    }
}

static const struct cli_option *find_option(const struct cli_option *options, struct bytes name)
{
    for (const struct cli_option *option = options; option->name != NULL; option++) {
        if (bytes_is(name, option->name)) {
            return option;
        }
    }
    return NULL;
}

/* Names the option that was probably meant. */
static int unknown_option(const struct cli_command *command, const struct cli_option *options, const char *given,
                          struct bytes name)
{
    const char *known[OPTIONS_MAX + 1] = {NULL};
    for (size_t i = 0; i < OPTIONS_MAX && options[i].name != NULL; i++) {
        known[i] = options[i].name;
    }
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(name.len < sizeof word ? name.len : sizeof word - 1),
             (const char *)name.ptr);
    const char *nearest = nearest_word(word, known);
    return nearest == NULL
               ? cli_usage_error(command, "there is no option \"%s\"", given)
               : cli_usage_error(command, "there is no option \"%s\"; did you mean \"--%s\"?", given, nearest);
}

/* "--config=FILE" and "--config FILE", "-c FILE": the option's name, and its value where it stands in the same argument
 * (else a NULL ptr). */
static void split_option(const char *argument, struct bytes *name_r, struct bytes *value_r)
{
    static const struct {
        const char *letter, *name;
    } letters[] = {{"-h", "help"}, {"-c", "config"}};
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (strcmp(argument, letters[i].letter) == 0) {
            *name_r = bytes_of(letters[i].name);
            *value_r = (struct bytes){0};
            return;
        }
    }
    *value_r = bytes_of(argument + strspn(argument, "-"));
    *name_r = bytes_cut(value_r, '=');
}

/* Takes one option at argv[at]; returns how many arguments it took, or -1. */
static int take_option(const struct cli_command *command, const struct cli_option *options, int argc, char **argv,
                       int at, int *exit_r)
{
    struct bytes name, value;
    split_option(argv[at], &name, &value);
    const struct cli_option *option = find_option(options, name);
    if (bytes_is(name, "help")) {
        cli_print_help(command, options);
        *exit_r = EX_OK;
        return -1;
    }
    if (option == NULL || (argv[at][1] != '-' && argv[at][2] != '\0')) {
        *exit_r = unknown_option(command, options, argv[at], name);
        return -1;
    }
    if (option->flag != NULL) {
        *option->flag = true;
        return 1;
    }
    if (value.ptr != NULL) {
        *option->value = (const char *)value.ptr;
        return 1;
    }
    if (at + 1 >= argc) {
        *exit_r = cli_usage_error(command, "\"%s\" needs a value", argv[at]);
        return -1;
    }
    *option->value = argv[at + 1];
    return 2;
}

/* "-" alone is a file's name: standard input. */
static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

int cli_parse(const struct cli_command *command, const struct cli_option *options, int argc, char **argv, int *exit_r)
{
    int others = 0;
    bool literal = false;
    for (int at = 1; at < argc;) {
        bool option = !literal && is_option(argv[at]);
        if (option && strcmp(argv[at], "--") == 0) {
            literal = true;
            at++;
        } else if (option) {
            int taken = take_option(command, options, argc, argv, at, exit_r);
            if (taken < 0) {
                return -1;
            }
            at += taken;
        } else {
            argv[++others] = argv[at++];
        }
    }
    return others;
}

int cli_parse_options(const struct cli_command *command, const struct cli_option *options, int argc, char **argv,
                      int *exit_r)
{
    int others = cli_parse(command, options, argc, argv, exit_r);
    if (others > 0) {
        *exit_r = cli_usage_error(command, "unexpected argument \"%s\"", argv[1]);
    }
    return others == 0 ? 0 : -1;
}

const char *cli_config_file(const char *option)
{
    const char *env = getenv("MAILWEIR_CONFIG");
    return option != NULL ? option : env != NULL ? env : CLI_CONFIG_FILE;
}

struct config *cli_load_config(const char *option, bool warns)
{
    struct problems *problems = problems_new();
    struct config *config = config_load(cli_config_file(option), problems);
    if (config != NULL && warns) {
        config_check_spool(config, true, problems);
    }
    if (problems_errors(problems) > 0) {
        config_free(&config);
    }
    cli_print_problems(problems, !warns);
    problems_free(&problems);
    return config;
}

static int64_t log_now(void *ctx)
{
    return net_wall(ctx);
}

static void log_line(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    /* One write per line, so that lines of other processes on the same descriptor do not cut it in two. */
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, line, len);
        if (written <= 0) {
            return; /* nobody reads the log: mail goes on */
        }
        line += written;
        len -= (size_t)written;
    }
}

/* For people at a terminal: milliseconds by which local time is ahead. */
static int64_t log_zone(void *ctx, int64_t now_ms)
{
    struct tm local;
    time_t now = (time_t)(now_ms / 1000);
    (void)ctx;
    return localtime_r(&now, &local) == NULL ? 0 : (int64_t)local.tm_gmtoff * 1000;
}

void cli_log_init(struct log *log, const struct config *config, struct net_loop *loop)
{
    enum config_log_format format = config == NULL ? CONFIG_LOG_AUTO : config->log_format;
    bool text = format == CONFIG_LOG_AUTO ? isatty(STDERR_FILENO) == 1 : format == CONFIG_LOG_TEXT;
    tzset(); /* now, while the files of zones can be read: a sandbox comes later */
    *log = (struct log){.format = text ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON,
                        .colour = text && cli_has_colour(STDERR_FILENO),
                        .zone = text ? log_zone : NULL,
                        .least = config == NULL ? LOG_LEVEL_INFO : config->log_level,
                        .now = log_now,
                        .write = log_line,
                        .ctx = loop};
}
