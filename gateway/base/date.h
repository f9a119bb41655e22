/*
 * date - civil time without libc's locale and time zone: RFC 5322 dates, IMAP dates, and the parts rules use. Always
 * UTC.
 */
#ifndef MAILWEIR_BASE_DATE_H
#define MAILWEIR_BASE_DATE_H

#include "base/bytes.h"
#include "base/must_use.h"

struct date {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int weekday; /* 0 is Sunday */
};

/* Of milliseconds since 1970, UTC. */
void date_of(int64_t time_ms, struct date *date_r);
/* "Mon", "Jan". */
const char *date_month_name(int month);

#define DATE_LEN 40
/* "Mon, 23 Nov 2026 07:11:20 +0000" (RFC 5322 section 3.3). */
void date_rfc5322(int64_t time_ms, char out[DATE_LEN]);
/* "23-Nov-2026 07:11:20 +0000", day padded with a blank (RFC 3501 date-time, without its quotes). */
void date_imap(int64_t time_ms, char out[DATE_LEN]);
/* Milliseconds since 1970 of what date_imap() writes, in any zone. -1 on anything else. */
MUST_USE int date_imap_parse(struct bytes text, int64_t *time_ms_r);

#endif
