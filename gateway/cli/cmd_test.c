/*
 * cmd_test - runs the tests that stand beside the rules. Exit code 0 when all pass, 1 when one fails or the rules have
 * an error.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "cli/cli_rules.h"

#define ARENA_MAX (64u << 20)

enum form { FORM_TEXT, FORM_TAP, FORM_JSON };

static void print_text(const struct filters_test_result *result)
{
    if (!result->passed) {
        printf("%s:%zu:%zu: failed: %s\n    %s\n", result->file, result->line, result->column, result->name,
               result->why);
    }
}

static void print_tap(const struct filters_test_result *result, size_t number)
{
    /* "#" begins a directive in TAP. */
    char name[300];
    snprintf(name, sizeof name, "%s", result->name);
    for (char *c = name; *c != '\0'; c++) {
        *c = *c == '#' ? '_' : *c;
    }
    printf("%sok %zu - %s\n", result->passed ? "" : "not ", number, name);
    if (!result->passed) {
        printf("  ---\n  at: %s:%zu:%zu\n  message: >-\n    %s\n  ...\n", result->file, result->line, result->column,
               result->why);
    }
}

static void add_json(json_t *list, const struct filters_test_result *result)
{
    json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:b,s:s}", "name", result->name, "file", result->file,
                                          "line", (json_int_t)result->line, "column", (json_int_t)result->column,
                                          "passed", result->passed ? 1 : 0, "why", result->why));
}

static void print_end(enum form form, size_t count, size_t failed, const json_t *list)
{
    if (form == FORM_TEXT) {
        printf("%zu test%s, %zu failed\n", count, count == 1 ? "" : "s", failed);
    } else if (form == FORM_TAP) {
        printf("1..%zu\n", count);
    } else {
        json_dumpf(list, stdout, JSON_INDENT(1));
        printf("\n");
    }
}

/* How many failed; *nowhere_r: whether one of them has mail go to the upstream that stands for none. */
static size_t run_tests(const struct filters_set *set, enum form form, bool *nowhere_r)
{
    struct filters_scratch *scratch = filters_scratch_new();
    json_t *list = json_array();
    size_t count = filters_test_count(set), failed = 0;
    for (size_t i = 0; i < count; i++) {
        struct arena *arena = arena_new(ARENA_MAX);
        struct filters_test_result result;
        filters_test_run(set, scratch, i, config_read_beside, NULL, arena, &result);
        failed += !result.passed;
        *nowhere_r = *nowhere_r || (!result.passed && strstr(result.why, "\"default:") != NULL);
        if (form == FORM_TEXT) {
            print_text(&result);
        } else if (form == FORM_TAP) {
            print_tap(&result, i + 1);
        } else {
            add_json(list, &result);
        }
        arena_free(&arena);
    }
    print_end(form, count, failed, list);
    json_decref(list);
    filters_scratch_free(&scratch);
    return failed;
}

int cmd_test(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL, *fallback = NULL;
    bool tap = false, json = false;
    const struct cli_option options[] = {
        {.name = "config", .value = &file, .help = "test the rules of this configuration file"},
        {.name = "tap", .flag = &tap, .help = "print TAP"},
        {.name = "json", .flag = &json, .help = "print JSON instead of text"},
        {.name = "default",
         .value = &fallback,
         .help = "UPSTREAM:FOLDER of the default delivery, for rule files without a configuration"},
        {.name = NULL},
    };
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    if (tap && json) {
        return cli_usage_error(command, "choose --tap or --json, not both");
    }
    if (others > 0 && file != NULL) {
        return cli_usage_error(command, "name rule files, or a configuration, not both");
    }
    const char *config = cli_config_file(file);
    struct cli_rules rules;
    size_t failed = 1;
    if (cli_rules_load(&rules, others > 0 ? (const char *const *)argv + 1 : &config, others > 0 ? (size_t)others : 1,
                       fallback) == 0) {
        bool nowhere = false;
        failed = run_tests(rules.set, tap ? FORM_TAP : json ? FORM_JSON : FORM_TEXT, &nowhere);
        if (nowhere && others > 0 && fallback == NULL) {
            fputs("mailweir: without a configuration, deliveries without an upstream, and mail that no rule takes, go "
                  "to \"default:INBOX\"; --default UPSTREAM:FOLDER sets your own default\n",
                  stderr);
        }
    }
    cli_rules_done(&rules);
    return failed == 0 ? EX_OK : 1;
}
