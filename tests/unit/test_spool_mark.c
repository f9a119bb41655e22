/*
 * Tests of spool/spool_mark over a restart: what is known of a folder when the first delivery behind it is handed out, and that to write it down costs
 * no group of its own.
 */
#include "spool_fixture.h"

#include <string.h>

#include "spool/spool_memo.h"
#include "spool/spool_private.h"

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

/* Names that are too long to be remembered have no mark. */
static void test_long_names(void **state)
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
}

/* Sets the marks of folders from..to - 1. */
static void set_marks(struct fixture *fixture, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        const struct doubt_mark mark = {.validity = i + 1, .next = 12, .account = "relay"};
        char folder[40];
        snprintf(folder, sizeof folder, "F%u", i);
        spool_set_mark(fixture->spool, "corp", folder, &mark);
    }
}

static void expect_folder_mark(struct fixture *fixture, const char *folder, const char *text)
{
    fixture->folder = folder;
    expect_mark(fixture, text);
}

/* One folder more than are remembered: the one without mail for longest is forgotten, here and in the store; what is
 * known of the account stays. */
static void test_as_many_as_are_remembered(void **state)
{
    struct fixture *fixture = *state;
    spool_set_origin(fixture->spool, "corp", "relay", 5);
    set_marks(fixture, 0, SPOOL_MARKS_MAX);
    set_marks(fixture, 0, 1); /* mail again: the next one is the oldest now */
    set_marks(fixture, SPOOL_MARKS_MAX, SPOOL_MARKS_MAX + 1);
    for (int start = 0; start < 2; start++) {
        expect_folder_mark(fixture, "F0", "uidvalidity=1 uidnext=12 account=relay place=5");
        expect_folder_mark(fixture, "F1", "account=relay place=5");
        expect_folder_mark(fixture, "F2", "uidvalidity=3 uidnext=12 account=relay place=5");
        expect_folder_mark(fixture, "F10000", "uidvalidity=10001 uidnext=12 account=relay place=5");
        fixture_reopen(fixture);
        spool_set_origin(fixture->spool, "corp", "relay", 5);
    }
    /* The store has no more rows than are remembered: each of the others came back. */
    set_marks(fixture, SPOOL_MARKS_MAX + 1, SPOOL_MARKS_MAX + 2);
    fixture_reopen(fixture);
    unsigned known = 0;
    for (struct list *link = fixture->spool->marks_aged.next; link != &fixture->spool->marks_aged; link = link->next) {
        known++;
    }
    assert_int_equal(known, SPOOL_MARKS_MAX);
    assert_int_equal(fixture->spool->mark_count, SPOOL_MARKS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_is_known_behind_a_start, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_is_known_behind_a_crash, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_as_many_as_are_remembered, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_when_it_is_written, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_long_names, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_costs_no_group, fixture_set_up, fixture_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
