/*
 * filters_date - times of mail in zones: parts of a date for conditions and templates, and zones by name with daylight
 * saving (GLib's GTimeZone, which reads the system's zone files when a rule set is loaded). Internal.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_DATE_H
#define MAILWEIR_FILTERS_FILTERS_DATE_H

#include "base/bytes.h"
#include "base/must_use.h"
#include "filters/filters_table.h"

enum filters_date_part {
    FILTERS_DATE_DATE,
    FILTERS_DATE_YEAR,
    FILTERS_DATE_MONTH,
    FILTERS_DATE_DAY,
    FILTERS_DATE_HOUR,
    FILTERS_DATE_MINUTE,
    FILTERS_DATE_WEEKDAY,
    FILTERS_DATE_WEEK, /* ISO 8601 */
    FILTERS_DATE_TIME,
};

/* "date" and "date.year" ... as a part, -1 for other names. */
MUST_USE int filters_date_part(const char *name);
enum filters_type filters_date_type(enum filters_date_part part);

struct filters_zone;
/* "Europe/Berlin", "+01:00", "-0530", "Z". NULL when there is no such zone. */
MUST_USE struct filters_zone *filters_zone_new(const char *name);
void filters_zone_free(struct filters_zone **zone);
const char *filters_zone_name(const struct filters_zone *zone);

/* When the day ends in the zone that begins at this midnight of UTC. */
int64_t filters_zone_day_end(const struct filters_zone *zone, int64_t day_ms);

#define FILTERS_DATE_TEXT 32
/* The part of that moment in the zone (NULL: UTC) as a text; returns the number by which it is compared. */
int64_t filters_date_of(int64_t time_ms, enum filters_date_part part, const struct filters_zone *zone,
                        char text_r[FILTERS_DATE_TEXT]);

/* Milliseconds since 1970 of "2026-11-23T07:11:20Z", with an offset instead of Z, or of a date alone (midnight, UTC).
 * False when it is none. */
MUST_USE bool filters_date_iso(struct bytes text, int64_t *time_ms_r);

#endif
