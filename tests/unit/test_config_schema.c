/* config_schema: the file that editors complete from says what the loader's tables say. */
#include "test.h"

#include <jansson.h>

#include "config/config_schema.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_file_is_up_to_date)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
