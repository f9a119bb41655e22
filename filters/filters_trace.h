/*
 * filters_trace - what a decision looked at and found, as JSON: for "explain" and for the page. Internal; see
 * filters_explain().
 */
#ifndef MAILWEIR_FILTERS_FILTERS_TRACE_H
#define MAILWEIR_FILTERS_FILTERS_TRACE_H

#include <jansson.h>

#include "filters/filters_run.h"

struct filters_trace {
    json_t *recipients; /* the result: one object per recipient */
    json_t *rules;      /* of the recipient at hand */
    json_t **stack;     /* conditions being decided, the outermost first: lists of their parts */
    size_t depth, size;
    uint64_t (*clock_us)(void *ctx); /* NULL: no times */
    void *ctx;
    uint64_t began_us;
};

void filters_trace_init(struct filters_trace *trace);
void filters_trace_done(struct filters_trace *trace);

/* All of these do nothing when trace is NULL. */
void filters_trace_recipient(struct filters_trace *trace, const char *address);
void filters_trace_rule_begin(struct filters_trace *trace);
/* `why` is for rules that failed; NULL else. */
void filters_trace_rule_end(struct filters_trace *trace, const struct filters_group *group,
                            const struct filters_rule *rule, enum filters_verdict verdict, const char *why);
/* Something beside the rules that decided: a group's default, the configuration's default, an error. */
void filters_trace_note(struct filters_trace *trace, const char *what);

/* Around each condition; the values it saw and what it captured are read from the run. */
void filters_trace_enter(struct filters_trace *trace);
void filters_trace_leave(struct filters_trace *trace, const struct filters_run *run,
                         const struct filters_condition *condition, enum filters_verdict verdict,
                         size_t captures_before);

#endif
