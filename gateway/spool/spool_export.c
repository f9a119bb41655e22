/*
 * spool_export - see spool_export.h.
 */
#include "spool/spool_export.h"

#include <stdlib.h>

#include "base/expect.h"
#include "store/store_ask.h"

int spool_export_open(struct store **store_r, const struct store_ops *kind, const char *path, struct fault *fault)
{
    return kind->look(store_r, path, fault);
}

void spool_export_close(struct store **store)
{
    if (*store != NULL) {
        (*store)->ops->close(*store);
        *store = NULL;
    }
}

struct spool_source {
    struct store *store;
    struct store_body body;
    bool is_open;
    struct mail_source source;
};

static ptrdiff_t read_source(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    struct spool_source *source = ctx;
    return source->store->ops->body(source->store, &source->body, offset, into, len, fault);
}

/* The first row of a story is the message's. */
static int note_message(void *ctx, const struct store_answer_row *row)
{
    struct spool_source *source = ctx;
    source->is_open = row->message.open > 0;
    source->body.place = row->message.place;
    return 1;
}

struct spool_source *spool_source_open(struct store *store, uint64_t message, struct fault *fault)
{
    struct spool_source *source = expect_calloc(1, sizeof *source);
    const struct store_question question = {.kind = STORE_ASK_STORY, .message = message};
    source->store = store;
    source->body.message = message;
    int result = store->ops->ask(store, &question, note_message, source, fault);
    if (result == 0 && !source->is_open) {
        fault_set(fault, FAULT_PERM, "settled", "spool", "the message is settled, so its body is no longer kept");
        result = -1;
    }
    if (result != 0) {
        spool_source_free(&source);
        return NULL;
    }
    source->source = (struct mail_source){.size = source->body.place.body_len, .read = read_source, .ctx = source};
    return source;
}

const struct mail_source *spool_source_of(const struct spool_source *source)
{
    return &source->source;
}

void spool_source_free(struct spool_source **source)
{
    free(*source);
    *source = NULL;
}

int spool_export_body(struct store *store, uint64_t message, int (*fn)(void *ctx, struct bytes piece), void *ctx,
                      struct fault *fault)
{
    struct spool_source *body = spool_source_open(store, message, fault);
    if (body == NULL) {
        return -1;
    }
    uint8_t *chunk = expect_calloc(1, STORE_CHUNK);
    int result = 0;
    for (uint64_t at = 0; result == 0 && at < body->source.size;) {
        ptrdiff_t got = read_source(body, at, chunk, STORE_CHUNK, fault);
        if (got < 0 || fn(ctx, bytes_at(chunk, (size_t)got)) != 0) {
            result = got < 0 ? -1 : 1;
        }
        at += got > 0 ? (uint64_t)got : 0;
    }
    free(chunk);
    spool_source_free(&body);
    return result < 0 ? -1 : 0;
}
