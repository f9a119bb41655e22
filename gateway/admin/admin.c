/*
 * admin - life of the admin server; see admin.h.
 *
 * libmicrohttpd keeps its connections under an epoll descriptor of its own; the loop watches that one, and a timer
 * stands for its time-outs. So everything here runs on the loop's thread and may ask the gateway directly.
 */
#include "admin/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_access.h"
#include "admin/admin_figures.h"
#include "admin/admin_life.h"
#include "admin/admin_minutes.h"
#include "base/expect.h"
#include "engine/smtpd_budget.h"
#include "net/net_turn.h"
#include "spool/spool_export.h"

#define RATES_MAX 1000 /* clients whose requests are counted by themselves */
#define SECOND_MS 1000
#define TICK_MS   1000

static void run_http(struct admin *admin)
{
    MHD_UNSIGNED_LONG_LONG wait;
    net_turn_doing(admin->loop, "the admin server");
    MHD_run(admin->http);
    if (MHD_get_timeout(admin->http, &wait) == MHD_YES) {
        net_timer_start(admin->http_timer, wait > TICK_MS ? TICK_MS : wait);
    } else {
        net_timer_stop(admin->http_timer);
    }
}

static void on_http(void *ctx)
{
    run_http(ctx);
}

static void on_tick(void *ctx)
{
    struct admin *admin = ctx;
    net_timer_start(admin->tick, TICK_MS);
    admin_http_expire(admin);
    admin_traces_tick(admin);
    admin_figures_tick(admin);
    admin_minutes_tick(admin);
    admin_attention_tick(admin);
    admin_events_tick(admin);
    /* After it was at its maximum of connections, libmicrohttpd listens again only when it is asked to look. */
    run_http(admin);
}

/* What libmicrohttpd has to say is about its clients' mistakes, which they are told. */
__attribute__((format(printf, 2, 0))) static void no_log(void *ctx, const char *format, va_list args)
{
    (void)ctx;
    (void)format;
    (void)args;
}

static int start_http(struct admin *admin, struct fault *fault)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    admin->http = MHD_start_daemon(
        flags, 0, NULL, NULL, admin_http_access, admin, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, admin->fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)admin->config->admin.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)ADMIN_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_TIMEOUT_S,
        MHD_OPTION_NOTIFY_COMPLETED, admin_http_completed, admin, MHD_OPTION_NOTIFY_CONNECTION, admin_http_connection,
        admin, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (admin->http == NULL) {
        fault_set(fault, FAULT_LOCAL, "http", "admin server", "the HTTP library could not be started");
        return -1;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(admin->http, MHD_DAEMON_INFO_EPOLL_FD);
    admin->poll = net_poll_new(admin->loop, info->epoll_fd, on_http, admin);
    return 0;
}

/* Where the page is: whoever has just started it wants to look. A browser cannot open a unix socket, so it is told how
 * to get there. */
static void say_where(const struct admin *admin)
{
    const struct net_address *address = &admin->address;
    char page[300];
    if (address->is_unix) {
        log_event(admin->log, LOG_LEVEL_INFO, "admin_ready", LOG_STR("socket", address->host),
                  LOG_STR("note", "commands find it by themselves; for the page in a browser, forward it: ssh -L "
                                  "8025:SOCKET HOST, then http://localhost:8025/"));
        return;
    }
    bool v6 = strchr(address->host, ':') != NULL;
    snprintf(page, sizeof page, "http://%s%s%s:%u/", v6 ? "[" : "", address->host, v6 ? "]" : "",
             (unsigned)admin_port(admin));
    log_event(admin->log, LOG_LEVEL_INFO, "admin_ready", LOG_STR("page", page));
}

int admin_open(struct admin **admin_r, struct net_loop *loop, struct gateway *gateway, struct fault *fault)
{
    struct admin *admin = expect_calloc(1, sizeof *admin);
    admin->loop = loop;
    admin->gateway = gateway;
    admin->log = gateway_main_log(gateway);
    admin->config = config_hold(gateway_config(gateway));
    admin->fd = -1;
    list_init(&admin->requests);
    list_init(&admin->connections);
    list_init(&admin->bodies);
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    admin->rates = smtpd_budget_new(RATES_MAX, SECOND_MS, seed);
    admin_events_init(admin);
    admin_sessions_init(admin);
    admin_minutes_init(admin);
    admin->lane = net_lane_new(loop, "admin");
    admin->http_timer = net_timer_new(loop, on_http, admin);
    admin->tick = net_timer_new(loop, on_tick, admin);
    if (config_admin_address(admin->config, &admin->address, fault) < 0 ||
        net_poll_listen(&admin->address, &admin->fd, fault) < 0 || start_http(admin, fault) < 0) {
        admin_close(&admin);
        return -1;
    }
    admin->figures = admin_figures_open(admin);
    admin_figures_tick(admin);
    net_timer_start(admin->tick, TICK_MS);
    say_where(admin);
    *admin_r = admin;
    return 0;
}

/* Lets go of requests that somebody else is still to answer: they are freed with that answer. */
static void orphan_requests(struct admin *admin)
{
    LIST_EACH(link, &admin->requests)
    {
        struct admin_request *request = LIST_ITEM(link, struct admin_request, link);
        if (request->suspended) {
            request->suspended = false;
            MHD_resume_connection(request->connection);
        }
    }
}

void admin_close(struct admin **admin)
{
    if (*admin == NULL) {
        return;
    }
    net_poll_free(&(*admin)->poll);
    net_timer_free(&(*admin)->http_timer);
    net_timer_free(&(*admin)->tick);
    net_lane_free(&(*admin)->lane); /* its questions are answered by this */
    admin_figures_close(*admin);
    orphan_requests(*admin);
    admin_bodies_done(*admin);
    admin_events_done(*admin);
    admin_sessions_done(*admin);
    admin_minutes_done(*admin);
    if ((*admin)->http != NULL) {
        MHD_quiesce_daemon((*admin)->http); /* gives the listening descriptor back to us */
        MHD_stop_daemon((*admin)->http);
    }
    json_decref((*admin)->attention);
    smtpd_budget_free(&(*admin)->rates);
    json_decref((*admin)->summary);
    spool_export_close(&(*admin)->store); /* bodies looked at it until now */
    net_poll_close(&(*admin)->address, (*admin)->fd);
    config_free(&(*admin)->config);
    free(*admin);
    *admin = NULL;
}

uint16_t admin_port(const struct admin *admin)
{
    return net_poll_port(admin->fd);
}
