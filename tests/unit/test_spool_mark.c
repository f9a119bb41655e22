/*
 * Tests of spool/spool_mark over a restart: what is known of a folder when the first delivery behind it is handed out, and that to write it down costs
 * no group of its own.
 */
#include "spool_fixture.h"

#include <string.h>

#include "spool/spool_memo.h"

static const struct doubt_mark first = {.validity = 7, .next = 12, .account = "relay", .folder = "In"};

/* One message is filed, of which the answer tells where the folder stands. */
static void file_one(struct fixture *fixture, const struct doubt_mark *mark)
{
    commit_and_wait(fixture, "filed", 1);
    spool_set_mark(fixture->spool, "corp", "INBOX", mark);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void file_first(struct fixture *fixture)
{
    file_one(fixture, &first);
}

static void expect_mark(struct fixture *fixture, const char *text)
{
    commit_and_wait(fixture, "offered", 1);
    assert_string_equal(fixture->items[0]->delivery.doubt, text);
    finish_and_wait(fixture, SPOOL_FILED, 0);
}

static void test_is_known_behind_a_start(void **state)
{
    struct fixture *fixture = *state;
    file_one(fixture, &first);
    fixture_reopen(fixture);
    spool_set_origin(fixture->spool, "corp", "relay", 5);
    expect_mark(fixture, "uidvalidity=7 uidnext=12 account=relay folder=In place=5");
    /* What the upstream leads to now is another account: its numbers are others. */
    fixture_reopen(fixture);
    spool_set_origin(fixture->spool, "corp", "another", 5);
    expect_mark(fixture, "account=another place=5");
    assert_null(spool_memo(fixture->spool, "corp"));
}

/* Known a crash later, too: it went with what was filed. */
static void test_is_known_behind_a_crash(void **state)
{
    struct fixture *fixture = *state;
    fixture_crash(fixture, file_first);
    expect_mark(fixture, "uidvalidity=7 uidnext=12 account=relay folder=In");
}

/* Written again when it is another mailbox, when the server was set back, and after a step; and with the end. */
static void test_when_it_is_written(void **state)
{
    static const struct {
        struct doubt_mark mark;
        const char *text;
    } steps[] = {
        {{.validity = 7, .next = 12}, "uidvalidity=7 uidnext=12"},
        {{.validity = 7, .next = 1011}, "uidvalidity=7 uidnext=12"},
        {{.validity = 7, .next = 1012}, "uidvalidity=7 uidnext=1012"},
        {{.validity = 7, .next = 1011}, "uidvalidity=7 uidnext=1011"},
        {{.validity = 8, .next = 1011}, "uidvalidity=8 uidnext=1011"},
        {{.validity = 8, .next = 1012, .mailbox = "m"}, "uidvalidity=8 uidnext=1012 mailboxid=m"},
        {{.validity = 8, .next = 1013, .mailbox = "m", .folder = "In"},
         "uidvalidity=8 uidnext=1013 mailboxid=m folder=In"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        spool_set_mark(fixture->spool, "corp", "INBOX", &steps[i].mark);
        fixture_reopen(fixture);
        expect_mark(fixture, steps[i].text);
    }
}

static void test_costs_no_group(void **state)
{
    struct fixture *fixture = *state;
    file_one(fixture, &(struct doubt_mark){.validity = 0});
    commit_and_wait(fixture, "plain", 1);
    uint64_t before = counts(fixture).syncs;
    finish_and_wait(fixture, SPOOL_FILED, 0);
    uint64_t plain = counts(fixture).syncs - before;
    commit_and_wait(fixture, "marked", 1);
    before = counts(fixture).syncs;
    spool_set_mark(fixture->spool, "corp", "INBOX", &first);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(counts(fixture).syncs - before, plain);
}

/* Names that are too long to be remembered have no mark, and of so many folders only the last are known: those that were written before are known behind a start. */
static void test_bounds(void **state)
{
    struct fixture *fixture = *state;
    static char name[5000];
    memset(name, 'n', sizeof name - 1);
    spool_set_mark(fixture->spool, "corp", name, &first);
    spool_set_origin(fixture->spool, name, "relay", 3);
    fixture->folder = name;
    commit_and_wait(fixture, "of a long folder", 1);
    assert_null(fixture->items[0]->delivery.doubt);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    fixture->folder = NULL;
    for (unsigned i = 0; i < 10001; i++) {
        char folder[20];
        snprintf(folder, sizeof folder, "f%u", i);
        spool_set_mark(fixture->spool, "corp", folder, &first);
    }
    fixture->folder = "f1";
    commit_and_wait(fixture, "forgotten", 1);
    assert_null(fixture->items[0]->delivery.doubt);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    fixture->folder = "f10000";
    commit_and_wait(fixture, "known", 1);
    assert_non_null(fixture->items[0]->delivery.doubt);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    fixture_reopen(fixture);
    fixture->folder = "f1";
    commit_and_wait(fixture, "known again", 1);
    assert_string_equal(fixture->items[0]->delivery.doubt, "uidvalidity=7 uidnext=12 account=relay folder=In");
    finish_and_wait(fixture, SPOOL_FILED, 0);
    fixture->folder = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_is_known_behind_a_start, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_is_known_behind_a_crash, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_when_it_is_written, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_costs_no_group, fixture_set_up, fixture_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
