/*
 * admin_status - the gateway at one look: what `mailweir status`, `mailweir top` and the page show.
 */
#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "decision/decision.h"
#include "dispatch/dispatch_condition.h"
#include "spool/spool_node.h"
#include "spool/spool_overflow.h"

static json_t *number_status(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *checks(const struct admin *admin, bool *ready_r)
{
    struct gateway_check found[GATEWAY_CHECKS];
    json_t *json = json_object();
    *ready_r = gateway_ready(admin->gateway, found);
    for (size_t i = 0; i < GATEWAY_CHECKS; i++) {
        json_object_set_new(json, found[i].name,
                            json_pack("{s:b,s:s}", "good", found[i].good, "reason", found[i].reason));
    }
    return json;
}

static json_t *traffic(const struct admin *admin)
{
    struct gateway_counts counts;
    gateway_count(admin->gateway, &counts);
    return json_pack("{s:{s:I,s:I},s:{s:I,s:I,s:I},s:{s:I,s:I,s:I,s:I,s:I,s:I},s:{s:I,s:I,s:I,s:I}}", "sessions",
                     "total", (json_int_t)counts.reception.sessions, "open", (json_int_t)counts.reception.sessions_open,
                     "messages", "accepted", (json_int_t)counts.reception.accepted, "rejected",
                     (json_int_t)counts.reception.rejected, "deferred", (json_int_t)counts.reception.deferred,
                     "deliveries", "filed", (json_int_t)counts.dispatch.filed, "deferred",
                     (json_int_t)counts.dispatch.deferred, "dead", (json_int_t)counts.dispatch.dead, "uncertain",
                     (json_int_t)counts.dispatch.uncertain, "active", (json_int_t)counts.dispatch.active, "octets",
                     (json_int_t)counts.dispatch.octets, "queue", "waiting", (json_int_t)counts.spool.waiting, "held",
                     (json_int_t)counts.spool.held, "dead", (json_int_t)counts.spool.dead, "messages",
                     (json_int_t)counts.spool.messages);
}

static json_t *listeners(const struct admin *admin)
{
    const struct config *config = gateway_config(admin->gateway);
    json_t *json = json_array();
    for (size_t i = 0; i < config->listeners.count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        json_array_append_new(json,
                              json_pack("{s:s,s:s,s:o,s:s}", "name", listener->name, "address", listener->address.host,
                                        "port", number_status(gateway_port(admin->gateway, listener->name)), "tls",
                                        config_tls_modes[listener->tls.mode]));
    }
    return json;
}

static json_t *last_fault(const struct dispatch_state *state)
{
    if (state->last_fault_ms == 0) {
        return json_null();
    }
    const struct fault *fault = state->last_fault;
    json_t *text = json_string(fault->text);
    return json_pack("{s:o,s:s,s:s,s:s,s:o}", "at", admin_moment(state->last_fault_ms), "class",
                     fault_class_name(fault->class), "code", fault->code, "where", fault->where, "message",
                     text != NULL ? text : json_string("?"));
}

static json_t *seconds_left(int64_t seconds)
{
    return seconds == INT64_MIN ? json_null() : json_integer(seconds);
}

/* The day's budget of octets, and when it will be used up at this pace; null where there is none. */
static json_t *daily_status(const struct upstream_daily *daily)
{
    if (daily->limit == 0) {
        return json_null();
    }
    json_t *spent = daily->spent_in_ms == UINT64_MAX ? json_null() : number_status(daily->spent_in_ms / 1000);
    return json_pack("{s:o,s:o,s:o,s:o}", "limit", number_status(daily->limit), "used", number_status(daily->used),
                     "ends_seconds", number_status(daily->ends_in_ms / 1000), "spent_seconds", spent);
}

static json_t *upstream(const struct dispatch_state *state)
{
    const struct net_address *address = state->pool.address; /* the one of several that serves */
    json_t *json = json_pack("{s:s,s:s,s:I,s:I,s:s,s:I,s:I,s:I}", "name", state->config->name, "address", address->host,
                             "port", (json_int_t)address->port, "standby", (json_int_t)state->pool.place, "state",
                             dispatch_condition_name(dispatch_condition_of(state)), "failures",
                             (json_int_t)state->failures, "active", (json_int_t)state->counts.active, "connections_max",
                             (json_int_t)state->config->settings[UPSTREAM_CONNECTIONS]);
    json_object_set_new(json, "connections", number_status(state->pool.connections));
    json_object_set_new(json, "connections_share",
                        state->pool.share == SIZE_MAX ? json_null() : number_status(state->pool.share));
    json_object_set_new(json, "connections_busy", number_status(state->pool.busy));
    json_object_set_new(json, "token_seconds", seconds_left(state->pool.token_expires_s));
    json_object_set_new(json, "certificate_seconds", seconds_left(state->pool.certificate_expires_s));
    json_object_set_new(json, "own_certificate_seconds", seconds_left(state->pool.own_expires_s));
    json_object_set_new(json, "since", admin_moment(dispatch_condition_since(state)));
    json_object_set_new(json, "paused_by", state->pause.on ? json_string(state->pause.by) : json_null());
    json_object_set_new(json, "next_try", state->pause.on ? json_null() : admin_moment(state->paused_until));
    json_object_set_new(json, "paused_until", admin_moment(state->paused_until));
    json_object_set_new(json, "daily", daily_status(&state->pool.daily));
    json_object_set_new(json, "cause", state->pool.down != NULL ? json_string(state->pool.down) : json_null());
    json_object_set_new(json, "filed", number_status(state->counts.filed));
    json_object_set_new(json, "deferred", number_status(state->counts.deferred));
    json_object_set_new(json, "dead", number_status(state->counts.dead));
    json_object_set_new(json, "uncertain", number_status(state->counts.uncertain));
    json_object_set_new(json, "fallback", number_status(state->counts.diverted));
    json_object_set_new(json, "down_since", admin_moment(state->down_since));
    json_object_set_new(json, "possible_duplicates", number_status(state->counts.possible_duplicates));
    json_object_set_new(json, "append_ms_median", json_real((double)histogram_percentile(state->append, 50) / 1000));
    json_object_set_new(json, "append_ms_99", json_real((double)histogram_percentile(state->append, 99) / 1000));
    json_object_set_new(json, "last_filed", admin_moment(state->last_filed_ms));
    json_object_set_new(json, "last_error", last_fault(state));
    return json;
}

static json_t *upstreams(const struct admin *admin)
{
    const struct dispatch *dispatch = gateway_dispatch(admin->gateway);
    json_t *json = json_array();
    for (size_t i = 0; i < dispatch_upstream_count(dispatch); i++) {
        struct dispatch_state state;
        dispatch_state(dispatch, i, &state);
        json_array_append_new(json, upstream(&state));
    }
    return json;
}

static json_t *rules(const struct admin *admin, const struct gateway_state *state)
{
    const struct rule_stats *stats = decision_stats(gateway_decision(admin->gateway));
    json_t *messages = json_object();
    for (int i = 0; i < RULE_STATS_ACTIONS; i++) {
        json_object_set_new(messages, rule_stats_action_name((enum rule_stats_action)i),
                            number_status(rule_stats_messages(stats, (enum rule_stats_action)i)));
    }
    return json_pack("{s:I,s:o,s:b,s:I,s:o,s:I}", "count", (json_int_t)state->rules, "loaded",
                     admin_moment(state->loaded_ms), "last_load_good", state->last_load_good, "loads_failed",
                     (json_int_t)state->loads_failed, "messages", messages, "failures",
                     (json_int_t)rule_stats_failures(stats));
}

/* Landlock is 0, and the note says why, where paths are not limited. */
static json_t *sandbox(const struct net_sandbox_state *state)
{
    return json_pack("{s:b,s:b,s:b,s:b,s:i,s:s}", "entered", state->entered, "no_core_dumps", state->no_core_dumps,
                     "no_new_privileges", state->no_new_privileges, "system_calls", state->system_calls, "landlock",
                     state->paths, "note", state->note);
}

static json_t *overflow(const struct admin *admin)
{
    struct spool_overflow_state state;
    if (!gateway_overflow(admin->gateway, &state)) {
        return json_null();
    }
    return json_pack("{s:s,s:b,s:o,s:o,s:o}", "path", state.path, "in_use", state.in_use, "since",
                     admin_moment(state.since_ms), "messages", number_status(state.messages), "handed_over",
                     number_status(state.handed_over));
}

json_t *admin_status(const struct admin *admin)
{
    struct gateway_state state;
    bool ready;
    gateway_state(admin->gateway, &state);
    const struct config *config = gateway_config(admin->gateway);
    json_t *json =
        json_pack("{s:s,s:s,s:s,s:o,s:o}", "version", MAILWEIR_VERSION, "hostname", config->hostname, "config",
                  config->file, "started", admin_moment(state.started_ms), "now", admin_moment(net_wall(admin->loop)));
    json_object_set_new(json, "checks", checks(admin, &ready));
    json_object_set_new(json, "ready", json_boolean(ready));
    json_object_set_new(json, "attention", admin_attention(admin));
    json_object_set_new(json, "draining", json_boolean(state.draining));
    json_object_update_new(json, traffic(admin));
    const char *warning = spool_disk_warning(gateway_spool(admin->gateway));
    json_object_set_new(json_object_get(json, "queue"), "warning",
                        warning == NULL ? json_null() : json_string(warning));
    json_object_set_new(json_object_get(json, "queue"), "overflow", overflow(admin));
    json_t *nodes = spool_node_list(gateway_spool(admin->gateway));
    if (nodes != NULL) {
        json_object_set_new(json, "nodes", nodes);
        json_object_set_new(json, "rules_differ", json_boolean(gateway_rules_differ(admin->gateway)));
    }
    json_object_set_new(json, "listeners", listeners(admin));
    json_object_set_new(json, "upstreams", upstreams(admin));
    json_object_set_new(json, "rules", rules(admin, &state));
    json_object_set_new(json, "sandbox", sandbox(state.sandbox));
    return json;
}

void admin_get_status(struct admin_request *request)
{
    admin_answer_json(request, 200, admin_status(request->admin));
}
