/*
 * cli - what subcommands share; see cli.h.
 */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define CONFIG_FILE "/etc/mailweir/mailweir.json"

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

static void print_help(const struct cli_command *command, const struct cli_option *options)
{
    printf("usage: mailweir %s %s\n\n%s\n\n", command->name, command->usage, command->summary);
    for (const struct cli_option *option = options; option->name != NULL; option++) {
        printf("  --%-12s %s\n", option->name, option->help);
    }
    printf("  --%-12s %s\n", "help", "this text");
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

/* Takes one option at argv[at]; returns how many arguments it took, or -1. */
static int take_option(const struct cli_command *command, const struct cli_option *options, int argc, char **argv,
                       int at, int *exit_r)
{
    struct bytes value = bytes_of(argv[at] + 2);
    struct bytes name = bytes_cut(&value, '=');
    const struct cli_option *option = find_option(options, name);
    if (bytes_is(name, "help")) {
        print_help(command, options);
        *exit_r = EX_OK;
        return -1;
    }
    if (option == NULL) {
        *exit_r = cli_usage_error(command, "there is no option \"%s\"", argv[at]);
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

int cli_parse(const struct cli_command *command, const struct cli_option *options, int argc, char **argv, int *exit_r)
{
    int others = 0;
    bool literal = false;
    for (int at = 1; at < argc;) {
        bool is_option = !literal && strncmp(argv[at], "--", 2) == 0;
        if (is_option && argv[at][2] == '\0') {
            literal = true;
            at++;
        } else if (is_option) {
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

bool cli_has_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool dumb = term == NULL || strcmp(term, "dumb") == 0;
    return isatty(fd) == 1 && !dumb && (no_color == NULL || no_color[0] == '\0');
}

int cli_parse_options(const struct cli_command *command, const struct cli_option *options, int argc, char **argv,
                      int *exit_r)
{
    int others = cli_parse(command, options, argc, argv, exit_r);
    if (others > 0) {
        *exit_r = cli_usage_error(command, "\"%s\" is one argument too many", argv[1]);
    }
    return others == 0 ? 0 : -1;
}

const char *cli_config_file(const char *option)
{
    const char *env = getenv("MAILWEIR_CONFIG");
    return option != NULL ? option : env != NULL ? env : CONFIG_FILE;
}

struct config *cli_load_config(const char *option)
{
    struct problems *problems = problems_new();
    struct config *config = config_load(cli_config_file(option), problems);
    struct buf text;
    buf_init(&text, 1u << 20);
    problems_print(problems, &text);
    fputs(buf_text(&text), stderr);
    buf_done(&text);
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

void cli_log_init(struct log *log, const struct config *config, struct net_loop *loop)
{
    uint64_t format = config == NULL ? 0 : config->log_format;
    bool text = format == 0 ? isatty(STDERR_FILENO) == 1 : format == 1;
    *log = (struct log){.format = text ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON,
                        .least = config == NULL ? LOG_LEVEL_INFO : (enum log_level)config->log_level,
                        .now = log_now,
                        .write = log_line,
                        .ctx = loop};
}
