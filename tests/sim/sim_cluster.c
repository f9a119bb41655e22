/*
 * sim_cluster - see sim_cluster.h.
 */
#include "sim_cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "sim.h"
#include "sim_disk.h"
#include "sim_faults.h"
#include "sim_fiber.h"
#include "sim_store.h"
#include "store/model/model.h"
#include "store/store_batch.h"
#include "store/store_lease.h"

/* One way of a question, and what comes on top when answers are slow: longer than a lease has to spare. */
#define TRIP_LEAST 200u
#define TRIP_MOST  (3 * SIM_MS)
#define SLOW_MOST  (14 * (uint64_t)SIM_SECOND)
/* Who reads waits so long for an answer (POSTGRESQL_WAIT_MS). */
#define PATIENCE   (30 * (uint64_t)SIM_SECOND)
#define STALL_STEP (200 * SIM_MS)

struct door {
    struct store store;
    unsigned machine;
    struct model_seat *seat;
    uint64_t group; /* of the last batch */
    bool looks;     /* beside the gateways */
};

static struct {
    struct store *primary;
    struct store *standby; /* what it has, while it does not hear the primary; NULL: the same */
    bool is_lost;          /* the primary, and nobody has taken its place */
    unsigned primaries;    /* that there were */
    enum sim_cluster_cut cuts[SIM_MACHINES];
    struct model_seat seats[SIM_MACHINES];
    sim_cluster_moment_fn *watcher; /* NULL: nobody */
} db;

static struct door *door_of(const struct store *store)
{
    return LIST_ITEM((struct store *)(uintptr_t)store, struct door, store);
}

static int64_t wall(void *ctx)
{
    (void)ctx;
    return sim_wall_right();
}

/* ---- the way there and back ---- */

static int fail(struct fault *fault, const char *code, const char *text)
{
    fault_set(fault, FAULT_LOCAL, code, "database", "%s", text);
    return -1;
}

static void travel(void)
{
    sim_fiber_sleep(sim_random_between(sim_gateway_random(), TRIP_LEAST, TRIP_MOST));
}

/* Whether it was no stall, or one that was over in time. No time passes while a gateway that ends waits for its lanes, so
 * what was slept counts, not the clock. */
static bool outlasts_stall(const struct door *door, uint64_t patience)
{
    for (uint64_t slept = 0; db.cuts[door->machine] == SIM_CLUSTER_STALLED && slept < patience; slept += STALL_STEP) {
        sim_fiber_sleep(STALL_STEP);
    }
    return db.cuts[door->machine] != SIM_CLUSTER_STALLED;
}

/* What is asked arrives at a database that works. */
static bool arrives(const struct door *door, uint64_t patience)
{
    if (door->looks) {
        return true;
    }
    travel();
    bool moves = outlasts_stall(door, patience);
    enum sim_cluster_cut cut = db.cuts[door->machine];
    return moves && !db.is_lost && cut != SIM_CLUSTER_CUT && cut != SIM_CLUSTER_CUT_REQUESTS;
}

/* It is heard of what this primary has done. */
static bool is_heard(const struct door *door, unsigned primary, uint64_t patience)
{
    if (door->looks) {
        return true;
    }
    if (db.cuts[door->machine] == SIM_CLUSTER_SLOW) {
        sim_fiber_sleep(sim_random_between(sim_gateway_random(), SIM_MS, SLOW_MOST));
    }
    travel();
    bool moves = outlasts_stall(door, patience);
    enum sim_cluster_cut cut = db.cuts[door->machine];
    return moves && db.primaries == primary && !db.is_lost && cut != SIM_CLUSTER_CUT && cut != SIM_CLUSTER_CUT_ANSWERS;
}

static uint64_t lease_of(const struct door *door)
{
    return store_lease_of(door->seat->lease_ms) * SIM_MS;
}

/* For what changes nothing: it is done when the answer is there. */
static int ask_there(const struct door *door, struct fault *fault)
{
    bool fails = !door->looks && sim_faults_disk(SIM_DISK_READ, "database") != 0;
    unsigned primary = db.primaries;
    if (fails || !arrives(door, PATIENCE) || !is_heard(door, primary, PATIENCE)) {
        return fail(fault, "down", "the database does not answer");
    }
    return 0;
}

/* Whether what was written is promised: the standby has it. */
static bool is_promised(void)
{
    return db.standby == NULL;
}

static bool tell_moment(const struct door *door, enum sim_cluster_moment moment)
{
    return db.watcher != NULL && !door->looks && db.watcher(door->machine, moment);
}

/* ---- commits ---- */

/* Whether it is lost. */
static bool tell_batch(const struct door *door, const struct store_batch *batch)
{
    static const struct {
        enum store_op_kind kind;
        enum sim_cluster_moment moment;
    } moments[] = {{STORE_HAND, SIM_CLUSTER_AT_CLAIM},
                   {STORE_ADD_MESSAGE, SIM_CLUSTER_AT_ADD},
                   {STORE_FINISH, SIM_CLUSTER_AT_FINISH}};
    bool is_lost = false;
    LIST_EACH(link, &batch->ops)
    {
        for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
            if (LIST_ITEM(link, struct store_op, link)->kind == moments[i].kind) {
                is_lost = tell_moment(door, moments[i].moment) || is_lost;
            }
        }
    }
    return is_lost;
}

static enum store_verdict end_in_limbo(struct store_batch *batch, const char *why)
{
    sim_say("batch %llu of epoch %llu is in limbo: %s", (unsigned long long)batch->own[1],
            (unsigned long long)batch->own[0], why);
    fail(&batch->fault, "lost", why);
    store_batch_fail(batch, &batch->fault);
    return STORE_IN_LIMBO;
}

static enum store_verdict end_failed(struct store_batch *batch, const char *why)
{
    sim_say("batch %llu of epoch %llu has failed: %s", (unsigned long long)batch->own[1],
            (unsigned long long)batch->own[0], why);
    fail(&batch->fault, "down", why);
    store_batch_fail(batch, &batch->fault);
    return STORE_FAILED;
}

/* Whoever was taken for dead joins again. False: it cannot write. */
static bool may_write(struct door *door)
{
    if (model_enter(db.primary, door->seat)) {
        return true;
    }
    if (!is_promised()) {
        return false;
    }
    uint64_t before = door->seat->epoch;
    model_join(db.primary, door->seat);
    sim_say("%s finds epoch %llu ended and joins as %llu", door->seat->name, (unsigned long long)before,
            (unsigned long long)door->seat->epoch);
    return model_enter(db.primary, door->seat);
}

static void name_batch(struct door *door, struct store_batch *batch)
{
    batch->own[0] = door->seat->epoch;
    batch->own[1] = ++door->group;
}

static enum store_verdict commit(struct store *store, struct store_batch *batch)
{
    struct door *door = door_of(store);
    bool refuses = sim_faults_disk(SIM_DISK_WRITE, "database") != 0;
    name_batch(door, batch);
    if (refuses) {
        return end_failed(batch, "the database refuses");
    }
    if (!arrives(door, lease_of(door))) {
        bool is_certain = sim_random_chance(sim_gateway_random(), 50);
        return is_certain ? end_failed(batch, "no connection") : end_in_limbo(batch, "the connection broke");
    }
    if (!may_write(door)) {
        return end_failed(batch, "the fence is gone");
    }
    name_batch(door, batch);
    if (tell_batch(door, batch)) {
        return end_in_limbo(batch, "the connection broke over it");
    }
    unsigned primary = db.primaries;
    model_note_key(db.primary, batch->own[0], batch->own[1]);
    enum store_verdict verdict = db.primary->ops->commit(db.primary, batch);
    bool answer_lost = sim_faults_disk(SIM_DISK_SYNC, "database") != 0;
    sim_faults_disk(SIM_DISK_NAME, "database"); /* it is durable, and nobody has heard */
    if (!is_heard(door, primary, lease_of(door)) || answer_lost) {
        return end_in_limbo(batch, "the answer is lost");
    }
    if (!is_promised()) {
        return end_in_limbo(batch, "the standby does not have it");
    }
    return verdict;
}

static enum store_verdict resolve(struct store *store, struct store_batch *batch)
{
    struct door *door = door_of(store);
    if (!arrives(door, lease_of(door))) {
        return STORE_IN_LIMBO;
    }
    unsigned primary = db.primaries;
    bool written = model_ask_key(db.primary, batch->own[0], batch->own[1]);
    if (!is_heard(door, primary, lease_of(door)) || !is_promised()) {
        return STORE_IN_LIMBO;
    }
    sim_say("batch %llu of epoch %llu was%s written", (unsigned long long)batch->own[1],
            (unsigned long long)batch->own[0], written ? "" : " not");
    return written ? STORE_COMMITTED : STORE_FAILED;
}

/* ---- questions ---- */

static int claim(struct store *store, struct store_claim *wanted, struct fault *fault)
{
    struct door *door = door_of(store);
    if (ask_there(door, fault) != 0) {
        return -1;
    }
    disregard(model_enter(db.primary, door->seat)); /* to look is no harm */
    return db.primary->ops->claim(db.primary, wanted, fault);
}

static ptrdiff_t body(struct store *store, struct store_body *wanted, uint64_t offset, void *into, size_t len,
                      struct fault *fault)
{
    return ask_there(door_of(store), fault) != 0 ? -1
                                                 : db.primary->ops->body(db.primary, wanted, offset, into, len, fault);
}

static int ask(struct store *store, const struct store_question *question,
               int (*fn)(void *ctx, const struct store_answer_row *row), void *ctx, struct fault *fault)
{
    return ask_there(door_of(store), fault) != 0 ? -1 : db.primary->ops->ask(db.primary, question, fn, ctx, fault);
}

static int beat(struct store *store, struct store_beat *beat, struct fault *fault)
{
    struct door *door = door_of(store);
    uint64_t patience = store_lease_patience(store_lease_of(door->seat->lease_ms)) * SIM_MS;
    if (!arrives(door, patience)) {
        return fail(fault, "down", "the database does not answer");
    }
    disregard(tell_moment(door, SIM_CLUSTER_AT_BEAT));
    unsigned primary = db.primaries;
    const struct model_seat before = *door->seat;
    model_beat(db.primary, door->seat, beat);
    if (!is_heard(door, primary, patience) || !is_promised()) {
        /* What a node has not heard is still news to it. */
        door->seat->changed = before.changed;
        door->seat->memos = before.memos;
        return fail(fault, "down", "the database does not answer");
    }
    return 0;
}

static int room(struct store *store, struct store_room *room_r, struct fault *fault)
{
    (void)store;
    (void)fault;
    *room_r = (struct store_room){.octets = sim_disk_capacity() - sim_disk_used(), .inodes = 100000};
    return 0;
}

static int hint(struct store *store)
{
    (void)store;
    return -1;
}

static const char *warning(const struct store *store)
{
    (void)store;
    return NULL;
}

/* ---- uploads and chores ---- */

static struct store_upload *upload(struct store *store)
{
    (void)store;
    return model_store.upload(db.primary);
}

static int upload_write(struct store *store, struct store_upload *into, struct bytes data, struct fault *fault)
{
    (void)store;
    return model_store.upload_write(db.primary, into, data, fault);
}

static ptrdiff_t upload_read(struct store_upload *from, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    return model_store.upload_read(from, offset, into, len, fault);
}

static void upload_free(struct store *store, struct store_upload **old, bool leave)
{
    (void)store;
    model_store.upload_free(db.primary, old, leave);
}

static int scrub(struct store *store, struct store_scrub *wanted, struct fault *fault)
{
    (void)store;
    return model_store.scrub(db.primary, wanted, fault);
}

static int mend(struct store *store, struct store_counts *counts_r, struct fault *fault)
{
    (void)store;
    return model_store.mend(db.primary, counts_r, fault);
}

static void chore(struct store *store, struct store_chore *none)
{
    (void)store;
    model_store.chore(db.primary, none);
}

static void chore_drop(struct store *store, struct store_chore **none)
{
    (void)store;
    model_store.chore_drop(db.primary, none);
}

/* ---- the door ---- */

static const struct store_ops *of_cluster(void);

static struct store *open_door(unsigned machine, bool looks)
{
    struct door *door = expect_calloc(1, sizeof *door);
    *door = (struct door){.store.ops = of_cluster(), .machine = machine, .seat = &db.seats[machine], .looks = looks};
    return &door->store;
}

static bool can_reach(unsigned machine)
{
    return !db.is_lost && is_promised() && db.cuts[machine] == SIM_CLUSTER_WHOLE;
}

static int open_store(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    unsigned machine = sim_machine();
    (void)options;
    if (!can_reach(machine)) {
        return fail(fault, "down", "the database does not answer");
    }
    model_join(db.primary, &db.seats[machine]);
    sim_say("%s joins as %llu", db.seats[machine].name, (unsigned long long)db.seats[machine].epoch);
    *store_r = open_door(machine, false);
    return 0;
}

static int look(struct store **store_r, const char *path, struct fault *fault)
{
    (void)path;
    (void)fault;
    *store_r = open_door(0, true);
    return 0;
}

static void close_door(struct store *store)
{
    struct door *door = door_of(store);
    if (!door->looks && can_reach(door->machine)) {
        model_leave(db.primary, door->seat);
    }
    free(door);
}

static const struct store_ops ops = {
    .name = "cluster",
    .open = open_store,
    .look = look,
    .close = close_door,
    .commit = commit,
    .resolve = resolve,
    .claim = claim,
    .body = body,
    .ask = ask,
    .room = room,
    .hint = hint,
    .beat = beat,
    .warning = warning,
    .upload = upload,
    .upload_write = upload_write,
    .upload_read = upload_read,
    .upload_free = upload_free,
    .scrub = scrub,
    .mend = mend,
    .chore = chore,
    .chore_drop = chore_drop,
};

static const struct store_ops *of_cluster(void)
{
    return &ops;
}

void sim_cluster_begin(void)
{
    static const uint64_t leases_ms[] = {0, 6000, 8000, 45000, 45000};
    const struct store_options own = {.path = "", .wall = wall};
    struct sim_random random;
    sim_random_init(&random, sim_seed(), "cluster", 0);
    EXPECT(model_store.open(&db.primary, &own, NULL) == 0);
    uint64_t lease_ms = leases_ms[sim_random_between(&random, 0, sizeof leases_ms / sizeof leases_ms[0] - 1)];
    for (unsigned i = 0; i < SIM_MACHINES; i++) {
        snprintf(db.seats[i].name, sizeof db.seats[i].name, "node %u", i);
        db.seats[i].lease_ms = lease_ms;
    }
    sim_store_use(&ops);
}

uint64_t sim_cluster_lease(void)
{
    return store_lease_of(db.seats[0].lease_ms);
}

struct store_counts sim_cluster_count(void)
{
    struct store_counts counts;
    EXPECT(model_store.mend(db.primary, &counts, NULL) == 0);
    return counts;
}

/* ---- what goes wrong ---- */

void sim_cluster_watch(sim_cluster_moment_fn *fn)
{
    db.watcher = fn;
}

void sim_cluster_set_cut(unsigned machine, enum sim_cluster_cut cut)
{
    db.cuts[machine] = cut;
}

void sim_cluster_set_quorum(bool has)
{
    if (!has && db.standby == NULL && !db.is_lost) {
        db.standby = model_copy(db.primary);
    } else if (has && db.standby != NULL && !db.is_lost) {
        db.standby->ops->close(db.standby);
        db.standby = NULL;
    }
}

void sim_cluster_lose_primary(void)
{
    db.is_lost = true;
    db.primaries++;
}

void sim_cluster_promote(void)
{
    if (db.is_lost && db.standby != NULL) {
        sim_say("what the primary had and its standby had not is lost");
        db.primary->ops->close(db.primary);
        db.primary = db.standby;
        db.standby = NULL;
    }
    db.is_lost = false;
}
