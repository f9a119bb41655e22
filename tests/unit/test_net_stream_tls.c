/*
 * test_net_stream_tls - streams under TLS: echo, STARTTLS, who is refused and what the fault says, how a session ends.
 */
#include "net_fixture.h"

#include <openssl/ssl.h>

#include "net/net_stream_private.h"
#include "tls_fixture.h"

enum {
    CA,
    OTHER_CA,
    WEAK_CA,
    GOOD,
    EXPIRED,
    EARLY,
    COMMON_NAME,
    WILDCARD,
    PARTIAL,
    OF_OTHER,
    OF_WEAK,
    CLIENT_ONLY,
    CLIENT,
    SOON,
    SHORT_CA,
    OF_SHORT,
    COUNT
};

static struct certificate made[COUNT];

static int make_all(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(tls_directory));
    static const struct certificate_options all[COUNT] = {
        [CA] = {.name = "ca", .is_ca = true},
        [OTHER_CA] = {.name = "other-ca", .is_ca = true},
        [WEAK_CA] = {.name = "weak-ca", .is_ca = true, .is_weak = true},
        [GOOD] = {.name = "good", .san = "DNS:imap.example.net,IP:127.0.0.1", .issuer = &made[CA]},
        [EXPIRED] = {.name = "expired",
                     .san = "DNS:imap.example.net",
                     .issuer = &made[CA],
                     .valid_from = -7200,
                     .valid_to = -60},
        [EARLY] = {.name = "early", .san = "DNS:imap.example.net", .issuer = &made[CA], .valid_from = 7200},
        [COMMON_NAME] = {.name = "imap.example.net", .issuer = &made[CA]},
        [WILDCARD] = {.name = "wildcard", .san = "DNS:*.example.net", .issuer = &made[CA]},
        [PARTIAL] = {.name = "partial", .san = "DNS:im*.example.net", .issuer = &made[CA]},
        [OF_OTHER] = {.name = "of-other", .san = "DNS:imap.example.net", .issuer = &made[OTHER_CA]},
        [OF_WEAK] = {.name = "of-weak", .san = "DNS:imap.example.net", .issuer = &made[WEAK_CA]},
        [CLIENT_ONLY] = {.name = "client-only",
                         .san = "DNS:imap.example.net",
                         .usage = "clientAuth",
                         .issuer = &made[CA]},
        [CLIENT] = {.name = "client", .usage = "clientAuth", .issuer = &made[CA]},
        [SOON] = {.name = "soon", .san = "DNS:imap.example.net", .issuer = &made[CA], .valid_to = 3600},
        [SHORT_CA] = {.name = "short-ca", .is_ca = true, .valid_to = 1800},
        [OF_SHORT] = {.name = "of-short", .san = "DNS:imap.example.net", .issuer = &made[SHORT_CA], .valid_to = 3600},
    };
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = make_certificate(&all[i]);
    }
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        free_certificate(&made[i]);
    }
    return rmdir(tls_directory);
}

static struct net_tls *server_tls(const struct certificate *certificate)
{
    struct net_tls_options options = {.certificate = certificate->certificate_path, .key = certificate->key_path};
    struct net_tls *tls;
    assert_int_equal(net_tls_server_new(&tls, &options, NULL), 0);
    return tls;
}

static struct net_tls *client_tls(const struct certificate *ca, const char *name)
{
    struct net_tls_options options = {.ca_file = ca->certificate_path, .server_name = name};
    struct net_tls *tls;
    assert_int_equal(net_tls_client_new(&tls, &options, NULL), 0);
    return tls;
}

static void tls_fixture_done(struct fixture *fixture)
{
    fixture_done(fixture);
    net_tls_free(&fixture->client.tls);
    net_tls_free(&fixture->server.tls);
}

static bool both_ready(struct fixture *fixture)
{
    return fixture->client.heard[NET_STREAM_TLS_READY] > 0 && fixture->server.heard[NET_STREAM_TLS_READY] > 0;
}
static bool client_failed(struct fixture *fixture)
{
    return fixture->client.heard[NET_STREAM_FAILED] > 0;
}
static bool both_failed(struct fixture *fixture)
{
    return client_failed(fixture) && fixture->server.heard[NET_STREAM_FAILED] > 0;
}
static bool server_failed(struct fixture *fixture)
{
    return fixture->server.heard[NET_STREAM_FAILED] > 0;
}

static void start_good(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture->server.tls = server_tls(&made[GOOD]);
    fixture->client.tls = client_tls(&made[CA], "imap.example.net");
    fixture_listen(fixture);
    fixture_connect(fixture);
}

#define BIG (300 * 1024)

static bool client_got_big(struct fixture *fixture)
{
    return fixture->client.got.len == BIG;
}

static void echoes_under_tls(void **state)
{
    (void)state;
    struct fixture f;
    start_good(&f);
    f.server.echoes = f.client.eats = true;
    run_until(&f, both_ready);
    assert_string_equal(net_stream_tls_version(f.client.stream), "TLSv1.3");
    assert_non_null(net_stream_tls_cipher(f.server.stream));
    assert_string_equal(net_stream_tls_peer(f.client.stream), "CN=good");
    assert_null(net_stream_tls_peer(f.server.stream));
    char *data = malloc(BIG);
    for (size_t i = 0; i < BIG; i++) {
        data[i] = (char)(i * 31 >> 3);
    }
    assert_int_equal(net_stream_write(f.client.stream, data, BIG), 0);
    run_until(&f, client_got_big);
    assert_memory_equal(buf_bytes(&f.client.got).ptr, data, BIG);
    free(data);
    tls_fixture_done(&f);
}

static void verifies_an_address(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.server.tls = server_tls(&made[GOOD]);
    f.client.tls = client_tls(&made[CA], "127.0.0.1");
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_ready);
    tls_fixture_done(&f);
}

static void refuses_and_says_why(void **state)
{
    (void)state;
    static const struct {
        int server, ca;
        const char *name, *code, *text;
    } cases[] = {
        {EXPIRED, CA, "imap.example.net", "tls-expired", "certificate has expired"},
        {EARLY, CA, "imap.example.net", "tls-not-yet-valid", "not yet valid"},
        {GOOD, CA, "other.example.net", "tls-name", "is not for other.example.net but for imap.example.net"},
        {GOOD, CA, "127.0.0.2", "tls-name", "is not for 127.0.0.2"},
        {COMMON_NAME, CA, "imap.example.net", "tls-name", "but for no name"},
        {PARTIAL, CA, "imap.example.net", "tls-name", "im*.example.net"},
        {WILDCARD, CA, "a.b.example.net", "tls-name", "*.example.net"},
        {OF_OTHER, CA, "imap.example.net", "tls-untrusted", "issuer"},
        {OF_WEAK, WEAK_CA, "imap.example.net", "tls-weak-key", "key too weak"},
        {CLIENT_ONLY, CA, "imap.example.net", "tls-purpose", "purpose"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        fixture_init(&f);
        f.server.tls = server_tls(&made[cases[i].server]);
        f.client.tls = client_tls(&made[cases[i].ca], cases[i].name);
        fixture_listen(&f);
        fixture_connect(&f);
        run_until(&f, both_failed);
        const struct fault *fault = net_stream_fault(f.client.stream);
        assert_string_equal(fault->code, cases[i].code);
        assert_int_equal(fault->class, FAULT_TEMP);
        if (strstr(fault->text, cases[i].text) == NULL || strstr(fault->text, "127.0.0.1:") == NULL) {
            fail_msg("case %zu says: %s", i, fault->text);
        }
        assert_string_equal(f.client.order, "CF");
        /* The alert has told the server. */
        assert_non_null(strstr(net_stream_fault(f.server.stream)->text, "alert"));
        tls_fixture_done(&f);
    }
}

static void accepts_a_wildcard(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.server.tls = server_tls(&made[WILDCARD]);
    f.client.tls = client_tls(&made[CA], "imap.example.net.");
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_ready);
    tls_fixture_done(&f);
}

static bool server_has_starttls(struct fixture *fixture)
{
    return fixture->server.stream != NULL && net_stream_input(fixture->server.stream).len > 8;
}
static bool client_got_ok(struct fixture *fixture)
{
    return bytes_is(buf_bytes(&fixture->client.got), "ok");
}

/* What stands behind STARTTLS in the same packet is dropped, and what the client sends under TLS comes alone. */
static bool client_has_go(struct fixture *fixture)
{
    return bytes_is(net_stream_input(fixture->client.stream), "go");
}

static void starttls_drops_plaintext(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    struct net_tls *server = server_tls(&made[GOOD]), *client = client_tls(&made[CA], "imap.example.net");
    write_text(&f.client, "STARTTLS\r\nEVIL\r\n");
    run_until(&f, server_has_starttls);
    net_stream_consume(f.server.stream, 10);
    write_text(&f.server, "go"); /* leaves in clear, before the handshake */
    assert_int_equal(net_stream_start_tls(f.server.stream, server), 6);
    run_until(&f, client_has_go);
    f.client.heard[NET_STREAM_INPUT] = 0;
    net_stream_consume(f.client.stream, 2);
    assert_int_equal(net_stream_start_tls(f.client.stream, client), 0);
    f.server.eats = f.client.eats = true;
    write_text(&f.client, "EHLO");
    run_until(&f, both_ready);
    write_text(&f.server, "ok");
    run_until(&f, client_got_ok);
    assert_true(bytes_is(buf_bytes(&f.server.got), "EHLO"));
    net_tls_free(&server);
    net_tls_free(&client);
    tls_fixture_done(&f);
}

static void clear_text_instead_of_tls_fails(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.server.tls = server_tls(&made[GOOD]);
    f.server.eats = true;
    fixture_listen(&f);
    fixture_connect(&f);
    write_text(&f.client, "EHLO not.tls.example.net\r\n");
    run_until(&f, server_failed);
    assert_string_equal(f.server.order, "F");
    assert_int_equal(f.server.got.len, 0);
    assert_non_null(strstr(net_stream_fault(f.server.stream)->text, "does not speak TLS"));
    tls_fixture_done(&f);
}

static bool client_ended(struct fixture *fixture)
{
    return fixture->client.heard[NET_STREAM_EOF] + fixture->client.heard[NET_STREAM_FAILED] > 0;
}

static void finish_says_goodbye(void **state)
{
    (void)state;
    struct fixture f;
    start_good(&f);
    f.client.eats = true;
    run_until(&f, both_ready);
    write_text(&f.server, "bye");
    net_stream_finish(&f.server.stream, 1000);
    assert_null(f.server.stream);
    run_until(&f, client_ended);
    assert_true(bytes_is(buf_bytes(&f.client.got), "bye"));
    assert_int_equal(f.client.heard[NET_STREAM_EOF], 1);
    assert_int_equal(f.client.heard[NET_STREAM_FAILED], 0);
    tls_fixture_done(&f);
}

static void end_without_goodbye_fails(void **state)
{
    (void)state;
    struct fixture f;
    start_good(&f);
    run_until(&f, both_ready);
    settle(&f, 5);
    net_stream_free(&f.server.stream); /* FIN or RST, no close_notify */
    run_until(&f, client_ended);
    assert_int_equal(f.client.heard[NET_STREAM_EOF], 0);
    assert_string_equal(net_stream_fault(f.client.stream)->code, "tls-truncated");
    tls_fixture_done(&f);
}

static void freed_at_input_under_tls(void **state)
{
    (void)state;
    struct fixture f;
    start_good(&f);
    f.client.frees_on_input = true;
    run_until(&f, both_ready);
    write_text(&f.server, "bye");
    run_until(&f, server_failed);
    assert_null(f.client.stream);
    tls_fixture_done(&f);
}

static struct net_tls *asking_server(void)
{
    struct net_tls_options options = {.certificate = made[GOOD].certificate_path,
                                      .key = made[GOOD].key_path,
                                      .ca_file = made[CA].certificate_path,
                                      .require_client_certificate = true};
    struct net_tls *tls;
    assert_int_equal(net_tls_server_new(&tls, &options, NULL), 0);
    return tls;
}

static void client_certificates(void **state)
{
    (void)state;
    static const struct {
        int client;
        bool good;
    } cases[] = {{CLIENT, true}, {OF_OTHER, false}, {-1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        fixture_init(&f);
        f.server.tls = asking_server();
        struct net_tls_options options = {.ca_file = made[CA].certificate_path, .server_name = "imap.example.net"};
        if (cases[i].client >= 0) {
            options.certificate = made[cases[i].client].certificate_path;
            options.key = made[cases[i].client].key_path;
        }
        assert_int_equal(net_tls_client_new(&f.client.tls, &options, NULL), 0);
        fixture_listen(&f);
        fixture_connect(&f);
        run_until(&f, cases[i].good ? both_ready : both_failed);
        if (cases[i].good) {
            assert_string_equal(net_stream_tls_peer(f.server.stream), "CN=client");
        }
        tls_fixture_done(&f);
    }
}

/* Under TLS too, no more is taken in than the input's maximum, and nothing is lost or stalls when the owner eats slowly. */
static bool server_got_big(struct fixture *fixture)
{
    struct bytes input = net_stream_input(fixture->server.stream);
    if (input.len > 0) {
        assert_true(input.len <= fixture->limits.input_max);
        size_t bite = input.len > 500 ? 500 : input.len;
        buf_append(&fixture->server.got, input.ptr, bite);
        net_stream_consume(fixture->server.stream, bite);
    }
    return fixture->server.got.len == 40000;
}

static void on_nibble(void *ctx)
{
    struct fixture *fixture = ctx;
    check_done();
    if (!server_got_big(fixture)) {
        net_defer(fixture->loop, on_nibble, fixture);
    }
}

static void bounded_under_tls(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.limits.input_max = 1000;
    f.server.tls = server_tls(&made[GOOD]);
    f.client.tls = client_tls(&made[CA], "imap.example.net");
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_ready);
    static char data[40000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)('a' + i % 23);
    }
    assert_int_equal(net_stream_write(f.client.stream, data, sizeof data), 0);
    net_defer(f.loop, on_nibble, &f);
    run_until(&f, server_got_big);
    assert_memory_equal(buf_bytes(&f.server.got).ptr, data, sizeof data);
    settle(&f, 1);
    tls_fixture_done(&f);
}

static void old_tls_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.server.tls = server_tls(&made[GOOD]);
    fixture_listen(&f);
    fixture_connect(&f);
    run_until(&f, both_there);
    /* A TLS 1.1 hello: version 3.2, one cipher suite, no compression. */
    static const uint8_t hello[] = {22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1,    2,    3, 4,
                                    5,  6, 7, 8, 9,  0, 1, 2, 3,  4, 5, 6, 7, 8, 9, 0, 1, 2, 0, 0, 2, 0xC0, 0x13, 1, 0};
    assert_int_equal(net_stream_write(f.client.stream, hello, sizeof hello), 0);
    run_until(&f, server_failed);
    assert_non_null(strstr(net_stream_fault(f.server.stream)->text, "unsupported protocol"));
    tls_fixture_done(&f);
}

static void tells_when_the_chain_expires(void **state)
{
    static const struct {
        int ca, certificate;
        int64_t seconds;
    } cases[] = {{CA, GOOD, 86400}, {CA, SOON, 3600}, {SHORT_CA, OF_SHORT, 1800}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        fixture_init(&f);
        f.server.tls = server_tls(&made[cases[i].certificate]);
        f.client.tls = client_tls(&made[cases[i].ca], "imap.example.net");
        fixture_listen(&f);
        fixture_connect(&f);
        assert_int_equal(net_stream_tls_peer_expires(f.client.stream), 0);
        run_until(&f, both_ready);
        int64_t left = net_stream_tls_peer_expires(f.client.stream) - net_wall(f.loop) / 1000;
        assert_in_range(left, cases[i].seconds - 120, cases[i].seconds);
        assert_int_equal(net_stream_tls_peer_expires(f.server.stream), 0);
        assert_int_equal(net_tls_expires(f.client.tls), 0);
        assert_true(net_tls_expires(f.server.tls) >= net_stream_tls_peer_expires(f.client.stream));
        tls_fixture_done(&f);
    }
}

/* Both ends have the same channel, each connection another one, and which kind it is depends on the version. */
static void has_a_channel(void **state)
{
    static const struct {
        int version;
        const char *kind;
    } cases[] = {{TLS1_3_VERSION, "tls-exporter"}, {TLS1_2_VERSION, "tls-unique"}};
    uint8_t client[4][NET_STREAM_CHANNEL_MAX], server[NET_STREAM_CHANNEL_MAX];
    size_t len[4], server_len;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fixture f;
        start_good(&f);
        struct net_tls *tls = f.client.tls;
        f.client.tls = NULL; /* begun below, with the version that is wanted */
        run_until(&f, both_there);
        assert_null(net_stream_tls_channel(f.client.stream, client[i], &len[i]));
        net_stream_start_tls(f.client.stream, tls);
        assert_int_equal(SSL_set_max_proto_version(f.client.stream->session, cases[i % 2].version), 1);
        run_until(&f, both_ready);
        assert_string_equal(net_stream_tls_channel(f.client.stream, client[i], &len[i]), cases[i % 2].kind);
        assert_string_equal(net_stream_tls_channel(f.server.stream, server, &server_len), cases[i % 2].kind);
        assert_int_equal(len[i], server_len);
        assert_true(len[i] >= 12);
        assert_memory_equal(client[i], server, server_len);
        net_tls_free(&tls);
        tls_fixture_done(&f);
    }
    assert_memory_not_equal(client[0], client[2], len[0]);
    assert_memory_not_equal(client[1], client[3], len[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_under_tls),
        cmocka_unit_test(verifies_an_address),
        cmocka_unit_test(refuses_and_says_why),
        cmocka_unit_test(accepts_a_wildcard),
        cmocka_unit_test(starttls_drops_plaintext),
        cmocka_unit_test(clear_text_instead_of_tls_fails),
        cmocka_unit_test(finish_says_goodbye),
        cmocka_unit_test(end_without_goodbye_fails),
        cmocka_unit_test(freed_at_input_under_tls),
        cmocka_unit_test(client_certificates),
        cmocka_unit_test(bounded_under_tls),
        cmocka_unit_test(old_tls_is_refused),
        cmocka_unit_test(tells_when_the_chain_expires),
        cmocka_unit_test(has_a_channel),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
