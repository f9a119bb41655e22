/*
 * Tests of spool/spool_fetch, where what is kept about a delivery cannot be read: that one is set aside with its reason, the others of its
 * upstream go on, and an index that is made anew has it again.
 */
#include <sqlite3.h>

#include "spool/spool_query.h"
#include "spool_door.h"
#include "store/local/local_check.h"

uint64_t __wrap_net_now(const struct net_loop *loop); /* spool_door.h's */

/* ---- behind the door ---- */

static void until_dead(struct fixture *fixture, uint64_t wanted)
{
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (counts(fixture).dead < wanted) {
        turn(fixture);
    }
    net_timer_stop(fixture->deadline);
}

/* What cannot be read is not handed out, and does not come again: it is a dead letter, as doubtful as it was. */
static void test_fetch_unreadable(void **state)
{
    struct fixture *fixture = *state;
    static const char *const spoilt[] = {"envelope", "detail"};
    fixture->takes = false;
    for (unsigned i = 0; i < 2; i++) {
        commit_and_wait(fixture, "waits", 1);
        door.spoil = spoilt[i];
        assert_int_equal(fetch(fixture, 10), 0);
        assert_int_equal(fixture->next_due_ms, -1);
        door.spoil = NULL;
        until_dead(fixture, i + 1);
        assert_int_equal(counts(fixture).unreadable, i + 1);
        assert_int_equal(fetch(fixture, 10), 0);
        assert_int_equal(counts(fixture).waiting, 0);
    }
}

/* One that cannot be read is fetched, and the first operation of this kind fails. */
static void fetch_spoilt(struct fixture *fixture, int fail_kind)
{
    fixture->takes = false;
    commit_and_wait(fixture, "waits", 1);
    door.spoil = "detail";
    door.commits_fail = 1;
    door.fail_kind = fail_kind;
    assert_int_equal(fetch(fixture, 10), 0);
}

/* What could not be taken in hand is not set aside either. */
static void test_fetch_unreadable_and_fails(void **state)
{
    struct fixture *fixture = *state;
    fetch_spoilt(fixture, STORE_HAND);
    assert_true(fixture->next_due_ms > 0);
    assert_int_equal(counts(fixture).unreadable, 0);
    assert_int_equal(counts(fixture).waiting, 1);
    door.spoil = NULL;
    assert_int_equal(fetch(fixture, 10), 1);
    finish_all(fixture);
}

/* Another node has it by now: it is not said that it is set aside here. */
static void test_set_aside_by_another(void **state)
{
    struct fixture *fixture = *state;
    door.fail_class = FAULT_PERM;
    fetch_spoilt(fixture, STORE_FINISH);
    while (door.commits_fail > 0) {
        turn(fixture);
    }
    door.spoil = NULL;
    assert_int_equal(fetch(fixture, 10), 0); /* behind the settlement */
    assert_int_equal(counts(fixture).unreadable, 0);
    assert_int_equal(counts(fixture).dead, 0);
}

/* ---- in the local store's index ---- */

static int set_up_local(void **state)
{
    fixture_kind = &local_store;
    return fixture_set_up(state);
}

static void damage(const struct fixture *fixture, const char *sql)
{
    char path[300];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/index.sqlite", fixture->path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

/* Three wait; the words of the second are damaged. */
static void begin(struct fixture *fixture, const char *sql)
{
    fixture->takes = false;
    commit_and_wait(fixture, "first", 1);
    commit_and_wait(fixture, "second", 1);
    commit_and_wait(fixture, "third", 1);
    spool_close(&fixture->spool);
    damage(fixture, sql);
    fixture_open(fixture);
}

static int note_dead(void *ctx, const json_t *object)
{
    char *text = ctx;
    snprintf(text, 1000, "%s: %s", json_string_value(json_object_get(object, "state")),
             json_string_value(json_object_get(json_object_get(object, "error"), "text")));
    return 0;
}

/* What an operator sees of those that are dead: the last of them. */
static void list_dead(const struct fixture *fixture, char text[1000])
{
    struct store *store;
    struct fault fault = FAULT_INIT;
    const struct store_select select = {.state = "dead"};
    text[0] = '\0';
    assert_int_equal(local_store.look(&store, fixture->path, &fault), 0);
    assert_int_equal(spool_query_list(store, &select, 0, note_dead, text, &fault), 0);
    local_store.close(store);
}

static void expect_set_aside(struct fixture *fixture)
{
    char text[1000];
    assert_int_equal(fetch(fixture, 10), 2);
    assert_false(fixture->more);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 100), "first"));
    assert_true(bytes_is(read_item(fixture, fixture->items[1], 0, 100), "third"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    until_dead(fixture, 1);
    assert_int_equal(counts(fixture).unreadable, 1);
    assert_int_equal(counts(fixture).waiting, 0);
    list_dead(fixture, text);
    assert_non_null(strstr(text, "dead: what the spool keeps about this delivery cannot be read"));
    assert_non_null(strstr(text, "not JSON"));
}

static void test_detail(void **state)
{
    begin(*state, "UPDATE delivery SET detail = '{no JSON' WHERE message = 2");
    expect_set_aside(*state);
}

static void test_envelope(void **state)
{
    begin(*state, "UPDATE message SET envelope = '{no JSON' WHERE seq = 2");
    expect_set_aside(*state);
}

static void note_report(void *ctx, const char *id, const struct fault *fault)
{
    (void)ctx;
    fail_msg("%s: %s", id == NULL ? "" : id, fault->text);
}

static void on_retried(void *ctx, const json_t *reply)
{
    struct fixture *fixture = ctx;
    assert_int_equal(json_integer_value(json_object_get(reply, "changed")), 1);
    fixture->reads++;
    net_loop_stop(fixture->loop);
}

/* Its record has it whole: what the reason says helps. */
static void test_rebuilt(void **state)
{
    struct fixture *fixture = *state;
    struct local_rebuild_result result;
    struct fault fault = FAULT_INIT;
    begin(fixture, "UPDATE delivery SET detail = '{no JSON' WHERE message = 2");
    expect_set_aside(fixture);
    spool_close(&fixture->spool);
    assert_int_equal(local_rebuild(fixture->path, note_report, NULL, &result, &fault), 0);
    fixture_open(fixture);
    unsigned reads = fixture->reads;
    fixture_request(fixture, "{\"verb\":\"retry\",\"select\":{}}", on_retried);
    run_until(fixture, &fixture->reads, reads + 1);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 100), "second"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(counts(fixture).dead, 0);
}

/* Where the rule has another way for what waits, the others take it. */
static void test_divert(void **state)
{
    struct fixture *fixture = *state;
    fixture->fallback = "backup";
    begin(fixture, "UPDATE delivery SET detail = '{no JSON' WHERE message = 2");
    assert_int_equal(divert(fixture, "backup"), 2);
    assert_int_equal(fetch_from(fixture, "corp", net_wall(fixture->loop), 10), 0);
    until_dead(fixture, 1);
    assert_int_equal(counts(fixture).unreadable, 1);
    assert_int_equal(fetch_from(fixture, "backup", net_wall(fixture->loop), 10), 2);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

int main(void)
{
#define TEST(test)  cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define LOCAL(test) cmocka_unit_test_setup_teardown(test, set_up_local, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_fetch_unreadable),
        TEST(test_fetch_unreadable_and_fails),
        TEST(test_set_aside_by_another),
        LOCAL(test_detail),
        LOCAL(test_envelope),
        LOCAL(test_rebuilt),
        LOCAL(test_divert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
