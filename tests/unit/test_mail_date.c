/* The time of a Date field. */
#include "mail/mail_date.h"

#include <string.h>

#include "test.h"

static const struct {
    const char *value;
    int64_t ms; /* -1: none */
} cases[] = {
    {"Mon, 23 Nov 2026 07:11:20 +0100", INT64_C(1795414280000)},
    {"23 Nov 2026 06:11:20 GMT", INT64_C(1795414280000)},
    {"Mon, 23 Nov 26 06:11:20 +0000 (UTC)", INT64_C(1795414280000)},
    {"Mon Nov 23 06:11:20 2026", INT64_C(1795414280000)},
    {"Mon, 23-Nov-2026 06:11:20", INT64_C(1795414280000)},
    {"2026-11-23T06:11:20Z", INT64_C(1795414280000)},
    {"(a comment) Mon, 23 Nov 2026 01:11:20 EST", INT64_C(1795414280000)},
    {"Mon, 23 Nov 2026 06:11 +0000", INT64_C(1795414260000)},
    {"yesterday", -1},
    {"", -1},
    {"Mon, 23 Nov 1926 07:11:20 +0100", -1},
    {"Mon, 23 Nov 2026", -1},
    {"99 Nov 2026 07:11:20", -1},
    {"23 Nov 2026 99:11:20", -1},
};

static void dates_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = 5;
        bool is = mail_date_parse(bytes_of(cases[i].value), &ms);
        if (is != (cases[i].ms >= 0) || ms != (is ? cases[i].ms : 5)) {
            fail_msg("%s gives %lld", cases[i].value, (long long)ms);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
