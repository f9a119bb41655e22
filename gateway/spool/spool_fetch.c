/*
 * spool_fetch - due deliveries from the disk.
 *
 * The query runs on the read lane. What it found is marked in the index as handed out before anybody gets it, so that
 * after a crash exactly these are known to be uncertain; then the answer comes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_meta.h"
#include "spool/spool_private.h"

/* When to look again after the index could not be read or written. */
#define AGAIN_MS 5000

struct fetch_job {
    struct spool_job job; /* marks the items */
    struct spool *spool;
    char *upstream;
    int64_t now_ms;
    size_t limit;
    uint64_t run;
    uint64_t left; /* deliveries that had been left on the disk when the query began */
    uint64_t *held;
    size_t held_count;
    struct spool_item **items;
    size_t count;
    bool more;
    int64_t next_due_ms;
    spool_due_fn *done;
    void *ctx;
};

/* ---- on the read lane ---- */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static struct spool_item *read_item(struct fetch_job *fetch, const struct spool_index_due *due)
{
    struct spool_item *item = spool_item_new();
    if (spool_meta_read_envelope(due->envelope, item->arena, &item->envelope, &fetch->job.fault) != 0 ||
        spool_meta_read_delivery(due->detail, item->arena, &item->delivery, &fetch->job.fault) != 0) {
        struct arena *arena = item->arena;
        arena_free(&arena);
        return NULL;
    }
    item->delivery.number = due->number;
    spool_item_name(item);
    item->body_size = due->place.body_len;
    item->attempts = due->attempts;
    item->uncertain = due->uncertain || (due->handed != 0 && due->handed != fetch->run);
    item->body->message = due->message;
    item->body->place = due->place;
    return item;
}

static int take_due(void *ctx, const struct spool_index_due *due)
{
    struct fetch_job *fetch = ctx;
    uint64_t key = spool_item_key(due->message, due->number);
    if (bsearch(&key, fetch->held, fetch->held_count, sizeof key, compare) != NULL) {
        return 0;
    }
    if (fetch->count == fetch->limit) {
        fetch->more = true;
        return 1;
    }
    struct spool_item *item = read_item(fetch, due);
    if (item == NULL) {
        return 1;
    }
    fetch->items[fetch->count++] = item;
    return 0;
}

static void query(void *ctx)
{
    struct fetch_job *fetch = ctx;
    struct spool_index *index = spool_reader_index(fetch->spool->reader);
    if (spool_index_each_due(index, fetch->upstream, fetch->now_ms, take_due, fetch, &fetch->job.fault) == 0) {
        spool_index_next_due(index, fetch->upstream, fetch->now_ms, &fetch->next_due_ms, &fetch->job.fault);
    }
}

/* ---- on the disk lane ---- */

static int hand_index(struct spool_writer *writer, struct spool_job *job, struct fault *fault)
{
    struct fetch_job *fetch = LIST_ITEM(job, struct fetch_job, job);
    int result = 0;
    for (size_t i = 0; result == 0 && i < fetch->count; i++) {
        const struct spool_item *item = fetch->items[i];
        result = spool_index_hand(writer->index, item->body->message, item->delivery.number, writer->run, fault);
    }
    return result;
}

/* ---- on the loop ---- */

static void fetch_free(struct fetch_job *fetch)
{
    free(fetch->upstream);
    free(fetch->held);
    free(fetch->items);
    free(fetch);
}

/* Drops the items: they stay on the disk. */
static void drop_items(struct fetch_job *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->items[i] != NULL) {
            spool_held_remove(fetch->spool->held,
                              spool_item_key(fetch->items[i]->body->message, fetch->items[i]->delivery.number));
        }
        spool_item_free(fetch->spool, &fetch->items[i]);
    }
    fetch->count = 0;
}

static void answer(struct spool *spool, struct spool_job *job)
{
    struct fetch_job *fetch = LIST_ITEM(job, struct fetch_job, job);
    struct spool_upstream *upstream = spool_upstream(spool, fetch->upstream);
    bool failed = fault_is_set(&job->fault);
    if (failed || spool->closing) {
        drop_items(fetch);
    }
    if (failed) {
        log_event(spool->log, LOG_LEVEL_ERROR, "spool_fetch_failed", LOG_STR("upstream", fetch->upstream),
                  LOG_STR("error.message", job->fault.text));
        fetch->next_due_ms = fetch->now_ms + AGAIN_MS;
    } else {
        /* What was left on the disk after the query began is not in its answer. */
        fetch->more = fetch->more || upstream->left != fetch->left;
        upstream->backlog = fetch->more;
    }
    fetch->done(fetch->ctx, fetch->items, fetch->count, fetch->more && !failed, fetch->next_due_ms);
    drop_items(fetch);
    fetch_free(fetch);
}

static const struct spool_job_kind hand_kind = {NULL, hand_index, answer};

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

void spool_fetch_due(struct spool *spool, const char *upstream, int64_t now_ms, size_t limit, spool_due_fn *done, void *ctx)
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
        .items = expect_calloc(limit + 1, sizeof *fetch->items),
        .next_due_ms = -1,
        .done = done,
        .ctx = ctx,
    };
    fetch->held = spool_held_begin(spool->held, &fetch->held_count);
    net_lane_submit(spool->read, query, on_queried, fetch);
}
