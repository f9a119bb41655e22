/*
 * sim_client_message - a simulated client hands over one message: what it is, to whom, in which pieces. See sim_client_private.h.
 */
#include <stdio.h>

#include "sim_client_private.h"
#include "sim_faults.h"

void sim_client_send(struct sim_client *client, const char *text, enum step step)
{
    client->step = step;
    client->since = sim_now();
    sim_link_send(client->link, bytes_of(text));
}

static enum sim_mood draw_mood(struct sim_client *client)
{
    static const enum sim_mood moods[] = {SIM_MOOD_HOLD, SIM_MOOD_REJECT, SIM_MOOD_DEFER, SIM_MOOD_DISCARD,
                                          SIM_MOOD_COPY};
    bool is_plain = client->behaves || !sim_random_chance(&client->random, 30);
    return is_plain ? SIM_MOOD_PLAIN
                    : moods[sim_random_between(&client->random, 0, sizeof moods / sizeof moods[0] - 1)];
}

static void begin_message(struct sim_client *client)
{
    if (client->plan != NULL) {
        client->size = client->plan->size;
        client->wanted = 1u << client->plan->recipient;
    } else if (client->tries == 0) {
        unsigned draw = (unsigned)sim_random_between(&client->random, 0, 99);
        client->size = sim_random_between(&client->random, 200, draw < 85 ? 2000 : draw < 99 ? 20000 : 400000);
        client->wanted = (unsigned)sim_random_between(&client->random, 1, (1u << SIM_RECIPIENTS_GOOD) - 1);
        /* Some whom the rules refuse, beside those. */
        client->wanted |= sim_random_chance(&client->random, 20) ? 1u << SIM_RECIPIENTS_GOOD : 0;
        client->wanted |= sim_random_chance(&client->random, 20) ? 2u << SIM_RECIPIENTS_GOOD : 0;
    }
    client->tries++;
    client->rcpt = 0;
    /* Some programs send once more what they think is lost, though they were told that it is kept. */
    struct sim_try *dead = client->listener->once && !client->behaves ? sim_mail_dead_of(client->number) : NULL;
    if (client->again == NULL && dead != NULL) {
        client->again = dead;
        client->wanted = dead->recipients;
    }
    if (client->again != NULL) {
        client->try = client->again;
        client->try->resent = true;
        client->again = NULL;
        return;
    }
    client->try = sim_try_new(client->number, client->size, draw_mood(client));
    client->try->at_once = client->listener->delivered;
}

unsigned sim_client_next_rcpt(const struct sim_client *client, unsigned from)
{
    while (from < SIM_RECIPIENTS && (client->wanted >> from & 1) == 0) {
        from++;
    }
    return from;
}

void sim_client_rcpt_line(unsigned index, struct buf *out)
{
    buf_printf(out, "RCPT TO:<%s>\r\n", sim_recipients[index]);
}

void sim_client_send_envelope(struct sim_client *client)
{
    struct buf out;
    buf_init(&out, 4096);
    begin_message(client);
    buf_printf(&out, "MAIL FROM:<sender%u@client.sim>\r\n", client->number);
    client->rcpt = sim_client_next_rcpt(client, 0);
    for (unsigned i = client->rcpt; client->pipelines && i < SIM_RECIPIENTS; i = sim_client_next_rcpt(client, i + 1)) {
        sim_client_rcpt_line(i, &out);
    }
    buf_append_text(&out, client->pipelines && !client->chunks ? "DATA\r\n" : "");
    sim_client_send(client, buf_text(&out), STEP_MAIL);
    buf_done(&out);
}

static void stuff(struct bytes text, struct buf *out)
{
    bool at_start = true;
    for (size_t i = 0; i < text.len; i++) {
        if (at_start && text.ptr[i] == '.') {
            buf_append_octet(out, '.');
        }
        buf_append_octet(out, text.ptr[i]);
        at_start = text.ptr[i] == '\n';
    }
}

/* Now and then the connection is cut in the middle of these octets; whether it was. */
static bool cuts(struct sim_client *client, struct bytes octets)
{
    if (!client->is_rude || !sim_random_chance(&client->random, 10)) {
        return false;
    }
    sim_link_send(client->link, bytes_slice(octets, 0, octets.len / 2));
    sim_say("client %u cuts within try %u", client->number, client->try->number);
    sim_link_close(&client->link);
    client->try = NULL;
    sim_client_try_later(client);
    return true;
}

static void count_finals(struct sim_client *client)
{
    client->failures = 0;
    client->finals = 0;
    for (unsigned i = 0; i < SIM_RECIPIENTS; i++) {
        client->finals += client->try->recipients >> i & 1;
    }
    client->finals = client->listener->lmtp ? client->finals : 1;
}

void sim_client_send_message(struct sim_client *client)
{
    struct buf text, stuffed;
    buf_init(&text, SIM_TEXT_MAX);
    buf_init(&stuffed, SIM_TEXT_MAX);
    sim_try_text(client->try, &text);
    stuff(buf_bytes(&text), &stuffed);
    if (!cuts(client, buf_bytes(&stuffed))) {
        buf_append_text(&stuffed, ".\r\n");
        sim_try_sent(client->try, client->versions);
        count_finals(client);
        client->step = STEP_TEXT;
        client->since = sim_now();
        sim_link_send(client->link, buf_bytes(&stuffed));
    }
    buf_done(&text);
    buf_done(&stuffed);
}

void sim_client_send_chunks(struct sim_client *client)
{
    struct buf text, out;
    bool is_last;
    buf_init(&text, SIM_TEXT_MAX);
    buf_init(&out, SIM_TEXT_MAX);
    sim_try_text(client->try, &text);
    do {
        size_t left = text.len - client->chunk_at;
        size_t len =
            sim_random_chance(&client->random, 50) ? left : (size_t)sim_random_between(&client->random, 1, left);
        is_last = len == left;
        buf_printf(&out, "BDAT %zu%s\r\n", len, is_last ? " LAST" : "");
        buf_append_bytes(&out, bytes_slice(buf_bytes(&text), client->chunk_at, len));
        client->chunk_at += len;
    } while (!is_last && client->pipelines && sim_random_chance(&client->random, 80));
    if (!cuts(client, buf_bytes(&out))) {
        if (is_last) {
            sim_try_sent(client->try, client->versions);
            client->is_whole = true;
            count_finals(client);
        }
        client->step = STEP_CHUNK;
        client->since = sim_now();
        sim_link_send(client->link, buf_bytes(&out));
    }
    buf_done(&text);
    buf_done(&out);
}
