/*
 * decision - asks the rules about recipients and messages: the bridge from reception (reception_hooks) to filters.
 *
 * Messages are decided on the `filter` lane, so that a slow pattern holds up neither the loop nor a sync. A decision
 * that is under way keeps the rule set that it began with when the set is replaced.
 */
#ifndef MAILWEIR_DECISION_DECISION_H
#define MAILWEIR_DECISION_DECISION_H

#include "base/log.h"
#include "base/must_use.h"
#include "decision/hasten.h"
#include "decision/recent.h"
#include "decision/rule_stats.h"
#include "filters/filters.h"
#include "reception/reception.h"

struct decision;

/* Takes the set (sets *set to NULL). log by reference. */
MUST_USE struct decision *decision_new(struct net_loop *loop, struct filters_set **set, struct log *log);
/* For a gateway without sessions. Sets *decision to NULL; NULL is fine. */
void decision_free(struct decision **decision);
/*
 * From now on new decisions use this set (sets *set to NULL). True when its counters look further back than those
 * before: what the spool has of that is to be counted, by decision_count().
 */
MUST_USE bool decision_replace(struct decision *decision, struct filters_set **set);
/* Makes the set in force fast, beside what it decides (hasten.h): to be called once for each set. */
void decision_hasten(struct decision *decision, const struct hasten_limits *limits);
/* How long the rules may take for one message; 0: as long as they like. */
void decision_set_timeout(struct decision *decision, uint64_t milliseconds);
/*
 * Upstreams that are not reached over verified TLS: a message with REQUIRETLS (RFC 8689) that would go there is
 * refused. names by reference.
 */
void decision_set_unverified(struct decision *decision, const char *const *names, size_t count);
/* Counts again what a message that is in the spool has counted: at the start, for each. */
void decision_count(struct decision *decision, const struct mail_envelope *envelope);
/* For who decides beside reception: what was counted, without counting. As valid as the decision; on any thread. */
const struct filters_counters *decision_counters(const struct decision *decision);
/* What reception is to call. */
struct reception_hooks decision_hooks(struct decision *decision);
/* What rules did so far; valid as long as the decision. */
const struct rule_stats *decision_stats(const struct decision *decision);
/*
 * Keeps the last messages that were decided in memory: at most so many, and octets of them together. To be called once,
 * before the first message; without it, none are kept.
 */
void decision_keep_recent(struct decision *decision, uint64_t messages, uint64_t octets);
/* NULL when none are kept. */
struct recent *decision_recent(const struct decision *decision);
/* The set that new decisions use, kept until it is given back, whatever replaces it meanwhile. The loop's thread only.
 */
struct rules_share;
struct rules_share *decision_share(struct decision *decision);
const struct filters_set *decision_shared_set(const struct rules_share *share);
/* Sets *share to NULL; NULL is fine. */
void decision_release(struct rules_share **share);
/*
 * What the rules of that set cost since it was loaded, by number: measured over a sample of the messages, at most one
 * in DECISION_SAMPLE_MS milliseconds. As valid as decision_set().
 */
#define DECISION_SAMPLE_MS 100
const struct filters_cost *decision_costs(const struct decision *decision);
/* Of the patterns of the set that new decisions use: how many can be looked for in one pass, and how many are by now.
 */
void decision_hastened(const struct decision *decision, size_t *wanted_r, size_t *ready_r);
/* The set that new decisions use; valid until it is replaced. */
const struct filters_set *decision_set(const struct decision *decision);

#endif
