/*
 * fuzz_rules_load - the rule loader over any text: a set or problems, never both; every problem has a place within the text.
 */
#include "base/expect.h"
#include "filters/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const upstreams[] = {"corp", "archive"};
    struct problems *problems = problems_new();
    struct filters_source source = {"r.json", bytes_at(data, size)};
    struct filters_load_options options = {.sources = &source,
                                           .source_count = 1,
                                           .upstreams = upstreams,
                                           .upstream_count = 2,
                                           .fallback = {.upstream = "corp", .folder = "INBOX"}};
    struct filters_set *set = filters_load(&options, problems);
    EXPECT((set == NULL) == (problems_errors(problems) > 0));
    for (size_t i = 0; i < problems_count(problems); i++) {
        const struct problem *problem = problems_at(problems, i);
        EXPECT(problem->line <= size + 1 && problem->column <= size + 1);
        EXPECT(!bytes_has_control(bytes_of(problem->text)));
    }
    if (set != NULL) {
        EXPECT(filters_tests_check(set, NULL, NULL, problems) <= filters_test_count(set));
    }
    filters_set_free(&set);
    problems_free(&problems);
    return 0;
}
