/*
 * sim_client - see sim_client.h. The dialogue: greeting, EHLO, then for each message MAIL, RCPT..., DATA, text, and QUIT.
 *
 * A pipelining client sends MAIL to DATA at once (RFC 2920). A rude one cuts the connection somewhere, or sends junk.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_client.h"
#include "sim_faults.h"
#include "sim_link.h"
#include "sim_mail.h"

#define TRIES_EACH 40
#define REPLY_MAX  4096
#define TEXT_MAX   (4u << 20)
/* RFC 5321 section 4.5.3.2.6 gives the final answer ten minutes; nobody may make a client wait longer. */
#define PATIENCE (11 * SIM_MINUTE)

enum step { STEP_GREETING, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_TEXT, STEP_QUIT, STEP_JUNK };

struct sim_client {
    unsigned number;
    uint16_t port;
    struct sim_random random;
    struct sim_link *link;
    unsigned left;  /* messages still to be handed over */
    unsigned tries; /* of the current message */
    bool pipelines, is_rude;
    struct sim_try *try;
    uint64_t size;   /* of the current message, and ... */
    unsigned wanted; /* ... its recipients */
    enum step step;  /* whose reply is awaited */
    unsigned rcpt;   /* the next one to be answered */
    uint64_t since;  /* waiting for an answer since then; 0: not waiting */
    struct buf reply;
};

static void on_begin(void *ctx);

static void try_later(struct sim_client *client)
{
    client->since = 0;
    if (client->left > 0) {
        sim_after(sim_random_between(&client->random, SIM_SECOND, 40 * SIM_SECOND), on_begin, client);
    }
}

/* ---- talking ---- */

static void send_text(struct sim_client *client, const char *text, enum step step)
{
    client->step = step;
    client->since = sim_now();
    sim_link_send(client->link, bytes_of(text));
}

static void begin_message(struct sim_client *client)
{
    if (client->tries == 0) {
        unsigned draw = (unsigned)sim_random_between(&client->random, 0, 99);
        client->size = sim_random_between(&client->random, 200, draw < 85 ? 2000 : draw < 99 ? 20000 : 400000);
        client->wanted = (unsigned)sim_random_between(&client->random, 1, (1u << SIM_RECIPIENTS) - 1);
    }
    client->tries++;
    client->try = sim_try_new(client->size);
    client->rcpt = 0;
}

static unsigned next_rcpt(const struct sim_client *client, unsigned from)
{
    while (from < SIM_RECIPIENTS && (client->wanted >> from & 1) == 0) {
        from++;
    }
    return from;
}

static void rcpt_line(const struct sim_client *client, unsigned index, struct buf *out)
{
    (void)client;
    buf_printf(out, "RCPT TO:<%s>\r\n", sim_recipients[index].address);
}

static void send_envelope(struct sim_client *client)
{
    struct buf out;
    buf_init(&out, 4096);
    begin_message(client);
    buf_printf(&out, "MAIL FROM:<sender%u@client.sim>\r\n", client->number);
    client->rcpt = next_rcpt(client, 0);
    for (unsigned i = client->rcpt; client->pipelines && i < SIM_RECIPIENTS; i = next_rcpt(client, i + 1)) {
        rcpt_line(client, i, &out);
    }
    buf_append_text(&out, client->pipelines ? "DATA\r\n" : "");
    send_text(client, buf_text(&out), STEP_MAIL);
    buf_done(&out);
}

static void send_message(struct sim_client *client)
{
    struct buf text, stuffed;
    buf_init(&text, TEXT_MAX);
    buf_init(&stuffed, TEXT_MAX);
    sim_try_text(client->try, &text);
    bool at_start = true;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t octet = buf_bytes(&text).ptr[i];
        if (at_start && octet == '.') {
            buf_append_octet(&stuffed, '.');
        }
        buf_append_octet(&stuffed, octet);
        at_start = octet == '\n';
    }
    if (client->is_rude && sim_random_chance(&client->random, 10)) {
        sim_link_send(client->link, bytes_slice(buf_bytes(&stuffed), 0, stuffed.len / 2));
        sim_say("client %u cuts within try %u", client->number, client->try->number);
        sim_link_close(&client->link);
        client->try = NULL;
        try_later(client);
    } else {
        buf_append_text(&stuffed, ".\r\n");
        client->try->state = SIM_TRY_SENT;
        client->step = STEP_TEXT;
        client->since = sim_now();
        sim_link_send(client->link, buf_bytes(&stuffed));
    }
    buf_done(&text);
    buf_done(&stuffed);
}

static void next_message(struct sim_client *client)
{
    bool stays = client->left > 0 && !sim_random_chance(&client->random, 20);
    if (client->is_rude && sim_random_chance(&client->random, 10)) {
        send_text(client, "\x16\x03\x01 junk \xFF\x00\r\n", STEP_JUNK);
    } else if (stays) {
        send_envelope(client);
    } else {
        send_text(client, "QUIT\r\n", STEP_QUIT);
    }
}

static void give_up_try(struct sim_client *client, const char *why)
{
    sim_say("client %u: try %u %s", client->number, client->try->number, why);
    client->try->state = SIM_TRY_REFUSED;
    client->try = NULL;
    if (client->tries >= TRIES_EACH) {
        sim_fail("client %u: message refused %u times in a row, last: %s", client->number, client->tries, why);
    }
}

/* ---- listening ---- */

static void on_final(struct sim_client *client, unsigned code, const char *line)
{
    if (code / 100 == 2) {
        sim_say("client %u: try %u acknowledged", client->number, client->try->number);
        client->try->state = SIM_TRY_ACKED;
        client->try = NULL;
        client->left--;
        client->tries = 0;
    } else {
        for (size_t i = 0; i < SIM_PLACES; i++) {
            if (client->try->filed[i] > 0) {
                sim_fail("try %u was filed and then refused: %s", client->try->number, line);
            }
        }
        give_up_try(client, line);
    }
    next_message(client);
}

static void end_session(struct sim_client *client)
{
    sim_link_close(&client->link);
    try_later(client);
}

static void after_rcpt(struct sim_client *client, unsigned code)
{
    if (code / 100 == 2) {
        client->try->recipients |= 1u << client->rcpt;
    }
    client->rcpt = next_rcpt(client, client->rcpt + 1);
    if (client->rcpt < SIM_RECIPIENTS) {
        struct buf out;
        buf_init(&out, 200);
        rcpt_line(client, client->rcpt, &out);
        client->step = STEP_RCPT;
        if (!client->pipelines) {
            send_text(client, buf_text(&out), STEP_RCPT);
        }
        buf_done(&out);
    } else if (client->pipelines) {
        client->step = STEP_DATA;
    } else if (client->try->recipients != 0) {
        send_text(client, "DATA\r\n", STEP_DATA);
    } else {
        give_up_try(client, "has no recipient");
        end_session(client);
    }
}

static void on_mail_reply(struct sim_client *client, unsigned code, const char *line)
{
    if (code / 100 != 2) {
        give_up_try(client, line);
        end_session(client);
        return;
    }
    client->step = STEP_RCPT;
    if (!client->pipelines) {
        struct buf out;
        buf_init(&out, 200);
        rcpt_line(client, client->rcpt, &out);
        send_text(client, buf_text(&out), STEP_RCPT);
        buf_done(&out);
    }
}

static void on_reply(struct sim_client *client, unsigned code, const char *line)
{
    client->since = sim_now();
    if (code == 421) {
        if (client->try != NULL) {
            give_up_try(client, line);
        }
        end_session(client);
        return;
    }
    switch (client->step) {
    case STEP_GREETING:
        if (code / 100 == 2) {
            send_text(client, "EHLO client.sim\r\n", STEP_EHLO);
        } else {
            end_session(client);
        }
        break;
    case STEP_EHLO:
    case STEP_JUNK:
        next_message(client);
        break;
    case STEP_MAIL:
        on_mail_reply(client, code, line);
        break;
    case STEP_RCPT:
        after_rcpt(client, code);
        break;
    case STEP_DATA:
        if (code == 354) {
            send_message(client);
        } else {
            give_up_try(client, line);
            end_session(client);
        }
        break;
    case STEP_TEXT:
        on_final(client, code, line);
        break;
    case STEP_QUIT:
        end_session(client);
        break;
    }
}

/* Takes replies off the buffer, line by line; only the last line of one counts. */
static void on_data(void *ctx, struct bytes data)
{
    struct sim_client *client = ctx;
    if (buf_append_bytes(&client->reply, data) != 0) {
        sim_fail("client %u hears no end of a reply", client->number);
    }
    ptrdiff_t end;
    while (client->link != NULL && (end = bytes_find_octet(buf_bytes(&client->reply), '\n')) >= 0) {
        char line[600];
        struct bytes view = bytes_slice(buf_bytes(&client->reply), 0, (size_t)end + 1);
        struct bytes text = bytes_trim(view);
        snprintf(line, sizeof line, "%.*s", (int)text.len, (const char *)text.ptr);
        buf_consume(&client->reply, (size_t)end + 1);
        uint64_t code;
        if (text.len < 3 || !bytes_to_u64(bytes_of((char[]){line[0], line[1], line[2], '\0'}), &code)) {
            sim_fail("client %u hears no reply code: %s", client->number, line);
        }
        if (line[3] != '-') {
            on_reply(client, (unsigned)code, line);
        }
    }
}

static void on_open(void *ctx)
{
    (void)ctx;
}

static void on_close(void *ctx, bool was_reset)
{
    struct sim_client *client = ctx;
    client->link = NULL;
    if (client->try != NULL) {
        sim_say("client %u: connection %s within try %u", client->number, was_reset ? "reset" : "closed",
                client->try->number);
        client->try = NULL; /* open or sent: as it was */
    }
    try_later(client);
}

static const struct sim_link_events events = {.on_open = on_open, .on_data = on_data, .on_close = on_close};

static void on_begin(void *ctx)
{
    struct sim_client *client = ctx;
    struct sim_link_trouble trouble;
    if (client->link != NULL || client->left == 0) {
        return;
    }
    sim_faults_link(&trouble);
    client->link = sim_link_connect(client->port, "127.0.0.1", &events, client, &trouble);
    if (client->link == NULL) {
        try_later(client);
        return;
    }
    buf_clear(&client->reply);
    client->step = STEP_GREETING;
    client->since = sim_now();
}

struct sim_client *sim_client_new(unsigned number, uint16_t port, uint64_t latest_us)
{
    struct sim_client *client = expect_calloc(1, sizeof *client);
    client->number = number;
    client->port = port;
    sim_random_init(&client->random, sim_seed(), "client", number);
    client->left = (unsigned)sim_random_between(&client->random, 1, 8);
    client->pipelines = sim_random_chance(&client->random, 50);
    client->is_rude = sim_random_chance(&client->random, 30);
    buf_init(&client->reply, REPLY_MAX);
    sim_after(sim_random_between(&client->random, 0, latest_us), on_begin, client);
    return client;
}

bool sim_client_is_done(const struct sim_client *client)
{
    return client->left == 0 && client->link == NULL;
}

void sim_client_check(const struct sim_client *client)
{
    if (client->link != NULL && client->since > 0 && sim_now() - client->since > PATIENCE) {
        sim_fail("client %u waits since %.3f s for the answer to step %d", client->number, (double)client->since / 1e6,
                 client->step);
    }
}

void sim_client_behave(struct sim_client *client)
{
    client->is_rude = false;
}
