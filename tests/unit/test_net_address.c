/*
 * test_net_address - what is an address and what is refused, and what is the loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/net_stream.h"

#define TEN   "aaaaaaaaa."
#define FIFTY TEN TEN TEN TEN TEN

static const struct {
    const char *text, *host;
    uint16_t port;
    bool is_unix, is_loopback;
} good[] = {
    {"127.0.0.1:25", "127.0.0.1", 25, false, true},
    {"127.9.9.9:0", "127.9.9.9", 0, false, true},
    {"0.0.0.0:2525", "0.0.0.0", 2525, false, false},
    {"[::1]:993", "::1", 993, false, true},
    {"[::ffff:127.0.0.1]:993", "::ffff:127.0.0.1", 993, false, true},
    {"[::]:4650", "::", 4650, false, false},
    {"[2001:db8::1]:65535", "2001:db8::1", 65535, false, false},
    {"LocalHost:1", "LocalHost", 1, false, true},
    {"imap.example.net:993", "imap.example.net", 993, false, false},
    {"127.example.net:993", "127.example.net", 993, false, false},
    {"my_host:25", "my_host", 25, false, false},
    {"unix:/run/mailweir/admin.sock", "/run/mailweir/admin.sock", 0, true, true},
    {FIFTY FIFTY FIFTY FIFTY FIFTY "aaa:25", FIFTY FIFTY FIFTY FIFTY FIFTY "aaa", 25, false, false},
};

static const struct {
    const char *text, *says;
} bad[] = {
    {"", "host:port"},
    {"imap.example.net", "host:port"},
    {"imap.example.net:", "port must be"},
    {"imap.example.net:65536", "port must be"},
    {"imap.example.net:-1", "port must be"},
    {":25", "host must have"},
    {"a b:25", "host must have"},
    {"a\nb:25", "host must have"},
    {"a/b:25", "host must have"},
    {"::1:25", "in brackets"},
    {"[::1]", "[v6]:port"},
    {"[::1", "[v6]:port"},
    {"[::1]25", "[v6]:port"},
    {"[]:25", "IPv6"},
    {"[127.0.0.1]:25", "IPv6"},
    {"[::1::2]:25", "IPv6"},
    {"unix:", "begins with /"},
    {"unix:relative", "begins with /"},
    {"unix:/" FIFTY FIFTY "aaaaaaaa", "107 octets"},
    {FIFTY FIFTY FIFTY FIFTY FIFTY "aaaa:25", "host must have"},
};

static void takes_the_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct net_address address;
        struct fault fault = FAULT_INIT;
        assert_int_equal(net_address_parse(&address, bytes_of(good[i].text), &fault), 0);
        assert_string_equal(address.host, good[i].host);
        assert_int_equal(address.port, good[i].port);
        assert_int_equal(address.is_unix, good[i].is_unix);
        assert_int_equal(net_address_is_loopback(&address), good[i].is_loopback);
        assert_false(fault_is_set(&fault));
    }
}

static void refuses_the_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct net_address address, before;
        struct fault fault = FAULT_INIT;
        memset(&address, 7, sizeof address);
        before = address;
        assert_int_equal(net_address_parse(&address, bytes_of(bad[i].text), &fault), -1);
        assert_memory_equal(&address, &before, sizeof address);
        if (strstr(fault.text, bad[i].says) == NULL) {
            fail_msg("%s says %s", bad[i].text, fault.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_good),
        cmocka_unit_test(refuses_the_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
