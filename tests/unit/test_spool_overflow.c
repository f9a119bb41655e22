/*
 * Tests of spool/spool_overflow: which spool takes a message, and what is handed over, over every trouble on the way. The first spool is the model behind a
 * door; the overflow is kept on a disk.
 */
#include "spool/spool_overflow.h"

#include "spool_door.h"

#define SECOND UINT64_C(1000)

uint64_t __wrap_net_now(const struct net_loop *loop); /* the door's */

static struct {
    struct spool_overflow *overflow;
    unsigned committed;
    struct fault fault;
    uint64_t window_ms;
    struct fixture *fixture;
} w;

/* What the overflow is kept in: the local store, but for what is to fail or to wait. */
static struct {
    struct store_ops ops;
    bool ask_fails, body_fails, look_fails, drop_fails;
    bool forgets; /* messages that were found are not known any more */
    bool waits;   /* the next question or piece goes off when told */
    sem_t begun, may_go;
} kept;

static void wait_if_told(void)
{
    if (kept.waits) {
        kept.waits = false;
        sem_post(&kept.begun);
        sem_wait(&kept.may_go);
    }
}

static int open_kept(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    int result = local_store.open(store_r, options, fault);
    if (result == 0) {
        (*store_r)->ops = &kept.ops;
    }
    return result;
}

static int look_at_kept(struct store **store_r, const char *path, struct fault *fault)
{
    int result = kept.look_fails ? fail_here(fault) : local_store.look(store_r, path, fault);
    if (result == 0) {
        (*store_r)->ops = &kept.ops;
    }
    return result;
}

static int ask_kept(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                    struct fault *fault)
{
    wait_if_told();
    if (question->kind == STORE_ASK_STORY && kept.forgets) {
        return 0;
    }
    bool is_ours = question->kind == STORE_ASK_LIST || question->kind == STORE_ASK_STORY;
    return kept.ask_fails && is_ours ? fail_here(fault) : local_store.ask(store, question, fn, ctx, fault);
}

static ptrdiff_t body_kept(struct store *store, struct store_body *body, uint64_t offset, void *into, size_t len,
                           struct fault *fault)
{
    wait_if_told();
    return kept.body_fails ? fail_here(fault) : local_store.body(store, body, offset, into, len, fault);
}

static enum store_verdict commit_kept(struct store *store, struct store_batch *batch)
{
    if (!kept.drop_fails || !has_kind(batch, STORE_SET_STATE)) {
        return local_store.commit(store, batch);
    }
    struct store_batch nothing;
    store_batch_init(&nothing);
    local_store.commit(store, &nothing);
    batch->counts = nothing.counts;
    disregard(fail_here(&batch->fault));
    store_batch_fail(batch, &batch->fault);
    return STORE_FAILED;
}

static uint64_t window_of(void *ctx, const char *listener)
{
    (void)ctx;
    return listener != NULL && strcmp(listener, "apps") == 0 ? w.window_ms : 0;
}

static void open_overflow(void)
{
    char path[300];
    struct fault fault = FAULT_INIT;
    snprintf(path, sizeof path, "%s/overflow", w.fixture->path);
    const struct spool_overflow_options options = {
        .to = w.fixture->spool, .store = &kept.ops, .path = path, .minimum_free = 1, .window = window_of};
    if (spool_overflow_open(&w.overflow, w.fixture->loop, &options, NULL, &fault) != 0) {
        fail_msg("%s: %s", fault.code, fault.text);
    }
}

static int begin(void **state)
{
    memset(&w, 0, sizeof w);
    memset(&kept, 0, sizeof kept);
    sem_init(&kept.begun, 0, 0);
    sem_init(&kept.may_go, 0, 0);
    kept.ops = local_store;
    kept.ops.open = open_kept;
    kept.ops.look = look_at_kept;
    kept.ops.ask = ask_kept;
    kept.ops.body = body_kept;
    kept.ops.commit = commit_kept;
    door_is_alone = true;
    int result = set_up(state);
    w.fixture = *state;
    w.fixture->takes = false;
    open_overflow();
    return result;
}

static void close_all(void)
{
    spool_overflow_stop(w.overflow);
    spool_close(&w.fixture->spool);
    spool_overflow_close(&w.overflow);
}

static int end(void **state)
{
    close_all();
    return tear_down(state);
}

/* ---- steps ---- */

static void on_committed(void *ctx, const struct fault *fault)
{
    (void)ctx;
    w.committed++;
    w.fault = fault == NULL ? FAULT_INIT : *fault;
    net_loop_stop(w.fixture->loop);
}

/* A message with two deliveries, the second held, of a body of so many octets. */
static void put(struct spool *spool, const char *id, size_t size)
{
    struct mail_recipient to = {.address = "to@example.net"};
    struct mail_envelope envelope = {.id = id,
                                     .received_ms = net_wall(w.fixture->loop),
                                     .from = "from@example.org",
                                     .message_id = "<m@example.org>",
                                     .client = {.listener = "apps"},
                                     .to = &to,
                                     .to_count = 1};
    const struct mail_delivery deliveries[] = {
        {.number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r"},
        {.number = 2, .upstream = "corp", .folder = "Held", .rule = "r", .held = true}};
    struct spool_stage *stage = spool_stage_new(spool, NULL, NULL);
    char *body = calloc(1, size);
    assert_non_null(body);
    memset(body, 'x', size);
    for (size_t at = 0; at < size; at += 60000) {
        disregard(spool_stage_write(stage, bytes_at(body + at, size - at < 60000 ? size - at : 60000)));
    }
    free(body);
    unsigned before = w.committed;
    spool_commit(&stage, &envelope, deliveries, 2, on_committed, NULL);
    run_until(w.fixture, &w.committed, before + 1);
}

static struct spool *choose(void)
{
    struct fault fault = FAULT_INIT;
    return spool_overflow_choose(w.overflow, 100, &fault);
}

static struct spool_overflow_state state_of(void)
{
    struct spool_overflow_state state;
    spool_overflow_state(w.overflow, &state);
    return state;
}

/* The first spool fails from now on; what comes goes to the overflow. */
static struct spool *fail_first(void)
{
    door.commits_fail = UINT32_MAX;
    door.fail_kind = -1;
    put(w.fixture->spool, "01TESTFA1LED00000000000000", 10);
    assert_true(fault_is_set(&w.fault));
    struct spool *spool = choose();
    assert_true(spool != NULL && spool != w.fixture->spool);
    return spool;
}

static bool is_empty(void)
{
    return state_of().messages == 0;
}

static bool is_measured(void)
{
    uint64_t octets, minimum;
    spool_room(w.fixture->spool, &octets, &minimum);
    return octets == door.room.octets;
}

static bool is_unused(void)
{
    return !state_of().in_use;
}

static bool is_stuck(void)
{
    struct spool_overflow_state state = state_of();
    return fault_is_set(&state.fault);
}

static void run_while_not(bool (*what)(void))
{
    net_timer_start(w.fixture->deadline, DEADLINE_MS);
    while (!what()) {
        turn(w.fixture);
    }
    net_timer_stop(w.fixture->deadline);
}

/* It answers again, and has been waited out. */
static void mend_first(void)
{
    ahead_ms += 10 * SECOND;
    door.commits_fail = 0;
    put(w.fixture->spool, "01TESTMENDED00000000000000", 10);
    assert_false(fault_is_set(&w.fault));
    ahead_ms += 10 * SECOND; /* something else may have failed just before */
    assert_ptr_equal(choose(), w.fixture->spool);
}

/* ---- tests ---- */

static void test_the_first_one_takes_what_it_can(void **state)
{
    (void)state;
    assert_ptr_equal(choose(), w.fixture->spool);
    assert_false(state_of().in_use);
    struct spool *overflow = fail_first();
    assert_true(state_of().in_use && state_of().takes);
    assert_string_equal(state_of().fault.code, "eio");
    assert_true(state_of().since_ms > 0);
    put(overflow, "01TEST00000000000000000001", 10);
    assert_int_equal(state_of().messages, 1);
    /* Time alone mends nothing: only that it answers does. */
    ahead_ms += 10 * SECOND;
    assert_ptr_equal(choose(), overflow);
    mend_first();
    run_while_not(is_empty);
    assert_int_equal(state_of().handed_over, 1);
    assert_false(state_of().in_use);
}

static void test_what_is_handed_over_is_what_was_taken(void **state)
{
    struct fixture *fixture = *state;
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 500000);
    put(overflow, "01TEST00000000000000000002", 10);
    mend_first();
    run_while_not(is_empty);
    assert_int_equal(counts(fixture).held, 3); /* with the one that mended it */
    assert_int_equal(fetch(fixture, 10), 3);
    bool is_there = false;
    for (size_t i = 0; i < fixture->item_count; i++) {
        struct spool_item *item = fixture->items[i];
        if (item->body_size == 500000) {
            is_there = true;
            assert_string_equal(item->id, "01TEST00000000000000000001.1");
            assert_string_equal(item->envelope.from, "from@example.org");
            assert_string_equal(item->envelope.client.listener, "apps");
            assert_string_equal(item->delivery.folder, "INBOX");
            assert_false(item->uncertain);
            struct bytes piece = read_item(fixture, item, 499990, 100);
            assert_int_equal(piece.len, 10);
            assert_memory_equal(piece.ptr, "xxxxxxxxxx", 10);
        }
    }
    assert_true(is_there);
    finish_all(fixture);
}

/* A crash between the two: it is durable where it belongs, and still here. */
static void test_it_is_not_taken_twice(void **state)
{
    struct fixture *fixture = *state;
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 10);
    mend_first();
    put(w.fixture->spool, "01TEST00000000000000000001", 10);
    run_while_not(is_empty);
    assert_int_equal(counts(fixture).messages, 2);
    assert_int_equal(counts(fixture).waiting, 2);
}

/* What the run before has left may have been handed over, and forgotten since: it is looked for before it is sent. */
static void test_what_a_run_before_has_left_is_looked_for(void **state)
{
    struct fixture *fixture = *state;
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 10);
    spool_overflow_stop(w.overflow);
    spool_overflow_close(&w.overflow);
    ahead_ms += 10 * SECOND;
    door.commits_fail = 0;
    put(w.fixture->spool, "01TESTMENDED00000000000000", 10);
    open_overflow();
    run_while_not(is_empty);
    assert_int_equal(fetch(fixture, 10), 2);
    for (size_t i = 0; i < fixture->item_count; i++) {
        bool is_ours = strncmp(fixture->items[i]->id, "01TEST0", 7) == 0;
        assert_int_equal(fixture->items[i]->uncertain, is_ours);
    }
    finish_all(fixture);
}

/* A message that was sent again, because its sender did not hear whether the first was kept, is that one. */
static void test_what_was_sent_again_is_recognised(void **state)
{
    struct fixture *fixture = *state;
    w.window_ms = 3600 * SECOND;
    struct mail_recipient to = {.address = "to@example.net"};
    struct mail_envelope envelope = {.id = "01TESTF1RST000000000000000",
                                     .received_ms = net_wall(fixture->loop),
                                     .from = "from@example.org",
                                     .message_id = "<m@example.org>",
                                     .client = {.listener = "apps"},
                                     .to = &to,
                                     .to_count = 1};
    const struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r"};
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
    disregard(spool_stage_write(stage, bytes_of("xxxxxxxxxx")));
    spool_stage_once(stage, w.window_ms, NULL, NULL);
    spool_commit(&stage, &envelope, &delivery, 1, on_committed, NULL);
    run_until(fixture, &w.committed, w.committed + 1);
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 10);
    mend_first();
    run_while_not(is_empty);
    assert_int_equal(counts(fixture).repeats, 1);
    assert_int_equal(counts(fixture).messages, 2);
}

/* It fails in the midst of it: the message stays, is told, and goes when it can; the one behind it is not held up. */
static void test_trouble_on_the_way(void **state)
{
    struct fixture *fixture = *state;
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 10);
    put(overflow, "01TEST00000000000000000002", 10);
    mend_first();
    door.commits_fail = 1;
    door.fail_kind = STORE_ADD_MESSAGE;
    door.fail_class = FAULT_PERM;
    run_while_not(is_stuck);
    assert_int_equal(state_of().messages, 2);
    assert_string_equal(state_of().fault.code, "eio");
    ahead_ms += 10 * SECOND;
    run_while_not(is_empty);
    assert_false(is_stuck());
    assert_int_equal(state_of().handed_over, 2);
    assert_int_equal(counts(fixture).messages, 3);
}

/* Neither takes it: the sender hears what the first one said. */
static void test_neither_takes_it(void **state)
{
    struct fault fault = FAULT_INIT;
    (void)state;
    fail_first();
    assert_null(spool_overflow_choose(w.overflow, UINT64_MAX / 2, &fault));
    assert_string_equal(fault.code, "eio");
}

/* The end comes while a message is handed over: it is here, or there, or both, and the next run makes one of it. */
static void test_the_end_comes_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 500000);
    mend_first();
    door.waits = true;
    door.wait_kind = STORE_ADD_MESSAGE;
    wait_for_begin(fixture);
    sem_post(&door.may_go);
    spool_overflow_stop(w.overflow);
    assert_int_equal(state_of().messages, 1);
}

static bool is_asked(void)
{
    return sem_trywait(&kept.begun) == 0;
}

/* Whatever of the overflow's own disk fails: the message stays there, is told, and goes when it can. */
static void test_trouble_of_its_own_disk(void **state)
{
    (void)state;
    bool *const faults[] = {&kept.ask_fails, &kept.body_fails, &kept.forgets, &kept.drop_fails};
    struct spool *overflow = fail_first();
    char id[] = "01TEST00000000000000000000";
    mend_first();
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        id[25] = (char)('1' + i);
        *faults[i] = true;
        put(overflow, id, 10);
        run_while_not(is_stuck);
        assert_int_equal(state_of().messages, 1);
        *faults[i] = false;
        ahead_ms += 10 * SECOND;
        run_while_not(is_empty);
        assert_false(is_stuck());
        assert_int_equal(state_of().handed_over, i + 1);
    }
    assert_int_equal(counts(w.fixture).messages, 5);
}

/* The end comes while it is looked for, or read: it stays for the next run. */
static void test_the_end_comes_while_it_is_read(void **state)
{
    (void)state;
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 10);
    mend_first();
    for (unsigned i = 0; i < 2; i++) {
        kept.waits = true;
        if (i == 1) { /* behind the two questions that find it */
            kept.ops.ask = local_store.ask;
        }
        run_while_not(is_asked);
        sem_post(&kept.may_go);
        spool_overflow_stop(w.overflow);
        assert_int_equal(state_of().messages, 1);
        spool_overflow_close(&w.overflow);
        open_overflow();
    }
    kept.ops.ask = ask_kept;
    run_while_not(is_empty);
    assert_int_equal(counts(w.fixture).messages, 2);
}

static int wait_and_write(struct store *store, struct store_upload *upload, struct bytes data, struct fault *fault)
{
    wait_if_told();
    return model_store.upload_write(store, upload, data, fault);
}

/* The first spool is slow: it is waited for. */
static void test_the_first_one_is_slow(void **state)
{
    struct fixture *fixture = *state;
    struct spool *overflow = fail_first();
    put(overflow, "01TEST00000000000000000001", 2000000);
    door.ops.upload_write = wait_and_write;
    kept.ops.ask = local_store.ask;
    kept.ops.body = local_store.body;
    kept.waits = true;
    mend_first();
    run_while_not(is_asked);
    for (unsigned i = 0; i < 200; i++) { /* as much as fits is read meanwhile */
        turn(fixture);
    }
    sem_post(&kept.may_go);
    run_while_not(is_empty);
    assert_int_equal(state_of().handed_over, 1);
}

/* The first spool answers, and has no room; or it does not, and the overflow has none either. */
static void test_room(void **state)
{
    struct fault fault = FAULT_INIT;
    (void)state;
    door.room = (struct store_room){.octets = UINT64_C(1) << 62, .inodes = 100000};
    ahead_ms += 60 * SECOND;
    assert_ptr_equal(choose(), w.fixture->spool);
    run_while_not(is_measured);
    struct spool *overflow = fail_first();
    ahead_ms += 10 * SECOND;
    assert_ptr_equal(choose(), overflow);
    assert_ptr_equal(spool_overflow_choose(w.overflow, UINT64_C(1) << 61, &fault), w.fixture->spool);
    mend_first();
    run_while_not(is_unused);
    struct spool *chosen = spool_overflow_choose(w.overflow, UINT64_C(1) << 62, &fault);
    assert_null(chosen);
    assert_string_equal(fault.code, "enospc");
}

static void test_it_cannot_be_opened(void **state)
{
    struct spool_overflow *none = NULL;
    struct fault fault = FAULT_INIT;
    (void)state;
    struct spool_overflow_options options = {
        .to = w.fixture->spool, .store = &kept.ops, .path = "/dev/null/x", .window = window_of};
    assert_int_equal(spool_overflow_open(&none, w.fixture->loop, &options, NULL, &fault), -1);
    assert_true(fault_is_set(&fault));
    char path[300];
    snprintf(path, sizeof path, "%s/another", w.fixture->path);
    options.path = path;
    kept.look_fails = true;
    assert_int_equal(spool_overflow_open(&none, w.fixture->loop, &options, NULL, &fault), -1);
    assert_null(none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_one_takes_what_it_can),
        TEST(test_what_is_handed_over_is_what_was_taken),
        TEST(test_it_is_not_taken_twice),
        TEST(test_what_a_run_before_has_left_is_looked_for),
        TEST(test_what_was_sent_again_is_recognised),
        TEST(test_trouble_on_the_way),
        TEST(test_neither_takes_it),
        TEST(test_the_end_comes_meanwhile),
        TEST(test_trouble_of_its_own_disk),
        TEST(test_the_end_comes_while_it_is_read),
        TEST(test_the_first_one_is_slow),
        TEST(test_room),
        TEST(test_it_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
