/* The manual page has an item for every word of the rule language. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_function.h"
#include "filters/filters_table.h"
#include "test.h"

static char *read_page(void)
{
    FILE *file = fopen(SOURCE_DIR "/deploy/doc/mailweir-rules.5", "r");
    assert_non_null(file);
    char *text = expect_calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 1000);
    fclose(file);
    return text;
}

static void has_item(const char *page, const char *word)
{
    char item[100];
    snprintf(item, sizeof item, "\n.It Cm %s\n", word);
    if (strstr(page, item) == NULL) {
        fail_msg("the manual page does not explain \"%s\"", word);
    }
}

static void has_items(const char *page, const struct filters_key *keys)
{
    for (; keys->name != NULL; keys++) {
        has_item(page, keys->name);
    }
}

static void every_word_is_explained(void **state)
{
    (void)state;
    char *page = read_page();
    static const struct filters_key *const tables[] = {
        filters_file_keys,      filters_rule_keys,      filters_group_keys,  filters_test_subject_keys,
        filters_junction_keys,  filters_action_keys,    filters_target_keys, filters_refusal_keys,
        filters_add_keys,       filters_list_file_keys, filters_case_keys,   filters_expect_keys,
        filters_list_name_keys, filters_map_keys,       filters_filed_keys,  filters_authserv_keys,
        filters_way_keys,
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        has_items(page, tables[i]);
    }
    for (size_t i = 0; filters_fields[i].name != NULL; i++) {
        has_item(page, filters_fields[i].name);
    }
    for (size_t i = 0; filters_parts[i].name != NULL; i++) {
        has_item(page, filters_parts[i].name);
    }
    for (size_t i = 0; filters_functions[i].name != NULL; i++) {
        has_item(page, filters_functions[i].written);
    }
    for (size_t i = 0; filters_operators[i].name != NULL; i++) {
        has_item(page, filters_operators[i].name);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_word_is_explained)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
