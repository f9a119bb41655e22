/*
 * store - what the queue keeps, and the words for it.
 */
#ifndef MAILWEIR_STORE_STORE_H
#define MAILWEIR_STORE_STORE_H

#include "base/bytes.h"
#include "base/fault.h"
#include "mail/mail_envelope.h"

/* Octets of one message's envelope and deliveries as JSON (store_meta.h). */
#define STORE_META_MAX (16u << 20)
/* Octets of arena that the envelope, a delivery and its edits may take. */
#define STORE_ITEM_MAX (64u << 20)
/* Octets that are read or written at a time. */
#define STORE_CHUNK 65536u
/* Deliveries of one message. */
#define STORE_DELIVERIES_MAX 65535
/* Octets of a message's id, with its end. */
#define STORE_ID_LEN 48

/* Of a delivery; the numbers are kept. */
enum store_state {
    STORE_STATE_WAITING = 0,
    STORE_STATE_HELD = 1, /* by an operator or a rule, until it is released */
    STORE_STATE_DEAD = 2,
    STORE_STATE_FILED = 3,
    STORE_STATE_DROPPED = 4, /* nobody has what it brought */
    STORE_STATE_MOVED = 5,   /* rerouted, or to its fallback: another delivery of the message has taken its place */
};
#define STORE_STATES 6

/* "waiting" ...; and back, -1 for another word. */
const char *store_state_name(enum store_state state);
int store_state_of(const char *name);
/* Whether nothing more happens to a delivery in this state. */
bool store_state_is_settled(enum store_state state);

/* Names a delivery. */
struct store_key {
    uint64_t message;
    unsigned number;
};

/* Which deliveries; NULL and 0 do not choose. Strings are compared as they are. */
struct store_select {
    const char *id;         /* of a message, or of a delivery: "<message id>.<number>" */
    const char *message_id; /* the Message-ID field */
    const char *state;      /* "waiting", "held", "dead", "filed", "dropped", "moved"; NULL: the first three */
    const char *upstream, *folder, *sender, *rule;
    int64_t before_ms;      /* received before */
    bool tried;             /* an attempt was made */
    struct store_key after; /* lists only: behind this one, to go on where a list ended */
};

/* Equal for deliveries that may wait for each other, those of one sender to one folder: the others take turns with them. */
uint64_t store_turn_of(const char *sender, const char *folder);

#endif
