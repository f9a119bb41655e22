/*
 * Tests of spool/ on a store that answers as only one far away does: a commit whose answer is lost and that was written
 * all the same; somebody else who changes the queue or a memo, and a hint of it. The store is the model behind a door of the test's.
 */
#include <semaphore.h>
#include <unistd.h>

#include "spool/spool_change.h"
#include "spool/spool_memo.h"
#include "spool_fixture.h"
#include "store/model/model.h"
#include "store/store_ask.h"
#include "store/store_batch.h"

static struct {
    struct store_ops ops;   /* the model's, but for what stands here */
    struct store *store;    /* the model, for whoever else writes to it */
    unsigned lost;          /* so many commits from now on lose their answers ... */
    bool of_finish;         /* ... of those that finish a delivery */
    bool unwritten;         /* ... and are not written */
    unsigned silent;        /* so often nobody knows what became of them */
    unsigned deaf;          /* so often it does not answer what is paused */
    unsigned asked, hinted; /* calls of resolve() and heed() */
    int pipe[2];
    bool waits; /* an answer of what is paused goes off when told */
    sem_t asked_pauses, may_answer;
} door;

static int open_door(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    int result = model_store.open(store_r, options, fault);
    door.store = *store_r;
    door.store->ops = &door.ops;
    return result;
}

static bool finishes(const struct store_batch *batch)
{
    bool found = false;
    LIST_EACH(link, &batch->ops)
    {
        found = found || LIST_ITEM(link, struct store_op, link)->kind == STORE_FINISH;
    }
    return found;
}

static enum store_verdict commit_door(struct store *store, struct store_batch *batch)
{
    struct store_batch nothing;
    store_batch_init(&nothing);
    bool is_lost = door.lost > 0 && batch->count > 0 && (!door.of_finish || finishes(batch));
    enum store_verdict verdict = model_store.commit(store, is_lost && door.unwritten ? &nothing : batch);
    if (!is_lost) {
        return verdict;
    }
    door.lost--;
    fault_set(&batch->fault, FAULT_LOCAL, "lost", "test", "the answer was lost");
    store_batch_fail(batch, &batch->fault);
    return STORE_IN_LIMBO;
}

static enum store_verdict resolve_door(struct store *store, struct store_batch *batch)
{
    (void)store;
    (void)batch;
    door.asked++;
    if (door.silent > 0) {
        door.silent--;
        return STORE_IN_LIMBO;
    }
    return door.unwritten ? STORE_FAILED : STORE_COMMITTED;
}

static int ask_door(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                    struct fault *fault)
{
    if (question->kind == STORE_ASK_PAUSES && door.deaf > 0) {
        door.deaf--;
        fault_set(fault, FAULT_TEMP, "down", "test", "the store does not answer");
        return -1;
    }
    int result = model_store.ask(store, question, fn, ctx, fault);
    if (door.waits && question->kind == STORE_ASK_PAUSES) {
        door.waits = false;
        sem_post(&door.asked_pauses);
        sem_wait(&door.may_answer);
    }
    return result;
}

static int hint_door(struct store *store)
{
    (void)store;
    return door.pipe[0];
}

static void heed_door(struct store *store)
{
    char octets[16];
    (void)store;
    door.hinted++;
    assert_true(read(door.pipe[0], octets, sizeof octets) > 0);
}

static int set_up(void **state)
{
    memset(&door, 0, sizeof door);
    assert_int_equal(pipe(door.pipe), 0);
    door.ops = model_store;
    door.ops.open = open_door;
    door.ops.commit = commit_door;
    door.ops.resolve = resolve_door;
    door.ops.ask = ask_door;
    sem_init(&door.asked_pauses, 0, 0);
    sem_init(&door.may_answer, 0, 0);
    door.ops.hint = hint_door;
    door.ops.heed = heed_door;
    fixture_kind = &door.ops;
    return fixture_set_up(state);
}

static int tear_down(void **state)
{
    int result = fixture_tear_down(state);
    close(door.pipe[0]);
    close(door.pipe[1]);
    return result;
}

/* ---- limbo ---- */

/* Nobody hears of it before it is known; then it is yes, and the delivery is offered as ever. */
static void test_written_though_the_answer_was_lost(void **state)
{
    struct fixture *fixture = *state;
    door.lost = 1;
    door.silent = 1;
    commit_and_wait(fixture, "kept", 1);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(door.asked, 2);
    assert_int_equal(fixture->item_count, 1);
    door.lost = 1;
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(fixture->failures, 0);
    commit_and_wait(fixture, "next", 1);
    assert_int_equal(counts(fixture).waiting, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_not_written(void **state)
{
    struct fixture *fixture = *state;
    door.lost = 1;
    door.unwritten = true;
    commit_and_wait(fixture, "lost", 1);
    assert_int_equal(fixture->failures, 1);
    assert_string_equal(fixture->fault.code, "lost");
    assert_int_equal(fixture->item_count, 0);
    assert_int_equal(counts(fixture).messages, 0);
}

/* What was claimed and handed out in a batch whose answer was lost is ours once it is known to be written. */
static void test_handed_out_though_the_answer_was_lost(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit_and_wait(fixture, "waits", 1);
    assert_int_equal(fetch(fixture, 10), 1); /* behind what was given back */
    finish_and_wait(fixture, SPOOL_DEFERRED, 0);
    door.lost = 1;
    assert_int_equal(fetch(fixture, 10), 1);
    assert_int_equal(door.asked, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(counts(fixture).waiting, 0);
}

static void stop(void *loop)
{
    net_loop_stop(loop);
}

static void on_filed(void *ctx, const struct fault *fault)
{
    bool *is_told = ctx;
    assert_null(fault);
    *is_told = true;
}

/* Who repeats a message hears how many of its deliveries are open: whoever waits for those has heard of all that were
 * settled before, though the answer to that came late. */
static void test_told_behind_what_was_in_limbo(void **state)
{
    struct fixture *fixture = *state;
    bool is_told = false;
    const struct spool_outcome filed = {.kind = SPOOL_FILED};
    fixture->window_ms = 60000;
    commit_and_wait(fixture, "comes twice", 1);
    door.lost = 1;
    door.of_finish = true;
    door.silent = 1;
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &filed, on_filed, &is_told);
    while (door.lost > 0) {
        net_defer(fixture->loop, stop, fixture->loop);
        net_loop_run(fixture->loop);
    }
    commit(fixture, bytes_of("comes twice"), 1, false);
    run_until(fixture, &fixture->answers, 2);
    assert_int_equal(fixture->failures, 0);
    assert_string_not_equal(fixture->repeated, "");
    assert_true(is_told);
}

/* ---- somebody else ---- */

static void on_wake(void *ctx, const char *upstream)
{
    struct fixture *fixture = ctx;
    assert_null(upstream);
    fixture->answers++;
    net_loop_stop(fixture->loop);
}

/* Nobody hears of it. */
static void write_elsewhere(struct store_op op)
{
    struct store_batch batch;
    store_batch_init(&batch);
    list_init(&op.link);
    store_batch_add(&batch, &op);
    assert_int_equal(model_store.commit(door.store, &batch), STORE_COMMITTED);
    list_remove(&op.link);
}

static void change_elsewhere(struct fixture *fixture, struct store_op op)
{
    unsigned answers = fixture->answers;
    write_elsewhere(op);
    assert_int_equal(write(door.pipe[1], "x", 1), 1);
    run_until(fixture, &fixture->answers, answers + 1);
}

/* Another node's operator pauses: what is received here from then on is not offered. */
static void test_paused_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    spool_set_wake(fixture->spool, on_wake, fixture);
    change_elsewhere(fixture, (struct store_op){.kind = STORE_PAUSE,
                                                .pause = {.upstream = "corp", .paused = true, .by = "somebody"}});
    assert_int_equal(door.hinted, 1);
    assert_true(spool_pause_of(fixture->spool, "corp").on);
    assert_string_equal(spool_pause_of(fixture->spool, "corp").by, "somebody");
    assert_false(spool_pause_of(fixture->spool, "other").on);
    commit_and_wait(fixture, "waits", 1);
    assert_int_equal(fixture->item_count, 0);
    change_elsewhere(fixture, (struct store_op){.kind = STORE_PAUSE, .pause = {.upstream = ""}});
    assert_int_equal(door.hinted, 2);
    assert_false(spool_pause_of(fixture->spool, "corp").on);
    assert_int_equal(fetch(fixture, 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* The store did not answer when it was asked what is paused now: it is asked again, though nothing else changes. */
static void test_paused_elsewhere_while_nobody_answers(void **state)
{
    struct fixture *fixture = *state;
    write_elsewhere((struct store_op){.kind = STORE_PAUSE, .pause = {.upstream = "corp", .paused = true, .by = "who"}});
    door.deaf = 1;
    assert_int_equal(write(door.pipe[1], "x", 1), 1);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (!spool_pause_of(fixture->spool, "corp").on) {
        net_defer(fixture->loop, stop, fixture->loop);
        net_loop_run(fixture->loop);
    }
    assert_int_equal(door.deaf, 0);
    net_timer_stop(fixture->deadline);
}

static struct {
    unsigned count;
    char upstream[20];
} remembered;

static void on_remembered(void *ctx, const char *upstream)
{
    struct fixture *fixture = ctx;
    assert_non_null(spool_memo(fixture->spool, upstream));
    remembered.count++;
    snprintf(remembered.upstream, sizeof remembered.upstream, "%s", upstream);
}

/* What another node remembers is found here, too: also of an upstream that was never heard of. */
static void test_remembered_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    spool_set_wake(fixture->spool, on_wake, fixture);
    spool_memo_watch(fixture->spool, on_remembered, fixture);
    remembered.count = 0;
    spool_memo_set(fixture->spool, "corp", "ours");
    commit_and_wait(fixture, "goes with the memo", 1);
    assert_int_equal(remembered.count, 0); /* nobody is told of his own */
    change_elsewhere(fixture, (struct store_op){.kind = STORE_MEMO, .memo = {"corp", "theirs"}});
    assert_string_equal(spool_memo(fixture->spool, "corp"), "theirs");
    assert_int_equal(remembered.count, 1);
    assert_string_equal(remembered.upstream, "corp");
    change_elsewhere(fixture, (struct store_op){.kind = STORE_MEMO, .memo = {"other", "theirs as well"}});
    assert_string_equal(spool_memo(fixture->spool, "other"), "theirs as well");
    assert_int_equal(remembered.count, 2); /* "corp" has not changed since */
    assert_string_equal(remembered.upstream, "other");
    assert_null(spool_memo(fixture->spool, "third"));
    spool_memo_set(fixture->spool, "corp", "ours");
    assert_string_equal(spool_memo(fixture->spool, "corp"), "ours");
    assert_int_equal(fixture->item_count, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void on_paused(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    assert_non_null(result);
    on_answer(ctx, fault);
}

/* What is written here while the store is asked is newer than its answer. */
static void test_written_here_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    spool_set_wake(fixture->spool, on_wake, fixture);
    write_elsewhere((struct store_op){.kind = STORE_MEMO, .memo = {"corp", "theirs"}});
    write_elsewhere((struct store_op){.kind = STORE_MEMO, .memo = {"other", "theirs"}});
    door.waits = true;
    assert_int_equal(write(door.pipe[1], "x", 1), 1);
    while (sem_trywait(&door.asked_pauses) != 0) {
        net_timer_start(fixture->deadline, DEADLINE_MS);
        net_defer(fixture->loop, stop, fixture->loop);
        net_loop_run(fixture->loop);
    }
    spool_memo_set(fixture->spool, "corp", "ours");
    spool_change_pause(fixture->spool, "corp", true, "us", on_paused, fixture);
    run_until(fixture, &fixture->answers, 1);
    sem_post(&door.may_answer);
    run_until(fixture, &fixture->answers, 2);
    assert_true(spool_pause_of(fixture->spool, "corp").on);
    assert_string_equal(spool_memo(fixture->spool, "corp"), "ours");
    assert_string_equal(spool_memo(fixture->spool, "other"), "theirs");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_written_though_the_answer_was_lost),
        TEST(test_not_written),
        TEST(test_handed_out_though_the_answer_was_lost),
        TEST(test_told_behind_what_was_in_limbo),
        TEST(test_paused_elsewhere),
        TEST(test_paused_elsewhere_while_nobody_answers),
        TEST(test_remembered_elsewhere),
        TEST(test_written_here_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
