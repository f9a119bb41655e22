/*
 * filters_load_test - the "tests" of a rule file: a message, an envelope, and what is expected of it.
 */
#include <string.h>

#include "filters/filters_load.h"

static void load_expect(struct filters_loader *loader, json_t *value, struct filters_expectation *expect)
{
    static const char *const known[] = {"rules", "filed", NULL};
    if (!json_is_object(value)) {
        filters_load_error(loader, "\"expect\" is an object with \"rules\" and \"filed\"");
        return;
    }
    filters_load_keys(loader, value, known);
    expect->has_rules = json_object_get(value, "rules") != NULL;
    expect->has_filed = json_object_get(value, "filed") != NULL;
    if (filters_load_texts(loader, value, "rules", &expect->rules, &expect->rule_count) < 0 ||
        filters_load_texts(loader, value, "filed", &expect->filed, &expect->filed_count) < 0) {
        return;
    }
    if (!expect->has_rules && !expect->has_filed) {
        filters_load_error(loader, "the test expects nothing, so it could not fail");
    }
}

static void load_test(struct filters_loader *loader, json_t *value, struct filters_test *test)
{
    static const char *const known[] = {"name", "message", "from", "to", "expect", NULL};
    if (!json_is_object(value)) {
        filters_load_error(loader, "a test is an object with \"name\", \"message\", \"from\", \"to\" and \"expect\"");
        return;
    }
    filters_load_keys(loader, value, known);
    test->file = arena_text(loader->set->arena, filters_json_name(loader->json));
    filters_json_place(loader->json, buf_text(&loader->path), &test->line, &test->column);
    test->name = filters_load_text(loader, value, "name", true);
    test->message = filters_load_text(loader, value, "message", true);
    test->from = filters_load_text(loader, value, "from", true);
    if (json_object_get(value, "to") == NULL) {
        filters_load_error(loader, "\"to\" is missing: the recipients");
    } else if (filters_load_texts(loader, value, "to", &test->to, &test->to_count) == 0 && test->to_count == 0) {
        filters_load_error_at(loader, "to", "a message has one or more recipients");
    }
    json_t *expect = json_object_get(value, "expect");
    if (expect == NULL) {
        filters_load_error(loader, "\"expect\" is missing");
        return;
    }
    size_t mark = filters_load_down(loader, "expect");
    load_expect(loader, expect, &test->expect);
    filters_load_up(loader, mark);
}

void filters_load_tests(struct filters_loader *loader, json_t *value)
{
    struct filters_set *set = loader->set;
    if (!json_is_array(value)) {
        filters_load_error(loader, "\"tests\" is a list of tests");
        return;
    }
    size_t count = json_array_size(value);
    struct filters_test *tests = filters_load_alloc(loader, set->test_count + count, sizeof *tests);
    if (set->test_count > 0) {
        memcpy(tests, set->tests, set->test_count * sizeof *tests);
    }
    for (size_t i = 0; i < count; i++) {
        size_t mark = filters_load_item(loader, i);
        load_test(loader, json_array_get(value, i), &tests[set->test_count + i]);
        filters_load_up(loader, mark);
    }
    set->tests = tests;
    set->test_count += count;
}
