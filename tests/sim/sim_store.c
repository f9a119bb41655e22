/*
 * sim_store - see sim_store.h. One model for the whole world; each life opens a door of its own to it.
 */
#include "sim_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim.h"
#include "sim_disk.h"
#include "sim_faults.h"
#include "store/local/local.h"
#include "store/model/model.h"
#include "store/store_batch.h"

/* With less room than this nothing is written. */
#define ROOM_LEAST 200000u
/* Whoever asks what became of a commit hears "nobody knows" so often at most. */
#define SILENT_MOST 4

struct door {
    struct store store;
    struct store *model;
    bool looks; /* beside the gateway */
};

/* A batch whose answer was lost. */
struct lost {
    struct list link;
    const struct store_batch *batch;
    bool written;
    unsigned silent; /* answers that say nothing */
    unsigned life;
};

/* An upload that lacks a part: what comes of it is refused, as the door says. */
struct broken {
    struct list link;
    const struct store_upload *upload;
};

static struct {
    bool model;
    const struct store_ops *other; /* or NULL */
    struct list broken;
    struct store *kept; /* the model, as it was left */
    struct list lost;
} chosen = {.lost = {&chosen.lost, &chosen.lost}, .broken = {&chosen.broken, &chosen.broken}};

static struct door *door_of(const struct store *store)
{
    return LIST_ITEM((struct store *)(uintptr_t)store, struct door, store);
}

/* ---- faults ---- */

static int fail(struct fault *fault, const char *code, const char *text)
{
    fault_set(fault, FAULT_LOCAL, code, "store", "%s", text);
    return -1;
}

static int try_read(const struct door *door, struct fault *fault)
{
    bool fails = !door->looks && sim_faults_disk(SIM_DISK_READ, "store") != 0;
    return fails ? fail(fault, "eio", "the store does not answer") : 0;
}

static bool has_room(void)
{
    return sim_disk_capacity() - sim_disk_used() >= ROOM_LEAST;
}

/* ---- commits ---- */

static enum store_verdict lose_answer(struct store_batch *batch, bool written)
{
    struct lost *lost = expect_calloc(1, sizeof *lost);
    *lost = (struct lost){.batch = batch,
                          .written = written,
                          .silent = (unsigned)sim_random_between(sim_gateway_random(), 0, SILENT_MOST),
                          .life = sim_life()};
    list_init(&lost->link);
    list_append(&chosen.lost, &lost->link);
    sim_say("the answer to a commit of %zu is lost; it was %s", batch->count, written ? "written" : "not written");
    fail(&batch->fault, "lost", "the answer to a commit was lost");
    store_batch_fail(batch, &batch->fault);
    return STORE_IN_LIMBO;
}

static struct broken *find_broken(const struct store_upload *wanted)
{
    LIST_EACH(link, &chosen.broken)
    {
        struct broken *broken = LIST_ITEM(link, struct broken, link);
        if (broken->upload == wanted) {
            return broken;
        }
    }
    return NULL;
}

static void refuse_broken(struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (op->kind == STORE_ADD_MESSAGE && op->add.upload != NULL && find_broken(op->add.upload) != NULL) {
            fault_set(&op->fault, FAULT_LOCAL, "eio", "store", "a part of the body was not taken");
        }
    }
}

static enum store_verdict commit(struct store *store, struct store_batch *batch)
{
    struct store *model = door_of(store)->model;
    refuse_broken(batch);
    /* What it counts is told whatever becomes of it. */
    struct store_batch nothing;
    store_batch_init(&nothing);
    if (!has_room() || sim_faults_disk(SIM_DISK_WRITE, "store") != 0) {
        model->ops->commit(model, &nothing);
        batch->counts = nothing.counts;
        fail(&batch->fault, has_room() ? "eio" : "enospc", "the store writes nothing");
        store_batch_fail(batch, &batch->fault);
        return STORE_FAILED;
    }
    bool answer_lost = sim_faults_disk(SIM_DISK_SYNC, "store") != 0;
    bool written = !answer_lost || sim_random_chance(sim_gateway_random(), 50);
    enum store_verdict verdict = model->ops->commit(model, written ? batch : &nothing);
    batch->counts = written ? batch->counts : nothing.counts;
    if (answer_lost) {
        return lose_answer(batch, written);
    }
    sim_faults_disk(SIM_DISK_NAME, "store"); /* it is durable, and nobody has heard */
    return verdict;
}

static enum store_verdict resolve(struct store *store, struct store_batch *batch)
{
    (void)store;
    LIST_EACH(link, &chosen.lost)
    {
        struct lost *lost = LIST_ITEM(link, struct lost, link);
        if (lost->batch != batch || lost->life != sim_life()) {
            continue;
        }
        if (lost->silent > 0) {
            lost->silent--;
            return STORE_IN_LIMBO;
        }
        bool written = lost->written;
        list_remove(&lost->link);
        free(lost);
        return written ? STORE_COMMITTED : STORE_FAILED;
    }
    sim_fail("somebody asks what became of a batch whose verdict he was told");
}

/* ---- questions ---- */

static int claim(struct store *store, struct store_claim *wanted, struct fault *fault)
{
    struct door *door = door_of(store);
    return try_read(door, fault) != 0 ? -1 : door->model->ops->claim(door->model, wanted, fault);
}

static ptrdiff_t body(struct store *store, struct store_body *wanted, uint64_t offset, void *into, size_t len,
                      struct fault *fault)
{
    struct door *door = door_of(store);
    return try_read(door, fault) != 0 ? -1 : door->model->ops->body(door->model, wanted, offset, into, len, fault);
}

static int ask(struct store *store, const struct store_question *question,
               int (*fn)(void *ctx, const struct store_answer_row *row), void *ctx, struct fault *fault)
{
    struct door *door = door_of(store);
    return try_read(door, fault) != 0 ? -1 : door->model->ops->ask(door->model, question, fn, ctx, fault);
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
    struct store *model = door_of(store)->model;
    return model->ops->hint(model);
}

static const char *warning(const struct store *store)
{
    (void)store;
    return NULL;
}

/* ---- uploads and chores ---- */

static struct store_upload *upload(struct store *store)
{
    return door_of(store)->model->ops->upload(door_of(store)->model);
}

static int upload_write(struct store *store, struct store_upload *into, struct bytes data, struct fault *fault)
{
    if (find_broken(into) != NULL || !has_room() || sim_faults_disk(SIM_DISK_WRITE, "upload") != 0) {
        if (find_broken(into) == NULL) {
            struct broken *broken = expect_calloc(1, sizeof *broken);
            broken->upload = into;
            list_init(&broken->link);
            list_append(&chosen.broken, &broken->link);
        }
        return fail(fault, has_room() ? "eio" : "enospc", "the store takes nothing");
    }
    return door_of(store)->model->ops->upload_write(door_of(store)->model, into, data, fault);
}

static ptrdiff_t upload_read(struct store_upload *from, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    return model_store.upload_read(from, offset, into, len, fault);
}

static void upload_free(struct store *store, struct store_upload **old, bool leave)
{
    struct broken *broken = *old == NULL ? NULL : find_broken(*old);
    if (broken != NULL) {
        list_remove(&broken->link);
        free(broken);
    }
    door_of(store)->model->ops->upload_free(door_of(store)->model, old, leave);
}

static int scrub(struct store *store, struct store_scrub *wanted, struct fault *fault)
{
    return door_of(store)->model->ops->scrub(door_of(store)->model, wanted, fault);
}

static int mend(struct store *store, struct store_counts *counts_r, struct fault *fault)
{
    return door_of(store)->model->ops->mend(door_of(store)->model, counts_r, fault);
}

static void chore(struct store *store, struct store_chore *none)
{
    door_of(store)->model->ops->chore(door_of(store)->model, none);
}

static void chore_drop(struct store *store, struct store_chore **none)
{
    door_of(store)->model->ops->chore_drop(door_of(store)->model, none);
}

/* ---- the door ---- */

static int64_t wall(void *ctx)
{
    (void)ctx;
    return sim_wall();
}

static const struct store_ops *on_model(void);

static struct store *open_door(bool looks)
{
    struct door *door = expect_calloc(1, sizeof *door);
    *door = (struct door){.store.ops = on_model(), .model = chosen.kept, .looks = looks};
    return &door->store;
}

/* Whoever had it before has died: the first life apart, an orderly end looks no different. */
static int open_store(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    (void)options;
    const struct store_options own = {.path = "", .wall = wall};
    if (sim_faults_disk(SIM_DISK_READ, "store") != 0) {
        return fail(fault, "eio", "the store does not answer");
    }
    if (chosen.kept == NULL) {
        EXPECT(model_store.open(&chosen.kept, &own, fault) == 0);
    } else {
        model_crash(chosen.kept);
    }
    *store_r = open_door(false);
    return 0;
}

static int look(struct store **store_r, const char *path, struct fault *fault)
{
    if (chosen.kept == NULL) {
        return fail(fault, "enoent", path);
    }
    *store_r = open_door(true);
    return 0;
}

static void close_door(struct store *store)
{
    free(door_of(store));
}

static const struct store_ops ops = {
    .name = "model",
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

static const struct store_ops *on_model(void)
{
    return &ops;
}

void sim_store_choose(bool model)
{
    chosen.model = model;
}

void sim_store_use(const struct store_ops *store)
{
    chosen.other = store;
}

const struct store_ops *sim_store(void)
{
    return chosen.other != NULL ? chosen.other : chosen.model ? &ops : &local_store;
}
