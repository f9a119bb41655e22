/*
 * upstream_deflate - see upstream_deflate.h.
 */
#include "upstream/upstream_deflate.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/expect.h"

/* Raw deflate with the whole window (RFC 4978 section 3). */
#define WINDOW_BITS (-15)
/* Mail to a server far away: level 3 is twice as fast as 6 and costs a few per cent. */
#define LEVEL  3
#define MEMORY 8
#define PIECE  ((size_t)16 << 10)

struct upstream_deflate {
    z_stream in, out;
    struct buf plain;
    bool ended; /* the peer said its last octet */
    bool fresh; /* the next octets are to refer to nothing */
};

struct upstream_deflate *upstream_deflate_new(void)
{
    struct upstream_deflate *deflate = expect_calloc(1, sizeof *deflate);
    buf_init(&deflate->plain, UPSTREAM_INFLATED_MAX);
    if (inflateInit2(&deflate->in, WINDOW_BITS) != Z_OK) {
        free(deflate);
        return NULL;
    }
    if (deflateInit2(&deflate->out, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        inflateEnd(&deflate->in);
        free(deflate);
        return NULL;
    }
    return deflate;
}

void upstream_deflate_free(struct upstream_deflate **deflate)
{
    if (*deflate == NULL) {
        return;
    }
    inflateEnd(&(*deflate)->in);
    deflateEnd(&(*deflate)->out);
    buf_done(&(*deflate)->plain);
    free(*deflate);
    *deflate = NULL;
}

/* ---- in ---- */

ptrdiff_t upstream_deflate_take(struct upstream_deflate *layer, struct bytes input)
{
    z_stream *in = &layer->in;
    int result = layer->ended ? Z_STREAM_END : Z_OK;
    size_t room = 1;
    in->next_in = (Bytef *)(uintptr_t)input.ptr; /* zlib reads only */
    in->avail_in = (uInt)input.len;
    /* Also without input: zlib may still hold octets that there was no room for. */
    while (result == Z_OK && room > 0) {
        uint8_t *at = buf_reserve(&layer->plain, PIECE, &room);
        if (room == 0) {
            break;
        }
        in->next_out = at;
        in->avail_out = (uInt)room;
        result = inflate(in, Z_SYNC_FLUSH);
        buf_commit(&layer->plain, room - in->avail_out);
        room = in->avail_out == 0 ? 1 : 0; /* all that was given is out */
    }
    if (result == Z_STREAM_END) {
        layer->ended = true;
        return (ptrdiff_t)input.len; /* what stands behind the end is nothing */
    }
    return result == Z_OK || result == Z_BUF_ERROR ? (ptrdiff_t)(input.len - in->avail_in) : -1;
}

struct bytes upstream_deflate_input(const struct upstream_deflate *layer)
{
    return buf_bytes(&layer->plain);
}

void upstream_deflate_consume(struct upstream_deflate *layer, size_t len)
{
    buf_consume(&layer->plain, len);
}

/* ---- out ---- */

static int run_deflate(struct upstream_deflate *layer, int flush, struct buf *into)
{
    z_stream *out = &layer->out;
    do {
        size_t room;
        uint8_t *at = buf_reserve(into, PIECE, &room);
        if (room == 0) {
            return -1;
        }
        out->next_out = at;
        out->avail_out = (uInt)room;
        deflate(out, flush);
        buf_commit(into, room - out->avail_out);
    } while (out->avail_out == 0);
    return 0;
}

int upstream_deflate_put(struct upstream_deflate *layer, struct bytes data, struct buf *out)
{
    if (data.len == 0) {
        return 0;
    }
    if (layer->fresh) {
        layer->fresh = false;
        if (run_deflate(layer, Z_FULL_FLUSH, out) < 0) {
            return -1;
        }
    }
    layer->out.next_in = (Bytef *)(uintptr_t)data.ptr;
    layer->out.avail_in = (uInt)data.len;
    return run_deflate(layer, Z_SYNC_FLUSH, out);
}

void upstream_deflate_begin(struct upstream_deflate *layer)
{
    layer->fresh = true;
}
