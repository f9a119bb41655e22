/* Names in winmail.dat, and what a broken one may not do. */
#include "mail/mail_tnef.h"

#include <string.h>

#include "test.h"

static void put(struct buf *out, uint32_t value, size_t octets)
{
    for (size_t i = 0; i < octets; i++, value >>= 8) {
        buf_append_octet(out, (uint8_t)value);
    }
}

static void put_attribute(struct buf *out, uint8_t level, uint16_t id, struct bytes value)
{
    put(out, level, 1);
    put(out, id, 2);
    put(out, 1, 2);
    put(out, (uint32_t)value.len, 4);
    buf_append_bytes(out, value);
    put(out, 0, 2);
}

/* A message class, an attachment with its short name, and its properties: a number, a named property, a long name in UTF-16. */
static void make(struct buf *out)
{
    static const char unicode[] = "e\0v\0i\0l\0.\0e\0x\0e\0\0";
    struct buf properties;
    buf_init(&properties, 1000);
    put(&properties, 3, 4);
    put(&properties, 0x0e200003, 4);
    put(&properties, 7, 4);
    put(&properties, 0x8000001e, 4);
    buf_append(&properties, "0123456789abcdef", 16);
    put(&properties, 1, 4);
    put(&properties, 3, 4);
    buf_append(&properties, "abc\0", 4);
    put(&properties, 1, 4);
    put(&properties, 5, 4);
    buf_append(&properties, "value\0\0\0", 8);
    put(&properties, 0x3707001f, 4);
    put(&properties, 1, 4);
    put(&properties, 18, 4);
    buf_append(&properties, unicode, 18);
    put(&properties, 0, 2);
    put(out, 0x223e9f78, 4);
    put(out, 1, 2);
    put_attribute(out, 1, 0x8008, bytes_of("IPM.Note"));
    put_attribute(out, 2, 0x8010, bytes_at("EVIL~1.EXE", 11));
    put_attribute(out, 2, 0x9005, buf_bytes(&properties));
    buf_done(&properties);
}

static void keep(void *ctx, struct bytes name)
{
    buf_append_bytes(ctx, name);
    buf_append_text(ctx, ";");
}

static void names_are_found(void **state)
{
    (void)state;
    struct buf data, names;
    buf_init(&data, 2000);
    buf_init(&names, 2000);
    make(&data);
    assert_int_equal(mail_tnef_names(buf_bytes(&data), keep, &names), 0);
    assert_string_equal(buf_text(&names), "EVIL~1.EXE;evil.exe;");
    buf_done(&data);
    buf_done(&names);
}

/* Cut anywhere, and with any octet changed: it ends, and reads nothing that is not there (which the sanitizers see). */
static void broken_ones_end(void **state)
{
    (void)state;
    struct buf data, names;
    buf_init(&data, 2000);
    make(&data);
    for (size_t i = 0; i < data.len; i++) {
        buf_init(&names, 100000);
        char *copy = test_malloc(i + 1);
        memcpy(copy, buf_bytes(&data).ptr, i);
        int result = mail_tnef_names(bytes_at(copy, i), keep, &names);
        assert_true(result == -1 || i == 6 || (i > 6 && names.len <= 20));
        test_free(copy);
        for (unsigned value = 0; value < 256; value += 85) {
            copy = test_malloc(data.len);
            memcpy(copy, buf_bytes(&data).ptr, data.len);
            copy[i] = (char)value;
            disregard(mail_tnef_names(bytes_at(copy, data.len), keep, &names));
            test_free(copy);
        }
        buf_done(&names);
    }
    buf_done(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_found), cmocka_unit_test(broken_ones_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
