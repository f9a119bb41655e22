/* proxy_header - the PROXY protocol's header, versions 1 and 2. Contract: proxy_header.h. */
#include "proto/proxy_header.h"

#include <stdio.h>
#include <string.h>

#include "base/network.h"

/* The longest line that the specification allows (section 2.1), its CR LF included. */
#define V1_MAX   107
#define V2_FIXED 16

static const uint8_t v2_signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

/* What stands there can still become `wanted`, or is it. */
static bool starts_as(struct bytes input, struct bytes wanted)
{
    size_t len = input.len < wanted.len ? input.len : wanted.len;
    return bytes_equal(bytes_slice(input, 0, len), bytes_slice(wanted, 0, len));
}

static unsigned number_at(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void write_v4(const uint8_t *at, char out[PROXY_ADDRESS_MAX])
{
    snprintf(out, PROXY_ADDRESS_MAX, "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
}

/* IPv4-mapped addresses come out as IPv4, the others in full groups. */
static void write_v6(const uint8_t *at, char out[PROXY_ADDRESS_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(at, mapped, sizeof mapped) == 0) {
        write_v4(at + sizeof mapped, out);
        return;
    }
    snprintf(out, PROXY_ADDRESS_MAX, "%x:%x:%x:%x:%x:%x:%x:%x", number_at(at), number_at(at + 2), number_at(at + 4),
             number_at(at + 6), number_at(at + 8), number_at(at + 10), number_at(at + 12), number_at(at + 14));
}

/* ---- version 1: "PROXY TCP4 source destination source-port destination-port" CR LF ---- */

static bool take_address(struct bytes *rest, bool v6, char out[PROXY_ADDRESS_MAX])
{
    uint8_t address[16];
    struct bytes text = bytes_cut(rest, ' ');
    if (text.len >= PROXY_ADDRESS_MAX || v6 != (bytes_find_octet(text, ':') >= 0) ||
        network_address_parse(address, text) < 0) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static bool take_port(struct bytes *rest, uint16_t *port_r)
{
    uint64_t port;
    if (!bytes_to_u64(bytes_cut(rest, ' '), &port) || port > UINT16_MAX) {
        return false;
    }
    *port_r = (uint16_t)port;
    return true;
}

static int parse_v1_line(struct bytes line, struct proxy_header *header)
{
    struct bytes rest = bytes_from(line, 6);
    struct bytes family = bytes_cut(&rest, ' ');
    char destination[PROXY_ADDRESS_MAX];
    uint16_t destination_port;
    /*
     * "The receiver must ignore anything presented before the CRLF is found" (section 2.1): it is the proxy itself, a
     * health check.
     */
    if (bytes_is(family, "UNKNOWN")) {
        header->is_local = true;
        return 1;
    }
    bool v6 = bytes_is(family, "TCP6");
    if (!v6 && !bytes_is(family, "TCP4")) {
        return -1;
    }
    /* The destination is read though nobody asks for it: a header that is not whole is not believed. */
    bool good = take_address(&rest, v6, header->address) && take_address(&rest, v6, destination) &&
                take_port(&rest, &header->port) && take_port(&rest, &destination_port) && rest.ptr == NULL;
    return good ? 1 : -1;
}

static int parse_v1(struct bytes input, struct proxy_header *header, size_t *used_r)
{
    ptrdiff_t end = bytes_find(input, bytes_of("\r\n"));
    if (end < 0) {
        return input.len >= V1_MAX ? -1 : 0;
    }
    *used_r = (size_t)end + 2;
    return *used_r > V1_MAX ? -1 : parse_v1_line(bytes_slice(input, 0, (size_t)end), header);
}

/* ---- version 2 ---- */

/* Families: 1 IPv4, 2 IPv6, 3 unix; each with the octets that its addresses take. */
static int parse_v2_addresses(unsigned family, struct bytes addresses, struct proxy_header *header)
{
    switch (family) {
    case 1:
        if (addresses.len < 12) {
            return -1;
        }
        write_v4(addresses.ptr, header->address);
        header->port = (uint16_t)number_at(addresses.ptr + 8);
        return 1;
    case 2:
        if (addresses.len < 36) {
            return -1;
        }
        write_v6(addresses.ptr, header->address);
        header->port = (uint16_t)number_at(addresses.ptr + 32);
        return 1;
    case 3:
        memcpy(header->address, "unix", 5);
        return addresses.len < 216 ? -1 : 1;
    default:
        header->is_local = true;
        return 1;
    }
}

static int parse_v2(struct bytes input, struct proxy_header *header, size_t *used_r)
{
    if (input.len < V2_FIXED) {
        return 0;
    }
    unsigned version = input.ptr[12] >> 4, command = input.ptr[12] & 15u;
    size_t len = number_at(input.ptr + 14);
    if (version != 2 || command > 1 || V2_FIXED + len > PROXY_HEADER_MAX) {
        return -1;
    }
    if (input.len < V2_FIXED + len) {
        return 0;
    }
    *used_r = V2_FIXED + len;
    header->is_local = command == 0;
    return header->is_local ? 1 : parse_v2_addresses(input.ptr[13] >> 4, bytes_slice(input, V2_FIXED, len), header);
}

int proxy_header_parse(struct bytes input, struct proxy_header *header_r, size_t *used_r)
{
    struct proxy_header header = {.is_local = false};
    size_t used = 0;
    int result = -1;
    if (input.len == 0) {
        return 0;
    }
    if (starts_as(input, bytes_of("PROXY "))) {
        result = input.len < 6 ? 0 : parse_v1(input, &header, &used);
    } else if (starts_as(input, bytes_at(v2_signature, sizeof v2_signature))) {
        result = parse_v2(input, &header, &used);
    }
    if (result == 1) {
        *header_r = header;
        *used_r = used;
    }
    return result;
}
