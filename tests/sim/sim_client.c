/*
 * sim_client - see sim_client.h. The dialogue: (PROXY header,) greeting, EHLO, (STARTTLS, EHLO,) (AUTH,) then for each message MAIL, RCPT...,
 * DATA with the text or BDAT, and QUIT.
 *
 * What was sent whole and not answered is sent again: as a new message, or as it was where the listener knows that again.
 *
 * A pipelining client sends MAIL to DATA at once (RFC 2920), or MAIL to the last BDAT. A rude one cuts the connection somewhere, sends junk,
 * tries a wrong password, or sends a whole message in clear behind its STARTTLS.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "sim_client_private.h"
#include "sim_faults.h"

#define TRIES_EACH 40
/* Where delivery is acknowledged, an upstream that this node does not reach, and another one does, is a refusal each time;
 * and these clients come again at once. */
#define TRIES_DELIVERED 1000
#define REPLY_MAX       4096
/* RFC 5321 section 4.5.3.2.6 gives the final answer ten minutes; nobody may make a client wait longer. */
#define PATIENCE (11 * SIM_MINUTE)

static void on_begin(void *ctx);
static void next_message(struct sim_client *client);
static void end_session(struct sim_client *client);

void sim_client_try_later(struct sim_client *client)
{
    client->since = 0;
    if (client->left > 0) {
        sim_after(sim_random_between(&client->random, SIM_SECOND, 40 * SIM_SECOND), on_begin, client);
    }
}

/* ---- from message to message ---- */

static void on_pause_over(void *ctx)
{
    struct sim_client *client = ctx;
    if (client->link != NULL) {
        sim_client_send_envelope(client);
    }
}

static void next_message(struct sim_client *client)
{
    if (client->leaves) {
        end_session(client);
        return;
    }
    bool stays = client->left > 0 && (client->plan != NULL || !sim_random_chance(&client->random, 20));
    if (client->is_rude && sim_random_chance(&client->random, 10)) {
        sim_client_send(client, "\x16\x03\x01 junk \xFF\x00\r\n", STEP_JUNK);
    } else if (stays && client->plan != NULL && client->plan->pause_us > 0) {
        client->since = 0;
        sim_after(client->plan->pause_us, on_pause_over, client);
    } else if (stays) {
        sim_client_send_envelope(client);
    } else {
        sim_client_send(client, "QUIT\r\n", STEP_QUIT);
    }
}

/* ---- the beginning of a session ---- */

static void say_hello(struct sim_client *client)
{
    sim_client_send(client, client->listener->lmtp ? "LHLO client.sim\r\n" : "EHLO client.sim\r\n", STEP_EHLO);
}

static void write_auth(struct buf *out, const char *password)
{
    static const char user[] = SIM_USER;
    struct buf plain;
    buf_init(&plain, 200);
    buf_append_octet(&plain, 0);
    buf_append(&plain, user, sizeof user); /* with its NUL */
    buf_append_text(&plain, password);
    buf_append_text(out, "AUTH PLAIN ");
    units_base64_encode(out, buf_bytes(&plain));
    buf_append_text(out, "\r\n");
    buf_done(&plain);
}

static void send_auth(struct sim_client *client, const char *password, enum step step)
{
    struct buf out;
    buf_init(&out, 400);
    write_auth(&out, password);
    sim_client_send(client, buf_text(&out), step);
    buf_done(&out);
}

/* A message in clear behind STARTTLS: who takes it for the first commands under TLS has let anybody in between speak for the client. */
static void send_starttls(struct sim_client *client)
{
    struct buf out, text;
    buf_init(&out, SIM_TEXT_MAX);
    buf_init(&text, SIM_TEXT_MAX);
    buf_append_text(&out, "STARTTLS\r\n");
    if (client->is_rude && client->injected == NULL && sim_random_chance(&client->random, 50)) {
        client->injected = sim_try_new(client->number, 300, SIM_MOOD_PLAIN);
        client->injected->recipients = 1;
        client->injected->state = SIM_TRY_REFUSED;
        buf_append_text(&out, "EHLO evil.sim\r\n");
        write_auth(&out, SIM_PASSWORD);
        sim_try_text(client->injected, &text);
        buf_printf(&out, "MAIL FROM:<evil@client.sim>\r\nRCPT TO:<%s>\r\nBDAT %zu LAST\r\n", sim_recipients[0],
                   text.len);
        buf_append_bytes(&out, buf_bytes(&text));
        sim_say("client %u sends try %u in clear behind STARTTLS", client->number, client->injected->number);
    }
    client->step = STEP_STARTTLS;
    client->since = sim_now();
    sim_link_send(client->link, buf_bytes(&out));
    buf_done(&out);
    buf_done(&text);
}

static void after_hello(struct sim_client *client)
{
    if (client->listener->starttls && !client->under_tls) {
        send_starttls(client);
    } else if (client->listener->auth && client->is_rude && sim_random_chance(&client->random, 40)) {
        send_auth(client, "guess", STEP_WRONG_AUTH);
    } else if (client->listener->auth) {
        send_auth(client, SIM_PASSWORD, STEP_AUTH);
    } else {
        next_message(client);
    }
}

static void on_auth_reply(struct sim_client *client, unsigned code, const char *line)
{
    bool is_good = code / 100 == 2;
    if (client->step == STEP_WRONG_AUTH && is_good) {
        sim_fail("client %u logs in with a wrong password: %s", client->number, line);
    }
    if (client->step == STEP_WRONG_AUTH) {
        sim_client_send(client, "MAIL FROM:<thief@client.sim>\r\n", STEP_WRONG_MAIL);
    } else if (is_good) {
        next_message(client);
    } else {
        end_session(client);
    }
}

static void give_up_try(struct sim_client *client, const char *why)
{
    sim_say("client %u: try %u %s", client->number, client->try->number, why);
    /* Where delivery is acknowledged, what was under way may be filed all the same; and so may what was sent before. */
    bool is_open = (client->listener->delivered || client->try->resent) && client->try->state == SIM_TRY_SENT;
    bool repeats = is_open && client->listener->delivered && sim_random_chance(&client->random, 70);
    client->again = repeats ? client->
    try : NULL
        ;
    client->try->state = client->try->acked_us != 0 ? SIM_TRY_ACKED : is_open ? SIM_TRY_SENT : SIM_TRY_REFUSED;
    client->try = NULL;
    if (client->tries >= (client->listener->delivered ? TRIES_DELIVERED : TRIES_EACH)) {
        sim_fail("client %u: message refused %u times in a row, last: %s", client->number, client->tries, why);
    }
}

/* ---- listening ---- */

/* The message is the gateway's, under the id that the reply tells. */
static void on_accepted(struct sim_client *client, const char *line)
{
    char id[SIM_MAIL_ID_LEN] = "";
    const char *as = strstr(line, "accepted as ");
    if (as == NULL || sscanf(as, "accepted as %39s", id) != 1) {
        sim_fail("client %u hears no id: %s", client->number, line);
    }
    struct sim_try *try = client->try;
    sim_say("client %u: try %u acknowledged as %s", client->number, try->number, id);
    if (try->mood == SIM_MOOD_REJECT || try->mood == SIM_MOOD_DEFER) {
        sim_fail("try %u was acknowledged, and the rules refuse it", try->number);
    }
    sim_try_acked(try, id);
    for (size_t i = 0; try->at_once && i < SIM_PLACES; i++) {
        bool belongs =
            (sim_setup_places(try->mood, try->recipients, 0) & sim_setup_places(try->mood, try->recipients, 1)) >> i &
            1;
        if (belongs && try->filings[i].count == 0) {
            sim_fail("try %u was acknowledged as delivered, and is not in %s", try->number, sim_places[i].folder);
        }
    }
    client->try = NULL;
    client->left--;
    client->tries = 0;
}

static void on_final(struct sim_client *client, unsigned code, const char *line)
{
    bool is_good = code / 100 == 2;
    client->failures += !is_good;
    if (--client->finals > 0) {
        return;
    }
    if (client->failures > 0 && is_good) {
        sim_fail("client %u: some recipients of try %u were taken and some refused", client->number,
                 client->try->number);
    }
    if (is_good) {
        on_accepted(client, line);
        next_message(client);
        return;
    }
    for (size_t i = 0; i < SIM_PLACES && !client->listener->delivered && !client->try->resent; i++) {
        if (client->try->filings[i].count > 0) {
            sim_fail("try %u was filed and then refused: %s", client->try->number, line);
        }
    }
    bool for_good = code / 100 == 5;
    if (client->try->mood == SIM_MOOD_REJECT && !for_good && strstr(line, "not this one") != NULL) {
        sim_fail("try %u was to be refused for good: %s", client->try->number, line);
    }
    bool is_over = for_good && client->try->mood == SIM_MOOD_REJECT;
    give_up_try(client, line);
    if (is_over) {
        client->left--;
        client->tries = 0;
    }
    next_message(client);
}

static void end_session(struct sim_client *client)
{
    sim_link_close(&client->link);
    sim_client_try_later(client);
}

static void after_rcpt(struct sim_client *client, unsigned code)
{
    if (code / 100 == 2 && client->rcpt >= SIM_RECIPIENTS_GOOD) {
        sim_fail("client %u: the rules refuse %s, and it was accepted", client->number, sim_recipients[client->rcpt]);
    }
    if (code / 100 == 2) {
        client->try->recipients |= 1u << client->rcpt;
    }
    client->rcpt = sim_client_next_rcpt(client, client->rcpt + 1);
    if (client->rcpt < SIM_RECIPIENTS) {
        struct buf out;
        buf_init(&out, 200);
        sim_client_rcpt_line(client->rcpt, &out);
        client->step = STEP_RCPT;
        if (!client->pipelines) {
            sim_client_send(client, buf_text(&out), STEP_RCPT);
        }
        buf_done(&out);
    } else if (client->chunks && client->try->recipients != 0) {
        client->chunk_at = 0;
        client->is_whole = false;
        sim_client_send_chunks(client);
    } else if (client->pipelines && !client->chunks) {
        client->step = STEP_DATA;
    } else if (client->try->recipients != 0) {
        sim_client_send(client, "DATA\r\n", STEP_DATA);
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
    if (client->is_stranger) {
        sim_fail("client %u comes from where nobody may send, and may: %s", client->number, line);
    }
    client->step = STEP_RCPT;
    if (!client->pipelines) {
        struct buf out;
        buf_init(&out, 200);
        sim_client_rcpt_line(client->rcpt, &out);
        sim_client_send(client, buf_text(&out), STEP_RCPT);
        buf_done(&out);
    }
}

/* Each chunk but the last has one reply; those of the last are the message's. */
static void on_chunk_reply(struct sim_client *client, unsigned code, const char *line)
{
    bool is_chunk = strstr(line, "chunk received") != NULL;
    bool is_sent = client->is_whole;
    if (is_chunk && !is_sent) {
        sim_client_send_chunks(client);
    } else if (!is_chunk && is_sent) {
        client->step = STEP_TEXT;
        client->leaves = code / 100 != 2; /* which of several chunks was refused nobody knows */
        on_final(client, code, line);
    } else if (!is_chunk) {
        give_up_try(client, line);
        end_session(client);
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
        client->versions |= sim_setup_versions(client->node); /* it began between the two */
        if (code / 100 == 2) {
            say_hello(client);
        } else {
            end_session(client);
        }
        break;
    case STEP_EHLO:
        after_hello(client);
        break;
    case STEP_STARTTLS:
        if (code / 100 == 2) {
            client->step = STEP_HANDSHAKE;
            sim_link_start_tls(client->link);
        } else {
            end_session(client);
        }
        break;
    case STEP_HANDSHAKE:
        sim_fail("client %u hears a reply in clear within the handshake: %s", client->number, line);
    case STEP_WRONG_AUTH:
    case STEP_AUTH:
        on_auth_reply(client, code, line);
        break;
    case STEP_WRONG_MAIL:
        if (code / 100 == 2) {
            sim_fail("client %u may send without a password: %s", client->number, line);
        }
        send_auth(client, SIM_PASSWORD, STEP_AUTH);
        break;
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
            sim_client_send_message(client);
        } else {
            give_up_try(client, line);
            end_session(client);
        }
        break;
    case STEP_CHUNK:
        on_chunk_reply(client, code, line);
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
        sim_say("client %u hears in step %d: %.100s", client->number, client->step, line);
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
        client->again = client->listener->once && client->try->state == SIM_TRY_SENT ? client->
        try : NULL
            ;
        client->try = NULL; /* open or sent: as it was */
    }
    sim_client_try_later(client);
}

static void on_tls(void *ctx)
{
    struct sim_client *client = ctx;
    client->under_tls = true;
    client->since = sim_now();
    if (client->listener->starttls) {
        say_hello(client);
    } else {
        client->step = STEP_GREETING;
    }
}

static const struct sim_link_events events = {
    .on_open = on_open, .on_data = on_data, .on_tls = on_tls, .on_close = on_close};

/* The load balancer's word for where the client comes from; some come from where nobody may send. */
static void send_proxy_header(struct sim_client *client)
{
    char header[100];
    client->is_stranger = client->is_rude && sim_random_chance(&client->random, 50);
    snprintf(header, sizeof header, "PROXY TCP4 192.0.2.%u 192.0.2.1 4000 25\r\n", client->is_stranger ? 200 : 7);
    sim_link_send(client->link, bytes_of(header));
}

/* Where there are several gateways, what stands in front of them knows nothing of how they are. */
static struct sim_link *connect_somewhere(struct sim_client *client, const struct sim_link_trouble *trouble)
{
    unsigned nodes = sim_setup_nodes();
    unsigned node = nodes > 1 ? (unsigned)sim_random_between(&client->random, 0, nodes - 1) : 0;
    unsigned before = sim_machine_enter(node);
    client->node = node;
    struct sim_link *link = sim_link_connect(client->listener->port, "127.0.0.1", &events, client, trouble);
    sim_machine_enter(before);
    return link;
}

static void on_begin(void *ctx)
{
    struct sim_client *client = ctx;
    struct sim_link_trouble trouble;
    if (client->link != NULL || client->left == 0) {
        return;
    }
    sim_faults_link(&trouble);
    client->link = connect_somewhere(client, &trouble);
    if (client->link == NULL) {
        sim_client_try_later(client);
        return;
    }
    buf_clear(&client->reply);
    client->step = STEP_GREETING;
    client->since = sim_now();
    client->under_tls = client->is_stranger = client->leaves = false;
    client->versions = sim_setup_versions(client->node);
    if (client->listener->proxy) {
        send_proxy_header(client);
    } else if (client->listener->tls) {
        sim_link_start_tls(client->link);
    }
}

struct sim_client *sim_client_new(unsigned number, uint64_t latest_us)
{
    struct sim_client *client = expect_calloc(1, sizeof *client);
    client->number = number;
    sim_random_init(&client->random, sim_seed(), "client", number);
    client->listener = &sim_listeners[sim_random_between(&client->random, 0, SIM_LISTENERS - 1)];
    client->left = (unsigned)sim_random_between(&client->random, 1, 8);
    client->pipelines = sim_random_chance(&client->random, 50);
    client->is_rude = sim_random_chance(&client->random, 30);
    client->chunks = sim_random_chance(&client->random, 30);
    buf_init(&client->reply, REPLY_MAX);
    sim_after(sim_random_between(&client->random, 0, latest_us), on_begin, client);
    return client;
}

struct sim_client *sim_client_new_planned(unsigned number, const struct sim_client_plan *plan)
{
    struct sim_client *client = expect_calloc(1, sizeof *client);
    client->number = number;
    client->plan = plan;
    client->listener = &sim_listeners[SIM_LISTENER_PLAIN];
    client->left = plan->count;
    client->behaves = client->pipelines = true;
    sim_random_init(&client->random, sim_seed(), "client", number);
    buf_init(&client->reply, REPLY_MAX);
    sim_after(plan->begin_us, on_begin, client);
    return client;
}

bool sim_client_is_done(const struct sim_client *client)
{
    return client->left == 0 && client->link == NULL;
}

bool sim_clients_are_done(struct sim_client *const *clients, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!sim_client_is_done(clients[i])) {
            return false;
        }
    }
    return true;
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
    client->behaves = true;
}
