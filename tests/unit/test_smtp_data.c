/* smtp_data: what comes out of dot-stuffed text, however it is cut, and what is refused. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/smtp_data.h"

struct data_case {
    const char *input;
    const char *text;             /* what comes out */
    enum smtp_data_result result; /* how it ends: END, BARE, or MORE when it is cut off */
    size_t left;                  /* octets behind the end; of END only */
};

static const struct data_case cases[] = {
    {".\r\n", "", SMTP_DATA_END, 0},
    {".\r\nQUIT\r\n", "", SMTP_DATA_END, 6},
    {"a\r\n.\r\n", "a\r\n", SMTP_DATA_END, 0},
    {"..\r\n.\r\n", ".\r\n", SMTP_DATA_END, 0},
    {"....\r\n.\r\n", "...\r\n", SMTP_DATA_END, 0},
    {".a\r\n.\r\n", "a\r\n", SMTP_DATA_END, 0},
    {". \r\n.\r\n", " \r\n", SMTP_DATA_END, 0},
    {"a.\r\n\r\n.\r\n", "a.\r\n\r\n", SMTP_DATA_END, 0},
    {"a\r\n..\r\n.b\r\nc\r\n.\r\n", "a\r\n.\r\nb\r\nc\r\n", SMTP_DATA_END, 0},
    {"a\r\nb", "a\r\nb", SMTP_DATA_MORE, 0},
    {"a\r\nb\r", "a\r\nb", SMTP_DATA_MORE, 0},
    {"a\r\n.", "a\r\n", SMTP_DATA_MORE, 0},
    {"a\r\n.\r", "a\r\n", SMTP_DATA_MORE, 0},
    {"a\n", "", SMTP_DATA_BARE, 0},
    {"a\rb", "", SMTP_DATA_BARE, 0},
    {"a\r\r\n", "", SMTP_DATA_BARE, 0},
    {"\n", "", SMTP_DATA_BARE, 0},
    {".\n", "", SMTP_DATA_BARE, 0},
    {".\r.\r\n", "", SMTP_DATA_BARE, 0},
    {".\r\r\n", "", SMTP_DATA_BARE, 0},
    {"ok\r\nx\n.\r\n", "ok\r\n", SMTP_DATA_BARE, 0},
};

/* Feeds input in pieces of `piece` octets, the first of `first`; the way it ended. */
static enum smtp_data_result feed(struct bytes input, size_t first, size_t piece, struct buf *text, size_t *left_r)
{
    struct smtp_data data;
    size_t offered = first < input.len ? first : input.len, taken = 0;
    smtp_data_init(&data, false);
    for (;;) {
        size_t used;
        struct bytes part;
        enum smtp_data_result result = smtp_data_next(&data, bytes_slice(input, taken, offered - taken), &used, &part);
        taken += used;
        if (result == SMTP_DATA_TEXT) {
            assert_true(part.len > 0 && used >= part.len);
            buf_append_bytes(text, part);
        } else if (result != SMTP_DATA_MORE || offered == input.len) {
            *left_r = input.len - taken;
            return result;
        } else {
            offered = offered + piece < input.len ? offered + piece : input.len;
        }
    }
}

static void check(const struct data_case *c, size_t first, size_t piece)
{
    struct buf text;
    size_t left;
    buf_init(&text, 4096);
    enum smtp_data_result result = feed(bytes_of(c->input), first, piece, &text, &left);
    bool right = result == c->result && (result != SMTP_DATA_END || left == c->left) &&
                 (result == SMTP_DATA_BARE || bytes_is(buf_bytes(&text), c->text));
    if (!right) {
        fail_msg("\"%s\" in pieces of %zu, %zu: %d \"%s\" %zu left", c->input, first, piece, result, buf_text(&text),
                 left);
    }
    buf_done(&text);
}

static void every_way_to_cut_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check(&cases[i], 1, 1);
        for (size_t first = 0; first <= strlen(cases[i].input); first++) {
            check(&cases[i], first, SIZE_MAX / 2);
        }
    }
}

static void unstuffing_undoes_stuffing(void **state)
{
    (void)state;
    srandom(20);
    for (int round = 0; round < 2000; round++) {
        struct buf plain, stuffed, out;
        size_t left;
        buf_init(&plain, 4096);
        buf_init(&stuffed, 4096);
        buf_init(&out, 4096);
        for (long line = random() % 8; line > 0; line--) {
            size_t start = plain.len;
            for (long octet = random() % 4; octet > 0; octet--) {
                buf_append_octet(&plain, random() % 2 == 0 ? '.' : 'x');
            }
            buf_append_text(&plain, "\r\n");
            struct bytes whole = bytes_from(buf_bytes(&plain), start);
            buf_append_text(&stuffed, whole.ptr[0] == '.' ? "." : "");
            buf_append_bytes(&stuffed, whole);
        }
        buf_append_text(&stuffed, ".\r\n");
        size_t piece = (size_t)(1 + random() % 5);
        assert_int_equal(feed(buf_bytes(&stuffed), piece, piece, &out, &left), SMTP_DATA_END);
        assert_true(bytes_equal(buf_bytes(&plain), buf_bytes(&out)));
        buf_done(&plain);
        buf_done(&stuffed);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_cut_gives_the_same),
        cmocka_unit_test(unstuffing_undoes_stuffing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
