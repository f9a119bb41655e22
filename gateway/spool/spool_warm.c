/*
 * spool_warm - bodies that are needed soon, read together: one job of the read lane for a whole batch, where one for
 * each would cost two changes of thread.
 *
 * An item may be freed meanwhile: its memory then waits for the job. Bodies that are large, or that the cache has no
 * room for, are read in pieces as ever.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct warm_job {
    struct spool *spool;
    size_t count;
    struct spool_warm warms[];
};

/* ---- on the read lane ---- */

static void work_warm(void *ctx)
{
    struct warm_job *job = ctx;
    struct store *store = job->spool->store;
    for (size_t i = 0; i < job->count; i++) {
        struct spool_warm *warm = &job->warms[i];
        struct fault fault = FAULT_INIT;
        size_t room;
        uint8_t *into = buf_reserve(&warm->memory->data, warm->memory->data.max, &room);
        ptrdiff_t got = store->ops->body(store, &warm->item->body->at, 0, into, warm->memory->data.max, &fault);
        warm->good = got == (ptrdiff_t)warm->memory->data.max; /* else the store tells the fault when it is asked */
        if (warm->good) {
            buf_commit(&warm->memory->data, (size_t)got);
        }
    }
}

/* ---- on the loop ---- */

static void finish_one(struct spool *spool, struct spool_warm *warm)
{
    struct spool_item *item = warm->item;
    struct spool_body *body = item->body;
    struct spool_read *read = warm->read;
    body->warm = NULL;
    if (warm->good) {
        body->memory = warm->memory;
    } else {
        spool->cached -= warm->memory->data.max;
        buf_done(&warm->memory->data);
        free(warm->memory);
    }
    if (warm->freed) {
        spool_item_free(spool, &item);
    } else if (read != NULL) {
        spool_read_start(read);
    }
}

static void on_worked(void *ctx)
{
    struct warm_job *job = ctx;
    for (size_t i = 0; i < job->count; i++) {
        finish_one(job->spool, &job->warms[i]);
    }
    free(job);
}

static bool is_wanted(const struct spool *spool, const struct spool_item *item)
{
    return item->body->memory == NULL && item->body->warm == NULL && !item->body->damaged && item->body_size > 0 &&
           item->body_size <= SPOOL_WARM_MAX && spool->cached + item->body_size <= SPOOL_CACHE_OCTETS;
}

void spool_warm(struct spool *spool, struct spool_item *const *items, size_t count)
{
    NET_EXPECT_LOOP(spool->loop);
    struct warm_job *job = expect_calloc(1, sizeof *job + count * sizeof job->warms[0]);
    job->spool = spool;
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted(spool, items[i])) {
            continue;
        }
        struct spool_warm *warm = &job->warms[job->count++];
        warm->item = items[i];
        warm->memory = expect_calloc(1, sizeof *warm->memory);
        warm->memory->users = 1;
        buf_init(&warm->memory->data, (size_t)items[i]->body_size);
        items[i]->body->warm = warm;
        spool->cached += (size_t)items[i]->body_size;
    }
    if (job->count > 0) {
        net_lane_submit(spool->read, work_warm, on_worked, job);
    } else {
        free(job);
    }
}
