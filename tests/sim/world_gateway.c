/*
 * world_gateway - the whole gateway between simulated SMTP clients and IMAP servers, on a simulated disk, through crashes, with an operator
 * who changes rules and the queue.
 *
 * Held at every step: what is filed was sent, whole, belongs there by the rules in force and is there once; what was refused, held or dropped
 * is nowhere; no server sees more connections than configured; the active set keeps within its limit; nobody waits for ever; what the story of
 * a message tells is what its servers saw. Held at the end: what was acknowledged is in each of its folders, or a dead letter that its server
 * refused for good, or was dropped by the operator; nothing is left in the spool.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_client.h"
#include "sim_index.h"
#include "sim_link.h"
#include "sim_mail.h"
#include "sim_operator.h"
#include "sim_server.h"
#include "world.h"
#include "world_life.h"

#define CLIENTS     8
#define DISK        (256u << 20)
#define CHECK_EVERY (30 * (uint64_t)SIM_SECOND)
/* After the last fault, everything must be filed within this time: the longest pause between two attempts is 2 minutes ... */
#define SETTLE_TIME (20 * SIM_MINUTE)
/* ... and longer where the clock was put back while nobody was there to see it. */
#define SETTLE_TIME_BLIND (SIM_FAULTS_MAX * 60 * SIM_MINUTE)
/* So long after it, the message that servers break over is taken. */
#define HEAL_TIME (10 * SIM_MINUTE)
/* The gateway sees within this time that the clock has jumped. */
#define SEES_CLOCK (61 * (uint64_t)SIM_SECOND)

static struct {
    struct world_life life;
    struct sim_client *clients[CLIENTS];
    struct sim_server *servers[2];
    bool faults_over, resumed;
    bool blind;         /* the clock has jumped, and no gateway has seen it do so */
    uint64_t jumped_us; /* when it did */
    unsigned checks;
    uint64_t loads; /* that were taken, by the running gateway */
} world;

static const char *const hosts[2] = {"imap-a.sim", "imap-b.sim"};
static const char *const standbys[2] = {"imap-a2.sim", "imap-b2.sim"};
/* A standby is so far behind: longer than any look waits. */
#define STANDBY_LAG (40 * (uint64_t)SIM_SECOND)

/* ---- the gateway's life ---- */

/* Until all is well a start may fail: the disk is full, or what the operator wrote is broken. */
static void on_not_started(const char *why)
{
    if (world.faults_over) {
        sim_fail("on a good disk the gateway does not start: %s", why);
    }
}

static void on_started(void)
{
    world.loads = 1;
    sim_setup_started();
}

/* A jump of the clock that it has not seen, nobody will. */
static void on_gone(void)
{
    world.blind = world.blind || (world.jumped_us > 0 && sim_now() < world.jumped_us + SEES_CLOCK);
}

static void on_crashed(void)
{
    sim_operator_crash();
    world.resumed = false;
}

/* ---- faults ---- */

/* New rules, with a signal or for the gateway to find; broken ones, which are repaired later; or a stop and a start. */
static void on_reload(const struct sim_fault *fault, bool begin)
{
    unsigned what = (unsigned)(fault->amount % 4), version = fault->target;
    if (!begin) {
        if (what == 2) {
            sim_setup_write_rules(version);
        }
        return;
    }
    if (what == 3) {
        sim_gateway_after(0, world_life_stop, &world.life);
        return;
    }
    sim_setup_write_rules(what == 2 ? SIM_SETUP_BROKEN : version);
    if (what != 1) {
        sim_gateway_after(0, world_life_reload, &world.life);
    }
}

static void operate(void *ctx)
{
    const struct sim_fault *fault = ctx;
    if (world_life_runs(&world.life)) {
        sim_operator_work(gateway_spool(world.life.gateway), fault->amount);
    }
}

static void reroute(void *ctx)
{
    if (world_life_runs(&world.life)) {
        sim_operator_reroute(gateway_spool(world.life.gateway), ctx);
    }
}

/* Some operator sends elsewhere what nobody knows to be filed, before a look can tell. */
static void on_doubt(struct sim_try *try)
{
    sim_gateway_after(1500 * SIM_MS, reroute, try);
}

static void on_fault(void *ctx, const struct sim_fault *fault, bool begin)
{
    (void)ctx;
    struct sim_server *server = world.servers[fault->target];
    switch (fault->kind) {
    case SIM_FAULT_SERVER_DOWN:
        sim_server_set_down(server, begin);
        break;
    case SIM_FAULT_THROTTLE:
        sim_server_set_throttled(server, begin);
        break;
    case SIM_FAULT_STANDBY:
        if (sim_setup_has_standby()) {
            sim_server_set_standby(server, begin ? STANDBY_LAG : 0);
        }
        break;
    case SIM_FAULT_UIDVALIDITY:
        sim_server_renumber(server);
        break;
    case SIM_FAULT_CROWD:
        sim_server_crowd(server, (unsigned)fault->amount);
        break;
    case SIM_FAULT_EXPUNGE:
        sim_server_expunge(server, fault->amount > 0);
        break;
    case SIM_FAULT_MOVE:
        sim_server_set_moving(server, begin);
        break;
    case SIM_FAULT_LOOK:
        sim_server_set_look(server, begin ? (enum sim_server_look)(1 + fault->amount % (SIM_SERVER_LOOKS - 1))
                                          : SIM_SERVER_LOOK_GOOD);
        break;
    case SIM_FAULT_NAME:
        sim_link_set_name(hosts[fault->target],
                          begin ? (enum sim_link_name)(1 + fault->amount % 3) : SIM_LINK_NAME_GOOD);
        break;
    case SIM_FAULT_CLOCK:
    case SIM_FAULT_CLOCK_FULL:
        world.jumped_us = begin ? sim_now() : world.jumped_us;
        world.blind = world.blind || world.life.gateway == NULL;
        world_fault(fault, begin, DISK);
        break;
    case SIM_FAULT_RELOAD:
        on_reload(fault, begin);
        break;
    case SIM_FAULT_OPERATOR:
        sim_gateway_after(0, operate, (void *)(uintptr_t)fault);
        break;
    default:
        world_fault(fault, begin, DISK);
        break;
    }
}

/* ---- the world ---- */

static void check_now_and_then(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < CLIENTS; i++) {
        sim_client_check(world.clients[i]);
    }
    if (world.life.gateway != NULL) {
        world_health(gateway_spool(world.life.gateway));
    }
    if (world.life.gateway != NULL && ++world.checks % 2 == 0) {
        sim_index_check(false);
    }
    sim_after(CHECK_EVERY, check_now_and_then, NULL);
}

/* After each event. */
static void check_step(void)
{
    struct dispatch_counts counts;
    struct gateway_state state;
    if (world.life.gateway == NULL) {
        return;
    }
    dispatch_count(gateway_dispatch(world.life.gateway), &counts);
    if (counts.active > 2 * SIM_ACTIVE) {
        sim_fail("%llu deliveries are in memory, %u are allowed", (unsigned long long)counts.active, 2 * SIM_ACTIVE);
    }
    gateway_state(world.life.gateway, &state);
    if (state.loads - state.loads_failed != world.loads) {
        world.loads = state.loads - state.loads_failed;
        sim_setup_taken();
    }
    if (state.last_load_good) {
        sim_setup_runs();
    }
}

static bool never(void *ctx)
{
    (void)ctx;
    check_step();
    return false;
}

static bool is_settled(void *ctx)
{
    (void)ctx;
    struct spool_counts counts;
    check_step();
    if (!sim_clients_are_done(world.clients, CLIENTS)) {
        return false;
    }
    if (world.life.gateway == NULL) {
        return false;
    }
    spool_count(gateway_spool(world.life.gateway), &counts);
    return counts.waiting == 0 && counts.held == 0 && counts.dead == 0;
}

/* An operator's hands would wake what the gateway has forgotten: they do no more than what is needed. */
static void release_all(void *ctx)
{
    (void)ctx;
    struct spool_counts counts;
    if (!world_life_runs(&world.life)) {
        return;
    }
    spool_count(gateway_spool(world.life.gateway), &counts);
    if (counts.held > 0) {
        sim_operator_release_all(gateway_spool(world.life.gateway));
    }
    if (counts.dead > 0) {
        sim_operator_retry_dead(gateway_spool(world.life.gateway));
    }
    if (!world.resumed) {
        sim_operator_resume_all(gateway_spool(world.life.gateway));
        world.resumed = true;
    }
}

static void release_now_and_then(void *ctx)
{
    (void)ctx;
    sim_gateway_after(0, release_all, NULL);
    sim_after(CHECK_EVERY, release_now_and_then, NULL);
}

/* By now nothing waits but the message that no server takes; then it is taken, too. */
static void heal(void *ctx)
{
    (void)ctx;
    if (!world.blind) {
        sim_mail_check_others(sim_now() - HEAL_TIME / 2);
    }
    sim_mail_set_killer(0);
}

/* In some worlds there is a message over which servers break. */
static void draw_killer(void)
{
    struct sim_random random;
    sim_random_init(&random, sim_seed(), "killer", 0);
    /* Where upstreams give up, each try of it by the operator would make dead letters of others, too. */
    if (sim_random_chance(&random, 20) && !sim_setup_gives_up()) {
        sim_mail_set_killer((unsigned)sim_random_between(&random, 1, 20));
    }
}

static void make_all_well(void)
{
    sim_faults_end();
    world.faults_over = true;
    sim_disk_set_capacity(DISK);
    for (unsigned i = 0; i < 2; i++) {
        sim_server_set_down(world.servers[i], false);
        sim_server_set_standby(world.servers[i], 0);
        sim_server_set_throttled(world.servers[i], false);
        sim_server_set_moving(world.servers[i], false);
        sim_server_set_look(world.servers[i], SIM_SERVER_LOOK_GOOD);
        sim_link_set_name(hosts[i], SIM_LINK_NAME_GOOD);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        sim_client_behave(world.clients[i]);
    }
    sim_setup_write_rules((unsigned)(sim_seed() % 2));
    sim_after(HEAL_TIME, heal, NULL);
    release_now_and_then(NULL);
    sim_say("--- all is well from now on");
}

static void build(void)
{
    world_life_begin(&world.life);
    world.life.on_started = on_started;
    world.life.on_gone = on_gone;
    world.life.on_crashed = on_crashed;
    world.life.on_not_started = on_not_started;
    sim_disk_begin(DISK, sim_faults_disk);
    sim_setup_begin();
    draw_killer();
    sim_mail_watch_doubts(on_doubt);
    for (unsigned i = 0; i < 2; i++) {
        world.servers[i] = sim_server_new(i, hosts[i], SIM_CONNECTIONS);
        sim_server_add_standby(world.servers[i], standbys[i]);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        world.clients[i] = sim_client_new(i, SIM_FAULTS_HORIZON / 2);
    }
}

void world_gateway(void)
{
    build();
    sim_faults_start(on_fault, NULL);
    world_life_start(&world.life);
    sim_after(CHECK_EVERY, check_now_and_then, NULL);
    sim_run(never, NULL, SIM_FAULTS_HORIZON + 70 * (uint64_t)SIM_SECOND);
    make_all_well();
    if (sim_seed() % 2 == 0) {
        sim_crash();
    }
    world_life_end(is_settled, never, world.blind ? SETTLE_TIME_BLIND : SETTLE_TIME, world.clients, CLIENTS);
}
