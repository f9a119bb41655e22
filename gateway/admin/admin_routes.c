/*
 * admin_routes - every path of the admin server; the OpenAPI description (openapi.json) is held against this table by a
 * test.
 */
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_routes.h"

const struct admin_route admin_routes[] = {
    {"GET", "/", ADMIN_OPEN, false, admin_get_page, "The built-in page."},
    {"GET", "/page/{file}", ADMIN_OPEN, false, admin_get_page_file, "The page's scripts, styles and picture."},
    {"GET", "/livez", ADMIN_OPEN, false, admin_get_livez, "Whether the process is alive."},
    {"GET", "/readyz", ADMIN_OPEN, false, admin_get_readyz, "Whether the gateway takes mail, or why not."},
    {"GET", "/api/v1/session", ADMIN_READ, false, admin_get_session,
     "Who is asking: the token's name and role, and the session's key."},
    {"POST", "/api/v1/session", ADMIN_LOGIN, false, admin_post_session,
     "Begins a session with a token: one cookie for all tabs of a browser."},
    {"POST", "/api/v1/session/end", ADMIN_OWN, false, admin_post_session_end, "Ends the session."},
    {"GET", "/metrics", ADMIN_METRICS, false, admin_get_metrics, "Metrics in the Prometheus text format."},
    {"GET", "/api/v1/status", ADMIN_READ, false, admin_get_status, "What mailweir status shows."},
    {"GET", "/api/v1/events", ADMIN_READ, false, admin_get_events,
     "Server-sent events: the state every second, and log lines, at most 500 a second; skipped says how many more "
     "there were."},
    {"GET", "/api/v1/figures", ADMIN_READ, false, admin_get_figures,
     "What happened in each minute of the last hour, day or week; kept over restarts."},
    {"GET", "/api/v1/flows", ADMIN_READ, false, admin_get_flows,
     "The paths that messages took: listener, rule, folder, count."},
    {"GET", "/api/v1/rules", ADMIN_READ, false, admin_get_rules,
     "The rules: how often and when each acted, what it costs, and its errors."},
    {"GET", "/api/v1/rules/files", ADMIN_READ, false, admin_get_rule_files,
     "The text of the rule files in force, as it was read."},
    {"GET", "/api/v1/rules/schema", ADMIN_READ, false, admin_get_rule_schema, "The JSON Schema of rule files."},
    {"GET", "/api/v1/rules/tests", ADMIN_READ, false, admin_get_rule_tests,
     "Runs the tests in the rule files in force."},
    {"POST", "/api/v1/rules/check", ADMIN_WRITE, true, admin_post_rule_check,
     "Checks edited rules: their problems, and which of their tests pass."},
    {"POST", "/api/v1/explain", ADMIN_WRITE, true, admin_post_explain,
     "What the rules would do with a message, and why."},
    {"POST", "/api/v1/diff", ADMIN_WRITE, true, admin_post_diff,
     "What edited rules would do differently with recent and waiting messages."},
    {"GET", "/api/v1/queue", ADMIN_READ, false, admin_get_queue,
     "The deliveries in the spool that match the query, and a summary."},
    {"POST", "/api/v1/queue", ADMIN_WRITE, true, admin_post_queue,
     "Retries, holds, releases, drops or reroutes the chosen deliveries; imports; pauses and resumes."},
    {"GET", "/api/v1/messages/{id}", ADMIN_PREVIEW, false, admin_get_message, "A stored message as it was received."},
    {"GET", "/api/v1/messages/{id}/facts", ADMIN_PREVIEW, false, admin_get_facts,
     "What is known about a message apart from its text, for importing it elsewhere."},
    {"GET", "/api/v1/find", ADMIN_READ, false, admin_get_find,
     "Finds messages by subject, people, state and time, newest first: filed, waiting, held, dead or refused."},
    {"POST", "/api/v1/forget", ADMIN_WRITE, true, admin_post_forget,
     "Erases an address from history, search, refusals and recent messages; says what it cannot reach."},
    {"GET", "/api/v1/clients", ADMIN_READ, false, admin_get_clients,
     "The clients that connected, and what became of their sessions."},
    {"GET", "/api/v1/refusals", ADMIN_READ, false, admin_get_refusals,
     "The latest refusals that clients heard; on request those of one client or one message."},
    {"GET", "/api/v1/why", ADMIN_READ, false, admin_get_why, "The whole story of a message."},
    {"POST", "/api/v1/upstreams/{name}/pause", ADMIN_WRITE, false, admin_post_pause,
     "Pauses the upstream: nothing more is delivered to it until somebody resumes it."},
    {"POST", "/api/v1/upstreams/{name}/resume", ADMIN_WRITE, false, admin_post_resume,
     "Resumes the upstream: mail is delivered to it again."},
    {"GET", "/api/v1/log", ADMIN_READ, false, admin_get_log, "The log level of each area."},
    {"POST", "/api/v1/log", ADMIN_WRITE, false, admin_post_log, "Sets the log level of an area."},
    {"GET", "/api/v1/traces", ADMIN_READ, false, admin_get_traces, "The traces that are running."},
    {"POST", "/api/v1/traces", ADMIN_WRITE, false, admin_post_traces,
     "Writes the dialogues with an upstream or with clients to the log for a while, without their secrets."},
    {"POST", "/api/v1/traces/{id}/stop", ADMIN_WRITE, false, admin_post_trace_stop, "Ends a trace."},
    {"POST", "/api/v1/reload", ADMIN_WRITE, false, admin_post_reload, "Reloads configuration and rules."},
    {"POST", "/api/v1/drain", ADMIN_WRITE, false, admin_post_drain,
     "Drains the gateway: it takes no new mail, finishes what is under way, and exits."},
    {NULL, NULL, 0, false, NULL, NULL},
};

/* Whether url is a path such as /queue/{id}/retry; the segment that stands for {…} goes into parameter. */
static bool path_matches(const char *path, const char *url, char *parameter)
{
    const char *open = strchr(path, '{');
    if (open == NULL) {
        return strcmp(path, url) == 0;
    }
    size_t before = (size_t)(open - path);
    const char *after = strchr(open, '}') + 1;
    if (strncmp(path, url, before) != 0) {
        return false;
    }
    size_t len = strcspn(url + before, "/");
    if (len == 0 || len > 255 || strcmp(url + before + len, after) != 0) {
        return false;
    }
    memcpy(parameter, url + before, len);
    parameter[len] = '\0';
    return true;
}

const struct admin_route *admin_route_find(const char *method, const char *path, char *parameter, bool *exists_r)
{
    *exists_r = false;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (const struct admin_route *route = admin_routes; route->method != NULL; route++) {
        if (path_matches(route->path, path, parameter)) {
            *exists_r = true;
            if (strcmp(route->method, wanted) == 0) {
                return route;
            }
        }
    }
    return NULL;
}
