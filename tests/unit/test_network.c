/* network: addresses and prefixes as they are written, and as they must not be. */
#include "test.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/network.h"

static const char *const good[] = {"1.2.3.4",
                                   "255.255.255.255",
                                   "0.0.0.0",
                                   "::",
                                   "::1",
                                   "1::",
                                   "2001:db8::1",
                                   "1:2:3:4:5:6:7:8",
                                   "::ffff:1.2.3.4",
                                   "1:2:3:4:5:6:1.2.3.4",
                                   "fe80::1:0:0:2",
                                   "1:2:3:4:5:6:7::",
                                   "::2:3:4:5:6:7:8",
                                   "ABCD::ef01"};
static const char *const bad[] = {"",
                                  "1",
                                  "1.2.3",
                                  "1.2.3.4.5",
                                  "1.2.3.256",
                                  "01.2.3.4",
                                  "1.2.3.4.",
                                  ".1.2.3",
                                  "1..2.3",
                                  ":",
                                  ":::",
                                  "1:2",
                                  "1::2::3",
                                  "1:2:3:4:5:6:7:8:9",
                                  "1:2:3:4:5:6:7:8::",
                                  "g::",
                                  "12345::",
                                  "1:",
                                  ":1",
                                  "::1.2.3",
                                  "1.2.3.4::",
                                  "::1%eth0",
                                  " ::1",
                                  "1:2:3:4:5:6:7:1.2.3.4"};

/* The system's parser is the second opinion. */
static void addresses_agree_with_the_system(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint8_t ours[16], theirs[16] = {[10] = 0xFF, [11] = 0xFF};
        assert_int_equal(network_address_parse(ours, bytes_of(good[i])), 0);
        if (strchr(good[i], ':') == NULL) {
            assert_int_equal(inet_pton(AF_INET, good[i], theirs + 12), 1);
        } else {
            assert_int_equal(inet_pton(AF_INET6, good[i], theirs), 1);
        }
        assert_memory_equal(ours, theirs, 16);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t address[16];
        if (network_address_parse(address, bytes_of(bad[i])) == 0) {
            fail_msg("\"%s\" was taken for an address", bad[i]);
        }
    }
}

struct inside_case {
    const char *network, *address;
    int inside; /* -1: not a network */
};

static const struct inside_case insides[] = {
    {"10.0.0.0/8", "10.255.0.1", 1},      {"10.0.0.0/8", "11.0.0.1", 0},
    {"10.1.0.0/8", "10.1.0.1", -1},       {"0.0.0.0/0", "1.2.3.4", 1},
    {"0.0.0.0/0", "2001:db8::1", 0},      {"::/0", "2001:db8::1", 1},
    {"192.0.2.0/25", "192.0.2.127", 1},   {"192.0.2.0/25", "192.0.2.128", 0},
    {"192.0.2.1", "192.0.2.1", 1},        {"192.0.2.1", "192.0.2.2", 0},
    {"10.0.0.0/33", "10.0.0.1", -1},      {"2001:db8::/129", "::1", -1},
    {"10.0.0.0/", "10.0.0.1", -1},        {"2001:db8::/32", "2001:db8:ffff::1", 1},
    {"10.0.0.0/8", "::ffff:10.1.2.3", 1},
};

static void prefixes_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof insides / sizeof insides[0]; i++) {
        struct network network;
        uint8_t address[16];
        assert_int_equal(network_address_parse(address, bytes_of(insides[i].address)), 0);
        int parsed = network_parse(&network, bytes_of(insides[i].network));
        assert_int_equal(parsed < 0 ? -1 : network_contains(&network, address), insides[i].inside);
    }
}

static void knows_loopback(void **state)
{
    (void)state;
    uint8_t address[16];
    disregard(network_address_parse(address, bytes_of("127.9.9.9")));
    assert_true(network_is_loopback(address));
    disregard(network_address_parse(address, bytes_of("::1")));
    assert_true(network_is_loopback(address));
    disregard(network_address_parse(address, bytes_of("128.0.0.1")));
    assert_false(network_is_loopback(address));
}

static void knows_private_networks(void **state)
{
    (void)state;
    static const char *const inside[] = {"10.1.2.3", "172.31.0.1",  "192.168.9.9", "127.0.0.1",
                                         "::1",      "169.254.1.1", "fd00::1",     "fe80::1"};
    static const char *const outside[] = {"11.0.0.1", "172.32.0.1", "192.0.2.1", "2001:db8::1", "fec0::1"};
    uint8_t address[16];
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        disregard(network_address_parse(address, bytes_of(inside[i])));
        assert_true(network_is_private(address));
    }
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        disregard(network_address_parse(address, bytes_of(outside[i])));
        assert_false(network_is_private(address));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_agree_with_the_system),
        cmocka_unit_test(prefixes_hold),
        cmocka_unit_test(knows_loopback),
        cmocka_unit_test(knows_private_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
