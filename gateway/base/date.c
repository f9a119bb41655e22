/*
 * date - see date.h. The calendar is Howard Hinnant's "chrono-compatible low-level date algorithms".
 */
#include "base/date.h"

#include <stdio.h>

void date_of(int64_t time_ms, struct date *date_r)
{
    /* C divides towards zero; what is before 1970 rounds down, too, or its second would come twice. */
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

static const char *date_weekday_name(int weekday)
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
    /* A blank in front of one digit, never a zero: date-day-fixed (RFC 9051 section 9). */
    snprintf(out, DATE_LEN, "%2d-%s-%04d %02d:%02d:%02d +0000", d.day, date_month_name(d.month), d.year, d.hour,
             d.minute, d.second);
}

/* ---- reading ---- */

/* Days from 1970-01-01 of a civil date. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* A number of exactly these octets, not more than `most`. */
static bool take_number(struct bytes *text, size_t octets, int most, int *number_r)
{
    uint64_t value;
    if (!bytes_to_u64(bytes_slice(*text, 0, octets), &value) || text->len < octets || value > (uint64_t)most) {
        return false;
    }
    *text = bytes_from(*text, octets);
    *number_r = (int)value;
    return true;
}

static bool take_octet(struct bytes *text, char c)
{
    bool is_next = text->len > 0 && text->ptr[0] == (uint8_t)c;
    *text = bytes_from(*text, is_next ? 1 : 0);
    return is_next;
}

static bool take_month(struct bytes *text, int *month_r)
{
    for (int month = 1; month <= 12; month++) {
        if (bytes_starts_nocase(*text, date_month_name(month))) {
            *month_r = month;
            *text = bytes_from(*text, 3);
            return true;
        }
    }
    return false;
}

/* Servers are not as strict as the grammar: some write a day of one digit without the blank. */
static bool take_day(struct bytes *text, struct date *d)
{
    bool one_digit = take_octet(text, ' ') || (text->len > 1 && text->ptr[1] == '-');
    return take_number(text, one_digit ? 1 : 2, 31, &d->day) && take_octet(text, '-') && take_month(text, &d->month) &&
           take_octet(text, '-') && take_number(text, 4, 9999, &d->year);
}

static bool take_clock(struct bytes *text, struct date *d)
{
    return take_number(text, 2, 23, &d->hour) && take_octet(text, ':') && take_number(text, 2, 59, &d->minute) &&
           take_octet(text, ':') && take_number(text, 2, 60, &d->second);
}

/* "+0130" as 5400 seconds. */
static bool take_zone(struct bytes *text, int64_t *seconds_r)
{
    int hours = 0, minutes = 0;
    bool west = text->len > 0 && text->ptr[0] == '-';
    bool ok = (take_octet(text, '+') || take_octet(text, '-')) && take_number(text, 2, 23, &hours) &&
              take_number(text, 2, 59, &minutes);
    *seconds_r = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return ok;
}

int date_imap_parse(struct bytes text, int64_t *time_ms_r)
{
    struct date d = {0};
    int64_t zone;
    if (!take_day(&text, &d) || !take_octet(&text, ' ') || !take_clock(&text, &d) || !take_octet(&text, ' ') ||
        !take_zone(&text, &zone) || text.len > 0) {
        return -1;
    }
    int64_t seconds = days_of(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    *time_ms_r = (seconds - zone) * 1000;
    return 0;
}
