/*
 * filters_run - one message in the hands of a rule set: its values, fetched once, and what has matched so far. Internal.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_RUN_H
#define MAILWEIR_FILTERS_FILTERS_RUN_H

#include "filters/filters_set.h"
#include "filters/filters_template.h"

#define FILTERS_VALUE_MAX (256u << 10) /* octets of one value */
#define FILTERS_OCCURRENCES_MAX 1000   /* header fields of one name that are looked at */

enum filters_verdict { FILTERS_NO, FILTERS_YES, FILTERS_UNKNOWN, FILTERS_FAILED };

/* The values of one subject, as far as they have been fetched. */
struct filters_fetched {
    enum { FILTERS_NOT_FETCHED, FILTERS_FETCHED, FILTERS_NOT_YET } state;
    struct bytes *values;
    size_t count;
};

struct filters_run {
    const struct filters_set *set;
    const struct filters_message *message;
    size_t recipient; /* index into the envelope */
    enum filters_stage stage;
    struct filters_matcher *matcher;
    struct arena *arena;              /* for what lives as long as the decision */
    struct filters_fetched *fetched;  /* by subject number */
    struct filters_capture *captures; /* of the rule being decided */
    size_t capture_count, capture_size;
    struct fault *fault; /* filled when a verdict is FAILED */
};

/* The subject's values; NOT_YET when the message has not come far enough. -1 with a fault when memory is at its limit. */
int filters_run_fetch(struct filters_run *run, const struct filters_subject *subject, const struct filters_fetched **fetched_r);
/* Forgets the values that depend on the recipient. */
void filters_run_next_recipient(struct filters_run *run, size_t recipient);
/* Decides a rule's condition; captures are collected anew. */
enum filters_verdict filters_run_rule(struct filters_run *run, const struct filters_rule *rule);

#endif
