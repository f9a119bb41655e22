/*
 * admin_rules - what the rules do with the stream: the ways that messages take, how often each rule acts, what it
 * costs, and its errors.
 */
#include "admin/admin_handlers.h"
#include "admin/admin_minutes.h"
#include "admin/admin_private.h"
#include "decision/decision.h"

void admin_get_flows(struct admin_request *request)
{
    const struct rule_stats *stats = decision_stats(gateway_decision(request->admin->gateway));
    const struct rule_stats_flow *flow;
    json_t *flows = json_array();
    for (size_t i = 0; (flow = rule_stats_flow_at(stats, i)) != NULL; i++) {
        json_array_append_new(flows, json_pack("{s:s,s:s,s:s,s:s,s:I,s:o}", "listener", flow->listener, "rule",
                                               flow->rule, "upstream", flow->upstream, "folder", flow->folder, "count",
                                               (json_int_t)flow->count, "last", admin_moment(flow->last_ms)));
    }
    admin_answer_json(request, 200, json_pack("{s:o}", "flows", flows));
}

static json_t *rule_of(const struct rule_stats *stats, const struct filters_rule_info *info, size_t number,
                       const struct filters_cost *cost)
{
    const struct rule_stats_rule *rule = rule_stats_rule(stats, info->name);
    const struct rule_stats_error *error = rule_stats_error(stats, info->name);
    json_t *object =
        json_pack("{s:I,s:s,s:s?,s:s,s:I,s:b,s:I,s:o}", "number", (json_int_t)number, "name", info->name, "group",
                  info->group, "file", info->file, "line", (json_int_t)info->line, "disabled", info->disabled, "hits",
                  (json_int_t)(rule == NULL ? 0 : rule->hits), "last", admin_moment(rule == NULL ? 0 : rule->last_ms));
    json_object_update_new(object, json_pack("{s:s,s:I}", "state", info->watch ? "watch" : "active", "watched",
                                             (json_int_t)(rule == NULL ? 0 : rule->watched)));
    json_object_update_new(object,
                           json_pack("{s:I,s:o,s:I,s:I}", "errors", (json_int_t)(error == NULL ? 0 : error->count),
                                     "last_error", admin_moment(error == NULL ? 0 : error->last_ms), "sampled",
                                     (json_int_t)cost->tried, "sampled_us", (json_int_t)cost->us));
    return object;
}

void admin_get_rules(struct admin_request *request)
{
    const struct decision *decision = gateway_decision(request->admin->gateway);
    const struct filters_set *set = decision_set(decision);
    const struct filters_cost *costs = decision_costs(decision);
    json_t *rules = json_array();
    for (size_t i = 0; i < filters_rule_count(set); i++) {
        struct filters_rule_info info = filters_rule_at(set, i);
        json_t *rule = rule_of(decision_stats(decision), &info, i + 1, &costs[i]);
        json_object_set_new(rule, "last_hour", admin_minutes_of(request->admin, info.name));
        json_array_append_new(rules, rule);
    }
    admin_answer_json(request, 200, json_pack("{s:o}", "rules", rules));
}
