/*
 * local_move - moves what still lives in a mostly dead segment to the one that is appended to, so that one dead letter
 * does not keep a whole segment on the disk.
 *
 * A chore reads records, a few at a time; a MOVE of the next batch appends them like any other, and the index then
 * names the new place. Who holds the old place in memory finds the new one when the old segment is gone
 * (local_reader.c). A segment with a damaged record stays as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_private.h"

#define BATCH        64
#define BATCH_OCTETS (4u << 20)
/* A segment is worth the work when less than one part in so many of it lives. */
#define LIVE_PART 4

struct move {
    uint64_t message;
    struct store_place from, to;
    struct buf octets; /* the whole record; its ends are made anew for its new place */
    struct local_record record;
    bool moved;
};

struct move_chore {
    struct local_chore chore;
    struct move moves[BATCH];
    size_t count, octets;
};

static struct move_chore *of_chore(struct store_chore *chore)
{
    return LIST_ITEM(chore, struct move_chore, chore.chore);
}

static struct move_chore *of_op(struct store_op *op)
{
    return LIST_ITEM(op, struct move_chore, chore.chore.op);
}

/* ---- reading ---- */

static int note_move(void *ctx, uint64_t message, const struct store_place *place)
{
    struct move_chore *chore = ctx;
    if (chore->count == BATCH || chore->octets >= BATCH_OCTETS) {
        return 1;
    }
    chore->moves[chore->count++] = (struct move){.message = message, .from = *place};
    chore->octets += place->record_len;
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
    const struct local_spot spot = {move->from.segment, move->from.start};
    return local_record_decode(whole, spot, &move->record) == 1 && store_sum_of(body) == move->from.body_sum ? 0 : -1;
}

/* Whether enough of the file is dead. */
static bool is_worth_it(struct net_file *file, uint64_t live)
{
    uint64_t size = 0;
    return net_file_size(file, &size, NULL) == 0 && live < size / LIVE_PART;
}

static int read_moves(struct local *local, struct move_chore *chore)
{
    char path[LOCAL_PATH_MAX];
    struct net_file *file = NULL;
    struct fault fault = FAULT_INIT;
    local_segment_path(local->folder, chore->chore.segment, path);
    if (net_file_open(&file, path, NET_FILE_READ, &fault) != 0) {
        return -1;
    }
    int result = -1;
    if (local_index_each_in_segment(local->tidier, chore->chore.segment, note_move, chore, &fault) == 0 &&
        is_worth_it(file, chore->octets)) {
        result = 0;
    }
    for (size_t i = 0; result == 0 && i < chore->count; i++) {
        result = read_record(file, &chore->moves[i], &fault);
    }
    disregard(net_file_close(&file, NULL));
    return result;
}

static void let_go(struct move_chore *chore)
{
    for (size_t i = 0; i < chore->count; i++) {
        buf_done(&chore->moves[i].octets);
    }
    chore->count = chore->octets = 0;
}

/* Before the first batch, and behind each: what is left in the segment, until nothing is. */
static void step_move(struct local *local, struct store_chore *base)
{
    struct move_chore *chore = of_chore(base);
    bool failed = fault_is_set(&base->op.fault);
    let_go(chore);
    base->next = STORE_CHORE_DONE;
    if (!failed && read_moves(local, chore) == 0 && chore->count > 0) {
        base->op = (struct store_op){.kind = STORE_MOVE, .octets = chore->octets};
        base->next = STORE_CHORE_BATCH;
    }
}

static void drop(struct local *local, struct store_chore *chore)
{
    let_go(of_chore(chore));
    atomic_store(&local->compacting, false);
}

void local_move_consider(struct local *local, uint64_t segment)
{
    uint64_t live = local_live_octets(local->live, segment);
    uint64_t current = local->current == NULL ? 0 : local->current->id;
    if (segment == current || live == 0 || live >= local->options.segment_size / LIVE_PART ||
        atomic_load(&local->compacting)) {
        return;
    }
    struct move_chore *chore = expect_calloc(1, sizeof *chore);
    chore->chore =
        (struct local_chore){.chore.next = STORE_CHORE_TIDY, .step = step_move, .drop = drop, .segment = segment};
    atomic_store(&local->compacting, true);
    local_chore_leave(local, &chore->chore.chore);
}

/* ---- in the batch ---- */

static void move_write(struct local *local, struct store_op *op)
{
    struct move_chore *chore = of_op(op);
    for (size_t i = 0; i < chore->count; i++) {
        struct move *move = &chore->moves[i];
        struct bytes rest = bytes_from(buf_bytes(&move->octets), LOCAL_RECORD_HEAD);
        struct bytes body = bytes_slice(rest, 0, (size_t)move->record.body_len);
        struct bytes meta = bytes_slice(rest, body.len, move->record.meta_len);
        if (local_batch_append(local, op, &move->record, body, meta, &move->to) != 0) {
            return;
        }
    }
}

/* Moved again into the new segment before the old one has lost it: neither looks empty in between. */
static int move_index(struct local *local, struct store_op *op, struct fault *fault)
{
    struct move_chore *chore = of_op(op);
    for (size_t i = 0; i < chore->count; i++) {
        struct move *move = &chore->moves[i];
        int moved = local_index_move(local->index, move->message, move->from.segment, &move->to, fault);
        if (moved < 0) {
            return -1;
        }
        if (moved == 1) {
            local_batch_lives(local, &move->to, false);
            local_batch_lives(local, &move->from, true);
        }
    }
    return 0;
}

static void move_after(struct local *local, struct store_op *op)
{
    local->counts.compacted += local_live_messages(local->live, of_op(op)->chore.segment) == 0;
}

const struct local_kind local_move = {.write = move_write, .index = move_index, .after = move_after};
