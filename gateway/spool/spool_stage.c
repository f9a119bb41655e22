/*
 * spool_stage - a message on its way in.
 *
 * A small body gathers in memory. Above `own_segment_over` it streams into a segment of its own: one chunk is with the disk
 * lane, one gathers, and the sender waits when that is full. Room for the record's head is left in front; it is written
 * at the commit, behind everything else, so a segment whose message was never committed has no valid record.
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
    struct spool_stage *stage = expect_calloc(1, sizeof *stage);
    *stage = (struct spool_stage){.spool = spool, .on_writable = on_writable, .ctx = ctx};
    buf_init(&stage->waiting, spool->options.own_segment_over + SLACK);
    buf_init(&stage->writing, spool->options.own_segment_over + SLACK);
    return stage;
}

/* ---- the disk lane's side ---- */

/* Makes the segment at the first chunk. */
static int need_segment(struct spool_stage *stage)
{
    struct spool_own *own = &stage->own;
    struct spool_writer *writer = &stage->spool->writer;
    if (own->segment != NULL) {
        return 0;
    }
    if (local_segment_create(&own->segment, writer->folder, writer->next_segment, &own->fault) != 0) {
        return -1;
    }
    writer->next_segment++;
    own->segment->tail = LOCAL_RECORD_HEAD;
    own->sum = store_sum_new();
    return 0;
}

static int append_body(struct spool_stage *stage, struct bytes data)
{
    struct spool_own *own = &stage->own;
    if (fault_is_set(&own->fault) || need_segment(stage) != 0 ||
        local_segment_append(own->segment, &data, 1, &own->fault) != 0) {
        return -1;
    }
    store_sum_add(own->sum, data);
    return 0;
}

static void write_chunk(void *ctx)
{
    struct spool_stage *stage = ctx;
    append_body(stage, buf_bytes(&stage->writing));
}

int spool_stage_complete(struct spool_stage *stage, struct bytes meta, struct local_record *record_r,
                         struct fault *fault)
{
    struct spool_own *own = &stage->own;
    if (append_body(stage, buf_bytes(&stage->waiting)) != 0) {
        *fault = own->fault;
        return -1;
    }
    struct local_record record = {
        .body_len = own->segment->tail - LOCAL_RECORD_HEAD,
        .meta_len = (uint32_t)meta.len,
        .body_sum = store_sum_value(own->sum),
        .meta_sum = store_sum_of(meta),
    };
    uint8_t head[LOCAL_RECORD_HEAD];
    local_record_encode(&record, head);
    if (local_segment_append(own->segment, &meta, 1, fault) != 0 ||
        net_file_write(own->segment->file, 0, &(struct bytes){head, sizeof head}, 1, fault) != 0) {
        return -1;
    }
    *record_r = record;
    return 0;
}

static void remove_segment(void *ctx)
{
    struct spool_stage *stage = ctx;
    if (stage->own.segment != NULL) {
        char path[LOCAL_PATH_MAX];
        local_segment_path(stage->spool->writer.folder, stage->own.segment->id, path);
        /* What cannot be removed now has no valid record and goes at the next start. */
        net_file_remove(path, NULL);
        local_segment_close(&stage->own.segment);
    }
}

/* ---- the loop's side ---- */

static void on_chunk(void *ctx);

static void hand_over(struct spool_stage *stage)
{
    struct buf empty = stage->writing;
    stage->writing = stage->waiting;
    stage->waiting = empty;
    stage->busy = true;
    stage->has_own = true;
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

static void defer_ready(struct spool_stage *stage)
{
    if (!stage->ready->deferred) {
        stage->ready->deferred = true;
        net_defer(stage->spool->loop, answer_ready, stage->ready);
    }
}

/* Goes on with what gathered while the lane was busy. */
static void pump(struct spool_stage *stage)
{
    bool failed = fault_is_set(&stage->fault);
    if (!failed && stage->waiting.len > 0 && (stage->ready != NULL || stage->waiting.len >= STORE_CHUNK)) {
        hand_over(stage);
    } else if (stage->ready != NULL) {
        defer_ready(stage);
    }
    if (stage->stopped && (failed || stage->waiting.len < STORE_CHUNK)) {
        stage->stopped = false;
        stage->on_writable(stage->ctx);
    }
}

static void on_chunk(void *ctx)
{
    struct spool_stage *stage = ctx;
    stage->busy = false;
    buf_clear(&stage->writing);
    if (fault_is_set(&stage->own.fault)) {
        stage->fault = stage->own.fault;
        buf_done(&stage->waiting);
    }
    if (!stage->closed) {
        pump(stage);
    }
}

int spool_stage_write(struct spool_stage *stage, struct bytes data)
{
    if (fault_is_set(&stage->fault)) {
        return -1;
    }
    EXPECT(stage->ready == NULL && stage->source.read == NULL);
    if (buf_append_bytes(&stage->waiting, data) != 0) {
        fault_set(&stage->fault, FAULT_LOCAL, "overrun", "spool", "more octets than the disk takes wait for it");
        return -1;
    }
    stage->size += data.len;
    mail_shape_add(&stage->meter, data);
    size_t most = stage->has_own ? STORE_CHUNK - 1 : stage->spool->options.own_segment_over;
    if (!stage->busy && stage->waiting.len > most) {
        hand_over(stage);
    }
    stage->stopped = stage->busy && stage->waiting.len >= STORE_CHUNK;
    return stage->stopped ? 1 : 0;
}

void spool_stage_once(struct spool_stage *stage, uint64_t window_ms, spool_repeat_fn *on_repeat, void *ctx)
{
    stage->window_ms = window_ms;
    stage->on_repeat = on_repeat;
    stage->repeat_ctx = ctx;
}

void spool_stage_unique(struct spool_stage *stage, bool maybe_filed)
{
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

static ptrdiff_t read_memory(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    struct spool_stage *stage = ctx;
    struct bytes part = bytes_slice(buf_bytes(&stage->waiting), (size_t)offset, len);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

static ptrdiff_t read_segment(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    struct spool_stage *stage = ctx;
    if (fault_is_set(&stage->fault)) {
        if (fault != NULL) {
            *fault = stage->fault;
        }
        return -1;
    }
    uint64_t left = offset < stage->size ? stage->size - offset : 0;
    return net_file_read(stage->own.segment->file, LOCAL_RECORD_HEAD + offset, into, len < left ? len : (size_t)left,
                         fault);
}

void spool_stage_source(struct spool_stage *stage, void (*on_ready)(void *ctx, const struct mail_source *source),
                        void *ctx)
{
    EXPECT(stage->ready == NULL);
    stage->source = (struct mail_source){
        .size = stage->size,
        .read = stage->has_own ? read_segment : read_memory,
        .ctx = stage,
    };
    stage->ready = expect_calloc(1, sizeof *stage->ready);
    *stage->ready = (struct spool_ready){.stage = stage, .on_ready = on_ready, .ctx = ctx};
    if (!stage->has_own) {
        defer_ready(stage);
    } else if (!stage->busy) {
        pump(stage);
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
    local_segment_close(&(*stage)->own.segment);
    store_sum_free(&(*stage)->own.sum);
    buf_done(&(*stage)->waiting);
    buf_done(&(*stage)->writing);
    free(*stage);
    *stage = NULL;
}

static void on_removed(void *ctx)
{
    struct spool_stage *stage = ctx;
    spool_stage_destroy(&stage);
}

void spool_stage_free(struct spool_stage **stage_ref)
{
    struct spool_stage *stage = *stage_ref;
    if (stage == NULL) {
        return;
    }
    *stage_ref = NULL;
    spool_stage_close(stage);
    if (stage->has_own) {
        /* Behind the chunk that may be with the lane. */
        net_lane_submit(stage->spool->disk, remove_segment, on_removed, stage);
    } else {
        spool_stage_destroy(&stage);
    }
}
