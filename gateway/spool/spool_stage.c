/*
 * spool_stage - a message on its way in.
 *
 * A small body gathers in memory. Above `own_segment_over` it is uploaded into the store: one chunk is with the disk
 * lane, one gathers, and the sender waits when that is full.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

/* Octets beyond the limit that a caller may write before it heeds "stop". */
#define SLACK (4u << 20)

struct spool_ready {
    struct spool_stage *stage; /* NULL: it has gone */
    void (*on_ready)(void *ctx, const struct mail_source *source);
    void *ctx;
    bool deferred; /* under way: the loop frees it */
};

struct spool_stage *spool_stage_new(struct spool *spool, void (*on_writable)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    struct spool_stage *stage = expect_calloc(1, sizeof *stage);
    *stage = (struct spool_stage){.spool = spool, .on_writable = on_writable, .ctx = ctx};
    buf_init(&stage->waiting, spool->options.own_segment_over + SLACK);
    buf_init(&stage->writing, spool->options.own_segment_over + SLACK);
    return stage;
}

/* ---- the disk lane's side ---- */

static void write_chunk(void *ctx)
{
    struct spool_stage *stage = ctx;
    struct store *store = stage->spool->store;
    store->ops->upload_write(store, stage->upload, buf_bytes(&stage->writing), &stage->upload_fault);
}

/* ---- the loop's side ---- */

static void on_chunk(void *ctx);

/* The two buffers change places: while the lane writes one chunk the other gathers, nothing is copied, and no third
 * one can come to be, whatever the sender does. */
static void hand_over(struct spool_stage *stage)
{
    struct buf empty = stage->writing;
    stage->writing = stage->waiting;
    stage->waiting = empty;
    stage->busy = true;
    if (stage->upload == NULL) {
        stage->upload = stage->spool->store->ops->upload(stage->spool->store);
    }
    net_lane_submit(stage->spool->disk, write_chunk, on_chunk, stage);
}

static void answer_ready(void *ctx)
{
    struct spool_ready *ready = ctx;
    if (ready->stage != NULL) {
        ready->stage->ready = NULL;
        ready->on_ready(ready->ctx, &ready->stage->source);
    }
    free(ready);
}

/* Once: nothing is written any more, so no chunk comes back. */
static void defer_ready(struct spool_stage *stage)
{
    stage->ready->deferred = true;
    net_defer(stage->spool->loop, answer_ready, stage->ready);
}

/* Goes on with what gathered while the lane was busy. */
static void pump_stage(struct spool_stage *stage)
{
    bool failed = fault_is_set(&stage->fault);
    if (!failed && stage->waiting.len > 0 && (stage->ready != NULL || stage->waiting.len >= STORE_CHUNK)) {
        hand_over(stage);
    } else if (stage->ready != NULL) {
        defer_ready(stage);
    }
    if (stage->stopped) { /* a chunk's worth has just gone, or nothing is kept any more */
        stage->stopped = false;
        stage->on_writable(stage->ctx);
    }
}

static void on_chunk(void *ctx)
{
    struct spool_stage *stage = ctx;
    stage->busy = false;
    buf_clear(&stage->writing);
    if (fault_is_set(&stage->upload_fault)) {
        stage->fault = stage->upload_fault;
        buf_done(&stage->waiting);
    }
    if (!stage->closed) {
        pump_stage(stage);
    }
}

int spool_stage_write(struct spool_stage *stage, struct bytes data)
{
    NET_EXPECT_LOOP(stage->spool->loop);
    if (fault_is_set(&stage->fault)) {
        return -1;
    }
    EXPECT(stage->ready == NULL && stage->source.read == NULL);
    if (buf_append_bytes(&stage->waiting, data) != 0) {
        fault_set(&stage->fault, FAULT_LOCAL, "overrun", "spool",
                  "the disk is too slow: too many octets wait to be written");
        return -1;
    }
    stage->size += data.len;
    mail_shape_add(&stage->meter, data);
    size_t most = stage->upload != NULL ? STORE_CHUNK - 1 : stage->spool->options.own_segment_over;
    if (!stage->busy && stage->waiting.len > most) {
        hand_over(stage);
    }
    stage->stopped = stage->busy && stage->waiting.len >= STORE_CHUNK;
    return stage->stopped ? 1 : 0;
}

void spool_stage_waits(struct spool_stage *stage, uint64_t window_ms)
{
    NET_EXPECT_LOOP(stage->spool->loop);
    stage->waits_ms = window_ms;
}

void spool_stage_once(struct spool_stage *stage, uint64_t window_ms, spool_repeat_fn *on_repeat, void *ctx)
{
    NET_EXPECT_LOOP(stage->spool->loop);
    stage->window_ms = window_ms;
    stage->on_repeat = on_repeat;
    stage->repeat_ctx = ctx;
}

void spool_stage_unique(struct spool_stage *stage, bool maybe_filed)
{
    NET_EXPECT_LOOP(stage->spool->loop);
    stage->unique = true;
    stage->maybe_filed = maybe_filed;
}

uint64_t spool_stage_size(const struct spool_stage *stage)
{
    return stage->size;
}

const struct fault *spool_stage_fault(const struct spool_stage *stage)
{
    return &stage->fault;
}

/* ---- reading what is staged ---- */

static ptrdiff_t read_upload(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    struct spool_stage *stage = ctx;
    return stage->spool->store->ops->upload_read(stage->upload, offset, into, len, fault);
}

void spool_stage_source(struct spool_stage *stage, void (*on_ready)(void *ctx, const struct mail_source *source),
                        void *ctx)
{
    NET_EXPECT_LOOP(stage->spool->loop);
    EXPECT(stage->ready == NULL);
    stage->whole = buf_bytes(&stage->waiting);
    stage->source = stage->upload != NULL ? (struct mail_source){.size = stage->size, .read = read_upload, .ctx = stage}
                                          : mail_source_of(&stage->whole);
    stage->ready = expect_calloc(1, sizeof *stage->ready);
    *stage->ready = (struct spool_ready){.stage = stage, .on_ready = on_ready, .ctx = ctx};
    if (stage->upload == NULL) {
        defer_ready(stage);
    } else if (!stage->busy) {
        pump_stage(stage);
    }
}

/* ---- the end ---- */

void spool_stage_close(struct spool_stage *stage)
{
    stage->closed = true;
    if (stage->ready != NULL && stage->ready->deferred) {
        stage->ready->stage = NULL;
    } else {
        free(stage->ready);
    }
    stage->ready = NULL;
}

void spool_stage_destroy(struct spool_stage **stage)
{
    buf_done(&(*stage)->waiting);
    buf_done(&(*stage)->writing);
    free(*stage);
    *stage = NULL;
}

static void on_freed(void *ctx)
{
    struct spool_stage *stage = ctx;
    spool_stage_destroy(&stage);
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

void spool_stage_free(struct spool_stage **stage_ref)
{
    struct spool_stage *stage = *stage_ref;
    if (stage == NULL) {
        return;
    }
    NET_EXPECT_LOOP(stage->spool->loop);
    *stage_ref = NULL;
    spool_stage_close(stage);
    if (stage->upload != NULL) {
        /* Behind the chunk that may be with the lane. */
        struct store_upload *upload = stage->upload;
        spool_upload_free(stage->spool, &upload, false);
        net_lane_submit(stage->spool->disk, do_nothing, on_freed, stage);
    } else {
        spool_stage_destroy(&stage);
    }
}

struct freeing {
    struct spool *spool;
    struct store_upload *upload;
    bool leave;
};

static void free_upload(void *ctx)
{
    struct freeing *freeing = ctx;
    struct store *store = freeing->spool->store;
    store->ops->upload_free(store, &freeing->upload, freeing->leave);
}

void spool_upload_free(struct spool *spool, struct store_upload **upload, bool leave)
{
    if (*upload != NULL && spool->disk == NULL) {
        spool->store->ops->upload_free(spool->store, upload, leave); /* the spool closes */
    } else if (*upload != NULL) {
        struct freeing *freeing = expect_calloc(1, sizeof *freeing);
        *freeing = (struct freeing){spool, *upload, leave};
        *upload = NULL;
        net_lane_submit(spool->disk, free_upload, free, freeing);
    }
}
