/*
 * world_gateway - the whole gateway between simulated SMTP clients and IMAP servers, on a simulated disk, through crashes.
 *
 * Held at every step: what is filed was sent, whole, belongs there and is there once; what was refused is nowhere; no server sees
 * more connections than configured; nobody waits for ever. Held at the end: what was acknowledged is in each of its folders, or is a
 * dead letter that its server refused for good; nothing is left in the spool.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "daemon/gateway.h"
#include "sim_client.h"
#include "sim_link.h"
#include "sim_mail.h"
#include "sim_server.h"
#include "world.h"

#define CLIENTS     6
#define PORT        2525
#define CONNECTIONS 3
#define DISK        (256u << 20)
#define CHECK_EVERY (30 * (uint64_t)SIM_SECOND)
/* After the last fault, everything must be filed within this time: the longest pause between two attempts is 2 minutes. */
#define SETTLE_TIME (3 * 60 * SIM_MINUTE)

static const char config_text[] =
    "{\"hostname\": \"gw.sim\", \"listeners\": [{\"name\": \"in\", \"address\": \"127.0.0.1:2525\"}],"
    " \"upstreams\": {"
    "  \"a\": {\"address\": \"imap-a.sim:143\", \"tls\": {\"mode\": \"none\"}, \"insecure\": true, \"connections\": %u,"
    "   \"auth\": {\"username\": \"u\", \"password\": \"p\"}, \"timeouts\": {\"connect\": \"20s\", \"command\": "
    "\"40s\"},"
    "   \"retry\": {\"initial\": \"5s\", \"maximum\": \"2m\"}},"
    "  \"b\": {\"address\": \"imap-b.sim:993\", \"tls\": {\"mode\": \"implicit\"}, \"connections\": %u,"
    "   \"auth\": {\"username\": \"u\", \"password\": \"p\"}, \"timeouts\": {\"connect\": \"20s\", \"command\": "
    "\"40s\"},"
    "   \"retry\": {\"initial\": \"5s\", \"maximum\": \"2m\"}}},"
    " \"spool\": {\"path\": \"/spool\", \"minimum_free\": \"1MiB\", \"active\": 8}, \"rules\": [\"rules.d/*.json\"],"
    " \"default\": {\"upstream\": \"a\", \"folder\": \"INBOX\"}}";

static const char rules_text[] =
    "{\"rules\": ["
    " {\"name\": \"one\", \"if\": {\"field\": \"to\", \"is\": \"one@gw.sim\"},"
    "  \"then\": [{\"fileinto\": {\"upstream\": \"a\", \"folder\": \"Lists/One\"}}, {\"stop\": true}]},"
    " {\"name\": \"two\", \"if\": {\"field\": \"to\", \"is\": \"two@gw.sim\"},"
    "  \"then\": [{\"fileinto\": {\"upstream\": \"b\", \"folder\": \"Two\"}}, {\"stop\": true}]},"
    " {\"name\": \"both\", \"if\": {\"field\": \"to\", \"is\": \"both@gw.sim\"},"
    "  \"then\": [{\"fileinto\": {\"upstream\": \"a\", \"folder\": \"Lists/Both\"}},"
    "             {\"fileinto\": {\"upstream\": \"b\", \"folder\": \"Three\"}}, {\"stop\": true}]}]}";

static struct {
    struct net_loop *loop;
    struct log log;
    struct gateway *gateway;
    struct sim_client *clients[CLIENTS];
    struct sim_server *servers[2];
    bool stopping, faults_over;
    unsigned reloads;
} world;

/* ---- the gateway's life ---- */

static void fail_with(const struct filters_problems *problems)
{
    const struct filters_problem *first = filters_problems_at(problems, 0);
    sim_fail("the configuration is not taken: %s", first->text);
}

static void start(void *ctx)
{
    (void)ctx;
    struct fault fault = FAULT_INIT;
    struct filters_problems *problems = filters_problems_new();
    struct config *config = config_load("/etc/mailweir.json", problems);
    if (config == NULL && world.faults_over) {
        fail_with(problems);
    }
    filters_problems_free(&problems);
    if (config == NULL || gateway_open(&world.gateway, world.loop, &config, &world.log, &fault) != 0) {
        sim_say("the gateway does not start: %s", fault.text);
        if (world.faults_over) {
            sim_fail("on a good disk the gateway does not start: %s", fault.text);
        }
        config_free(&config);
        sim_gateway_after(2 * (uint64_t)SIM_SECOND, start, NULL);
        return;
    }
    gateway_start(world.gateway);
}

static void on_crash(void *ctx)
{
    (void)ctx;
    sim_say("--- crash");
    world.gateway = NULL;
    world.stopping = false;
    sim_disk_crash();
    sim_link_crash();
    sim_gateway_after(SIM_SECOND, start, NULL);
}

static void free_gateway(void *ctx)
{
    (void)ctx;
    gateway_free(&world.gateway);
    world.stopping = false;
    sim_say("--- stopped");
    sim_gateway_after(SIM_SECOND, start, NULL);
}

static void on_drained(void *ctx)
{
    (void)ctx;
    sim_gateway_after(0, free_gateway, NULL);
}

static void stop(void *ctx)
{
    (void)ctx;
    if (world.gateway != NULL && !world.stopping) {
        world.stopping = true;
        gateway_drain(world.gateway, on_drained, NULL);
    }
}

/* With so many connections to the upstreams, and never more than the servers allow. */
static void put_config(unsigned to_a, unsigned to_b)
{
    char text[sizeof config_text];
    snprintf(text, sizeof text, config_text, to_a, to_b);
    sim_disk_put("/etc/mailweir.json", text, strlen(text));
}

/* Most reloads find other settings of one upstream or the other than the one before. */
static void reload(void *ctx)
{
    (void)ctx;
    if (world.gateway != NULL && !world.stopping) {
        put_config(1 + world.reloads / 2 % CONNECTIONS, 1 + world.reloads / 3 % CONNECTIONS);
        world.reloads++;
        gateway_reload(world.gateway);
    }
}

/* ---- faults ---- */

static void on_fault(void *ctx, const struct sim_fault *fault, bool begin)
{
    (void)ctx;
    struct sim_server *server = world.servers[fault->target];
    switch (fault->kind) {
    case SIM_FAULT_CRASH:
        sim_crash();
        break;
    case SIM_FAULT_DISK_FULL:
        sim_disk_set_capacity(begin ? sim_disk_used() + fault->amount % 100000 : DISK);
        break;
    case SIM_FAULT_CLOCK:
        sim_jump((int64_t)fault->amount * 1000 - 7200000);
        break;
    case SIM_FAULT_SERVER_DOWN:
        sim_server_set_down(server, begin);
        break;
    case SIM_FAULT_THROTTLE:
        sim_server_set_throttled(server, begin);
        break;
    case SIM_FAULT_UIDVALIDITY:
        sim_server_renumber(server);
        break;
    case SIM_FAULT_RELOAD:
        sim_gateway_after(0, fault->target == 0 ? reload : stop, NULL);
        break;
    default:
        break;
    }
}

/* ---- the world ---- */

static void write_log(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    sim_say("log: %.*s", (int)len - 1, line);
}

static int64_t log_now(void *ctx)
{
    (void)ctx;
    return sim_wall();
}

static void check_now_and_then(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < CLIENTS; i++) {
        sim_client_check(world.clients[i]);
    }
    sim_after(CHECK_EVERY, check_now_and_then, NULL);
}

static uint64_t waiting(struct gateway_counts *counts_r)
{
    gateway_count(world.gateway, counts_r);
    return counts_r->spool.waiting;
}

static bool is_settled(void *ctx)
{
    (void)ctx;
    struct gateway_counts counts;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (!sim_client_is_done(world.clients[i])) {
            return false;
        }
    }
    return world.gateway != NULL && sim_mail_settled() && waiting(&counts) == 0;
}

static void make_all_well(void)
{
    sim_faults_end();
    world.faults_over = true;
    sim_disk_set_capacity(DISK);
    for (unsigned i = 0; i < 2; i++) {
        sim_server_set_down(world.servers[i], false);
        sim_server_set_throttled(world.servers[i], false);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        sim_client_behave(world.clients[i]);
    }
    sim_say("--- all is well from now on");
}

static void build(void)
{
    world.log = (struct log){.format = LOG_FORMAT_TEXT, .least = LOG_LEVEL_INFO, .now = log_now, .write = write_log};
    world.loop = net_loop_new();
    sim_disk_begin(DISK, sim_faults_disk);
    put_config(CONNECTIONS, CONNECTIONS);
    sim_disk_put("/etc/rules.d/rules.json", rules_text, strlen(rules_text));
    world.servers[0] = sim_server_new(0, "imap-a.sim", CONNECTIONS);
    world.servers[1] = sim_server_new(1, "imap-b.sim", CONNECTIONS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        world.clients[i] = sim_client_new(i, PORT, SIM_FAULTS_HORIZON / 2);
    }
}

void world_gateway(void)
{
    build();
    sim_on_crash(on_crash, NULL);
    sim_faults_start(on_fault, NULL);
    sim_gateway_after(0, start, NULL);
    sim_after(CHECK_EVERY, check_now_and_then, NULL);
    sim_run(NULL, NULL, SIM_FAULTS_HORIZON + 70 * (uint64_t)SIM_SECOND);
    make_all_well();
    if (sim_seed() % 2 == 0) {
        sim_crash();
    }
    sim_run(is_settled, NULL, sim_now() + SETTLE_TIME);
    /* Nothing may be filed once more after that. */
    sim_run(NULL, NULL, sim_now() + 30 * (uint64_t)SIM_SECOND);
    struct gateway_counts counts;
    uint64_t left = waiting(&counts);
    sim_mail_check_end(counts.spool.dead);
    if (left != 0) {
        sim_fail("%llu deliveries wait in the spool, and all is filed", (unsigned long long)left);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (!sim_client_is_done(world.clients[i])) {
            sim_fail("client %u never came to its end", i);
        }
    }
}
