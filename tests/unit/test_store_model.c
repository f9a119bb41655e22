/*
 * Tests of store/local: random histories of operations, claims, crashes and failed commits on it and on store/model (store_histories.h) must agree, also
 * where the database says no at any statement.
 *
 * A few of them as a unit test; tests/sim/test_store runs 2,000. By hand: test_store_model COUNT [FIRST].
 */
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/local/local.h"

#define ROOM_HAS_WALL_CLOCK true
#define ROOM_KEEPS_HANDS    true
#include "folder.h"
#include "store_histories.h"

/* ---- commits that fail when they are told to ---- */

static unsigned fail_commits;
/* The first of them is on the disk all the same: a sync that failed says nothing about that. */
static bool written_first;

struct local_index;
int __real_local_index_commit(struct local_index *index, struct fault *fault);
int __wrap_local_index_commit(struct local_index *index, struct fault *fault);
bool __wrap_local_index_in_limbo(const struct local_index *index);

int __wrap_local_index_commit(struct local_index *index, struct fault *fault)
{
    if (fail_commits == 0) {
        return __real_local_index_commit(index, fault);
    }
    fail_commits--;
    if (written_first) {
        written_first = false;
        assert_int_equal(__real_local_index_commit(index, fault), 0);
    }
    fault_set(fault, FAULT_LOCAL, "eio", "test", "the disk was told to fail");
    return -1;
}

bool __wrap_local_index_in_limbo(const struct local_index *index)
{
    (void)index;
    return true;
}

/* ---- a database that says no ---- */

/* Counted down by each statement that is prepared or stepped: at 0 that one fails, and from then on all, when they are to. */
static struct {
    unsigned left;
    bool for_good, fired;
    uint64_t ever;
    sqlite3 *db; /* where it was */
} trouble;

int __real_sqlite3_step(sqlite3_stmt *st);
int __wrap_sqlite3_step(sqlite3_stmt *st);
int __real_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **st_r, const char **rest_r);
int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **st_r, const char **rest_r);
int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r);

static bool is_refused(sqlite3 *db)
{
    if (trouble.left == 0 || --trouble.left > 0) {
        return false;
    }
    trouble.db = db;
    trouble.left = trouble.for_good ? 1 : 0;
    trouble.ever += !trouble.fired;
    trouble.fired = true;
    return true;
}

/* The end of a transaction that has nothing to write asks nothing of the disk. */
static bool only_ends(sqlite3_stmt *st)
{
    const char *sql = sqlite3_sql(st);
    return sql != NULL &&
           (strcmp(sql, "ROLLBACK") == 0 ||
            (strcmp(sql, "COMMIT") == 0 && sqlite3_txn_state(sqlite3_db_handle(st), NULL) != SQLITE_TXN_WRITE));
}

int __wrap_sqlite3_step(sqlite3_stmt *st)
{
    return !only_ends(st) && is_refused(sqlite3_db_handle(st)) ? SQLITE_IOERR : __real_sqlite3_step(st);
}

int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **st_r, const char **rest_r)
{
    if (is_refused(db)) {
        *st_r = NULL;
        return SQLITE_IOERR;
    }
    return __real_sqlite3_prepare_v2(db, sql, len, st_r, rest_r);
}

int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **st_r,
                              const char **rest_r)
{
    if (is_refused(db)) {
        *st_r = NULL;
        return SQLITE_IOERR;
    }
    return __real_sqlite3_prepare_v3(db, sql, len, flags, st_r, rest_r);
}

static void no_trouble(void)
{
    trouble.left = 0;
    trouble.for_good = trouble.fired = false;
}

/* The database will say no, now or never. */
static void room_trouble(unsigned percent)
{
    no_trouble();
    if ((!on_tape || tape.len > 0) && chance(percent)) {
        trouble.for_good = chance(30);
        trouble.left = 1 + (unsigned)random_below(chance(50) ? 6 : 40);
    }
}

static bool room_was_troubled(void)
{
    return trouble.fired;
}

static bool room_calms(int result, const struct fault *fault)
{
    bool again = result != 0 && trouble.fired && fault_is_set(fault);
    if (again && trouble.db != NULL) { /* one that is left in its midst keeps the connection in the past */
        for (sqlite3_stmt *st = sqlite3_next_stmt(trouble.db, NULL); st != NULL;
             st = sqlite3_next_stmt(trouble.db, st)) {
            if (sqlite3_stmt_busy(st) != 0) {
                differ("a statement is left in its midst: %s", sqlite3_sql(st));
            }
        }
    }
    no_trouble();
    return again;
}

/* ---- life and death ---- */

static void room_clock(void)
{
    /* it asks wall() */
}

static void folder_of(char out[150], unsigned life)
{
    snprintf(out, 150, "%s/life%u", w.path, life);
}

static void open_local(void)
{
    char folder[150];
    struct fault fault = FAULT_INIT;
    folder_of(folder, w.lives);
    const struct store_options options = {.path = folder, .segment_size = 3000, .wall = wall};
    room_trouble(w.lives > 0 ? 40 : 0);
    for (int result = -1; result != 0;) {
        result = local_store.open(&w.stores[LOCAL], &options, &fault);
        trouble.db = result != 0 ? NULL : trouble.db; /* it is gone with what could not be opened */
        if (result != 0 && !room_calms(result, &fault)) {
            fail_msg("the local store cannot be opened: %s", fault.text);
        }
        fault = FAULT_INIT;
    }
    no_trouble();
}

static void room_begin(void)
{
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(w.path, sizeof w.path, "%s/mailweir-model-XXXXXX", folder);
    assert_non_null(mkdtemp(w.path));
    open_local();
}

static void room_end(void)
{
    w.stores[LOCAL]->ops->close(w.stores[LOCAL]);
    folder_remove(w.path);
}

/* What lies on the disk at this moment is all that the next life has. */
static void room_crash(void (*before_end)(void *ctx), void *ctx)
{
    char from[150], to[150];
    folder_of(from, w.lives++);
    folder_of(to, w.lives);
    folder_copy(from, to);
    if (before_end != NULL) {
        before_end(ctx);
    }
    w.stores[LOCAL]->ops->close(w.stores[LOCAL]);
    folder_remove(from);
    open_local();
}

/* ---- commits that fail ---- */

/* What a commit does that fails, for certain or not: nothing, unless a crash comes before anybody knows. */
static bool room_fails(struct store_batch batches[2])
{
    struct store *local = w.stores[LOCAL];
    struct store_batch *batch = &batches[LOCAL];
    bool in_limbo = chance(60), crashes_then = in_limbo && chance(40), written = crashes_then && chance(50);
    fail_commits = in_limbo ? 2 : 1;
    written_first = written;
    enum store_verdict verdict = local->ops->commit(local, batch);
    bool had_work = fail_commits == 0;
    fail_commits = 0;
    written_first = false;
    failed += had_work;
    if (had_work && verdict == STORE_COMMITTED) {
        differ("a commit that failed says that it did not");
    }
    if (verdict == STORE_IN_LIMBO && crashes_then) {
        run_chores(local, &batch->chores);
        crash_in_limbo(batches, written);
        return true;
    }
    if (verdict == STORE_IN_LIMBO) {
        in_limbo_count++;
        if (local->ops->resolve(local, batch) != STORE_FAILED) {
            differ("what was written over is still in limbo");
        }
    }
    run_chores(local, &batch->chores);
    return had_work;
}

static uint64_t stumbled;

/* A statement in it fails: all of the batch does, or the statement was no matter. */
static bool room_stumbles(struct store_batch batches[2], bool *made_r, enum store_verdict *verdict_r)
{
    struct store *local = w.stores[LOCAL];
    struct store_batch *batch = &batches[LOCAL];
    if (!chance(12)) {
        return false;
    }
    room_trouble(100);
    enum store_verdict verdict = local->ops->commit(local, batch);
    bool fired = trouble.fired;
    no_trouble();
    if (verdict == STORE_IN_LIMBO) {
        verdict = local->ops->resolve(local, batch);
    }
    if (verdict == STORE_COMMITTED || (fired && verdict != STORE_FAILED)) {
        *verdict_r = verdict;
        *made_r = true;
        return false;
    }
    if (!fired) {
        differ("a batch fails for no reason: %s", batch->fault.text);
    }
    stumbled++;
    run_chores(local, &batch->chores);
    return true;
}

#ifndef STORE_HISTORIES_ARE_FUZZED /* tests/fuzz/fuzz_store_batch.c */
/* ---- the test ---- */

static uint64_t wanted, first_seed = 1;

static void test_histories(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    uint64_t usual = 30;
#else
    uint64_t usual = 120;
#endif
    uint64_t count = wanted == 0 ? usual : wanted;
    run_histories(first_seed, count);
    assert_true(count < 100 || stumbled > count / 10);
    print_message("figure: the database said no %llu times, in %llu batches\n", (unsigned long long)trouble.ever,
                  (unsigned long long)stumbled);
}

int main(int argc, char **argv)
{
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0), SQLITE_OK); /* it counts under a lock */
    wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_orders_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
