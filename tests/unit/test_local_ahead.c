/* Tests of store/local/local_ahead: what is appended overwrites zeros, so that a sync has no new size to make known. */
#include "spool_fixture.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/net_file.h"
#include "store/local/local_ahead.h"

static uint64_t size_of(struct net_file *file)
{
    uint64_t size;
    assert_int_equal(net_file_size(file, &size, NULL), 0);
    return size;
}

static void test_keep(void **state)
{
    struct fixture *fixture = *state;
    char path[300];
    uint8_t octet = 0;
    struct net_file *file;
    struct local_ahead ahead = {0};
    const struct bytes stale = bytes_of("what a batch left that failed");
    snprintf(path, sizeof path, "%s/ahead", fixture->path);
    assert_int_equal(net_file_open(&file, path, NET_FILE_CREATE, NULL), 0);
    assert_int_equal(net_file_write(file, 100, &stale, 1, NULL), 0);

    local_ahead_keep(&ahead, file, 100, UINT64_MAX);
    assert_int_equal(size_of(file), 100 + LOCAL_AHEAD_STEP);
    assert_int_equal(net_file_read(file, 100, &octet, 1, NULL), 1);
    assert_int_equal(octet, 0);
    /* Enough are left: nothing is written. */
    local_ahead_keep(&ahead, file, 100 + LOCAL_AHEAD_STEP / 2, UINT64_MAX);
    assert_int_equal(size_of(file), 100 + LOCAL_AHEAD_STEP);
    local_ahead_keep(&ahead, file, 101 + LOCAL_AHEAD_STEP / 2, UINT64_MAX);
    assert_int_equal(size_of(file), 100 + 2 * LOCAL_AHEAD_STEP);
    /* The tail went further than the zeros did: they begin at it. */
    local_ahead_keep(&ahead, file, 3 * LOCAL_AHEAD_STEP, UINT64_MAX);
    assert_int_equal(ahead.to, 4 * LOCAL_AHEAD_STEP);
    /* None from the end on. */
    local_ahead_keep(&ahead, file, 4 * LOCAL_AHEAD_STEP, 4 * LOCAL_AHEAD_STEP + 7);
    assert_int_equal(size_of(file), 4 * LOCAL_AHEAD_STEP + 7);
    local_ahead_keep(&ahead, file, 5 * LOCAL_AHEAD_STEP, 4 * LOCAL_AHEAD_STEP + 7);
    assert_int_equal(size_of(file), 4 * LOCAL_AHEAD_STEP + 7);
    assert_int_equal(net_file_close(&file, NULL), 0);
}

static void files_of(const struct fixture *fixture, struct stat files_r[2])
{
    char path[300];
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", fixture->path);
    assert_int_equal(stat(path, &files_r[0]), 0);
    snprintf(path, sizeof path, "%s/index.sqlite-wal", fixture->path);
    assert_int_equal(stat(path, &files_r[1]), 0);
}

/* Behind the first message, what commits append to changes its size by whole steps only, or not at all. */
static void expect_overwriting(struct fixture *fixture)
{
    struct stat first[2], then[2];
    fixture->takes = false;
    commit_and_wait(fixture, "first", 1);
    files_of(fixture, first);
    uint64_t syncs = counts(fixture).syncs;
    for (unsigned i = 0; i < 5; i++) {
        commit_and_wait(fixture, "another", 1);
    }
    /* Each of the segment, and of the index's log; what has no body may have its own beside them. */
    assert_true(counts(fixture).syncs - syncs >= 5 * 2);
    files_of(fixture, then);
    for (size_t i = 0; i < 2; i++) {
        assert_true(first[i].st_size >= LOCAL_AHEAD_STEP);
        assert_int_equal((then[i].st_size - first[i].st_size) % LOCAL_AHEAD_STEP, 0);
        assert_true(then[i].st_size - first[i].st_size <= LOCAL_AHEAD_STEP);
    }
}

static unsigned octets_of_page(const struct fixture *fixture)
{
    char path[300];
    uint8_t head[18];
    struct net_file *file;
    snprintf(path, sizeof path, "%s/index.sqlite", fixture->path);
    assert_int_equal(net_file_open(&file, path, NET_FILE_READ, NULL), 0);
    assert_int_equal(net_file_read(file, 0, head, sizeof head, NULL), sizeof head);
    assert_int_equal(net_file_close(&file, NULL), 0);
    return (unsigned)head[16] << 8 | head[17]; /* sqlite.org/fileformat2.html, section 1.3 */
}

static void test_commits_overwrite(void **state)
{
    expect_overwriting(*state);
    assert_int_equal(octets_of_page(*state), 1024);
}

/* An index that an earlier version has made keeps its pages, and so the frames of its log. */
static void test_older_pages(void **state)
{
    struct fixture *fixture = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[300];
    sqlite3 *db;
    spool_close(&fixture->spool);
    for (size_t i = 3; i-- > 0;) {
        snprintf(path, sizeof path, "%s/index.sqlite%s", fixture->path, suffixes[i]);
        (void)unlink(path); /* -wal and -shm went with the close */
    }
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; CREATE TABLE x (y); DROP TABLE x", NULL,
                     NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    fixture_open(fixture);
    expect_overwriting(fixture);
    assert_int_equal(octets_of_page(fixture), 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keep, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_commits_overwrite, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_older_pages, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
