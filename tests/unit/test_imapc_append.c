/*
 * test_imapc_append - several messages in one APPEND (RFC 3502) that is refused half-way: what was not asked for must not go out,
 * because the server would take it for commands; what was announced without asking must (RFC 7888).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/imapc_engine.h"

struct player {
    struct imapc_engine *engine;
    struct buf input;
    struct buf sent; /* since the last forget() */
    bool has_result;
    struct fault fault;
    struct imapc_result result;
    bool is_second_damaged; /* the second message's body cannot be read */
};

static void give_body(struct player *player, const struct imapc_request *request)
{
    uint8_t body[16384];
    size_t len = request->len < sizeof body ? request->len : sizeof body;
    if (player->is_second_damaged && request->message == 1) {
        struct fault fault = FAULT_INIT;
        fault_set(&fault, FAULT_LOCAL, "damaged", "read", "the stored body is damaged");
        imapc_engine_body(player->engine, 0, bytes_at(body, 0), &fault);
        return;
    }
    memset(body, 'b', len);
    imapc_engine_body(player->engine, 0, bytes_at(body, len), NULL);
}

static void run(struct player *player)
{
    for (;;) {
        size_t used = 0;
        struct imapc_request request;
        enum imapc_want want = imapc_engine_step(player->engine, 0, buf_bytes(&player->input), &used, &request);
        buf_consume(&player->input, used);
        struct buf *output = imapc_engine_output(player->engine);
        buf_append_bytes(&player->sent, buf_bytes(output));
        bool moved = output->len > 0;
        buf_clear(output);
        if (want == IMAPC_WANT_BODY) {
            give_body(player, &request);
        } else if (want == IMAPC_WANT_RESULT) {
            player->has_result = true;
            player->fault = request.result->fault;
            player->result = *request.result;
        } else if (!moved) {
            return;
        }
    }
}

static void hear(struct player *player, const char *text)
{
    buf_append_text(&player->input, text);
    run(player);
}

static void log_in(struct player *player, const char *capabilities)
{
    struct imapc_engine_options options = {.tls = true,
                                           .username = "u",
                                           .password = "p",
                                           .random = {0},
                                           .greeting_timeout_ms = 60000,
                                           .command_timeout_ms = 60000,
                                           .literal_max = 65536};
    *player = (struct player){.engine = imapc_engine_new(&options, 0)};
    buf_init(&player->input, 1 << 16);
    buf_init(&player->sent, 1 << 20);
    hear(player, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n");
    hear(player, "AAAAAA1 OK [CAPABILITY IMAP4rev1 MULTIAPPEND ");
    hear(player, capabilities);
    hear(player, "] in\r\n");
    if (!imapc_engine_is_ready(player->engine)) {
        hear(player, "* LIST (\\Noselect) \"/\" \"\"\r\nAAAAAA2 OK\r\n");
    }
    assert_true(imapc_engine_is_ready(player->engine));
    buf_clear(&player->sent);
}

static void done(struct player *player)
{
    imapc_engine_free(&player->engine);
    buf_done(&player->input);
    buf_done(&player->sent);
}

static size_t count_octets(const struct buf *buf, uint8_t octet)
{
    size_t count = 0;
    for (size_t i = 0; i < buf->len; i++) {
        count += buf_bytes(buf).ptr[i] == octet;
    }
    return count;
}

/* LITERAL-: the first message goes without asking, the second is too large for that and waits for "+"; NO comes instead. */
static void refused_where_plus_was_due(void **state)
{
    (void)state;
    struct player player;
    struct imapc_message messages[2] = {{.size = 20}, {.size = 5000}};
    log_in(&player, "LITERAL-");
    imapc_engine_append(player.engine, 0, "INBOX", messages, 2);
    run(&player);
    assert_true(bytes_find(buf_bytes(&player.sent), bytes_of("{20+}")) >= 0);
    assert_true(bytes_find(buf_bytes(&player.sent), bytes_of("{5000}")) >= 0);
    assert_int_equal(count_octets(&player.sent, 'b'), 20);
    buf_clear(&player.sent);
    hear(&player, "AAAAAA3 NO [OVERQUOTA] full\r\n");
    assert_int_equal(player.sent.len, 0);
    assert_true(player.has_result);
    assert_string_equal(player.fault.code, "overquota");
    assert_true(imapc_engine_is_ready(player.engine));
    done(&player);
}

/* LITERAL+: NO comes within the first literal. Its octets go out, the command is ended, and nothing more is announced. */
static void refused_within_a_literal(void **state)
{
    (void)state;
    struct player player;
    struct imapc_message messages[3] = {{.size = 30000}, {.size = 300}, {.size = 300}};
    log_in(&player, "LITERAL+");
    imapc_engine_append(player.engine, 0, "INBOX", messages, 3);
    size_t used = 0;
    struct imapc_request request;
    while (imapc_engine_step(player.engine, 0, (struct bytes){NULL, 0}, &used, &request) != IMAPC_WANT_BODY) {
        buf_append_bytes(&player.sent, buf_bytes(imapc_engine_output(player.engine)));
        buf_clear(imapc_engine_output(player.engine));
    }
    hear(&player, "AAAAAA3 NO [OVERQUOTA] full\r\n");
    give_body(&player, &request);
    run(&player);
    assert_int_equal(count_octets(&player.sent, 'b'), 30000);
    assert_int_equal(count_octets(&player.sent, '{'), 1);
    assert_true(bytes_find(buf_bytes(&player.sent), bytes_of("b\r\n")) >= 0);
    assert_true(player.has_result);
    assert_true(imapc_engine_is_ready(player.engine));
    done(&player);
}

/* Behind a whole message the outcome is uncertain, whoever ended the connection; whose end it was is told beside. */
static void whose_end_it_was(void **state)
{
    (void)state;
    struct fault cut = FAULT_INIT, reset = FAULT_INIT;
    fault_set(&cut, FAULT_LOCAL, "any", "pool", "cut off");
    fault_set(&reset, FAULT_TEMP, "econnreset", "net", "connection reset");
    const struct {
        bool is_damaged;
        const struct fault *lost;
        bool ours;
    } ends[] = {{true, NULL, true}, {false, &cut, true}, {false, &reset, false}, {false, NULL, false}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct player player;
        struct imapc_message messages[2] = {{.size = 20}, {.size = 300}};
        log_in(&player, "LITERAL+");
        player.is_second_damaged = ends[i].is_damaged;
        imapc_engine_append(player.engine, 0, "INBOX", messages, 2);
        run(&player);
        if (!ends[i].is_damaged) {
            imapc_engine_lost(player.engine, ends[i].lost);
            run(&player);
        }
        assert_true(player.has_result && player.result.ended);
        assert_int_equal(player.fault.class, FAULT_UNCERTAIN);
        assert_int_equal(player.result.reached, ends[i].is_damaged ? 1 : 2);
        assert_int_equal(player.result.ours, ends[i].ours);
        assert_false(messages[0].unread);
        assert_int_equal(messages[1].unread, ends[i].is_damaged);
        done(&player);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_where_plus_was_due),
        cmocka_unit_test(refused_within_a_literal),
        cmocka_unit_test(whose_end_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
