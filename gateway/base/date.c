/*
 * date - see date.h. The calendar is Howard Hinnant's "chrono-compatible low-level date algorithms".
 */
#include "base/date.h"

#include <stdio.h>

void date_of(int64_t time_ms, struct date *date_r)
{
    int64_t seconds = time_ms >= 0 ? time_ms / 1000 : (time_ms - 999) / 1000;
    int64_t days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
    int left = (int)(seconds - days * 86400);
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    date_r->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    date_r->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    date_r->year = (int)(yoe + era * 400 + (date_r->month <= 2 ? 1 : 0));
    date_r->hour = left / 3600;
    date_r->minute = left / 60 % 60;
    date_r->second = left % 60;
    date_r->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

const char *date_weekday_name(int weekday)
{
    static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    return names[weekday];
}

const char *date_month_name(int month)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return names[month - 1];
}

void date_rfc5322(int64_t time_ms, char out[DATE_LEN])
{
    struct date d;
    date_of(time_ms, &d);
    snprintf(out, DATE_LEN, "%s, %d %s %04d %02d:%02d:%02d +0000", date_weekday_name(d.weekday), d.day,
             date_month_name(d.month), d.year, d.hour, d.minute, d.second);
}

void date_imap(int64_t time_ms, char out[DATE_LEN])
{
    struct date d;
    date_of(time_ms, &d);
    snprintf(out, DATE_LEN, "%2d-%s-%04d %02d:%02d:%02d +0000", d.day, date_month_name(d.month), d.year,
             d.hour, d.minute, d.second);
}
