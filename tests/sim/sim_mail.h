/*
 * sim_mail - the book of what was sent: every try to hand over a message is a message of its own, told from all others by its
 * token, with what the client heard and where the servers have it.
 */
#ifndef MAILWEIR_SIM_MAIL_H
#define MAILWEIR_SIM_MAIL_H

#include "base/buf.h"
#include "sim.h"

/* Folders that messages go to, by the rules of the world (world_gateway.c). */
enum sim_place { SIM_PLACE_INBOX, SIM_PLACE_ONE, SIM_PLACE_TWO, SIM_PLACE_BOTH_A, SIM_PLACE_BOTH_B, SIM_PLACES };
extern const struct sim_place_info {
    unsigned server; /* 0 or 1 */
    const char *folder;
} sim_places[SIM_PLACES];

enum sim_try_state {
    SIM_TRY_OPEN,    /* its end of data was not sent: must not be anywhere */
    SIM_TRY_SENT,    /* sent whole, no answer (yet): may be filed, once */
    SIM_TRY_REFUSED, /* must not be anywhere */
    SIM_TRY_ACKED,   /* must be in each of its folders, once */
};

struct sim_try {
    unsigned number;
    enum sim_try_state state;
    unsigned recipients; /* 1 << index into sim_recipients that were accepted */
    size_t size;
    bool refused_for_good[SIM_PLACES]; /* a server has said never: a dead letter is right */
    unsigned filed[SIM_PLACES];
};

#define SIM_RECIPIENTS 4
extern const struct sim_recipient_info {
    const char *address;
    unsigned places; /* 1 << enum sim_place */
} sim_recipients[SIM_RECIPIENTS];

/* A new try; its text is drawn by its number. */
struct sim_try *sim_try_new(uint64_t size);
/* The octets as the client means them (before dot-stuffing), CRLF line ends. */
void sim_try_text(const struct sim_try *try, struct buf *out);
/* Folders that it belongs into: 1 << enum sim_place. */
unsigned sim_try_places(const struct sim_try *try);

/* Notes that a server has filed these octets; ends the world when they are no whole message of ours, or in a wrong folder. */
void sim_mail_filed(unsigned server, const char *folder, struct bytes octets);
/* The try that these octets belong to, or NULL. */
struct sim_try *sim_mail_find(struct bytes octets);

/* Checks after each filing and answer; the loud part at the end. */
void sim_mail_check_end(uint64_t dead_letters);
/* Whether everything acknowledged is where it belongs, or dead. */
bool sim_mail_settled(void);
size_t sim_mail_count(enum sim_try_state state);

#endif
