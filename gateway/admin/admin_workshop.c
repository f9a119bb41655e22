/*
 * admin_workshop - what it takes to change rules without touching the gateway: the texts of the files that run, what is
 * wrong with edited ones, and which of their tests pass. What they would do with mail tells admin_diff.c.
 *
 * Nothing is saved here: whoever edits rules can read everybody's mail, and the files belong to git or a ConfigMap.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "admin/admin_sources.h"
#include "base/expect.h"
#include "decision/decision.h"

#define ARENA_MAX  (64u << 20)
#define SCHEMA_MAX (1u << 20)

/* ---- the files that run ---- */

/* As seen from the configuration's folder, where a repository's root mostly is. */
static const char *relative_to(const char *name, const char *config_file)
{
    const char *slash = strrchr(config_file, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - config_file) + 1;
    return folder > 0 && strncmp(name, config_file, folder) == 0 ? name + folder : name;
}

void admin_get_rule_files(struct admin_request *request)
{
    const struct config *config = gateway_config(request->admin->gateway);
    json_t *files = json_array();
    for (size_t i = 0; i < config->rule_file_count; i++) {
        const struct filters_source *file = &config->rule_files[i];
        json_array_append_new(files, json_pack("{s:s,s:s,s:o}", "name", file->name, "path",
                                               relative_to(file->name, config->file), "text",
                                               json_stringn((const char *)file->text.ptr, file->text.len)));
    }
    admin_answer_json(request, 200, json_pack("{s:o}", "files", files));
}

void admin_get_rule_schema(struct admin_request *request)
{
    struct buf text;
    buf_init(&text, SCHEMA_MAX);
    filters_schema(&text);
    admin_answer_bytes(request, 200, "application/json", buf_bytes(&text));
    buf_done(&text);
}

/* ---- tests, of the running rules or of edited ones ---- */

struct testing {
    struct admin_request *request;
    struct admin *admin;
    json_t *body; /* NULL: the running rules */
    struct config *config;
    struct rules_share *share;
    struct filters_source *sources;
    size_t source_count;
    struct filters_set *edited;
    struct problems *problems;
    json_t *tests;
};

static void testing_free(struct testing *testing)
{
    decision_release(&testing->share);
    config_free(&testing->config);
    filters_set_free(&testing->edited);
    problems_free(&testing->problems);
    free(testing->sources);
    json_decref(testing->tests);
    json_decref(testing->body);
    free(testing);
}

static json_t *test_json(const struct filters_test_result *result)
{
    json_t *rules = json_array(), *why = json_string(result->why); /* a message's words may stand in it, cut */
    for (size_t i = 0; i < result->rule_count; i++) {
        json_array_append_new(rules, json_string(result->rules[i]));
    }
    return json_pack("{s:s,s:s,s:I,s:I,s:b,s:o,s:o}", "name", result->name, "file", result->file, "line",
                     (json_int_t)result->line, "column", (json_int_t)result->column, "passed", result->passed ? 1 : 0,
                     "why", why != NULL ? why : json_string("the request is not UTF-8"), "rules", rules);
}

static void run_tests(struct testing *testing, const struct filters_set *set)
{
    struct filters_scratch *scratch = filters_scratch_new();
    for (size_t i = 0; i < filters_test_count(set); i++) {
        struct arena *arena = arena_new(ARENA_MAX);
        struct filters_test_result result;
        filters_test_run(set, scratch, i, config_read_named, testing->config, arena, &result);
        json_array_append_new(testing->tests, test_json(&result));
        arena_free(&arena);
    }
    filters_scratch_free(&scratch);
}

static void on_lane(void *ctx)
{
    struct testing *testing = ctx;
    const struct filters_set *set = NULL;
    testing->problems = problems_new();
    if (testing->body != NULL) {
        testing->edited = config_rules(testing->config, testing->sources, testing->source_count, testing->problems);
        set = testing->edited;
    } else {
        set = decision_shared_set(testing->share);
    }
    if (set != NULL) {
        run_tests(testing, set);
    }
}

static size_t count_failures(const json_t *tests)
{
    size_t i, failed = 0;
    json_t *test;
    json_array_foreach((json_t *)(uintptr_t)tests, i, test)
    {
        failed += json_is_false(json_object_get(test, "passed"));
    }
    return failed;
}

static void on_tested(void *ctx)
{
    struct testing *testing = ctx;
    size_t failed = count_failures(testing->tests), errors = problems_errors(testing->problems);
    json_t *answer = json_pack("{s:b,s:O,s:I}", "good", errors == 0 && failed == 0, "tests", testing->tests, "failed",
                               (json_int_t)failed);
    if (testing->body != NULL) {
        json_object_set_new(answer, "problems", problems_to_json(testing->problems));
        json_object_set_new(
            answer, "rules",
            json_integer(testing->edited == NULL ? 0 : (json_int_t)filters_rule_count(testing->edited)));
    }
    admin_answer_json(testing->request, 200, answer);
    testing_free(testing);
}

static struct testing *testing_new(struct admin_request *request)
{
    struct testing *testing = expect_calloc(1, sizeof *testing);
    testing->request = request;
    testing->admin = request->admin;
    testing->config = config_share(gateway_config(request->admin->gateway));
    testing->share = decision_share(gateway_decision(request->admin->gateway));
    testing->tests = json_array();
    return testing;
}

void admin_get_rule_tests(struct admin_request *request)
{
    net_lane_submit(request->admin->lane, on_lane, on_tested, testing_new(request));
}

void admin_post_rule_check(struct admin_request *request)
{
    struct testing *testing = testing_new(request);
    testing->body = admin_body(request);
    if (testing->body == NULL || !admin_sources_read(request, json_object_get(testing->body, "rules"),
                                                     &testing->sources, &testing->source_count)) {
        testing_free(testing);
        return;
    }
    net_lane_submit(request->admin->lane, on_lane, on_tested, testing);
}
