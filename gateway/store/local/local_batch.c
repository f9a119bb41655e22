/*
 * local_batch - what the operations of a batch use while local_commit.c walks over them: they give records to the
 * segments, and count what comes to live and what ends. Nothing here is written or counted before its batch is.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "store/local/local_private.h"

/* The segment to append to in this batch; a full one is left at the beginning of a batch only. */
static struct local_segment *need_current(struct local *local, struct fault *fault)
{
    if (local->current != NULL && local->gathered == 0 && local->current->tail >= local->options.segment_size) {
        local_segment_close(&local->current);
    }
    if (local->current == NULL) {
        if (local_segment_create(&local->current, local->folder, local->next_segment, fault) != 0) {
            return NULL;
        }
        local->next_segment++;
    }
    return local->current;
}

static void add_piece(struct local *local, struct bytes piece)
{
    if (local->piece_count == local->piece_room) {
        local->piece_room = local->piece_room == 0 ? 256 : local->piece_room * 2;
        local->pieces = expect_memory(realloc(local->pieces, local->piece_room * sizeof *local->pieces));
    }
    local->pieces[local->piece_count++] = piece;
    local->gathered += piece.len;
}

void local_batch_own(struct local *local, struct store_op *op, struct local_segment *segment)
{
    op->own = segment;
    list_remove(&segment->link);
    list_append(&local->dirty, &segment->link);
}

void local_batch_number(const struct local *local, struct local_record *record)
{
    record->end_len = LOCAL_RECORD_END;
    record->generation = local->run;
    record->group = local->group;
    record->durable = local->durable;
}

int local_batch_append(struct local *local, struct store_op *op, struct local_record *record, struct bytes body,
                       struct bytes meta, struct store_place *place_r)
{
    struct local_segment *segment = need_current(local, &op->fault);
    if (segment == NULL) {
        return -1;
    }
    local_batch_own(local, op, segment);
    local_batch_number(local, record);
    *place_r = (struct store_place){
        .segment = segment->id,
        .start = segment->tail + local->gathered,
        .record_len = local_record_size(record),
        .body_len = record->body_len,
        .body_sum = record->body_sum,
    };
    uint8_t *ends = expect_memory(arena_alloc(local->heads, LOCAL_RECORD_HEAD + LOCAL_RECORD_END));
    local_record_encode(record, (struct local_spot){segment->id, place_r->start}, ends, ends + LOCAL_RECORD_HEAD);
    add_piece(local, bytes_at(ends, LOCAL_RECORD_HEAD));
    add_piece(local, body);
    add_piece(local, meta);
    add_piece(local, bytes_at(ends + LOCAL_RECORD_HEAD, LOCAL_RECORD_END));
    return 0;
}

void local_batch_lives(struct local *local, const struct store_place *place, bool ends)
{
    if (local->life_count == local->life_room) {
        local->life_room = local->life_room == 0 ? 256 : local->life_room * 2;
        local->lives = expect_memory(realloc(local->lives, local->life_room * sizeof *local->lives));
    }
    local->lives[local->life_count++] = (struct local_life){*place, ends};
}

uint64_t *local_batch_count(struct local *local, enum store_state state)
{
    return state == STORE_STATE_WAITING ? &local->next.waiting
           : state == STORE_STATE_HELD  ? &local->next.held
                                        : &local->next.dead;
}

int local_batch_settle(struct local *local, uint64_t message, struct fault *fault)
{
    unsigned open = 0;
    struct store_place place;
    if (local_index_settle(local->index, message, local_now(local), &open, &place, fault) != 0) {
        return -1;
    }
    if (open == 0) {
        local->next.messages--;
        local_batch_lives(local, &place, true);
    }
    return 0;
}
