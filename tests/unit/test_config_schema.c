/* config_schema: the file that editors complete from says what the loader's tables say. */
#include "test.h"

#include <jansson.h>

#include <string.h>

#include "config/config_schema.h"
#include "config/config_table.h"
#include "upstream/upstream_profile.h"

static void the_file_is_up_to_date(void **state)
{
    (void)state;
    json_error_t error;
    json_t *file = json_load_file(SOURCE_DIR "/filters/schema/config.schema.json", 0, &error);
    json_t *tables = config_schema();
    assert_non_null(tables);
    if (file == NULL || !json_equal(file, tables)) {
        fail_msg("filters/schema/config.schema.json is not what the tables say; make it again: mailweir schema");
    }
    json_decref(file);
    json_decref(tables);
}

/* An enum that grows without its word would end the words early. */
static void check_words(const struct config_table *table)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        for (size_t i = 0; i < key->word_count; i++) {
            if (key->words[i] == NULL) {
                fail_msg("value %zu of \"%s\" has no word", i, key->name);
            }
        }
        assert_true(key->words == NULL || key->words[key->word_count] == NULL);
        if (key->table != NULL) {
            check_words(key->table);
        }
    }
}

static void every_value_has_its_word(void **state)
{
    (void)state;
    check_words(&config_root_table);
}

static void profiles_are_called_as_they_are_written(void **state)
{
    (void)state;
    for (const struct config_key *key = config_upstream_table.keys; key->name != NULL; key++) {
        for (size_t i = 0; strcmp(key->name, "profile") == 0 && i < key->word_count; i++) {
            assert_string_equal(key->words[i], upstream_profile_at(i)->name);
        }
        assert_true(strcmp(key->name, "profile") != 0 || upstream_profile_at(key->word_count) == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_file_is_up_to_date),
                                       cmocka_unit_test(every_value_has_its_word),
                                       cmocka_unit_test(profiles_are_called_as_they_are_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
