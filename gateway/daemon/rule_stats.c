/*
 * rule_stats - see rule_stats.h.
 */
#include "daemon/rule_stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"

struct rule_stats {
    struct map *rules; /* name -> struct rule_stats_rule */
    uint64_t messages[RULE_STATS_ACTIONS];
    uint64_t failures, limits;
    struct histogram time;
};

struct rule_stats *rule_stats_new(void)
{
    struct rule_stats *stats = expect_calloc(1, sizeof *stats);
    stats->rules = map_new(RULE_STATS_MAX, NULL);
    return stats;
}

void rule_stats_free(struct rule_stats **stats)
{
    if (*stats == NULL) {
        return;
    }
    map_free(&(*stats)->rules, free);
    free(*stats);
    *stats = NULL;
}

static void note_rule(struct rule_stats *stats, const char *name, int64_t now_ms)
{
    struct rule_stats_rule *rule = map_get(stats->rules, bytes_of(name));
    if (rule == NULL) {
        rule = expect_calloc(1, sizeof *rule);
        if (map_set(stats->rules, bytes_of(name), rule) < 0) {
            free(rule);
            return;
        }
    }
    rule->hits++;
    rule->last_ms = now_ms;
}

static enum rule_stats_action action_of(const struct filters_decision *decision)
{
    if (decision->reply_code != 0) {
        return decision->reply_code >= 500 ? RULE_STATS_REJECTED : RULE_STATS_DEFERRED;
    }
    return decision->delivery_count > 0 ? RULE_STATS_FILED : RULE_STATS_DISCARDED;
}

void rule_stats_decided(struct rule_stats *stats, const struct filters_decision *decision, int64_t now_ms, uint64_t took_us)
{
    for (size_t i = 0; i < decision->rule_count; i++) {
        note_rule(stats, decision->rules[i], now_ms);
    }
    stats->messages[action_of(decision)]++;
    histogram_add(&stats->time, took_us);
}

void rule_stats_failed(struct rule_stats *stats, const char *code)
{
    stats->failures++;
    stats->limits += strstr(code, "limit") != NULL;
}

const struct rule_stats_rule *rule_stats_rule(const struct rule_stats *stats, const char *name)
{
    return map_get(stats->rules, bytes_of(name));
}

const char *rule_stats_action_name(enum rule_stats_action action)
{
    static const char *const names[] = {"filed", "discarded", "rejected", "deferred"};
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

uint64_t rule_stats_limits(const struct rule_stats *stats)
{
    return stats->limits;
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
