/*
 * admin_trace - switches traces of SMTP and IMAP dialogues on and off; see base/trace.h. Their lines are "trace" events
 * of the log, and so of the live stream. How long and how much is bounded by the configuration's max_trace_time and
 * max_trace_size.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_life.h"
#include "base/units.h"

#define TIME_DEFAULT 600000
#define SIZE_DEFAULT (UINT64_C(1) << 20)

static json_t *trace_json(const struct admin *admin, const struct trace *trace)
{
    uint64_t now = net_now(admin->loop);
    const char *name = trace->name[0] == '\0' ? NULL : trace->name;
    bool smtp = trace->kind == TRACE_SMTP;
    return json_pack("{s:I,s:s,s:s?,s:s?,s:I,s:I,s:I}", "id", (json_int_t)trace->id, "protocol", smtp ? "smtp" : "imap",
                     smtp ? "listener" : "upstream", name, "client", trace->has_network ? trace->client : NULL,
                     "seconds_left", (json_int_t)(trace->until > now ? (trace->until - now + 999) / 1000 : 0),
                     "octets_left", (json_int_t)trace->left, "lines", (json_int_t)trace->lines);
}

void admin_traces_tick(struct admin *admin)
{
    unsigned id;
    while ((id = traces_expire(gateway_traces(admin->gateway), net_now(admin->loop))) != 0) {
        log_event(admin->log, LOG_LEVEL_INFO, "trace_off", LOG_INT("trace", id));
    }
}

static void answer_all(struct admin_request *request)
{
    struct admin *admin = request->admin;
    struct traces *traces = gateway_traces(admin->gateway);
    json_t *list = json_array();
    admin_traces_tick(admin);
    for (size_t i = 0; i < TRACES_MAX; i++) {
        if (traces->items[i].id != 0) {
            json_array_append_new(list, trace_json(admin, &traces->items[i]));
        }
    }
    admin_answer_json(request, 200, json_pack("{s:o}", "traces", list));
}

void admin_get_traces(struct admin_request *request)
{
    answer_all(request);
}

/* ---- a new one ---- */

static bool is_known(const struct config *config, const struct trace *trace)
{
    bool found = trace->name[0] == '\0';
    for (size_t i = 0; !found && trace->kind == TRACE_SMTP && i < config->listeners.count; i++) {
        found = strcmp(config_listener_at(config, i)->name, trace->name) == 0;
    }
    for (size_t i = 0; !found && trace->kind == TRACE_IMAP && i < config->upstreams.count; i++) {
        found = strcmp(config_upstream_at(config, i)->name, trace->name) == 0;
    }
    return found;
}

/* "client": an address or a network. */
static bool read_client(const char *text, struct trace *trace)
{
    if (text == NULL) {
        return true;
    }
    trace->has_network = true;
    snprintf(trace->client, sizeof trace->client, "%s", text);
    return network_parse(&trace->network, bytes_of(text)) == 0;
}

/* A duration or size as the configuration writes it, or the default; at most what the configuration allows. */
static bool read_limit(const json_t *body, const char *name, int (*parse)(struct bytes, uint64_t *), uint64_t fallback,
                       uint64_t most, uint64_t *value_r)
{
    const json_t *value = json_object_get(body, name);
    *value_r = fallback < most ? fallback : most;
    return value == NULL || (json_is_string(value) && parse(bytes_of(json_string_value(value)), value_r) == 0 &&
                             *value_r > 0 && *value_r <= most);
}

/* Answers what is wrong; false when nothing is. */
static bool refuse_trace(struct admin_request *request, const json_t *body, struct trace *trace)
{
    const struct config *config = request->admin->config;
    const char *upstream = json_string_value(json_object_get(body, "upstream"));
    const char *listener = json_string_value(json_object_get(body, "listener"));
    const char *client = json_string_value(json_object_get(body, "client"));
    const char *name = upstream != NULL ? upstream : listener;
    uint64_t duration = 0;
    if ((upstream != NULL) == (listener != NULL || client != NULL)) {
        admin_answer_error(request, 400, "query",
                           "name what to trace: an \"upstream\"; or a \"listener\", a \"client\" or both");
        return true;
    }
    trace->kind = upstream != NULL ? TRACE_IMAP : TRACE_SMTP;
    snprintf(trace->name, sizeof trace->name, "%s", name == NULL ? "" : name);
    if ((name != NULL && strlen(name) > TRACE_NAME_MAX) || !is_known(gateway_config(request->admin->gateway), trace)) {
        admin_answer_error(request, 404, "unknown", "there is no %s \"%s\"", upstream != NULL ? "upstream" : "listener",
                           name);
    } else if (!read_client(client, trace)) {
        admin_answer_error(request, 400, "client", "\"%s\" is neither an address nor a network", client);
    } else if (!read_limit(body, "for", units_duration, TIME_DEFAULT, config->admin.max_trace_time, &duration)) {
        admin_answer_error(request, 400, "for", "\"for\" must be a duration such as \"5m\", up to max_trace_time");
    } else if (!read_limit(body, "size", units_size, SIZE_DEFAULT, config->admin.max_trace_size, &trace->left)) {
        admin_answer_error(request, 400, "size", "\"size\" must be a size such as \"1MiB\", up to max_trace_size");
    } else {
        trace->until = net_now(request->admin->loop) + duration;
        return false;
    }
    return true;
}

void admin_post_traces(struct admin_request *request)
{
    struct admin *admin = request->admin;
    struct trace trace = {0};
    json_t *body = admin_body(request);
    if (body == NULL) {
        return;
    }
    struct traces *traces = gateway_traces(admin->gateway);
    admin_traces_tick(admin);
    if (!refuse_trace(request, body, &trace)) {
        trace.id = traces_add(traces, &trace);
        if (trace.id == 0) {
            admin_answer_error(request, 409, "traces", "%d traces are running already; stop one first", TRACES_MAX);
        } else {
            log_event(admin->log, LOG_LEVEL_INFO, "trace_on", LOG_INT("trace", trace.id),
                      LOG_STR(trace.kind == TRACE_SMTP ? "listener" : "upstream", trace.name),
                      LOG_STR("client", trace.client));
            admin_answer_json(request, 200, trace_json(admin, &trace));
        }
    }
    json_decref(body);
}

void admin_post_trace_stop(struct admin_request *request)
{
    struct admin *admin = request->admin;
    uint64_t id = 0;
    if (!bytes_to_u64(bytes_of(request->parameter), &id) || id > UINT32_MAX ||
        traces_stop(gateway_traces(admin->gateway), (unsigned)id) != 0) {
        admin_answer_error(request, 404, "unknown", "no trace \"%s\" is running; it may have reached its limit",
                           request->parameter);
        return;
    }
    log_event(admin->log, LOG_LEVEL_INFO, "trace_off", LOG_INT("trace", id));
    answer_all(request);
}
