/*
 * test_net_stream - streams in clear over the loopback: echo, order of events, back-pressure, ends.
 */
#include "net_fixture.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool client_got_hello(struct fixture *fixture)
{
    return bytes_is(buf_bytes(&fixture->client.got), "hello");
}

static void echoes_in_clear(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.server.echoes = f.client.eats = true;
    fixture_listen(&f);
    fixture_connect(&f);
    write_text(&f.client, "hel"); /* before it is connected: waits */
    run_until(&f, both_there);
    write_text(&f.client, "lo");
    run_until(&f, client_got_hello);
    assert_string_equal(net_stream_peer(f.server.stream), "127.0.0.1");
    assert_int_equal(net_stream_peer_port(f.client.stream), net_listener_port(f.listener));
    assert_null(net_stream_tls_version(f.client.stream));
    fixture_done(&f);
}

static bool server_is_full(struct fixture *fixture)
{
    return fixture->server.stream != NULL && net_stream_input(fixture->server.stream).len == fixture->limits.input_max;
}
static bool client_drained(struct fixture *fixture)
{
    return fixture->client.heard[NET_STREAM_DRAINED] > 0;
}

/* A reader that does not eat stops the writer: no more than the maximum is taken in, the rest waits; then all of it comes. */
#define LOAD (24 * 1000 * 1000)

static bool server_ate_load(struct fixture *fixture)
{
    return fixture->server.got.len == LOAD;
}

static void back_pressure(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.limits.output_max = LOAD;
    buf_done(&f.server.got);
    buf_init(&f.server.got, LOAD);
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    char *data = calloc(1, LOAD);
    assert_int_equal(net_stream_write(f.client.stream, data, LOAD), 0);
    assert_int_equal(net_stream_write(f.client.stream, data, 1), -1); /* above output_max */
    run_until(&f, server_is_full);
    settle(&f, 20);
    assert_true(server_is_full(&f));
    assert_int_equal(net_stream_unsent(f.client.stream), LOAD);
    assert_int_equal(f.client.heard[NET_STREAM_DRAINED], 0);
    assert_true(net_stream_moved(f.client.stream) > 0);
    assert_true(net_stream_moved(f.client.stream) < LOAD);
    f.server.eats = true;
    assert_int_equal(buf_append_bytes(&f.server.got, net_stream_input(f.server.stream)), 0);
    net_stream_consume(f.server.stream, f.limits.input_max);
    run_until(&f, server_ate_load);
    run_until(&f, client_drained);
    assert_int_equal(net_stream_unsent(f.client.stream), 0);
    assert_int_equal(net_stream_moved(f.client.stream), LOAD);
    free(data);
    fixture_done(&f);
}

static bool server_heard_input(struct fixture *fixture)
{
    return fixture->server.heard[NET_STREAM_INPUT] > 0;
}

static bool server_heard_all(struct fixture *fixture)
{
    return strlen(fixture->server.order) >= 3;
}

static void pause_holds_input_and_end(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    net_stream_pause(f.server.stream);
    write_text(&f.client, "late");
    net_stream_finish(&f.client.stream, 5000);
    settle(&f, 20);
    assert_string_equal(f.server.order, "");
    f.server.inside = true;
    net_stream_resume(f.server.stream);
    f.server.inside = false;
    run_until(&f, server_heard_input);
    assert_true(bytes_is(net_stream_input(f.server.stream), "late"));
    /* What stands unread is told again after a pause. */
    net_stream_pause(f.server.stream);
    net_stream_resume(f.server.stream);
    run_until(&f, server_heard_all);
    assert_string_equal(f.server.order, "IIE");
    fixture_done(&f);
}

static bool server_ended(struct fixture *fixture)
{
    return fixture->server.heard[NET_STREAM_EOF] + fixture->server.heard[NET_STREAM_FAILED] > 0;
}

/* What is unsent at the end is thrown away where that is asked for, and the peer hears a reset; else it hears the end. */
static void closed_with_a_reset(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    net_stream_discard_at_close(f.client.stream, true);
    net_stream_discard_at_close(f.client.stream, false);
    net_stream_discard_at_close(f.client.stream, true);
    net_stream_free(&f.client.stream);
    run_until(&f, server_ended);
    assert_int_equal(f.server.heard[NET_STREAM_FAILED], 1);
    assert_string_equal(net_stream_fault(f.server.stream)->code, "econnreset");
    fixture_done(&f);
}

static void freed_inside_an_event(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.client.frees_on_input = true;
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    write_text(&f.client, "unsent, perhaps");
    write_text(&f.server, "now");
    run_until(&f, server_ended);
    assert_null(f.client.stream);
    assert_int_equal(f.client.order[strlen(f.client.order) - 1], 'I');
    fixture_done(&f);
}

/* A bare root file system may have no /etc/hosts; then the one name that needs no network is not there to be resolved. */
static bool knows_localhost(void)
{
    struct addrinfo *found = NULL;
    bool knows = getaddrinfo("localhost", NULL, NULL, &found) == 0;
    if (knows) {
        freeaddrinfo(found);
    }
    return knows;
}

static void freed_while_connecting(void **state)
{
    (void)state;
    static const char *const names[] = {"127.0.0.1:9", "unix:/nowhere/at/all", "localhost:9"};
    for (size_t i = 0; i < sizeof names / sizeof names[0] - (knows_localhost() ? 0 : 1); i++) {
        for (uint64_t ms = 0; ms < 2; ms++) {
            struct fixture f;
            struct net_address to;
            fixture_init(&f);
            assert_int_equal(net_address_parse(&to, bytes_of(names[i]), NULL), 0);
            f.client.stream = net_stream_connect(f.loop, &to, 1000, &f.limits, on_event, &f.client);
            if (ms > 0) {
                settle(&f, 0);
            }
            fixture_done(&f);
        }
    }
}

static bool client_failed(struct fixture *fixture)
{
    return fixture->client.heard[NET_STREAM_FAILED] > 0;
}

static void connect_faults(void **state)
{
    (void)state;
    static const struct {
        const char *to, *code, *text;
    } cases[] = {
        {"127.0.0.1:1", "econnrefused", "cannot connect to 127.0.0.1:1: 127.0.0.1: connection refused"},
        {"[::ffff:127.0.0.1]:1", "econnrefused", "cannot connect to [::ffff:127.0.0.1]:1"},
        {"unix:/nowhere/at/all", "enoent", "cannot connect to unix:/nowhere/at/all"},
        {"no-such-name.invalid:25", "dns", "the name cannot be resolved"},
        {"localhost:1", "econnrefused", "127.0.0.1: connection refused"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] - (knows_localhost() ? 0 : 1); i++) {
        struct fixture f;
        struct net_address to;
        fixture_init(&f);
        assert_int_equal(net_address_parse(&to, bytes_of(cases[i].to), NULL), 0);
        f.client.stream = net_stream_connect(f.loop, &to, 8000, &f.limits, on_event, &f.client);
        run_until(&f, client_failed);
        const struct fault *fault = net_stream_fault(f.client.stream);
        if (strcmp(fault->code, cases[i].code) != 0 || strstr(fault->text, cases[i].text) == NULL) {
            fail_msg("%s says %s: %s", cases[i].to, fault->code, fault->text);
        }
        assert_string_equal(f.client.order, "F");
        assert_int_equal(net_stream_write(f.client.stream, "x", 1), -1);
        fixture_done(&f);
    }
}

/* A listener on loopback whose queue is full: further connects hang. Returns its port; the sockets are the caller's to close. */
static uint16_t full_listener(int sockets_r[4])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    sockets_r[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(sockets_r[0], (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(sockets_r[0], 0), 0);
    assert_int_equal(getsockname(sockets_r[0], (struct sockaddr *)&address, &len), 0);
    for (size_t i = 1; i < 4; i++) {
        sockets_r[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(sockets_r[i], (struct sockaddr *)&address, len);
    }
    return ntohs(address.sin_port);
}

static void connect_ends_in_time(void **state)
{
    (void)state;
    struct fixture f;
    struct net_address to;
    int sockets[4];
    char text[40];
    fixture_init(&f);
    snprintf(text, sizeof text, "127.0.0.1:%u", full_listener(sockets));
    assert_int_equal(net_address_parse(&to, bytes_of(text), NULL), 0);
    f.client.stream = net_stream_connect(f.loop, &to, 50, &f.limits, on_event, &f.client);
    run_until(&f, client_failed);
    assert_string_equal(net_stream_fault(f.client.stream)->code, "timeout");
    fixture_done(&f);
    for (size_t i = 0; i < 4; i++) {
        close(sockets[i]);
    }
}

static bool client_ended(struct fixture *fixture)
{
    return fixture->client.heard[NET_STREAM_EOF] + fixture->client.heard[NET_STREAM_FAILED] > 0;
}

/* Everything written arrives before the end, though the peer had octets on the way to us that nobody reads. */
static void finish_sends_all(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.client.eats = true;
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    write_text(&f.client, "nobody reads this");
    run_until(&f, server_heard_input);
    char *data = calloc(1, 1 << 20);
    assert_int_equal(net_stream_write(f.server.stream, data, 1 << 20), 0);
    net_stream_finish(&f.server.stream, 5000);
    run_until(&f, client_ended);
    assert_int_equal(f.client.got.len, 1 << 20);
    assert_int_equal(f.client.heard[NET_STREAM_FAILED], 0);
    free(data);
    fixture_done(&f);
}

/* A peer that never closes does not keep a finished stream: the loop comes to its end. */
static void finish_lingers_no_longer_than_asked(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    net_stream_finish(&f.server.stream, 10);
    net_listener_free(&f.listener);
    net_timer_free(&f.deadline);
    uint64_t before = net_now_us(f.loop);
    net_stream_finish(&f.client.stream, 10);
    net_loop_free(&f.loop);
    assert_true(net_now_us(NULL) - before < 3000000);
    buf_done(&f.client.got);
    buf_done(&f.server.got);
}

static void unix_socket(void **state)
{
    (void)state;
    struct fixture f;
    char directory[] = "/tmp/mailweir-net-XXXXXX", text[64];
    struct net_address address;
    struct fault fault = FAULT_INIT;
    assert_non_null(mkdtemp(directory));
    snprintf(text, sizeof text, "unix:%s/s", directory);
    assert_int_equal(net_address_parse(&address, bytes_of(text), NULL), 0);
    fixture_init(&f);
    f.server.echoes = f.client.eats = true;
    /* A socket that nobody serves any more, as a crash leaves it. */
    struct sockaddr_un stale = {.sun_family = AF_UNIX};
    snprintf(stale.sun_path, sizeof stale.sun_path, "%s/s", directory);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&stale, sizeof stale), 0);
    close(fd);
    assert_int_equal(net_listener_open(&f.listener, f.loop, &address, &f.limits, on_accepted, &f, &fault), 0);
    f.client.stream = net_stream_connect(f.loop, &address, 1000, &f.limits, on_event, &f.client);
    run_until(&f, both_there);
    assert_string_equal(net_stream_peer(f.server.stream), "unix");
    write_text(&f.client, "hello");
    run_until(&f, client_got_hello);
    struct net_listener *second;
    assert_int_equal(net_listener_open(&second, f.loop, &address, &f.limits, on_accepted, &f, &fault), -1);
    assert_string_equal(fault.code, "eaddrinuse");
    fixture_done(&f);
    assert_int_equal(access(stale.sun_path, F_OK), -1); /* the listener has taken it away */
    assert_int_equal(rmdir(directory), 0);
}

static void listener_faults(void **state)
{
    (void)state;
    struct fixture f;
    struct net_address address;
    struct net_listener *second;
    struct fault fault = FAULT_INIT;
    char text[32];
    fixture_init(&f);
    fixture_listen(&f);
    snprintf(text, sizeof text, "127.0.0.1:%u", net_listener_port(f.listener));
    assert_int_equal(net_address_parse(&address, bytes_of(text), NULL), 0);
    assert_int_equal(net_listener_open(&second, f.loop, &address, &f.limits, on_accepted, &f, &fault), -1);
    assert_string_equal(fault.code, "eaddrinuse");
    assert_int_equal(fault.class, FAULT_LOCAL);
    assert_non_null(strstr(fault.text, text));
    fault = FAULT_INIT;
    assert_int_equal(net_address_parse(&address, bytes_of("unix:/dev/null"), NULL), 0);
    assert_int_equal(net_listener_open(&second, f.loop, &address, &f.limits, on_accepted, &f, &fault), -1);
    assert_string_equal(fault.code, "eexist"); /* what is no socket is never removed */
    fixture_done(&f);
}

static bool all_is_sent(struct fixture *fixture)
{
    return net_stream_unsent(fixture->client.stream) == 0 && net_stream_unsent(fixture->server.stream) == 0;
}

/* A server that says why and resets: its words come before the failure of our write. */
static void last_words_are_heard(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.client.eats = true;
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    net_stream_pause(f.client.stream);
    net_stream_pause(f.server.stream);
    write_text(&f.client, "nobody reads this, so the close is a reset");
    write_text(&f.server, "hello");
    run_until(&f, all_is_sent);
    net_stream_free(&f.server.stream);
    settle(&f, 5);
    write_text(&f.client, "more");
    net_stream_resume(f.client.stream);
    run_until(&f, client_failed);
    assert_true(client_got_hello(&f));
    fixture_done(&f);
}

static bool client_got_lines(struct fixture *fixture)
{
    return fixture->client.got.len == 100;
}

/* Many small writes of one turn reach the peer as one piece, in order. */
static void small_writes_leave_together(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.client.eats = true;
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    for (int i = 0; i < 50; i++) {
        char text[3] = {(char)('0' + i / 10), (char)('0' + i % 10), '\0'};
        write_text(&f.server, text);
    }
    run_until(&f, client_got_lines);
    assert_string_equal(f.client.order, "CI");
    assert_memory_equal(buf_bytes(&f.client.got).ptr, "0001020304", 10);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_in_clear),
        cmocka_unit_test(back_pressure),
        cmocka_unit_test(pause_holds_input_and_end),
        cmocka_unit_test(closed_with_a_reset),
        cmocka_unit_test(freed_inside_an_event),
        cmocka_unit_test(freed_while_connecting),
        cmocka_unit_test(connect_faults),
        cmocka_unit_test(connect_ends_in_time),
        cmocka_unit_test(finish_sends_all),
        cmocka_unit_test(finish_lingers_no_longer_than_asked),
        cmocka_unit_test(unix_socket),
        cmocka_unit_test(listener_faults),
        cmocka_unit_test(last_words_are_heard),
        cmocka_unit_test(small_writes_leave_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
