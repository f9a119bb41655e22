/*
 * mail_date - the time that a Date field tells (RFC 5322 section 3.3, its obsolete forms, and those of programs that
 * print a date as C or ISO 8601 does).
 */
#ifndef MAILWEIR_MAIL_MAIL_DATE_H
#define MAILWEIR_MAIL_MAIL_DATE_H

#include "base/bytes.h"
#include "base/must_use.h"

/* Milliseconds since 1970 of an unfolded value. False when it is no date, or before 1970. */
MUST_USE bool mail_date_parse(struct bytes value, int64_t *ms_r);

#endif
