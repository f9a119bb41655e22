/*
 * filters_date - see filters_date.h.
 */
#include "filters/filters_date.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/expect.h"
#include "filters/filters.h"

#define DAY_MS INT64_C(86400000)

static const char *const parts[] = {"date",        "date.year",    "date.month", "date.day",  "date.hour",
                                    "date.minute", "date.weekday", "date.week",  "date.time", NULL};

int filters_date_part(const char *name)
{
    for (int i = 0; parts[i] != NULL; i++) {
        if (strcmp(parts[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

enum filters_type filters_date_type(enum filters_date_part part)
{
    switch (part) {
    case FILTERS_DATE_DATE:
        return FILTERS_TYPE_DATE;
    case FILTERS_DATE_TIME:
        return FILTERS_TYPE_TIME;
    case FILTERS_DATE_WEEKDAY:
        return FILTERS_TYPE_WEEKDAY;
    default:
        return FILTERS_TYPE_NUMBER;
    }
}

/* ---- zones ---- */

struct filters_zone {
    char *name;
    GTimeZone *named; /* NULL: a fixed offset */
    int seconds;
};

/* "+01:00", "-0530", "Z", "UTC". */
static bool parse_offset(const char *text, int *seconds_r)
{
    if (strcmp(text, "Z") == 0 || strcmp(text, "UTC") == 0) {
        *seconds_r = 0;
        return true;
    }
    size_t colon = strlen(text) == 6 && text[3] == ':' ? 1 : 0;
    uint64_t hours, minutes;
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 5 + colon ||
        !bytes_to_u64(bytes_at(text + 1, 2), &hours) || !bytes_to_u64(bytes_at(text + 3 + colon, 2), &minutes) ||
        hours > 14 || minutes > 59) {
        return false;
    }
    *seconds_r = (text[0] == '-' ? -1 : 1) * (int)(hours * 3600 + minutes * 60);
    return true;
}

/* Of the zone database: GLib takes more (paths, rules in one line), which no other tool would know. */
static bool is_zone_name(const char *name)
{
    if (!octet_is_alpha((uint8_t)name[0]) || strstr(name, "..") != NULL || strlen(name) > 60) {
        return false;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (!octet_is_alpha((uint8_t)*c) && !octet_is_digit((uint8_t)*c) && strchr("_-+/", *c) == NULL) {
            return false;
        }
    }
    return true;
}

struct filters_zone *filters_zone_new(const char *name)
{
    int seconds = 0;
    GTimeZone *named = NULL;
    if (!parse_offset(name, &seconds)) {
        named = is_zone_name(name) ? g_time_zone_new_identifier(name) : NULL;
        if (named == NULL) {
            return NULL;
        }
    }
    struct filters_zone *zone = expect_calloc(1, sizeof *zone);
    zone->name = expect_strdup(name);
    zone->named = named;
    zone->seconds = seconds;
    return zone;
}

void filters_zone_free(struct filters_zone **zone)
{
    if (*zone == NULL) {
        return;
    }
    if ((*zone)->named != NULL) {
        g_time_zone_unref((*zone)->named);
    }
    free((*zone)->name);
    free(*zone);
    *zone = NULL;
}

const char *filters_zone_name(const struct filters_zone *zone)
{
    return zone->name;
}

static int64_t local_ms(int64_t time_ms, const struct filters_zone *zone)
{
    if (zone == NULL) {
        return time_ms;
    }
    if (zone->named == NULL) {
        return time_ms + (int64_t)zone->seconds * 1000;
    }
    int interval = g_time_zone_find_interval(zone->named, G_TIME_TYPE_UNIVERSAL, time_ms / 1000);
    return time_ms + (int64_t)g_time_zone_get_offset(zone->named, interval) * 1000;
}

int64_t filters_zone_day_end(const struct filters_zone *zone, int64_t day_ms)
{
    int64_t end = day_ms + DAY_MS;
    return end - (local_ms(end, zone) - end);
}

/* ---- parts ---- */

/* ISO 8601: the week that has the year's first Thursday is week 1. */
static int week_of(int64_t ms, int weekday)
{
    struct date date, january;
    int64_t thursday = ms + (4 - (weekday == 0 ? 7 : weekday)) * DAY_MS;
    date_of(thursday, &january);
    int week = 1;
    for (int64_t back = thursday / DAY_MS - 7; back >= 0; back -= 7, week++) {
        date_of(back * DAY_MS, &date);
        if (date.year != january.year) {
            break;
        }
    }
    return week;
}

int64_t filters_date_of(int64_t time_ms, enum filters_date_part part, const struct filters_zone *zone,
                        char text_r[FILTERS_DATE_TEXT])
{
    struct date date;
    int64_t local = local_ms(time_ms, zone);
    date_of(local < 0 ? 0 : local, &date);
    int numbers[] = {0, date.year, date.month, date.day, date.hour, date.minute};
    switch (part) {
    case FILTERS_DATE_DATE:
        snprintf(text_r, FILTERS_DATE_TEXT, "%04d-%02d-%02d", date.year, date.month, date.day);
        return date.year * 10000 + date.month * 100 + date.day;
    case FILTERS_DATE_TIME:
        snprintf(text_r, FILTERS_DATE_TEXT, "%02d:%02d:%02d", date.hour, date.minute, date.second);
        return date.hour * 3600 + date.minute * 60 + date.second;
    case FILTERS_DATE_WEEKDAY:
        snprintf(text_r, FILTERS_DATE_TEXT, "%s", filters_weekdays[date.weekday]);
        return date.weekday;
    case FILTERS_DATE_WEEK:
        numbers[0] = week_of(local, date.weekday);
        snprintf(text_r, FILTERS_DATE_TEXT, "%02d", numbers[0]);
        return numbers[0];
    default:
        snprintf(text_r, FILTERS_DATE_TEXT, "%02d", numbers[part]);
        return numbers[part];
    }
}

/* ---- ISO 8601 ---- */

/* Reads digits and the octets between them by the form: "0" stands for a digit. False when the text is not of it. */
static bool read_form(struct bytes text, const char *form, int64_t *numbers_r)
{
    size_t number = 0;
    if (text.len < strlen(form)) {
        return false;
    }
    for (size_t i = 0; form[i] != '\0'; i++) {
        uint8_t octet = text.ptr[i];
        if (form[i] == '0') {
            if (!octet_is_digit(octet)) {
                return false;
            }
            numbers_r[number] = numbers_r[number] * 10 + (octet - '0');
        } else if (octet != (uint8_t)form[i] && !(form[i] == 'T' && (octet == ' ' || octet == 't'))) {
            return false;
        } else {
            number++;
        }
    }
    return true;
}

/* Days from civil, Howard Hinnant's algorithm. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* What stands behind the seconds: a fraction that does not count, and the zone. */
static bool read_offset(struct bytes rest, int64_t *seconds_r)
{
    if (rest.len > 0 && rest.ptr[0] == '.') {
        rest = bytes_from(rest, 1);
        while (rest.len > 0 && octet_is_digit(rest.ptr[0])) {
            rest = bytes_from(rest, 1);
        }
    }
    char text[8] = "";
    int seconds = 0;
    if (rest.len == 0 || rest.len >= sizeof text) {
        return false;
    }
    memcpy(text, rest.ptr, rest.len);
    bool read = parse_offset(text, &seconds);
    *seconds_r = seconds;
    return read;
}

bool filters_time(const char *text, int64_t *time_ms_r)
{
    return filters_date_iso(bytes_of(text), time_ms_r);
}

bool filters_date_iso(struct bytes text, int64_t *time_ms_r)
{
    int64_t n[6] = {0}, offset = 0; /* year, month, day, hour, minute, second */
    static const char full[] = "0000-00-00T00:00:00";
    if (text.len == 10) {
        if (!read_form(text, "0000-00-00", n)) {
            return false;
        }
    } else if (!read_form(text, full, n) || !read_offset(bytes_from(text, sizeof full - 1), &offset)) {
        return false;
    }
    if (n[0] < 1970 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 60) {
        return false;
    }
    *time_ms_r = (((days_of(n[0], n[1], n[2]) * 24 + n[3]) * 60 + n[4]) * 60 + n[5] - offset) * 1000;
    return true;
}
