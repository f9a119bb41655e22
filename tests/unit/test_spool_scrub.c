/*
 * Tests of spool/spool_scrub and store/local/local_scrub: a spool that is whole is found to be, whatever goes on in it; bodies and
 * pages of the index that were damaged on purpose are found, told, and mended where that can be.
 */
#include <sqlite3.h>

#include "spool/spool_change.h"
#include "spool_fixture.h"

#define PAGE 1024

static int set_up(void **state)
{
    int result = fixture_set_up(state);
    struct fixture *fixture = *state;
    fixture->options.check_every_ms = 20;
    fixture->takes = false;
    fixture_reopen(fixture);
    return result;
}

static struct spool_health health_of(const struct fixture *fixture)
{
    struct spool_health health;
    spool_health(fixture->spool, &health);
    return health;
}

static void stop_loop(void *ctx)
{
    struct fixture *fixture = ctx;
    net_loop_stop(fixture->loop);
}

/* Until so many rounds have begun and ended from now on. */
static struct spool_health run_rounds(struct fixture *fixture, uint64_t rounds)
{
    uint64_t wanted = health_of(fixture).rounds + rounds + 1;
    struct net_timer *timer = net_timer_new(fixture->loop, stop_loop, fixture);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (health_of(fixture).rounds < wanted) {
        net_timer_start(timer, 2);
        net_loop_run(fixture->loop);
    }
    net_timer_stop(fixture->deadline);
    net_timer_free(&timer);
    return health_of(fixture);
}

static void name_file(const struct fixture *fixture, const char *name, char out[300])
{
    snprintf(out, 300, "%s/%s", fixture->path, name);
}

static void patch(const char *path, long offset, const void *octets, size_t len)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(octets, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* A number of the index, asked beside the spool. */
static long ask_index(const struct fixture *fixture, const char *sql)
{
    char path[300];
    sqlite3 *db;
    sqlite3_stmt *st;
    name_file(fixture, "index.sqlite", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    long number = (long)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return number;
}

/* The spool is closed, the index's page is made one without entries (a leaf, of an index or of a table), and opened again. */
static void empty_page(struct fixture *fixture, const char *name)
{
    char path[300], sql[200];
    uint8_t kind, empty[8] = {0, 0, 0, 0, 0, PAGE >> 8, PAGE & 0xFF, 0};
    spool_close(&fixture->spool);
    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", name);
    long at = (ask_index(fixture, sql) - 1) * PAGE;
    name_file(fixture, "index.sqlite", path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fread(&kind, 1, 1, file), 1);
    fclose(file);
    assert_true(kind == 10 || kind == 13);
    empty[0] = kind;
    patch(path, at, empty, sizeof empty);
    fixture_open(fixture);
}

/* ---- whole ---- */

static void test_whole(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 30; i++) {
        commit_and_wait(fixture, i % 3 == 0 ? "a body" : "another", 1 + i % 2);
    }
    commit(fixture, bytes_of("held"), 2, true);
    assert_int_equal(fetch(fixture, 10), 10);
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, fixture->item_count % 2 ? SPOOL_FILED : SPOOL_DEAD, 0);
    }
    struct spool_health health = run_rounds(fixture, 2);
    assert_int_equal(health.damaged, 0);
    assert_int_equal(health.mended, 0);
    assert_false(health.is_torn);
    assert_string_equal(health.reason, "");
    assert_true(health.messages >= 2 * counts(fixture).messages);
}

/* ---- bodies ---- */

static void on_dropped(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct fixture *fixture = ctx;
    assert_int_equal(result->changed, 1);
    on_answer(fixture, fault);
}

/* It is told in each round, and over when nobody needs it any more. */
static void test_body(void **state)
{
    struct fixture *fixture = *state;
    char path[300];
    commit_and_wait(fixture, "the first body, which stays whole", 1);
    commit_and_wait(fixture, "the second body, which does not", 1);
    long at = ask_index(fixture, "SELECT start FROM message WHERE seq = 2");
    long segment = ask_index(fixture, "SELECT segment FROM message WHERE seq = 2");
    snprintf(path, sizeof path, "%s/segments/%016lx.seg", fixture->path, segment);
    patch(path, at + 60, "XX", 2);
    struct spool_health health = run_rounds(fixture, 2);
    assert_int_equal(health.damaged, 1);
    assert_false(health.is_torn);
    assert_non_null(strstr(health.reason, "checksum"));
    char id[STORE_ID_LEN];
    snprintf(id, sizeof id, "%.*s", (int)strcspn(health.reason, ":"), health.reason);
    const struct store_select damaged = {.id = id};
    const struct spool_asker asker = {.done = on_dropped, .ctx = fixture};
    spool_change(fixture->spool, STORE_DROP, &damaged, &asker);
    run_until(fixture, &fixture->answers, fixture->answers + 1);
    health = run_rounds(fixture, 1);
    assert_int_equal(health.damaged, 0);
    assert_string_equal(health.reason, "");
}

/* ---- the index ---- */

static void commit_some(struct fixture *fixture)
{
    for (unsigned i = 0; i < 5; i++) {
        commit_and_wait(fixture, "waits", 1);
    }
    unsigned answers = fixture->answers;
    commit(fixture, bytes_of("held"), 1, true);
    run_until(fixture, &fixture->answers, answers + 1);
}

static void expect_all(struct fixture *fixture)
{
    assert_int_equal(counts(fixture).waiting, 5);
    assert_int_equal(counts(fixture).held, 1);
    assert_int_equal(counts(fixture).messages, 6);
    assert_int_equal(fetch(fixture, 10), 5);
    while (fixture->item_count > 0) {
        struct bytes body = read_item(fixture, fixture->items[fixture->item_count - 1], 0, 100);
        assert_true(bytes_is(body, "waits"));
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

/* The pages by which claims and starts go: nothing is taken for dead, and all is found again before anything else happens. */
static void test_found_at_the_start(void **state)
{
    static const char *const indexes[] = {"delivery_due", "message_open", "delivery_stopped"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        commit_some(fixture);
        empty_page(fixture, indexes[i]);
        expect_all(fixture);
        struct spool_health health = run_rounds(fixture, 1);
        assert_int_equal(health.damaged, 0);
        assert_false(health.is_torn);
        const struct store_select held = {.state = "held"};
        const struct spool_asker asker = {.done = on_dropped, .ctx = fixture};
        spool_change(fixture->spool, STORE_DROP, &held, &asker);
        run_until(fixture, &fixture->answers, fixture->answers + 1);
    }
}

/* Others are found by the next round, and mended beside the work. */
static void test_found_by_a_round(void **state)
{
    static const char *const indexes[] = {"delivery_turn", "sqlite_autoindex_message_1"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        commit_some(fixture);
        empty_page(fixture, indexes[i]);
        struct spool_health health = run_rounds(fixture, 2);
        assert_int_equal(health.mended, 1);
        assert_false(health.is_torn);
        expect_all(fixture);
        const struct store_select held = {.state = "held"};
        const struct spool_asker asker = {.done = on_dropped, .ctx = fixture};
        spool_change(fixture->spool, STORE_DROP, &held, &asker);
        run_until(fixture, &fixture->answers, fixture->answers + 1);
    }
}

/* What a table lacks cannot be mended while a gateway runs, and nothing is taken for dead meanwhile. */
static void test_torn(void **state)
{
    struct fixture *fixture = *state;
    char command[300];
    commit_some(fixture);
    empty_page(fixture, "delivery");
    struct spool_health health = run_rounds(fixture, 1);
    assert_true(health.is_torn);
    assert_int_equal(health.mended, 0);
    assert_non_null(strstr(health.reason, "open deliveries"));
    snprintf(command, sizeof command, "test -n \"$(ls '%s'/segments)\"", fixture->path);
    assert_int_equal(system(command), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_whole), TEST(test_body), TEST(test_found_at_the_start), TEST(test_found_by_a_round), TEST(test_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
