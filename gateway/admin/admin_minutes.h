/*
 * admin_minutes - on how many messages each rule acted in each minute of the last hour; kept in memory, for the chart
 * beside the rule.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_MINUTES_H
#define MAILWEIR_ADMIN_ADMIN_MINUTES_H

#include <jansson.h>

struct admin;
#define ADMIN_MINUTES 60

void admin_minutes_init(struct admin *admin);
void admin_minutes_done(struct admin *admin);
/* Each second. */
void admin_minutes_tick(struct admin *admin);
/* A number for each minute, the oldest first, the one under way last; null when the rule did not act in any. */
json_t *admin_minutes_of(const struct admin *admin, const char *rule);

#endif
