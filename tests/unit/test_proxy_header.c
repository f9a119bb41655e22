/* proxy_header: both versions, whole and cut at every octet, and what is no header. */
#include "test.h"

#include <string.h>

#include "proto/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const struct {
    const char *input;
    size_t len;
    const char *address; /* NULL: local */
    uint16_t port;
} good[] = {
    {"PROXY TCP4 192.0.2.1 198.51.100.1 1234 25\r\n", 43, "192.0.2.1", 1234},
    {"PROXY TCP6 2001:db8::1 2001:db8::2 65535 25\r\n", 45, "2001:db8::1", 65535},
    {"PROXY UNKNOWN\r\n", 15, NULL, 0},
    {"PROXY UNKNOWN a b c d\r\n", 23, NULL, 0},
    {SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x04\xd2\0\x19", 28, "192.0.2.1", 1234},
    {SIGNATURE "\x21\x11\0\x10\xc0\0\x02\x01\xc6\x33\x64\x01\x04\xd2\0\x19\x04\0\x01x", 32, "192.0.2.1", 1234},
    {SIGNATURE "\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x04\xd2\0\x19", 28, NULL, 0},
    {SIGNATURE
     "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x04\xd2\0\x19",
     52, "2001:db8:0:0:0:0:0:1", 1234},
    {SIGNATURE "\x20\0\0\0", 16, NULL, 0},
};

static const struct {
    const char *input;
    size_t len;
} bad[] = {
    {"EHLO x\r\n", 8},
    {"PROXYTCP4", 9},
    {"proxy TCP4 192.0.2.1 198.51.100.1 1234 25\r\n", 43},
    {"PROXY TCP4 192.0.2.256 198.51.100.1 1234 25\r\n", 45},
    {"PROXY TCP4 2001:db8::1 198.51.100.1 1234 25\r\n", 45},
    {"PROXY TCP6 192.0.2.1 2001:db8::1 1234 25\r\n", 42},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n", 44},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 1234\r\n", 40},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 1234 25 6\r\n", 45},
    {"PROXY TCP4  192.0.2.1 198.51.100.1 1234 25\r\n", 44},
    {"PROXY UDP4 192.0.2.1 198.51.100.1 1234 25\r\n", 43},
    {SIGNATURE "\x11\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x04\xd2\0\x19", 28},
    {SIGNATURE "\x22\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x04\xd2\0\x19", 28},
    {SIGNATURE "\x21\x11\0\x0b\xc0\0\x02\x01\xc6\x33\x64\x01\x04\xd2\0", 27},
    {SIGNATURE "\x21\x11\xff\xff", 16},
    {SIGNATURE "\x21\x31\0\x01x", 17},
};

static void headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct proxy_header header;
        size_t used;
        for (size_t len = 0; len < good[i].len; len++) {
            assert_int_equal(proxy_header_parse(bytes_at(good[i].input, len), &header, &used), 0);
        }
        assert_int_equal(proxy_header_parse(bytes_at(good[i].input, good[i].len), &header, &used), 1);
        assert_int_equal(used, good[i].len);
        assert_int_equal(header.is_local, good[i].address == NULL);
        if (good[i].address != NULL) {
            assert_string_equal(header.address, good[i].address);
            assert_int_equal(header.port, good[i].port);
        }
    }
}

static void what_is_none(void **state)
{
    struct proxy_header header;
    size_t used;
    char endless[200];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (proxy_header_parse(bytes_at(bad[i].input, bad[i].len), &header, &used) != -1) {
            fail_msg("case %zu", i);
        }
    }
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "PROXY ", 6);
    assert_int_equal(proxy_header_parse(bytes_at(endless, sizeof endless), &header, &used), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(headers), cmocka_unit_test(what_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
