/*
 * What a batch of the local store costs and leaves: its waits for the disk, the numbers that it notes, the lines of decisions, what is written over a
 * transaction in limbo, segments that it leaves empty, and what the log says of itself when nothing of a batch could be written.
 */
#include "local_disk.h"

#include "store/local/local_private.h"

/* ---- doors that fail when they are told to, and count ---- */

static unsigned fail_journals, fail_opens;
static unsigned begins, fails_begin; /* the one of this number fails */
static bool in_limbo;
static unsigned runs_noted, segments_noted, log_opens;

int __wrap_local_index_commit(struct local_index *index, struct fault *fault); /* these three are local_disk.h's */
int __wrap_net_file_sync(struct net_file *file, struct fault *fault);
int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);
int __real_local_index_begin(struct local_index *index, struct fault *fault);
int __wrap_local_index_begin(struct local_index *index, struct fault *fault);
int __real_local_index_set(struct local_index *index, const char *name, uint64_t value, struct fault *fault);
int __wrap_local_index_set(struct local_index *index, const char *name, uint64_t value, struct fault *fault);
bool __wrap_local_index_in_limbo(const struct local_index *index);
int __real_local_journal_write(const char *spool, struct bytes lines, struct fault *fault);
int __wrap_local_journal_write(const char *spool, struct bytes lines, struct fault *fault);
int __real_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault);
int __wrap_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault);

int __wrap_local_index_begin(struct local_index *index, struct fault *fault)
{
    return ++begins == fails_begin ? -1 : __real_local_index_begin(index, fault);
}

int __wrap_local_index_set(struct local_index *index, const char *name, uint64_t value, struct fault *fault)
{
    runs_noted += strcmp(name, "run") == 0;
    segments_noted += strcmp(name, "next_segment") == 0;
    return __real_local_index_set(index, name, value, fault);
}

bool __wrap_local_index_in_limbo(const struct local_index *index)
{
    (void)index;
    return in_limbo;
}

int __wrap_local_journal_write(const char *spool, struct bytes lines, struct fault *fault)
{
    return disk_fails(&fail_journals, fault) ? -1 : __real_local_journal_write(spool, lines, fault);
}

int __wrap_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault)
{
    if (mode == NET_FILE_WRITE && strstr(path, "index.sqlite-wal") != NULL) {
        log_opens++;
        if (disk_fails(&fail_opens, fault)) {
            return -1;
        }
    }
    return __real_net_file_open(file_r, path, mode, fault);
}

static int set_up_commit(void **state)
{
    memset(&disk, 0, sizeof disk);
    fail_journals = fail_opens = fails_begin = 0;
    in_limbo = false;
    int result = set_up(state);
    begins = runs_noted = segments_noted = log_opens = 0;
    return result;
}

/* ---- batches ---- */

static struct store_batch last;

static enum store_verdict commit_raw(struct store_op *const *ops, size_t count)
{
    store_batch_init(&last);
    for (size_t i = 0; i < count; i++) {
        list_init(&ops[i]->link);
        store_batch_add(&last, ops[i]);
    }
    return w.store->ops->commit(w.store, &last);
}

static struct store_op *make_op(struct store_op op)
{
    struct store_op *made = arena_alloc(w.arena, sizeof *made);
    *made = op;
    return made;
}

static struct store_op *make_memo(void)
{
    return make_op((struct store_op){.kind = STORE_MEMO, .memo = {.upstream = "corp", .text = "a memo"}});
}

static struct store_op *make_pause(const char *upstream)
{
    return make_op((struct store_op){.kind = STORE_PAUSE, .pause = {.upstream = upstream, .paused = true}});
}

static struct store_op *make_finish(uint64_t message)
{
    return make_op((struct store_op){
        .kind = STORE_FINISH, .run = 1, .finish = {.key = {message, 1}, .state = STORE_STATE_FILED, .attempts = 1}});
}

/* Nothing of it is known: it changes nothing. */
static struct store_op *make_void(void)
{
    return make_op((struct store_op){.kind = STORE_UNTOUCH, .run = 1, .untouch = {.key = {999, 1}}});
}

/* Waits for the disk that this batch took. */
static uint64_t waits_of(struct store_op *op)
{
    uint64_t before = local_of(w.store)->syncs;
    assert_int_equal(commit_raw(&op, 1), STORE_COMMITTED);
    drop_chores(&last, true);
    assert_int_equal(last.counts.syncs, local_of(w.store)->syncs);
    return last.counts.syncs - before;
}

static void lose(const char *id, const char *code)
{
    struct store_op *op = make_add(id, "lost");
    if (code != NULL) {
        disk.fail_write = code;
    } else {
        disk.fail_syncs = 1;
    }
    assert_int_equal(commit_raw(&op, 1), STORE_COMMITTED);
    assert_true(fault_is_set(&op->fault));
    drop_chores(&last, true);
}

static size_t lines_of_decisions(void)
{
    char path[200];
    struct buf text;
    size_t lines = 0;
    snprintf(path, sizeof path, "%s/decisions", w.path);
    buf_init(&text, 100000);
    if (access(path, F_OK) == 0) {
        assert_int_equal(net_file_read_all(path, &text, NULL), 0);
    }
    for (struct bytes rest = buf_bytes(&text); rest.len > 0;) {
        lines += bytes_cut(&rest, '\n').len > 0;
    }
    buf_done(&text);
    return lines;
}

/* ---- what it costs ---- */

static void each_wait_is_needed_and_counted(void **state)
{
    (void)state;
    assert_int_equal(waits_of(make_add("ONE", "body")), 3); /* the segment, its name, the index */
    assert_int_equal(waits_of(make_add("TWO", "body")), 2); /* its name stays */
    assert_int_equal(waits_of(make_memo()), 1);             /* no segment was written */
    struct store_op *lost = make_add("LOST", "body");
    disk.fail_write = "enospc";
    unsigned before = begins;
    assert_int_equal(waits_of(lost), 1); /* the segment goes on; nothing is left for the index */
    assert_int_equal(begins, before);
    lost = make_add("LOST", "body");
    disk.fail_write = "eio";
    assert_int_equal(waits_of(lost), 0); /* the segment is given up */
    assert_int_equal(begins, before);
    assert_int_equal(waits_of(make_add("THREE", "body")), 3);
}

static void a_number_of_segments_is_noted_once(void **state)
{
    (void)state;
    add("ONE", "body");
    assert_int_equal(segments_noted, 1);
    add("TWO", "body");
    assert_int_equal(segments_noted, 1);
}

/* A segment whose file is gone may come back after a power cut, under its number. */
static void a_number_of_a_segment_is_never_used_again(void **state)
{
    (void)state;
    struct store_place place = add("ONE", "body");
    waits_of(make_finish(w.last_message));
    lose("LOST", NULL);
    assert_false(has_segment(place.segment));
    close_store();
    open_store();
    assert_true(add("TWO", "body").segment > place.segment);
}

static void the_log_is_opened_once(void **state)
{
    (void)state;
    fail_opens = 1;
    add("ONE", "body"); /* the zeros ahead are a help: without them all is as well */
    assert_int_equal(log_opens, 1);
    add("TWO", "body");
    assert_int_equal(log_opens, 2);
    add("THREE", "body");
    assert_int_equal(log_opens, 2);
}

static void memory_of_a_batch_is_used_again(void **state)
{
    (void)state;
    add("ONE", "body");
    size_t used = arena_used(local_of(w.store)->heads);
    assert_true(used > 0);
    add("TWO", "body");
    assert_int_equal(arena_used(local_of(w.store)->heads), used);
}

/* ---- whose fault it is ---- */

static void a_batch_that_is_kept_has_not_failed(void **state)
{
    (void)state;
    struct store_op *op = make_add("ONE", "body");
    assert_int_equal(commit(&op, 1), STORE_COMMITTED);
    assert_false(op->failed_with_batch || fault_is_set(&op->fault) || fault_is_set(&op->beside));
}

/* What an operation still carries of an earlier batch is not looked at. */
static void the_segment_of_an_earlier_batch_is_forgotten(void **state)
{
    (void)state;
    struct store_op *op = make_add("ONE", "body");
    assert_int_equal(commit(&op, 1), STORE_COMMITTED);
    assert_non_null(op->own);
    op->kind = STORE_MEMO;
    op->memo = (struct store_memo){.upstream = "corp", .text = "a memo"};
    struct store_op *ops[] = {op, make_add("LOST", "body")};
    disk.fail_write = "eio";
    assert_int_equal(commit_raw(ops, 2), STORE_COMMITTED);
    assert_true(fault_is_set(&ops[1]->fault));
    assert_false(fault_is_set(&op->fault));
    drop_chores(&last, true);
}

/* ---- decisions ---- */

static void a_decision_is_written_once(void **state)
{
    (void)state;
    struct store_op *op = make_add("ONE", "body");
    assert_int_equal(commit_raw(&op, 1), STORE_COMMITTED);
    assert_int_equal(lines_of_decisions(), 0);
    for (size_t i = 1; i <= 2; i++) {
        op = make_pause(i == 1 ? "corp" : "other");
        assert_int_equal(commit_raw(&op, 1), STORE_COMMITTED);
        assert_int_equal(lines_of_decisions(), i);
        assert_false(fault_is_set(&op->beside));
    }
    op = make_add("TWO", "body");
    fail_journals = 1; /* nothing is to be written: nobody is told of it */
    assert_int_equal(commit_raw(&op, 1), STORE_COMMITTED);
    assert_int_equal(lines_of_decisions(), 2);
    assert_false(fault_is_set(&op->beside));
    assert_int_equal(fail_journals, 1);
}

/* Who decided is told that it would not outlive the index; nobody else is. */
static void a_decision_that_is_not_written_is_told(void **state)
{
    (void)state;
    struct store_op *ops[] = {make_pause("corp"), make_memo(), make_finish(999)};
    fail_journals = 1;
    assert_int_equal(commit_raw(ops, 3), STORE_COMMITTED);
    assert_int_equal(lines_of_decisions(), 0);
    assert_string_equal(ops[0]->beside.code, "eio");
    assert_non_null(strstr(ops[0]->beside.text, "a rebuild of the index would not know"));
    assert_false(fault_is_set(&ops[1]->beside));
    assert_string_equal(ops[2]->fault.code, "not-in-hand");
    assert_false(fault_is_set(&ops[2]->beside));
}

/* ---- limbo ---- */

static void what_was_written_over_has_failed(void **state)
{
    (void)state;
    struct store_op *op = make_add("LOST", "body");
    in_limbo = true;
    disk.fail_commits = 1;
    assert_int_equal(commit_raw(&op, 1), STORE_FAILED);
    assert_int_equal(runs_noted, 1);
    assert_true(op->failed_with_batch);
    drop_chores(&last, true);
    add("NEXT", "body"); /* and no later batch writes over it again */
    assert_int_equal(runs_noted, 1);
}

/* A batch that changes nothing would leave nothing in the log: it must write over it all the same. */
static void a_later_batch_writes_over_it(void **state)
{
    (void)state;
    struct store_op *op = make_add("LOST", "body"), *next = make_void();
    in_limbo = true;
    disk.fail_commits = 2;
    assert_int_equal(commit_raw(&op, 1), STORE_IN_LIMBO);
    drop_chores(&last, true);
    unsigned noted = runs_noted;
    assert_int_equal(commit_raw(&next, 1), STORE_COMMITTED);
    assert_int_equal(runs_noted, noted + 1);
    drop_chores(&last, true);
    assert_int_equal(w.store->ops->resolve(w.store, &last), STORE_FAILED);
    assert_int_equal(runs_noted, noted + 1); /* it is over: nothing is written once more */
}

/* What no transaction holds would be durable by itself, or not. */
static void nothing_is_written_over_it_outside_a_transaction(void **state)
{
    (void)state;
    struct store_op *op = make_add("LOST", "body");
    in_limbo = true;
    disk.fail_commits = 1;
    fails_begin = 2;
    assert_int_equal(commit_raw(&op, 1), STORE_IN_LIMBO);
    assert_int_equal(begins, 2);
    assert_int_equal(runs_noted, 0);
    assert_int_equal(w.store->ops->resolve(w.store, &last), STORE_FAILED);
    assert_int_equal(runs_noted, 1);
    drop_chores(&last, true);
}

/* ---- segments ---- */

static void a_batch_that_failed_leaves_no_hole(void **state)
{
    (void)state;
    struct store_op *op = make_add("LOST", "body");
    disk.fail_commits = 1;
    assert_int_equal(commit_raw(&op, 1), STORE_FAILED);
    drop_chores(&last, true);
    assert_int_equal(add("ONE", "body").start, 0);
}

/* The segment that is appended to stays when nothing lives in it; when it is left, it goes. */
static void an_empty_segment_that_is_left_goes(void **state)
{
    (void)state;
    struct store_place place = add("ONE", "body");
    waits_of(make_finish(w.last_message));
    assert_true(has_segment(place.segment));
    waits_of(make_memo());
    assert_true(has_segment(place.segment));
    lose("LOST", NULL);
    assert_false(has_segment(place.segment));
}

/* Of two messages in a segment that is not appended to any more, one is settled: the other one moves. */
static void the_rest_of_a_segment_moves(void **state)
{
    (void)state;
    struct store_place place = add("ONE", "body");
    uint64_t one = w.last_message;
    assert_int_equal(add("TWO", "body").segment, place.segment);
    lose("LOST", NULL);
    struct store_op *op = make_finish(one);
    assert_int_equal(commit_raw(&op, 1), STORE_COMMITTED);
    assert_false(list_is_empty(&last.chores));
    drop_chores(&last, false);
}

/*
 * Nothing of a batch could be written, and its segment was new: how far the log was durable is still told of the one before, or the record of the failed sync
 * in that would come to life.
 */
static void a_new_segment_on_a_full_disk_says_nothing(void **state)
{
    (void)state;
    add("KEPT", "first");
    lose("LOST", NULL);
    lose("FULL", "enospc");
    assert_int_equal(add("AFTER", "body").start, 0);
    rebuild_from_log();
    assert_true(is_known("KEPT") && is_known("AFTER"));
    assert_false(is_known("LOST") || is_known("FULL"));
    assert_int_equal(w.made.void_records, 1);
}

#define COMMIT(name) cmocka_unit_test_setup_teardown(name, set_up_commit, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMIT(each_wait_is_needed_and_counted),
        COMMIT(a_number_of_segments_is_noted_once),
        COMMIT(a_number_of_a_segment_is_never_used_again),
        COMMIT(the_log_is_opened_once),
        COMMIT(memory_of_a_batch_is_used_again),
        COMMIT(a_batch_that_is_kept_has_not_failed),
        COMMIT(the_segment_of_an_earlier_batch_is_forgotten),
        COMMIT(a_decision_is_written_once),
        COMMIT(a_decision_that_is_not_written_is_told),
        COMMIT(what_was_written_over_has_failed),
        COMMIT(a_later_batch_writes_over_it),
        COMMIT(nothing_is_written_over_it_outside_a_transaction),
        COMMIT(a_batch_that_failed_leaves_no_hole),
        COMMIT(an_empty_segment_that_is_left_goes),
        COMMIT(the_rest_of_a_segment_moves),
        COMMIT(a_new_segment_on_a_full_disk_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
