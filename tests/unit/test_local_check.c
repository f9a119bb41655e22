/* Tests of store/local/local_check and local_rebuild: damage is found and named, and the segments alone give everything back. */
#include "spool_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "spool/spool_admin.h"
#include "store/local/local_check.h"
#include "store/local/local_journal.h"

static unsigned reports;
static char last_id[64];

static void on_report(void *ctx, const char *id, const struct fault *fault)
{
    (void)ctx;
    assert_string_equal(fault->code, "damaged");
    reports++;
    snprintf(last_id, sizeof last_id, "%s", id == NULL ? "" : id);
}

static void on_progress(void *ctx, uint64_t done, uint64_t all)
{
    uint64_t *steps = ctx;
    (*steps)++;
    assert_int_equal(done, *steps);
    assert_true(all >= done);
}

static struct local_check_result check(struct fixture *fixture)
{
    struct local_check_result result;
    struct fault fault = FAULT_INIT;
    reports = 0;
    if (local_check(fixture->path, on_report, NULL, NULL, &result, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    assert_int_equal(result.damaged, reports);
    return result;
}

static int on_line(void *ctx, const json_t *decision, struct bytes line)
{
    assert_true(json_is_object(decision));
    return buf_append_bytes(ctx, line);
}

/* "one", "two" and "three" at octets 0 …, and one that is settled. */
static void fill(struct fixture *fixture)
{
    static const char *const bodies[] = {"one", "two", "three"};
    commit_and_wait(fixture, "settled", 1);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    fixture->takes = false;
    for (size_t i = 0; i < 3; i++) {
        commit_and_wait(fixture, bodies[i], 2);
    }
}

static void poke(struct fixture *fixture, const char *what, const char *with)
{
    static char data[100000];
    char path[300];
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", fixture->path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    ssize_t len = read(fd, data, sizeof data);
    assert_true(len > 0);
    char *at = memmem(data, (size_t)len, what, strlen(what));
    assert_non_null(at);
    assert_int_equal(pwrite(fd, with, strlen(with), at - data), (ssize_t)strlen(with));
    close(fd);
}

/* What a crash leaves of an index that was being made; with segments beside it, nobody touches it. */
static void test_unmade_index(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    char path[300];
    for (unsigned messages = 0; messages < 2; messages++) {
        if (messages > 0) {
            fixture->takes = false;
            commit_and_wait(fixture, "kept", 1);
        }
        spool_close(&fixture->spool);
        snprintf(path, sizeof path, "%s/index.sqlite", fixture->path);
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, path, sizeof path), sizeof path);
        close(fd);
        int result = fixture_try_open(fixture, &fault);
        assert_int_equal(result, messages == 0 ? 0 : -1);
    }
    assert_string_equal(fault.code, "damaged");
}

static void test_whole(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct local_check_result result = check(fixture);
    assert_int_equal(result.messages, 3);
    assert_int_equal(result.octets, 11);
    assert_int_equal(result.damaged, 0);
    struct fault fault = FAULT_INIT;
    uint64_t steps = 0;
    assert_int_equal(local_check(fixture->path, on_report, on_progress, &steps, &result, &fault), 0);
    assert_int_equal(steps, 3);
}

static void test_damage(void **state)
{
    struct fixture *fixture = *state;
    static const char *const pokes[][2] = {
        {"three", "thrEe"}, {"from@example.org", "FROM@example.org"}, {"MWR2", "MWRX"}};
    fill(fixture);
    poke(fixture, pokes[0][0], pokes[0][1]);
    assert_int_equal(check(fixture).damaged, 1);
    assert_int_equal(strncmp(last_id, "01TEST", 6), 0);
    poke(fixture, pokes[1][0], pokes[1][1]); /* of the settled message: nobody needs it */
    assert_int_equal(check(fixture).damaged, 1);
    poke(fixture, pokes[2][0], pokes[2][1]);
    assert_int_equal(check(fixture).damaged, 1);
}

static struct local_rebuild_result rebuild(struct fixture *fixture)
{
    struct local_rebuild_result result;
    struct fault fault = FAULT_INIT;
    reports = 0;
    if (local_rebuild(fixture->path, on_report, NULL, &result, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    assert_int_equal(result.damaged, reports);
    return result;
}

static void destroy_index(struct fixture *fixture)
{
    char command[600];
    snprintf(command, sizeof command,
             "cd '%s' && rm -f index.sqlite-wal index.sqlite-shm && echo nonsense > index.sqlite", fixture->path);
    assert_int_equal(system(command), 0);
}

static void test_index_is_lost(void **state)
{
    struct fixture *fixture = *state;
    struct local_rebuild_result result;
    struct fault fault = FAULT_INIT;
    fill(fixture);
    assert_int_equal(local_rebuild(fixture->path, on_report, NULL, &result, &fault), -1);
    assert_string_equal(fault.code, "locked");
    spool_close(&fixture->spool);
    destroy_index(fixture);
    struct fault refused = FAULT_INIT;
    assert_int_equal(fixture_try_open(fixture, &refused), -1);
    assert_string_equal(refused.code, "damaged");
    result = rebuild(fixture);
    assert_int_equal(result.messages, 4); /* that one was settled is not known any more */
    assert_int_equal(result.deliveries, 7);
    fixture_open(fixture);
    assert_int_equal(counts(fixture).waiting, 7);
    assert_int_equal(fetch(fixture, 10), 7);
    for (size_t i = 0; i < 7; i++) {
        assert_true(fixture->items[i]->uncertain);
    }
    assert_true(bytes_is(read_item(fixture, fixture->items[6], 0, 10), "three"));
    assert_string_equal(fixture->items[6]->envelope.from, "from@example.org");
    while (fixture->item_count > 0) {
        finish_and_wait(fixture, SPOOL_FILED, 0);
    }
}

/* Segments without an index are not taken for an empty spool. */
static void test_index_is_absent(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_INIT;
    char path[300];
    fill(fixture);
    spool_close(&fixture->spool);
    snprintf(path, sizeof path, "%s/index.sqlite", fixture->path);
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 2; i++) {
        fault = FAULT_INIT;
        assert_int_equal(fixture_try_open(fixture, &fault), -1);
        assert_string_equal(fault.code, "damaged");
        assert_non_null(strstr(fault.text, "rebuild"));
    }
    assert_int_equal(rebuild(fixture).messages, 4);
    fixture_open(fixture);
}

/* The old index can be read: what it knows to be settled stays settled. */
static void test_old_index_helps(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    spool_close(&fixture->spool);
    struct local_rebuild_result result = rebuild(fixture);
    assert_int_equal(result.messages, 3);
    assert_int_equal(result.settled, 1);
    fixture_open(fixture);
    assert_int_equal(counts(fixture).waiting, 6);
    assert_int_equal(counts(fixture).messages, 3);
    assert_int_equal(check(fixture).damaged, 0);
}

static void on_changed(void *ctx, const json_t *reply)
{
    struct fixture *fixture = ctx;
    const char *error = json_string_value(json_object_get(reply, "error"));
    if (error != NULL) {
        fail_msg("%s", error);
    }
    fixture->answers++;
    net_loop_stop(fixture->loop);
}

static void __attribute__((format(printf, 2, 3))) ask(struct fixture *fixture, const char *format, ...)
{
    char text[500];
    unsigned before = fixture->answers;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fixture_request(fixture, text, on_changed);
    run_until(fixture, &fixture->answers, before + 1);
}

static void on_rerouted(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct fixture *fixture = ctx;
    assert_null(fault);
    assert_int_equal(result->changed, 2);
    fixture->answers++;
    net_loop_stop(fixture->loop);
}

static void reroute(struct fixture *fixture, const char *id)
{
    static const struct mail_delivery instead = {.number = 1, .upstream = "corp", .folder = "New"};
    const struct spool_asker asker = {.done = on_rerouted, .ctx = fixture};
    unsigned before = fixture->answers;
    spool_change_reroute(fixture->spool, id, &instead, 1, &asker);
    run_until(fixture, &fixture->answers, before + 1);
}

/* Of eight deliveries: one held, one held and released, one dropped, a message rerouted, one attempt; and a pause. */
static void decide(struct fixture *fixture, char ids[4][40])
{
    for (unsigned i = 0; i < 4; i++) {
        commit_and_wait(fixture, "by hand", 2);
        snprintf(ids[i], 40, "%s", fixture->items[fixture->item_count - 1]->envelope.id);
        finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
        finish_and_wait(fixture, i == 3 ? SPOOL_DEFERRED : SPOOL_UNTOUCHED, 0);
    }
    ask(fixture, "{\"verb\":\"hold\",\"select\":{\"id\":\"%s\"}}", ids[0]);
    ask(fixture, "{\"verb\":\"release\",\"select\":{\"id\":\"%s.2\"}}", ids[0]);
    ask(fixture, "{\"verb\":\"drop\",\"select\":{\"id\":\"%s.1\"}}", ids[1]);
    reroute(fixture, ids[2]);
    ask(fixture, "{\"verb\":\"pause\",\"upstream\":\"%s\"}", "corp");
}

/* What operators decided outlives the index, with the old one and, by the journal, without it. */
static void test_decisions(void **state)
{
    struct fixture *fixture = *state;
    char ids[4][40];
    decide(fixture, ids);
    for (unsigned round = 0; round < 3; round++) {
        spool_close(&fixture->spool);
        if (round > 0) {
            destroy_index(fixture);
        }
        struct local_rebuild_result result = rebuild(fixture);
        assert_int_equal(result.old_index, round == 0);
        assert_true(round == 0 ? result.decisions == 0 : result.decisions > 0);
        fixture_open(fixture);
        assert_int_equal(counts(fixture).held, 1);
        assert_int_equal(counts(fixture).waiting, 5);
        assert_int_equal(counts(fixture).messages, 4);
        assert_int_equal(fetch(fixture, 10), 0); /* paused */
        ask(fixture, "{\"verb\":\"resume\"%s}", "");
        assert_int_equal(fetch(fixture, 10), 5);
        unsigned rerouted = 0, attempts = 0;
        for (size_t i = 0; i < 5; i++) {
            const struct spool_item *item = fixture->items[i];
            rerouted += strcmp(item->delivery.folder, "New") == 0 && strcmp(item->envelope.id, ids[2]) == 0;
            attempts += item->attempts;
            assert_true(round == 0 || item->uncertain);
        }
        assert_int_equal(rerouted, 1);
        assert_int_equal(attempts, round == 0 ? 1 : 0);
        while (fixture->item_count > 0) {
            finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
        }
        ask(fixture, "{\"verb\":\"pause\",\"upstream\":\"%s\"}", "corp");
    }
}

/* What is redirected, because the folder is refused, stays so: also when the index is made from nothing. */
static void test_redirected(void **state)
{
    struct fixture *fixture = *state;
    commit_and_wait(fixture, "elsewhere", 1);
    struct mail_delivery instead = fixture->items[0]->delivery;
    const struct mail_way left = {.upstream = "backup", .full = true, .full_ms = 1000};
    instead.folder = "Other";
    instead.because = "the server refuses the folder";
    instead.ways = &left;
    instead.way_count = 1;
    struct spool_outcome outcome = {.kind = SPOOL_MOVED, .instead = &instead};
    fault_set(&outcome.fault, FAULT_PERM, "folder-name", "create", "no");
    unsigned answers = fixture->answers;
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(counts(fixture).waiting, 1);
        assert_int_equal(fetch(fixture, 10), 1);
        const struct mail_delivery *delivery = &fixture->items[0]->delivery;
        assert_int_equal(delivery->number, 1);
        assert_string_equal(delivery->folder, "Other");
        assert_string_equal(delivery->because, "the server refuses the folder");
        assert_true(delivery->way_count == 1 && delivery->ways[0].full_ms == 1000 && !delivery->ways[0].down);
        assert_true(fixture->items[0]->uncertain == (round == 2));
        finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
        spool_close(&fixture->spool);
        if (round > 0) {
            destroy_index(fixture);
        }
        rebuild(fixture);
        fixture_open(fixture);
    }
    const struct mail_trouble full = {.full = true, .full_ms = 999};
    assert_int_equal(divert_by(fixture, "backup", &full), 0);
}

/* What went to its fallback is there, and not at its first upstream too, also when the index is made from nothing. */
static void test_diverted(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    fixture->fallback = "backup";
    commit_and_wait(fixture, "elsewhere", 1);
    assert_int_equal(divert(fixture, "backup"), 1);
    for (unsigned round = 0; round < 2; round++) {
        spool_close(&fixture->spool);
        if (round > 0) {
            destroy_index(fixture);
        }
        rebuild(fixture);
        fixture_open(fixture);
        assert_int_equal(counts(fixture).waiting, 1);
        assert_int_equal(fetch(fixture, 10), 0);
        assert_int_equal(fetch_from(fixture, "backup", net_wall(fixture->loop), 10), 1);
        assert_string_equal(fixture->items[0]->delivery.instead_of, "corp");
        assert_true(round == 0 || fixture->items[0]->uncertain);
        finish_and_wait(fixture, SPOOL_UNTOUCHED, 0);
    }
}

/* The journal forgets what is settled, and a line that was cut off. */
static void test_journal_shrinks(void **state)
{
    struct fixture *fixture = *state;
    struct buf lines;
    struct fault fault = FAULT_INIT;
    char ids[4][40];
    uint64_t damaged = 0;
    decide(fixture, ids);
    ask(fixture, "{\"verb\":\"pause\",\"upstream\":\"%s\"}", "other");
    ask(fixture, "{\"verb\":\"resume\",\"upstream\":\"%s\"}", "other");
    ask(fixture, "{\"verb\":\"drop\",\"select\":{\"id\":\"%s\"}}", ids[0]);
    assert_int_equal(local_journal_write(fixture->path, bytes_of("0123456789abcdef {\"id\":"), &fault), 0);
    fixture_reopen(fixture);
    buf_init(&lines, 1 << 20);
    assert_int_equal(local_journal_each(fixture->path, on_line, &lines, &damaged, &fault), 0);
    assert_int_equal(damaged, 0);
    assert_null(strstr(buf_text(&lines), ids[0]));
    assert_null(strstr(buf_text(&lines), "other"));
    assert_non_null(strstr(buf_text(&lines), ids[1]));
    assert_non_null(strstr(buf_text(&lines), ids[2]));
    assert_non_null(strstr(buf_text(&lines), "\"upstream\":\"corp\",\"paused\":true"));
    buf_done(&lines);
}

static void in_folder(struct fixture *fixture, const char *command)
{
    char whole[600];
    snprintf(whole, sizeof whole, "cd '%s' && %s", fixture->path, command);
    assert_int_equal(system(whole), 0);
}

/* An index from a backup: what it does not know is set aside, stays there, is counted, and comes back as the guide says. */
static void test_set_aside(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    spool_close(&fixture->spool);
    in_folder(fixture, "cp index.sqlite backup");
    fixture_open(fixture);
    commit_and_wait(fixture, "after the backup", 1);
    spool_close(&fixture->spool);
    in_folder(fixture, "cp backup index.sqlite");
    for (unsigned i = 0; i < 2; i++) {
        fixture_open(fixture);
        assert_int_equal(counts(fixture).set_aside, 1);
        assert_int_equal(counts(fixture).messages, 0);
        spool_close(&fixture->spool);
    }
    in_folder(fixture, "mv set-aside/* segments/");
    assert_int_equal(rebuild(fixture).messages, 1);
    fixture_open(fixture);
    assert_int_equal(counts(fixture).set_aside, 0);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_true(bytes_is(read_item(fixture, fixture->items[0], 0, 100), "after the backup"));
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_gap(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    spool_close(&fixture->spool);
    poke(fixture, "MWR2", "XXXX");
    struct local_rebuild_result result = rebuild(fixture);
    assert_int_equal(result.damaged, 1);
    assert_int_equal(result.messages, 3);
    fixture_open(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whole),           TEST(test_unmade_index),    TEST(test_damage),    TEST(test_index_is_lost),
        TEST(test_index_is_absent), TEST(test_old_index_helps), TEST(test_gap),       TEST(test_redirected),
        TEST(test_diverted),        TEST(test_decisions),       TEST(test_set_aside), TEST(test_journal_shrinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
