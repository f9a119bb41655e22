/*
 * fuzz_upstream_deflate - COMPRESS=DEFLATE. What a server sends, any octets cut anywhere, never grows beyond its buffer and is taken the same however
 * it is cut; what we send comes out of another's inflating as it went in.
 *
 * The first octet says how the input is cut.
 */
#include <string.h>

#include "base/expect.h"
#include "upstream/upstream_deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_MAX ((size_t)256 << 10)

/* What becomes of the octets: false when they are no deflate stream. Of a bomb, the beginning. */
static bool inflate_all(struct bytes input, size_t piece, struct buf *out)
{
    struct upstream_deflate *layer = upstream_deflate_new();
    EXPECT(layer != NULL);
    bool good = true;
    while (good && out->len < PLAIN_MAX) {
        struct bytes part = bytes_slice(input, 0, piece);
        ptrdiff_t used = upstream_deflate_take(layer, part);
        struct bytes plain = upstream_deflate_input(layer);
        EXPECT(plain.len <= UPSTREAM_INFLATED_MAX && (used < 0 || (size_t)used <= part.len));
        good = used >= 0;
        if (used == 0 && plain.len == 0) {
            break;
        }
        EXPECT(buf_append_bytes(out, plain) == 0);
        upstream_deflate_consume(layer, plain.len);
        input = bytes_from(input, used > 0 ? (size_t)used : 0);
    }
    upstream_deflate_free(&layer);
    return good;
}

static void there_and_back(struct bytes text, size_t piece)
{
    struct upstream_deflate *layer = upstream_deflate_new();
    struct buf packed, plain;
    EXPECT(layer != NULL);
    buf_init(&packed, PLAIN_MAX + UPSTREAM_INFLATED_MAX);
    buf_init(&plain, PLAIN_MAX + UPSTREAM_INFLATED_MAX);
    for (struct bytes left = text; left.len > 0; left = bytes_from(left, piece < left.len ? piece : left.len)) {
        EXPECT(upstream_deflate_put(layer, bytes_slice(left, 0, piece), &packed) == 0);
        if (left.len % 3 == 0) {
            upstream_deflate_begin(layer);
        }
    }
    EXPECT(inflate_all(buf_bytes(&packed), piece, &plain));
    EXPECT(bytes_equal(buf_bytes(&plain), text));
    buf_done(&packed);
    buf_done(&plain);
    upstream_deflate_free(&layer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct bytes input = bytes_at(data + 1, size - 1);
    size_t piece = 1 + data[0] % 64 * (size_t)(data[0] % 5 == 0 ? 1000 : 1);
    struct buf whole, cut;
    buf_init(&whole, PLAIN_MAX + 2 * UPSTREAM_INFLATED_MAX);
    buf_init(&cut, PLAIN_MAX + 2 * UPSTREAM_INFLATED_MAX);
    bool good = inflate_all(input, SIZE_MAX, &whole), good_cut = inflate_all(input, piece, &cut);
    size_t both = whole.len < cut.len ? whole.len : cut.len;
    EXPECT(memcmp(buf_text(&whole), buf_text(&cut), both) == 0);
    EXPECT(whole.len >= PLAIN_MAX || cut.len >= PLAIN_MAX || good == good_cut);
    EXPECT(!good || !good_cut || whole.len >= PLAIN_MAX || cut.len >= PLAIN_MAX || whole.len == cut.len);
    buf_done(&whole);
    buf_done(&cut);
    there_and_back(bytes_slice(input, 0, 4096), piece);
    return 0;
}
