/*
 * admin_control - what operators change at run time: the log's levels, the rules by a reload.
 */
#include "admin/admin_handlers.h"
#include "admin/admin_private.h"

/* ---- the log ---- */

static json_t *levels(const struct admin *admin)
{
    json_t *json = json_object();
    for (size_t i = 0; gateway_areas[i] != NULL; i++) {
        enum log_level level;
        disregard(gateway_log_level(admin->gateway, gateway_areas[i], &level));
        json_object_set_new(json, gateway_areas[i], json_string(log_level_name(level)));
    }
    return json_pack("{s:o}", "levels", json);
}

void admin_get_log(struct admin_request *request)
{
    admin_answer_json(request, 200, levels(request->admin));
}

/* {"area": "smtp", "level": "debug"}; without an area, all of them. */
void admin_post_log(struct admin_request *request)
{
    struct admin *admin = request->admin;
    json_t *body = admin_body(request);
    if (body == NULL) {
        return;
    }
    const char *area = json_string_value(json_object_get(body, "area"));
    const char *word = json_string_value(json_object_get(body, "level"));
    int level = word == NULL ? -1 : log_level_of(word);
    int found = area == NULL ? 0 : -1;
    for (size_t i = 0; level >= 0 && gateway_areas[i] != NULL; i++) {
        if (area == NULL || bytes_is(bytes_of(area), gateway_areas[i])) {
            found = gateway_set_log_level(admin->gateway, gateway_areas[i], (enum log_level)level);
        }
    }
    if (level < 0) {
        admin_answer_choice(request, "level", log_level_words, sizeof log_level_words[0], LOG_LEVELS);
    } else if (found < 0) {
        admin_answer_error(request, 404, "unknown", "the log has no area \"%s\"", area);
    } else {
        log_event(admin->log, LOG_LEVEL_INFO, "log_level", LOG_STR("area", area == NULL ? "all" : area),
                  LOG_STR("level", word));
        admin_answer_json(request, 200, levels(admin));
    }
    json_decref(body);
}

/* ---- reload ---- */

static void on_reloaded(void *ctx, bool good, const struct problems *problems)
{
    struct admin_request *request = ctx;
    struct gateway_state state;
    gateway_state(request->admin->gateway, &state);
    json_t *list = problems_to_json(problems);
    if (good) {
        admin_answer_json(
            request, 200,
            json_pack("{s:b,s:I,s:o}", "reloaded", 1, "rules", (json_int_t)state.rules, "problems", list));
        return;
    }
    json_t *error = json_pack("{s:s,s:s}", "code", "reload", "message",
                              "the new configuration or rules are wrong; the previous ones stay in force");
    admin_answer_json(request, 409, json_pack("{s:o,s:o}", "error", error, "problems", list));
}

void admin_post_reload(struct admin_request *request)
{
    gateway_reload(request->admin->gateway, on_reloaded, request);
}

/* ---- drain ---- */

/* The answer comes before the end: what is drained goes on answering until all of it is done. */
void admin_post_drain(struct admin_request *request)
{
    struct gateway *gateway = request->admin->gateway;
    struct gateway_counts counts;
    gateway_count(gateway, &counts);
    json_t *answer =
        json_pack("{s:b,s:I,s:I,s:I}", "draining", 1, "sessions", (json_int_t)counts.reception.sessions_open, "active",
                  (json_int_t)counts.dispatch.active, "waiting", (json_int_t)counts.spool.waiting);
    gateway_ask_to_end(gateway);
    admin_answer_json(request, 200, answer);
}
