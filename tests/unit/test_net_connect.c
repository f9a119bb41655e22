/*
 * net_connect - the addresses of a name, one beside the other (RFC 8305): a name server that says what the test wants, and an address behind a black hole: a
 * listener on the loopback whose queue is full, so that the kernel drops what comes.
 */
#include "net_fixture.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define NAMES_MAX 4

static struct {
    const char *addresses[NAMES_MAX];
    uint16_t port;
    uv_getaddrinfo_cb callback;
    struct addrinfo infos[NAMES_MAX];
    struct sockaddr_storage storage[NAMES_MAX];
} name;

int __real_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback, const char *host,
                          const char *service, const struct addrinfo *hints);
void __real_uv_freeaddrinfo(struct addrinfo *found);
int __wrap_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback, const char *host,
                          const char *service, const struct addrinfo *hints);
void __wrap_uv_freeaddrinfo(struct addrinfo *found);

static size_t fill(void)
{
    size_t count = 0;
    for (; count < NAMES_MAX && name.addresses[count] != NULL; count++) {
        struct sockaddr_storage *storage = &name.storage[count];
        bool v4 = uv_ip4_addr(name.addresses[count], name.port, (struct sockaddr_in *)storage) == 0;
        if (!v4) {
            assert_int_equal(uv_ip6_addr(name.addresses[count], name.port, (struct sockaddr_in6 *)storage), 0);
        }
        name.infos[count] =
            (struct addrinfo){.ai_addr = (struct sockaddr *)storage,
                              .ai_addrlen = v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)};
        if (count > 0) {
            name.infos[count - 1].ai_next = &name.infos[count];
        }
    }
    return count;
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    if (status == 0) {
        __real_uv_freeaddrinfo(found);
        fill();
        found = &name.infos[0];
    }
    name.callback(request, status, found);
}

int __wrap_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback, const char *host,
                          const char *service, const struct addrinfo *hints)
{
    (void)host;
    name.callback = callback;
    return __real_uv_getaddrinfo(loop, request, on_found, "127.0.0.1", service, hints);
}

void __wrap_uv_freeaddrinfo(struct addrinfo *found)
{
    if (found != &name.infos[0]) {
        __real_uv_freeaddrinfo(found);
    }
}

/* ---- a black hole ---- */

static int hole, stuffing[4];

static void dig_hole(const char *address, uint16_t port)
{
    struct sockaddr_in where;
    assert_int_equal(uv_ip4_addr(address, port, &where), 0);
    hole = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(hole, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(hole, 0), 0);
    for (size_t i = 0; i < sizeof stuffing / sizeof stuffing[0]; i++) {
        stuffing[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(stuffing[i], (struct sockaddr *)&where, sizeof where);
    }
}

static void fill_hole(void)
{
    close(hole);
    for (size_t i = 0; i < sizeof stuffing / sizeof stuffing[0]; i++) {
        close(stuffing[i]);
    }
}

static void connect_to_name(struct fixture *f, uint64_t timeout_ms)
{
    struct net_address to;
    char text[40];
    snprintf(text, sizeof text, "mail.example:%u", name.port);
    assert_int_equal(net_address_parse(&to, bytes_of(text), NULL), 0);
    f->client.stream = net_stream_connect(f->loop, &to, timeout_ms, &f->limits, on_event, &f->client);
}

static bool client_failed(struct fixture *f)
{
    return f->client.heard[NET_STREAM_FAILED] > 0;
}

static void begin(struct fixture *f, const char *first, const char *second, const char *third)
{
    fixture_init(f);
    fixture_listen(f);
    name.port = net_listener_port(f->listener);
    name.addresses[0] = first;
    name.addresses[1] = second;
    name.addresses[2] = third;
}

/* ---- the tests ---- */

/* Sockets of this process that give up on a peer that acknowledges nothing for so long (RFC 5482), and that ask an idle
 * one whether it is there. */
static unsigned count_watched(unsigned unacked_ms)
{
    unsigned count = 0;
    for (int fd = 3; fd < 256; fd++) {
        unsigned unacked = 0;
        int asks = 0;
        socklen_t len = sizeof unacked, asks_len = sizeof asks;
        bool is_tcp = getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, &len) == 0 &&
                      getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &asks, &asks_len) == 0;
        count += is_tcp && unacked == unacked_ms && asks != 0;
    }
    return count;
}

/* A time-out of ten minutes, of which no share is waited for: the next address is tried beside the one that does not answer. */
static void a_black_hole_costs_little(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "127.0.0.2", "127.0.0.1", NULL);
    dig_hole("127.0.0.2", name.port);
    connect_to_name(&f, 600000);
    run_until(&f, both_there);
    assert_string_equal(net_stream_peer(f.client.stream), "127.0.0.1");
    assert_int_equal(count_watched(61234), 0);
    net_stream_watch_peer(f.client.stream, 60000, 61234);
    assert_int_equal(count_watched(61234), 1);
    fill_hole();
    fixture_done(&f);
}

/* What is refused at once is followed at once, whatever else is waited for. */
static void families_take_turns(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "127.0.0.2", "127.0.0.3", "::1");
    dig_hole("127.0.0.2", name.port);
    connect_to_name(&f, 1500);
    run_until(&f, client_failed);
    const char *text = net_stream_fault(f.client.stream)->text;
    const char *v6 = strstr(text, "::1: "), *v4 = strstr(text, "127.0.0.3: "), *silent = strstr(text, "127.0.0.2: ");
    if (v6 == NULL || v4 == NULL || silent == NULL || !(v6 < v4 && v4 < silent)) {
        fail_msg("%s", text); /* ::1 was tried second, and all are told */
    }
    assert_string_equal(net_stream_fault(f.client.stream)->code, "timeout");
    fill_hole();
    fixture_done(&f);
}

/* Freed while several attempts are under way. */
static void freed_among_attempts(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "127.0.0.2", "127.0.0.2", "127.0.0.2");
    dig_hole("127.0.0.2", name.port);
    connect_to_name(&f, 600);
    run_until(&f, client_failed);
    fixture_done(&f);
    begin(&f, "127.0.0.2", "127.0.0.2", "127.0.0.2");
    connect_to_name(&f, 600000);
    settle(&f, 0);
    fixture_done(&f);
    fill_hole();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_black_hole_costs_little),
                                       cmocka_unit_test(families_take_turns), cmocka_unit_test(freed_among_attempts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
