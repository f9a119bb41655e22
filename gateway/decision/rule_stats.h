/*
 * rule_stats - how often each rule acted, and what became of messages: counts that outlive a reload.
 *
 * Kept by name, so that a rule keeps its counts when its file is edited around it. The loop's thread only.
 */
#ifndef MAILWEIR_DECISION_RULE_STATS_H
#define MAILWEIR_DECISION_RULE_STATS_H

#include "base/histogram.h"
#include "base/must_use.h"
#include "filters/filters.h"

#define RULE_STATS_MAX 20000 /* names; what comes later is not counted by rule */

enum rule_stats_action {
    RULE_STATS_FILED,
    RULE_STATS_DISCARDED,
    RULE_STATS_REJECTED,
    RULE_STATS_DEFERRED,
    RULE_STATS_ACTIONS
};

/* What stopped a decision, or a part of it. */
enum rule_stats_limit {
    RULE_STATS_LIMIT_PATTERN, /* one match of one pattern */
    RULE_STATS_LIMIT_TIME,    /* decision_timeout */
    RULE_STATS_LIMIT_MEMORY,
    RULE_STATS_LIMIT_MIME, /* parts that were not decoded (mail_view) */
    RULE_STATS_LIMITS
};

#define RULE_STATS_FLOWS_MAX 1000 /* ways through the gateway; what comes later is counted, but not by way */

struct rule_stats;

/* One way that messages took: in by a listener, by a rule, into a folder. */
struct rule_stats_flow {
    char *listener, *rule;
    char *upstream; /* "" without a delivery */
    char *folder;   /* "discarded", "rejected", "deferred" without one */
    uint64_t count;
    int64_t last_ms; /* wall clock */
};

struct rule_stats_rule {
    uint64_t hits;    /* messages it acted on */
    uint64_t watched; /* messages it would have acted on, but for its state "watch" */
    int64_t last_ms;  /* wall clock of the last; 0: never */
};

/* A rule hit the limit of a pattern, or was at work when the time for the message was over; whatever its on_error said.
 */
struct rule_stats_error {
    uint64_t count;
    int64_t last_ms; /* wall clock */
};
#define RULE_STATS_ERROR_NAME 79 /* octets of a rule's name by which errors are kept: those of a fault */

MUST_USE struct rule_stats *rule_stats_new(void);
/* Sets *stats to NULL; NULL is fine. */
void rule_stats_free(struct rule_stats **stats);

/* A decision that was made about a message of that listener; took_us: on the lane. */
void rule_stats_decided(struct rule_stats *stats, const char *listener, const struct filters_decision *decision,
                        int64_t now_ms, uint64_t took_us);
/* No decision could be made. */
void rule_stats_failed(struct rule_stats *stats, const struct fault *fault, int64_t now_ms);

/* NULL when the rule never acted. */
const struct rule_stats_rule *rule_stats_rule(const struct rule_stats *stats, const char *name);
/* NULL when the rule never had one. */
const struct rule_stats_error *rule_stats_error(const struct rule_stats *stats, const char *name);
/* "filed", "discarded", "rejected", "deferred". */
const char *rule_stats_action_name(enum rule_stats_action action);
uint64_t rule_stats_messages(const struct rule_stats *stats, enum rule_stats_action action);
/* Decisions that failed. */
uint64_t rule_stats_failures(const struct rule_stats *stats);
/* How often a limit was hit, whether the decision failed of it or went on. "pattern", "time", "memory", "mime". */
uint64_t rule_stats_limits(const struct rule_stats *stats, enum rule_stats_limit limit);
const char *rule_stats_limit_name(enum rule_stats_limit limit);
const struct histogram *rule_stats_time(const struct rule_stats *stats);
/* Names that acted, in no particular order; start with *cursor = 0. */
MUST_USE bool rule_stats_next(const struct rule_stats *stats, size_t *cursor, struct bytes *name_r,
                              const struct rule_stats_rule **rule_r);
/* The same of rules that had errors. */
MUST_USE bool rule_stats_next_error(const struct rule_stats *stats, size_t *cursor, struct bytes *name_r,
                                    const struct rule_stats_error **error_r);
/* The ways so far, the oldest first; NULL behind the last. */
const struct rule_stats_flow *rule_stats_flow_at(const struct rule_stats *stats, size_t index);

#endif
