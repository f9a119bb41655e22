/*
 * dispatch_fixture - the spool and the pools as dispatch sees them, for one test program: their symbols are defined here, so the linker leaves the
 * real ones out. What is on the disk, what was appended and what came of it stand in `world`.
 */
#ifndef MAILWEIR_TESTS_DISPATCH_FIXTURE_H
#define MAILWEIR_TESTS_DISPATCH_FIXTURE_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "dispatch/dispatch.h"
#include "spool/spool_change.h"
#include "spool/spool_memo.h"
#include "spool/spool_node.h"

#define BODY "Subject: one\r\nX-Drop: 1\r\n\r\nbody\r\n"

/* ---- the world ---- */

struct waiting {
    int64_t due; /* wall clock; -1: held or gone */
    int64_t received;
    bool with_edit, uncertain;
    unsigned attempts;
};

static struct world {
    struct net_loop *loop;
    struct dispatch *dispatch;
    spool_offer_fn *offer;
    void *offer_ctx;
    struct waiting disk[64];
    size_t disk_count;
    size_t held, held_most;
    struct upstream_append *appends[64];
    size_t append_count, stop_at_appends;
    struct spool_outcome outcomes[64];
    char outcome_ids[64][48];
    size_t outcome_count, settled;
    bool not_ours; /* what is to be settled is another node's by now */
    unsigned fetches;
    struct buf body;
    size_t stop_after; /* outcomes that were settled */
    bool drained;
    struct upstream_outcome answer; /* what the pool answers by itself, when answering is on */
    bool answering;
    bool reads_body;
    bool at_hand; /* stored octets are given at once */
    bool damaged; /* what lies on the disk is not what was acknowledged */
    size_t warmed;
    unsigned fetch_turns;
    unsigned fetches_open; /* whose answer is due */
    bool ending;           /* nothing is found on the disk any more */
    spool_left_fn *left;
    void *left_ctx;
    spool_wake_fn *wake;
    void *wake_ctx;
    spool_halt_fn *halt;
    void *halt_ctx;
    bool paused, halted;       /* by an operator; and the pool knows */
    struct upstream_pace pace; /* of the pool */
    char memo[2048];           /* that the spool keeps */
    unsigned memos;
    spool_memo_fn *remembered;
    void *remembered_ctx;
    unsigned diverts;
    int64_t jumped_ms; /* the clock, as the spool was told */
    int64_t diverted_since;
    struct mail_trouble divert_trouble;
    spool_divert_fn *diverted;
    void *divert_ctx;
    /* With several nodes. */
    bool shares;
    const char *nodes; /* as spool_node_list() tells of them; or NULL */
    int64_t skew_ms;   /* by which the store's clock is ahead */
    uint64_t hold;     /* of the node's lease; what is given out is of the first one, 0 */
    bool is_withheld;  /* the last octet of a message was not given to the pool */
    spool_node_ask_fn *ask;
    spool_node_told_fn *told;
    void *slots_ctx;
    struct store_slots added; /* the last */
    unsigned adds, hurries, drops;
    struct upstream_needs needs; /* of the pool */
    void (*lacks)(void *ctx);
    void *lacks_ctx;
    size_t share, allowed; /* that the pool was told last */
    bool has_turn;
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
    item->uncertain = world.disk[number].uncertain;
    item->attempts = world.disk[number].attempts;
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
    (void)spool, (void)before_ms;
    world.jumped_ms += delta_ms;
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
    world.fetches_open--;
    for (size_t i = 0; i < world.disk_count && !world.ending; i++) {
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
    int64_t now = net_wall(world.loop);
    fetch->done(fetch->ctx, items, count, more, next < 0 ? -1 : next > now ? next - now : 0);
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

void spool_change(struct spool *spool, enum store_verb verb, const struct store_select *select,
                  const struct spool_asker *asker)
{
    (void)spool;
    (void)verb;
    (void)select;
    (void)asker;
    fail();
}

/* Two wait that name a fallback: they go when the upstream has been down for its "fallback_after". */
static void answer_divert(void *ctx)
{
    (void)ctx;
    const struct mail_trouble *trouble = &world.divert_trouble;
    if (trouble->down_ms < trouble->patience_ms) {
        world.diverted(world.divert_ctx, 0, trouble->patience_ms - trouble->down_ms, NULL);
        return;
    }
    world.diverted(world.divert_ctx, 2, UINT64_MAX, NULL);
    net_loop_stop(world.loop);
}

void spool_divert(struct spool *spool, const char *upstream, const char *const *known, size_t known_count,
                  const struct mail_trouble *trouble, spool_divert_fn *done, void *ctx)
{
    (void)spool;
    assert_string_equal(upstream, "corp");
    assert_int_equal(known_count, 1); /* there is no other */
    assert_string_equal(known[0], "corp");
    world.diverts++;
    world.diverted_since = net_wall(world.loop) - (int64_t)trouble->down_ms;
    world.divert_trouble = *trouble;
    world.diverted = done;
    world.divert_ctx = ctx;
    net_defer(world.loop, answer_divert, NULL);
}

void spool_set_left(struct spool *spool, spool_left_fn *fn, void *ctx)
{
    (void)spool;
    world.left = fn;
    world.left_ctx = ctx;
}

void spool_set_halt(struct spool *spool, spool_halt_fn *fn, void *ctx)
{
    (void)spool;
    world.halt = fn;
    world.halt_ctx = ctx;
}

void spool_set_wake(struct spool *spool, spool_wake_fn *fn, void *ctx)
{
    (void)spool;
    world.wake = fn;
    world.wake_ctx = ctx;
}

void spool_fetch_due(struct spool *spool, const char *upstream, size_t limit, spool_due_fn *done, void *ctx)
{
    (void)spool;
    int64_t now_ms = net_wall(world.loop);
    assert_string_equal(upstream, "corp");
    struct fetch *fetch = expect_calloc(1, sizeof *fetch);
    *fetch = (struct fetch){world.fetch_turns, now_ms, limit, done, ctx};
    world.fetches_open++;
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

bool spool_node_shares(const struct spool *spool)
{
    (void)spool;
    return false;
}

int64_t spool_node_skew(const struct spool *spool)
{
    (void)spool;
    return world.skew_ms;
}

json_t *spool_node_list(const struct spool *spool)
{
    (void)spool;
    return world.nodes == NULL ? NULL : json_loads(world.nodes, 0, NULL);
}

bool spool_node_may_send(const struct spool *spool)
{
    (void)spool;
    return true;
}

bool spool_node_holds(const struct spool *spool, const struct spool_item *item)
{
    (void)spool;
    return item->hold == world.hold;
}

bool spool_node_set_slots(struct spool *spool, spool_node_ask_fn *ask, spool_node_told_fn *told, void *ctx)
{
    (void)spool;
    world.ask = ask;
    world.told = told;
    world.slots_ctx = ctx;
    return world.shares;
}

void spool_node_add_slots(struct spool *spool, const struct store_slots *slots)
{
    (void)spool;
    assert_true(world.shares);
    world.added = *slots;
    world.adds++;
}

void spool_node_hurry(struct spool *spool)
{
    (void)spool;
    assert_true(world.shares);
    world.hurries++;
}

struct bytes spool_item_at_hand(const struct spool_item *item, uint64_t offset, size_t len)
{
    (void)item;
    return world.at_hand ? bytes_slice(bytes_of(BODY), (size_t)offset, len) : (struct bytes){0};
}

bool spool_item_is_damaged(const struct spool_item *item)
{
    (void)item;
    return world.damaged;
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
    struct spool_item *item;
    spool_commit_fn *done;
    void *ctx;
};

static void answer_settle(void *ctx)
{
    struct settle *settle = ctx;
    struct fault lost = FAULT_INIT;
    fault_set(&lost, FAULT_PERM, "not-in-hand", "spool", "another node has it");
    settle->done(settle->ctx, world.not_ours ? &lost : NULL);
    item_free(&settle->item);
    free(settle);
    world.settled++;
    if (world.stop_after > 0 && world.settled >= world.stop_after) {
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
        world.disk[(*item)->delivery.number].due = net_wall(world.loop) + (int64_t)outcome->again_in_ms;
    }
    struct settle *settle = expect_calloc(1, sizeof *settle);
    *settle = (struct settle){*item, done, ctx};
    *item = NULL;
    net_defer(world.loop, answer_settle, settle);
}

void spool_set_mark(struct spool *spool, const char *upstream, const char *folder, const struct doubt_mark *mark)
{
    (void)spool;
    (void)upstream;
    (void)folder;
    (void)mark;
}

void spool_set_origin(struct spool *spool, const char *upstream, const char *account, unsigned place)
{
    (void)spool;
    assert_string_equal(upstream, "corp");
    assert_string_equal(account, "relay");
    assert_int_equal(place, 1 << 16);
}

struct upstream_pool *upstream_pool_new(struct net_loop *loop, const struct upstream_account *account, struct log *log)
{
    (void)loop;
    (void)log;
    assert_string_equal(account->name, "corp");
    return (struct upstream_pool *)(void *)&world;
}

void upstream_pool_pace(const struct upstream_pool *pool, struct upstream_pace *pace_r)
{
    (void)pool;
    memcpy(pace_r, &world.pace, sizeof *pace_r);
}

void upstream_pool_set_pace(struct upstream_pool *pool, const struct upstream_pace *pace)
{
    (void)pool;
    world.pace = *pace;
}

void upstream_pool_origin(const struct upstream_pool *pool, struct upstream_origin *origin_r)
{
    (void)pool;
    *origin_r = (struct upstream_origin){.account = "relay", .place = 1 << 16};
}

void upstream_pool_succeed(struct upstream_pool *pool)
{
    (void)pool;
}

void upstream_pool_halt(struct upstream_pool *pool, bool halted)
{
    (void)pool;
    world.halted = halted;
}

void upstream_pool_share(struct upstream_pool *pool, size_t share, size_t allowed)
{
    (void)pool;
    assert_true(world.shares);
    world.share = share;
    world.allowed = allowed;
}

void upstream_pool_set_lacks(struct upstream_pool *pool, void (*fn)(void *ctx), void *ctx)
{
    (void)pool;
    assert_true(world.shares);
    world.lacks = fn;
    world.lacks_ctx = ctx;
}

void upstream_pool_needs(const struct upstream_pool *pool, struct upstream_needs *needs_r)
{
    (void)pool;
    assert_true(world.shares);
    *needs_r = world.needs;
}

void upstream_pool_take_turn(struct upstream_pool *pool, bool has_turn)
{
    (void)pool;
    assert_true(world.shares);
    world.has_turn = has_turn;
}

void upstream_pool_drop(struct upstream_pool *pool)
{
    (void)pool;
    assert_true(world.shares);
    world.drops++;
}

void upstream_pool_try_now(struct upstream_pool *pool)
{
    (void)pool;
    world.pace = (struct upstream_pace){0};
}

void spool_memo_set(struct spool *spool, const char *upstream, const char *text)
{
    (void)spool;
    assert_string_equal(upstream, "corp");
    snprintf(world.memo, sizeof world.memo, "%s", text);
    world.memos++;
}

struct spool_pause spool_pause_of(const struct spool *spool, const char *upstream)
{
    (void)spool, (void)upstream;
    return (struct spool_pause){.on = world.paused};
}

void spool_memo_watch(struct spool *spool, spool_memo_fn *fn, void *ctx)
{
    (void)spool;
    world.remembered = fn;
    world.remembered_ctx = ctx;
}

const char *spool_memo(struct spool *spool, const char *upstream)
{
    (void)spool;
    assert_string_equal(upstream, "corp");
    return world.memo[0] != '\0' ? world.memo : NULL;
}

void upstream_pool_free(struct upstream_pool **pool)
{
    *pool = NULL;
}

static void answer_append(void *ctx)
{
    struct upstream_append *append = ctx;
    append->done(append->ctx, append, &world.answer);
}

static void on_body(void *ctx, struct bytes data, const struct fault *fault)
{
    struct upstream_append *append = ctx;
    if (fault != NULL) {
        assert_string_equal(fault->code, UPSTREAM_LEASE);
        world.is_withheld = true;
        world.answer.fault = *fault;
        net_defer(world.loop, answer_append, append);
        return;
    }
    buf_append_bytes(&world.body, data);
    if (world.body.len < append->body.size) {
        append->body.read(append->body.ctx, world.body.len, 7, on_body, append);
    } else {
        net_defer(world.loop, answer_append, append);
    }
}

void upstream_pool_submit(struct upstream_pool *pool, struct upstream_append **append)
{
    (void)pool;
    world.appends[world.append_count++] = *append;
    if (world.append_count == world.stop_at_appends) {
        net_loop_stop(world.loop);
    }
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

size_t upstream_pool_waiting(const struct upstream_pool *pool)
{
    (void)pool;
    return 0;
}

void upstream_pool_state(const struct upstream_pool *pool, struct upstream_pool_state *state_r)
{
    (void)pool;
    *state_r = (struct upstream_pool_state){.connections = 1};
}

void upstream_pool_drain(struct upstream_pool *pool, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
    (void)pool;
    (void)deadline_ms;
    struct upstream_outcome shutdown = {0};
    fault_set(&shutdown.fault, FAULT_LOCAL, "shutdown", "pool", "shutting down");
    for (size_t i = 0; i < world.append_count; i++) {
        world.appends[i]->done(world.appends[i]->ctx, world.appends[i], &shutdown);
    }
    pool_drained = done;
    pool_drained_ctx = ctx;
    net_defer(world.loop, answer_drain, NULL);
}

static inline void stop_loop(void *ctx)
{
    net_loop_stop(ctx);
}

/* Before the dispatch goes: who asked the spool hears its answer. */
static inline void answer_open_fetches(void)
{
    world.ending = true;
    while (world.fetches_open > 0) {
        net_defer(world.loop, stop_loop, world.loop);
        net_loop_run(world.loop);
    }
    world.ending = false;
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
    (void)state;
    answer_open_fetches();
    dispatch_free(&world.dispatch);
    buf_done(&world.body);
    net_loop_free(&world.loop);
    return 0;
}

static inline void put_on_disk(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world.disk[world.disk_count++] = (struct waiting){.due = 0, .received = net_wall(world.loop)};
    }
}

static inline void on_drained(void *ctx)
{
    (void)ctx;
    world.drained = true;
    net_loop_stop(world.loop);
}

#endif
