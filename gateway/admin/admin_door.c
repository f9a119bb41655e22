/*
 * admin_door - one address of the admin server: its socket and the library's server behind it, in clear or with TLS.
 *
 * Each door has a libmicrohttpd of its own, which keeps its connections under an epoll descriptor; the loop watches
 * that one, and a timer stands for its time-outs. A certificate that was replaced is taken over by a new server on the
 * same socket: connections that are open end, and browsers come again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_life.h"
#include "base/expect.h"
#include "net/net_file.h"
#include "net/net_tls.h"
#include "net/net_turn.h"

#define LONGEST_WAIT_MS 1000
#define CERTIFICATE_MAX (1u << 20)
#define PRIORITIES      "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

void admin_door_run(struct admin_door *door)
{
    MHD_UNSIGNED_LONG_LONG wait;
    net_turn_doing(door->admin->loop, "the admin server");
    MHD_run(door->http);
    if (MHD_get_timeout(door->http, &wait) == MHD_YES) {
        net_timer_start(door->timer, wait > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait);
    } else {
        net_timer_stop(door->timer);
    }
}

static void on_http(void *ctx)
{
    admin_door_run(ctx);
}

/* What libmicrohttpd has to say is about its clients' mistakes, which they are told. */
__attribute__((format(printf, 2, 0))) static void no_log(void *ctx, const char *format, va_list args)
{
    (void)ctx;
    (void)format;
    (void)args;
}

static int start_with(struct admin_door *door, unsigned flags, const struct MHD_OptionItem *more, struct fault *fault)
{
    const struct config_admin *config = &door->admin->config->admin;
    door->http = MHD_start_daemon(
        flags | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, admin_http_access, door,
        MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_LISTEN_SOCKET, door->fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)config->max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED, admin_http_completed,
        door, MHD_OPTION_NOTIFY_CONNECTION, admin_http_connection, door, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (door->http == NULL) {
        fault_set(fault, FAULT_LOCAL, "http", "admin server",
                  door->has_tls ? "the HTTP server cannot start with this certificate and key"
                                : "the HTTP server cannot start");
        return -1;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(door->http, MHD_DAEMON_INFO_EPOLL_FD);
    door->poll = net_poll_new(door->admin->loop, info->epoll_fd, on_http, door);
    return 0;
}

static int read_text(const char *path, struct buf *out, struct fault *fault)
{
    return net_file_read_all(path, out, fault) < 0 || buf_append(out, "", 1) < 0 ? -1 : 0;
}

/* The same pair as OpenSSL's sees it, for when it expires. */
static int note_expiry(struct admin *admin, struct fault *fault)
{
    const struct config_admin *config = &admin->config->admin;
    const struct net_tls_options options = {.certificate = config->certificate, .key = config->key};
    struct net_tls *tls;
    if (net_tls_server_new(&tls, &options, fault) < 0) {
        return -1;
    }
    admin->certificate_expires = net_tls_expires(tls);
    admin->certificate_stamp = net_file_stamp(config->certificate) ^ (net_file_stamp(config->key) << 1);
    net_tls_free(&tls);
    return 0;
}

static int start_daemon(struct admin_door *door, struct fault *fault)
{
    const struct config_admin *config = &door->admin->config->admin;
    const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    struct buf certificate, key;
    if (!door->has_tls) {
        return start_with(door, 0, none, fault);
    }
    buf_init(&certificate, CERTIFICATE_MAX);
    buf_init(&key, CERTIFICATE_MAX);
    int result = -1;
    if (note_expiry(door->admin, fault) == 0 && read_text(config->certificate, &certificate, fault) == 0 &&
        read_text(config->key, &key, fault) == 0) {
        const struct MHD_OptionItem tls[] = {
            {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)buf_bytes(&certificate).ptr},
            {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)buf_bytes(&key).ptr},
            {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
            {MHD_OPTION_END, 0, NULL}};
        result = start_with(door, MHD_USE_TLS, tls, fault);
    }
    buf_done(&certificate);
    buf_wipe(&key);
    return result;
}

int admin_door_open(struct admin *admin, const struct net_address *address, struct fault *fault)
{
    const struct config_admin *config = &admin->config->admin;
    struct admin_door *door = &admin->doors[admin->door_count];
    *door = (struct admin_door){.admin = admin, .address = *address, .fd = -1};
    door->has_tls = !address->is_unix && config->certificate != NULL && config->tls_mode == CONFIG_TLS_IMPLICIT;
    if (net_poll_listen(address, &door->fd, fault) < 0) {
        return -1;
    }
    door->timer = net_timer_new(admin->loop, on_http, door);
    admin->door_count++; /* from here it is closed with the others */
    return start_daemon(door, fault);
}

static void stop_daemon(struct admin_door *door)
{
    net_poll_free(&door->poll);
    LIST_EACH(link, &door->admin->requests)
    {
        struct admin_request *request = LIST_ITEM(link, struct admin_request, link);
        if (request->door == door && request->suspended) {
            request->suspended = false;
            MHD_resume_connection(request->connection);
        }
    }
    if (door->http != NULL) {
        MHD_quiesce_daemon(door->http); /* gives the listening descriptor back to us */
        MHD_stop_daemon(door->http);
        door->http = NULL;
    }
}

void admin_door_close(struct admin_door *door)
{
    stop_daemon(door);
    net_timer_free(&door->timer);
    net_poll_close(&door->address, door->fd);
}

/* The pair is tried before the old one goes: half of a pair, one that does not fit its key, changes nothing. */
void admin_doors_tick(struct admin *admin)
{
    const struct config_admin *config = &admin->config->admin;
    struct fault fault = FAULT_INIT;
    if (admin->certificate_stamp == 0 ||
        (net_file_stamp(config->certificate) ^ (net_file_stamp(config->key) << 1)) == admin->certificate_stamp ||
        note_expiry(admin, &fault) < 0) {
        return;
    }
    admin_bodies_done(admin);
    admin_events_end(admin);
    for (size_t i = 0; i < admin->door_count; i++) {
        struct admin_door *door = &admin->doors[i];
        if (door->has_tls) {
            stop_daemon(door);
            if (start_daemon(door, &fault) < 0) {
                log_event(admin->log, LOG_LEVEL_ERROR, "admin_certificate_failed",
                          LOG_STR("error.message", fault.text));
                continue;
            }
        }
    }
    log_event(admin->log, LOG_LEVEL_INFO, "admin_certificate_changed", LOG_STR("file", config->certificate));
}
