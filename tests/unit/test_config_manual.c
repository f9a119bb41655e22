/* config_manual: the page in deploy/doc is what the tables say. */
#include <stdio.h>
#include <string.h>

#include "config/config_manual.h"
#include "net/net_file.h"
#include "test.h"

static void the_page_is_up_to_date(void **state)
{
    (void)state;
    struct buf file, made;
    buf_init(&file, 1u << 20);
    buf_init(&made, 1u << 20);
    assert_int_equal(net_file_read_all(SOURCE_DIR "/deploy/doc/mailweir.conf.5", &file, NULL), 0);
    config_manual(&made);
    if (!bytes_equal(buf_bytes(&file), buf_bytes(&made))) {
        fail_msg("deploy/doc/mailweir.conf.5 is not what the tables say; make it again: mailweir manual");
    }
    buf_done(&file);
    buf_done(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_is_up_to_date)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
