/* upstream_scram: the exchange of RFC 5802, libgsasl as the server, channel binding and who takes it away, servers that cheat. */
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "upstream/upstream_scram.h"
#include "net/net_hash.h"
#include "net/net_loop.h"
#include "reception/reception_login.h"

#include "test.h" /* behind the rest: cmocka has a macro of the name expect_memory */

/* The client's nonce, when a test wants a certain one (octets of base64). */
static const char *wanted_nonce;

void __real_net_random(void *data, size_t len);
void __wrap_net_random(void *data, size_t len);
void __wrap_net_random(void *data, size_t len)
{
    if (wanted_nonce == NULL) {
        __real_net_random(data, len);
        return;
    }
    struct buf octets;
    buf_init(&octets, len);
    assert_int_equal(units_base64_decode(&octets, bytes_of(wanted_nonce)), 0);
    assert_int_equal(octets.len, len);
    memcpy(data, buf_bytes(&octets).ptr, len);
    buf_done(&octets);
}

/* One step with plain text on both sides. */
static int step(struct upstream_scram *scram, const char *challenge, struct buf *text, struct fault *fault)
{
    struct buf in, out;
    buf_init(&in, 8192);
    buf_init(&out, 8192);
    units_base64_encode(&in, bytes_of(challenge));
    int result = upstream_scram_step(scram, buf_bytes(&in), &out, fault);
    buf_clear(text);
    assert_int_equal(units_base64_decode(text, buf_bytes(&out)), 0);
    buf_done(&in);
    buf_done(&out);
    return result;
}

static struct upstream_scram *scram_of(const char *mechanism, const char *password, const char *binding)
{
    const struct upstream_scram_options options = {.mechanism = mechanism,
                                                   .username = "user",
                                                   .password = password,
                                                   .binding = binding,
                                                   .binding_data = bytes_of(binding != NULL ? "the channel" : "")};
    struct upstream_scram *scram = upstream_scram_new(&options, NULL);
    assert_non_null(scram);
    return scram;
}

/* RFC 5802 section 5. */
static void speaks_as_the_rfc(void **state)
{
    struct upstream_scram *scram = scram_of("SCRAM-SHA-1", "pencil", NULL);
    struct buf text;
    (void)state;
    buf_init(&text, 8192);
    wanted_nonce = "fyko+d2lbbFgONRv9qkxdawL";
    assert_int_equal(step(scram, "", &text, NULL), 0);
    assert_string_equal(buf_text(&text), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    assert_int_equal(step(scram, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096", &text, NULL),
                     0);
    assert_string_equal(buf_text(&text),
                        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    assert_int_equal(step(scram, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", &text, NULL), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(step(scram, "", &text, NULL), -1);
    wanted_nonce = NULL;
    upstream_scram_free(&scram);
    buf_done(&text);
}

/* ---- libgsasl as the server ---- */

struct server {
    const char *binding; /* what it takes for the channel's data; NULL: none */
    const char *password;
};

static int on_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    const struct server *server = gsasl_callback_hook_get(gsasl);
    struct buf text;
    switch (property) {
    case GSASL_PASSWORD:
        gsasl_property_set(session, property, server->password);
        return GSASL_OK;
    case GSASL_CB_TLS_EXPORTER:
    case GSASL_CB_TLS_UNIQUE:
        if (server->binding == NULL) {
            return GSASL_NO_CALLBACK;
        }
        buf_init(&text, 200);
        units_base64_encode(&text, bytes_of(server->binding));
        gsasl_property_set(session, property, buf_text(&text));
        buf_done(&text);
        return GSASL_OK;
    default:
        return GSASL_NO_CALLBACK;
    }
}

/* The whole dialogue. 0 when both sides are content, else -1. */
static int talk(const char *mechanism, const char *binding, struct server server, struct fault *fault)
{
    Gsasl *gsasl;
    Gsasl_session *session;
    struct upstream_scram *scram = scram_of(mechanism, "pencil", binding);
    struct buf challenge, response;
    int status = GSASL_NEEDS_MORE, result = 0;
    buf_init(&challenge, 8192);
    buf_init(&response, 8192);
    assert_int_equal(gsasl_init(&gsasl), GSASL_OK);
    gsasl_callback_set(gsasl, on_property);
    gsasl_callback_hook_set(gsasl, &server);
    assert_int_equal(gsasl_server_start(gsasl, mechanism, &session), GSASL_OK);
    while (result == 0 && status == GSASL_NEEDS_MORE) {
        char *out = NULL;
        buf_clear(&response);
        result = upstream_scram_step(scram, buf_bytes(&challenge), &response, fault);
        status = result == 0 ? gsasl_step64(session, buf_text(&response), &out) : status;
        buf_clear(&challenge);
        buf_append_text(&challenge, out != NULL ? out : "");
        gsasl_free(out);
    }
    if (result == 0 && status == GSASL_OK) { /* its last message is the proof */
        result = upstream_scram_step(scram, buf_bytes(&challenge), &response, fault);
    }
    gsasl_finish(session);
    gsasl_done(gsasl);
    upstream_scram_free(&scram);
    buf_done(&challenge);
    buf_done(&response);
    return status == GSASL_OK ? result : -1;
}

static void agrees_with_libgsasl(void **state)
{
    static const char *const plain[] = {"SCRAM-SHA-1", "SCRAM-SHA-256"};
    static const char *const plus[] = {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(talk(plain[i], NULL, (struct server){.password = "pencil"}, NULL), 0);
        assert_int_equal(talk(plain[i], NULL, (struct server){.password = "other"}, NULL), -1);
        assert_int_equal(talk(plus[i], "tls-exporter", (struct server){"the channel", "pencil"}, NULL), 0);
        assert_int_equal(talk(plus[i], "tls-unique", (struct server){"the channel", "pencil"}, NULL), 0);
        /* Somebody in the middle has two connections, and each is another channel. */
        assert_int_equal(talk(plus[i], "tls-exporter", (struct server){"another one", "pencil"}, NULL), -1);
        assert_int_equal(talk(plus[i], "tls-exporter", (struct server){"the channel", "other"}, NULL), -1);
    }
}

/* ---- our own server ---- */

static struct {
    struct net_loop *loop;
    int kind;
    struct buf challenge;
} ours;

static void on_answer(void *ctx, const struct smtpd_auth_answer *answer)
{
    (void)ctx;
    ours.kind = (int)answer->kind;
    buf_clear(&ours.challenge);
    buf_append_bytes(&ours.challenge, answer->challenge);
    net_loop_stop(ours.loop);
}

/* What becomes of the first message of a client with (or without) a binding, at a server that offers -PLUS, or not. */
static int first_message(const char *client_binding, const char *server_binding, const char *begin)
{
    static const char users[] = "{\"users\":{\"user\":{\"disabled\":true}}}";
    struct upstream_scram *scram = scram_of("SCRAM-SHA-256", "pencil", client_binding);
    struct problems *problems = problems_new();
    struct buf text;
    buf_init(&text, 8192);
    buf_init(&ours.challenge, 8192);
    ours.loop = net_loop_new();
    struct reception_logins *logins = reception_logins_new(ours.loop);
    struct reception_users *known = reception_users_parse("users", bytes_of(users), problems);
    assert_non_null(known);
    struct reception_login *login = reception_login_new(logins, known, SMTPD_MECHANISM_SCRAM, "127.0.0.1",
                                                        bytes_of(server_binding), on_answer, NULL);
    assert_int_equal(step(scram, "", &text, NULL), 0);
    assert_int_equal(strncmp(buf_text(&text), begin, strlen(begin)), 0);
    reception_login_step(login, buf_bytes(&text), true);
    net_loop_run(ours.loop);
    reception_login_free(&login);
    reception_users_free(&known);
    reception_logins_free(&logins);
    net_loop_free(&ours.loop);
    upstream_scram_free(&scram);
    buf_done(&text);
    buf_done(&ours.challenge);
    problems_free(&problems);
    return ours.kind;
}

/* RFC 5802 section 6: a client that could bind says so; a server that had offered it then knows that the offer was taken away. */
static void uncovers_a_downgrade(void **state)
{
    (void)state;
    assert_int_equal(first_message("tls-exporter", "its channel", "y,,"), SMTPD_AUTH_FAILED);
    assert_int_equal(first_message("tls-exporter", "", "y,,"), SMTPD_AUTH_CHALLENGE);
    assert_int_equal(first_message(NULL, "its channel", "n,,"), SMTPD_AUTH_CHALLENGE);
}

/* ---- servers that cheat ---- */

#define NONCE "fyko+d2lbbFgONRv9qkxdawL"

static void refuses_what_is_no_answer(void **state)
{
    static const char *const cases[][2] = {
        {"", "not a SCRAM message"},
        {"r=" NONCE "x", "not a SCRAM message"},
        {"m=ext,r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=4096", "not a SCRAM message"},
        {"r=" NONCE "x,s=?,i=4096", "not a SCRAM message"},
        {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=x", "not a SCRAM message"},
        {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=-1", "not a SCRAM message"},
        {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=0", "0 iterations"},
        {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=1000001", "more than a million"},
        {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=18446744073709551617", "not a SCRAM message"},
        {"r=" NONCE ",s=QSXCR+Q6sek8bf92,i=4096", "another login"},
        {"r=AAAA+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=4096", "another login"},
    };
    struct buf text;
    (void)state;
    buf_init(&text, 8192);
    wanted_nonce = NONCE;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct upstream_scram *scram = scram_of("SCRAM-SHA-1", "pencil", NULL);
        struct fault fault = FAULT_INIT;
        assert_int_equal(step(scram, "", &text, NULL), 0);
        assert_int_equal(step(scram, cases[i][0], &text, &fault), -1);
        assert_int_equal(fault.class, FAULT_PERM);
        assert_non_null(strstr(fault.text, cases[i][1]));
        upstream_scram_free(&scram);
    }
    wanted_nonce = NULL;
    buf_done(&text);
}

static void wants_the_proof(void **state)
{
    static const char *const cases[][2] = {
        {"", "did not prove"},
        {"v=", "did not prove"},
        {"v=?", "did not prove"},
        {"v=rmF9pqV8S7suAoZWja4dJRkFsKU=", "did not prove"}, /* the last bits are others */
        {"v=rmF9pqV8S7suAoZWja4dJRkF", "did not prove"},
        {"v=rmF9pqV8S7suAoZWja4dJRkFsKQA", "did not prove"},
        {"e=invalid-proof", "the server says invalid-proof"},
        {"e=channel-bindings-dont-match", "channel-bindings-dont-match"},
    };
    struct buf text;
    (void)state;
    buf_init(&text, 8192);
    wanted_nonce = NONCE;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct upstream_scram *scram = scram_of("SCRAM-SHA-1", "pencil", NULL);
        struct fault fault = FAULT_INIT;
        assert_int_equal(step(scram, "", &text, NULL), 0);
        assert_int_equal(step(scram, "r=" NONCE "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096", &text, NULL), 0);
        assert_int_equal(step(scram, cases[i][0], &text, &fault), -1);
        assert_non_null(strstr(fault.text, cases[i][1]));
        upstream_scram_free(&scram);
    }
    wanted_nonce = NULL;
    buf_done(&text);
}

static void prepares_names(void **state)
{
    struct fault fault = FAULT_INIT;
    struct buf text;
    struct upstream_scram_options options = {.mechanism = "SCRAM-SHA-1", .username = "a,b=c\xc2\xad", .password = "p"};
    struct upstream_scram *scram = upstream_scram_new(&options, &fault);
    (void)state;
    assert_non_null(scram);
    buf_init(&text, 8192);
    assert_int_equal(step(scram, "", &text, NULL), 0);
    assert_int_equal(strncmp(buf_text(&text), "n,,n=a=2Cb=3Dc,r=", 17), 0); /* the soft hyphen maps to nothing */
    upstream_scram_free(&scram);
    options.password = "\x07";
    assert_null(upstream_scram_new(&options, &fault));
    assert_int_equal(fault.class, FAULT_LOCAL);
    assert_non_null(strstr(fault.text, "the password"));
    buf_done(&text);
}

/* RFC 6070 and RFC 4231, of what the arithmetic stands on. */
static void knows_its_hashes(void **state)
{
    uint8_t out[NET_HASH_MAX];
    (void)state;
    net_hash_derive(NET_HASH_SHA_1, bytes_of("password"), bytes_of("salt"), 4096, out);
    assert_memory_equal(out, "\x4b\x00\x79\x01\xb7\x65\x48\x9a\xbe\xad\x49\xd9\x26\xf7\x21\xd0\x65\xa4\x29\xc1", 20);
    net_hash_hmac(NET_HASH_SHA_256, bytes_of("Jefe"), bytes_of("what do ya want for nothing?"), out);
    assert_memory_equal(out, "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7", 16);
    net_hash_digest(NET_HASH_SHA_256, bytes_of("abc"), out);
    assert_memory_equal(out, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8);
    assert_int_equal(net_hash_size(NET_HASH_SHA_1), 20);
    assert_int_equal(net_hash_size(NET_HASH_SHA_256), 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_as_the_rfc),    cmocka_unit_test(agrees_with_libgsasl),
        cmocka_unit_test(uncovers_a_downgrade), cmocka_unit_test(refuses_what_is_no_answer),
        cmocka_unit_test(wants_the_proof),      cmocka_unit_test(prepares_names),
        cmocka_unit_test(knows_its_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
