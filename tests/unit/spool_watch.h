/*
 * spool_watch - for tests of a commit: what the store is asked for can be looked at while the lane waits with it, and what the spool offers, wakes and logs is
 * counted. On the store of spool_door.h.
 */
#ifndef MAILWEIR_TESTS_SPOOL_WATCH_H
#define MAILWEIR_TESTS_SPOOL_WATCH_H

#include "spool/spool_private.h"
#include "spool_door.h"

/* ---- what the store is asked for ---- */

static struct {
    bool looks;          /* the next batch with a message waits while the test looks at it ... */
    struct store_op *op; /* ... here */
    bool lost;           /* of batches with a message nobody knows what becomes of them; they are not written */
    unsigned learns;
    size_t octets;                /* of bodies, the most of one batch */
    unsigned uploads_freed, left; /* ... and left to what may be kept of their message */
    unsigned reads,
        unchecked_reads; /* of bodies; and of those that the store would have to look for, or through, before */
} store;

static unsigned offers, wakes;
static struct buf lines; /* of the log */

static inline enum store_verdict watch_commit(struct store *below, struct store_batch *batch)
{
    size_t octets = 0;
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        store.learns += op->kind == STORE_LEARN;
        octets += op->kind == STORE_ADD_MESSAGE ? op->add.body.len : 0;
        if (op->kind == STORE_ADD_MESSAGE && store.looks) {
            store.looks = false;
            store.op = op;
            sem_post(&door.begun);
            sem_wait(&door.may_go);
        }
    }
    store.octets = octets > store.octets ? octets : store.octets;
    if (store.lost && has_kind(batch, STORE_ADD_MESSAGE)) {
        fault_set(&batch->fault, FAULT_LOCAL, "lost", "test", "the answer was lost");
        store_batch_fail(batch, &batch->fault);
        return STORE_IN_LIMBO;
    }
    return commit_door(below, batch);
}

static inline void watch_upload_free(struct store *below, struct store_upload **upload, bool leave)
{
    store.uploads_freed += *upload != NULL;
    store.left += leave;
    model_store.upload_free(below, upload, leave);
}

static inline ptrdiff_t watch_body(struct store *below, struct store_body *body, uint64_t offset, void *into,
                                   size_t len, struct fault *fault)
{
    store.reads++;
    store.unchecked_reads += !body->checked || body->place.body_len == 0;
    return body_door(below, body, offset, into, len, fault);
}

static inline void count_offer(void *ctx, struct spool_item **item)
{
    offers++;
    fixture_offer(ctx, item);
}

static inline void on_wake(void *ctx, const char *upstream)
{
    (void)ctx;
    assert_null(upstream);
    wakes++;
}

static inline int64_t log_now(void *ctx)
{
    (void)ctx;
    return 0;
}

static inline void log_line(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    assert_int_equal(buf_append(&lines, line, len), 0);
}

static struct log watch_log = {.format = LOG_FORMAT_JSON, .now = log_now, .write = log_line};

static inline bool is_logged(const char *part)
{
    return strstr(buf_text(&lines), part) != NULL;
}

static inline void watch_spool(struct fixture *fixture)
{
    door.ops.commit = watch_commit;
    door.ops.upload_free = watch_upload_free;
    door.ops.body = watch_body;
    spool_set_offer(fixture->spool, count_offer, fixture);
    spool_set_wake(fixture->spool, on_wake, fixture);
    fixture->spool->log = &watch_log;
}

static inline int set_up_commit(void **state)
{
    memset(&store, 0, sizeof store);
    offers = wakes = 0;
    buf_init(&lines, 1u << 20);
    int result = set_up(state);
    door.fail_kind = STORE_ADD_MESSAGE;
    watch_spool(*state);
    return result;
}

static inline int tear_down_commit(void **state)
{
    sem_post(&door.may_go); /* where a test has failed while the lane waits */
    int result = tear_down(state);
    buf_done(&lines);
    return result;
}

/* The next message is asked for, and the lane waits with it. */
static inline struct store_add *look_at(struct fixture *fixture)
{
    wait_for_begin(fixture);
    return &store.op->add;
}

static inline void go_on(struct fixture *fixture, unsigned answers)
{
    sem_post(&door.may_go);
    run_until(fixture, &fixture->answers, answers);
}

/* A commit that the store is asked for and that waits there; nobody has heard of it. */
static inline struct store_add *commit_and_look(struct fixture *fixture, const char *body, size_t deliveries)
{
    store.looks = true;
    commit(fixture, bytes_of(body), deliveries, false);
    return look_at(fixture);
}

#endif
