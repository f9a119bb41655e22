/*
 * admin_minutes - see admin_minutes.h. Memory is bounded by the names that rule_stats keeps.
 */
#include "admin/admin_minutes.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin_private.h"
#include "base/expect.h"
#include "base/map.h"
#include "decision/decision.h"

#define MINUTE_MS 60000

struct minutes {
    uint64_t last; /* of the rule's hits: what was counted before the minute under way */
    uint32_t past[ADMIN_MINUTES];
};

struct admin_minutes {
    struct map *rules;
    uint64_t minute; /* under way */
};

void admin_minutes_init(struct admin *admin)
{
    admin->minutes = expect_calloc(1, sizeof *admin->minutes);
    admin->minutes->rules = map_new(RULE_STATS_MAX, NULL);
}

void admin_minutes_done(struct admin *admin)
{
    if (admin->minutes != NULL) {
        map_free(&admin->minutes->rules, free);
    }
    free(admin->minutes);
    admin->minutes = NULL;
}

static struct minutes *minutes_of(struct admin_minutes *all, struct bytes name)
{
    struct minutes *known = map_get(all->rules, name);
    if (known == NULL) {
        known = expect_calloc(1, sizeof *known);
        if (map_set(all->rules, name, known) < 0) {
            free(known);
            return NULL;
        }
    }
    return known;
}

/* The minutes that have ended go on by `passed`; what was counted in the last of them is put down. */
static void move_on(struct minutes *one, uint64_t hits, uint64_t passed)
{
    size_t by = passed < ADMIN_MINUTES ? (size_t)passed : ADMIN_MINUTES;
    memmove(one->past, one->past + by, (ADMIN_MINUTES - by) * sizeof one->past[0]);
    memset(one->past + ADMIN_MINUTES - by, 0, by * sizeof one->past[0]);
    if (by < ADMIN_MINUTES) {
        one->past[ADMIN_MINUTES - 1 - by] += (uint32_t)(hits - one->last);
    }
    one->last = hits;
}

void admin_minutes_tick(struct admin *admin)
{
    struct admin_minutes *all = admin->minutes;
    const struct rule_stats *stats = decision_stats(gateway_decision(admin->gateway));
    const struct rule_stats_rule *rule;
    struct bytes name;
    size_t cursor = 0;
    uint64_t now = (uint64_t)(net_wall(admin->loop) / MINUTE_MS);
    if (now == all->minute) {
        return;
    }
    uint64_t passed = all->minute == 0 || now < all->minute ? 1 : now - all->minute;
    while (rule_stats_next(stats, &cursor, &name, &rule)) {
        struct minutes *one = minutes_of(all, name);
        if (one != NULL) {
            move_on(one, rule->hits, passed);
        }
    }
    all->minute = now;
}

json_t *admin_minutes_of(const struct admin *admin, const char *name)
{
    const struct rule_stats_rule *rule = rule_stats_rule(decision_stats(gateway_decision(admin->gateway)), name);
    const struct minutes *known = map_get(admin->minutes->rules, bytes_of(name));
    uint64_t now = rule == NULL ? 0 : rule->hits - (known == NULL ? 0 : known->last), sum = now;
    json_t *list = json_array();
    for (size_t i = 0; i + 1 < ADMIN_MINUTES; i++) {
        uint32_t value = known == NULL ? 0 : known->past[i];
        json_array_append_new(list, json_integer(value));
        sum += value;
    }
    json_array_append_new(list, json_integer((json_int_t)now));
    if (sum == 0) {
        json_decref(list);
        return json_null();
    }
    return list;
}
