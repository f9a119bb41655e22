/* The schema that is shipped is the one that the tables give. `mailweir schema rules` writes it anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "filters/filters.h"
#include "filters/filters_table.h"
#include "test.h"

static void the_shipped_schema_is_current(void **state)
{
    (void)state;
    struct buf made;
    buf_init(&made, 4u << 20);
    filters_schema(&made);
    json_t *wanted = json_loadb((const char *)buf_bytes(&made).ptr, made.len, 0, NULL);
    json_t *shipped = json_load_file(SOURCE_DIR "/filters/schema/rules.schema.json", 0, NULL);
    assert_non_null(wanted);
    assert_non_null(shipped);
    assert_true(json_equal(wanted, shipped));
    json_decref(wanted);
    json_decref(shipped);
    buf_done(&made);
}

/* Rows are found by their number in places: the order of the tables is that of the enums. */
static void tables_are_in_order(void **state)
{
    (void)state;
    for (int i = 0; filters_operators[i].name != NULL; i++) {
        assert_int_equal(filters_operators[i].op, i);
    }
    assert_string_equal(filters_action_keys[FILTERS_FILEINTO].name, "fileinto");
    assert_string_equal(filters_action_keys[FILTERS_HOLD].name, "hold");
    assert_string_equal(filters_action_keys[FILTERS_TAG_SUBJECT].name, "tag_subject");
    assert_string_equal(filters_action_keys[FILTERS_GOTO].name, "goto");
    assert_string_equal(filters_action_keys[FILTERS_COUNT_MESSAGE].name, "count");
    assert_string_equal(filters_action_keys[FILTERS_ACTIONS].name, "actions");
    assert_null(filters_action_keys[FILTERS_ACTIONS + 1].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_schema_is_current),
        cmocka_unit_test(tables_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
