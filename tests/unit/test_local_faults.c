/*
 * Everything that reads or mends a spool on a disk, with each of its calls of the disk and of the database failing in turn: the first, the second, the third
 * ... until none is left to fail; once, and from then on for good. Whatever fails is told, what is told to be done is done, and the spool is afterwards what
 * it was: the next try, with a disk that works, finds all of it.
 *
 * A few calls apart as a unit test; all of them: test_local_faults 1.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/arena.h"
#include "net/net_file.h"
#include "store/local/local.h"
#include "store/local/local_backup.h"
#include "store/local/local_check.h"
#include "store/store_ask.h"
#include "store/store_batch.h"
#include "store/store_meta.h"

#include "folder.h"

/* ---- calls that fail ---- */

#define DIED 9

static struct {
    unsigned left; /* at 0 of this countdown one fails; 0: none does */
    bool for_good, fired;
    bool is_death; /* it does not fail then: the process ends */
} trouble;

static bool is_time(void)
{
    if (trouble.left == 0 || --trouble.left > 0) {
        return false;
    }
    if (trouble.is_death) {
        _exit(DIED);
    }
    trouble.left = trouble.for_good ? 1 : 0;
    trouble.fired = true;
    return true;
}

static int refuse(struct fault *fault)
{
    fault_set(fault, FAULT_LOCAL, "eio", "test", "the disk was told to fail");
    return -1;
}

/* The end of a transaction that has nothing to write asks nothing of the disk. */
static bool only_ends(sqlite3_stmt *st)
{
    const char *sql = sqlite3_sql(st);
    return sql != NULL &&
           (strcmp(sql, "ROLLBACK") == 0 ||
            (strcmp(sql, "COMMIT") == 0 && sqlite3_txn_state(sqlite3_db_handle(st), NULL) != SQLITE_TXN_WRITE));
}

int __real_sqlite3_step(sqlite3_stmt *st);
int __wrap_sqlite3_step(sqlite3_stmt *st);
int __wrap_sqlite3_step(sqlite3_stmt *st)
{
    return !only_ends(st) && is_time() ? SQLITE_IOERR : __real_sqlite3_step(st);
}

int __real_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **st_r, const char **rest_r);
int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **st_r, const char **rest_r);
int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **st_r, const char **rest_r)
{
    if (is_time()) {
        *st_r = NULL;
        return SQLITE_IOERR;
    }
    return __real_sqlite3_prepare_v2(db, sql, len, st_r, rest_r);
}

int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r)
{
    if (is_time()) {
        *st_r = NULL;
        return SQLITE_IOERR;
    }
    return __real_sqlite3_prepare_v3(db, sql, len, flags, st_r, rest_r);
}

int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*fn)(void *, int, char **, char **), void *ctx, char **text);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*fn)(void *, int, char **, char **), void *ctx, char **text);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*fn)(void *, int, char **, char **), void *ctx, char **text)
{
    return strcmp(sql, "ROLLBACK") != 0 && is_time() ? SQLITE_IOERR : __real_sqlite3_exec(db, sql, fn, ctx, text);
}

int __real_sqlite3_backup_step(sqlite3_backup *backup, int pages);
int __wrap_sqlite3_backup_step(sqlite3_backup *backup, int pages);
int __wrap_sqlite3_backup_step(sqlite3_backup *backup, int pages)
{
    return is_time() ? SQLITE_IOERR : __real_sqlite3_backup_step(backup, pages);
}

int __real_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault);
int __wrap_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault);
int __wrap_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_open(file_r, path, mode, fault);
}

/* It is closed all the same. */
int __real_net_file_close(struct net_file **file, struct fault *fault);
int __wrap_net_file_close(struct net_file **file, struct fault *fault);
int __wrap_net_file_close(struct net_file **file, struct fault *fault)
{
    bool was_open = *file != NULL;
    int result = __real_net_file_close(file, fault);
    return was_open && is_time() ? refuse(fault) : result;
}

int __real_net_file_write(struct net_file *file, uint64_t at, const struct bytes *pieces, size_t n, struct fault *f);
int __wrap_net_file_write(struct net_file *file, uint64_t at, const struct bytes *pieces, size_t n, struct fault *f);
int __wrap_net_file_write(struct net_file *file, uint64_t at, const struct bytes *pieces, size_t n, struct fault *f)
{
    return is_time() ? refuse(f) : __real_net_file_write(file, at, pieces, n, f);
}

ptrdiff_t __real_net_file_read(struct net_file *file, uint64_t at, void *into, size_t len, struct fault *fault);
ptrdiff_t __wrap_net_file_read(struct net_file *file, uint64_t at, void *into, size_t len, struct fault *fault);
ptrdiff_t __wrap_net_file_read(struct net_file *file, uint64_t at, void *into, size_t len, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_read(file, at, into, len, fault);
}

int __real_net_file_sync(struct net_file *file, struct fault *fault);
int __wrap_net_file_sync(struct net_file *file, struct fault *fault);
int __wrap_net_file_sync(struct net_file *file, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_sync(file, fault);
}

int __real_net_file_size(struct net_file *file, uint64_t *size_r, struct fault *fault);
int __wrap_net_file_size(struct net_file *file, uint64_t *size_r, struct fault *fault);
int __wrap_net_file_size(struct net_file *file, uint64_t *size_r, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_size(file, size_r, fault);
}

int __real_net_file_mkdir(const char *path, struct fault *fault);
int __wrap_net_file_mkdir(const char *path, struct fault *fault);
int __wrap_net_file_mkdir(const char *path, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_mkdir(path, fault);
}

int __real_net_file_sync_directory(const char *path, struct fault *fault);
int __wrap_net_file_sync_directory(const char *path, struct fault *fault);
int __wrap_net_file_sync_directory(const char *path, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_sync_directory(path, fault);
}

int __real_net_file_remove(const char *path, struct fault *fault);
int __wrap_net_file_remove(const char *path, struct fault *fault);
int __wrap_net_file_remove(const char *path, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_remove(path, fault);
}

int __real_net_file_rename(const char *from, const char *to, struct fault *fault);
int __wrap_net_file_rename(const char *from, const char *to, struct fault *fault);
int __wrap_net_file_rename(const char *from, const char *to, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_rename(from, to, fault);
}

int __real_net_file_list(const char *path, int (*fn)(void *ctx, const char *name), void *ctx, struct fault *fault);
int __wrap_net_file_list(const char *path, int (*fn)(void *ctx, const char *name), void *ctx, struct fault *fault);
int __wrap_net_file_list(const char *path, int (*fn)(void *ctx, const char *name), void *ctx, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_list(path, fn, ctx, fault);
}

int __real_net_file_read_all(const char *path, struct buf *out, struct fault *fault);
int __wrap_net_file_read_all(const char *path, struct buf *out, struct fault *fault);
int __wrap_net_file_read_all(const char *path, struct buf *out, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_read_all(path, out, fault);
}

int __real_net_file_replace(const char *path, struct bytes text, struct fault *fault);
int __wrap_net_file_replace(const char *path, struct bytes text, struct fault *fault);
int __wrap_net_file_replace(const char *path, struct bytes text, struct fault *fault)
{
    return is_time() ? refuse(fault) : __real_net_file_replace(path, text, fault);
}

/* ---- folders ---- */

static char root[64]; /* of all that is below */

static const char *in_root(char out[200], const char *name)
{
    snprintf(out, 200, "%s/%s", root, name);
    return out;
}

/* ---- a spool in which something of everything lies ---- */

/* Open messages of the one that is made below; one of them has two deliveries. */
#define OPEN_MESSAGES 5

static struct arena *arena;

static int64_t later_ms;

static int64_t wall(void *ctx)
{
    (void)ctx;
    return 1700000000000 + later_ms;
}

static struct store *open_at(const char *path)
{
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    const struct store_options options = {.path = path, .segment_size = 3000, .wall = wall};
    if (local_store.open(&store, &options, &fault) != 0) {
        fail_msg("%s cannot be opened: %s", path, fault.text);
    }
    return store;
}

static enum store_verdict commit_batch(struct store *store, struct store_op *op);

static void run_chores(struct store *store, struct list *chores)
{
    for (struct list *link; (link = list_take(chores)) != NULL;) {
        struct store_chore *chore = LIST_ITEM(link, struct store_chore, link);
        while (chore->next == STORE_CHORE_TIDY || chore->next == STORE_CHORE_DISK) {
            store->ops->chore(store, chore);
        }
        while (chore->next == STORE_CHORE_BATCH && commit_batch(store, &chore->op) == STORE_COMMITTED) {
            store->ops->chore(store, chore);
        }
        store->ops->chore_drop(store, &chore);
    }
}

/* Nobody goes on before it is known what became of it: at the latest with a disk that works. */
static enum store_verdict commit_batch(struct store *store, struct store_op *op)
{
    struct store_batch batch;
    store_batch_init(&batch);
    list_init(&op->link);
    store_batch_add(&batch, op);
    enum store_verdict verdict = store->ops->commit(store, &batch);
    verdict = verdict == STORE_IN_LIMBO ? store->ops->resolve(store, &batch) : verdict;
    if (verdict == STORE_IN_LIMBO) {
        trouble.left = 0;
        verdict = store->ops->resolve(store, &batch);
    }
    assert_int_not_equal(verdict, STORE_IN_LIMBO);
    assert_true(verdict == STORE_COMMITTED || fault_is_set(&op->fault));
    run_chores(store, &batch.chores);
    return verdict;
}

static bool is_kept(struct store *store, struct store_op *op)
{
    return commit_batch(store, op) == STORE_COMMITTED && !fault_is_set(&op->fault);
}

static void commit_one(struct store *store, struct store_op *op)
{
    assert_true(is_kept(store, op) || trouble.fired);
}

/* How the next message is added. */
static struct {
    uint64_t waits_ms;
    bool is_unique;
} how;

static uint64_t added_in; /* the run in which the last one was handed out */

/* 0: it is not kept. Takes the upload, if there is one. */
static uint64_t add_as(struct store *store, const char *id, struct bytes body, unsigned count,
                       struct store_upload **upload)
{
    struct store_op op = {.kind = STORE_ADD_MESSAGE};
    struct store_row rows[2];
    struct buf text, meta;
    struct mail_recipient to = {.address = "to@example.net"};
    const struct mail_envelope envelope = {
        .id = id, .from = "a@x", .received_ms = wall(NULL), .subject = "one word", .to = &to, .to_count = 1};
    buf_init(&text, STORE_META_MAX);
    buf_init(&meta, STORE_META_MAX);
    store_meta_write_envelope(&text, &envelope);
    op.add = (struct store_add){
        .id = id, .sender = "a@x", .message_id = id, .received_ms = wall(NULL), .rows = rows, .count = count};
    op.add.envelope = bytes_of(arena_copy(arena, buf_bytes(&text)));
    op.add.waits_ms = how.waits_ms;
    op.add.print = how.waits_ms > 0 ? 77 : 0;
    op.add.unique = how.is_unique;
    buf_printf(&meta, "{\"envelope\":%s,\"deliveries\":[", buf_text(&text));
    for (unsigned i = 0; i < count; i++) {
        const struct mail_delivery delivery = {.number = i + 1, .upstream = "corp", .folder = "INBOX", .rule = "r"};
        buf_clear(&text);
        rows[i] = store_row_of(&delivery, "a@x", &text);
        rows[i].handed = true;
        rows[i].detail = bytes_of(arena_copy(arena, rows[i].detail));
        buf_printf(&meta, "%s%s", i > 0 ? "," : "", (const char *)rows[i].detail.ptr);
    }
    buf_append_text(&meta, "]}");
    op.add.meta = buf_bytes(&meta);
    op.add.body = body;
    op.add.upload = upload == NULL ? NULL : *upload;
    bool kept = is_kept(store, &op);
    added_in = op.run;
    store->ops->upload_free(store, &op.add.upload, false);
    buf_done(&text);
    buf_done(&meta);
    return kept ? op.add.message : 0;
}

static uint64_t add(struct store *store, const char *id, struct bytes body, unsigned count)
{
    uint64_t message = add_as(store, id, body, count, NULL);
    assert_true(message != 0 || trouble.fired);
    return message;
}

static void finish(struct store *store, uint64_t message, enum store_state state)
{
    struct store_op op = {.kind = STORE_FINISH, .run = added_in};
    op.finish = (struct store_finish){.key = {message, 1}, .state = state, .attempts = 1, .note = "a note"};
    fault_set(&op.finish.why, FAULT_TEMP, "busy", "APPEND", "the server said no");
    commit_one(store, &op);
}

static void operate(struct store *store, enum store_verb verb, const char *id)
{
    const struct store_select select = {.id = id};
    struct store_op op = {
        .kind = STORE_SET_STATE,
        .set_state = {.verb = verb, .select = &select, .by = "operator", .again = verb == STORE_DROP, .limit = 10}};
    commit_one(store, &op);
}

/* Filed, deferred, held, dead, rerouted, with two deliveries, in a segment of its own; a pause and a memo. */
static void make_spool(const char *path)
{
    static char large[5000];
    memset(large, 'x', sizeof large);
    struct store *store = open_at(path);
    finish(store, add(store, "FILED", bytes_of("one"), 1), STORE_STATE_FILED);
    finish(store, add(store, "WAITS", bytes_of("two"), 1), STORE_STATE_WAITING);
    uint64_t held = add(store, "HELD", bytes_of("three"), 1);
    finish(store, held, STORE_STATE_WAITING);
    operate(store, STORE_HOLD, "HELD");
    finish(store, add(store, "DEAD", bytes_of("four"), 1), STORE_STATE_DEAD);
    finish(store, add(store, "MOVED", bytes_of("five"), 1), STORE_STATE_WAITING);
    const struct mail_delivery elsewhere = {.upstream = "other", .folder = "A", .rule = "s"};
    struct store_op reroute = {.kind = STORE_REROUTE,
                               .reroute = {.id = "MOVED", .by = "operator", .deliveries = &elsewhere, .count = 1}};
    commit_one(store, &reroute);
    add(store, "LARGE", bytes_at(large, sizeof large), 2);
    struct store_op pause = {.kind = STORE_PAUSE, .pause = {.upstream = "corp", .paused = true, .by = "operator"}};
    commit_one(store, &pause);
    struct store_op memo = {.kind = STORE_MEMO, .memo = {"corp", "slow"}};
    commit_one(store, &memo);
    store->ops->close(store);
}

/* A gateway that starts on it finds all of it. */
static void expect_all(const char *path, int less, int more)
{
    struct store *store = open_at(path);
    struct store_batch nothing;
    store_batch_init(&nothing);
    assert_int_equal(store->ops->commit(store, &nothing), STORE_COMMITTED);
    assert_in_range(nothing.counts.messages, OPEN_MESSAGES - less, OPEN_MESSAGES + more);
    assert_in_range(nothing.counts.waiting + nothing.counts.held + nothing.counts.dead, nothing.counts.messages,
                    nothing.counts.messages + 1);
    run_chores(store, &nothing.chores);
    store->ops->close(store);
}

/* ---- what is tried ---- */

static unsigned reports;
/* Where the old index could not be read, or put back in its place, what was filed is looked for once more; a rebuild that
 * cannot read a record tells of it and goes on. */
static int left_behind, left_out;

static void on_report(void *ctx, const char *id, const struct fault *fault)
{
    (void)ctx, (void)id;
    assert_true(fault_is_set(fault));
    reports++;
}

static int try_open(const char *path, struct fault *fault)
{
    struct store *store = NULL;
    const struct store_options options = {.path = path, .segment_size = 3000, .wall = wall};
    int result = local_store.open(&store, &options, fault);
    if (result == 0) {
        store->ops->close(store);
    }
    return result;
}

/* The index is older than what lies in the segments, and one of them is none: both go out of the way. */
static int try_open_strange(const char *path, struct fault *fault)
{
    char name[300];
    unsigned armed = trouble.left;
    sqlite3 *db = NULL;
    trouble.left = 0;
    snprintf(name, sizeof name, "%s/index.sqlite", path);
    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DELETE FROM message; DELETE FROM delivery; DELETE FROM attempt; DELETE FROM note;"
                                  " UPDATE spool SET value = 1 WHERE name = 'next_segment'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    snprintf(name, sizeof name, "%s/segments/0000000000000090.seg", path);
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    fputs("nothing that a gateway has written", file);
    fclose(file);
    trouble.left = armed;
    int result = try_open(path, fault);
    trouble.left = 0;
    left_out = OPEN_MESSAGES;
    return result;
}

static int try_check(const char *path, struct fault *fault)
{
    struct local_check_result found;
    int result = local_check(path, on_report, NULL, NULL, &found, fault);
    assert_true(result != 0 || found.damaged == reports);
    assert_true(result != 0 || reports > 0 || found.messages == OPEN_MESSAGES);
    return result;
}

/* What was copied is asked by itself: with a disk that works. */
static int try_backup(const char *path, struct fault *fault)
{
    char copy[200];
    struct local_backup_result made;
    struct local_check_result found;
    struct fault ignored = FAULT_INIT;
    folder_remove(in_root(copy, "copy"));
    int result = local_backup(path, copy, on_report, NULL, NULL, &made, fault);
    trouble.left = 0;
    if (result == 0) {
        assert_int_equal(local_check(copy, on_report, NULL, NULL, &found, &ignored), 0);
        assert_int_equal(found.messages, OPEN_MESSAGES);
        assert_int_equal(found.damaged, 0);
        assert_true(made.damaged == 0 || trouble.fired);
        expect_all(copy, 0, 0);
    }
    return result;
}

static int try_rebuild(const char *path, struct fault *fault)
{
    struct local_rebuild_result made;
    int result = local_rebuild(path, on_report, NULL, &made, fault);
    trouble.left = 0;
    left_behind = result != 0 ? trouble.for_good : !made.old_index;
    left_out = reports < OPEN_MESSAGES ? (int)reports : OPEN_MESSAGES;
    if (result != 0) {
        struct fault again = FAULT_INIT;
        reports = 0;
        left_out = 0;
        assert_int_equal(local_rebuild(path, on_report, NULL, &made, &again), 0);
        assert_int_equal(reports, 0);
    }
    return result;
}

static int try_rebuild_without_index(const char *path, struct fault *fault)
{
    static const char *const names[] = {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[300];
        snprintf(name, sizeof name, "%s/%s", path, names[i]);
        unlink(name);
    }
    int result = try_rebuild(path, fault);
    left_behind = 1; /* the log does not say what was filed */
    return result;
}

static void on_damage(void *ctx, const struct store_damage *damage)
{
    (void)ctx;
    assert_true(fault_is_set(&damage->what));
    reports++;
}

/* A round of looks and a mending; the store is opened and closed with a disk that works. */
static int try_scrub(const char *path, struct fault *fault)
{
    unsigned armed = trouble.left;
    trouble.left = 0;
    struct store *store = open_at(path);
    struct store_counts counts;
    struct store_scrub scrub = {.octets = 100, .found = on_damage};
    int result = 0;
    trouble.left = armed;
    while (result == 0 && !scrub.whole) {
        result = store->ops->scrub(store, &scrub, fault);
    }
    result = result == 0 ? store->ops->mend(store, &counts, fault) : result;
    trouble.left = 0;
    store->ops->close(store);
    return result;
}

/* A body that comes in pieces and is read back meanwhile; what cannot be written makes its message fail. */
static uint64_t upload(struct store *store, const char *id)
{
    static char piece[3000], back[3000];
    struct fault fault = FAULT_INIT;
    struct store_upload *body = store->ops->upload(store);
    bool is_written = true;
    memset(piece, 'y', sizeof piece);
    for (unsigned i = 0; i < 3; i++) {
        is_written = store->ops->upload_write(store, body, bytes_at(piece, sizeof piece), &fault) == 0 && is_written;
    }
    ptrdiff_t got = store->ops->upload_read(body, 0, back, sizeof back, &fault);
    assert_true(got == sizeof back || trouble.fired);
    uint64_t message = add_as(store, id, bytes_of("the end"), 1, &body);
    assert_true(is_written || message == 0);
    return message;
}

static void read_body(struct store *store, uint64_t message, size_t len)
{
    static char data[10000];
    struct store_body body = {.message = message};
    struct fault fault = FAULT_INIT;
    ptrdiff_t got = store->ops->body(store, &body, 0, data, sizeof data, &fault);
    assert_true(got == (ptrdiff_t)len || (trouble.fired && got < 0 && fault_is_set(&fault)));
}

static void note_key(void *ctx, const struct store_item *item)
{
    struct store_hand_key *key = ctx;
    *key = (struct store_hand_key){.key = item->key, .due = item->due, .attempts = item->attempts};
}

/* The first that is due is claimed, handed out and filed. */
static void deliver(struct store *store)
{
    struct store_hand_key key = {0};
    bool given = false;
    struct store_claim claim = {.upstream = "corp", .limit = 1, .fn = note_key, .ctx = &key};
    struct fault fault = FAULT_INIT;
    if (store->ops->claim(store, &claim, &fault) != 0 || key.key.message == 0) {
        assert_true(trouble.fired);
        return;
    }
    struct store_op hand = {.kind = STORE_HAND, .hand = {.keys = &key, .count = 1, .given = &given}};
    struct store_op filed = {.kind = STORE_FINISH,
                             .finish = {.key = key.key, .state = STORE_STATE_FILED, .uid = 7, .folder = "INBOX"}};
    if (is_kept(store, &hand) && given) {
        filed.run = hand.run;
        assert_true(is_kept(store, &filed) || trouble.fired);
    }
}

static int count_row(void *ctx, const struct store_answer_row *row)
{
    unsigned *count = ctx;
    (*count) += row->kind == STORE_ROW_FOUND;
    return 0;
}

static void expect_known(struct store *store, const char *id, bool is_known)
{
    static const unsigned limits[] = {5, 0, 1000000}; /* none, and more than is looked for at once */
    struct fault fault = FAULT_INIT;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        unsigned count = 0;
        const struct store_question question = {.kind = STORE_ASK_FIND, .what = id, .limit = limits[i]};
        assert_int_equal(store->ops->ask(store, &question, count_row, &count, &fault), 0);
        assert_int_equal(count, is_known);
    }
}

/* What it counts is what the next one that opens it will count. */
static void expect_as_now(struct store *store)
{
    struct store_batch nothing;
    store_batch_init(&nothing);
    assert_int_equal(store->ops->commit(store, &nothing), STORE_COMMITTED);
    run_chores(store, &nothing.chores);
    left_behind = (int)nothing.counts.messages - OPEN_MESSAGES;
    left_out = -left_behind;
}

/* A gateway's day. What it was told yes about is there afterwards, and nothing else. */
static int try_work(const char *path, struct fault *fault)
{
    unsigned armed = trouble.left;
    (void)fault;
    trouble.left = 0;
    struct store *store = open_at(path);
    struct store_room room;
    trouble.left = armed;
    struct store_op resume = {.kind = STORE_PAUSE, .pause = {.upstream = "corp"}};
    commit_one(store, &resume);
    uint64_t small = add(store, "NEW1", bytes_of("a new one"), 1), large = upload(store, "NEW2");
    if (large != 0) {
        read_body(store, large, 9007);
    }
    if (small != 0) {
        read_body(store, small, 9);
        finish(store, small, STORE_STATE_DEAD);
    }
    operate(store, STORE_RETRY, "NEW1");
    deliver(store);
    deliver(store);
    operate(store, STORE_RELEASE, "HELD");
    struct store_op learn = {.kind = STORE_LEARN, .learn = {.limit = 10}};
    commit_one(store, &learn);
    disregard(store->ops->room(store, &room, NULL));
    trouble.left = 0;
    expect_known(store, "NEW1", small != 0);
    expect_known(store, "NEW2", large != 0);
    expect_as_now(store);
    struct store_op forget = {.kind = STORE_FORGET, .forget = {.keep_messages = 0, .limit = 10}};
    commit_one(store, &forget);
    store->ops->close(store);
    return 0;
}

/* A sender comes again whose message was dropped meanwhile, and so does a dropped message by its name; then all that is old goes: words, history, an
 * address, a segment that is nearly dead. */
static int try_history(const char *path, struct fault *fault)
{
    unsigned armed = trouble.left;
    (void)fault;
    trouble.left = 0;
    struct store *store = open_at(path);
    how.waits_ms = 1000;
    uint64_t asked = add(store, "ASKED", bytes_of("who waits"), 1);
    finish(store, asked, STORE_STATE_WAITING);
    operate(store, STORE_DROP, "ASKED");
    trouble.left = armed;
    disregard((int)add_as(store, "AGAIN", bytes_of("who waits"), 1, NULL));
    struct store_op heard = {.kind = STORE_HEARD, .heard = {.id = "ASKED"}};
    commit_one(store, &heard);
    how.waits_ms = 0;
    operate(store, STORE_DROP, "DEAD");
    how.is_unique = true;
    disregard((int)add_as(store, "DEAD", bytes_of("four"), 1, NULL));
    how.is_unique = false;
    operate(store, STORE_DROP, "WAITS");
    operate(store, STORE_DROP, "HELD");
    later_ms = 10;
    struct store_op learn = {.kind = STORE_LEARN, .learn = {.limit = 10}};
    commit_one(store, &learn);
    struct store_op erase = {.kind = STORE_ERASE, .erase = {.address = "to@example.net", .limit = 2}};
    commit_one(store, &erase);
    struct store_op forget = {.kind = STORE_FORGET, .forget = {.keep_messages = 0, .limit = 10}};
    commit_one(store, &forget);
    trouble.left = 0;
    expect_as_now(store);
    store->ops->close(store);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const char *path, struct fault *fault);
} scenarios[] = {
    {"work", try_work},
    {"history", try_history},
    {"open", try_open},
    {"open a strange one", try_open_strange},
    {"check", try_check},
    {"backup", try_backup},
    {"scrub", try_scrub},
    {"rebuild", try_rebuild},
    {"rebuild without an index", try_rebuild_without_index},
};

/* ---- the test ---- */

/* Calls between two that fail, and between two ends of a rebuild. The sanitizer's build goes through the same code, and
 * each of its forks is dear. */
#ifdef __SANITIZE_ADDRESS__
static unsigned apart = 9, ends_apart = 4;
#else
static unsigned apart = 5, ends_apart = 1;
#endif

/* False when no call was left to fail. */
static bool try_one(size_t which, unsigned number, bool for_good)
{
    char path[200], whole[200];
    struct fault fault = FAULT_INIT;
    folder_remove(in_root(path, "spool"));
    folder_copy(in_root(whole, "whole"), path);
    reports = 0;
    left_behind = left_out = 0;
    later_ms = 0;
    trouble.left = number;
    trouble.for_good = for_good;
    trouble.fired = false;
    int result = scenarios[which].run(path, &fault);
    trouble.left = 0;
    if (result != 0 && !fault_is_set(&fault)) {
        fail_msg("%s, call %u: it fails and says not why", scenarios[which].name, number);
    }
    if (!trouble.fired) {
        assert_int_equal(result, 0);
        assert_int_equal(reports, 0);
    }
    expect_all(path, left_out, left_behind);
    return trouble.fired;
}

static void test_each_call_fails(void **state)
{
    (void)state;
    char whole[200];
    folder_remove(in_root(whole, "whole"));
    make_spool(whole);
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        unsigned number = 1, failed = 0;
        for (bool goes_on = true; goes_on; number += apart, failed++) {
            goes_on = try_one(i, number, false);
            goes_on = try_one(i, number, true) && goes_on;
        }
        print_message("figure: %s: each of %u calls failed, in %u tries\n", scenarios[i].name, number, 2 * failed);
        assert_true(failed > 3);
    }
}

/* A rebuild that ends at one of its calls; false when it was through before. */
static bool rebuild_in_dying_child(const char *path, unsigned number)
{
    struct local_rebuild_result made;
    struct fault fault = FAULT_INIT;
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        trouble.left = number;
        trouble.is_death = true;
        _exit(local_rebuild(path, on_report, NULL, &made, &fault) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED));
    return WEXITSTATUS(status) == DIED;
}

static uint64_t held_in(struct store *store)
{
    struct store_batch nothing;
    store_batch_init(&nothing);
    assert_int_equal(store->ops->commit(store, &nothing), STORE_COMMITTED);
    run_chores(store, &nothing.chores);
    return nothing.counts.held;
}

/* Who starts on what it left finds all of it, or is told to rebuild; and whoever rebuilds finds all that the old index
 * knew, if there was one. */
static void expect_as_before(const char *path, bool had_index)
{
    char other[200];
    struct fault fault = FAULT_INIT;
    struct local_rebuild_result made;
    folder_remove(in_root(other, "started"));
    folder_copy(path, other);
    if (try_open(other, &fault) == 0) {
        expect_all(other, 0, !had_index);
    } else {
        assert_string_equal(fault.code, "damaged");
        assert_non_null(strstr(fault.text, "spool rebuild"));
    }
    reports = 0;
    fault = FAULT_INIT;
    assert_int_equal(local_rebuild(path, on_report, NULL, &made, &fault), 0);
    assert_int_equal(reports, 0);
    if (had_index) {
        assert_true(made.old_index);
    }
    expect_all(path, 0, !had_index);
    struct store *store = open_at(path);
    expect_known(store, "FILED", true);
    assert_int_equal(held_in(store), 2);
    store->ops->close(store);
}

static void cut_rebuilds(const char *from, bool had_index)
{
    char path[200];
    unsigned number = 1;
    for (bool goes_on = true; goes_on; number += ends_apart) {
        folder_remove(in_root(path, "spool"));
        folder_copy(from, path);
        goes_on = rebuild_in_dying_child(path, number);
        expect_as_before(path, had_index);
    }
    print_message("figure: a rebuild was cut at calls up to %u, %u apart\n", number - 1, ends_apart);
    assert_true(number > 50);
}

static void rename_in(const char *folder, const char *from, const char *to)
{
    char old[300], new[300];
    snprintf(old, sizeof old, "%s/%s", folder, from);
    snprintf(new, sizeof new, "%s/%s", folder, to);
    assert_int_equal(rename(old, new), 0);
}

/* One that was begun is never taken for an index, and the old one is never lost for it: nor what stands in its log only. One of a rebuild long ago is not the
 * old one. */
static void test_rebuild_is_cut(void **state)
{
    (void)state;
    char whole[200], logged[200], gone[200];
    folder_remove(in_root(whole, "whole"));
    make_spool(whole);
    struct store *store = open_at(whole);
    operate(store, STORE_HOLD, "WAITS");
    folder_copy(whole, in_root(logged, "logged"));
    store->ops->close(store);
    cut_rebuilds(logged, true);
    folder_copy(whole, in_root(gone, "gone"));
    rename_in(gone, "index.sqlite", "index.sqlite.old-1600000000000");
    cut_rebuilds(gone, false);
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1 << 20);
    snprintf(root, sizeof root, "%s/mailweir-faults-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    folder_remove(root);
    return 0;
}

int main(int argc, char **argv)
{
    apart = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : apart;
    ends_apart = argc > 1 ? 1 : ends_apart;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_call_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rebuild_is_cut, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
