/*
 * spool_door - for tests of the spool: a store that fails, or is late, when the test says so. It is the model behind a door.
 */
#ifndef MAILWEIR_TESTS_SPOOL_DOOR_H
#define MAILWEIR_TESTS_SPOOL_DOOR_H

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "spool_fixture.h"
#include "store/model/model.h"
#include "store/store_ask.h"
#include "store/store_batch.h"

static struct {
    struct store_ops ops; /* the model's, but for what stands here */
    struct store *store;
    unsigned ask_fails; /* of the questions to come, so many are answered first; 0: all are */
    bool room_fails, lookers_fail;
    struct store_room room; /* told, when octets is set */
    unsigned commits_fail;  /* so many from now on, of operations of ... */
    int fail_kind;          /* ... this kind; -1: of any */
    enum fault_class fail_class;
    int beside_kind; /* operations of this kind could not write what goes with them; -1: none */
    bool revived;
    bool limbo;           /* what is committed is in limbo from now on */
    bool waits;           /* the next commit goes off when told: one ... */
    int wait_kind;        /* ... with an operation of this kind; -1: any */
    bool scrub_waits;     /* likewise a scrub */
    unsigned scrub_steps; /* of a round; 0: one */
    unsigned scrubs, measured;
    sem_t begun, may_go;
    bool claim_fails;
    const char *spoil;       /* a claimed item's: "envelope", "detail"; of rows: "counted"; or NULL */
    const char *chore_steps; /* of the next batch's chore: T, D and B; or NULL */
    unsigned chores, dropped;
    int pipe[2];
    bool mend_fails;
    const char *scrub_code;             /* why scrubs fail; NULL: they do not */
    const struct store_damage *damages; /* that the next scrub finds */
    size_t damage_count;
    pthread_mutex_t lock; /* the model is one thread's */
} door;

/* Set before set_up(): the store is one node's alone, which says nothing of itself. */
static bool door_is_alone;

/* What the clock is ahead of itself. */
static uint64_t ahead_ms;

uint64_t __real_net_now(const struct net_loop *loop);
uint64_t __wrap_net_now(const struct net_loop *loop);

uint64_t __wrap_net_now(const struct net_loop *loop)
{
    return __real_net_now(loop) + ahead_ms;
}

/* ---- the door ---- */

static inline int open_door(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    int result = model_store.open(store_r, options, fault);
    door.store = *store_r;
    door.store->ops = &door.ops;
    return result;
}

static inline int fail_here(struct fault *fault)
{
    fault_set(fault, FAULT_LOCAL, "eio", "test", "the store was told to fail");
    return -1;
}

struct spoiling {
    store_row_fn *fn;
    void *ctx;
};

/* The row without an envelope that can be read. */
static inline int spoil_row(void *ctx, const struct store_answer_row *row)
{
    const struct spoiling *spoiling = ctx;
    struct store_answer_row spoilt = *row;
    if (row->kind == STORE_ROW_MESSAGE) {
        spoilt.message.envelope = bytes_of("{no JSON");
    }
    return spoiling->fn(spoiling->ctx, &spoilt);
}

static inline int ask_door(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                           struct fault *fault)
{
    if (door.ask_fails > 0 && --door.ask_fails == 0) {
        return fail_here(fault);
    }
    pthread_mutex_lock(&door.lock);
    struct spoiling spoiling = {fn, ctx};
    bool spoils = door.spoil != NULL && strcmp(door.spoil, "counted") == 0;
    int result = model_store.ask(store, question, spoils ? spoil_row : fn, spoils ? &spoiling : ctx, fault);
    pthread_mutex_unlock(&door.lock);
    return result;
}

static inline int room_door(struct store *store, struct store_room *room_r, struct fault *fault)
{
    door.measured++;
    if (door.room_fails) {
        return fail_here(fault);
    }
    pthread_mutex_lock(&door.lock);
    int result = model_store.room(store, room_r, fault);
    pthread_mutex_unlock(&door.lock);
    *room_r = door.room.octets > 0 ? door.room : *room_r;
    return result;
}

static inline enum store_verdict commit_to_model(struct store *store, struct store_batch *batch)
{
    pthread_mutex_lock(&door.lock);
    enum store_verdict verdict = model_store.commit(store, batch);
    pthread_mutex_unlock(&door.lock);
    return verdict;
}

static inline bool has_kind(const struct store_batch *batch, int kind)
{
    LIST_EACH(link, &batch->ops)
    {
        if (kind < 0 || (int)LIST_ITEM(link, struct store_op, link)->kind == kind) {
            return true;
        }
    }
    return false;
}

/* A chore of the test's: it goes from lane to lane as its steps say. */
struct steps {
    struct store_chore chore;
    const char *left;
};

static inline void next_step(struct steps *steps)
{
    char step = *steps->left;
    steps->left += step != '\0';
    steps->chore.next = step == 'T'   ? STORE_CHORE_TIDY
                        : step == 'D' ? STORE_CHORE_DISK
                        : step == 'B' ? STORE_CHORE_BATCH
                                      : STORE_CHORE_DONE;
    steps->chore.op = (struct store_op){.kind = STORE_HEARD, .heard = {.id = ""}};
}

static inline void leave_chore(struct store_batch *batch)
{
    struct steps *steps = calloc(1, sizeof *steps);
    assert_non_null(steps);
    steps->left = door.chore_steps;
    door.chore_steps = NULL;
    next_step(steps);
    list_init(&steps->chore.link);
    list_append(&batch->chores, &steps->chore.link);
}

static inline void chore_door(struct store *store, struct store_chore *chore)
{
    (void)store;
    door.chores++;
    next_step(LIST_ITEM(chore, struct steps, chore));
}

static inline void drop_door(struct store *store, struct store_chore **chore)
{
    (void)store;
    door.dropped++;
    free(LIST_ITEM(*chore, struct steps, chore));
    *chore = NULL;
}

static inline void note_beside(struct store_batch *batch)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if ((int)op->kind == door.beside_kind) {
            fault_set(&op->beside, FAULT_LOCAL, "enospc", "test", "what goes with it could not be written");
            op->add.revived = op->kind == STORE_ADD_MESSAGE && door.revived;
        }
    }
}

static inline enum store_verdict commit_door(struct store *store, struct store_batch *batch)
{
    struct store_batch nothing;
    store_batch_init(&nothing);
    if (door.waits && batch->count > 0 && has_kind(batch, door.wait_kind)) {
        door.waits = false;
        sem_post(&door.begun);
        sem_wait(&door.may_go);
    }
    if (door.commits_fail > 0 && has_kind(batch, door.fail_kind)) {
        door.commits_fail--;
        disregard(commit_to_model(store, &nothing));
        batch->counts = nothing.counts;
        fault_set(&batch->fault, door.fail_class, "eio", "test", "the store was told to fail");
        store_batch_fail(batch, &batch->fault);
        return STORE_FAILED;
    }
    enum store_verdict verdict = commit_to_model(store, batch);
    note_beside(batch);
    if (door.chore_steps != NULL && batch->count > 0) {
        leave_chore(batch);
    }
    if (!door.limbo || batch->count == 0) {
        return verdict;
    }
    fault_set(&batch->fault, FAULT_LOCAL, "lost", "test", "the answer was lost");
    store_batch_fail(batch, &batch->fault);
    return STORE_IN_LIMBO;
}

static inline enum store_verdict resolve_door(struct store *store, struct store_batch *batch)
{
    (void)store;
    (void)batch;
    return door.limbo ? STORE_IN_LIMBO : STORE_COMMITTED;
}

static inline void spoil_item(void *ctx, const struct store_item *item)
{
    const struct store_claim *claim = ctx;
    struct store_item spoilt = *item;
    if (door.spoil != NULL && strcmp(door.spoil, "envelope") == 0) {
        spoilt.envelope = bytes_of("{no JSON");
    } else if (door.spoil != NULL && strcmp(door.spoil, "detail") == 0) {
        spoilt.detail = bytes_of("{no JSON");
    }
    claim->fn(claim->ctx, &spoilt);
}

static inline int claim_door(struct store *store, struct store_claim *claim, struct fault *fault)
{
    struct store_claim asked = *claim;
    asked.fn = spoil_item;
    asked.ctx = claim;
    pthread_mutex_lock(&door.lock);
    int result = model_store.claim(store, &asked, fault);
    pthread_mutex_unlock(&door.lock);
    claim->more = asked.more;
    claim->paused = asked.paused;
    claim->next_due_in_ms = asked.next_due_in_ms;
    return door.claim_fails ? fail_here(fault) : result; /* what it gave before is not to be relied on */
}

static inline ptrdiff_t body_door(struct store *store, struct store_body *body, uint64_t offset, void *into, size_t len,
                                  struct fault *fault)
{
    pthread_mutex_lock(&door.lock);
    ptrdiff_t got = model_store.body(store, body, offset, into, len, fault);
    pthread_mutex_unlock(&door.lock);
    return got;
}

static inline int scrub_door(struct store *store, struct store_scrub *scrub, struct fault *fault)
{
    (void)store;
    scrub->messages = scrub->read = 1;
    scrub->whole = door.scrub_steps == 0 || ++door.scrubs % door.scrub_steps == 0;
    if (door.scrub_waits) {
        door.scrub_waits = false;
        sem_post(&door.begun);
        sem_wait(&door.may_go);
    }
    for (size_t i = 0; i < door.damage_count; i++) {
        scrub->found(scrub->ctx, &door.damages[i]);
    }
    if (door.scrub_code == NULL) {
        return 0;
    }
    fault_set(fault, FAULT_LOCAL, door.scrub_code, "test", "the store was told to be torn");
    return -1;
}

static inline int mend_door(struct store *store, struct store_counts *counts_r, struct fault *fault)
{
    if (door.mend_fails) {
        return fail_here(fault);
    }
    pthread_mutex_lock(&door.lock);
    int result = model_store.mend(store, counts_r, fault);
    pthread_mutex_unlock(&door.lock);
    return result;
}

static inline int hint_door(struct store *store)
{
    (void)store;
    return door.pipe[0];
}

static inline void heed_door(struct store *store)
{
    char octets[16];
    (void)store;
    assert_true(read(door.pipe[0], octets, sizeof octets) > 0);
}

static inline int set_up(void **state)
{
    memset(&door, 0, sizeof door);
    ahead_ms = 0;
    door.fail_kind = door.beside_kind = door.wait_kind = -1;
    door.fail_class = FAULT_LOCAL;
    assert_int_equal(pipe(door.pipe), 0);
    pthread_mutex_init(&door.lock, NULL);
    sem_init(&door.begun, 0, 0);
    sem_init(&door.may_go, 0, 0);
    door.ops = model_store;
    door.ops.open = open_door;
    door.ops.ask = ask_door;
    door.ops.room = room_door;
    door.ops.commit = commit_door;
    door.ops.resolve = resolve_door;
    door.ops.claim = claim_door;
    door.ops.body = body_door;
    door.ops.scrub = scrub_door;
    door.ops.mend = mend_door;
    door.ops.chore = chore_door;
    door.ops.chore_drop = drop_door;
    door.ops.hint = hint_door;
    door.ops.heed = heed_door;
    door.ops.beat = door_is_alone ? NULL : model_store.beat;
    fixture_kind = &door.ops;
    return fixture_set_up(state);
}

static inline int tear_down(void **state)
{
    door.limbo = false;
    int result = fixture_tear_down(state);
    close(door.pipe[0]);
    close(door.pipe[1]);
    return result;
}

static inline void stop(void *loop)
{
    net_loop_stop(loop);
}

static inline void turn(struct fixture *fixture)
{
    net_defer(fixture->loop, stop, fixture->loop);
    net_loop_run(fixture->loop);
}

/* The commit that waits has begun. */
static inline void wait_for_begin(struct fixture *fixture)
{
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (sem_trywait(&door.begun) != 0) {
        turn(fixture);
    }
    net_timer_stop(fixture->deadline);
}

static inline void finish_all(struct fixture *fixture)
{
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

#endif
