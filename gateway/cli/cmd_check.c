/*
 * cmd_check - is the configuration good? Like `nginx -t`: problems with their places on standard error, 1 when there are errors. With --upstreams,
 * the servers are asked, too: whether the login works, and whether the folders that rules name are there.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "cli/cli_folders.h"

static void print(const struct filters_problems *problems)
{
    struct buf text;
    buf_init(&text, 1u << 20);
    filters_problems_print(problems, &text);
    fputs(buf_text(&text), stderr);
    buf_done(&text);
}

static bool has(const struct filters_problems *problems, const struct filters_problem *one)
{
    for (size_t i = 0; i < filters_problems_count(problems); i++) {
        const struct filters_problem *problem = filters_problems_at(problems, i);
        if (problem->line == one->line && problem->column == one->column && strcmp(problem->file, one->file) == 0 &&
            strcmp(problem->text, one->text) == 0) {
            return true;
        }
    }
    return false;
}

/* Prints what a look that knows the folders says beside what was said before. */
static int check_upstreams(struct config *config, const struct filters_problems *said)
{
    struct cli_folders folders;
    struct filters_problems *found = filters_problems_new(), *news = filters_problems_new();
    int result = cli_folders_ask(&folders, config) < 0 ? 1 : EX_OK;
    config_check_folders(config, folders.items, folders.count, found);
    for (size_t i = 0; i < filters_problems_count(found); i++) {
        const struct filters_problem *problem = filters_problems_at(found, i);
        if (!has(said, problem)) {
            filters_problems_add(news, (int)problem->severity, problem->file, problem->line, problem->column,
                                 problem->pointer, "%s", problem->text);
        }
    }
    print(news);
    filters_problems_free(&found);
    filters_problems_free(&news);
    cli_folders_done(&folders);
    return result;
}

int cmd_check(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    bool upstreams = false;
    const struct cli_option options[] = {
        {.name = "config", .value = &file, .help = "the configuration file"},
        {.name = "upstreams",
         .flag = &upstreams,
         .help = "log in at every upstream, too, and warn of folders in rules that are not there"},
        {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    struct filters_problems *problems = filters_problems_new();
    struct config *config = config_load(cli_config_file(file), problems);
    print(problems);
    int result = config == NULL ? 1 : EX_OK;
    if (config != NULL && upstreams) {
        result = check_upstreams(config, problems);
    }
    if (result == EX_OK) {
        printf("%s: good (listeners: %zu, upstreams: %zu, rules: %zu)\n", config->file, config->listeners.count,
               config->upstreams.count, filters_rule_count(config->rule_set));
    }
    config_free(&config);
    filters_problems_free(&problems);
    return result;
}
