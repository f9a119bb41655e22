/*
 * sim_client_private - what the parts of a simulated client share: its sessions and what it makes of each reply (sim_client.c), and how it
 * hands over one message (sim_client_message.c).
 */
#ifndef MAILWEIR_SIM_CLIENT_PRIVATE_H
#define MAILWEIR_SIM_CLIENT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim_client.h"
#include "sim_link.h"
#include "sim_mail.h"

#define SIM_TEXT_MAX (16u << 20)

enum step {
    STEP_GREETING,
    STEP_EHLO,
    STEP_STARTTLS,
    STEP_HANDSHAKE,
    STEP_WRONG_AUTH,
    STEP_WRONG_MAIL,
    STEP_AUTH,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_CHUNK,
    STEP_TEXT,
    STEP_QUIT,
    STEP_JUNK
};

struct sim_client {
    unsigned number;
    const struct sim_listener_info *listener;
    const struct sim_client_plan *plan; /* or NULL */
    struct sim_random random;
    struct sim_link *link;
    unsigned left;  /* messages still to be handed over */
    unsigned tries; /* of the current message */
    bool pipelines, is_rude, chunks, behaves;
    bool under_tls, is_stranger, leaves; /* of this connection */
    unsigned node;                       /* that the last connection went to */
    unsigned versions;                   /* of the rules, 1 << version, that this connection may have begun with */
    struct sim_try *try;
    struct sim_try *again;     /* sent whole, its answer was lost, and its listener knows it again */
    struct sim_try *injected;  /* sent in clear behind STARTTLS: nobody may ever see it */
    unsigned finals, failures; /* LMTP: replies still to come, and those that were refusals */
    size_t chunk_at;           /* BDAT: what was sent of the text */
    bool is_whole;             /* BDAT: its last chunk was sent, in this session */
    uint64_t size;             /* of the current message, and ... */
    unsigned wanted;           /* ... its recipients */
    enum step step;            /* whose reply is awaited */
    unsigned rcpt;             /* the next one to be answered */
    uint64_t since;            /* waiting for an answer since then; 0: not waiting */
    struct buf reply;
};

/* sim_client.c: comes back later, in a new connection, if something is left to hand over. */
void sim_client_try_later(struct sim_client *client);

/* sim_client_message.c: sends a line and waits for the reply to `step`. */
void sim_client_send(struct sim_client *client, const char *text, enum step step);
/* MAIL of a new message, or of one whose answer was lost; all to DATA or to the first BDAT where the client pipelines. */
void sim_client_send_envelope(struct sim_client *client);
/* The first recipient wanted from `from` on; SIM_RECIPIENTS: none. */
unsigned sim_client_next_rcpt(const struct sim_client *client, unsigned from);
void sim_client_rcpt_line(unsigned index, struct buf *out);
/* The text after DATA. */
void sim_client_send_message(struct sim_client *client);
/* One chunk (RFC 3030), or all that are left when it pipelines. */
void sim_client_send_chunks(struct sim_client *client);

#endif
