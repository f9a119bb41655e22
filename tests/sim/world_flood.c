/*
 * world_flood - more than the gateway can do at once, and who must not suffer from it; see world.h.
 *
 * One sender brings a flood into one folder of upstream a, which files it slowly, or is down, or silent; or some senders bring large
 * messages while the disk is slow. Beside them others send now and then. Held: what the others send is in its folder within a bounded time
 * after its 250, where its upstream works; the gateway's memory keeps within a bound that knows nothing of how much is sent.
 */
#include <malloc.h>

#include "base/expect.h"
#include "sim_client.h"
#include "sim_disk.h"
#include "sim_index.h"
#include "sim_link.h"
#include "sim_mail.h"
#include "sim_net_lane.h"
#include "sim_server.h"
#include "world.h"
#include "world_life.h"

#define DISK (256u << 20)
/* The flood: of that many messages each takes upstream a this long. */
#define FLOOD    120
#define PACE     (300 * SIM_MS)
#define OTHERS   4
#define LARGE    6
#define LARGE_BY ((uint64_t)4 << 20)
/*
 * Octets of memory that the gateway may take beyond what it has when it starts: one message at a time is decided about,
 * and of a text the rules have what was decoded, its lines and what is visible of them, and one more of these while it
 * is made. What is sent at once is more than all of that.
 */
#define MEMORY (4 * LARGE_BY + ((uint64_t)2 << 20))
/*
 * The longest wait of the others, from their 250: for an upstream without a flood; and for the one with it, where the active set may be
 * full of the flood, and then every second place goes round between the senders and folders.
 */
#define WAIT_ELSEWHERE (4 * (uint64_t)SIM_SECOND)
#define WAIT_BESIDE    (4 * (uint64_t)SIM_ACTIVE * PACE)

static const char *const hosts[2] = {"imap-a.sim", "imap-b.sim"};

enum kind { SLOW, DOWN, SILENT, LARGE_MESSAGES, KINDS };

static struct {
    struct world_life life;
    struct sim_server *servers[2];
    struct sim_client *clients[1 + OTHERS + LARGE];
    struct sim_client_plan plans[1 + OTHERS + LARGE];
    unsigned count;
    enum kind kind;
    uint64_t base, most; /* memory: at the start, and the most since */
} world;

/* What the world itself takes is not the gateway's. */
static uint64_t memory_now(void)
{
    uint64_t all = mallinfo2().uordblks + mallinfo2().hblkhd;
    uint64_t others = sim_disk_memory() + sim_link_memory() + sim_server_memory(world.servers[0]) +
                      sim_server_memory(world.servers[1]);
    return all > others ? all - others : 0;
}

static void on_started(void)
{
    world.base = memory_now();
}

/* ---- what is held ---- */

/* The longest that a message into this folder may take; 0: its upstream does not work, or it is the flood itself. */
static uint64_t bound(const struct sim_try *try, unsigned place)
{
    if (try->sender == 0 || try->sender > OTHERS) {
        return 0;
    }
    bool is_beside = sim_places[place].server == 0;
    return !is_beside ? WAIT_ELSEWHERE : world.kind == DOWN || world.kind == SILENT ? 0 : WAIT_BESIDE;
}

static void check_waits(void)
{
    for (size_t i = 0; i < sim_mail_count(); i++) {
        const struct sim_try *try = sim_mail_at(i);
        for (unsigned place = 0; try->state == SIM_TRY_ACKED && place < SIM_PLACES; place++) {
            uint64_t most = bound(try, place);
            bool belongs = (sim_try_places(try) >> place & 1) != 0;
            uint64_t until = try->filings[place].count > 0 ? try->filings[place].at_us : sim_now();
            if (most > 0 && belongs && until > try->acked_us + most) {
                sim_fail("try %u of sender %u waits %.3f s for %s beside a flood, %.3f s are allowed", try->number,
                         try->sender, (double)(until - try->acked_us) / 1e6, sim_places[place].folder,
                         (double)most / 1e6);
            }
        }
    }
}

static void check_memory(void)
{
    uint64_t now = memory_now();
    uint64_t taken = now > world.base ? now - world.base : 0;
    world.most = taken > world.most ? taken : world.most;
    if (taken > MEMORY) {
        sim_fail("the gateway takes %llu KiB of memory more than at its start", (unsigned long long)taken >> 10);
    }
}

static void check_now_and_then(void *ctx)
{
    (void)ctx;
    check_waits();
    check_memory();
    sim_after(100 * SIM_MS, check_now_and_then, NULL);
}

static bool is_over(void *ctx)
{
    (void)ctx;
    return world_life_is_over(&world.life, world.clients, world.count);
}

/* ---- the world ---- */

static void add_client(unsigned count, unsigned recipient, uint64_t size, uint64_t begin, uint64_t pause)
{
    unsigned number = world.count++;
    world.plans[number] = (struct sim_client_plan){count, recipient, size, begin, pause};
    world.clients[number] = sim_client_new_planned(number, &world.plans[number]);
}

static void build(struct sim_random *random)
{
    world_life_begin(&world.life);
    world.life.on_started = on_started;
    sim_disk_begin(DISK, NULL);
    sim_setup_begin();
    sim_setup_started();
    world.kind = (enum kind)sim_random_between(random, 0, KINDS - 1);
    for (unsigned i = 0; i < 2; i++) {
        world.servers[i] = sim_server_new(i, hosts[i], SIM_CONNECTIONS);
        sim_server_set_pace(world.servers[i], i == 0 ? PACE : 0);
    }
    sim_server_set_down(world.servers[0], world.kind == DOWN);
    sim_server_set_silent(world.servers[0], world.kind == SILENT);
    /* The flood goes where one@ goes; others into other folders of the same upstream, into the same folder, and to the other upstream. */
    add_client(world.kind == LARGE_MESSAGES ? 1 : FLOOD, 1, 1500, SIM_SECOND, 0);
    for (unsigned i = 0; i < OTHERS; i++) {
        static const unsigned recipients[OTHERS] = {0, 1, 2, 3};
        add_client(3, recipients[i], sim_random_between(random, 300, 3000),
                   sim_random_between(random, 2 * SIM_SECOND, 8 * SIM_SECOND),
                   sim_random_between(random, SIM_SECOND, 4 * SIM_SECOND));
    }
    for (unsigned i = 0; world.kind == LARGE_MESSAGES && i < LARGE; i++) {
        add_client(1, 2, LARGE_BY, sim_random_between(random, SIM_SECOND, 3 * SIM_SECOND), 0);
    }
    sim_net_lane_set_slow(world.kind == LARGE_MESSAGES);
}

void world_flood(void)
{
    struct sim_random random;
    sim_random_init(&random, sim_seed(), "flood", 0);
    build(&random);
    world_life_start(&world.life);
    sim_after(SIM_SECOND, check_now_and_then, NULL);
    sim_run(is_over, NULL, 60 * (uint64_t)SIM_SECOND);
    sim_server_set_down(world.servers[0], false);
    sim_server_set_silent(world.servers[0], false);
    if (!sim_run(is_over, NULL, 60 * SIM_MINUTE)) {
        sim_fail("the flood never ends");
    }
    sim_remark("at most %llu KiB of memory above the start", (unsigned long long)world.most >> 10);
    sim_index_check(true);
}
