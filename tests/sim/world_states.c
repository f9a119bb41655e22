/*
 * world_states - a fault at every state of a delivery; see world.h.
 *
 * One story, always the same: messages come for two folders while the server is slow, so that they go as batches; the first batch is filed but for its last
 * message and refused; of what goes next, the answer is lost. So there is a refusal, a split, doubt, the wait for the server to settle, a look, and a second
 * send. The seed names the command that the server hears, what happens at it, and whether at once or while nothing is said: the gateway's machine dies before
 * or behind it, the connection ends before or behind it, the gateway is stopped and started, it loads its files again, either of both and dies over it, the
 * server goes away, it says no. Held: what is acknowledged lies there once, or twice and told.
 */
#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "sim_client.h"
#include "sim_disk.h"
#include "sim_index.h"
#include "sim_link.h"
#include "sim_mail.h"
#include "sim_server.h"
#include "world.h"
#include "world_life.h"

#define DISK    (64u << 20)
#define CLIENTS 4
#define EACH    3
/* Of a stop, or of files that are loaded, until the machine dies over it. */
#define MEANWHILE (300 * SIM_MS)
/* Nothing is said for so long in the midst of the wait for the server to settle. */
#define SILENCE (1200 * SIM_MS)
#define AWAY    (8 * (uint64_t)SIM_SECOND)
/* In any of these worlds all is over by then. */
#define MOST (30 * SIM_MINUTE)

enum what {
    CRASH_BEFORE,
    CRASH_BEHIND,
    CUT_BEFORE,
    CUT_BEHIND,
    STOP,
    RELOAD,
    STOP_AND_CRASH,
    RELOAD_AND_CRASH,
    GO_AWAY,
    SAY_NO,
    WHATS
};
static const char *const names[WHATS] = {"a crash before it",
                                         "a crash behind it",
                                         "a cut before it",
                                         "a cut behind it",
                                         "a stop",
                                         "files are loaded",
                                         "a stop, and a crash over it",
                                         "files are loaded, and a crash over it",
                                         "the server goes away",
                                         "no"};

static struct {
    struct world_life life;
    struct sim_client *clients[CLIENTS];
    struct sim_client_plan plans[CLIENTS];
    struct sim_server *servers[2];
    enum what what;
    unsigned step, heard; /* the command at which it happens; commands so far */
    bool is_late;         /* it happens while nothing is said behind the command */
    unsigned connections;
} world;

static void write_config(void)
{
    struct buf out;
    bool starttls = sim_setup_starttls(0);
    buf_init(&out, 4096);
    buf_append_text(
        &out, "{\"hostname\": \"gw.sim\", \"spool\": {\"path\": \"/spool\", \"minimum_free\": \"1MiB\"},\n"
              " \"listeners\": [{\"name\": \"l0\", \"address\": \"127.0.0.1:2525\", \"duplicate_window\": \"24h\"}],\n"
              " \"rules\": [\"rules.d/*.json\"], \"default\": {\"upstream\": \"a\", \"folder\": \"INBOX\"},\n"
              " \"shutdown_timeout\": \"10s\",\n");
    buf_printf(
        &out,
        " \"upstreams\": {\"a\": {\"address\": \"imap-a.sim:143\", \"tls\": {\"mode\": \"%s\"}, \"insecure\": %s,\n"
        "  \"connections\": %u, \"retry\": {\"initial\": \"1s\", \"maximum\": \"5s\"},"
        " \"timeouts\": {\"connect\": \"20s\", \"command\": \"20s\"},\n"
        "  \"auth\": {\"username\": \"u\", \"password\": \"p\"}},\n",
        starttls ? "starttls" : "none", starttls ? "false" : "true", world.connections);
    buf_append_text(
        &out, "  \"b\": {\"address\": \"imap-b.sim:993\", \"auth\": {\"username\": \"u\", \"password\": \"p\"}}}}\n");
    sim_disk_put("/etc/mailweir.json", buf_bytes(&out).ptr, out.len);
    buf_done(&out);
}

/* ---- what happens to it ---- */

/* With another number of connections: the pool is replaced. */
static void reload(void *ctx)
{
    (void)ctx;
    if (world_life_runs(&world.life)) {
        world.connections = 3 - world.connections;
        write_config();
        world_life_reload(&world.life);
    }
}

static void crash(void *ctx)
{
    (void)ctx;
    sim_crash();
}

static void come_back(void *ctx)
{
    (void)ctx;
    sim_server_set_down(world.servers[0], false);
}

static void go_away(void *ctx)
{
    (void)ctx;
    sim_server_set_down(world.servers[0], true);
    sim_after(AWAY, come_back, NULL);
}

/* ---- the story ---- */

static enum sim_step happen(void)
{
    uint64_t when = world.is_late ? SILENCE : 0;
    sim_say("--- at command %u: %s%s", world.step, names[world.what], world.is_late ? ", a while behind it" : "");
    switch (world.what) {
    case CRASH_BEFORE:
    case CRASH_BEHIND:
        sim_after(when, crash, NULL);
        return world.what == CRASH_BEFORE && !world.is_late ? SIM_STEP_CUT_BEFORE : SIM_STEP_GOES_ON;
    case CUT_BEFORE:
        return SIM_STEP_CUT_BEFORE;
    case CUT_BEHIND:
        return SIM_STEP_CUT_BEHIND;
    case STOP_AND_CRASH:
        sim_after(when + MEANWHILE, crash, NULL);
        sim_gateway_after(when, world_life_stop, &world.life);
        return SIM_STEP_GOES_ON;
    case STOP:
        sim_gateway_after(when, world_life_stop, &world.life);
        return SIM_STEP_GOES_ON;
    case RELOAD_AND_CRASH:
        sim_after(when + MEANWHILE, crash, NULL);
        sim_gateway_after(when, reload, NULL);
        return SIM_STEP_GOES_ON;
    case RELOAD:
        sim_gateway_after(when, reload, NULL);
        return SIM_STEP_GOES_ON;
    case GO_AWAY:
        sim_after(when, go_away, NULL);
        return SIM_STEP_GOES_ON;
    case SAY_NO:
    case WHATS:
        break;
    }
    return SIM_STEP_SAYS_NO;
}

static enum sim_step on_command(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return ++world.heard == world.step ? happen() : SIM_STEP_GOES_ON;
}

static bool is_over(void *ctx)
{
    (void)ctx;
    return world_life_is_over(&world.life, world.clients, CLIENTS);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void build(void)
{
    world_life_begin(&world.life);
    world.what = (enum what)(sim_seed() % WHATS);
    world.is_late = sim_seed() / WHATS % 2 == 1;
    world.step = 1 + (unsigned)(sim_seed() / WHATS / 2);
    world.connections = 1;
    sim_disk_begin(DISK, NULL);
    sim_setup_begin();
    write_config();
    sim_setup_started();
    for (unsigned i = 0; i < 2; i++) {
        world.servers[i] = sim_server_new(i, i == 0 ? "imap-a.sim" : "imap-b.sim", 2);
    }
    sim_server_set_batches(world.servers[0], 200 * SIM_MS);
    sim_server_watch(world.servers[0], on_command, NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        world.plans[i] = (struct sim_client_plan){EACH, i % 2, 800, SIM_SECOND + i * SIM_MS, 0};
        world.clients[i] = sim_client_new_planned(i, &world.plans[i]);
    }
}

void world_states(void)
{
    build();
    world_life_start(&world.life);
    if (!sim_run(is_over, NULL, MOST)) {
        sim_fail("%s at command %u: something is left, and nobody knows of it", names[world.what], world.step);
    }
    sim_run(never, NULL, sim_now() + 30 * (uint64_t)SIM_SECOND);
    if (world.heard < world.step && world.step <= WORLD_STATES_COMMANDS) {
        sim_fail("the story has %u commands only", world.heard);
    }
    sim_index_check(true);
}
