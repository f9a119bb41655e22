/*
 * Tests of the spool as a whole, on a real disk: commit and settle, reopening, what a crash leaves, groups, large bodies, reading back,
 * damage.
 */
#include "net/net_lane.h"
#include "spool/spool_admin.h"
#include "spool_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/spool_memo.h"

static void test_offer_read_file(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "Subject: x\r\n\r\nhello\r\n", 1);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(fixture->item_count, 1);
    struct spool_item *item = fixture->items[0];
    assert_string_equal(item->delivery.folder, "INBOX");
    assert_string_equal(item->envelope.from, "from@example.org");
    assert_int_equal(item->body_size, 21);
    assert_false(item->uncertain);
    assert_true(bytes_is(read_item(fixture, item, 14, 100), "hello\r\n"));
    assert_int_equal(counts(fixture).waiting, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(counts(fixture).waiting, 0);
    assert_int_equal(counts(fixture).messages, 0);
    assert_int_equal(fetch(fixture, 10), 0);
}

static void test_what_is_left_is_fetched(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit_and_wait(fixture, "one", 2);
    commit_and_wait(fixture, "two", 1);
    fixture->takes = true;
    assert_int_equal(fetch(fixture, 2), 2);
    assert_true(fixture->more);
    assert_string_equal(fixture->items[0]->id + strlen(fixture->items[0]->id) - 2, ".1");
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 10), "one"));
    /* Those in hand do not come again. */
    assert_int_equal(fetch(fixture, 10), 3);
    assert_false(fixture->more);
    assert_true(bytes_is(read_item(fixture, fixture->items[2], 1, 10), "wo"));
    assert_int_equal(fetch(fixture, 10), 3);
    for (int i = 0; i < 3; i++) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
    assert_int_equal(counts(fixture).messages, 0);
}

/* While a backlog stands on the disk, what is new queues behind it. */
static void test_backlog_goes_first(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit_and_wait(fixture, "old", 1);
    fixture->takes = true;
    commit_and_wait(fixture, "new", 1);
    assert_int_equal(fixture->item_count, 0);
    assert_int_equal(fetch(fixture, 10), 2);
    commit_and_wait(fixture, "newest", 1);
    assert_int_equal(fixture->item_count, 3);
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

static void test_deferred(void **state)
{
    struct fixture *fixture = *state;
    int64_t now = fixture->stopped_ms = net_wall(fixture->loop);
    commit_and_wait(fixture, "x", 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, now + 60000);
    assert_int_equal(fetch_at(fixture, now + 59999, 10), 0);
    assert_int_equal(fixture->next_due_ms, now + 60000);
    assert_int_equal(fetch_at(fixture, now + 60000, 10), 1);
    assert_int_equal(fixture->items[0]->attempts, 1);
    assert_int_equal(fixture->next_due_ms, -1);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
    assert_int_equal(counts(fixture).dead, 1);
    assert_int_equal(counts(fixture).waiting, 0);
    fixture_reopen(fixture);
    assert_int_equal(counts(fixture).dead, 1);
    assert_int_equal(counts(fixture).messages, 1);
    assert_int_equal(fetch_at(fixture, now + 1000000, 10), 0);
}

/* A clock that jumps changes nothing in how long what waits goes on waiting; what is due stays due. */
static void test_clock_jumped(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t jumps[] = {3600000, -3600000};
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        fixture->stopped_ms = net_wall(fixture->loop);
        int64_t before = fixture->stopped_ms + 1000, after = before + jumps[i];
        fixture->takes = true;
        commit_and_wait(fixture, "waits", 1);
        finish_and_wait(fixture, SPOOL_DEFERRED, before + 60000);
        fixture->takes = false;
        commit_and_wait(fixture, "is due", 1);
        spool_clock_jumped(fixture->spool, jumps[i], before);
        fixture->takes = true;
        commit_and_wait(fixture, "discarded", 0); /* behind it */
        assert_int_equal(fetch_at(fixture, after, 10), 1);
        assert_int_equal(fixture->next_due_ms, after + 60000);
        finish_and_wait(fixture, SPOOL_FILED, 0);
        assert_int_equal(fetch_at(fixture, after + 60000, 10), 1);
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

/* What was changed before the first of two jumps backwards bears a time that the clock has not reached again by the second. */
static void test_clock_jumped_back_twice(void **state)
{
    struct fixture *fixture = *state;
    int64_t first = fixture->stopped_ms = net_wall(fixture->loop), second = first - 446000, third = second - 1960000;
    commit_and_wait(fixture, "waits", 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, first + 60000);
    spool_clock_jumped(fixture->spool, -446000, first);
    spool_clock_jumped(fixture->spool, -1960000, second);
    commit_and_wait(fixture, "discarded", 0); /* behind the first */
    commit_and_wait(fixture, "discarded", 0); /* and behind the second, which waits for it */
    assert_int_equal(fetch_at(fixture, third + 59999, 10), 0);
    assert_int_equal(fetch_at(fixture, third + 60000, 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* Two jumps that are seen as one: what came between them bears times of a clock that nobody has any more. It waits as long as it was to, and not for the hours
   by which that clock was ahead. */
static void test_clock_jumped_unseen(void **state)
{
    struct fixture *fixture = *state;
    int64_t first = net_wall(fixture->loop), now = first + 4234000;
    fixture->stopped_ms = first + 11434000;
    commit_and_wait(fixture, "waits", 1);
    finish_and_wait(fixture, SPOOL_DEFERRED, fixture->stopped_ms + 60000);
    fixture->stopped_ms = now;
    spool_clock_jumped(fixture->spool, now - first, first);
    commit_and_wait(fixture, "discarded", 0); /* behind it */
    assert_int_equal(fetch_at(fixture, now + 59000, 10), 0);
    assert_int_equal(fixture->next_due_ms, now + 60000);
    assert_int_equal(fetch_at(fixture, now + 60000, 10), 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_held_and_discarded(void **state)
{
    struct fixture *fixture = *state;
    commit(fixture, bytes_of("held"), 1, true);
    run_until(fixture, &fixture->answers, 1);
    commit_and_wait(fixture, "discarded", 0);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(fixture->item_count, 0);
    assert_int_equal(counts(fixture).held, 1);
    assert_int_equal(counts(fixture).messages, 1);
    assert_int_equal(fetch(fixture, 10), 0);
}

/* ---- memos ---- */

static void test_memos(void **state)
{
    struct fixture *fixture = *state;
    assert_null(spool_memo(fixture->spool, "corp"));
    spool_memo_set(fixture->spool, "corp", "first");
    spool_memo_set(fixture->spool, "other", "of the other");
    spool_memo_set(fixture->spool, "corp", "second"); /* while the first is on its way */
    assert_string_equal(spool_memo(fixture->spool, "corp"), "second");
    commit_and_wait(fixture, "body", 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    spool_memo_set(fixture->spool, "corp", "third"); /* closing writes it, too */
    fixture_reopen(fixture);
    assert_string_equal(spool_memo(fixture->spool, "corp"), "third");
    assert_string_equal(spool_memo(fixture->spool, "other"), "of the other");
    uint64_t syncs = counts(fixture).syncs;
    spool_memo_set(fixture->spool, "corp", "third");
    fixture_reopen(fixture);
    assert_true(counts(fixture).syncs <= syncs); /* nothing was new */
    assert_string_equal(spool_memo(fixture->spool, "corp"), "third");
}

static void test_reopen(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "kept", 2);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    fixture_reopen(fixture);
    assert_int_equal(counts(fixture).waiting, 1);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_false(fixture->items[0]->uncertain);
    assert_int_equal(fixture->items[0]->delivery.number, 1);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 10), "kept"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_locked(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = *fixture;
    struct fault fault = FAULT_INIT;
    assert_int_equal(fixture_try_open(&other, &fault), -1);
    assert_string_equal(fault.code, "locked");
}

/* Many commits that wait together become durable together. */
static void test_groups(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before = counts(fixture).commits;
    for (int i = 0; i < 100; i++) {
        commit(fixture, bytes_of("grouped"), 1, false);
    }
    run_until(fixture, &fixture->answers, 100);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(fixture->item_count, 100);
    assert_true(counts(fixture).commits - before <= 3);
    assert_true(counts(fixture).syncs <= 8);
    while (fixture->item_count > 0) {
        finish(fixture, SPOOL_FILED, 0);
    }
    run_until(fixture, &fixture->answers, 200);
}

void __real_net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx);
void __wrap_net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx);

static unsigned submitted;

void __wrap_net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx)
{
    submitted++;
    __real_net_lane_submit(lane, work, done, ctx);
}

/* A group closes when the disk is free, and by no timer: one who comes alone goes at once, those who come meanwhile go together the moment it is back. */
static void test_no_waiting_for_company(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before = counts(fixture).commits;
    submitted = 0;
    commit(fixture, bytes_of("alone"), 1, false);
    assert_int_equal(submitted, 1); /* the loop has not made a turn */
    for (int i = 0; i < 3; i++) {
        commit(fixture, bytes_of("together"), 1, false);
    }
    assert_int_equal(submitted, 1);
    run_until(fixture, &fixture->answers, 1);
    assert_int_equal(submitted, 2); /* in the turn that brought the first one's answer */
    run_until(fixture, &fixture->answers, 4);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(counts(fixture).commits - before, 2);
    while (fixture->item_count > 0) {
        finish(fixture, SPOOL_FILED, 0);
    }
    run_until(fixture, &fixture->answers, 8);
}

static void on_left(void *ctx, const char *upstream)
{
    assert_string_equal(upstream, "corp");
    (*(unsigned *)ctx)++;
}

static void on_turn(void *ctx)
{
    net_loop_stop(ctx);
}

/*
 * A message that is committed while a fetch finds the end of the backlog is in its answer, or offered, or whoever fetches is told: nothing waits unseen. When
 * exactly the commit comes decides which of it, so it comes after each number of turns of the loop.
 */
static void test_nothing_waits_unseen(void **state)
{
    struct fixture *fixture = *state;
    unsigned told = 0;
    spool_set_left(fixture->spool, on_left, &told);
    for (unsigned turns = 0; turns < 60; turns++) {
        fixture->takes = false;
        commit_and_wait(fixture, "the backlog", 1);
        unsigned reads = fixture->reads, answers = fixture->answers, before = told;
        spool_fetch_due(fixture->spool, "corp", 10, on_fetched, fixture);
        for (unsigned i = 0; i < turns; i++) {
            net_defer(fixture->loop, on_turn, fixture->loop);
            net_loop_run(fixture->loop);
        }
        fixture->takes = true;
        commit(fixture, bytes_of("behind it"), 1, false);
        run_until(fixture, &fixture->answers, answers + 1);
        run_until(fixture, &fixture->reads, reads + 1);
        assert_true(fixture->item_count == 2 || fixture->more || told > before);
        fetch(fixture, 10);
        assert_int_equal(fixture->item_count, 2);
        finish_and_wait(fixture, SPOOL_FILED, 0);
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

/* A flood of one sender does not starve another who comes later. */
static void test_fair(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    fixture->sender = "flood@example.org";
    for (int i = 0; i < 60; i++) {
        commit(fixture, bytes_of("flood"), 1, false);
    }
    run_until(fixture, &fixture->answers, 60);
    fixture->sender = "quiet@example.org";
    commit_and_wait(fixture, "quiet", 1);
    fixture->sender = "flood@example.org";
    fixture->folder = "Other";
    commit_and_wait(fixture, "flood into another folder", 1);
    assert_int_equal(fetch(fixture, 10), 10);
    unsigned quiet = 0, other = 0;
    for (int i = 0; i < 10; i++) {
        quiet += strcmp(fixture->items[i]->envelope.from, "quiet@example.org") == 0;
        other += strcmp(fixture->items[i]->delivery.folder, "Other") == 0;
    }
    assert_int_equal(quiet, 1);
    assert_int_equal(other, 1);
    assert_true(fixture->more);
    /* All of them come, each once. */
    assert_int_equal(fetch(fixture, 100), 62);
    assert_false(fixture->more);
    while (fixture->item_count > 0) {
        finish(fixture, SPOOL_FILED, 0);
    }
    run_until(fixture, &fixture->answers, 124);
}

static void test_sent_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->window_ms = 60000;
    commit_and_wait(fixture, "once", 1);
    assert_string_equal(fixture->repeated, "");
    commit_and_wait(fixture, "once", 1);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(fixture->item_count, 1);
    assert_memory_equal(fixture->repeated, "01TEST0000000000", 16);
    assert_non_null(strstr(fixture->repeated, " open"));
    assert_int_equal(counts(fixture).repeats, 1);
    commit_and_wait(fixture, "another body", 1);
    fixture->sender = "another@example.org";
    commit_and_wait(fixture, "once", 1);
    assert_int_equal(fixture->item_count, 3);
    assert_int_equal(counts(fixture).messages, 3);
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
    /* Also when it was filed long since, and after a restart; but not where it was not asked for. */
    fixture_reopen(fixture);
    commit_and_wait(fixture, "once", 1);
    assert_int_equal(fixture->item_count, 0);
    assert_null(strstr(fixture->repeated, " open"));
    fixture->window_ms = 0;
    commit_and_wait(fixture, "once", 1);
    assert_int_equal(fixture->item_count, 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* ---- large bodies ---- */

static struct bytes large(size_t len)
{
    uint8_t *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    return bytes_at(data, len);
}

static void on_writable(void *ctx)
{
    unsigned *calls = ctx;
    (*calls)++;
}

static void on_source(void *ctx, const struct mail_source *source)
{
    const struct mail_source **into = ctx;
    *into = source;
}

static void spin(struct fixture *fixture, bool (*until)(void *ctx), void *ctx)
{
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (!until(ctx)) {
        net_defer(fixture->loop, (void (*)(void *))net_loop_stop, fixture->loop);
        net_loop_run(fixture->loop);
    }
    net_timer_stop(fixture->deadline);
}

static bool is_set(void *ctx)
{
    return *(void **)ctx != NULL;
}

static bool was_called(void *ctx)
{
    return *(unsigned *)ctx > 0;
}

static void write_slowly(struct fixture *fixture, struct spool_stage *stage, struct bytes data, unsigned *calls)
{
    while (data.len > 0) {
        struct bytes part = bytes_slice(data, 0, 10000);
        *calls = 0;
        int result = spool_stage_write(stage, part);
        assert_true(result >= 0);
        if (result == 1) {
            spin(fixture, was_called, calls);
        }
        data = bytes_from(data, part.len);
    }
}

/* Of two messages with one id only the first is kept, also after it is settled; and one that may have been filed is looked for. */
static void test_unique(void **state)
{
    struct fixture *fixture = *state;
    struct mail_recipient to = {.address = "to@example.net"};
    struct mail_envelope envelope = {.id = "01UNIQUE", .received_ms = 5, .from = "", .to = &to, .to_count = 1};
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r"};
    for (unsigned i = 0; i < 4; i++) {
        struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
        disregard(spool_stage_write(stage, bytes_of("once")));
        spool_stage_unique(stage, true);
        spool_commit(&stage, &envelope, &delivery, 1, on_answer, fixture);
        run_until(fixture, &fixture->answers, fixture->answers + 1);
        assert_int_equal(fixture->failures, i);
        assert_true(i == 0 || strcmp(fixture->fault.code, "known") == 0);
        assert_int_equal(spool_can_accept(fixture->spool, 1, NULL), 0);
        assert_int_equal(counts(fixture).messages, i < 3);
        if (i == 0) {
            assert_int_equal(fixture->item_count, 1);
            assert_true(fixture->items[0]->uncertain);
            finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
            fixture_reopen(fixture);
        } else if (i == 2) {
            assert_int_equal(fetch(fixture, 10), 1);
            assert_true(fixture->items[0]->uncertain);
            finish_and_wait(fixture, SPOOL_FILED, 0);
        }
    }
    assert_int_equal(fetch(fixture, 10), 0);
}

static void on_retried(void *ctx, const json_t *reply)
{
    assert_int_equal(json_integer_value(json_object_get(reply, "changed")), 1);
    on_answer(ctx, NULL);
}

/* What is in doubt stays so, with all that is known of it, whatever becomes of the delivery; over a restart, too. */
static void test_doubt_is_kept(void **state)
{
    static const int kinds[] = {SPOOL_DEFERRED, SPOOL_UNTOUCHED, SPOOL_DEAD};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char id[20];
        snprintf(id, sizeof id, "doubt-%zu", i);
        commit_and_wait(fixture, id, 1);
        struct spool_outcome outcome = {.uncertain = true, .doubt = "uidvalidity=7 uidnext=12"};
        outcome.kind = (unsigned)kinds[i];
        unsigned answers = fixture->answers;
        spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
        run_until(fixture, &fixture->answers, answers + 1);
        fixture_reopen(fixture);
        if (kinds[i] == SPOOL_DEAD) {
            fixture_request(fixture, "{\"verb\": \"retry\", \"select\": {}}", on_retried);
            run_until(fixture, &fixture->answers, fixture->answers + 1);
        }
        assert_int_equal(fetch(fixture, 10), 1);
        assert_true(fixture->items[0]->uncertain);
        assert_string_equal(fixture->items[0]->delivery.doubt, "uidvalidity=7 uidnext=12");
        outcome = (struct spool_outcome){.kind = SPOOL_FILED, .note = "found"};
        spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
        run_until(fixture, &fixture->answers, fixture->answers + 1);
    }
}

static void test_large_body(void **state)
{
    struct fixture *fixture = *state;
    struct bytes body = large(3000000);
    unsigned calls = 0;
    struct spool_stage *stage = spool_stage_new(fixture->spool, on_writable, &calls);
    write_slowly(fixture, stage, body, &calls);
    assert_int_equal(spool_stage_size(stage), body.len);
    const struct mail_source *source = NULL;
    spool_stage_source(stage, on_source, &source);
    assert_null(source);
    spin(fixture, is_set, &source);
    uint8_t part[100];
    assert_int_equal(source->size, body.len);
    assert_int_equal(source->read(source->ctx, body.len - 50, part, sizeof part, NULL), 50);
    assert_memory_equal(part, body.ptr + body.len - 50, 50);
    struct mail_envelope envelope = {.id = "01LARGE", .from = "", .received_ms = net_wall(fixture->loop)};
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX"};
    spool_commit(&stage, &envelope, &delivery, 1, on_answer, fixture);
    run_until(fixture, &fixture->answers, 1);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(fixture->item_count, 1);
    assert_true(bytes_equal(read_item(fixture, fixture->items[0], 0, body.len), body));
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    fixture_reopen(fixture);
    assert_int_equal(fetch(fixture, 1), 1);
    assert_true(bytes_equal(read_item(fixture, fixture->items[0], 1000000, 70000), bytes_slice(body, 1000000, 70000)));
    finish_and_wait(fixture, SPOOL_FILED, 0);
    free((void *)(uintptr_t)body.ptr);
}

static unsigned segments(const struct fixture *fixture)
{
    char path[300];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/segments", fixture->path);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

/* A stage that is thrown away, at any moment, leaves nothing, and no callback comes. */
static void test_thrown_away(void **state)
{
    struct fixture *fixture = *state;
    struct bytes body = large(400000);
    for (int i = 0; i < 3; i++) {
        unsigned calls = 0;
        const struct mail_source *source = NULL;
        struct spool_stage *stage = spool_stage_new(fixture->spool, on_writable, &calls);
        disregard(spool_stage_write(stage, i == 0 ? bytes_of("small") : body));
        if (i == 2) {
            spool_stage_source(stage, on_source, &source);
        }
        spool_stage_free(&stage);
        fixture_reopen(fixture);
        assert_int_equal(calls, 0);
        assert_null(source);
        assert_int_equal(segments(fixture), 0);
    }
    free((void *)(uintptr_t)body.ptr);
}

/* A segment goes when the last thing in it was settled and it is not appended to any more. */
static void test_segments_go(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_size = 1100;
    fixture_reopen(fixture);
    char body[700];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (int i = 0; i < 10; i++) {
        commit_and_wait(fixture, body, 1);
    }
    assert_int_equal(fixture->item_count, 10);
    assert_int_equal(segments(fixture), 5);
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
    fixture_reopen(fixture);
    assert_int_equal(segments(fixture), 0);
}

static bool has_compacted(void *ctx)
{
    return counts(ctx).compacted > 0;
}

/* What still lives in a mostly dead segment moves; who holds it from before can read it all the same. */
static void test_compaction(void **state)
{
    struct fixture *fixture = *state;
    char body[1000];
    fixture->options.segment_size = 60000;
    fixture_reopen(fixture);
    commit_and_wait(fixture, "lives long", 1);
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (int i = 0; i < 60; i++) {
        commit_and_wait(fixture, body, 1);
    }
    struct spool_item *held = fixture->items[0];
    finish_and_wait(fixture, SPOOL_FILED, 0);
    while (fixture->item_count > 1) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
    spin(fixture, has_compacted, fixture);
    assert_true(bytes_is(read_item(fixture, held, 0, 100), "lives long"));
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    fixture_reopen(fixture);
    assert_int_equal(segments(fixture), 1);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 100), "lives long"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

/* ---- crashes and damage ---- */

/* What is known of the folder when a delivery is handed out is on the disk with it: a crash finds it there. */
static void hand_out_marked(struct fixture *fixture)
{
    const struct doubt_mark first = {.validity = 7, .next = 12}, later = {.validity = 7, .next = 90};
    spool_set_mark(fixture->spool, "corp", "INBOX", &first);
    commit_and_wait(fixture, "offered", 1);
    assert_string_equal(fixture->items[0]->delivery.doubt, "uidvalidity=7 uidnext=12");
    assert_false(fixture->items[0]->uncertain);
    finish_and_wait(fixture, SPOOL_DEFERRED, 0);
    spool_set_mark(fixture->spool, "corp", "INBOX", &later);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_string_equal(fixture->items[0]->delivery.doubt, "uidvalidity=7 uidnext=90");
    commit_and_wait(fixture, "offered too", 1);
}

/* Whose account it is, and where, is known from the first hand-out on; what is known of a folder of another account is not taken along. */
static void hand_out_with_origin(struct fixture *fixture)
{
    spool_set_origin(fixture->spool, "corp", "relay", 70000);
    commit_and_wait(fixture, "offered", 1);
    assert_string_equal(fixture->items[0]->delivery.doubt, "account=relay place=70000");
    finish_and_wait(fixture, SPOOL_FILED, 0);
    const struct doubt_mark mark = {.validity = 7, .next = 12, .account = "relay", .folder = "INBOX"};
    spool_set_mark(fixture->spool, "corp", "INBOX", &mark);
    commit_and_wait(fixture, "offered too", 1);
    assert_string_equal(fixture->items[0]->delivery.doubt,
                        "uidvalidity=7 uidnext=12 account=relay folder=INBOX place=70000");
    finish_and_wait(fixture, SPOOL_FILED, 0);
    spool_set_origin(fixture->spool, "corp", "another", 70001);
    commit_and_wait(fixture, "offered again", 1);
    assert_string_equal(fixture->items[0]->delivery.doubt, "account=another place=70001");
}

static void test_origin_is_handed_out(void **state)
{
    struct fixture *fixture = *state;
    fixture_crash(fixture, hand_out_with_origin);
    spool_set_origin(fixture->spool, "corp", "third", 70002);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(fixture->items[0]->uncertain);
    assert_string_equal(fixture->items[0]->delivery.doubt, "account=another place=70001");
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_marks_are_handed_out(void **state)
{
    struct fixture *fixture = *state;
    const struct doubt_mark newest = {.validity = 7, .next = 200};
    fixture_crash(fixture, hand_out_marked);
    spool_set_mark(fixture->spool, "corp", "INBOX", &newest);
    assert_int_equal(fetch(fixture, 10), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(fixture->items[i]->uncertain);
        assert_string_equal(fixture->items[i]->delivery.doubt, "uidvalidity=7 uidnext=90");
    }
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void commit_three(struct fixture *fixture)
{
    commit_and_wait(fixture, "first", 1);
    commit_and_wait(fixture, "second", 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    fixture->takes = false;
    commit_and_wait(fixture, "third", 1);
    commit_and_wait(fixture, "fourth", 1);
}

static void test_crash(void **state)
{
    struct fixture *fixture = *state;
    fixture_crash(fixture, commit_three);
    assert_int_equal(counts(fixture).waiting, 3);
    assert_int_equal(fetch(fixture, 10), 3);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 10), "first"));
    /* In the dead process' hands, or offered to it: it may have filed them. The last was never handed out. */
    assert_true(fixture->items[0]->uncertain);
    assert_false(fixture->items[2]->uncertain);
    assert_true(bytes_is(read_item(fixture, fixture->items[2], 0, 10), "fourth"));
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

/* The bodies of a group were synced, but the index was never told: nobody was answered, so nothing is owed. */
static void test_tail_without_index(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "known", 1);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    spool_close(&fixture->spool);
    char path[300];
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", fixture->path);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "MWR1 half a record", 18), 18);
    close(fd);
    snprintf(path, sizeof path, "%s/segments/0000000000000007.seg", fixture->path);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\0\0\0\0", 4), 4);
    close(fd);
    fixture_open(fixture);
    assert_int_equal(segments(fixture), 1);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 10), "known"));
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    /* Nothing is written behind an old tail, and no number is used twice. */
    commit_and_wait(fixture, "next", 1);
    snprintf(path, sizeof path, "%s/segments/0000000000000008.seg", fixture->path);
    assert_int_equal(access(path, F_OK), 0);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
}

static void test_damaged_body(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "will be damaged", 1);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    commit_and_wait(fixture, "stays whole", 1);
    finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    char path[300];
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", fixture->path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "W", 1, 40), 1);
    close(fd);
    fixture_reopen(fixture);
    assert_int_equal(fetch(fixture, 10), 2);
    assert_true(bytes_is(read_item(fixture, fixture->items[1], 0, 100), "stays whole"));
    for (size_t len = 1; len <= 15; len += 14) {
        assert_int_equal(read_item(fixture, fixture->items[0], 0, len).len, 0);
        assert_string_equal(fixture->fault.code, "damaged");
    }
    assert_true(spool_item_is_damaged(fixture->items[0]));
    assert_false(spool_item_is_damaged(fixture->items[1]));
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
}

static void test_newer_version(void **state)
{
    struct fixture *fixture = *state;
    char command[400];
    spool_close(&fixture->spool);
    snprintf(command, sizeof command, "sqlite3 '%s/index.sqlite' 'PRAGMA user_version = 1000'", fixture->path);
    if (system(command) != 0) {
        skip();
    }
    struct fault fault = FAULT_INIT;
    assert_int_equal(fixture_try_open(fixture, &fault), -1);
    assert_string_equal(fault.code, "version");
}

static void test_room(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    assert_int_equal(spool_can_accept(fixture->spool, 1000, &fault), 0);
    assert_int_equal(spool_can_accept(fixture->spool, UINT64_MAX / 2, &fault), -1);
    assert_string_equal(fault.code, "enospc");
    assert_int_equal(fault.class, FAULT_LOCAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_offer_read_file),
        TEST(test_what_is_left_is_fetched),
        TEST(test_backlog_goes_first),
        TEST(test_deferred),
        TEST(test_clock_jumped),
        TEST(test_clock_jumped_back_twice),
        TEST(test_clock_jumped_unseen),
        TEST(test_held_and_discarded),
        TEST(test_memos),
        TEST(test_reopen),
        TEST(test_locked),
        TEST(test_groups),
        TEST(test_no_waiting_for_company),
        TEST(test_large_body),
        TEST(test_thrown_away),
        TEST(test_segments_go),
        TEST(test_crash),
        TEST(test_tail_without_index),
        TEST(test_damaged_body),
        TEST(test_newer_version),
        TEST(test_room),
        TEST(test_compaction),
        TEST(test_nothing_waits_unseen),
        TEST(test_fair),
        TEST(test_sent_again),
        TEST(test_unique),
        TEST(test_doubt_is_kept),
        TEST(test_marks_are_handed_out),
        TEST(test_origin_is_handed_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
