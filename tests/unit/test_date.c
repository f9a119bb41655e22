/* date: against libc's gmtime_r as the second opinion. */
#include "test.h"

#include <stdio.h>
#include <time.h>

#include "base/date.h"

static void agrees_with_libc(void **state)
{
    (void)state;
    for (int64_t seconds = -2208988800; seconds < 7258118400; seconds += 86399 * 13 + 7) {
        time_t t = (time_t)seconds;
        struct tm tm;
        gmtime_r(&t, &tm);
        struct date d;
        date_of(seconds * 1000 + 999, &d);
        assert_int_equal(d.year, tm.tm_year + 1900);
        assert_int_equal(d.month, tm.tm_mon + 1);
        assert_int_equal(d.day, tm.tm_mday);
        assert_int_equal(d.hour * 3600 + d.minute * 60 + d.second, tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        assert_int_equal(d.weekday, tm.tm_wday);
    }
}

static void writes_the_two_forms(void **state)
{
    (void)state;
    char out[DATE_LEN];
    date_rfc5322(1795417880000, out);
    assert_string_equal(out, "Mon, 23 Nov 2026 07:11:20 +0000");
    date_imap(1267401600000, out);
    assert_string_equal(out, " 1-Mar-2010 00:00:00 +0000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_libc),
        cmocka_unit_test(writes_the_two_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
