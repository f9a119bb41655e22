/*
 * world_backlog - a backlog goes through what a provider lets an account do; see world.h.
 *
 * Two providers, by the seed: one whose balance of work runs out and comes back (Exchange Online), one with octets a day (Gmail). Held: the backlog
 * is through within 1.1 times the best schedule of an offline solver that knows the budget; and nothing is sent of which the gateway could know
 * that it would be refused: before the end of a pause that it was told, or beyond the octets that stand in its configuration.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "sim_budget.h"
#include "sim_client.h"
#include "sim_disk.h"
#include "sim_index.h"
#include "sim_mail.h"
#include "sim_server.h"
#include "world.h"
#include "world_life.h"

#define DISK    (512u << 20)
#define CLIENTS 20
#define SIZE    1500
/* What the gateway adds to a message: its trace fields. */
#define SIZE_FILED 1900
#define PACE       (100 * SIM_MS)
/* Of the best schedule's time. */
#define RATIO 1.1
/* A day's octets hold so much of the backlog. */
#define DAYS 3.4
/* Messages, unless the environment names another count. */
#define COUNT 600

static struct {
    struct world_life life;
    struct sim_server *servers[2];
    struct sim_client *clients[CLIENTS];
    struct sim_client_plan plans[CLIENTS];
    struct sim_budget budget;
    unsigned count, connections;
    bool is_daily;
} world;

static unsigned wanted_count(void)
{
    const char *wanted = getenv("MAILWEIR_SIM_BACKLOG");
    unsigned count = wanted == NULL ? COUNT : (unsigned)strtoul(wanted, NULL, 10);
    return count < CLIENTS ? CLIENTS : count - count % CLIENTS;
}

static void write_config(void)
{
    struct buf out;
    char limits[64] = "";
    bool starttls = sim_setup_starttls(0);
    if (world.is_daily) {
        snprintf(limits, sizeof limits, ", \"limits\": {\"daily\": %llu}", (unsigned long long)world.budget.day_octets);
    }
    buf_init(&out, 4096);
    buf_append_text(&out,
                    "{\"hostname\": \"gw.sim\", \"spool\": {\"path\": \"/spool\", \"minimum_free\": \"1MiB\"},\n"
                    " \"listeners\": [{\"name\": \"l0\", \"address\": \"127.0.0.1:2525\"}],\n"
                    " \"rules\": [\"rules.d/*.json\"], \"default\": {\"upstream\": \"a\", \"folder\": \"INBOX\"},\n");
    buf_printf(
        &out,
        " \"upstreams\": {\"a\": {\"address\": \"imap-a.sim:143\", \"tls\": {\"mode\": \"%s\"}, \"insecure\": %s,\n"
        "  \"profile\": \"%s\", \"auth\": {\"username\": \"u\", \"password\": \"p\"}%s},\n",
        starttls ? "starttls" : "none", starttls ? "false" : "true", world.is_daily ? "gmail" : "microsoft365", limits);
    buf_append_text(
        &out, "  \"b\": {\"address\": \"imap-b.sim:993\", \"auth\": {\"username\": \"u\", \"password\": \"p\"}}}}\n");
    sim_disk_put("/etc/mailweir.json", buf_bytes(&out).ptr, out.len);
    buf_done(&out);
}

static bool is_over(void *ctx)
{
    (void)ctx;
    return world_life_is_over(&world.life, world.clients, CLIENTS);
}

static void choose_budget(void)
{
    world.is_daily = sim_seed() % 2 == 0;
    world.connections = world.is_daily ? 5 : 4; /* as the profiles have it */
    if (world.is_daily) {
        world.budget.day_octets = (uint64_t)(SIZE_FILED * (double)world.count / DAYS);
        return;
    }
    /* 100 messages at once, then one in 3 s; a pause is 5 minutes. */
    world.budget = (struct sim_budget){
        .burst_us = 60.0 * SIM_SECOND, .work_us = 0.3 * SIM_SECOND, .recharge = 0.1, .resume_us = 30.0 * SIM_SECOND};
    world.budget.balance_us = world.budget.burst_us;
}

static void build(void)
{
    world_life_begin(&world.life);
    world.count = wanted_count();
    choose_budget();
    sim_disk_begin(DISK, NULL);
    sim_setup_begin();
    write_config();
    sim_setup_started();
    for (unsigned i = 0; i < 2; i++) {
        world.servers[i] = sim_server_new(i, i == 0 ? "imap-a.sim" : "imap-b.sim", world.connections);
        sim_server_set_pace(world.servers[i], PACE);
    }
    sim_server_set_budget(world.servers[0], &world.budget);
    for (unsigned i = 0; i < CLIENTS; i++) {
        world.plans[i] = (struct sim_client_plan){world.count / CLIENTS, i % 2, SIZE, SIM_SECOND, 0};
        world.clients[i] = sim_client_new_planned(i, &world.plans[i]);
    }
}

static void judge(void)
{
    const struct sim_backlog backlog = {world.count, world.connections, SIZE_FILED, PACE};
    uint64_t best = sim_budget_best(&world.budget, &backlog);
    double ratio = (double)(sim_now() - SIM_SECOND) / (double)best;
    sim_remark("%s: %u messages in %.2f h, the best schedule takes %.2f h: %.3f times; %u refused, %u of them could "
               "have been known",
               world.is_daily ? "octets of a day" : "balance of work", world.count, (double)sim_now() / 3.6e9,
               (double)best / 3.6e9, ratio, world.budget.refused, world.budget.known);
    if (world.budget.known > 0) {
        sim_fail("%u messages were sent although it could be known that they would be refused", world.budget.known);
    }
    if (ratio > RATIO) {
        sim_fail("the backlog took %.3f times as long as the best schedule", ratio);
    }
}

void world_backlog(void)
{
    build();
    world_life_start(&world.life);
    if (!sim_run(is_over, NULL, 30 * 24 * 60 * (uint64_t)SIM_MINUTE)) {
        sim_fail("the backlog never ends");
    }
    judge();
    sim_index_check(true);
}
