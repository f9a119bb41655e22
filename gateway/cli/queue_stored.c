/*
 * queue_stored - a message of the spool as the rules see it: its own envelope and client, and its body.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/queue.h"
#include "mail/mail_header.h"
#include "spool/spool_export.h"
#include "spool/spool_meta.h"

#define ARENA_MAX (16u << 20)
#define BODY_MAX  (UINT64_C(1) << 31)

static int keep_piece(void *ctx, struct bytes piece)
{
    return buf_append_bytes(ctx, piece);
}

static ptrdiff_t read_body(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    const struct buf *body = ctx;
    struct bytes part = bytes_slice(buf_bytes(body), (size_t)offset, len);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

static int read_envelope(const json_t *story, struct arena *arena, struct mail_envelope *envelope_r,
                         struct fault *fault)
{
    char *text = json_dumps(json_object_get(story, "envelope"), JSON_COMPACT);
    int result = spool_meta_read_envelope(bytes_of(text), arena, envelope_r, fault);
    free(text);
    return result;
}

static int give(const struct mail_envelope *envelope, struct buf *body, const json_t *story, queue_stored_fn *fn,
                void *ctx)
{
    bool complete;
    struct mail_source source = {.size = body->len, .read = read_body, .ctx = body};
    struct filters_message message = {
        .envelope = envelope,
        .header = bytes_slice(buf_bytes(body), 0, mail_header_length(buf_bytes(body), &complete)),
        .source = &source,
        .size = body->len,
        .now_ms = envelope->received_ms};
    return fn(ctx, story, &message);
}

int queue_read_stored(const char *spool, struct spool_index *index, uint64_t message, queue_stored_fn *fn, void *ctx,
                      struct fault *fault)
{
    struct arena *arena = arena_new(ARENA_MAX);
    struct mail_envelope envelope;
    struct buf body;
    json_t *story = NULL;
    int result = -1;
    buf_init(&body, BODY_MAX);
    if (spool_query_story(index, message, &story, fault) == 0 && story != NULL &&
        read_envelope(story, arena, &envelope, fault) == 0 &&
        spool_export_body(spool, index, message, keep_piece, &body, fault) == 0) {
        result = give(&envelope, &body, story, fn, ctx);
    }
    json_decref(story);
    buf_done(&body);
    arena_free(&arena);
    return result;
}
