/*
 * world_life - starts, stops and crashes of the simulated gateway; see world_life.h.
 */
#include "world_life.h"

#include "sim_disk.h"
#include "sim_index.h"
#include "sim_link.h"
#include "sim_store.h"
#include "world.h"

#define BACK_AFTER  ((uint64_t)SIM_SECOND)
#define AGAIN_AFTER (2 * (uint64_t)SIM_SECOND)

static void start(void *ctx);

static void fail_start(struct world_life *life, const char *why)
{
    sim_say("the gateway does not start: %s", why);
    if (life->on_not_started == NULL) {
        sim_fail("the gateway does not start: %s", why);
    }
    life->on_not_started(why);
    sim_gateway_after(AGAIN_AFTER, start, life);
}

static void start(void *ctx)
{
    struct world_life *life = ctx;
    struct fault fault = FAULT_INIT;
    struct problems *problems = problems_new();
    const struct gateway_stores stores = {.queue = sim_store()};
    struct config *config = config_load("/etc/mailweir.json", problems);
    if (config == NULL) {
        fail_start(life, problems_at(problems, 0)->text);
    } else if (gateway_open(&life->gateway, life->loop, &stores, &config, &life->log, &fault) != 0) {
        config_free(&config);
        fail_start(life, fault.text);
    } else {
        gateway_start(life->gateway);
        if (life->on_started != NULL) {
            life->on_started();
        }
    }
    problems_free(&problems);
}

static void note_end(struct world_life *life)
{
    life->gateway = NULL;
    life->stopping = false;
    if (life->on_gone != NULL) {
        life->on_gone();
    }
}

static void on_crash(void *ctx)
{
    struct world_life *life = ctx;
    sim_say("--- crash");
    note_end(life);
    sim_disk_crash();
    sim_link_crash();
    if (life->on_crashed != NULL) {
        life->on_crashed();
    }
    sim_gateway_after(BACK_AFTER, start, life);
}

static void free_gateway(void *ctx)
{
    struct world_life *life = ctx;
    gateway_free(&life->gateway);
    note_end(life);
    sim_say("--- stopped");
    sim_gateway_after(BACK_AFTER, start, life);
}

static void on_drained(void *ctx)
{
    const struct world_life *life = ctx;
    if (life->on_drained != NULL) {
        life->on_drained();
    }
    sim_gateway_after(0, free_gateway, ctx);
}

void world_life_stop(void *ctx)
{
    struct world_life *life = ctx;
    if (world_life_runs(life)) {
        life->stopping = true;
        gateway_drain(life->gateway, on_drained, life);
    }
}

void world_life_reload(void *ctx)
{
    struct world_life *life = ctx;
    if (world_life_runs(life)) {
        gateway_reload(life->gateway, NULL, NULL);
    }
}

bool world_life_runs(const struct world_life *life)
{
    return life->gateway != NULL && !life->stopping;
}

void world_life_begin(struct world_life *life)
{
    world_log_init(&life->log);
    life->loop = net_loop_new();
}

void world_life_start(struct world_life *life)
{
    sim_on_crash(on_crash, life);
    sim_gateway_after(0, start, life);
}

/* ---- the end ---- */

bool world_life_is_over(const struct world_life *life, struct sim_client *const *clients, size_t count)
{
    struct spool_counts counts;
    if (!sim_clients_are_done(clients, count) || life->gateway == NULL) {
        return false;
    }
    spool_count(gateway_spool(life->gateway), &counts);
    return counts.waiting == 0;
}

void world_life_end(bool (*is_settled)(void *ctx), bool (*look)(void *ctx), uint64_t within_us,
                    struct sim_client *const *clients, size_t count)
{
    bool all_settled = sim_run(is_settled, NULL, sim_now() + within_us);
    sim_run(look, NULL, sim_now() + 30 * (uint64_t)SIM_SECOND);
    sim_index_check(true);
    for (size_t i = 0; i < count; i++) {
        if (!sim_client_is_done(clients[i])) {
            sim_fail("client %zu never came to its end", i);
        }
    }
    if (!all_settled) {
        sim_fail("something is left in the queue, and nobody knows of it");
    }
}
