/*
 * net_address - "host:port", "[v6]:port", "unix:/path" and "inherited:NAME"; see net_stream.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "net/net_stream.h"

/* RFC 1035 section 2.3.4, as text and without a dot at the end; the resolver refuses more. */
#define HOST_NAME_MAX_LEN 253
#define UNIX_PATH_MAX     (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static int refuse_address(struct fault *fault, struct bytes text, const char *why)
{
    int len = text.len > 100 ? 100 : (int)text.len;
    fault_set(fault, FAULT_LOCAL, "address", "address", "\"%.*s\" is not an address: %s", len,
              text.len > 0 ? (const char *)text.ptr : "", why);
    return -1;
}

static void set_host(struct net_address *address, struct bytes host)
{
    memcpy(address->host, host.ptr, host.len);
    address->host[host.len] = '\0';
}

static int parse_unix(struct net_address *address_r, struct bytes text, struct fault *fault)
{
    struct bytes path = bytes_from(text, strlen("unix:"));
    if (path.len == 0 || path.ptr[0] != '/') {
        return refuse_address(fault, text, "\"unix:\" must be followed by a path that begins with /");
    }
    if (path.len > UNIX_PATH_MAX || bytes_has_control(path)) {
        return refuse_address(fault, text, "the path must have at most 107 octets and no control characters");
    }
    *address_r = (struct net_address){.is_unix = true};
    set_host(address_r, path);
    return 0;
}

/* A socket that was opened for us, by the name that systemd gives it (sd_listen_fds_with_names(3)). */
static int parse_inherited(struct net_address *address_r, struct bytes text, struct fault *fault)
{
    struct bytes name = bytes_from(text, strlen("inherited:"));
    if (name.len == 0 || name.len >= sizeof address_r->host || bytes_has_control(name) ||
        bytes_find_octet(name, ':') >= 0) {
        return refuse_address(
            fault, text, "\"inherited:\" must be followed by the name of a socket (FileDescriptorName= of its unit)");
    }
    *address_r = (struct net_address){.is_inherited = true};
    set_host(address_r, name);
    return 0;
}

/* Cuts text into host and port; a host in brackets loses them. */
static int split_port(struct bytes text, struct bytes *host_r, struct bytes *port_r, struct fault *fault)
{
    if (text.len > 0 && text.ptr[0] == '[') {
        struct bytes rest = bytes_from(text, 1);
        struct bytes host = bytes_cut(&rest, ']');
        struct in6_addr ignored;
        struct net_address copy = {.port = 0};
        if (rest.ptr == NULL || rest.len < 2 || rest.ptr[0] != ':') {
            return refuse_address(fault, text, "write \"[v6]:port\"");
        }
        if (host.len == 0 || host.len >= INET6_ADDRSTRLEN) {
            return refuse_address(fault, text, "the brackets must contain an IPv6 address");
        }
        set_host(&copy, host);
        if (uv_inet_pton(AF_INET6, copy.host, &ignored) != 0) {
            return refuse_address(fault, text, "the brackets must contain an IPv6 address");
        }
        *host_r = host;
        *port_r = bytes_from(rest, 1);
        return 0;
    }
    struct bytes rest = text;
    *host_r = bytes_cut(&rest, ':');
    *port_r = rest;
    if (rest.ptr == NULL) {
        return refuse_address(fault, text, "write \"host:port\", \"[v6]:port\" or \"unix:/path\"");
    }
    if (bytes_find_octet(rest, ':') >= 0) {
        return refuse_address(fault, text, "write an IPv6 address in brackets: \"[v6]:port\"");
    }
    return 0;
}

static bool is_host(struct bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.ptr[i];
        if (!octet_is_alpha(c) && !octet_is_digit(c) && c != '-' && c != '.' && c != '_') {
            return false;
        }
    }
    return host.len > 0 && host.len <= HOST_NAME_MAX_LEN;
}

int net_address_parse(struct net_address *address_r, struct bytes text, struct fault *fault)
{
    if (bytes_starts_nocase(text, "inherited:")) {
        return parse_inherited(address_r, text, fault);
    }
    if (bytes_starts_nocase(text, "unix:")) {
        return parse_unix(address_r, text, fault);
    }
    struct bytes host, port_text;
    uint64_t port;
    if (split_port(text, &host, &port_text, fault) != 0) {
        return -1;
    }
    if (text.ptr[0] != '[' && !is_host(host)) {
        return refuse_address(fault, text, "the host must have 1 to 253 letters, digits, \"-\", \"_\" and \".\"");
    }
    if (!bytes_to_u64(port_text, &port) || port > UINT16_MAX) {
        return refuse_address(fault, text, "the port must be a number from 0 to 65535");
    }
    *address_r = (struct net_address){.port = (uint16_t)port};
    set_host(address_r, host);
    return 0;
}

bool net_address_is_loopback(const struct net_address *address)
{
    struct bytes host = bytes_of(address->host);
    uint8_t v4[4], v6[16];
    static const uint8_t one[16] = {[15] = 1};
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    if (address->is_unix || bytes_is_nocase(host, "localhost")) {
        return true;
    }
    if (uv_inet_pton(AF_INET, address->host, v4) == 0) {
        return v4[0] == 127;
    }
    if (uv_inet_pton(AF_INET6, address->host, v6) == 0) {
        return memcmp(v6, one, sizeof one) == 0 || (memcmp(v6, mapped, sizeof mapped) == 0 && v6[12] == 127);
    }
    return false;
}

bool net_address_is_foreign(const struct net_address *address)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(struct sockaddr_in);
    if (address->is_unix || address->is_inherited) {
        return false;
    }
    if (uv_ip4_addr(address->host, 0, (struct sockaddr_in *)&at) != 0) {
        len = sizeof(struct sockaddr_in6);
        if (uv_ip6_addr(address->host, 0, (struct sockaddr_in6 *)&at) != 0) {
            return false;
        }
    }
    int fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_foreign = fd >= 0 && bind(fd, (struct sockaddr *)&at, len) != 0 && errno == EADDRNOTAVAIL;
    if (fd >= 0) {
        close(fd);
    }
    return is_foreign;
}
