/*
 * admin_login - what a browser asks about its session: who it is, to begin by a token, to end; see admin_access.h.
 */
#include <stdio.h>
#include <string.h>

#include "admin/admin_access.h"
#include "admin/admin_handlers.h"

static void tell_login(struct admin_request *request, const struct admin_who *who, const char *key)
{
    admin_answer_json(request, 200,
                      json_pack("{s:s,s:s,s:s?,s:I}", "name", who->named ? who->name : "", "role",
                                config_admin_roles[who->role], "key", key, "idle_ms",
                                (json_int_t)request->admin->config->admin.session_idle));
}

void admin_get_session(struct admin_request *request)
{
    const struct admin_session *session = admin_session_of(request);
    tell_login(request, &request->who, session == NULL ? NULL : admin_session_key(session));
}

static void set_cookie(struct admin_request *request, const char *value, const char *rest)
{
    char name[32], line[200];
    admin_session_name(request, name);
    snprintf(line, sizeof line, "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s", name, value,
             request->door->has_tls || request->admin->config->admin.behind_tls_proxy ? "; Secure" : "", rest);
    MHD_add_response_header(request->response, "Set-Cookie", line);
}

static void begin_login(struct admin_request *request, const struct admin_who *who, const char *token)
{
    struct admin *admin = request->admin;
    struct admin_session *session = admin_session_begin(admin, who, token);
    log_event(admin->log, LOG_LEVEL_INFO, "admin_login", LOG_STR("by", who->name),
              LOG_STR("role", config_admin_roles[who->role]));
    tell_login(request, who, admin_session_key(session));
    set_cookie(request, admin_session_cookie(session), "");
}

void admin_post_session(struct admin_request *request)
{
    json_t *body = admin_body(request);
    struct admin_who who = {.role = CONFIG_ADMIN_METRICS};
    if (body == NULL) {
        return;
    }
    const char *token = json_string_value(json_object_get(body, "token"));
    bool known = token != NULL && admin_access_token(request->admin, token, &who);
    if (known && who.role < CONFIG_ADMIN_READ) {
        admin_answer_error(
            request, 403, "role",
            "the token of \"%s\" may read metrics only; the page needs a token with the role \"read\" or "
            "\"operate\"",
            who.name);
    } else if (known) {
        begin_login(request, &who, token);
    } else {
        log_event(request->admin->log, LOG_LEVEL_WARNING, "admin_login_failed",
                  LOG_STR("note", "somebody entered a token on the page that this gateway does not know"));
        admin_answer_error(
            request, 401, "token",
            "this gateway does not know that token; its tokens are in the configuration under \"admin\"");
    }
    json_decref(body);
}

void admin_post_session_end(struct admin_request *request)
{
    struct admin_session *session = admin_session_of(request);
    if (session != NULL) {
        admin_session_end(session);
    }
    admin_answer_json(request, 200, json_object());
    set_cookie(request, "", "; Max-Age=0");
}
