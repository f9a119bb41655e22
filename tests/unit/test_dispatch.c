/*
 * dispatch: which delivery goes out when, and what is told to the spool, with the spool and the pools replaced by this file
 * (their symbols are defined here, so the linker leaves the real ones out).
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "daemon/dispatch.h"
#include "spool/spool_admin.h"
#include "spool/spool_memo.h"

#define BODY "Subject: one\r\nX-Drop: 1\r\n\r\nbody\r\n"

/* ---- the world ---- */

struct waiting {
    int64_t due; /* wall clock; -1: held or gone */
    int64_t received;
    bool with_edit;
};

static struct world {
    struct net_loop *loop;
    struct dispatch *dispatch;
    spool_offer_fn *offer;
    void *offer_ctx;
    struct waiting disk[64];
    size_t disk_count;
    size_t held, held_most;
    struct imapc_append *appends[64];
    size_t append_count;
    struct spool_outcome outcomes[64];
    char outcome_ids[64][48];
    size_t outcome_count;
    unsigned fetches;
    struct buf body;
    size_t stop_after; /* outcomes */
    bool drained;
    struct imapc_outcome answer; /* what the pool answers by itself, when answering is on */
    bool answering;
    bool reads_body;
    bool at_hand; /* stored octets are given at once */
    size_t warmed;
    unsigned fetch_turns;
    spool_wake_fn *wake;
    void *wake_ctx;
    struct imapc_pace pace; /* of the pool */
    char memo[2048];        /* that the spool keeps */
    unsigned memos;
    unsigned diverts;
    int64_t diverted_since;
    spool_divert_fn *diverted;
    void *divert_ctx;
} world;

static struct config_upstream upstream_config = {
    .name = "corp", .retry_initial = 20, .retry_maximum = 40, .fallback_after = 3600000, .give_up = 60000};
static struct config config = {.active_max = 10};

static struct spool_item *item_new(size_t number)
{
    struct arena *arena = arena_new(65536);
    struct spool_item *item = expect_calloc(1, sizeof *item);
    item->arena = arena;
    item->envelope =
        (struct mail_envelope){.id = "ID", .from = "a@b", .hostname = "gw", .received_ms = world.disk[number].received};
    item->delivery = (struct mail_delivery){.number = (unsigned)number, .upstream = "corp", .folder = "INBOX"};
    if (world.disk[number].with_edit) {
        struct mail_edit *edit = arena_alloc(arena, sizeof *edit);
        *edit = (struct mail_edit){.kind = MAIL_EDIT_DELETE, .field = "X-Drop"};
        item->delivery.edits = edit;
        item->delivery.edit_count = 1;
    }
    snprintf(item->id, sizeof item->id, "ID.%zu", number);
    item->body_size = strlen(BODY);
    world.held++;
    world.held_most = world.held > world.held_most ? world.held : world.held_most;
    return item;
}

static void item_free(struct spool_item **item)
{
    arena_free(&(*item)->arena);
    free(*item);
    *item = NULL;
    world.held--;
}

void spool_clock_jumped(struct spool *spool, int64_t delta_ms, int64_t before_ms)
{
    (void)spool, (void)delta_ms, (void)before_ms;
}

void spool_set_offer(struct spool *spool, spool_offer_fn *fn, void *ctx)
{
    (void)spool;
    world.offer = fn;
    world.offer_ctx = ctx;
}

struct fetch {
    unsigned turns; /* of the loop that the answer still takes */
    int64_t now;
    size_t limit;
    spool_due_fn *done;
    void *ctx;
};

static void answer_fetch(void *ctx)
{
    struct fetch *fetch = ctx;
    if (fetch->turns-- > 0) {
        net_defer(world.loop, answer_fetch, fetch);
        return;
    }
    struct spool_item *items[64];
    size_t count = 0;
    bool more = false;
    int64_t next = -1;
    for (size_t i = 0; i < world.disk_count; i++) {
        int64_t due = world.disk[i].due;
        if (due >= 0 && due <= fetch->now && count < fetch->limit) {
            items[count++] = item_new(i);
            world.disk[i].due = -1;
        } else if (due >= 0 && due <= fetch->now) {
            more = true;
        } else if (due >= 0 && (next < 0 || due < next)) {
            next = due;
        }
    }
    struct spool_item *given[64];
    memcpy(given, items, sizeof given);
    fetch->done(fetch->ctx, items, count, more, next);
    for (size_t i = 0; i < count; i++) {
        if (items[i] != NULL) {
            world.disk[items[i]->delivery.number].due = 0;
            item_free(&items[i]);
        }
    }
    free(fetch);
}

/* No report is configured here: nothing is staged. */
struct spool_stage *spool_stage_new(struct spool *spool, void (*on_writable)(void *ctx), void *ctx)
{
    (void)spool;
    (void)on_writable;
    (void)ctx;
    fail();
    return NULL;
}

int spool_stage_write(struct spool_stage *stage, struct bytes data)
{
    (void)stage;
    (void)data;
    fail();
    return -1;
}

void spool_stage_unique(struct spool_stage *stage, bool maybe_filed)
{
    (void)stage;
    (void)maybe_filed;
    fail();
}

const struct fault *spool_stage_fault(const struct spool_stage *stage)
{
    (void)stage;
    fail();
    return NULL;
}

void spool_stage_free(struct spool_stage **stage)
{
    assert_null(*stage);
}

void spool_commit(struct spool_stage **stage, const struct mail_envelope *envelope,
                  const struct mail_delivery *deliveries, size_t count, spool_commit_fn *done, void *ctx)
{
    (void)stage;
    (void)envelope;
    (void)deliveries;
    (void)count;
    (void)done;
    (void)ctx;
    fail();
}

void spool_admin_request(struct spool *spool, const char *request, spool_admin_fn *done, void *ctx)
{
    (void)spool;
    (void)request;
    (void)done;
    (void)ctx;
    fail();
}

static void answer_divert(void *ctx)
{
    (void)ctx;
    world.diverted(world.divert_ctx, 2, NULL);
    net_loop_stop(world.loop);
}

void spool_divert(struct spool *spool, const char *upstream, const char *const *known, size_t known_count,
                  int64_t since_ms, spool_divert_fn *done, void *ctx)
{
    (void)spool, (void)known;
    assert_string_equal(upstream, "corp");
    assert_int_equal(known_count, 0); /* there is no other */
    world.diverts++;
    world.diverted_since = since_ms;
    world.diverted = done;
    world.divert_ctx = ctx;
    net_defer(world.loop, answer_divert, NULL);
}

void spool_set_left(struct spool *spool, spool_left_fn *fn, void *ctx)
{
    (void)spool, (void)fn, (void)ctx;
}

void spool_set_wake(struct spool *spool, spool_wake_fn *fn, void *ctx)
{
    (void)spool;
    world.wake = fn;
    world.wake_ctx = ctx;
}

void spool_fetch_due(struct spool *spool, const char *upstream, int64_t now_ms, size_t limit, spool_due_fn *done,
                     void *ctx)
{
    (void)spool;
    assert_string_equal(upstream, "corp");
    struct fetch *fetch = expect_calloc(1, sizeof *fetch);
    *fetch = (struct fetch){world.fetch_turns, now_ms, limit, done, ctx};
    world.fetches++;
    net_defer(world.loop, answer_fetch, fetch);
}

struct stored_read {
    uint64_t offset;
    size_t len;
    spool_read_fn *done;
    void *ctx;
};

static void answer_read(void *ctx)
{
    struct stored_read *read = ctx;
    read->done(read->ctx, bytes_slice(bytes_of(BODY), (size_t)read->offset, read->len), NULL);
    free(read);
}

void spool_item_read(struct spool *spool, struct spool_item *item, uint64_t offset, size_t len, spool_read_fn *done,
                     void *ctx)
{
    (void)spool;
    (void)item;
    struct stored_read *read = expect_calloc(1, sizeof *read);
    *read = (struct stored_read){offset, len, done, ctx};
    net_defer(world.loop, answer_read, read);
}

struct bytes spool_item_at_hand(const struct spool_item *item, uint64_t offset, size_t len)
{
    (void)item;
    return world.at_hand ? bytes_slice(bytes_of(BODY), (size_t)offset, len) : (struct bytes){0};
}

void spool_warm(struct spool *spool, struct spool_item *const *items, size_t count)
{
    (void)spool;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(items[i]->body_size, strlen(BODY));
    }
    world.warmed += count;
}

struct settle {
    spool_commit_fn *done;
    void *ctx;
};

static void answer_settle(void *ctx)
{
    struct settle *settle = ctx;
    settle->done(settle->ctx, NULL);
    free(settle);
    if (world.outcome_count == world.stop_after) {
        net_loop_stop(world.loop);
    }
}

void spool_finish(struct spool *spool, struct spool_item **item, const struct spool_outcome *outcome,
                  spool_commit_fn *done, void *ctx)
{
    (void)spool;
    snprintf(world.outcome_ids[world.outcome_count], 48, "%s", (*item)->id);
    world.outcomes[world.outcome_count++] = *outcome;
    if (outcome->kind == SPOOL_DEFERRED) {
        world.disk[(*item)->delivery.number].due = outcome->next_ms;
    }
    item_free(item);
    struct settle *settle = expect_calloc(1, sizeof *settle);
    *settle = (struct settle){done, ctx};
    net_defer(world.loop, answer_settle, settle);
}

struct imapc_pool *imapc_pool_new(struct net_loop *loop, const struct imapc_account *account, struct log *log)
{
    (void)loop;
    (void)log;
    assert_string_equal(account->name, "corp");
    return (struct imapc_pool *)(void *)&world;
}

void imapc_pool_pace(const struct imapc_pool *pool, struct imapc_pace *pace_r)
{
    (void)pool;
    memcpy(pace_r, &world.pace, sizeof *pace_r);
}

void imapc_pool_set_pace(struct imapc_pool *pool, const struct imapc_pace *pace)
{
    (void)pool;
    world.pace = *pace;
}

void imapc_pool_try_now(struct imapc_pool *pool)
{
    (void)pool;
    world.pace = (struct imapc_pace){0};
}

void spool_memo_set(struct spool *spool, const char *upstream, const char *text)
{
    (void)spool;
    assert_string_equal(upstream, "corp");
    snprintf(world.memo, sizeof world.memo, "%s", text);
    world.memos++;
}

const char *spool_memo(struct spool *spool, const char *upstream)
{
    (void)spool;
    assert_string_equal(upstream, "corp");
    return world.memo[0] != '\0' ? world.memo : NULL;
}

void imapc_pool_free(struct imapc_pool **pool)
{
    *pool = NULL;
}

static void answer_append(void *ctx)
{
    struct imapc_append *append = ctx;
    append->done(append->ctx, append, &world.answer);
}

static void on_body(void *ctx, struct bytes data, const struct fault *fault)
{
    struct imapc_append *append = ctx;
    assert_null(fault);
    buf_append_bytes(&world.body, data);
    if (world.body.len < append->body.size) {
        append->body.read(append->body.ctx, world.body.len, 7, on_body, append);
    } else {
        net_defer(world.loop, answer_append, append);
    }
}

void imapc_pool_submit(struct imapc_pool *pool, struct imapc_append **append)
{
    (void)pool;
    world.appends[world.append_count++] = *append;
    if (world.reads_body) {
        (*append)->body.prepare(&(*append)->body.ctx, 1);
        (*append)->body.read((*append)->body.ctx, 0, 7, on_body, *append);
    } else if (world.answering) {
        net_defer(world.loop, answer_append, *append);
    }
    *append = NULL;
}

static void (*pool_drained)(void *ctx);
static void *pool_drained_ctx;

static void answer_drain(void *ctx)
{
    (void)ctx;
    pool_drained(pool_drained_ctx);
}

size_t imapc_pool_waiting(const struct imapc_pool *pool)
{
    (void)pool;
    return 0;
}

void imapc_pool_state(const struct imapc_pool *pool, struct imapc_pool_state *state_r)
{
    (void)pool;
    *state_r = (struct imapc_pool_state){.connections = 1};
}

void imapc_pool_drain(struct imapc_pool *pool, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
    (void)pool;
    (void)deadline_ms;
    struct imapc_outcome shutdown = {0};
    fault_set(&shutdown.fault, FAULT_LOCAL, "shutdown", "pool", "shutting down");
    for (size_t i = 0; i < world.append_count; i++) {
        world.appends[i]->done(world.appends[i]->ctx, world.appends[i], &shutdown);
    }
    pool_drained = done;
    pool_drained_ctx = ctx;
    net_defer(world.loop, answer_drain, NULL);
}

/* ---- the tests ---- */

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.loop = net_loop_new();
    buf_init(&world.body, 65536);
    config.upstreams = (struct config_list){&upstream_config, 1};
    struct fault fault = FAULT_INIT;
    world.dispatch = dispatch_new(world.loop, NULL, &config, NULL, &fault);
    assert_non_null(world.dispatch);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dispatch_free(&world.dispatch);
    buf_done(&world.body);
    net_loop_free(&world.loop);
    return 0;
}

static void put_on_disk(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world.disk[world.disk_count++] = (struct waiting){.due = 0, .received = net_wall(world.loop)};
    }
}

static void a_backlog_goes_out_within_the_active_set(void **state)
{
    (void)state;
    put_on_disk(50);
    world.answering = true;
    world.stop_after = 50;
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    assert_int_equal(world.outcome_count, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(world.outcomes[i].kind, SPOOL_FILED);
    }
    assert_true(world.held_most <= config.active_max);
    struct dispatch_counts counts;
    dispatch_count(world.dispatch, &counts);
    assert_int_equal(counts.filed, 50);
}

static void an_edited_message_is_sent_whole(void **state)
{
    (void)state;
    put_on_disk(1);
    world.disk[0].with_edit = true;
    world.reads_body = true;
    world.stop_after = 1;
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    const char *text = buf_text(&world.body);
    assert_non_null(strstr(text, "X-Mailweir-Id: ID.0\r\nSubject: one\r\n\r\nbody\r\n"));
    assert_int_equal(strncmp(text, "Return-Path: <a@b>\r\n", 20), 0);
    assert_int_equal(world.warmed, 1);
}

static void octets_in_memory_are_sent_at_once(void **state)
{
    world.at_hand = true;
    an_edited_message_is_sent_whole(state);
}

static void a_dead_upstream_is_paused_and_probed(void **state)
{
    (void)state;
    put_on_disk(30);
    world.answering = true;
    world.answer.account = true;
    fault_set(&world.answer.fault, FAULT_TEMP, "connect", "connect", "connection refused");
    world.stop_after = 10 + 2 * 4; /* the first active set, then probes only */
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    for (size_t i = 0; i < world.outcome_count; i++) {
        assert_int_equal(world.outcomes[i].kind, SPOOL_DEFERRED);
        assert_true(world.outcomes[i].next_ms > world.outcomes[i].now_ms);
    }
    assert_true(world.fetches <= 12);
    /* It works again: everything follows without waiting for each delivery's own time to double. */
    world.answer = (struct imapc_outcome){0};
    world.stop_after = world.outcome_count + 30;
    net_loop_run(world.loop);
    struct dispatch_counts counts;
    dispatch_count(world.dispatch, &counts);
    assert_int_equal(counts.filed, 30);
}

static void stop_loop(void *ctx)
{
    net_loop_stop(ctx);
}

/* Not before the upstream has been down for so long; that it was down is remembered over a restart. */
static void what_waits_goes_to_its_fallback_in_time(void **state)
{
    (void)state;
    upstream_config.fallback_after = 120;
    put_on_disk(2);
    world.answering = true;
    world.answer.account = true;
    fault_set(&world.answer.fault, FAULT_TEMP, "connect", "connect", "connection refused");
    int64_t began = net_wall(world.loop);
    dispatch_start(world.dispatch);
    net_loop_run(world.loop);
    assert_int_equal(world.diverts, 1);
    assert_true(world.diverted_since >= began);
    assert_true(net_wall(world.loop) - world.diverted_since >= 120);
    struct dispatch_counts counts;
    dispatch_count(world.dispatch, &counts);
    assert_int_equal(counts.diverted, 2);
    char since[40];
    snprintf(since, sizeof since, "\"down_since\":%lld", (long long)world.diverted_since);
    assert_non_null(strstr(world.memo, since));
    world.answer = (struct imapc_outcome){0};
    world.stop_after = world.outcome_count + 2;
    net_loop_run(world.loop);
    assert_null(strstr(world.memo, "down_since"));
    struct net_timer *rest = net_timer_new(world.loop, stop_loop, world.loop); /* the fetch that follows is answered */
    net_timer_start(rest, 30);
    net_loop_run(world.loop);
    net_timer_free(&rest);
    upstream_config.fallback_after = 3600000;
}

struct outcome_case {
    enum fault_class class;
    int64_t age;
    int kind;
    bool uncertain;
};

static const struct outcome_case outcome_cases[] = {
    {FAULT_NONE, 0, SPOOL_FILED, false},        {FAULT_TEMP, 0, SPOOL_DEFERRED, false},
    {FAULT_PERM, 0, SPOOL_DEAD, false},         {FAULT_LOCAL, 0, SPOOL_DEFERRED, false},
    {FAULT_UNCERTAIN, 0, SPOOL_DEFERRED, true}, {FAULT_TEMP, 61000, SPOOL_DEAD, false},
    {FAULT_NONE, 61000, SPOOL_FILED, false},
};

static void each_fault_has_its_outcome(void **state)
{
    (void)state;
    dispatch_start(world.dispatch);
    for (size_t i = 0; i < sizeof outcome_cases / sizeof outcome_cases[0]; i++) {
        const struct outcome_case *c = &outcome_cases[i];
        world.answer = (struct imapc_outcome){0};
        if (c->class != FAULT_NONE) {
            fault_set(&world.answer.fault, c->class, "code", "APPEND", "text");
        }
        world.answering = true;
        world.stop_after = i + 1;
        world.disk[0] = (struct waiting){.due = -1, .received = net_wall(world.loop) - c->age};
        struct spool_item *item = item_new(0);
        world.offer(world.offer_ctx, &item);
        if (item != NULL) { /* an earlier fetch is under way: it stays on the disk and comes from there */
            item_free(&item);
            world.disk[0].due = 0;
            world.disk_count = 1;
        }
        net_loop_run(world.loop);
        assert_int_equal(world.outcomes[i].kind, c->kind);
        assert_int_equal(world.outcomes[i].uncertain, c->uncertain);
        world.disk[0].due = -1;
    }
}

static void on_drained(void *ctx)
{
    (void)ctx;
    world.drained = true;
    net_loop_stop(world.loop);
}

static void a_drain_gives_everything_back(void **state)
{
    (void)state;
    put_on_disk(5);
    dispatch_start(world.dispatch);
    struct net_timer *timer = net_timer_new(world.loop, stop_loop, world.loop);
    net_timer_start(timer, 20);
    net_loop_run(world.loop);
    net_timer_free(&timer);
    assert_int_equal(world.append_count, 5);
    dispatch_drain(world.dispatch, 1000, on_drained, NULL);
    net_loop_run(world.loop);
    assert_true(world.drained);
    assert_int_equal(world.outcome_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(world.outcomes[i].kind, SPOOL_UNTOUCHED);
    }
    assert_int_equal(world.held, 0);
}

static void a_drain_waits_for_a_fetch_and_no_longer(void **state)
{
    (void)state;
    put_on_disk(1);
    world.fetch_turns = 5;
    dispatch_start(world.dispatch); /* a fetch is under way, and ends after the pools */
    dispatch_drain(world.dispatch, 1000, on_drained, NULL);
    struct net_timer *timer = net_timer_new(world.loop, stop_loop, world.loop);
    net_timer_start(timer, 5000);
    net_loop_run(world.loop);
    net_timer_free(&timer);
    assert_true(world.drained);
    assert_int_equal(world.append_count, 0);
    assert_int_equal(world.held, 0);
}

/* ---- over a restart ---- */

static void restart(const char *username, const char *password)
{
    dispatch_free(&world.dispatch);
    struct fault fault = FAULT_INIT;
    world.pace = (struct imapc_pace){0};
    upstream_config.username = username;
    upstream_config.password = password;
    world.dispatch = dispatch_new(world.loop, NULL, &config, NULL, &fault);
    assert_non_null(world.dispatch);
}

static int64_t paused_until(void)
{
    struct dispatch_state dispatch_state_now;
    dispatch_state(world.dispatch, 0, &dispatch_state_now);
    return dispatch_state_now.paused_until;
}

/* One delivery is answered while the pool has this pace: that is what the spool is to keep. */
static void keep_pace(bool login)
{
    int64_t now = net_wall(world.loop);
    put_on_disk(1);
    world.answering = true;
    world.stop_after = 1;
    dispatch_start(world.dispatch);
    world.pace = (struct imapc_pace){
        .day_began_ms = now - 5000, .day_octets = 77, .not_before_ms = now + 600000, .failures = 3, .login = login};
    fault_set(&world.pace.fault, FAULT_TEMP, "authentication", "login", "no \"entry\" for you");
    net_loop_run(world.loop);
    assert_int_equal(world.memos, 1);
    assert_null(strstr(world.memo, "secret"));
}

static void a_refused_password_is_remembered(void **state)
{
    (void)state;
    restart("relay", "secret");
    keep_pace(true);
    int64_t until = world.pace.not_before_ms;
    restart("relay", "secret");
    assert_int_equal(world.pace.not_before_ms, until);
    assert_int_equal(world.pace.day_octets, 77);
    assert_int_equal(world.pace.failures, 3);
    assert_string_equal(world.pace.fault.text, "no \"entry\" for you");
    assert_true(paused_until() == until);
    restart("relay", "secret2"); /* may work: it is tried, but the octets of the day were sent */
    assert_int_equal(world.pace.not_before_ms, 0);
    assert_int_equal(world.pace.day_octets, 77);
    assert_true(paused_until() == 0);
    restart("other", "secret"); /* nothing is known of this one */
    assert_int_equal(world.pace.day_octets, 0);
    assert_true(paused_until() == 0);
}

static void a_pause_that_the_server_asked_for_is_remembered(void **state)
{
    (void)state;
    restart("relay", "secret");
    keep_pace(false);
    restart("relay", "secret2"); /* the server did not mean the password */
    assert_int_equal(world.pace.failures, 3);
    assert_true(paused_until() != 0);
    dispatch_start(world.dispatch);
    world.wake(world.wake_ctx, "corp");
    assert_true(paused_until() == 0);
    assert_int_equal(world.pace.not_before_ms, 0);
    world.append_count = 0;
    dispatch_drain(world.dispatch, 1000, on_drained, NULL); /* a fetch is under way */
    net_loop_run(world.loop);
}

static void a_memo_that_is_no_memo_is_nothing(void **state)
{
    static const char *const memos[] = {"",
                                        "x",
                                        "{",
                                        "[]",
                                        "{\"username\":7}",
                                        "{\"username\":\"relay\",\"pause\":4}",
                                        "{\"username\":\"relay\",\"pause\":{\"until\":\"soon\"}}"};
    (void)state;
    for (size_t i = 0; i < sizeof memos / sizeof memos[0]; i++) {
        snprintf(world.memo, sizeof world.memo, "%s", memos[i]);
        restart("relay", "secret");
        assert_true(paused_until() == 0);
        assert_int_equal(world.pace.day_octets, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_backlog_goes_out_within_the_active_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_edited_message_is_sent_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(octets_in_memory_are_sent_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_upstream_is_paused_and_probed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_goes_to_its_fallback_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_fault_has_its_outcome, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drain_gives_everything_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drain_waits_for_a_fetch_and_no_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_password_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_that_the_server_asked_for_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_memo_that_is_no_memo_is_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
