/*
 * filters_name - what the names in templates stand for. Internal.
 *
 * A group of a pattern of the rule, a variable, the message's id, a part of the date of reception (UTC), or any subject
 * but those of the body.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_NAME_H
#define MAILWEIR_FILTERS_FILTERS_NAME_H

#include <stdbool.h>

#include "base/must_use.h"

enum filters_name_kind {
    FILTERS_NAME_GROUP,    /* reference.name */
    FILTERS_NAME_NUMBER,   /* reference.number: a group's number */
    FILTERS_NAME_VARIABLE, /* reference.number: the variable's */
    FILTERS_NAME_ID,
    FILTERS_NAME_DATE,    /* the time of reception, by part */
    FILTERS_NAME_ITEM,    /* the value at hand under "some", "every" and "none" */
    FILTERS_NAME_SUBJECT, /* reference.what: struct filters_subject */
};

struct filters_run;
struct filters_reference;
struct bytes;
/* The text of a group of the rule's pattern; false when it took no part. */
MUST_USE bool filters_name_group(const struct filters_run *run, const struct filters_reference *reference,
                                 struct bytes *text_r);

#endif
