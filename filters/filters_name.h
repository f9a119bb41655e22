/*
 * filters_name - what the names in templates stand for. Internal.
 *
 * A group of a pattern of the rule, a variable, the message's id, a part of the date of reception (UTC), or any subject but those of the body.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_NAME_H
#define MAILWEIR_FILTERS_FILTERS_NAME_H

enum filters_name_kind {
    FILTERS_NAME_GROUP,    /* reference.name */
    FILTERS_NAME_NUMBER,   /* reference.number: a group's number */
    FILTERS_NAME_VARIABLE, /* reference.number: the variable's */
    FILTERS_NAME_ID,
    FILTERS_NAME_DATE,    /* reference.number: filters_name_date_part() */
    FILTERS_NAME_SUBJECT, /* reference.what: struct filters_subject */
};

/* "date" and "date.year" ... as a number, -1 for other names. */
int filters_name_date_part(const char *name);

struct filters_run;
struct filters_reference;
/* The value in this run; a struct filters_filler's function, with the run as ctx. */
struct bytes filters_name_value(void *run, const struct filters_reference *reference);

#endif
