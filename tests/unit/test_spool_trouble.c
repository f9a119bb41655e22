/*
 * Tests of spool/ on a store that fails, or is late, where it seldom is (spool_door.h): each answer of the door that says no, what of the queue is kept
 * then and who hears of it, and a spool that closes meanwhile.
 */
#include "spool/spool_change.h"
#include "spool/spool_memo.h"
#include "spool_door.h"

uint64_t __wrap_net_now(const struct net_loop *loop); /* spool_door.h; linked in by this line */

/* What is tried again after a second need not be waited for so long. */
void __real_net_timer_start(struct net_timer *timer, uint64_t milliseconds);
void __wrap_net_timer_start(struct net_timer *timer, uint64_t milliseconds);

void __wrap_net_timer_start(struct net_timer *timer, uint64_t milliseconds)
{
    __real_net_timer_start(timer, milliseconds == DEADLINE_MS ? milliseconds : milliseconds / 50);
}

/* ---- operators' changes ---- */

static struct spool_change_result changed;

static void on_changed(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    changed = *result;
    on_answer(ctx, fault);
}

static void change(struct fixture *fixture, enum store_verb verb)
{
    static const struct store_select all = {0};
    const struct spool_asker asker = {.done = on_changed, .ctx = fixture};
    unsigned answers = fixture->answers;
    spool_change(fixture->spool, verb, &all, &asker);
    run_until(fixture, &fixture->answers, answers + 1);
}

/* What a change could not write beside itself is told, with how many it changed all the same. */
static void test_beside_a_change(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit_and_wait(fixture, "waits", 1);
    assert_int_equal(fetch(fixture, 1), 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, fixture_now(fixture) + 100000);
    door.beside_kind = STORE_SET_STATE;
    change(fixture, STORE_RETRY);
    assert_string_equal(fixture->fault.code, "enospc");
    assert_int_equal(changed.changed, 1);
    assert_int_equal(fetch(fixture, 1), 1);
    finish_all(fixture);
}

/* Whoever asks for what cannot be written hears so, and nothing is changed. */
static void test_changes_fail(void **state)
{
    struct fixture *fixture = *state;
    static const struct mail_delivery instead = {.upstream = "corp", .folder = "New"};
    static const int kinds[] = {STORE_SET_STATE, STORE_REROUTE, STORE_ERASE, STORE_PAUSE, STORE_PAUSE};
    const struct spool_asker asker = {.done = on_changed, .ctx = fixture};
    fixture->takes = false;
    commit_and_wait(fixture, "waits", 1);
    for (unsigned i = 0; i < 5; i++) {
        door.commits_fail = 1;
        door.fail_kind = kinds[i];
        changed = (struct spool_change_result){0};
        if (i == 0) {
            change(fixture, STORE_DROP);
        } else if (i == 1) {
            spool_change_reroute(fixture->spool, "01TEST", &instead, 1, &asker);
        } else if (i == 2) {
            spool_change_erase(fixture->spool, "to@example.net", on_changed, fixture);
        } else {
            spool_change_pause(fixture->spool, "corp", i == 3, NULL, on_changed, fixture);
        }
        run_until(fixture, &fixture->failures, i + 1);
        assert_int_equal(changed.changed, 0);
        assert_string_equal(fixture->fault.code, "eio");
        assert_false(spool_pause_of(fixture->spool, "corp").on);
    }
    assert_int_equal(counts(fixture).waiting, 1);
    assert_int_equal(fetch(fixture, 1), 1);
    finish_all(fixture);
}

/* A change of many ends with the batch that is under way. */
static void test_change_while_closing(void **state)
{
    struct fixture *fixture = *state;
    static const struct store_select all = {0};
    const struct spool_asker asker = {.done = on_changed, .ctx = fixture};
    fixture->takes = false;
    for (unsigned i = 0; i < 1203; i++) {
        commit(fixture, bytes_of("m"), 1, false);
    }
    run_until(fixture, &fixture->answers, 1203);
    spool_change(fixture->spool, STORE_HOLD, &all, &asker);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->answers, 1204);
    assert_int_equal(changed.changed, 500);
    fixture_open(fixture);
}

/* Nothing has gone where that could not be written. */
static void test_divert_fails(void **state)
{
    struct fixture *fixture = *state;
    const struct mail_trouble trouble = {.down = true, .down_ms = 5000, .patience_ms = 1000};
    const char *known = "elsewhere";
    fixture->takes = false;
    fixture->fallback = "elsewhere";
    commit_and_wait(fixture, "stays", 1);
    assert_int_equal(fetch(fixture, 1), 1); /* behind what was given back */
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    door.commits_fail = 1;
    door.fail_kind = STORE_DIVERT;
    spool_divert(fixture->spool, "corp", &known, 1, &trouble, on_diverted, fixture);
    run_until(fixture, &fixture->failures, 1);
    assert_string_equal(fixture->fault.code, "eio");
    assert_int_equal(fixture->diverted, 0);
    assert_int_equal(fetch(fixture, 1), 1);
    finish_all(fixture);
}

/* So do the diversion of many and the erasing of one address' mail; what went is told. */
static void test_divert_while_closing(void **state)
{
    struct fixture *fixture = *state;
    const struct mail_trouble trouble = {.down = true, .down_ms = 5000, .patience_ms = 1000};
    const char *known = "elsewhere";
    fixture->takes = false;
    fixture->fallback = "elsewhere";
    for (unsigned i = 0; i < 600; i++) {
        commit(fixture, bytes_of("m"), 1, false);
    }
    run_until(fixture, &fixture->answers, 600);
    door.beside_kind = STORE_DIVERT;
    spool_divert(fixture->spool, "nowhere", &known, 1, &trouble, on_diverted, fixture);
    run_until(fixture, &fixture->answers, 601);
    assert_string_equal(fixture->fault.code, "enospc");
    door.beside_kind = -1;
    spool_divert(fixture->spool, "corp", &known, 1, &trouble, on_diverted, fixture);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->answers, 602);
    assert_int_equal(fixture->diverted, 500);
    fixture_open(fixture);
}

/* ---- messages ---- */

/* A message that came back after it had been dropped is kept, though the decision about that could not be written. */
static void test_beside_a_message(void **state)
{
    struct fixture *fixture = *state;
    door.beside_kind = STORE_ADD_MESSAGE;
    for (unsigned i = 0; i < 2; i++) {
        door.revived = i != 0;
        commit_and_wait(fixture, "kept", 1);
        assert_int_equal(fixture->failures, 0);
        finish_all(fixture);
    }
}

static void commit_large(struct fixture *fixture, size_t from_len, size_t folder_len)
{
    char *from = calloc(1, from_len + 1), *folder = calloc(1, folder_len + 1);
    assert_non_null(from);
    assert_non_null(folder);
    memset(from, 'f', from_len);
    memset(folder, 'd', folder_len);
    fixture->sender = from;
    fixture->folder = folder;
    unsigned failures = fixture->failures;
    commit_and_wait(fixture, "too large", 1);
    assert_int_equal(fixture->failures, failures + 1);
    assert_string_equal(fixture->fault.code, "too-large");
    fixture->sender = fixture->folder = NULL;
    free(from);
    free(folder);
}

/* What says more of itself than a record takes is refused, and nothing of it is offered or kept. */
static void test_too_much_is_said(void **state)
{
    struct fixture *fixture = *state;
    commit_large(fixture, 10, 17u << 20);
    commit_large(fixture, 65u << 20, 10);
    commit_large(fixture, 10, 65u << 20);
    assert_int_equal(fixture->item_count, 0);
    assert_int_equal(counts(fixture).messages, 0);
    ahead_ms += 5000;
    commit_and_wait(fixture, "not too large", 1);
    finish_all(fixture);
}

/* Nobody asked to be told of a repeat. */
static void test_repeat_is_nobodys_news(void **state)
{
    struct fixture *fixture = *state;
    struct mail_envelope envelope = {.id = "01TEST0000000000000000", .from = "a@b"};
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX"};
    envelope.received_ms = fixture_now(fixture);
    for (unsigned i = 0; i < 2; i++) {
        struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
        disregard(spool_stage_write(stage, bytes_of("twice")));
        spool_stage_once(stage, 60000, NULL, NULL);
        envelope.id = i == 0 ? envelope.id : "01TEST0000000000000001";
        spool_commit(&stage, &envelope, &delivery, 1, on_answer, fixture);
        run_until(fixture, &fixture->answers, i + 1);
        assert_int_equal(fixture->failures, 0);
    }
    assert_int_equal(counts(fixture).repeats, 1);
    assert_int_equal(fixture->item_count, 1);
    finish_all(fixture);
}

static void on_left(void *ctx, const char *upstream)
{
    struct fixture *fixture = ctx;
    assert_string_equal(upstream, "corp");
    fixture->named += 1000;
}

/* Who was to be offered a message while an operator pauses, or goes away himself, is not; it waits and is fetched later. */
static void test_not_offered_after_all(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned answers = fixture->answers;
        door.waits = true;
        commit(fixture, bytes_of("offered to nobody"), 1, false);
        wait_for_begin(fixture);
        if (i == 0) {
            spool_change_pause(fixture->spool, "corp", true, "us", on_changed, fixture);
            struct store_op op = {.kind = STORE_PAUSE, .pause = {.upstream = "corp", .paused = true}};
            struct store_batch batch;
            store_batch_init(&batch);
            list_init(&op.link);
            store_batch_add(&batch, &op);
            assert_int_equal(commit_to_model(door.store, &batch), STORE_COMMITTED);
            list_remove(&op.link);
            assert_int_equal(write(door.pipe[1], "x", 1), 1);
            while (!spool_pause_of(fixture->spool, "corp").on) {
                turn(fixture);
            }
        } else {
            spool_set_offer(fixture->spool, NULL, NULL);
        }
        sem_post(&door.may_go);
        run_until(fixture, &fixture->answers, answers + 2 - i);
        assert_int_equal(fixture->item_count, 0);
        spool_change_pause(fixture->spool, NULL, false, NULL, on_changed, fixture);
        run_until(fixture, &fixture->answers, answers + 3 - i);
        assert_int_equal(fetch(fixture, 10), 1);
        finish_all(fixture);
    }
    fixture->item_count = 0;
    commit_and_wait(fixture, "nobody is there", 1);
    spool_set_left(fixture->spool, on_left, fixture);
    assert_int_equal(fetch(fixture, 10), 1);
    finish_all(fixture);
}

/* ---- stages ---- */

static unsigned readies, writables;
static struct fault read_fault;

static void on_ready(void *ctx, const struct mail_source *source)
{
    struct fixture *fixture = ctx;
    uint8_t octets[10];
    readies++;
    buf_clear(&fixture->body);
    ptrdiff_t got = source->read(source->ctx, source->size - 5, octets, sizeof octets, &read_fault);
    buf_append_bytes(&fixture->body, bytes_at(octets, got < 0 ? 0 : (size_t)got));
    net_loop_stop(fixture->loop);
}

static void on_writable(void *ctx)
{
    struct fixture *fixture = ctx;
    writables++;
    net_loop_stop(fixture->loop);
}

/* Who asks to read and goes away hears nothing; who asks while the disk has a piece of it hears when all of it is there. */
static void test_reading_what_is_staged(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t large[600000];
    readies = writables = 0;
    struct spool_stage *stage = spool_stage_new(fixture->spool, on_writable, fixture);
    assert_int_equal(spool_stage_write(stage, bytes_of("small and gone")), 0);
    spool_stage_source(stage, on_ready, fixture);
    spool_stage_free(&stage);
    turn(fixture);
    turn(fixture);
    assert_int_equal(readies, 0);
    for (unsigned i = 0; i < 2; i++) {
        stage = spool_stage_new(fixture->spool, on_writable, fixture);
        assert_int_equal(spool_stage_write(stage, bytes_at(large, sizeof large)), 0);
        if (i == 0) {
            assert_int_equal(spool_stage_write(stage, bytes_of("the end")), 0);
        } else {
            assert_int_equal(spool_stage_write(stage, bytes_at(large, STORE_CHUNK)), 1);
            run_until(fixture, &writables, 1);
            assert_int_equal(spool_stage_write(stage, bytes_of("the end")), 0);
        }
        spool_stage_source(stage, on_ready, fixture);
        run_until(fixture, &readies, i + 1);
        assert_true(bytes_is(buf_bytes(&fixture->body), "e end"));
        spool_stage_free(&stage);
    }
}

/* Who does not heed "stop" is cut off, and his message is not kept. */
static void test_overrun(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t large[6 << 20];
    struct mail_envelope envelope = {.id = "01OVERRUN", .received_ms = 1, .from = "a@b"};
    struct spool_stage *stage = spool_stage_new(fixture->spool, on_writable, fixture);
    assert_int_equal(spool_stage_write(stage, bytes_at(large, sizeof large)), -1);
    assert_string_equal(spool_stage_fault(stage)->code, "overrun");
    assert_int_equal(spool_stage_write(stage, bytes_of("more")), -1);
    spool_commit(&stage, &envelope, NULL, 0, on_answer, fixture);
    run_until(fixture, &fixture->answers, 1);
    assert_string_equal(fixture->fault.code, "overrun");
    assert_int_equal(counts(fixture).messages, 0);
}

/* Of an uploaded message in doubt nobody knows at the end whether it is kept: what was uploaded is left to the store. */
static void test_upload_in_doubt_to_the_end(void **state)
{
    struct fixture *fixture = *state;
    static char large[600000];
    memset(large, 'x', sizeof large - 1);
    door.limbo = true;
    commit(fixture, bytes_of(large), 1, false);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->fault.class, FAULT_UNCERTAIN);
    door.limbo = false;
    fixture_open(fixture);
}

/* What nobody takes at the end counts as in hand, and is looked for at the next start. */
static void test_offered_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit(fixture, bytes_of("the last"), 1, true);
    commit(fixture, bytes_of("the very last"), 2, false);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->answers, 2);
    assert_int_equal(fixture->failures, 0);
    fixture_open(fixture);
}

/* ---- what is handed out and comes back ---- */

/* What cannot be read or written now comes again later. */
static void test_fetch_fails(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit_and_wait(fixture, "waits", 1);
    door.claim_fails = true;
    assert_int_equal(fetch(fixture, 10), 0);
    assert_true(fixture->next_due_ms > 0);
    door.claim_fails = false;
    door.commits_fail = 1;
    door.fail_kind = STORE_HAND;
    assert_int_equal(fetch(fixture, 10), 0);
    assert_true(fixture->next_due_ms > 0);
    assert_int_equal(fetch(fixture, 10), 1);
    finish_all(fixture);
}

/* Nobody knows whether it was handed out: what is in hand then is given back, and looked for at the next start. */
static void test_fetch_in_doubt_to_the_end(void **state)
{
    struct fixture *fixture = *state;
    unsigned reads = fixture->reads;
    fixture->takes = false;
    commit_and_wait(fixture, "waits", 1);
    assert_int_equal(fetch(fixture, 1), 1); /* what was refused is back in the store */
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    reads = fixture->reads;
    door.limbo = true;
    door.waits = true;
    spool_fetch_due(fixture->spool, "corp", 10, on_fetched, fixture);
    wait_for_begin(fixture);
    sem_post(&door.may_go);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->reads, reads + 1);
    assert_int_equal(fixture->item_count, 0);
    door.limbo = false;
    fixture_open(fixture);
}

/* A fetch that waits for what was refused, or for the lane, when the spool closes, is answered with nothing. */
static void test_fetch_while_closing(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit(fixture, bytes_of("refused"), 2, false);
    run_until(fixture, &fixture->answers, 1);
    unsigned reads = fixture->reads;
    spool_fetch_due(fixture->spool, "corp", 10, on_fetched, fixture);
    spool_fetch_due(fixture->spool, "other", 10, on_fetched, fixture);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->reads, reads + 2);
    assert_int_equal(fixture->item_count, 0);
    fixture_open(fixture);
}

/* What became of a delivery is not given up while it can be written; what is in other hands by now is, and so is all at the end. */
static void test_finish_fails(void **state)
{
    struct fixture *fixture = *state;
    door.fail_kind = STORE_FINISH;
    commit_and_wait(fixture, "one", 1);
    door.commits_fail = 1;
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(counts(fixture).messages, 0);
    commit_and_wait(fixture, "two", 1);
    door.commits_fail = 1;
    door.fail_class = FAULT_PERM;
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(fixture->failures, 1);
    commit_and_wait(fixture, "three", 1);
    door.commits_fail = 100;
    door.fail_class = FAULT_LOCAL;
    finish(fixture, SPOOL_FILED, 0);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->failures, 2);
    fixture_open(fixture);
}

/* It goes elsewhere at once. */
static void test_moved(void **state)
{
    struct fixture *fixture = *state;
    const struct mail_delivery instead = {.number = 1, .upstream = "other", .folder = "Else", .rule = "r"};
    const struct spool_outcome outcome = {.kind = SPOOL_MOVED, .instead = &instead, .note = "the folder is full"};
    commit_and_wait(fixture, "moves", 1);
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    run_until(fixture, &fixture->answers, 2);
    assert_int_equal(fetch(fixture, 10), 0);
    assert_int_equal(fetch_from(fixture, "other", fixture_now(fixture), 10), 1);
    assert_string_equal(fixture->items[0]->delivery.folder, "Else");
    finish_all(fixture);
}

/* Until the end of the spool nobody gives up to move what waits for the old clock. */
static void test_clock_fails_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    door.commits_fail = 100;
    spool_clock_jumped(fixture->spool, 5000, fixture_now(fixture));
    spool_memo_set(fixture->spool, "corp", "said at the end");
    spool_close(&fixture->spool);
    assert_true(door.commits_fail < 100);
    door.commits_fail = 0;
    fixture_open(fixture);
}

static int note_memo(void *ctx, const struct store_answer_row *row)
{
    assert_string_equal(row->memo.upstream, "corp");
    snprintf(ctx, 20, "%s", row->memo.text);
    return 0;
}

/* A memo is written until it is, in the words that it has by then. */
static void test_memo_fails(void **state)
{
    struct fixture *fixture = *state;
    static const struct store_question memos = {.kind = STORE_ASK_MEMOS};
    char kept[20] = "";
    door.commits_fail = 1;
    door.fail_kind = STORE_MEMO;
    door.waits = true;
    spool_memo_set(fixture->spool, "corp", "first");
    spool_memo_set(fixture->spool, "corp", "first");
    wait_for_begin(fixture);
    spool_memo_set(fixture->spool, "corp", "second");
    sem_post(&door.may_go);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (strcmp(kept, "second") != 0) {
        commit_and_wait(fixture, "goes on", 0);
        assert_int_equal(ask_door(door.store, &memos, note_memo, kept, NULL), 0);
        net_timer_start(fixture->deadline, DEADLINE_MS);
    }
    net_timer_stop(fixture->deadline);
    assert_int_equal(door.commits_fail, 0);
    assert_string_equal(spool_memo(fixture->spool, "corp"), "second");
}

/* ---- doubt ---- */

/* After half a minute whoever waits hears that nobody knows; what failed by itself keeps its own reason when it is known at last. */
static void test_doubt_takes_too_long(void **state)
{
    struct fixture *fixture = *state;
    door.limbo = true;
    commit(fixture, bytes_of("in doubt"), 1, false);
    while (spool_can_accept(fixture->spool, 1, NULL) == 0) {
        turn(fixture);
    }
    ahead_ms += 31000;
    run_until(fixture, &fixture->answers, 1);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->fault.class, FAULT_UNCERTAIN);
    assert_non_null(strstr(fixture->fault.text, "the answer was lost"));
    door.limbo = false;
}

static void on_known(void *ctx, const struct fault *fault)
{
    struct fixture *fixture = ctx;
    assert_string_equal(fault->code, "known");
    on_answer(fixture, fault);
}

static void commit_unique(struct fixture *fixture, spool_commit_fn *done)
{
    struct mail_envelope envelope = {.id = "01UNIQUE00000000000000", .received_ms = 1700000000000, .from = "a@b"};
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX"};
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
    disregard(spool_stage_write(stage, bytes_of("unique")));
    spool_stage_unique(stage, false);
    spool_commit(&stage, &envelope, &delivery, 1, done, fixture);
}

static void test_own_fault_in_doubt(void **state)
{
    struct fixture *fixture = *state;
    commit_unique(fixture, on_answer);
    run_until(fixture, &fixture->answers, 1);
    door.waits = true;
    commit(fixture, bytes_of("first"), 0, false);
    wait_for_begin(fixture);
    door.limbo = true;
    commit_unique(fixture, on_known);
    commit(fixture, bytes_of("beside it"), 1, false);
    sem_post(&door.may_go);
    for (int i = 0; i < 50; i++) {
        turn(fixture);
    }
    door.limbo = false;
    run_until(fixture, &fixture->answers, 4);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->item_count, 2);
    finish_all(fixture);
}

/* ---- looks ---- */

static void on_wake(void *ctx, const char *upstream)
{
    struct fixture *fixture = ctx;
    assert_null(upstream);
    fixture->answers++;
    net_loop_stop(fixture->loop);
}

/* What was said last is believed when the store cannot say it again. */
static void test_look_fails(void **state)
{
    struct fixture *fixture = *state;
    spool_set_wake(fixture->spool, on_wake, fixture);
    spool_change_pause(fixture->spool, "corp", true, "us", on_changed, fixture);
    run_until(fixture, &fixture->answers, 1);
    for (unsigned i = 1; i <= 2; i++) {
        door.ask_fails = i;
        assert_int_equal(write(door.pipe[1], "x", 1), 1);
        run_until(fixture, &fixture->answers, 1 + i);
        assert_true(spool_pause_of(fixture->spool, "corp").on);
    }
}

static void on_halt(void *ctx, const char *upstream)
{
    struct fixture *fixture = ctx;
    fixture->way_count += upstream == NULL ? 100 : 1;
}

/* Whoever delivers hears of each pause, and of one that is told twice only once. */
static void test_halts(void **state)
{
    struct fixture *fixture = *state;
    static const char *const upstreams[] = {"corp", "corp", NULL};
    spool_set_halt(fixture->spool, on_halt, fixture);
    for (unsigned i = 0; i < 3; i++) {
        spool_change_pause(fixture->spool, upstreams[i], true, "us", on_changed, fixture);
        run_until(fixture, &fixture->answers, i + 1);
    }
    assert_int_equal(fixture->way_count, 101);
    assert_true(spool_pause_of(fixture->spool, "never heard of").on);
    assert_true(spool_pause_of(fixture->spool, "corp").all);
    spool_change_pause(fixture->spool, NULL, false, "us", on_changed, fixture);
    run_until(fixture, &fixture->answers, 4);
    spool_change_pause(fixture->spool, "corp", true, "us", on_changed, fixture);
    spool_close(&fixture->spool); /* nobody is told any more */
    assert_int_equal(fixture->answers, 5);
    assert_int_equal(fixture->way_count, 101);
    fixture->way_count = 0;
    fixture_open(fixture);
}

/* An operator's word is kept at the end, and wakes nobody any more. */
static void test_change_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    static const struct store_select all = {0};
    const struct spool_asker asker = {.done = on_changed, .ctx = fixture};
    fixture->takes = false;
    commit(fixture, bytes_of("held"), 1, true);
    run_until(fixture, &fixture->answers, 1);
    spool_set_wake(fixture->spool, on_wake, fixture);
    spool_change(fixture->spool, STORE_RELEASE, &all, &asker);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->answers, 2);
    assert_int_equal(changed.changed, 1);
    fixture_open(fixture);
}

/* What is being written here is newer than what a look has found; so is what was written since it began. */
static void test_memo_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct store_op theirs = {.kind = STORE_MEMO, .memo = {"corp", "theirs"}};
    struct store_batch batch;
    spool_set_wake(fixture->spool, on_wake, fixture);
    store_batch_init(&batch);
    list_init(&theirs.link);
    store_batch_add(&batch, &theirs);
    assert_int_equal(commit_to_model(door.store, &batch), STORE_COMMITTED);
    list_remove(&theirs.link);
    door.waits = true;
    spool_memo_set(fixture->spool, "corp", "ours");
    wait_for_begin(fixture);
    assert_int_equal(write(door.pipe[1], "x", 1), 1);
    run_until(fixture, &fixture->answers, 1);
    assert_string_equal(spool_memo(fixture->spool, "corp"), "ours");
    sem_post(&door.may_go);
    commit_and_wait(fixture, "goes behind it", 0);
    assert_string_equal(spool_memo(fixture->spool, "corp"), "ours");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_beside_a_change),
        TEST(test_changes_fail),
        TEST(test_change_while_closing),
        TEST(test_divert_fails),
        TEST(test_divert_while_closing),
        TEST(test_beside_a_message),
        TEST(test_too_much_is_said),
        TEST(test_repeat_is_nobodys_news),
        TEST(test_not_offered_after_all),
        TEST(test_reading_what_is_staged),
        TEST(test_overrun),
        TEST(test_upload_in_doubt_to_the_end),
        TEST(test_offered_at_the_end),
        TEST(test_fetch_fails),
        TEST(test_fetch_in_doubt_to_the_end),
        TEST(test_fetch_while_closing),
        TEST(test_finish_fails),
        TEST(test_moved),
        TEST(test_clock_fails_at_the_end),
        TEST(test_memo_fails),
        TEST(test_doubt_takes_too_long),
        TEST(test_own_fault_in_doubt),
        TEST(test_look_fails),
        TEST(test_halts),
        TEST(test_change_at_the_end),
        TEST(test_memo_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
