/*
 * The corners of the log where mail dies, or comes to life that nobody was told of; each by name: stale records behind a torn tail, a segment removed before
 * the index is synced, a sync that failed and a record that is whole all the same, a last block that is half filled, rot, a segment under another's name, an
 * older program on such a spool. The index is lost in each, or not to be relied on: the log alone must tell.
 */
#include "local_disk.h"

#include "store/local/local_record.h"
#include "store/local/local_schema.h"
#include "store/store_sum.h"

/* ---- a disk that fails when it is told to ---- */

int __wrap_local_index_commit(struct local_index *index, struct fault *fault); /* these three are local_disk.h's */
int __wrap_net_file_sync(struct net_file *file, struct fault *fault);
int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);

/* The log of the index is as long as it is told to be. */
static uint64_t told_octets;

uint64_t __real_local_index_log_octets(const struct local_index *index);
uint64_t __wrap_local_index_log_octets(const struct local_index *index);

uint64_t __wrap_local_index_log_octets(const struct local_index *index)
{
    return told_octets != 0 ? told_octets : __real_local_index_log_octets(index);
}

static int set_up_corner(void **state)
{
    memset(&disk, 0, sizeof disk);
    return set_up(state);
}

/* ---- the corners ---- */

/* Two records of a batch that failed; the next batch is as long as the first of them, so that the second stands whole behind it. */
static void stale_records_behind_a_torn_tail(void **state)
{
    (void)state;
    add("KEPT", "first");
    struct store_op *ops[] = {make_add("LOST1", "second"), make_add("LOST2", "third")};
    disk.fail_commits = 1;
    assert_int_equal(commit(ops, 2), STORE_FAILED);
    add("AFTER", "fourth");
    rebuild_from_log();
    assert_true(is_known("KEPT") && is_known("AFTER"));
    assert_false(is_known("LOST1") || is_known("LOST2"));
    assert_int_equal(w.made.messages, 2);
    assert_int_equal(w.made.void_records, 1);
    assert_int_equal(w.made.damaged, 0);
}

/* The same, and what came behind the failed batch is shorter: half of a stale record stands behind it, then a whole one. */
static void stale_records_behind_half_a_record(void **state)
{
    (void)state;
    add("KEPT", "first");
    struct store_op *ops[] = {make_add("LOST1", "a longer second body than that which is written over it"),
                              make_add("LOST2", "third")};
    disk.fail_commits = 1;
    assert_int_equal(commit(ops, 2), STORE_FAILED);
    add("AFTER", "short");
    rebuild_from_log();
    assert_true(is_known("KEPT") && is_known("AFTER"));
    assert_false(is_known("LOST1") || is_known("LOST2"));
    assert_int_equal(w.made.damaged, 0);
}

/* The sender heard no, because the sync failed; the record is whole. The next segment says where the log ended. */
static void a_failed_sync_and_a_record_that_is_whole(void **state)
{
    (void)state;
    struct store_place kept = add("KEPT", "first");
    struct store_op *op = make_add("LOST", "second");
    disk.fail_syncs = 1;
    commit(&op, 1);
    assert_true(fault_is_set(&op->fault));
    struct store_place after = add("AFTER", "third");
    assert_true(after.segment > kept.segment);
    rebuild_from_log();
    assert_true(is_known("KEPT") && is_known("AFTER"));
    assert_false(is_known("LOST"));
    assert_int_equal(w.made.void_records, 1);
    assert_int_equal(w.made.damaged, 0);
}

/* Where there is no room, or no more is allowed, what was half written is written over; any other failure ends the segment. */
static void a_full_disk_is_no_bad_disk(void **state)
{
    (void)state;
    static const char *const codes[] = {"enospc", "edquot", "eio"};
    static const char *const ids[][2] = {{"A", "B"}, {"C", "D"}, {"E", "F"}};
    struct store_place last = add("FIRST", "body");
    for (size_t i = 0; i < 3; i++) {
        struct store_op *op = make_add(ids[i][0], "body");
        disk.fail_write = codes[i];
        commit(&op, 1);
        assert_string_equal(op->fault.code, codes[i]);
        struct store_place next = add(ids[i][1], "body");
        bool goes_on = next.segment == last.segment && next.start == last.start + last.record_len;
        assert_int_equal(goes_on, i < 2);
        last = next;
    }
}

/* The log of the index is copied into the database when it is long, by one chore at a time; it is written over from its beginning then. */
static void a_log_that_is_long_begins_anew(void **state)
{
    (void)state;
    static const struct {
        uint64_t octets;
        bool leaves;
    } steps[] = {{4194304, false}, {4194305, true}, {4194306, false}};
    struct store_batch batches[3];
    for (size_t i = 0; i < 3; i++) {
        struct store_op *op = make_add(i == 0 ? "A" : i == 1 ? "B" : "C", "body");
        store_batch_init(&batches[i]);
        store_batch_add(&batches[i], op);
        told_octets = steps[i].octets;
        assert_int_equal(w.store->ops->commit(w.store, &batches[i]), STORE_COMMITTED);
        assert_int_equal(!list_is_empty(&batches[i].chores), steps[i].leaves); /* the third: one is under way */
    }
    drop_chores(&batches[1], true);
    told_octets = 4194305;
    struct store_op *op = make_add("D", "body");
    store_batch_init(&batches[0]);
    store_batch_add(&batches[0], op);
    assert_int_equal(w.store->ops->commit(w.store, &batches[0]), STORE_COMMITTED);
    assert_false(list_is_empty(&batches[0].chores));
    drop_chores(&batches[0], true);
    told_octets = 0;
}

/* A segment in which nothing lives any more goes when the index says so durably, never before. */
static void a_segment_stays_until_the_index_is_synced(void **state)
{
    (void)state;
    struct store_place place = add("ONE", "first");
    uint64_t message = w.last_message;
    struct store_op *lost = make_add("LOST", "second");
    disk.fail_syncs = 1; /* so that another segment is appended to */
    commit(&lost, 1);
    add("TWO", "third");
    struct store_op finish = {
        .kind = STORE_FINISH, .run = 1, .finish = {.key = {message, 1}, .state = STORE_STATE_FILED, .attempts = 1}};
    struct store_op *ops[] = {&finish};
    list_init(&finish.link);
    disk.fail_commits = 1;
    assert_int_equal(commit(ops, 1), STORE_FAILED);
    assert_true(has_segment(place.segment));
    finish.fault = (struct fault)FAULT_INIT;
    list_init(&finish.link);
    struct store_batch batch;
    store_batch_init(&batch);
    store_batch_add(&batch, &finish);
    assert_int_equal(w.store->ops->commit(w.store, &batch), STORE_COMMITTED);
    assert_false(fault_is_set(&finish.fault));
    assert_true(has_segment(place.segment)); /* its removal is a chore, behind the batch */
    drop_chores(&batch, true);
    assert_false(has_segment(place.segment));
    rebuild_from_log();
    assert_false(is_known("ONE"));
    assert_true(is_known("TWO"));
}

/* What a power cut leaves of the last record, at each octet: the rest of the file is zeros, or the file ends there. */
static void a_last_block_that_is_half_filled(void **state)
{
    (void)state;
    static const uint8_t zeros[1 << 16];
    add("KEPT", "first");
    struct store_place last = add("LAST", "second");
    close_store();
    char path[200], whole[4096];
    segment_path(path, last.segment);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, whole, last.start + last.record_len);
    close(fd);
    assert_int_equal(len, last.start + last.record_len);
    for (uint64_t cut = 0; cut < last.record_len; cut += cut < 48 || cut + 48 > last.record_len ? 1 : 37) {
        for (int ends = 0; ends < 2; ends++) {
            assert_int_equal(truncate(path, (off_t)(last.start + (ends ? cut : 0))), 0);
            write_at(last.segment, 0, whole, last.start + cut);
            if (!ends) {
                write_at(last.segment, last.start + cut, zeros, sizeof zeros);
            }
            rebuild_from_log();
            assert_true(is_known("KEPT"));
            if (w.made.damaged != 0 && !is_known("LAST")) {
                fail_msg("cut at %d: %s", (int)cut, w.said);
            }
            assert_true(cut == 0 || w.made.torn + w.made.damaged > 0 || cut < 40);
        }
    }
}

/* The same hole, but the next segment says that the log was durable behind it: it has rotted, and that is damage. */
static void rot_is_told_from_a_torn_tail(void **state)
{
    (void)state;
    static const uint8_t zeros[200];
    struct store_place first = add("FIRST", "first"), last = add("LAST", "second");
    write_at(last.segment, last.start, zeros, 200);
    rebuild_from_log();
    assert_int_equal(w.made.damaged, 0); /* nothing says whether it was ever whole */
    assert_int_equal(w.made.torn, 1);
    assert_non_null(strstr(w.said, "torn: "));
    open_store();
    struct store_op *lost = make_add("LOST", "third");
    struct store_place again = add("AGAIN", "fourth"); /* in a segment of this start */
    disk.fail_syncs = 1;
    commit(&lost, 1);
    add("AFTER", "fifth"); /* in the next one, which says how far that was durable */
    write_at(again.segment, again.start, zeros, 200);
    rebuild_from_log();
    assert_int_equal(w.made.damaged, 1);
    assert_non_null(strstr(w.said, "was whole once"));
    assert_true(is_known("FIRST") && is_known("AFTER"));
    assert_false(is_known("AGAIN") || is_known("LOST"));
    assert_true(first.segment == last.segment);
}

/* A copy of a segment, or an earlier use of its blocks, under another number: none of its records is one. */
static void a_segment_under_another_name(void **state)
{
    (void)state;
    struct store_place place = add("ONE", "first");
    char from[200], to[200];
    close_store();
    segment_path(from, place.segment);
    segment_path(to, place.segment + 7);
    assert_int_equal(rename(from, to), 0);
    rebuild_from_log();
    assert_false(is_known("ONE"));
    assert_int_equal(w.made.messages, 0);
    assert_int_equal(w.made.torn, 1);
}

/* What mailweirs before this one wrote is read as ever, also where today's records stand behind it. */
static void an_older_log(void **state)
{
    (void)state;
    struct store_op *op = make_add("OLD", "as it was");
    uint8_t head[LOCAL_RECORD_HEAD] = {'M', 'W', 'R', '1'};
    const uint64_t numbers[] = {op->add.meta.len, op->add.body.len, store_sum_of(op->add.body),
                                store_sum_of(op->add.meta)};
    for (unsigned i = 0; i < 4; i++) {
        head[4 + i] = (uint8_t)(numbers[0] >> (24 - 8 * i));
    }
    for (unsigned n = 1; n < 4; n++) {
        for (unsigned i = 0; i < 8; i++) {
            head[8 * n + i] = (uint8_t)(numbers[n] >> (56 - 8 * i));
        }
    }
    uint64_t sum = store_sum_of(bytes_at(head, 32));
    for (unsigned i = 0; i < 8; i++) {
        head[32 + i] = (uint8_t)(sum >> (56 - 8 * i));
    }
    for (uint64_t copy = 0; copy < 2; copy++) {
        uint64_t at = copy * 5000; /* the second behind a hole: as ever, that is damage */
        write_at(77, at, head, sizeof head);
        write_at(77, at + sizeof head, op->add.body.ptr, op->add.body.len);
        write_at(77, at + sizeof head + op->add.body.len, op->add.meta.ptr, op->add.meta.len);
    }
    add("NEW", "of today");
    rebuild_from_log();
    assert_true(is_known("OLD") && is_known("NEW"));
    assert_int_equal(w.made.damaged, 1);
    assert_int_equal(w.made.void_records, 0);
}

/* One that knows fewer versions of the index says so in words, and touches nothing: it would take today's records for none, and remove their segments. */
static void an_older_program(void **state)
{
    (void)state;
    char name[200];
    struct store_place place = add("ONE", "first");
    struct fault fault = FAULT_INIT;
    sqlite3 *db = NULL;
    close_store();
    snprintf(name, sizeof name, "%s/index.sqlite", w.path);
    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    assert_int_equal(local_schema_version(db, &fault), LOCAL_SCHEMA_VERSION);
    assert_true(LOCAL_SCHEMA_VERSION >= 10); /* 9 had no ends */
    char pragma[60];
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", LOCAL_SCHEMA_VERSION + 1);
    assert_int_equal(sqlite3_exec(db, pragma, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    const struct store_options options = {.path = w.path, .segment_size = 100000, .wall = wall};
    assert_int_equal(local_store.open(&w.store, &options, &fault), -1);
    w.store = NULL;
    assert_string_equal(fault.code, "version");
    assert_non_null(strstr(fault.text, "run the newer mailweir"));
    assert_true(has_segment(place.segment));
}

#define CORNER(name) cmocka_unit_test_setup_teardown(name, set_up_corner, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORNER(stale_records_behind_a_torn_tail),
        CORNER(stale_records_behind_half_a_record),
        CORNER(a_failed_sync_and_a_record_that_is_whole),
        CORNER(a_full_disk_is_no_bad_disk),
        CORNER(a_log_that_is_long_begins_anew),
        CORNER(a_segment_stays_until_the_index_is_synced),
        CORNER(a_last_block_that_is_half_filled),
        CORNER(rot_is_told_from_a_torn_tail),
        CORNER(a_segment_under_another_name),
        CORNER(an_older_log),
        CORNER(an_older_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
