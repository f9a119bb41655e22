/*
 * spool_fixture - for the tests of the spool: a folder of its own, a loop, a spool with small limits, and calls that run the loop until their answer
 * came.
 */
#ifndef MAILWEIR_TESTS_SPOOL_FIXTURE_H
#define MAILWEIR_TESTS_SPOOL_FIXTURE_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net_loop.h"
#include "spool/spool_admin.h"
#include "spool/spool.h"
#include "store/local/local.h"

#define DEADLINE_MS 60000
#define ITEMS_MAX   256

struct fixture {
    char path[200];
    struct net_loop *loop;
    struct net_timer *deadline;
    struct spool *spool;
    struct spool_options options;
    unsigned answers, failures; /* of commits and settlements */
    struct fault fault;         /* the last failure */
    bool takes;                 /* offers */
    struct spool_item *items[ITEMS_MAX];
    size_t item_count;
    bool more;
    int64_t next_due_ms;
    struct buf body;
    unsigned reads;
    unsigned named;              /* messages made so far */
    const char *sender, *folder; /* of the next commits; NULL: the usual ones */
    const char *fallback;        /* of the next commits; or NULL */
    const struct mail_way *ways; /* likewise */
    size_t way_count;
    uint64_t diverted;       /* in all */
    uint64_t divert_wait_ms; /* what the last one said of the others */
    uint64_t waits_ms;       /* of what is committed from now on */
    uint64_t window_ms;
    char repeated[64];  /* what on_repeat said last */
    int64_t stopped_ms; /* what the wall clock shows; 0: it goes */
    int64_t ahead_ms;   /* of it: the store's */
};

/* What the spools of this test are kept in. */
static const struct store_ops *fixture_kind = &local_store;

static inline void on_deadline(void *ctx)
{
    (void)ctx;
    fail_msg("nothing came for %d ms", DEADLINE_MS);
}

static inline void fixture_offer(void *ctx, struct spool_item **item)
{
    struct fixture *fixture = ctx;
    if (fixture->takes && fixture->item_count < ITEMS_MAX) {
        fixture->items[fixture->item_count++] = *item;
        *item = NULL;
    }
}

static inline int64_t fixture_now(const struct fixture *fixture)
{
    return fixture->stopped_ms != 0 ? fixture->stopped_ms : net_wall(fixture->loop);
}

static inline int64_t fixture_wall(void *ctx)
{
    const struct fixture *fixture = ctx;
    return fixture_now(fixture) + fixture->ahead_ms;
}

static inline int fixture_try_open(struct fixture *fixture, struct fault *fault)
{
    fixture->options.store = fixture_kind;
    fixture->options.path = fixture->path;
    fixture->options.wall = fixture_wall;
    fixture->options.clock = fixture;
    if (fixture->options.minimum_free == 0) {
        fixture->options.minimum_free = 1;
    }
    int result = spool_open(&fixture->spool, fixture->loop, &fixture->options, NULL, fault);
    if (result == 0) {
        spool_set_offer(fixture->spool, fixture_offer, fixture);
    }
    return result;
}

static inline void fixture_open(struct fixture *fixture)
{
    struct fault fault = FAULT_INIT;
    if (fixture_try_open(fixture, &fault) != 0) {
        fail_msg("%s: %s", fault.code, fault.text);
    }
}

static inline int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/mailweir-spool-XXXXXX");
    assert_non_null(mkdtemp(fixture->path));
    fixture->loop = net_loop_new();
    fixture->deadline = net_timer_new(fixture->loop, on_deadline, fixture);
    fixture->takes = true;
    buf_init(&fixture->body, 64u << 20);
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[300];
    spool_close(&fixture->spool);
    net_timer_free(&fixture->deadline);
    net_loop_free(&fixture->loop);
    buf_done(&fixture->body);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->path);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static inline void fixture_reopen(struct fixture *fixture)
{
    spool_close(&fixture->spool);
    fixture_open(fixture);
}

/* A child process does `act` and dies at once; what it acknowledged must be there afterwards. */
static inline void fixture_crash(struct fixture *fixture, void (*act)(struct fixture *fixture))
{
    spool_close(&fixture->spool);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct fixture mine = *fixture;
        mine.loop = net_loop_new();
        mine.deadline = net_timer_new(mine.loop, on_deadline, &mine);
        fixture_open(&mine);
        act(&mine);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture_open(fixture);
}

/* Runs the loop until the counter has reached the number. */
static inline void run_until(struct fixture *fixture, const unsigned *counter, unsigned number)
{
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (*counter < number) {
        net_loop_run(fixture->loop);
    }
    net_timer_stop(fixture->deadline);
}

static inline void on_repeat(void *ctx, const char *id, size_t open)
{
    struct fixture *fixture = ctx;
    snprintf(fixture->repeated, sizeof fixture->repeated, "%s%s", id, open ? " open" : "");
}

static inline void on_answer(void *ctx, const struct fault *fault)
{
    struct fixture *fixture = ctx;
    fixture->answers++;
    if (fault != NULL) {
        fixture->failures++;
        fixture->fault = *fault;
    }
    net_loop_stop(fixture->loop);
}

/* Begins the commit of a message with this body and so many deliveries to upstream "corp"; the first may be held. */
static inline void commit(struct fixture *fixture, struct bytes body, size_t deliveries, bool held)
{
    struct mail_recipient to = {.address = "to@example.net"};
    char id[32];
    snprintf(id, sizeof id, "01TEST%010u%06u", fixture->named++, (unsigned)(net_wall(fixture->loop) % 1000000));
    struct mail_envelope envelope = {
        .id = id,
        .received_ms = net_wall(fixture->loop),
        .from = fixture->sender == NULL ? "from@example.org" : fixture->sender,
        .message_id = "<m@example.org>",
        .to = &to,
        .to_count = 1,
    };
    struct mail_delivery *all = calloc(deliveries + 1, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < deliveries; i++) {
        all[i] = (struct mail_delivery){.number = (unsigned)i + 1, .upstream = "corp", .rule = "r"};
        all[i].folder = fixture->folder == NULL ? "INBOX" : fixture->folder;
        all[i].fallback = fixture->fallback;
        all[i].ways = fixture->ways;
        all[i].way_count = fixture->way_count;
    }
    all[0].held = held;
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
    disregard(spool_stage_write(stage, body));
    spool_stage_once(stage, fixture->window_ms, on_repeat, fixture);
    spool_stage_waits(stage, fixture->waits_ms);
    spool_commit(&stage, &envelope, all, deliveries, on_answer, fixture);
    assert_null(stage);
    free(all);
}

static inline void commit_and_wait(struct fixture *fixture, const char *body, size_t deliveries)
{
    unsigned answers = fixture->answers;
    commit(fixture, bytes_of(body), deliveries, false);
    assert_int_equal(fixture->answers, answers);
    run_until(fixture, &fixture->answers, answers + 1);
}

static inline void on_fetched(void *ctx, struct spool_item **items, size_t count, bool more, int64_t next_in_ms)
{
    struct fixture *fixture = ctx;
    for (size_t i = 0; i < count; i++) {
        fixture->items[fixture->item_count++] = items[i];
        items[i] = NULL;
    }
    fixture->more = more;
    fixture->next_due_ms = next_in_ms < 0 ? -1 : fixture_wall(fixture) + next_in_ms;
    fixture->reads++;
    net_loop_stop(fixture->loop);
}

/* Adds what is due at now_ms to the items; returns how many there are. */
static inline size_t fetch_from(struct fixture *fixture, const char *upstream, int64_t now_ms, size_t limit)
{
    unsigned reads = fixture->reads;
    fixture->ahead_ms = now_ms - fixture_now(fixture);
    spool_fetch_due(fixture->spool, upstream, limit, on_fetched, fixture);
    run_until(fixture, &fixture->reads, reads + 1);
    fixture->ahead_ms = 0;
    return fixture->item_count;
}

static inline size_t fetch_at(struct fixture *fixture, int64_t now_ms, size_t limit)
{
    return fetch_from(fixture, "corp", now_ms, limit);
}

static inline size_t fetch(struct fixture *fixture, size_t limit)
{
    return fetch_at(fixture, net_wall(fixture->loop), limit);
}

static inline void on_body(void *ctx, struct bytes data, const struct fault *fault)
{
    struct fixture *fixture = ctx;
    buf_clear(&fixture->body);
    buf_append_bytes(&fixture->body, data);
    fixture->fault = fault == NULL ? FAULT_INIT : *fault;
    fixture->reads++;
    net_loop_stop(fixture->loop);
}

static inline struct bytes read_item(struct fixture *fixture, struct spool_item *item, uint64_t offset, size_t len)
{
    unsigned reads = fixture->reads;
    spool_item_read(fixture->spool, item, offset, len, on_body, fixture);
    run_until(fixture, &fixture->reads, reads + 1);
    return buf_bytes(&fixture->body);
}

static inline void on_diverted(void *ctx, uint64_t moved, uint64_t wait_ms, const struct fault *fault)
{
    struct fixture *fixture = ctx;
    fixture->diverted += moved;
    fixture->divert_wait_ms = wait_ms;
    on_answer(fixture, fault);
}

/* Has what waits for "corp" go elsewhere out of that trouble, if that is `known`; returns how many did in all. */
static inline uint64_t divert_by(struct fixture *fixture, const char *known, const struct mail_trouble *trouble)
{
    unsigned answers = fixture->answers;
    spool_divert(fixture->spool, "corp", &known, 1, trouble, on_diverted, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    assert_int_equal(fixture->failures, 0);
    return fixture->diverted;
}

/* The same when it has been down for long. */
static inline uint64_t divert(struct fixture *fixture, const char *known)
{
    const struct mail_trouble trouble = {.down = true, .down_ms = 5000, .patience_ms = 1000};
    return divert_by(fixture, known, &trouble);
}

/* Finishes the last of the items; does not wait. */
static inline void finish(struct fixture *fixture, int kind, int64_t next_ms)
{
    assert_true(fixture->item_count > 0);
    struct spool_outcome outcome = {
        .again_in_ms = next_ms > fixture_now(fixture) ? (uint64_t)(next_ms - fixture_now(fixture)) : 0};
    outcome.kind = (unsigned)kind;
    outcome.uncertain = fixture->items[fixture->item_count - 1]->uncertain; /* nothing was found out about that */
    fault_set(&outcome.fault, kind == SPOOL_FILED ? FAULT_NONE : FAULT_TEMP, "test", "APPEND", "the server said no");
    spool_finish(fixture->spool, &fixture->items[--fixture->item_count], &outcome, on_answer, fixture);
    assert_null(fixture->items[fixture->item_count]);
}

static inline void finish_and_wait(struct fixture *fixture, int kind, int64_t next_ms)
{
    unsigned answers = fixture->answers;
    finish(fixture, kind, next_ms);
    run_until(fixture, &fixture->answers, answers + 1);
}

/* An operator's request, as text; done comes later. */
static inline void fixture_request(struct fixture *fixture, const char *text, spool_admin_fn *done)
{
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    spool_admin_request(fixture->spool, root, done, fixture);
    json_decref(root);
}

static inline struct spool_counts counts(const struct fixture *fixture)
{
    struct spool_counts result;
    spool_count(fixture->spool, &result);
    return result;
}

#endif
