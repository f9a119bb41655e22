/*
 * world_cluster - three gateways on one database, between simulated SMTP clients and IMAP servers: nodes die, stand still, are cut off
 * from the database or a mail server, one way or both, hear late, and have clocks and for a while rules of their own; the database loses answers,
 * its standby, and itself.
 *
 * Held at every step: what is filed was sent, whole, belongs there and is there once, whichever node sent it; no server sees more
 * connections of all nodes than are configured, but for a node that stands still and cannot let go of its own. Held at the end: what was
 * acknowledged is in each of its folders, or a dead letter that its server refused for good; nothing is left in the queue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_client.h"
#include "sim_cluster.h"
#include "sim_index.h"
#include "sim_link.h"
#include "sim_mail.h"
#include "sim_operator.h"
#include "sim_server.h"
#include "world.h"
#include "store/store_lease.h"
#include "world_life.h"

#define NODES       SIM_MACHINES
#define CLIENTS     8
#define DISK        (256u << 20)
#define CHECK_EVERY (30 * (uint64_t)SIM_SECOND)
/* As in world_gateway.c; a node that was ended costs its lease on top. */
#define SETTLE_TIME (22 * SIM_MINUTE)
/* A server counts the connections of a node that died for so long, a little less than others wait for that. */
#define NOTICED_BY ((uint64_t)1900 * SIM_MS)
/* Nodes' clocks differ by so much. */
#define SKEW_MOST_MS (2 * 3600 * 1000)
/* Others have ended a node, looked for what it had in hand, and not found it, so long after its lease is over. */
#define SENT_AGAIN_MS (STORE_LEASE_GRACE_MS + 6000)
/* A node that hears nothing of the mail servers has something under way after this time. */
#define HAS_BEGUN (2 * (uint64_t)SIM_SECOND)
/* From the moment when its standby hears nothing any more to the loss of the primary. */
#define LOST_LEAST (200 * (uint64_t)SIM_MS)
#define LOST_MORE  (3 * (uint64_t)SIM_SECOND)

/* What a fault may wait for: what a node asks of the database, or that a server has heard its APPEND. */
enum { AT_APPEND = SIM_CLUSTER_MOMENTS, MOMENTS, AT_ONCE = MOMENTS };

static struct {
    struct world_life lives[NODES];
    struct sim_client *clients[CLIENTS];
    struct sim_server *servers[2];
    bool faults_over, resumed;
    unsigned checks;
    uint64_t loads[NODES]; /* that were taken, by the running gateways */
    const struct sim_fault *awaits[NODES][MOMENTS];
    bool mends[NODES]; /* its way to the database is whole again when it has drained */
} world;

static const char *const hosts[2] = {"imap-a.sim", "imap-b.sim"};

/* ---- the gateways' lives ---- */

static void on_not_started(const char *why)
{
    if (world.faults_over) {
        sim_fail("with a good database the gateway does not start: %s", why);
    }
}

static void on_started(void)
{
    world.loads[sim_machine()] = 1;
    sim_setup_started();
}

static void on_crashed(void)
{
    sim_say("that was node %u", sim_machine());
    sim_operator_crash();
    world.resumed = false;
}

/* fn on this machine, as something that the gateway there does. */
static void on_machine(unsigned machine, sim_fn *fn, void *ctx)
{
    unsigned before = sim_machine_enter(machine);
    sim_gateway_after(0, fn, ctx);
    sim_machine_enter(before);
}

static struct world_life *some_life(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (world_life_runs(&world.lives[i])) {
            return &world.lives[i];
        }
    }
    return NULL;
}

/* ---- faults ---- */

static void operate(void *ctx)
{
    const struct sim_fault *fault = ctx;
    struct world_life *life = &world.lives[sim_machine()];
    if (world_life_runs(life)) {
        sim_operator_work(gateway_spool(life->gateway), fault->amount);
    }
}

static unsigned node_of(const struct sim_fault *fault)
{
    return (unsigned)(fault->when % NODES);
}

static void crash_node(unsigned node)
{
    unsigned before = sim_machine_enter(node);
    sim_crash();
    sim_machine_enter(before);
}

static void jump(const struct sim_fault *fault)
{
    unsigned before = sim_machine_enter(node_of(fault));
    sim_jump((int64_t)fault->amount * 1000 - SKEW_MOST_MS);
    sim_machine_enter(before);
}

static void reload(unsigned node)
{
    on_machine(node, world_life_reload, &world.lives[node]);
}

/* One node loads what was written, or none, or all; or it is broken for a while. Those that are not told find it by themselves. */
static void change_rules(const struct sim_fault *fault, bool begin)
{
    unsigned what = (unsigned)(fault->amount % 4), version = fault->target;
    if (!begin) {
        if (what == 2) {
            sim_setup_write_rules(version);
        }
        return;
    }
    sim_setup_write_rules(what == 2 ? SIM_SETUP_BROKEN : version);
    for (unsigned i = 0; i < NODES; i++) {
        if (what == 3 || (what != 1 && i == node_of(fault))) {
            reload(i);
        }
    }
}

static void on_node_fault(const struct sim_fault *fault, bool begin)
{
    unsigned node = node_of(fault);
    enum sim_cluster_cut cut = (enum sim_cluster_cut)(1 + fault->when / NODES % (SIM_CLUSTER_CUTS - 1));
    switch (fault->kind) {
    case SIM_FAULT_CRASH:
        crash_node(node);
        break;
    case SIM_FAULT_CLOCK:
        jump(fault);
        break;
    case SIM_FAULT_PAUSE:
        if (begin) {
            sim_say("node %u stands still", node);
            sim_machine_pause(node, fault->amount);
        }
        break;
    case SIM_FAULT_STORE_CUT:
        sim_say("the way from node %u to the database is %s", node, begin ? "broken" : "whole");
        sim_cluster_set_cut(node, begin ? cut : SIM_CLUSTER_WHOLE);
        break;
    case SIM_FAULT_QUORUM:
        sim_cluster_set_quorum(!begin);
        break;
    case SIM_FAULT_FAILOVER:
        if (begin) {
            sim_cluster_lose_primary();
        } else {
            sim_cluster_promote();
        }
        break;
    case SIM_FAULT_IMAP_CUT:
        sim_say("the way from node %u to server %u is %s", node, fault->target, begin ? "broken" : "whole");
        sim_link_set_way(node, hosts[fault->target],
                         begin ? (enum sim_link_way)(1 + fault->when / NODES % (SIM_LINK_WAYS - 1))
                               : SIM_LINK_WAY_WHOLE);
        break;
    case SIM_FAULT_RULES:
        change_rules(fault, begin);
        break;
    default:
        break;
    }
}

static void stop_node(unsigned node)
{
    on_machine(node, world_life_stop, &world.lives[node]);
}

/* ---- faults in the midst of something ---- */

/* For half of those that have no server, drawn with them. */
static unsigned moment_of(const struct sim_fault *fault)
{
    static const unsigned batches[] = {SIM_CLUSTER_AT_CLAIM, SIM_CLUSTER_AT_ADD, SIM_CLUSTER_AT_FINISH};
    if (fault->kind == SIM_FAULT_BRINK) {
        return SIM_CLUSTER_AT_BEAT;
    }
    if (fault->target == 0) {
        return AT_ONCE;
    }
    switch (fault->kind) {
    case SIM_FAULT_PAUSE:
        return SIM_CLUSTER_AT_BEAT;
    case SIM_FAULT_STORE_CUT:
        return batches[fault->amount % 3];
    case SIM_FAULT_QUORUM:
    case SIM_FAULT_FAILOVER:
        return SIM_CLUSTER_AT_CLAIM;
    case SIM_FAULT_CRASH:
        return AT_APPEND;
    case SIM_FAULT_RELOAD:
        return fault->amount % 2 == 0 ? AT_APPEND : SIM_CLUSTER_AT_ADD;
    default:
        return AT_ONCE;
    }
}

static void on_lost(void *ctx)
{
    (void)ctx;
    if (!world.faults_over) {
        sim_cluster_lose_primary();
    }
}

static void on_promoted(void *ctx)
{
    (void)ctx;
    if (!world.faults_over) {
        sim_cluster_promote();
        sim_cluster_set_quorum(true);
    }
}

/* What the primary does from now on its standby never hears of. */
static void lose_history(const struct sim_fault *fault)
{
    uint64_t lost = LOST_LEAST + fault->when % LOST_MORE;
    sim_say("the standby hears nothing any more, and will be promoted");
    sim_cluster_set_quorum(false);
    sim_after(lost, on_lost, NULL);
    sim_after(lost + fault->amount, on_promoted, NULL);
}

/* What the node writes last is not heard of, until it is about to go. */
static void stop_in_limbo(unsigned node)
{
    sim_say("node %u hears of nothing until it has drained", node);
    sim_cluster_set_cut(node, SIM_CLUSTER_CUT_ANSWERS);
    world.mends[node] = true;
    stop_node(node);
}

static void on_drained(void)
{
    if (world.mends[sim_machine()]) {
        world.mends[sim_machine()] = false;
        sim_cluster_set_cut(sim_machine(), SIM_CLUSTER_WHOLE);
    }
}

static void set_ways(unsigned node, enum sim_link_way way)
{
    sim_link_set_way(node, hosts[0], way);
    sim_link_set_way(node, hosts[1], way);
}

static void on_brink_heard(void *ctx)
{
    if (!world.faults_over) {
        sim_say("the last beat of node %u is heard", node_of(ctx));
        sim_cluster_set_cut(node_of(ctx), SIM_CLUSTER_CUT_REQUESTS);
    }
}

static void on_brink_answered(void *ctx)
{
    if (!world.faults_over) {
        sim_say("node %u hears the mail servers", node_of(ctx));
        set_ways(node_of(ctx), SIM_LINK_WAY_WHOLE);
    }
}

static void on_brink_over(void *ctx)
{
    if (!world.faults_over) {
        sim_cluster_set_cut(node_of(ctx), SIM_CLUSTER_WHOLE);
    }
}

/* The answer to its beat comes when it is waited for but a little longer; of the mail servers it hears nothing until
 * others have sent what it has in hand. */
static void bring_to_the_brink(const struct sim_fault *fault)
{
    void *ctx = (void *)(uintptr_t)fault;
    uint64_t lease = sim_cluster_lease(), answered = (lease + SENT_AGAIN_MS) * SIM_MS + fault->amount;
    sim_say("node %u is brought to the brink of its lease", node_of(fault));
    sim_cluster_set_cut(node_of(fault), SIM_CLUSTER_STALLED);
    sim_after(store_lease_patience(lease) * SIM_MS * 9 / 10, on_brink_heard, ctx);
    sim_after(answered, on_brink_answered, ctx);
    sim_after(answered + 10 * SIM_SECOND, on_brink_over, ctx);
}

static void on_brink(void *ctx)
{
    if (!world.faults_over) {
        world.awaits[node_of(ctx)][SIM_CLUSTER_AT_BEAT] = ctx;
    }
}

/* Until then it has begun to send something. */
static void await_the_brink(const struct sim_fault *fault)
{
    set_ways(node_of(fault), SIM_LINK_WAY_NO_IN);
    sim_after(HAS_BEGUN, on_brink, (void *)(uintptr_t)fault);
}

static void begin_in_the_midst(const struct sim_fault *fault, unsigned moment)
{
    if (fault->kind == SIM_FAULT_BRINK) {
        bring_to_the_brink(fault);
    } else if (fault->kind == SIM_FAULT_FAILOVER) {
        lose_history(fault);
    } else if (fault->kind == SIM_FAULT_RELOAD && moment == SIM_CLUSTER_AT_ADD) {
        stop_in_limbo(node_of(fault));
    } else if (fault->kind == SIM_FAULT_RELOAD) {
        stop_node(node_of(fault));
    } else {
        on_node_fault(fault, true);
    }
}

static bool meet(unsigned node, unsigned moment)
{
    const struct sim_fault *fault = world.awaits[node][moment];
    world.awaits[node][moment] = NULL;
    if (fault != NULL) {
        begin_in_the_midst(fault, moment);
    }
    return fault != NULL;
}

/* Some of the batches over which the way breaks are lost. */
static bool on_moment(unsigned machine, enum sim_cluster_moment moment)
{
    const struct sim_fault *fault = world.awaits[machine][moment];
    return meet(machine, moment) && fault->kind == SIM_FAULT_STORE_CUT && fault->amount / 3 % 2 == 0;
}

static bool on_heard(unsigned machine)
{
    return meet(machine, AT_APPEND);
}

/* Whether it begins later, or has not begun by its end. */
static bool awaits_moment(const struct sim_fault *fault, bool begin)
{
    unsigned moment = moment_of(fault);
    if (moment == AT_ONCE) {
        return false;
    }
    const struct sim_fault **awaited = &world.awaits[node_of(fault)][moment];
    if (begin && fault->kind == SIM_FAULT_BRINK) {
        await_the_brink(fault);
        return true;
    }
    if (begin) {
        *awaited = fault;
        return true;
    }
    bool has_begun = *awaited != fault;
    bool ends_itself =
        fault->kind == SIM_FAULT_FAILOVER || fault->kind == SIM_FAULT_RELOAD || fault->kind == SIM_FAULT_BRINK;
    *awaited = has_begun || ends_itself ? *awaited : NULL;
    return !has_begun || ends_itself;
}

/* ---- all faults ---- */

static void on_fault(void *ctx, const struct sim_fault *fault, bool begin)
{
    struct sim_server *server = world.servers[fault->target];
    (void)ctx;
    if (awaits_moment(fault, begin)) {
        return;
    }
    switch (fault->kind) {
    case SIM_FAULT_SERVER_DOWN:
        sim_server_set_down(server, begin);
        break;
    case SIM_FAULT_THROTTLE:
        sim_server_set_throttled(server, begin);
        break;
    case SIM_FAULT_UIDVALIDITY:
        sim_server_renumber(server);
        break;
    case SIM_FAULT_CROWD:
        sim_server_crowd(server, (unsigned)fault->amount);
        break;
    case SIM_FAULT_OPERATOR:
        on_machine(node_of(fault), operate, (void *)(uintptr_t)fault);
        break;
    case SIM_FAULT_RELOAD: /* a node is stopped and started */
        if (begin) {
            stop_node(node_of(fault));
        }
        break;
    default:
        on_node_fault(fault, begin);
        break;
    }
}

/* ---- what must hold ---- */

static void check_now_and_then(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < CLIENTS; i++) {
        sim_client_check(world.clients[i]);
    }
    if (++world.checks % 2 == 0) {
        sim_index_check(false);
    }
    sim_after(CHECK_EVERY, check_now_and_then, NULL);
}

static void check_node(unsigned node)
{
    const struct world_life *life = &world.lives[node];
    struct dispatch_counts counts;
    struct gateway_state state;
    dispatch_count(gateway_dispatch(life->gateway), &counts);
    if (counts.active > 2 * SIM_ACTIVE) {
        sim_fail("%llu deliveries are in a node's memory, %u are allowed", (unsigned long long)counts.active,
                 2 * SIM_ACTIVE);
    }
    unsigned before = sim_machine_enter(node);
    gateway_state(life->gateway, &state);
    if (state.loads - state.loads_failed != world.loads[node]) {
        world.loads[node] = state.loads - state.loads_failed;
        sim_setup_taken();
    }
    if (state.last_load_good) {
        sim_setup_runs();
    }
    sim_machine_enter(before);
}

static bool never(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < NODES; i++) {
        if (world.lives[i].gateway != NULL) {
            check_node(i);
        }
    }
    return false;
}

static bool is_settled(void *ctx)
{
    struct store_counts counts = sim_cluster_count();
    never(ctx);
    if (!sim_clients_are_done(world.clients, CLIENTS)) {
        return false;
    }
    for (unsigned i = 0; i < NODES; i++) {
        if (world.lives[i].gateway == NULL) {
            return false;
        }
    }
    return counts.waiting == 0 && counts.held == 0 && counts.dead == 0;
}

/* ---- the end ---- */

/* No more than is needed: an operator's hands would wake what a gateway has forgotten. */
static void release_all(void *ctx)
{
    struct world_life *life = ctx;
    struct store_counts counts = sim_cluster_count();
    if (!world_life_runs(life)) {
        return;
    }
    if (counts.held > 0) {
        sim_operator_release_all(gateway_spool(life->gateway));
    }
    if (counts.dead > 0) {
        sim_operator_retry_dead(gateway_spool(life->gateway));
    }
    if (!world.resumed) {
        sim_operator_resume_all(gateway_spool(life->gateway));
        world.resumed = true;
    }
}

static void release_now_and_then(void *ctx)
{
    (void)ctx;
    struct world_life *life = some_life();
    if (life != NULL) {
        on_machine((unsigned)(life - world.lives), release_all, life);
    }
    sim_after(CHECK_EVERY, release_now_and_then, NULL);
}

static void make_all_well(void)
{
    sim_faults_end();
    world.faults_over = true;
    memset(world.awaits, 0, sizeof world.awaits);
    for (unsigned i = 0; i < 2; i++) {
        sim_server_set_down(world.servers[i], false);
        sim_server_set_throttled(world.servers[i], false);
    }
    for (unsigned i = 0; i < NODES; i++) {
        sim_cluster_set_cut(i, SIM_CLUSTER_WHOLE);
        sim_link_set_way(i, hosts[0], SIM_LINK_WAY_WHOLE);
        sim_link_set_way(i, hosts[1], SIM_LINK_WAY_WHOLE);
    }
    sim_setup_write_rules((unsigned)(sim_seed() % 2));
    sim_cluster_promote();
    sim_cluster_set_quorum(true);
    for (unsigned i = 0; i < CLIENTS; i++) {
        sim_client_behave(world.clients[i]);
    }
    release_now_and_then(NULL);
    sim_say("--- all is well from now on");
}

static void start_node(unsigned node)
{
    struct sim_random random;
    struct world_life *life = &world.lives[node];
    unsigned before = sim_machine_enter(node);
    sim_random_init(&random, sim_seed(), "skew", node);
    world_life_begin(life);
    life->on_started = on_started;
    life->on_crashed = on_crashed;
    life->on_drained = on_drained;
    life->on_not_started = on_not_started;
    if (sim_random_chance(&random, 50)) {
        sim_jump((int64_t)sim_random_between(&random, 0, 2 * SKEW_MOST_MS) - SKEW_MOST_MS);
    }
    world_life_start(life);
    sim_machine_enter(before);
}

static void build(void)
{
    sim_disk_begin(DISK, sim_faults_disk);
    sim_setup_set_nodes(NODES);
    sim_setup_begin();
    sim_cluster_begin();
    sim_cluster_watch(on_moment);
    sim_link_set_notice(NOTICED_BY);
    for (unsigned i = 0; i < 2; i++) {
        world.servers[i] = sim_server_new(i, hosts[i], SIM_CONNECTIONS);
        sim_server_set_prompt(world.servers[i]);
        sim_server_set_heard(world.servers[i], on_heard);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        world.clients[i] = sim_client_new(i, SIM_FAULTS_HORIZON / 2);
    }
}

void world_cluster(void)
{
    build();
    sim_faults_start(on_fault, NULL);
    for (unsigned i = 0; i < NODES; i++) {
        start_node(i);
    }
    sim_after(CHECK_EVERY, check_now_and_then, NULL);
    sim_run(never, NULL, SIM_FAULTS_HORIZON + 70 * (uint64_t)SIM_SECOND);
    make_all_well();
    if (sim_seed() % 2 == 0) {
        crash_node((unsigned)(sim_seed() / 2 % NODES));
    }
    world_life_end(is_settled, never, SETTLE_TIME, world.clients, CLIENTS);
}
