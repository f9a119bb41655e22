/*
 * admin_http - one request from its head to its end: how often, its body, and what becomes of it; see admin_life.h. Who
 * may: admin_access.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_access.h"
#include "admin/admin_handlers.h"
#include "admin/admin_life.h"
#include "admin/admin_routes.h"
#include "base/expect.h"
#include "engine/smtpd_budget.h"

#define CLIENT_MAX 80

/* ---- who may ask ---- */

/* Whose rate it is: the address, or the name of the token, wherever it comes from; all of a unix socket without tokens
 * are one. */
static void name_client(const struct admin_request *request, char into[CLIENT_MAX])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (request->who.named) {
        snprintf(into, CLIENT_MAX, "token %s", request->who.name);
    } else {
        net_poll_peer(info == NULL ? -1 : info->connect_fd, into, CLIENT_MAX);
    }
}

/* Each client has so many requests a second; probes have as many as they like, for whoever restarts what does not
 * answer must not be told to wait. */
static bool passes_rate(const struct admin_request *request)
{
    struct admin *admin = request->admin;
    char client[CLIENT_MAX];
    uint64_t now = net_now(admin->loop);
    if (request->route->handler == admin_get_livez || request->route->handler == admin_get_readyz) {
        return true;
    }
    name_client(request, client);
    if (smtpd_budget_used(admin->rates, client, now) >= admin->config->admin.max_requests) {
        admin->counts.limited++;
        return false;
    }
    smtpd_budget_add(admin->rates, client, now, 1);
    return true;
}

static size_t body_max(const struct admin_request *request)
{
    return request->route->large_body ? (size_t)request->admin->config->admin.max_body : ADMIN_SMALL_BODY;
}

static bool is_too_long(const struct admin_request *request)
{
    const char *length = admin_access_header(request, "Content-Length");
    uint64_t value;
    return length != NULL && (!bytes_to_u64(bytes_of(length), &value) || value > body_max(request));
}

/* Answers a request that may not be; false when it may. */
static bool refuse_request(struct admin_request *request, const char *method, const char *url)
{
    bool exists = false;
    request->route = admin_route_find(method, url, request->parameter, &exists);
    if (request->route == NULL) {
        admin_answer_error(request, exists ? 405 : 404, exists ? "method" : "path",
                           exists ? "%s does not take the method %s" : "%s %s: there is no such path", method, url);
    } else if (admin_access_refuse(request)) {
        /* It was answered; it has used nothing of anybody's rate. */
    } else if (!passes_rate(request)) {
        admin_answer_error(request, 429, "rate", "more requests than \"max_requests\" allows; try again in a second");
        MHD_add_response_header(request->response, "Retry-After", "1");
    } else if (is_too_long(request)) {
        admin_answer_error(request, 413, "size", "the body may have at most %zu octets", body_max(request));
    }
    request->admin->counts.refused += request->response != NULL;
    return request->response != NULL;
}

/* ---- libmicrohttpd's calls ---- */

static struct admin_connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void set_idle(struct admin *admin, struct MHD_Connection *connection, bool idle)
{
    struct admin_connection *known = connection_of(connection);
    if (known != NULL) {
        known->idle_since = idle ? net_now(admin->loop) : 0;
    }
}

void admin_http_connection(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
                           enum MHD_ConnectionNotificationCode code)
{
    struct admin *admin = ((struct admin_door *)ctx)->admin;
    struct admin_connection *known = *socket_ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        known = expect_calloc(1, sizeof *known);
        known->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        known->idle_since = net_now(admin->loop);
        list_append(&admin->connections, &known->link);
        *socket_ctx = known;
    } else if (known != NULL) {
        list_remove(&known->link);
        free(known);
        *socket_ctx = NULL;
    }
}

void admin_http_expire(struct admin *admin)
{
    uint64_t now = net_now(admin->loop);
    LIST_EACH(link, &admin->connections)
    {
        struct admin_connection *known = LIST_ITEM(link, struct admin_connection, link);
        if (known->idle_since != 0 && now - known->idle_since > ADMIN_HEADER_MS) {
            net_poll_shut(known->fd);
        }
    }
}

static enum MHD_Result begin_request(const struct admin_door *door, struct MHD_Connection *connection, const char *url,
                                     const char *method, void **slot)
{
    struct admin *admin = door->admin;
    struct admin_request *request = expect_calloc(1, sizeof *request);
    request->admin = admin;
    request->door = door;
    request->connection = connection;
    request->began = net_now(admin->loop);
    list_append(&admin->requests, &request->link);
    admin->counts.requests++;
    set_idle(admin, connection, false);
    *slot = request;
    if (refuse_request(request, method, url)) {
        request->begun = true;
        return MHD_queue_response(connection, request->status, request->response);
    }
    buf_init(&request->body, body_max(request));
    return MHD_YES;
}

/* More of the body; a chunked one may still become too long, or dawdle. */
static enum MHD_Result take_body(struct admin_request *request, const char *data, size_t *len)
{
    bool late = net_now(request->admin->loop) - request->began > ADMIN_BODY_MS;
    if (late || (!request->begun && buf_append(&request->body, data, *len) < 0)) {
        return MHD_NO;
    }
    *len = 0;
    return MHD_YES;
}

enum MHD_Result admin_http_access(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **slot)
{
    struct admin_request *request = *slot;
    (void)version;
    if (request == NULL) {
        return begin_request(ctx, connection, url, method, slot);
    }
    if (*upload_len > 0) {
        return take_body(request, upload, upload_len);
    }
    if (!request->begun) {
        request->begun = true;
        request->route->handler(request);
    }
    if (request->response == NULL) {
        request->suspended = true;
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    return MHD_queue_response(connection, request->status, request->response);
}

void admin_http_completed(void *ctx, struct MHD_Connection *connection, void **slot,
                          enum MHD_RequestTerminationCode why)
{
    struct admin *admin = ((struct admin_door *)ctx)->admin;
    struct admin_request *request = *slot;
    if (why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED) {
        admin_events_stood_still(admin, connection);
    }
    if (request == NULL) {
        return;
    }
    *slot = NULL;
    list_remove(&request->link);
    set_idle(admin, connection, true);
    request->connection = NULL;
    if (request->begun && request->response == NULL) {
        request->admin = NULL; /* whoever is to answer it frees it */
        return;
    }
    if (request->response != NULL) {
        MHD_destroy_response(request->response);
    }
    buf_done(&request->body);
    free(request);
}
