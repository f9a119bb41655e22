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

static int read_envelope(struct stored *stored, struct fault *fault)
{
    char *text = json_dumps(json_object_get(stored->story, "envelope"), JSON_COMPACT);
    int result = store_meta_read_envelope(bytes_of(text), stored->arena, &stored->envelope, fault);
    free(text);
    return result;
}

static int read_all(struct stored *stored, struct store *store, uint64_t message, struct fault *fault)
{
    if (spool_query_story(store, message, &stored->story, fault) != 0) {
        return -1;
    }
    if (stored->story == NULL) {
        fault_set(fault, FAULT_PERM, "unknown", "spool", "the message is not known any more");
        return -1;
    }
    if (read_envelope(stored, fault) < 0) {
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
    json_decref(stored->story);
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
