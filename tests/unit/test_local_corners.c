/*
 * The corners of the log where mail dies, or comes to life that nobody was told of; each by name: stale records behind a torn tail, a segment removed before
 * the index is synced, a sync that failed and a record that is whole all the same, a last block that is half filled, rot, a segment under another's name, an
 * older program on such a spool. The index is lost in each, or not to be relied on: the log alone must tell.
 */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/arena.h"
#include "net/net_file.h"
#include "store/local/local.h"
#include "store/local/local_check.h"
#include "store/local/local_record.h"
#include "store/local/local_schema.h"
#include "store/store_batch.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

/* ---- a disk that fails when it is told to ---- */

static unsigned fail_commits, fail_syncs;

struct local_index;
int __real_local_index_commit(struct local_index *index, struct fault *fault);
int __wrap_local_index_commit(struct local_index *index, struct fault *fault);
int __real_net_file_sync(struct net_file *file, struct fault *fault);
int __wrap_net_file_sync(struct net_file *file, struct fault *fault);

static int fails(unsigned *left, struct fault *fault)
{
    if (*left == 0) {
        return 0;
    }
    (*left)--;
    if (fault != NULL) {
        fault_set(fault, FAULT_LOCAL, "eio", "test", "the disk was told to fail");
    }
    return -1;
}

int __wrap_local_index_commit(struct local_index *index, struct fault *fault)
{
    return fails(&fail_commits, fault) != 0 ? -1 : __real_local_index_commit(index, fault);
}

/* The octets are on the disk all the same: a sync that failed says nothing about that. */
int __wrap_net_file_sync(struct net_file *file, struct fault *fault)
{
    int result = __real_net_file_sync(file, fault);
    return fails(&fail_syncs, fault) != 0 ? -1 : result;
}

/* The next write of a batch fails with this code. */
static const char *fail_write;

int __real_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);
int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);

int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault)
{
    if (fail_write == NULL || count < 2) {
        return __real_net_file_write(file, offset, pieces, count, fault);
    }
    fault_set(fault, FAULT_LOCAL, fail_write, "test", "the disk was told to fail");
    fail_write = NULL;
    return -1;
}

/* The log of the index is as long as it is told to be. */
static uint64_t told_octets;

uint64_t __real_local_index_log_octets(const struct local_index *index);
uint64_t __wrap_local_index_log_octets(const struct local_index *index);

uint64_t __wrap_local_index_log_octets(const struct local_index *index)
{
    return told_octets != 0 ? told_octets : __real_local_index_log_octets(index);
}

/* ---- a store ---- */

static struct world {
    char path[64];
    struct store *store;
    struct arena *arena;
    uint64_t last_message;
    struct local_rebuild_result made;
    unsigned reports;
    char said[4000];
} w;

static int64_t wall(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static void open_store(void)
{
    struct fault fault = FAULT_INIT;
    const struct store_options options = {.path = w.path, .segment_size = 100000, .wall = wall};
    if (local_store.open(&w.store, &options, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
}

static void close_store(void)
{
    if (w.store != NULL) {
        w.store->ops->close(w.store);
        w.store = NULL;
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    fail_commits = fail_syncs = 0;
    snprintf(w.path, sizeof w.path, "/tmp/mailweir-corners-XXXXXX");
    w.arena = arena_new(1 << 20);
    assert_non_null(mkdtemp(w.path));
    open_store();
    return 0;
}

static void remove_all(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char name[600];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            remove_all(name);
            unlink(name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    rmdir(path);
}

static int tear_down(void **state)
{
    (void)state;
    close_store();
    arena_free(&w.arena);
    remove_all(w.path);
    return 0;
}

static struct store_op *make_add(const char *id, const char *body)
{
    struct store_op *op = arena_alloc(w.arena, sizeof *op);
    struct store_row *row = arena_alloc(w.arena, sizeof *row);
    struct buf *text = arena_alloc(w.arena, sizeof *text);
    const struct mail_envelope envelope = {.id = id, .from = "a@x", .received_ms = wall(NULL), .hostname = "gw"};
    const struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r"};
    *op = (struct store_op){.kind = STORE_ADD_MESSAGE};
    buf_init(text, STORE_META_MAX);
    *row = store_row_of(&delivery, "a@x", text);
    row->handed = true; /* it is at once in our hands */
    row->detail = bytes_of(arena_copy(w.arena, row->detail));
    buf_clear(text);
    store_meta_write_envelope(text, &envelope);
    op->add = (struct store_add){
        .id = id, .sender = "a@x", .received_ms = wall(NULL), .rows = row, .count = 1, .body = bytes_of(body)};
    op->add.envelope = bytes_of(arena_copy(w.arena, buf_bytes(text)));
    buf_done(text);
    op->add.meta = bytes_of(arena_printf(w.arena, "{\"envelope\":%s,\"deliveries\":[%s]}",
                                         (const char *)op->add.envelope.ptr, (const char *)row->detail.ptr));
    list_init(&op->link);
    return op;
}

static void drop_chores(struct store_batch *batch, bool runs)
{
    for (struct list *link; (link = list_take(&batch->chores)) != NULL;) {
        struct store_chore *chore = LIST_ITEM(link, struct store_chore, link);
        while (runs && (chore->next == STORE_CHORE_TIDY || chore->next == STORE_CHORE_DISK)) {
            w.store->ops->chore(w.store, chore);
        }
        w.store->ops->chore_drop(w.store, &chore);
    }
}

static enum store_verdict commit(struct store_op *const *ops, size_t count)
{
    struct store_batch batch;
    store_batch_init(&batch);
    for (size_t i = 0; i < count; i++) {
        store_batch_add(&batch, ops[i]);
    }
    enum store_verdict verdict = w.store->ops->commit(w.store, &batch);
    if (verdict == STORE_IN_LIMBO) {
        verdict = w.store->ops->resolve(w.store, &batch);
    }
    drop_chores(&batch, true);
    return verdict;
}

static struct store_place add(const char *id, const char *body)
{
    struct store_op *op = make_add(id, body);
    assert_int_equal(commit(&op, 1), STORE_COMMITTED);
    if (fault_is_set(&op->fault)) {
        fail_msg("%s", op->fault.text);
    }
    w.last_message = op->add.message;
    return op->add.place;
}

static void segment_path(char out[200], uint64_t segment)
{
    snprintf(out, 200, "%s/segments/%016llx.seg", w.path, (unsigned long long)segment);
}

static bool has_segment(uint64_t segment)
{
    char path[200];
    segment_path(path, segment);
    return access(path, F_OK) == 0;
}

static void write_at(uint64_t segment, uint64_t at, const void *octets, size_t len)
{
    char path[200];
    segment_path(path, segment);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, octets, len, (off_t)at), (ssize_t)len);
    close(fd);
}

/* ---- without the index ---- */

static void on_report(void *ctx, const char *id, const struct fault *fault)
{
    (void)ctx, (void)id;
    size_t len = strlen(w.said);
    snprintf(w.said + len, sizeof w.said - len, "%s: %s\n", fault->code, fault->text);
    w.reports++;
}

static void rebuild_from_log(void)
{
    char name[200];
    struct fault fault = FAULT_INIT;
    close_store();
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/index.sqlite%s", w.path, suffixes[i]);
        unlink(name);
    }
    w.reports = 0;
    w.said[0] = '\0';
    if (local_rebuild(w.path, on_report, NULL, &w.made, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    assert_int_equal(w.reports, w.made.damaged + w.made.torn);
}

static bool is_known(const char *id)
{
    char name[200];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    snprintf(name, sizeof name, "%s/index.sqlite", w.path);
    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT 1 FROM message WHERE id = ?1", -1, &st, NULL), SQLITE_OK);
    sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
    bool known = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_finalize(st);
    sqlite3_close(db);
    return known;
}

/* ---- the corners ---- */

/* Two records of a batch that failed; the next batch is as long as the first of them, so that the second stands whole behind it. */
static void stale_records_behind_a_torn_tail(void **state)
{
    (void)state;
    add("KEPT", "first");
    struct store_op *ops[] = {make_add("LOST1", "second"), make_add("LOST2", "third")};
    fail_commits = 1;
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
    fail_commits = 1;
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
    fail_syncs = 1;
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
        fail_write = codes[i];
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
    fail_syncs = 1; /* so that another segment is appended to */
    commit(&lost, 1);
    add("TWO", "third");
    struct store_op finish = {.kind = STORE_FINISH,
                              .finish = {.key = {message, 1}, .state = STORE_STATE_FILED, .attempts = 1}};
    struct store_op *ops[] = {&finish};
    list_init(&finish.link);
    fail_commits = 1;
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
    fail_syncs = 1;
    commit(&lost, 1);
    add("AFTER", "fifth"); /* in the next one, which says how far that was durable */
    write_at(again.segment, again.start, zeros, 200);
    rebuild_from_log();
    assert_int_equal(w.made.damaged, 1);
    assert_non_null(strstr(w.said, "it was durable"));
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

#define CORNER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
