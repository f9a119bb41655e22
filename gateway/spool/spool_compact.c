/*
 * spool_compact - moves what still lives in a mostly dead segment to the one that is appended to, so that one dead letter does not keep
 * a whole segment on the disk.
 *
 * Records are read on the tidy lane, a few at a time, and appended by a group like any other; the index then names the new
 * place. Who holds the old place in memory finds the new one when the old segment is gone (local_reader.c). A segment with a damaged
 * record stays as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define BATCH        64
#define BATCH_OCTETS (4u << 20)
/* A segment is worth the work when less than one part in so many of it lives. */
#define LIVE_PART 4

struct move {
    uint64_t message;
    struct local_place from, to;
    struct buf octets; /* the whole record */
    struct local_record record;
    bool moved;
};

struct move_job {
    struct spool_job job;
    struct spool *spool;
    uint64_t segment;
    struct move moves[BATCH];
    size_t count, octets;
    struct fault fault; /* of reading: the segment is left alone */
};

/* ---- on the tidy lane ---- */

static int note_move(void *ctx, uint64_t message, const struct local_place *place)
{
    struct move_job *job = ctx;
    if (job->count == BATCH || job->octets >= BATCH_OCTETS) {
        return 1;
    }
    job->moves[job->count++] = (struct move){.message = message, .from = *place};
    job->octets += place->record_len;
    return 0;
}

static int read_record(struct net_file *file, struct move *move, struct fault *fault)
{
    size_t len = (size_t)move->from.record_len, room;
    buf_init(&move->octets, len);
    uint8_t *into = buf_reserve(&move->octets, len, &room);
    if (net_file_read(file, move->from.start, into, len, fault) != (ptrdiff_t)len) {
        return -1;
    }
    buf_commit(&move->octets, len);
    struct bytes whole = buf_bytes(&move->octets);
    struct bytes body = bytes_slice(whole, LOCAL_RECORD_HEAD, (size_t)move->from.body_len);
    return local_record_decode(whole, &move->record) == 1 && store_sum_of(body) == move->from.body_sum ? 0 : -1;
}

/* Whether enough of the file is dead. */
static bool is_worth_it(const struct move_job *job, struct net_file *file, uint64_t live)
{
    uint64_t size = 0;
    (void)job;
    return net_file_size(file, &size, NULL) == 0 && live < size / LIVE_PART;
}

static void read_moves(void *ctx)
{
    struct move_job *job = ctx;
    char path[LOCAL_PATH_MAX];
    struct net_file *file = NULL;
    local_segment_path(job->spool->writer.folder, job->segment, path);
    if (net_file_open(&file, path, NET_FILE_READ, &job->fault) != 0) {
        return;
    }
    int result = -1;
    if (local_index_each_in_segment(job->spool->tidier, job->segment, note_move, job, &job->fault) == 0 &&
        is_worth_it(job, file, job->octets)) {
        result = 0;
    }
    for (size_t i = 0; result == 0 && i < job->count; i++) {
        result = read_record(file, &job->moves[i], &job->fault);
    }
    if (result != 0) {
        fault_set(&job->fault, FAULT_LOCAL, "left", path, "the segment is not worth compacting, or damaged");
    }
    net_file_close(&file, NULL);
}

/* ---- in the group ---- */

static void move_write(struct spool_writer *writer, struct spool_job *base)
{
    struct move_job *job = LIST_ITEM(base, struct move_job, job);
    for (size_t i = 0; i < job->count; i++) {
        struct move *move = &job->moves[i];
        const struct bytes pieces[3] = {buf_bytes(&move->octets), {0}, {0}};
        if (spool_writer_append(writer, base, &move->record, pieces, &move->to) != 0) {
            return;
        }
    }
}

static int move_index(struct spool_writer *writer, struct spool_job *base, struct fault *fault)
{
    struct move_job *job = LIST_ITEM(base, struct move_job, job);
    for (size_t i = 0; i < job->count; i++) {
        struct move *move = &job->moves[i];
        int moved = local_index_move(writer->index, move->message, move->from.segment, &move->to, fault);
        if (moved < 0) {
            return -1;
        }
        move->moved = moved == 1;
    }
    return 0;
}

/* ---- on the loop ---- */

static void move_free(struct move_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        buf_done(&job->moves[i].octets);
    }
    job->spool->compacting = false;
    free(job);
}

static void move_done(struct spool *spool, struct spool_job *base)
{
    struct move_job *job = LIST_ITEM(base, struct move_job, job);
    uint64_t segment = job->segment;
    bool failed = fault_is_set(&base->fault), empty = false;
    for (size_t i = 0; !failed && i < job->count; i++) {
        const struct move *move = &job->moves[i];
        if (move->moved) {
            local_live_add(spool->live, move->to.segment, 1, move->to.record_len);
            empty = local_live_remove(spool->live, segment, move->from.record_len);
        }
    }
    move_free(job);
    if (empty) {
        spool->counts.compacted++;
        spool_discard_segment(spool, segment);
    } else if (!failed) {
        spool_compact_consider(spool, segment);
    }
}

static const struct spool_job_kind move_kind = {move_write, move_index, NULL, move_done};

static void on_read(void *ctx)
{
    struct move_job *job = ctx;
    if (fault_is_set(&job->fault) || job->count == 0 || job->spool->closing) {
        move_free(job);
        return;
    }
    job->job.octets = job->octets;
    spool_submit(job->spool, &job->job);
}

void spool_compact_consider(struct spool *spool, uint64_t segment)
{
    uint64_t live = local_live_octets(spool->live, segment);
    if (spool->compacting || spool->closing || segment == spool->current_segment || live == 0 ||
        live >= spool->options.segment_size / LIVE_PART) {
        return;
    }
    struct move_job *job = expect_calloc(1, sizeof *job);
    job->job.kind = &move_kind;
    job->spool = spool;
    job->segment = segment;
    spool->compacting = true;
    net_lane_submit(spool->tidy, read_moves, on_read, job);
}
