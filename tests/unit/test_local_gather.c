/*
 * Tests of store/local/local_gather: what SQLite writes into its log goes there in few calls; it is read back, seen by others and taken back as before.
 */
#include "test.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/local/local_index.h"
#include "store/local/local_index_private.h"

#define NAMES 300u

static struct {
    struct local_index *index;
    char folder[64], path[96];
    unsigned calls;
    bool fails;
} w;

static ssize_t count_write(int file, const void *octets, size_t len, off_t at)
{
    w.calls++;
    if (w.fails) {
        errno = EIO;
        return -1;
    }
    return pwrite(file, octets, len, at);
}

/* By the names that SQLite has for its calls; it uses the one or the other, as it was built. */
static void replace_write(sqlite3_syscall_ptr with)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    assert_non_null(vfs);
    vfs->xSetSystemCall(vfs, "pwrite", with);
    vfs->xSetSystemCall(vfs, "pwrite64", with);
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    snprintf(w.folder, sizeof w.folder, "/tmp/mailweir-gather-XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.path, sizeof w.path, "%s/index", w.folder);
    assert_int_equal(local_index_open(&w.index, w.path, NULL, LOCAL_INDEX_WRITE, NULL), 0);
    replace_write((sqlite3_syscall_ptr)(void *)count_write);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    replace_write(NULL);
    local_index_close(&w.index);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[110];
        snprintf(name, sizeof name, "%s%s", w.path, suffixes[i]);
        unlink(name);
    }
    return rmdir(w.folder);
}

static void set_all(uint64_t value, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[120];
        snprintf(name, sizeof name, "%u, a name that is long enough for a table of many pages .......................",
                 i);
        assert_int_equal(local_index_set(w.index, name, value, NULL), 0);
    }
}

static void expect_all(struct local_index *index, uint64_t value, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[120];
        uint64_t got = 0;
        snprintf(name, sizeof name, "%u, a name that is long enough for a table of many pages .......................",
                 i);
        assert_int_equal(local_index_get(index, name, &got, NULL), 0);
        assert_int_equal(got, value);
    }
}

/* What another connection finds, which reads the files. */
static void expect_seen(uint64_t value, unsigned count)
{
    struct local_index *other = NULL;
    assert_int_equal(local_index_open(&other, w.path, NULL, LOCAL_INDEX_READ, NULL), 0);
    expect_all(other, value, count);
    local_index_close(&other);
}

static void few_calls_for_many_pages(void **state)
{
    (void)state;
    uint64_t octets = local_index_log_octets(w.index);
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    set_all(1, NAMES);
    w.calls = 0;
    assert_int_equal(local_index_commit(w.index, NULL), 0);
    assert_true(local_index_log_octets(w.index) - octets > (uint64_t)20 * 1024);
    assert_in_range(w.calls, 1, 3);
    expect_seen(1, NAMES);
}

static void more_than_can_be_gathered(void **state)
{
    (void)state;
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    set_all(2, 20 * NAMES);
    assert_int_equal(local_index_commit(w.index, NULL), 0);
    expect_seen(2, 20 * NAMES);
}

/* A transaction that does not fit into memory has its pages written before its end, and reads them back. */
static void read_back_before_the_end(void **state)
{
    (void)state;
    sqlite3 *db = local_index_db(w.index);
    assert_int_equal(sqlite3_exec(db, "PRAGMA cache_size = 10; PRAGMA cache_spill = 10", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    set_all(3, 3 * NAMES);
    expect_all(w.index, 3, 3 * NAMES);
    set_all(4, 3 * NAMES);
    expect_all(w.index, 4, 3 * NAMES);
    local_index_rollback(w.index);
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    set_all(5, 3 * NAMES);
    assert_int_equal(local_index_commit(w.index, NULL), 0);
    expect_all(w.index, 5, 3 * NAMES);
    expect_seen(5, 3 * NAMES);
}

/* Nothing of it was synced, so it is certain that it failed; and nothing of it comes into the log later. */
static void what_cannot_be_written_is_taken_back(void **state)
{
    (void)state;
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    set_all(6, NAMES);
    assert_int_equal(local_index_commit(w.index, NULL), 0);
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    set_all(7, NAMES);
    w.fails = true;
    assert_int_equal(local_index_commit(w.index, NULL), -1);
    assert_false(local_index_in_limbo(w.index));
    local_index_rollback(w.index);
    w.fails = false;
    expect_all(w.index, 6, NAMES);
    expect_seen(6, NAMES);
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    set_all(8, 2);
    assert_int_equal(local_index_commit(w.index, NULL), 0);
    expect_seen(8, 2);
    local_index_close(&w.index);
    assert_int_equal(local_index_open(&w.index, w.path, NULL, LOCAL_INDEX_WRITE, NULL), 0);
    expect_all(w.index, 8, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(few_calls_for_many_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_than_can_be_gathered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_back_before_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_taken_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
