/*
 * test_net_stream - streams in clear over the loopback: echo, order of events, back-pressure, ends.
 */
#include "net_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_in_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
