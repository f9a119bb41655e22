/*
 * queue_stored - a message of the spool as the rules see it: its own envelope and client, and its body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/queue_source.h"
#include "mail/mail_header.h"
#include "store/store_meta.h"

#define ARENA_MAX (16u << 20)
#define BODY_MAX  (UINT64_C(1) << 31)

static int keep_piece(void *ctx, struct bytes piece)
{
    return buf_append_bytes(ctx, piece);
}

static int read_envelope(const json_t *story, struct arena *arena, struct mail_envelope *envelope_r,
                         struct fault *fault)
{
    char *text = json_dumps(json_object_get(story, "envelope"), JSON_COMPACT);
    int result = store_meta_read_envelope(bytes_of(text), arena, envelope_r, fault);
    free(text);
    return result;
}

static int give_stored(const struct mail_envelope *envelope, struct buf *body, const json_t *story, queue_stored_fn *fn,
                       void *ctx)
{
    bool complete;
    const struct bytes octets = buf_bytes(body);
    struct mail_source source = mail_source_of(&octets);
    struct filters_message message = {.envelope = envelope,
                                      .header = bytes_slice(octets, 0, mail_header_length(octets, &complete)),
                                      .source = &source,
                                      .size = octets.len,
                                      .now_ms = envelope->received_ms};
    return fn(ctx, story, &message);
}

static int read_and_give(struct queue_source *source, const char *id, const json_t *story, queue_stored_fn *fn,
                         void *ctx)
{
    struct arena *arena = arena_new(ARENA_MAX);
    struct mail_envelope envelope;
    struct fault fault = FAULT_INIT;
    struct buf body;
    int result = EX_NOINPUT;
    buf_init(&body, BODY_MAX);
    if (read_envelope(story, arena, &envelope, &fault) != 0) {
        fprintf(stderr, "mailweir: %s is left out: %s\n", id, fault.text);
    } else if (queue_source_body(source, id, keep_piece, &body) == EX_OK) {
        result = give_stored(&envelope, &body, story, fn, ctx);
    } else {
        fprintf(stderr, "mailweir: %s is left out\n", id);
    }
    buf_done(&body);
    arena_free(&arena);
    return result;
}

int queue_read_stored(struct queue_source *source, const char *id, queue_stored_fn *fn, void *ctx)
{
    json_t *stories = NULL;
    int result = queue_source_stories(source, id, &stories);
    const json_t *story = json_array_get(stories, 0);
    bool is_open = json_integer_value(json_object_get(story, "open")) > 0;
    if (result == EX_OK && is_open) {
        result = read_and_give(source, id, story, fn, ctx);
    }
    json_decref(stories);
    return result;
}
