/*
 * admin_access - whether a request may be: by its token or session, its role, and where it comes from; see
 * admin_access.h.
 */
#include "admin/admin_access.h"

#include <string.h>

#include "admin/admin_routes.h"

/* ---- other sites ---- */

/* The host of "host", "host:port", "[v6]:port". */
static struct bytes host_of(const char *text)
{
    struct bytes host = bytes_of(text);
    ptrdiff_t bracket = bytes_find_octet(host, ']');
    if (bracket >= 0) {
        return bytes_slice(host, 0, (size_t)bracket + 1);
    }
    return bytes_cut(&host, ':');
}

/* Without a token, the name asked for must be this machine's own: a page elsewhere cannot make a browser say so. */
static bool is_local_name(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]", "mailweir", NULL};
    struct bytes name = host_of(host);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (bytes_is_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_own_origin(const char *origin, const char *host)
{
    struct bytes rest = bytes_of(origin);
    ptrdiff_t slashes = bytes_find(rest, bytes_of("://"));
    return slashes > 0 && host != NULL && bytes_equal_nocase(bytes_from(rest, (size_t)slashes + 3), bytes_of(host));
}

static bool is_foreign(const struct admin_request *request)
{
    const char *host = admin_access_header(request, "Host");
    const char *origin = admin_access_header(request, "Origin");
    const char *site = admin_access_header(request, "Sec-Fetch-Site");
    bool tokenless = !admin_has_tokens(request->admin);
    return (tokenless && host != NULL && !is_local_name(host)) || (origin != NULL && !is_own_origin(origin, host)) ||
           (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0);
}

static bool is_json(const struct admin_request *request)
{
    const char *type = admin_access_header(request, "Content-Type");
    struct bytes rest = type == NULL ? (struct bytes){NULL, 0} : bytes_of(type);
    return bytes_is_nocase(bytes_trim(bytes_cut(&rest, ';')), "application/json");
}

/* ---- the question ---- */

/* By a token in the request, by the cookie of a session, or because there is no token at all. */
static bool find_who(struct admin_request *request, bool *by_cookie_r)
{
    const char *given = admin_access_header(request, "Authorization");
    struct admin_session *session = NULL;
    *by_cookie_r = false;
    if (!admin_has_tokens(request->admin)) {
        request->who = (struct admin_who){.role = CONFIG_ADMIN_OPERATE};
        return true;
    }
    if (given != NULL) {
        return bytes_starts_nocase(bytes_of(given), "Bearer ") &&
               admin_access_token(request->admin, given + 7, &request->who);
    }
    if ((session = admin_session_of(request)) == NULL) {
        return false;
    }
    request->who = *admin_session_who(session);
    *by_cookie_r = true;
    return true;
}

/* A cookie comes by itself, so it is not enough to change something: the page that asks must be ours. */
static bool is_own_page(struct admin_request *request)
{
    struct admin_session *session = admin_session_of(request);
    return admin_access_header(request, "Origin") != NULL && session != NULL && admin_session_has_key(session, request);
}

/* Who read mail, and who changed something: it can be found again. */
static void note_use(const struct admin_request *request)
{
    const char *by = request->who.named ? request->who.name : NULL;
    if (request->route->access == ADMIN_PREVIEW || request->route->access == ADMIN_WRITE) {
        log_event(request->admin->log, LOG_LEVEL_INFO, "admin_request", LOG_STR("by", by),
                  LOG_STR("method", request->route->method), LOG_STR("path", request->route->path),
                  LOG_STR("parameter", request->parameter[0] == '\0' ? NULL : request->parameter));
    }
}

static enum config_admin_role role_for(enum admin_access access)
{
    return access == ADMIN_METRICS                       ? CONFIG_ADMIN_METRICS
           : access == ADMIN_READ || access == ADMIN_OWN ? CONFIG_ADMIN_READ
                                                         : CONFIG_ADMIN_OPERATE;
}

bool admin_access_refuse(struct admin_request *request)
{
    enum admin_access access = request->route->access;
    bool by_cookie = false, changes = access == ADMIN_WRITE || access == ADMIN_OWN;
    if (access == ADMIN_OPEN) {
        return false;
    }
    if (is_foreign(request)) {
        admin_answer_error(request, 403, "origin", "the request comes from another site, or names another host");
    } else if (access == ADMIN_LOGIN) {
        if (!is_json(request)) {
            admin_answer_error(request, 415, "type", "Content-Type must be application/json");
        }
    } else if (!find_who(request, &by_cookie)) {
        admin_answer_error(request, 401, "token", "\"Authorization: Bearer …\" with a configured token is needed");
        MHD_add_response_header(request->response, "WWW-Authenticate", "Bearer");
    } else if (request->who.role < role_for(access)) {
        admin_answer_error(request, 403, "role", "the token of \"%s\" may not do that: the role \"%s\" is needed",
                           request->who.name, config_admin_roles[role_for(access)]);
    } else if (changes && !is_json(request)) {
        admin_answer_error(request, 415, "type", "Content-Type must be application/json");
    } else if (changes && by_cookie && !is_own_page(request)) {
        admin_answer_error(request, 403, "key",
                           "a change in a session needs the session's key in \"%s\", and an Origin", ADMIN_KEY_HEADER);
    } else {
        note_use(request);
    }
    return request->response != NULL;
}
