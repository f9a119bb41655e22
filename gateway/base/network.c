/*
 * network - see network.h. Strict: no octal, no short forms of IPv4, at most one "::".
 */
#include "base/network.h"

#include <string.h>

static int parse_v4(uint8_t out[4], struct bytes text)
{
    for (int i = 0; i < 4; i++) {
        uint64_t octet;
        bool last = i == 3;
        if (text.ptr == NULL || (!last && bytes_find_octet(text, '.') < 0)) {
            return -1;
        }
        struct bytes part = bytes_cut(&text, '.');
        /*
         * "010" is eight to inet_aton() and ten to others (RFC 6943 section 3.1.1): a network that is let in must be
         * one.
         */
        bool leading_zero = part.len > 1 && part.ptr[0] == '0';
        if (part.len > 3 || leading_zero || !bytes_to_u64(part, &octet) || octet > 255) {
            return -1;
        }
        out[i] = (uint8_t)octet;
    }
    return text.ptr == NULL ? 0 : -1;
}

static int hex_digit(uint8_t c)
{
    c = octet_lower(c);
    return octet_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of up to four hexadecimal digits. */
static int parse_group(uint8_t out[2], struct bytes text)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 4) {
        return -1;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.ptr[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | (unsigned)digit;
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return 0;
}

/* Groups separated by ":", an IPv4 address allowed as the last: the octets written, or -1. */
static int parse_groups(uint8_t *out, int room, struct bytes text)
{
    int len = 0;
    while (text.len > 0) {
        struct bytes part = bytes_cut(&text, ':');
        bool more = text.ptr != NULL;
        if (more && text.len == 0) {
            return -1; /* a colon at the end */
        }
        if (!more && bytes_find_octet(part, '.') >= 0) {
            return len + 4 <= room && parse_v4(out + len, part) == 0 ? len + 4 : -1;
        }
        if (len + 2 > room || parse_group(out + len, part) < 0) {
            return -1;
        }
        len += 2;
    }
    return len;
}

static int parse_v6(uint8_t out[16], struct bytes text)
{
    ptrdiff_t gap = bytes_find(text, bytes_of("::"));
    if (gap < 0) {
        return parse_groups(out, 16, text) == 16 ? 0 : -1;
    }
    uint8_t tail[16] = {0};
    struct bytes head = bytes_slice(text, 0, (size_t)gap);
    /* 14 and not 16: "::" stands for one group at least (RFC 4291 section 2.2). */
    int before = parse_groups(out, 14, head);
    int after = parse_groups(tail, 14, bytes_from(text, (size_t)gap + 2));
    bool dotted_head = bytes_find_octet(head, '.') >= 0;
    if (before < 0 || after < 0 || before + after > 14 || dotted_head) {
        return -1;
    }
    memset(out + before, 0, (size_t)(16 - before));
    memcpy(out + 16 - after, tail, (size_t)after);
    return 0;
}

int network_address_parse(uint8_t address_r[16], struct bytes text)
{
    /*
     * IPv4 is kept as it is mapped into IPv6: one comparison for both, and what a dual-stack socket calls
     * ::ffff:10.0.0.1 is 10.0.0.1.
     */
    uint8_t address[16] = {[10] = 0xFF, [11] = 0xFF};
    int result = bytes_find_octet(text, ':') < 0 ? parse_v4(address + 12, text) : parse_v6(address, text);
    if (result == 0) {
        memcpy(address_r, address, 16);
    }
    return result;
}

static bool same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    uint8_t mask = (uint8_t)(0xFF00u >> rest);
    return rest == 0 || (a[whole] & mask) == (b[whole] & mask);
}

int network_parse(struct network *network_r, struct bytes text)
{
    struct network network = {.bits = 128};
    struct bytes rest = text;
    struct bytes address = bytes_cut(&rest, '/');
    if (network_address_parse(network.address, address) < 0) {
        return -1;
    }
    bool is_v4 = bytes_find_octet(address, ':') < 0;
    if (rest.ptr != NULL) {
        uint64_t bits;
        if (!bytes_to_u64(rest, &bits) || bits > (is_v4 ? 32 : 128)) {
            return -1;
        }
        network.bits = (unsigned)bits + (is_v4 ? 96 : 0);
    }
    /* "10.1.0.0/8" is a slip of the pen: which of the two was meant cannot be known. */
    uint8_t beyond[16] = {0};
    for (unsigned bit = network.bits; bit < 128; bit++) {
        beyond[bit / 8] |= (uint8_t)(network.address[bit / 8] & 0x80u >> bit % 8);
    }
    if (memcmp(beyond, (uint8_t[16]){0}, 16) != 0) {
        return -1;
    }
    *network_r = network;
    return 0;
}

bool network_contains(const struct network *network, const uint8_t address[16])
{
    return same_prefix(network->address, address, network->bits);
}

bool network_is_loopback(const uint8_t address[16])
{
    static const struct network v4 = {{[10] = 0xFF, [11] = 0xFF, [12] = 127}, 104};
    static const struct network v6 = {{[15] = 1}, 128};
    return network_contains(&v4, address) || network_contains(&v6, address);
}

bool network_is_private(const uint8_t address[16])
{
    static const char *const networks[] = {"10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16",
                                           "169.254.0.0/16", "fc00::/7",      "fe80::/10"};
    struct network network;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
        if (network_parse(&network, bytes_of(networks[i])) == 0 && network_contains(&network, address)) {
            return true;
        }
    }
    return network_is_loopback(address);
}
