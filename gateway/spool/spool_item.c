/*
 * spool_item - one delivery in memory, and reading its body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct spool_item *spool_item_new(void)
{
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    struct spool_item *item = expect_memory(arena_alloc(arena, sizeof *item));
    item->arena = arena;
    item->body = expect_memory(arena_alloc(arena, sizeof *item->body));
    return item;
}

void spool_item_name(struct spool_item *item)
{
    snprintf(item->id, sizeof item->id, "%s.%u", item->envelope.id, item->delivery.number);
}

void spool_memory_release(struct spool *spool, struct spool_memory **memory)
{
    if (*memory != NULL && --(*memory)->users == 0) {
        spool->cached -= (*memory)->data.len;
        buf_done(&(*memory)->data);
        free(*memory);
    }
    *memory = NULL;
}

void spool_item_free(struct spool *spool, struct spool_item **item)
{
    if (*item != NULL && (*item)->body->warm != NULL) {
        (*item)->body->warm->freed = true; /* the read lane still writes into it */
        *item = NULL;
    } else if (*item != NULL) {
        spool_memory_release(spool, &(*item)->body->memory);
        struct arena *arena = (*item)->arena;
        arena_free(&arena);
        *item = NULL;
    }
}

/* ---- reading ---- */

struct spool_read {
    struct spool *spool;
    struct spool_item *item;
    uint64_t offset;
    size_t len;
    uint8_t *data;
    ptrdiff_t got;
    struct fault fault;
    spool_read_fn *done;
    void *ctx;
};

static void read_body(void *ctx)
{
    struct spool_read *job = ctx;
    struct store *store = job->spool->store;
    job->got = store->ops->body(store, &job->item->body->at, job->offset, job->data, job->len, &job->fault);
}

static void on_read(void *ctx)
{
    struct spool_read *job = ctx;
    if (job->got < 0) {
        /* Once seen it stays: another read may end before it gets there. */
        job->item->body->damaged = job->item->body->damaged || strcmp(job->fault.code, "damaged") == 0;
        job->done(job->ctx, (struct bytes){0}, &job->fault);
    } else {
        job->done(job->ctx, bytes_at(job->data, (size_t)job->got), NULL);
    }
    free(job->data);
    free(job);
}

static void on_memory(void *ctx)
{
    struct spool_read *job = ctx;
    struct bytes body = buf_bytes(&job->item->body->memory->data);
    size_t offset = job->offset < body.len ? (size_t)job->offset : body.len;
    job->done(job->ctx, bytes_slice(body, offset, job->len), NULL);
    free(job);
}

bool spool_item_is_damaged(const struct spool_item *item)
{
    return item->body->damaged;
}

struct bytes spool_item_at_hand(const struct spool_item *item, uint64_t offset, size_t len)
{
    const struct spool_memory *memory = item->body->memory;
    if (memory == NULL || offset >= memory->data.len) {
        return (struct bytes){0};
    }
    return bytes_slice(buf_bytes(&memory->data), (size_t)offset, len);
}

void spool_read_start(struct spool_read *job)
{
    struct spool_item *item = job->item;
    if (item->body->memory != NULL) {
        net_defer(job->spool->loop, on_memory, job);
        return;
    }
    uint64_t left = job->offset < item->body_size ? item->body_size - job->offset : 0;
    job->len = job->len < left ? job->len : (size_t)left;
    job->data = expect_calloc(1, job->len + 1);
    net_lane_submit(job->spool->read, read_body, on_read, job);
}

void spool_item_read(struct spool *spool, struct spool_item *item, uint64_t offset, size_t len, spool_read_fn *done,
                     void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    struct spool_read *job = expect_calloc(1, sizeof *job);
    *job = (struct spool_read){.spool = spool, .item = item, .offset = offset, .len = len, .done = done, .ctx = ctx};
    if (item->body->warm == NULL) {
        spool_read_start(job);
        return;
    }
    EXPECT(item->body->warm->read == NULL);
    item->body->warm->read = job;
}
