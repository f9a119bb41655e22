/* upstream_deflate: what goes in comes out, in any pieces; a bomb stands in a buffer of a fixed size; one message's length says nothing of another. */
#include "test.h"

#include <string.h>

#include "upstream/upstream_deflate.h"

#define OUT_MAX ((size_t)1 << 20)

static void fill(struct buf *text, size_t len)
{
    uint32_t random = 1;
    while (text->len < len) {
        random = random * 1103515245u + 12345u;
        buf_append_octet(text, (uint8_t)(random >> 28) + 'a');
    }
}

/* All of input, in pieces of `piece`; what comes out is appended to out. Octets of the longest reading. */
static size_t take_all(struct upstream_deflate *layer, struct bytes input, size_t piece, struct buf *out)
{
    size_t longest = 0;
    for (;;) {
        struct bytes part = bytes_slice(input, 0, piece);
        ptrdiff_t used = upstream_deflate_take(layer, part);
        assert_true(used >= 0 && (size_t)used <= part.len);
        struct bytes plain = upstream_deflate_input(layer);
        longest = plain.len > longest ? plain.len : longest;
        buf_append_bytes(out, plain);
        if (used == 0 && plain.len == 0) {
            return longest;
        }
        upstream_deflate_consume(layer, plain.len);
        input = bytes_from(input, (size_t)used);
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 7, 1000, 1 << 20};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct upstream_deflate *layer = upstream_deflate_new(), *peer = upstream_deflate_new();
        struct buf text, packed, plain;
        buf_init(&text, OUT_MAX);
        buf_init(&packed, OUT_MAX);
        buf_init(&plain, OUT_MAX);
        fill(&text, 200000);
        assert_int_equal(upstream_deflate_put(layer, bytes_slice(buf_bytes(&text), 0, 10), &packed), 0);
        take_all(peer, buf_bytes(&packed), pieces[i], &plain);
        assert_int_equal(plain.len, 10); /* flushed: the peer can read it now */
        buf_clear(&packed);
        upstream_deflate_begin(layer);
        assert_int_equal(upstream_deflate_put(layer, bytes_from(buf_bytes(&text), 10), &packed), 0);
        assert_true(packed.len < text.len * 3 / 4);
        take_all(peer, buf_bytes(&packed), pieces[i], &plain);
        assert_true(bytes_equal(buf_bytes(&plain), buf_bytes(&text)));
        buf_done(&text);
        buf_done(&packed);
        buf_done(&plain);
        upstream_deflate_free(&layer);
        upstream_deflate_free(&peer);
    }
}

static void test_bomb(void **state)
{
    (void)state;
    struct upstream_deflate *layer = upstream_deflate_new(), *peer = upstream_deflate_new();
    struct buf packed, zeros;
    buf_init(&packed, OUT_MAX);
    buf_init(&zeros, (size_t)32 << 20);
    size_t room;
    memset(buf_reserve(&zeros, (size_t)32 << 20, &room), 'x', (size_t)32 << 20);
    buf_commit(&zeros, (size_t)32 << 20);
    assert_int_equal(upstream_deflate_put(peer, buf_bytes(&zeros), &packed), 0);
    assert_true(packed.len < zeros.len / 200);
    ptrdiff_t used = upstream_deflate_take(layer, buf_bytes(&packed));
    assert_true(used > 0 && (size_t)used < packed.len);
    assert_int_equal(upstream_deflate_input(layer).len, UPSTREAM_INFLATED_MAX);
    assert_int_equal(upstream_deflate_take(layer, bytes_from(buf_bytes(&packed), (size_t)used)),
                     0); /* no room, nothing taken */
    buf_clear(&zeros);
    assert_int_equal(take_all(layer, bytes_from(buf_bytes(&packed), (size_t)used), OUT_MAX, &zeros),
                     UPSTREAM_INFLATED_MAX);
    assert_int_equal(zeros.len, (size_t)32 << 20);
    buf_done(&packed);
    buf_done(&zeros);
    upstream_deflate_free(&layer);
    upstream_deflate_free(&peer);
}

static void test_garbage(void **state)
{
    (void)state;
    struct upstream_deflate *layer = upstream_deflate_new();
    assert_int_equal(upstream_deflate_take(layer, bytes_of("* OK in the plain\r\n* OK in the plain\r\n")), -1);
    upstream_deflate_free(&layer);
    /* An empty last block, and whatever stands behind it. */
    layer = upstream_deflate_new();
    assert_int_equal(upstream_deflate_take(layer, bytes_at("\x03\x00garbage", 9)), 9);
    assert_int_equal(upstream_deflate_take(layer, bytes_of("garbage")), 7);
    assert_int_equal(upstream_deflate_input(layer).len, 0);
    upstream_deflate_free(&layer);
}

static size_t length_behind(const char *secret)
{
    static const char guess[] = "Subject: the password is hunter2hunter2hunter2\r\n";
    struct upstream_deflate *layer = upstream_deflate_new();
    struct buf out;
    buf_init(&out, OUT_MAX);
    disregard(upstream_deflate_put(layer, bytes_of(secret), &out));
    upstream_deflate_begin(layer);
    buf_clear(&out);
    disregard(upstream_deflate_put(layer, bytes_of(guess), &out));
    size_t len = out.len;
    buf_done(&out);
    upstream_deflate_free(&layer);
    return len;
}

static void test_messages_do_not_meet(void **state)
{
    (void)state;
    assert_int_equal(length_behind("Subject: the password is hunter2hunter2hunter2\r\n"),
                     length_behind("1234567890 qwertzuiop asdfghjkl yxcvbnm 1234567890"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_bomb),
                                       cmocka_unit_test(test_garbage), cmocka_unit_test(test_messages_do_not_meet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
