/* upstream_task and upstream_backlog: what goes together, who may join a folder, what becomes of refused, doubtful and found messages. No connection is made. */
#include "upstream_fixture.h"

static void begin(const struct upstream_account *account)
{
    struct upstream_account usual = fixture_account();
    fixture_begin(account != NULL ? account : &usual);
}

static struct upstream_task *take(void)
{
    return upstream_task_take(fixture.pool, true);
}

static void finish(struct upstream_task *task, struct imapc_result result)
{
    upstream_task_finish(fixture.pool, &task, &result, false, 1);
    assert_null(task);
}

/* All that the task had may have been filed. */
static struct imapc_result unknown(void)
{
    struct imapc_result result = failed(FAULT_UNCERTAIN, "connection-lost");
    result.reached = 1;
    result.ended = result.sent = true;
    return result;
}

static void finish_rest(void)
{
    for (struct upstream_task *task; (task = take()) != NULL;) {
        finish(task, (struct imapc_result){0});
    }
    assert_int_equal(upstream_pool_waiting(fixture.pool), 0);
    assert_true(upstream_backlog_settle(fixture.pool) == 0);
    assert_int_equal(map_count(fixture.pool->folders), 0);
    assert_true(list_is_empty(&fixture.pool->ring));
}

static void test_what_waits_goes_together(void **state)
{
    (void)state;
    begin(NULL);
    submit_many("A", 3);
    submit("B", 100, false);
    struct upstream_task *task = take();
    assert_string_equal(task->folder->name, "A");
    assert_int_equal(task->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(task->appends[i], &fixture.appends[i].append); /* in order */
        task->messages[i].uid = 40 + (uint32_t)i;
    }
    assert_int_equal(upstream_pool_waiting(fixture.pool), 4);
    finish(task, (struct imapc_result){.uidvalidity = 7});
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture.appends[i].answers, 1);
        assert_int_equal(fixture.appends[i].outcome.fault.class, FAULT_NONE);
        assert_int_equal(fixture.appends[i].outcome.uidvalidity, 7);
        assert_int_equal(fixture.appends[i].outcome.uid, 40 + i);
    }
    finish_rest();
    fixture_end();
}

/* A batch has a bound in messages and one in octets; the first message goes whatever its size. */
static void test_batches_are_bounded(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settings[UPSTREAM_BATCH] = 4;
    account.settings[UPSTREAM_BATCH_OCTETS] = 1000;
    begin(&account);
    submit_many("A", 6);
    submit("A", 5000, false);
    submit("A", 900, false);
    submit("A", 101, false);
    static const size_t counts[] = {4, 2, 1, 1, 1};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct upstream_task *task = take();
        assert_int_equal(task->count, counts[i]);
        finish(task, (struct imapc_result){0});
    }
    submit_many("A", 3);
    struct upstream_task *single = upstream_task_take(fixture.pool, false); /* no MULTIAPPEND */
    assert_int_equal(single->count, 1);
    finish(single, (struct imapc_result){0});
    finish_rest();
    fixture_end();
}

/* Folders have their turns, however much waits for one of them. */
static void test_folders_in_turn(void **state)
{
    struct upstream_account account = fixture_account();
    char order[8] = "";
    (void)state;
    account.settings[UPSTREAM_BATCH] = 2;
    begin(&account);
    submit_many("A", 6);
    submit_many("B", 2);
    submit_many("C", 4);
    for (size_t i = 0; i < 6; i++) {
        struct upstream_task *task = take();
        order[i] = task->folder->name[0];
        finish(task, (struct imapc_result){0});
    }
    assert_string_equal(order, "ABCACA");
    finish_rest();
    fixture_end();
}

/* A second connection joins a folder when enough waits for a batch; or, one by one, as the profile says. */
static void test_who_joins_a_folder(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settings[UPSTREAM_BATCH] = 5;
    begin(&account);
    submit_many("A", 5 + UPSTREAM_BATCH_SPILL - 1);
    struct upstream_task *first = take();
    assert_null(take());
    submit("A", 100, false);
    struct upstream_task *second = take();
    assert_non_null(second);
    assert_int_equal(second->folder->busy, 2);
    assert_null(take());
    finish(first, (struct imapc_result){0});
    finish(second, (struct imapc_result){0});
    struct upstream_task *alone = upstream_task_take(fixture.pool, false);
    assert_null(upstream_task_take(fixture.pool, false)); /* folder_connections of the profile is 1 */
    finish(alone, (struct imapc_result){0});
    finish_rest();
    fixture_end();
}

/* Halves, until the one that is not wanted stands alone; the others are filed. */
static void test_a_refused_batch_is_split(void **state)
{
    unsigned refusals = 0;
    (void)state;
    begin(NULL);
    submit_many("A", 8);
    for (struct upstream_task *task; (task = take()) != NULL;) {
        bool has_bad = false;
        for (size_t i = 0; i < task->count; i++) {
            has_bad = has_bad || task->appends[i] == &fixture.appends[5].append;
        }
        refusals += has_bad;
        finish(task, has_bad ? failed(FAULT_PERM, "cannot") : (struct imapc_result){0});
    }
    assert_int_equal(refusals, 4); /* 8, 4, 2, 1 */
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(fixture.appends[i].answers, 1);
        assert_int_equal(fixture.appends[i].outcome.fault.class, i == 5 ? FAULT_PERM : FAULT_NONE);
    }
    finish_rest();
    fixture_end();
}

/* What came later does not join the halves. */
static void test_halves_stay_alone(void **state)
{
    (void)state;
    begin(NULL);
    submit_many("A", 7);
    struct upstream_task *task = take();
    submit_many("A", 3);
    finish(task, failed(FAULT_TEMP, "limit"));
    static const size_t counts[] = {4, 3, 3};
    for (size_t i = 0; i < 3; i++) {
        task = take();
        assert_int_equal(task->count, counts[i]);
        finish(task, (struct imapc_result){0});
    }
    finish_rest();
    fixture_end();
}

/* Where a refused batch may leave messages behind, they are looked for before they go again. */
static void test_a_refused_batch_in_doubt(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settings[UPSTREAM_BATCH_ATOMIC] = 0;
    begin(&account);
    submit_many("A", 3);
    struct imapc_result refused = failed(FAULT_TEMP, "limit");
    refused.reached = 2;
    refused.mark = (struct doubt_mark){.validity = 7, .next = 9};
    finish(take(), refused);
    struct upstream_task *task = take();
    assert_true(task->is_search);
    assert_int_equal(task->count, 2); /* the third had not gone out whole */
    assert_string_equal(task->wanted[0].id, "id-0");
    assert_int_equal(task->wanted[0].doubt->mark.next, 9);
    task->wanted[0].uid = 9;
    task->wanted[1].seen = 1;
    finish(task, (struct imapc_result){.uidvalidity = 7, .mark = {.validity = 7, .next = 10}});
    assert_true(fixture.appends[0].outcome.found);
    assert_int_equal(fixture.appends[0].outcome.uid, 9);
    assert_int_equal(fixture.appends[1].answers, 0); /* not found: it is sent */
    task = take();
    assert_false(task->is_search);
    assert_int_equal(task->count, 1); /* alone */
    assert_ptr_equal(task->appends[0], &fixture.appends[1].append);
    finish(task, (struct imapc_result){0});
    assert_false(fixture.appends[1].outcome.doubt.open);
    assert_false(fixture.appends[1].outcome.possible_duplicate);
    task = take();
    assert_int_equal(task->count, 1);
    assert_ptr_equal(task->appends[0], &fixture.appends[2].append);
    finish(task, (struct imapc_result){0});
    finish_rest();
    fixture_end();
}

/* A look that proves nothing is made again by its owner, who keeps the doubt; a gap that stays makes a second copy possible, and that is said. */
static void test_a_search_that_proves_nothing(void **state)
{
    (void)state;
    begin(NULL);
    const struct imapc_result left_out = {.sight = DOUBT_SIGHT_FAILED, .mark = {.validity = 7, .next = 10}};
    submit("A", 100, true);
    finish(take(), left_out);
    assert_int_equal(fixture.appends[0].outcome.fault.class, FAULT_TEMP);
    assert_true(fixture.appends[0].outcome.doubt.open);
    const struct imapc_result gap = {.mark = {.validity = 7, .next = 10}};
    struct noted *again = submit("A", 100, true);
    again->append.doubt.looks = DOUBT_LOOKS - 1;
    finish(take(), gap);
    assert_int_equal(again->answers, 1); /* the owner writes it down first */
    assert_string_equal(again->outcome.fault.code, UPSTREAM_UNPROVEN);
    assert_false(again->outcome.doubt.open);
    assert_false(again->outcome.possible_duplicate);
    struct noted *after = submit("A", 100, false);
    after->append.doubt = again->outcome.doubt;
    finish(take(), (struct imapc_result){0});
    assert_true(after->outcome.possible_duplicate);
    struct noted *found = submit("A", 100, true);
    found->append.doubt.noted = true;
    struct upstream_task *task = take();
    task->wanted[0].elsewhere = "Old/\xC3\xA4";
    finish(task, (struct imapc_result){0});
    assert_true(found->outcome.found);
    assert_true(found->outcome.possible_duplicate); /* there may be another */
    assert_string_equal(found->outcome.elsewhere, "Old/\xC3\xA4");
    submit("A", 100, true);
    finish(take(), failed(FAULT_TEMP, "connection-lost")); /* the search itself failed */
    assert_int_equal(fixture.appends[4].answers, 1);
    assert_true(fixture.appends[4].outcome.doubt.open);
    finish_rest();
    fixture_end();
}

/* Found early is found; absent is believed when the server had its time, by the clock of the doubt, of the folder or of this start. */
static void test_absent_is_believed_late(void **state)
{
    static const struct {
        int64_t ago_ms; /* the doubt arose; 0: nobody knows */
        bool is_unsettled, is_old_pool, absent;
    } cases[] = {
        {1000, false, true, false},   {70000, false, true, true}, {70000, true, true, false},
        {70000, false, false, false}, {0, false, false, false},   {0, false, true, true},
        {-5000, false, false, false},
    };
    struct upstream_account account = fixture_account();
    (void)state;
    account.settle_ms = 60000;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&account);
        fixture.pool->search_at = cases[i].is_old_pool ? 0 : net_now(fixture.loop) + 50000;
        struct noted *doubtful = submit("A", 100, true);
        doubtful->append.doubt.since_ms = cases[i].ago_ms == 0 ? 0 : net_wall(fixture.loop) - cases[i].ago_ms;
        struct upstream_task *task = take();
        assert_true(task->is_search);
        task->folder->settled_at = cases[i].is_unsettled ? net_now(fixture.loop) + 50000 : 0;
        finish(task, (struct imapc_result){.mark = {.validity = 7, .next = 1}});
        assert_int_equal(doubtful->answers, cases[i].absent ? 0 : 1); /* absent: it is to be sent */
        task = take();
        assert_int_equal(task != NULL, cases[i].absent);
        if (task != NULL) {
            finish(task, (struct imapc_result){0});
        }
        finish_rest();
        fixture_end();
    }
}

/* Nothing is looked for before the server had time to file it; what is certain goes meanwhile. */
static void test_a_doubt_settles_first(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settle_ms = 60000;
    begin(&account);
    submit("A", 100, true);
    submit("A", 100, false);
    assert_int_equal(upstream_backlog_demand(fixture.pool), 1);
    struct upstream_task *task = take();
    assert_false(task->is_search);
    finish(task, unknown());
    assert_int_equal(fixture.appends[1].outcome.fault.class, FAULT_UNCERTAIN);
    assert_null(take());
    fixture.pool->search_at = 0;
    assert_null(take()); /* the start is long ago, but what was just sent is not */
    struct upstream_backlog *folder = map_get(fixture.pool->folders, bytes_of("A"));
    folder->settled_at = 0;
    task = take();
    assert_true(task->is_search);
    assert_null(take()); /* one search at a time */
    finish(task, (struct imapc_result){0});
    finish_rest();
    fixture_end();
}

/* However often appends to one folder end in doubt: what is in doubt in another is looked for when its own time has come. */
static void test_doubts_of_others(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settle_ms = 60000;
    begin(&account);
    fixture.pool->search_at = 0; /* the start is long ago */
    for (unsigned i = 0; i < 3; i++) {
        submit("A", 100, false);
        finish(take(), unknown());
    }
    struct noted *doubtful = submit("Scans", 100, true);
    submit("A", 100, true);
    struct upstream_task *task = take();
    assert_non_null(task);
    assert_true(task->is_search);
    assert_ptr_equal(task->appends[0], &doubtful->append);
    task->wanted[0].uid = 5;
    finish(task, (struct imapc_result){0});
    assert_true(doubtful->outcome.found);
    assert_null(take());
    struct upstream_backlog *folder = map_get(fixture.pool->folders, bytes_of("A"));
    assert_non_null(folder); /* it is remembered that the last append to it may be under way */
    folder->settled_at = 0;
    task = take();
    assert_true(task->is_search);
    finish(task, (struct imapc_result){0});
    finish_rest();
    fixture_end();
}

/* Another process may have sent it a moment ago, whatever the doubt says by its clock: the time counts from here, and no
 * look comes before that could prove nothing. */
static void test_a_doubt_of_others_settles_here(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settle_ms = 60000;
    begin(&account);
    fixture.pool->search_at = 0; /* the start is long ago */
    fixture.is_shared = true;
    submit("A", 100, true);
    struct upstream_backlog *folder = map_get(fixture.pool->folders, bytes_of("A"));
    assert_true(folder->settled_at >= net_now(fixture.loop) + 60000);
    folder->settled_at = net_now(fixture.loop) + 50000;
    assert_null(take()); /* of our own, one could be found by now */
    folder->settled_at = 0;
    struct upstream_task *task = take();
    assert_true(task->is_search);
    finish(task, (struct imapc_result){0});
    finish_rest();
    fixture.is_shared = false;
    fixture_end();
}

/* A connection that had ended while it was idle, by a close or by a reset: nothing went out, and nobody hears of it. */
static void test_a_stale_connection(void **state)
{
    static const char *const codes[] = {"connection-lost", "econnreset", UPSTREAM_LEASE};
    struct upstream_task *task;
    (void)state;
    begin(NULL);
    submit_many("A", 3);
    for (size_t i = 0; i < 3; i++) {
        task = take();
        struct imapc_result result = failed(i == 2 ? FAULT_LOCAL : FAULT_TEMP, codes[i]);
        upstream_task_finish(fixture.pool, &task, &result, true, 1);
        assert_int_equal(upstream_pool_waiting(fixture.pool), 3);
    }
    task = take();
    assert_int_equal(task->count, 3);
    assert_ptr_equal(task->appends[0], &fixture.appends[0].append);
    finish(task, (struct imapc_result){0});
    assert_int_equal(fixture.appends[2].answers, 1);
    finish_rest();
    fixture_end();
}

/* A fault of the account is no property of the messages: a batch is not split for it, and it is never for good. */
static void test_a_fault_of_the_account(void **state)
{
    (void)state;
    begin(NULL);
    submit_many("A", 3);
    struct imapc_result result = failed(FAULT_PERM, "authentication");
    result.account = true;
    result.retry_after_ms = 5000;
    finish(take(), result);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture.appends[i].answers, 1);
        assert_int_equal(fixture.appends[i].outcome.fault.class, FAULT_TEMP);
        assert_true(fixture.appends[i].outcome.account);
        assert_int_equal(fixture.appends[i].outcome.retry_after_ms, 5000);
    }
    finish_rest();
    fixture_end();
}

/* A server that ends the connection over a message may do so because of that message: it is set aside in the end. What
 * we ended ourselves says nothing of it, also when the last octet was out already. */
static void test_whose_end_it_is(void **state)
{
    static const struct {
        enum fault_class class;
        const char *code;
        bool ours, killed;
    } ends[] = {
        {FAULT_UNCERTAIN, "connection-lost", false, true},
        {FAULT_TEMP, "connection-lost", false, true},
        {FAULT_TEMP, "timeout", false, true},
        {FAULT_LOCAL, "damaged", true, false},
        {FAULT_UNCERTAIN, "damaged", true, false},
        {FAULT_UNCERTAIN, UPSTREAM_SHUTDOWN, true, false},
        {FAULT_UNCERTAIN, UPSTREAM_LEASE, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct imapc_result result = failed(ends[i].class, ends[i].code);
        result.reached = ends[i].class == FAULT_UNCERTAIN ? 1 : 0;
        result.ended = result.sent = true;
        result.ours = ends[i].ours;
        begin(NULL);
        submit("A", 100, false);
        finish(take(), result);
        assert_int_equal(fixture.appends[0].outcome.killed, ends[i].killed);
        submit_many("B", 2);
        finish(take(), result);
        assert_int_equal(fixture.appends[1].outcome.doubt.killed_ms != 0, ends[i].killed && result.reached > 0);
        finish_rest();
        fixture_end();
    }
}

/* One body of three cannot be read: the first may lie there, the third never went; neither is told to be the damaged one. */
static void test_one_that_cannot_be_read(void **state)
{
    (void)state;
    static const enum fault_class classes[] = {FAULT_UNCERTAIN, FAULT_LOCAL, FAULT_LOCAL};
    struct imapc_result result = failed(FAULT_UNCERTAIN, "damaged");
    result.reached = 1;
    result.ended = result.sent = result.ours = true;
    begin(NULL);
    submit_many("A", 3);
    struct upstream_task *task = take();
    assert_int_equal(task->count, 3);
    task->messages[1].unread = true;
    finish(task, result);
    for (size_t i = 0; i < 3; i++) {
        const struct fault *fault = &fixture.appends[i].outcome.fault;
        assert_int_equal(fault->class, classes[i]);
        assert_string_equal(fault->code, i == 1 ? "damaged" : "beside-unread");
    }
    finish_rest();
    fixture_end();
}

/* The server had answered before the read failed: what it said is what became of all of them. */
static void test_one_that_is_read_too_late(void **state)
{
    (void)state;
    struct imapc_result result = failed(FAULT_PERM, "cannot");
    result.ended = result.sent = true;
    begin(NULL);
    submit_many("A", 3);
    struct upstream_task *task = take();
    task->messages[1].unread = true;
    finish(task, result);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(fixture.appends[i].outcome.fault.code, "cannot");
    }
    finish_rest();
    fixture_end();
}

static void test_demand(void **state)
{
    (void)state;
    begin(NULL);
    submit_many("A", 25);
    submit_many("B", 3);
    assert_int_equal(upstream_backlog_demand(fixture.pool), 2); /* one by one: one connection for each folder */
    fixture.pool->batches = true;
    assert_int_equal(upstream_backlog_demand(fixture.pool), 4); /* 25 are worth three, 3 are worth one */
    assert_int_equal(upstream_pool_waiting(fixture.pool), 28);
    for (size_t i = 0; i < 28; i++) {
        assert_non_null(upstream_backlog_take_any(fixture.pool));
    }
    assert_null(upstream_backlog_take_any(fixture.pool));
    finish_rest();
    fixture_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_waits_goes_together),
        cmocka_unit_test(test_batches_are_bounded),
        cmocka_unit_test(test_folders_in_turn),
        cmocka_unit_test(test_who_joins_a_folder),
        cmocka_unit_test(test_a_refused_batch_is_split),
        cmocka_unit_test(test_a_refused_batch_in_doubt),
        cmocka_unit_test(test_a_search_that_proves_nothing),
        cmocka_unit_test(test_a_doubt_settles_first),
        cmocka_unit_test(test_absent_is_believed_late),
        cmocka_unit_test(test_doubts_of_others),
        cmocka_unit_test(test_a_doubt_of_others_settles_here),
        cmocka_unit_test(test_a_stale_connection),
        cmocka_unit_test(test_a_fault_of_the_account),
        cmocka_unit_test(test_whose_end_it_is),
        cmocka_unit_test(test_one_that_cannot_be_read),
        cmocka_unit_test(test_one_that_is_read_too_late),
        cmocka_unit_test(test_demand),
        cmocka_unit_test(test_halves_stay_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
