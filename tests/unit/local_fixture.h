/*
 * A local store in a folder of its own, for tests that know what lies on the disk: its segments, its index, and what a rebuild without the index makes of them.
 */
#ifndef MAILWEIR_TESTS_UNIT_LOCAL_FIXTURE_H
#define MAILWEIR_TESTS_UNIT_LOCAL_FIXTURE_H

#include "test.h"

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
#include "store/store_ask.h"
#include "store/store_batch.h"
#include "store/store_meta.h"

#include "folder.h"

/* ---- a store ---- */

static struct world {
    char path[100];
    struct store *store;
    struct arena *arena;
    uint64_t last_message;
    const char *message_id; /* of those that are added next; or NULL */
    struct local_rebuild_result made;
    unsigned reports;
    char said[4000];
} w;

static inline int64_t wall(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static inline void open_store(void)
{
    struct fault fault = FAULT_INIT;
    const struct store_options options = {.path = w.path, .segment_size = 100000, .wall = wall};
    if (local_store.open(&w.store, &options, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
}

static inline void close_store(void)
{
    if (w.store != NULL) {
        w.store->ops->close(w.store);
        w.store = NULL;
    }
}

static inline int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    snprintf(w.path, sizeof w.path, "/tmp/mailweir-local-XXXXXX");
    w.arena = arena_new(1 << 20);
    assert_non_null(mkdtemp(w.path));
    open_store();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    close_store();
    arena_free(&w.arena);
    folder_remove(w.path);
    return 0;
}

static inline struct store_op *make_add(const char *id, const char *body)
{
    struct store_op *op = arena_alloc(w.arena, sizeof *op);
    struct store_row *row = arena_alloc(w.arena, sizeof *row);
    struct buf *text = arena_alloc(w.arena, sizeof *text);
    const struct mail_envelope envelope = {
        .id = id, .from = "a@x", .received_ms = wall(NULL), .hostname = "gw", .message_id = w.message_id};
    const struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r"};
    *op = (struct store_op){.kind = STORE_ADD_MESSAGE};
    buf_init(text, STORE_META_MAX);
    *row = store_row_of(&delivery, "a@x", text);
    row->handed = true; /* it is at once in our hands */
    row->detail = bytes_of(arena_copy(w.arena, row->detail));
    buf_clear(text);
    store_meta_write_envelope(text, &envelope);
    op->add = (struct store_add){.id = id,
                                 .sender = "a@x",
                                 .message_id = w.message_id,
                                 .received_ms = wall(NULL),
                                 .rows = row,
                                 .count = 1,
                                 .body = bytes_of(body)};
    op->add.envelope = bytes_of(arena_copy(w.arena, buf_bytes(text)));
    buf_done(text);
    op->add.meta = bytes_of(arena_printf(w.arena, "{\"envelope\":%s,\"deliveries\":[%s]}",
                                         (const char *)op->add.envelope.ptr, (const char *)row->detail.ptr));
    list_init(&op->link);
    return op;
}

static inline void drop_chores(struct store_batch *batch, bool runs)
{
    for (struct list *link; (link = list_take(&batch->chores)) != NULL;) {
        struct store_chore *chore = LIST_ITEM(link, struct store_chore, link);
        while (runs && (chore->next == STORE_CHORE_TIDY || chore->next == STORE_CHORE_DISK)) {
            w.store->ops->chore(w.store, chore);
        }
        w.store->ops->chore_drop(w.store, &chore);
    }
}

static inline enum store_verdict commit(struct store_op *const *ops, size_t count)
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

static inline struct store_place add(const char *id, const char *body)
{
    struct store_op *op = make_add(id, body);
    assert_int_equal(commit(&op, 1), STORE_COMMITTED);
    if (fault_is_set(&op->fault)) {
        fail_msg("%s", op->fault.text);
    }
    w.last_message = op->add.message;
    return op->add.place;
}

static inline void commit_one(struct store_op *op)
{
    list_init(&op->link);
    assert_int_equal(commit(&op, 1), STORE_COMMITTED);
    if (fault_is_set(&op->fault)) {
        fail_msg("%s", op->fault.text);
    }
}

/* An operator does this to what waits of the message. */
static inline void operate(enum store_verb verb, const char *id)
{
    const struct store_select select = {.id = id};
    struct store_op op = {
        .kind = STORE_SET_STATE,
        .set_state = {.verb = verb, .select = &select, .by = "operator", .again = verb == STORE_DROP, .limit = 10}};
    commit_one(&op);
}

static inline int add_uncertain(void *ctx, const struct store_answer_row *row)
{
    unsigned *count = ctx;
    *count += row->delivery.uncertain;
    return 0;
}

/* Open deliveries that are in doubt. */
static inline unsigned count_uncertain(void)
{
    unsigned count = 0;
    struct fault fault = FAULT_INIT;
    const struct store_select all = {0};
    const struct store_question list = {.kind = STORE_ASK_LIST, .select = &all};
    assert_int_equal(w.store->ops->ask(w.store, &list, add_uncertain, &count, &fault), 0);
    return count;
}

static inline void segment_path(char out[200], uint64_t segment)
{
    snprintf(out, 200, "%s/segments/%016llx.seg", w.path, (unsigned long long)segment);
}

static inline bool has_segment(uint64_t segment)
{
    char path[200];
    segment_path(path, segment);
    return access(path, F_OK) == 0;
}

static inline void write_at(uint64_t segment, uint64_t at, const void *octets, size_t len)
{
    char path[200];
    segment_path(path, segment);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, octets, len, (off_t)at), (ssize_t)len);
    close(fd);
}

/* ---- without the index ---- */

static inline void on_report(void *ctx, const char *id, const struct fault *fault)
{
    (void)ctx, (void)id;
    size_t len = strlen(w.said);
    snprintf(w.said + len, sizeof w.said - len, "%s: %s\n", fault->code, fault->text);
    w.reports++;
}

static inline void rebuild_from_log(void)
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

static inline bool is_known(const char *id)
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

#endif
