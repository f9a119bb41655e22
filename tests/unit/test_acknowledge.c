/* acknowledge: what the sender hears of deliveries that are filed, fail, or take too long; with a spool of the test's own. */
#include <stdio.h>
#include <string.h>

#include "daemon/acknowledge.h"
#include "spool/spool_change.h"

#include "test.h" /* behind the rest: cmocka has a macro of the name expect_memory */

static struct world {
    struct net_loop *loop;
    struct acknowledge *acknowledge;
    int code; /* heard by the sender; -1: nothing yet */
    char text[400];
    struct reception_delivered each[4]; /* heard of single deliveries: number and code */
    size_t each_count;
    unsigned answers;
    unsigned drops;      /* asked for */
    char dropped_id[64]; /* of the last one */
    spool_change_fn *dropped;
    void *dropped_ctx;
} w;

void spool_change(struct spool *spool, enum store_verb verb, const struct store_select *select,
                  const struct spool_asker *asker)
{
    (void)spool;
    assert_int_equal(verb, STORE_DROP);
    assert_string_equal(asker->by, "acknowledge");
    assert_true(asker->again); /* what is in doubt is dropped, too: its sender has heard no */
    w.drops++;
    snprintf(w.dropped_id, sizeof w.dropped_id, "%s", select->id);
    w.dropped = asker->done;
    w.dropped_ctx = asker->ctx;
}

static void on_delivered(void *ctx, const struct smtpd_answer *answer, const struct reception_delivered *each,
                         size_t count)
{
    (void)ctx;
    assert_true(count <= sizeof w.each / sizeof w.each[0]);
    for (size_t i = 0; i < count; i++) {
        w.each[i] = (struct reception_delivered){each[i].number, {.code = each[i].answer.code}};
    }
    w.each_count = count;
    w.code = answer->code;
    snprintf(w.text, sizeof w.text, "%s", answer->text == NULL ? "" : answer->text);
    w.answers++;
    net_loop_stop(w.loop);
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.code = -1;
    w.loop = net_loop_new();
    w.acknowledge = acknowledge_new(w.loop, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    acknowledge_free(&w.acknowledge);
    net_loop_free(&w.loop);
    return 0;
}

static void await_how(const struct reception_awaited *awaited)
{
    struct reception_hooks hooks = {.ctx = NULL};
    acknowledge_hooks(w.acknowledge, &hooks);
    assert_true(hooks.await_delivery(hooks.delivery_ctx, awaited, on_delivered, NULL));
}

static void await(const char *id, size_t count, uint64_t timeout_ms)
{
    await_how(&(struct reception_awaited){.id = id, .count = count, .timeout_ms = timeout_ms});
}

static void tell(const char *delivery, enum spool_outcome_kind kind, enum fault_class class, bool uncertain)
{
    char mailbox[80];
    struct dispatch_became became = {.delivery = delivery, .mailbox = mailbox, .kind = kind, .uncertain = uncertain};
    if (class != FAULT_NONE) {
        fault_set(&became.fault, class, "test", "APPEND", "over quota");
    }
    snprintf(mailbox, sizeof mailbox, "corp/Folder %s", delivery);
    acknowledge_outcome(w.acknowledge, &became);
}

static void outcome(const char *delivery, enum spool_outcome_kind kind, enum fault_class class)
{
    tell(delivery, kind, class, class == FAULT_UNCERTAIN);
}

static void all_filed_is_good(void **state)
{
    (void)state;
    await("M", 2, 60000);
    outcome("OTHER.1", SPOOL_FILED, FAULT_NONE);
    outcome("M.1", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 0);
    outcome("M.2", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.code, 0);
    assert_int_equal(w.drops, 0);
}

/* What was filed and could not be settled is found later: the same delivery, not another one. */
static void a_delivery_heard_twice_is_one(void **state)
{
    (void)state;
    await("M", 2, 60000);
    outcome("M.2", SPOOL_FILED, FAULT_NONE);
    outcome("M.2", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 0);
    outcome("M.1", SPOOL_DEAD, FAULT_PERM);
    assert_int_equal(w.code, 554);
    assert_non_null(strstr(w.text, "(1 of 2 mailboxes have the message and will not get it again: corp/Folder M.2)"));
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
}

static void a_failure_is_the_senders_and_the_rest_is_dropped(void **state)
{
    static const struct {
        enum spool_outcome_kind kind;
        enum fault_class class;
        int code;
    } cases[] = {{SPOOL_DEFERRED, FAULT_TEMP, 451}, {SPOOL_DEAD, FAULT_TEMP, 451}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w.drops = w.answers = 0;
        await("M", 2, 60000);
        outcome("M.2", cases[i].kind, cases[i].class);
        assert_int_equal(w.answers, 1);
        assert_int_equal(w.code, cases[i].code);
        assert_int_equal(w.drops, 1);
        assert_string_equal(w.dropped_id, "M");
        w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 2}, NULL);
    }
}

/* A refusal for good waits for the others, so that it can name those that have it; for what is open when the time ends, he comes again. */
static void a_refusal_names_what_is_filed(void **state)
{
    (void)state;
    await("M", 3, 60000);
    outcome("M.2", SPOOL_DEAD, FAULT_PERM);
    assert_int_equal(w.answers, 0);
    outcome("M.1", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 0);
    outcome("M.3", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.code, 554);
    assert_non_null(strstr(w.text, "2 of 3 mailboxes have the message"));
    assert_non_null(strstr(w.text, "corp/Folder M.1, corp/Folder M.3"));
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 0}, NULL);
    w.answers = 0;
    await("N", 2, 60000);
    outcome("N.2", SPOOL_DEAD, FAULT_PERM);
    outcome("N.1", SPOOL_DEFERRED, FAULT_TEMP);
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.code, 451);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
}

/* What may have been filed is looked into while the sender waits; what is filed is said in a refusal of the rest. */
static void doubt_is_looked_into(void **state)
{
    (void)state;
    await("M", 2, 60000);
    outcome("M.1", SPOOL_DEFERRED, FAULT_UNCERTAIN);
    assert_int_equal(w.answers, 0);
    tell("M.1", SPOOL_DEFERRED, FAULT_TEMP, true); /* the server could not be asked yet */
    assert_int_equal(w.answers, 0);
    outcome("M.1", SPOOL_FILED, FAULT_NONE);
    outcome("M.2", SPOOL_DEAD, FAULT_PERM);
    assert_int_equal(w.code, 554);
    assert_non_null(strstr(w.text, "1 of 2 mailboxes have the message and will not get it again: corp/Folder M.1)"));
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
    await("M", 1, 1); /* he comes again */
    outcome("M.2", SPOOL_DEFERRED, FAULT_UNCERTAIN);
    while (w.answers < 2) {
        net_loop_run(w.loop);
    }
    assert_int_equal(w.code, 451);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
}

/* A sender who comes again while what was busy is still on its way waits for that; one who comes while another waits does not. */
static void comes_again_meanwhile(void **state)
{
    struct reception_hooks hooks = {.ctx = NULL};
    (void)state;
    acknowledge_hooks(w.acknowledge, &hooks);
    await("M", 2, 60000);
    assert_false(hooks.await_delivery(hooks.delivery_ctx,
                                      &(struct reception_awaited){.id = "M", .count = 2, .timeout_ms = 60000},
                                      on_delivered, NULL));
    outcome("M.1", SPOOL_DEFERRED, FAULT_TEMP);
    assert_int_equal(w.answers, 1);
    await("M", 2, 60000);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
    outcome("M.2", SPOOL_FILED, FAULT_NONE);
    outcome("M.1", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 2);
    assert_int_equal(w.code, 0);
    assert_int_equal(w.drops, 1);
}

static void what_was_busy_is_dropped_when_its_outcome_comes(void **state)
{
    (void)state;
    await("M", 2, 60000);
    outcome("M.1", SPOOL_DEFERRED, FAULT_TEMP);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1, .busy = 1}, NULL);
    outcome("M.2", SPOOL_DEFERRED, FAULT_TEMP);
    assert_int_equal(w.drops, 2);
    assert_int_equal(w.answers, 1);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
    outcome("M.2", SPOOL_DEFERRED, FAULT_TEMP); /* nobody waits any more */
    assert_int_equal(w.drops, 2);
}

static void time_runs_out(void **state)
{
    (void)state;
    await("M", 1, 1);
    net_loop_run(w.loop);
    assert_int_equal(w.code, 451);
    assert_int_equal(w.drops, 1);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
}

/* Where each delivery has its own answer, the one that fails is dropped, and the others are waited for. */
static void each_has_its_own_answer(void **state)
{
    (void)state;
    await_how(&(struct reception_awaited){.id = "M", .count = 3, .each = true, .timeout_ms = 60000});
    outcome("M.2", SPOOL_DEAD, FAULT_PERM);
    assert_string_equal(w.dropped_id, "M.2");
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
    outcome("M.3", SPOOL_DEFERRED, FAULT_UNCERTAIN); /* a look tells */
    outcome("M.1", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 0);
    outcome("M.3", SPOOL_DEFERRED, FAULT_TEMP);
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.code, 0);
    assert_int_equal(w.each_count, 3);
    static const struct {
        unsigned number;
        int code;
    } wanted[] = {{2, 554}, {1, 0}, {3, 451}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w.each[i].number, wanted[i].number);
        assert_int_equal(w.each[i].answer.code, wanted[i].code);
    }
    assert_int_equal(w.drops, 2);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.busy = 1}, NULL); /* it is on its way again */
    outcome("M.3", SPOOL_DEFERRED, FAULT_TEMP);
    assert_int_equal(w.drops, 3);
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
    outcome("M.3", SPOOL_DEFERRED, FAULT_TEMP); /* nobody waits any more */
    assert_int_equal(w.drops, 3);
    assert_int_equal(w.answers, 1);
}

/* What is open when time runs out is dropped; what is filed has its own answer. */
static void time_runs_out_for_some(void **state)
{
    (void)state;
    await_how(&(struct reception_awaited){.id = "M", .count = 2, .each = true, .timeout_ms = 1});
    outcome("M.1", SPOOL_FILED, FAULT_NONE);
    net_loop_run(w.loop);
    assert_int_equal(w.code, 451);
    assert_int_equal(w.each_count, 1);
    assert_int_equal(w.each[0].number, 1);
    assert_int_equal(w.each[0].answer.code, 0);
    assert_string_equal(w.dropped_id, "M");
    await_how(
        &(struct reception_awaited){.id = "M", .count = 1, .each = true, .timeout_ms = 60000}); /* he comes again */
    w.dropped(w.dropped_ctx, &(struct spool_change_result){.changed = 1}, NULL);
    outcome("M.2", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.code, 0);
    assert_int_equal(w.each_count, 1); /* the first is no part of this wait */
}

static void forgotten_is_never_answered(void **state)
{
    struct reception_hooks hooks = {.ctx = NULL};
    (void)state;
    acknowledge_hooks(w.acknowledge, &hooks);
    await("M", 1, 60000);
    hooks.forget_delivery(hooks.delivery_ctx, "M");
    outcome("M.1", SPOOL_FILED, FAULT_NONE);
    assert_int_equal(w.answers, 0);
}

static void who_waits_at_the_end_hears_so(void **state)
{
    (void)state;
    await("M", 1, 60000);
    acknowledge_free(&w.acknowledge);
    assert_int_equal(w.code, 451);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_filed_is_good),
        TEST(a_delivery_heard_twice_is_one),
        TEST(a_failure_is_the_senders_and_the_rest_is_dropped),
        TEST(a_refusal_names_what_is_filed),
        TEST(doubt_is_looked_into),
        TEST(comes_again_meanwhile),
        TEST(what_was_busy_is_dropped_when_its_outcome_comes),
        TEST(time_runs_out),
        TEST(each_has_its_own_answer),
        TEST(time_runs_out_for_some),
        TEST(forgotten_is_never_answered),
        TEST(who_waits_at_the_end_hears_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
