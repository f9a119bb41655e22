/*
 * spool_fetch - due deliveries from the disk.
 *
 * The query runs on the read lane. What it found is marked in the index as handed out before anybody gets it, so that
 * after a crash exactly these are known to be uncertain; then the answer comes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/store_meta.h"
#include "spool/spool_private.h"

/* When to look again after the index could not be read or written. */
#define AGAIN_MS 5000
/* Pairs of sender and folder that one query looks at. */
#define LANES 64

struct fetch_job {
    struct spool_job job; /* marks the items */
    struct spool *spool;
    char *upstream;
    int64_t now_ms;
    size_t limit;
    int64_t cursor;
    struct store_key *keys; /* found in the index */
    size_t found, quota;
    uint64_t run;
    uint64_t left; /* deliveries that had been left on the disk when the query began */
    uint64_t *held;
    size_t held_count;
    struct spool_item **items;
    bool *stopped; /* by index: it does not wait any more */
    size_t count;
    bool more;
    int64_t next_due_ms;
    spool_due_fn *done;
    void *ctx;
};

/* ---- on the read lane ---- */

static void read_item(void *ctx, const struct local_index_due *due)
{
    struct fetch_job *fetch = ctx;
    struct spool_item *item = spool_item_new();
    if (due->state != STORE_STATE_WAITING ||
        store_meta_read_envelope(due->envelope, item->arena, &item->envelope, &fetch->job.fault) != 0 ||
        store_meta_read_delivery(due->detail, item->arena, &item->delivery, &fetch->job.fault) != 0) {
        struct arena *arena = item->arena;
        arena_free(&arena);
        return;
    }
    item->delivery.number = due->key.number;
    item->delivery.doubt = due->doubt.len == 0 ? NULL : arena_copy(item->arena, due->doubt);
    spool_item_name(item);
    item->body_size = due->place.body_len;
    item->attempts = due->attempts;
    item->uncertain = due->uncertain || (due->handed != 0 && due->handed != fetch->run);
    item->body->message = due->key.message;
    item->body->place = due->place;
    fetch->items[fetch->count++] = item;
}

/* Whether somebody holds the delivery, or this query has it already. */
static bool is_taken(const struct fetch_job *fetch, struct store_key key)
{
    uint64_t name = spool_item_key(key.message, key.number);
    if (spool_held_among(fetch->held, fetch->held_count, name)) {
        return true;
    }
    for (size_t i = 0; i < fetch->found; i++) {
        if (fetch->keys[i].message == key.message && fetch->keys[i].number == key.number) {
            return true;
        }
    }
    return false;
}

/* Notes up to fetch->quota keys. */
static int note_key(void *ctx, struct store_key key)
{
    struct fetch_job *fetch = ctx;
    if (is_taken(fetch, key)) {
        return 0;
    }
    if (fetch->found >= fetch->quota) {
        fetch->more = true;
        return 1;
    }
    fetch->keys[fetch->found++] = key;
    return 0;
}

/* The next lanes after the one that was served last, and then from the beginning. */
static size_t find_lanes(struct fetch_job *fetch, struct local_index *index, int64_t lanes[LANES])
{
    size_t count = 0;
    int64_t from = fetch->cursor, lane;
    bool wrapped = false;
    while (count < LANES) {
        int got = local_index_next_lane(index, fetch->upstream, from, &lane, &fetch->job.fault);
        if (got < 0 || (got == 0 && wrapped) || (got == 1 && wrapped && lane > fetch->cursor)) {
            break;
        }
        wrapped = wrapped || got == 0;
        from = got == 1 ? lane : INT64_MIN;
        if (got == 1) {
            lanes[count++] = lane;
        }
    }
    return count;
}

/* Half of the deliveries by turns. */
static int take_turns(struct fetch_job *fetch, struct local_index *index)
{
    int64_t lanes[LANES];
    size_t half = fetch->limit / 2, count = find_lanes(fetch, index, lanes);
    if (count < 2) {
        return 0; /* nobody to be fair to */
    }
    size_t each = half / count + 1;
    for (size_t i = 0; i < count && fetch->found < half; i++) {
        fetch->quota = fetch->found + each < half ? fetch->found + each : half;
        fetch->cursor = lanes[i];
        if (local_index_each_due_in_lane(index, fetch->upstream, lanes[i], fetch->now_ms, note_key, fetch,
                                         &fetch->job.fault) != 0) {
            return -1;
        }
    }
    return 0;
}

static void find_due(struct fetch_job *fetch, struct local_index *index)
{
    struct fault *fault = &fetch->job.fault;
    if (take_turns(fetch, index) != 0) {
        return;
    }
    fetch->more = false;
    fetch->quota = fetch->limit;
    if (local_index_each_due(index, fetch->upstream, fetch->now_ms, note_key, fetch, fault) != 0) {
        return;
    }
    for (size_t i = 0; i < fetch->found; i++) {
        if (local_index_load(index, fetch->keys[i], read_item, fetch, fault) < 0) {
            return;
        }
    }
    local_index_next_due(index, fetch->upstream, fetch->now_ms, &fetch->next_due_ms, fault);
}

static void query(void *ctx)
{
    struct fetch_job *fetch = ctx;
    struct local_index *index = local_reader_index(fetch->spool->reader);
    if (local_index_begin_read(index, &fetch->job.fault) == 0) {
        find_due(fetch, index);
        local_index_rollback(index);
    }
}

/* ---- on the disk lane ---- */

static int hand_index(struct spool_writer *writer, struct spool_job *job, struct fault *fault)
{
    struct fetch_job *fetch = LIST_ITEM(job, struct fetch_job, job);
    for (size_t i = 0; i < fetch->count; i++) {
        const struct spool_item *item = fetch->items[i];
        const struct store_key key = {item->body->message, item->delivery.number};
        int handed = local_index_hand(writer->index, key, writer->run, item->delivery.doubt, fault);
        if (handed < 0) {
            return -1;
        }
        /* An operator may have stopped it since it was read. */
        fetch->stopped[i] = handed == 0;
    }
    return 0;
}

/* ---- on the loop ---- */

static void fetch_free(struct fetch_job *fetch)
{
    free(fetch->upstream);
    free(fetch->held);
    free(fetch->items);
    free(fetch->keys);
    free(fetch->stopped);
    free(fetch);
}

static void drop_item(struct fetch_job *fetch, size_t at)
{
    struct spool_item **item = &fetch->items[at];
    if (*item != NULL) {
        spool_held_remove(fetch->spool->held, spool_item_key((*item)->body->message, (*item)->delivery.number));
        spool_item_free(fetch->spool, item);
    }
}

/* Drops the items: they stay on the disk. */
static void drop_items(struct fetch_job *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        drop_item(fetch, i);
    }
    fetch->count = 0;
}

static void drop_stopped(struct fetch_job *fetch)
{
    size_t kept = 0;
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->stopped[i]) {
            drop_item(fetch, i);
        } else {
            fetch->items[kept++] = fetch->items[i];
        }
    }
    fetch->count = kept;
}

static void answer(struct spool *spool, struct spool_job *job)
{
    struct fetch_job *fetch = LIST_ITEM(job, struct fetch_job, job);
    struct spool_upstream *upstream = spool_upstream(spool, fetch->upstream);
    bool failed = fault_is_set(&job->fault);
    if (failed || spool->closing || spool_is_paused(spool, upstream)) {
        drop_items(fetch);
    }
    drop_stopped(fetch);
    if (failed) {
        log_event(spool->log, LOG_LEVEL_ERROR, "spool_fetch_failed", LOG_STR("upstream", fetch->upstream),
                  LOG_STR("error.message", job->fault.text));
        fetch->next_due_ms = fetch->now_ms + AGAIN_MS;
    } else {
        /* What was left on the disk after the query began is not in its answer. */
        fetch->more = fetch->more || upstream->left != fetch->left;
        upstream->backlog = fetch->more;
        upstream->cursor = fetch->cursor;
    }
    if (spool_is_paused(spool, upstream)) {
        fetch->more = false; /* the end of the pause wakes whoever fetches */
        fetch->next_due_ms = -1;
    }
    fetch->done(fetch->ctx, fetch->items, fetch->count, fetch->more && !failed, fetch->next_due_ms);
    drop_items(fetch);
    fetch_free(fetch);
}

static const struct spool_job_kind hand_kind = {NULL, hand_index, NULL, answer};

/* Somebody may have got one of them between the query's beginning and now. */
static void drop_held(struct fetch_job *fetch)
{
    size_t kept = 0;
    for (size_t i = 0; i < fetch->count; i++) {
        uint64_t key = spool_item_key(fetch->items[i]->body->message, fetch->items[i]->delivery.number);
        if (spool_held_has(fetch->spool->held, key)) {
            spool_item_free(fetch->spool, &fetch->items[i]);
        } else {
            spool_held_add(fetch->spool->held, key);
            spool_item_mark(fetch->spool, fetch->items[i]);
            fetch->items[kept++] = fetch->items[i];
        }
    }
    fetch->count = kept;
}

static void on_queried(void *ctx)
{
    struct fetch_job *fetch = ctx;
    drop_held(fetch);
    spool_held_end(fetch->spool->held);
    if (fetch->count == 0 || fault_is_set(&fetch->job.fault)) {
        answer(fetch->spool, &fetch->job);
    } else {
        spool_submit(fetch->spool, &fetch->job);
    }
}

void spool_fetch_due(struct spool *spool, const char *upstream, int64_t now_ms, size_t limit, spool_due_fn *done,
                     void *ctx)
{
    struct fetch_job *fetch = expect_calloc(1, sizeof *fetch);
    *fetch = (struct fetch_job){
        .job.kind = &hand_kind,
        .spool = spool,
        .upstream = expect_strdup(upstream),
        .now_ms = now_ms,
        .limit = limit,
        .run = spool->writer.run,
        .left = spool_upstream(spool, upstream)->left,
        .cursor = spool_upstream(spool, upstream)->cursor,
        .items = expect_calloc(limit + 1, sizeof *fetch->items),
        .keys = expect_calloc(limit + 1, sizeof *fetch->keys),
        .stopped = expect_calloc(limit + 1, sizeof *fetch->stopped),
        .next_due_ms = -1,
        .done = done,
        .ctx = ctx,
    };
    fetch->held = spool_held_begin(spool->held, &fetch->held_count);
    net_lane_submit(spool->read, query, on_queried, fetch);
}
