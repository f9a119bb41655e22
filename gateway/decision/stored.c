/*
 * stored - see stored.h.
 */
#include "decision/stored.h"

#include <stdlib.h>

#include "base/expect.h"
#include "mail/mail_header.h"
#include "store/store_meta.h"

#define ARENA_MAX  (64u << 20)
#define HEADER_MAX (1u << 20) /* above what reception takes */

/* The header section, as far as it reaches; -1 with a fault. */
static int read_header(const struct mail_source *source, struct buf *header, struct fault *fault)
{
    size_t len = source->size < HEADER_MAX ? (size_t)source->size : HEADER_MAX;
    uint8_t *octets = expect_calloc(1, len + 1);
    ptrdiff_t got = len == 0 ? 0 : source->read(source->ctx, 0, octets, len, fault);
    if (got > 0) {
        bool complete;
        buf_append(header, octets, mail_header_length(bytes_at(octets, (size_t)got), &complete));
    }
    free(octets);
    return got < 0 ? -1 : 0;
}

struct reading {
    struct stored *stored;
    bool is_known, is_readable;
    struct fault fault;
};

static void add_target(struct stored *stored, const struct store_delivery_row *row)
{
    size_t size = (stored->target_count + 1) * sizeof *stored->targets;
    stored->targets = expect_memory(realloc(stored->targets, size));
    stored->targets[stored->target_count++] =
        (struct stored_target){expect_memory(arena_text(stored->arena, row->upstream)),
                               expect_memory(arena_text(stored->arena, row->folder)), row->uncertain};
}

static int take_row(void *ctx, const struct store_answer_row *row)
{
    struct reading *reading = ctx;
    struct stored *stored = reading->stored;
    if (row->kind == STORE_ROW_MESSAGE) {
        reading->is_known = true;
        reading->is_readable =
            store_meta_read_envelope(row->message.envelope, stored->arena, &stored->envelope, &reading->fault) == 0;
    } else if (row->kind == STORE_ROW_DELIVERY && !store_state_is_settled(row->delivery.state)) {
        add_target(stored, &row->delivery);
    }
    return 0;
}

static int read_story(struct stored *stored, struct store *store, uint64_t message, struct fault *fault)
{
    struct reading reading = {.stored = stored};
    const struct store_question question = {.kind = STORE_ASK_STORY, .message = message};
    if (store->ops->ask(store, &question, take_row, &reading, fault) != 0) {
        return -1;
    }
    if (!reading.is_known) {
        fault_set(fault, FAULT_PERM, "unknown", "spool", "the message is no longer known");
        return -1;
    }
    if (!reading.is_readable && fault != NULL && !fault_is_set(fault)) {
        *fault = reading.fault;
    }
    return reading.is_readable ? 0 : -1;
}

static int read_all(struct stored *stored, struct store *store, uint64_t message, struct fault *fault)
{
    if (read_story(stored, store, message, fault) < 0) {
        return -1;
    }
    stored->body = spool_source_open(store, message, fault);
    return stored->body == NULL ? -1 : read_header(spool_source_of(stored->body), &stored->header, fault);
}

int stored_open(struct stored *stored_r, struct store *store, uint64_t message, struct fault *fault)
{
    *stored_r = (struct stored){.arena = arena_new(ARENA_MAX)};
    buf_init(&stored_r->header, HEADER_MAX);
    if (read_all(stored_r, store, message, fault) < 0) {
        stored_close(stored_r);
        return -1;
    }
    return 0;
}

void stored_close(struct stored *stored)
{
    spool_source_free(&stored->body);
    buf_done(&stored->header);
    arena_free(&stored->arena);
    free(stored->targets);
}

struct filters_message stored_message(const struct stored *stored, int64_t now_ms)
{
    const struct mail_source *source = spool_source_of(stored->body);
    return (struct filters_message){.envelope = &stored->envelope,
                                    .header = buf_bytes(&stored->header),
                                    .source = source,
                                    .size = source->size,
                                    .now_ms = now_ms};
}
