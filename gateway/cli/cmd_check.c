/*
 * cmd_check - is the configuration good? Like `nginx -t`: problems with their places on standard error, EX_CONFIG when
 * there are errors. With --upstreams, the servers are tried as `upstreams` does, and folders that rules name and that
 * are not there are told; with --database, that of the spool is connected to. With --json, problems and result are one
 * object on standard output.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_paint.h"
#include "cli/cli_upstreams.h"
#include "cli/spool_database.h"

static bool has_problem(const struct problems *problems, const struct problem *one)
{
    for (size_t i = 0; i < problems_count(problems); i++) {
        const struct problem *problem = problems_at(problems, i);
        if (problem->line == one->line && problem->column == one->column && strcmp(problem->file, one->file) == 0 &&
            strcmp(problem->text, one->text) == 0) {
            return true;
        }
    }
    return false;
}

/* Tries every address of every upstream. Whether all of it works. */
static bool try_upstreams(const struct config *config, const char *probe, struct cli_upstreams_folders *folders,
                          json_t *tried)
{
    bool good = true;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        for (size_t place = 0; place < cli_upstreams_places(upstream); place++) {
            json_t *one = cli_upstreams_try(config, upstream, place, probe, place == 0 ? folders : NULL);
            cli_upstreams_print_problems(one, stderr);
            good = good && json_is_true(json_object_get(one, "good"));
            json_array_append_new(tried, one);
        }
    }
    return good;
}

/* Adds to news what a look that knows the folders says beside what was said before. */
static int check_upstreams(struct config *config, const char *probe, const struct problems *said, struct problems *news,
                           json_t *tried)
{
    struct cli_upstreams_folders folders;
    struct problems *found = problems_new();
    cli_upstreams_folders_init(&folders);
    int result = try_upstreams(config, probe, &folders, tried) ? EX_OK : 1;
    config_check_folders(config, folders.items, folders.count, found);
    for (size_t i = 0; i < problems_count(found); i++) {
        const struct problem *problem = problems_at(found, i);
        if (!has_problem(said, problem)) {
            problems_add(news, problem->severity, problem->file, problem->line, problem->column, problem->pointer, "%s",
                         problem->text);
        }
    }
    problems_free(&found);
    cli_upstreams_folders_done(&folders);
    return result;
}

static void print_json(const char *file, const struct config *config, bool good, const struct problems *problems,
                       const struct problems *news, const json_t *tried)
{
    json_t *all = problems_to_json(problems), *more = problems_to_json(news);
    json_array_extend(all, more);
    json_decref(more);
    json_t *object = json_pack("{s:s,s:b,s:o}", "file", file, "good", good, "problems", all);
    if (config != NULL) {
        json_object_update_new(object, json_pack("{s:I,s:I,s:I}", "listeners", (json_int_t)config->listeners.count,
                                                 "upstreams", (json_int_t)config->upstreams.count, "rules",
                                                 (json_int_t)filters_rule_count(config->rule_set)));
    }
    if (json_array_size(tried) > 0) {
        json_object_set(object, "tried", (json_t *)(uintptr_t)tried);
    }
    json_dumpf(object, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(object);
}

struct wanted {
    bool upstreams, database, json;
    const char *probe;
};

static void tell_good(const struct config *config)
{
    printf("%s: %sgood%s (listeners: %zu, upstreams: %zu, rules: %zu)\n", config->file, cli_paint(stdout, CLI_GOOD),
           cli_paint(stdout, CLI_PLAIN), config->listeners.count, config->upstreams.count,
           filters_rule_count(config->rule_set));
}

static void tell_place(const char *keeps)
{
    if (keeps != NULL && keeps[0] != '\0') {
        printf("spool: %s\n", keeps);
    }
}

static int check_files(const char *file, const struct wanted *wanted)
{
    char *keeps = NULL;
    struct problems *problems = problems_new(), *news = problems_new();
    json_t *tried = json_array();
    problems_want_advice(problems);
    struct config *config = config_load(file, problems);
    if (config != NULL) {
        config_check_names(config, problems);
        config_check_spool(config, geteuid() == 0, problems);
    }
    if (problems_errors(problems) > 0) {
        config_free(&config);
    }
    int result = config == NULL ? EX_CONFIG : EX_OK;
    if (!wanted->json) {
        cli_print_problems(problems, false);
    }
    if (config != NULL && (wanted->upstreams || wanted->probe != NULL)) {
        result = check_upstreams(config, wanted->probe, problems, news, tried);
    }
    if (config != NULL && wanted->database) {
        int tried_database = spool_database_try(config, news, &keeps);
        result = result == EX_OK ? tried_database : result;
    }
    if (wanted->json) {
        print_json(file, config, result == EX_OK, problems, news, tried);
    } else {
        cli_print_problems(news, false);
        if (result == EX_OK) {
            tell_good(config);
        }
        tell_place(keeps);
    }
    free(keeps);
    config_free(&config);
    json_decref(tried);
    problems_free(&problems);
    problems_free(&news);
    return result;
}

int cmd_check(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    struct wanted wanted = {.json = false};
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file),
        {.name = "upstreams",
         .flag = &wanted.upstreams,
         .help = "also log in to every upstream, and warn about folders in rules that do not exist"},
        {.name = "probe",
         .value = &wanted.probe,
         .help = "with --upstreams: file a message into this folder, find it by its id, and remove it"},
        {.name = "database",
         .flag = &wanted.database,
         .help =
             "also connect to the spool's database: could a gateway run on it, and what survives if its machine dies?"},
        {.name = "json", .flag = &wanted.json, .help = "print JSON instead of text"},
        {.name = NULL}};
    int exit_code;
    return cli_parse_options(command, options, argc, argv, &exit_code) < 0
               ? exit_code
               : check_files(cli_config_file(file), &wanted);
}
