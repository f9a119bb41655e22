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

static void on_tick(void *ctx)
{
    struct admin *admin = ctx;
    net_timer_start(admin->tick, TICK_MS);
    admin_doors_tick(admin);
    admin_http_expire(admin);
    admin_traces_tick(admin);
    admin_figures_tick(admin);
    admin_minutes_tick(admin);
    admin_attention_tick(admin);
    admin_events_tick(admin);
    /* After it was at its maximum of connections, libmicrohttpd listens again only when it is asked to look. */
    for (size_t i = 0; i < admin->door_count; i++) {
        admin_door_run(&admin->doors[i]);
    }
}

static int open_doors(struct admin *admin, struct fault *fault)
{
    struct net_address addresses[CONFIG_ADMIN_ADDRESSES];
    size_t count;
    if (config_admin_addresses(admin->config, addresses, &count, fault) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (admin_door_open(admin, &addresses[i], fault) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Where the page is: whoever has just started it wants to look. A browser cannot open a unix socket, so it is told how
 * to get there. */
static void say_where(const struct admin *admin, const struct admin_door *door)
{
    const struct net_address *address = &door->address;
    char page[300];
    if (address->is_unix) {
        log_event(admin->log, LOG_LEVEL_INFO, "admin_ready", LOG_STR("socket", address->host),
                  LOG_STR("note", "commands find this socket by themselves; to see the page in a browser, forward it: "
                                  "ssh -L 8025:SOCKET HOST, then http://localhost:8025/"));
        return;
    }
    bool v6 = strchr(address->host, ':') != NULL;
    snprintf(page, sizeof page, "%s://%s%s%s:%u/", door->has_tls ? "https" : "http", v6 ? "[" : "", address->host,
             v6 ? "]" : "", (unsigned)net_poll_port(door->fd));
    log_event(admin->log, LOG_LEVEL_INFO, "admin_ready", LOG_STR("page", page));
}

int admin_open(struct admin **admin_r, struct net_loop *loop, struct gateway *gateway, struct fault *fault)
{
    struct admin *admin = expect_calloc(1, sizeof *admin);
    admin->loop = loop;
    admin->gateway = gateway;
    admin->log = gateway_main_log(gateway);
    admin->config = config_share(gateway_config(gateway));
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
    admin->tick = net_timer_new(loop, on_tick, admin);
    if (open_doors(admin, fault) < 0) {
        admin_close(&admin);
        return -1;
    }
    admin->figures = admin_figures_open(admin);
    admin_figures_tick(admin);
    net_timer_start(admin->tick, TICK_MS);
    for (size_t i = 0; i < admin->door_count; i++) {
        say_where(admin, &admin->doors[i]);
    }
    *admin_r = admin;
    return 0;
}

void admin_close(struct admin **admin)
{
    if (*admin == NULL) {
        return;
    }
    NET_EXPECT_LOOP((*admin)->loop);
    net_timer_free(&(*admin)->tick);
    net_lane_free(&(*admin)->lane); /* its questions are answered by this */
    admin_figures_close(*admin);
    admin_bodies_done(*admin);
    admin_events_done(*admin);
    admin_sessions_done(*admin);
    admin_minutes_done(*admin);
    for (size_t i = 0; i < (*admin)->door_count; i++) {
        admin_door_close(&(*admin)->doors[i]);
    }
    json_decref((*admin)->attention);
    smtpd_budget_free(&(*admin)->rates);
    json_decref((*admin)->summary);
    spool_export_close(&(*admin)->store); /* bodies looked at it until now */
    config_free(&(*admin)->config);
    free(*admin);
    *admin = NULL;
}
