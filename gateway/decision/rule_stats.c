/*
 * rule_stats - see rule_stats.h.
 */
#include "decision/rule_stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"
#include "net/net_loop.h"

struct rule_stats {
    struct map *rules;  /* name -> struct rule_stats_rule */
    struct map *errors; /* name -> struct rule_stats_error */
    struct map *flows;  /* the four names -> struct rule_stats_flow */
    struct rule_stats_flow *order[RULE_STATS_FLOWS_MAX];
    uint64_t messages[RULE_STATS_ACTIONS];
    uint64_t failures, limits[RULE_STATS_LIMITS];
    struct histogram time;
};

struct rule_stats *rule_stats_new(void)
{
    struct rule_stats *stats = expect_calloc(1, sizeof *stats);
    stats->rules = map_new(RULE_STATS_MAX, NULL);
    stats->errors = map_new(RULE_STATS_MAX, NULL);
    uint8_t seed[16];
    net_random(seed, sizeof seed); /* folders may come from what senders wrote */
    stats->flows = map_new(RULE_STATS_FLOWS_MAX, seed);
    return stats;
}

static void free_flow(void *value)
{
    struct rule_stats_flow *flow = value;
    free(flow->listener);
    free(flow->rule);
    free(flow->upstream);
    free(flow->folder);
    free(flow);
}

void rule_stats_free(struct rule_stats **stats)
{
    if (*stats == NULL) {
        return;
    }
    map_free(&(*stats)->rules, free);
    map_free(&(*stats)->errors, free);
    map_free(&(*stats)->flows, free_flow);
    free(*stats);
    *stats = NULL;
}

static void note_rule(struct rule_stats *stats, const char *name, bool watched, int64_t now_ms)
{
    struct rule_stats_rule *rule = map_get(stats->rules, bytes_of(name));
    if (rule == NULL) {
        rule = expect_calloc(1, sizeof *rule);
        if (map_set(stats->rules, bytes_of(name), rule) < 0) {
            free(rule);
            return;
        }
    }
    rule->hits += !watched;
    rule->watched += watched;
    rule->last_ms = now_ms;
}

static struct bytes error_name(const char *name)
{
    return bytes_slice(bytes_of(name), 0, RULE_STATS_ERROR_NAME);
}

static void note_error(struct rule_stats *stats, const char *name, int64_t now_ms)
{
    struct rule_stats_error *error = map_get(stats->errors, error_name(name));
    if (error == NULL) {
        error = expect_calloc(1, sizeof *error);
        if (map_set(stats->errors, error_name(name), error) < 0) {
            free(error);
            return;
        }
    }
    error->count++;
    error->last_ms = now_ms;
}

static enum rule_stats_action action_of(const struct filters_decision *decision)
{
    if (decision->reply_code != 0) {
        return decision->reply_code >= 500 ? RULE_STATS_REJECTED : RULE_STATS_DEFERRED;
    }
    return decision->delivery_count > 0 ? RULE_STATS_FILED : RULE_STATS_DISCARDED;
}

/* ---- ways ---- */

static struct rule_stats_flow *new_flow(const char *const names[4])
{
    struct rule_stats_flow *flow = expect_calloc(1, sizeof *flow);
    flow->listener = expect_strdup(names[0]);
    flow->rule = expect_strdup(names[1]);
    flow->upstream = expect_strdup(names[2]);
    flow->folder = expect_strdup(names[3]);
    return flow;
}

static void note_flow(struct rule_stats *stats, const char *const names[4], int64_t now_ms)
{
    struct buf key;
    size_t count = map_count(stats->flows);
    buf_init(&key, 8192);
    for (size_t i = 0; i < 4; i++) {
        buf_append(&key, names[i], strlen(names[i]) + 1);
    }
    struct rule_stats_flow *flow = map_get(stats->flows, buf_bytes(&key));
    if (flow == NULL && count < RULE_STATS_FLOWS_MAX && !key.full) {
        flow = new_flow(names);
        stats->order[count] = flow;
        disregard(map_set(stats->flows, buf_bytes(&key), flow));
    }
    if (flow != NULL) {
        flow->count++;
        flow->last_ms = now_ms;
    }
    buf_done(&key);
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void note_flows(struct rule_stats *stats, const char *listener, const struct filters_decision *decision,
                       int64_t now_ms)
{
    for (size_t i = 0; i < decision->delivery_count; i++) {
        const struct mail_delivery *delivery = &decision->deliveries[i];
        note_flow(
            stats,
            (const char *const[]){or_empty(listener), or_empty(delivery->rule), delivery->upstream, delivery->folder},
            now_ms);
    }
    if (decision->delivery_count == 0) {
        const char *rule = decision->rule != NULL     ? decision->rule
                           : decision->rule_count > 0 ? decision->rules[0]
                                                      : "default";
        note_flow(stats,
                  (const char *const[]){or_empty(listener), rule, "", rule_stats_action_name(action_of(decision))},
                  now_ms);
    }
}

const struct rule_stats_flow *rule_stats_flow_at(const struct rule_stats *stats, size_t index)
{
    return index < map_count(stats->flows) ? stats->order[index] : NULL;
}

void rule_stats_decided(struct rule_stats *stats, const char *listener, const struct filters_decision *decision,
                        int64_t now_ms, uint64_t took_us)
{
    note_flows(stats, listener, decision, now_ms);
    for (size_t i = 0; i < decision->rule_count; i++) {
        note_rule(stats, decision->rules[i], false, now_ms);
    }
    for (size_t i = 0; i < decision->watched_count; i++) {
        note_rule(stats, decision->watched[i], true, now_ms);
    }
    for (size_t i = 0; i < decision->failed_count; i++) {
        note_error(stats, decision->failed[i], now_ms);
    }
    stats->messages[action_of(decision)]++;
    stats->limits[RULE_STATS_LIMIT_PATTERN] += decision->limits_hit;
    stats->limits[RULE_STATS_LIMIT_TIME] += decision->out_of_time;
    stats->limits[RULE_STATS_LIMIT_MIME] += decision->mime_limit != NULL;
    histogram_add(&stats->time, took_us);
}

void rule_stats_failed(struct rule_stats *stats, const struct fault *fault, int64_t now_ms)
{
    bool pattern = strcmp(fault->code, "pattern-limit") == 0;
    bool time = strcmp(fault->code, "time-limit") == 0;
    stats->failures++;
    stats->limits[RULE_STATS_LIMIT_PATTERN] += pattern;
    stats->limits[RULE_STATS_LIMIT_TIME] += time;
    stats->limits[RULE_STATS_LIMIT_MEMORY] += strcmp(fault->code, "rules-memory") == 0;
    if (pattern || time) {
        note_error(stats, fault->where, now_ms);
    }
}

const struct rule_stats_error *rule_stats_error(const struct rule_stats *stats, const char *name)
{
    return map_get(stats->errors, error_name(name));
}

bool rule_stats_next_error(const struct rule_stats *stats, size_t *cursor, struct bytes *name_r,
                           const struct rule_stats_error **error_r)
{
    void *value;
    if (!map_next(stats->errors, cursor, name_r, &value)) {
        return false;
    }
    *error_r = value;
    return true;
}

const struct rule_stats_rule *rule_stats_rule(const struct rule_stats *stats, const char *name)
{
    return map_get(stats->rules, bytes_of(name));
}

const char *rule_stats_action_name(enum rule_stats_action action)
{
    static const char *const names[RULE_STATS_ACTIONS] = {[RULE_STATS_FILED] = "filed",
                                                          [RULE_STATS_DISCARDED] = "discarded",
                                                          [RULE_STATS_REJECTED] = "rejected",
                                                          [RULE_STATS_DEFERRED] = "deferred"};
    return names[action];
}

uint64_t rule_stats_messages(const struct rule_stats *stats, enum rule_stats_action action)
{
    return stats->messages[action];
}

uint64_t rule_stats_failures(const struct rule_stats *stats)
{
    return stats->failures;
}

uint64_t rule_stats_limits(const struct rule_stats *stats, enum rule_stats_limit limit)
{
    return stats->limits[limit];
}

const char *rule_stats_limit_name(enum rule_stats_limit limit)
{
    static const char *const names[RULE_STATS_LIMITS] = {[RULE_STATS_LIMIT_PATTERN] = "pattern",
                                                         [RULE_STATS_LIMIT_TIME] = "time",
                                                         [RULE_STATS_LIMIT_MEMORY] = "memory",
                                                         [RULE_STATS_LIMIT_MIME] = "mime"};
    return names[limit];
}

const struct histogram *rule_stats_time(const struct rule_stats *stats)
{
    return &stats->time;
}

bool rule_stats_next(const struct rule_stats *stats, size_t *cursor, struct bytes *name_r,
                     const struct rule_stats_rule **rule_r)
{
    void *value;
    if (!map_next(stats->rules, cursor, name_r, &value)) {
        return false;
    }
    *rule_r = value;
    return true;
}
