/*
 * sim_setup - what the operator of a world has configured, drawn from the seed: listeners, upstreams, and two sets of rules, of which
 * reloads take one or the other. And the oracle of the rules: which folders a message belongs into.
 */
#ifndef MAILWEIR_SIM_SETUP_H
#define MAILWEIR_SIM_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_CONNECTIONS 3
#define SIM_ACTIVE      8

/* The listeners; a client uses one. */
enum sim_listener {
    SIM_LISTENER_PLAIN,
    SIM_LISTENER_STARTTLS, /* and AUTH */
    SIM_LISTENER_TLS,      /* implicit, and AUTH */
    SIM_LISTENER_LMTP,
    SIM_LISTENER_PROXY,     /* a PROXY header in front; only some addresses may send */
    SIM_LISTENER_DELIVERED, /* 250 when the upstream has it */
    SIM_LISTENERS
};
struct sim_listener_info {
    uint16_t port;
    bool starttls, tls, auth, lmtp, proxy, delivered;
    bool once; /* what is sent again is recognised */
};
extern const struct sim_listener_info sim_listeners[SIM_LISTENERS];
#define SIM_USER     "app"
#define SIM_PASSWORD "secret"

/* Folders that messages go to. */
enum sim_place {
    SIM_PLACE_INBOX,
    SIM_PLACE_ONE,
    SIM_PLACE_ONE_ELSE, /* in the place of ONE by the second set of rules */
    SIM_PLACE_TWO,
    SIM_PLACE_BOTH_A,
    SIM_PLACE_BOTH_B,
    SIM_PLACE_COPY,
    SIM_PLACE_COPY_ELSE,
    SIM_PLACE_REROUTED, /* by an operator, never by rules */
    SIM_PLACES
};
extern const struct sim_place_info {
    unsigned server; /* 0 or 1 */
    const char *folder;
} sim_places[SIM_PLACES];
/* The place that this folder is, also on the server that is the fallback of its own; -1: no such folder. */
int sim_place_of(unsigned server, const char *folder);
extern const char *const sim_upstreams[2];

/* Recipients; the last two are refused at RCPT TO by the rules. */
#define SIM_RECIPIENTS      6
#define SIM_RECIPIENTS_GOOD 4
extern const char *const sim_recipients[SIM_RECIPIENTS];

/* What a message's field X-Sim-Mood asks the rules for. */
enum sim_mood {
    SIM_MOOD_PLAIN,
    SIM_MOOD_HOLD,
    SIM_MOOD_REJECT,
    SIM_MOOD_DEFER,
    SIM_MOOD_DISCARD,
    SIM_MOOD_COPY,
    SIM_MOODS
};
extern const char *const sim_moods[SIM_MOODS];
/* The folders (1 << enum sim_place) of a message by the rules of version 0 or 1. recipients: 1 << index of the accepted ones. */
unsigned sim_setup_places(enum sim_mood mood, unsigned recipients, unsigned version);

/* Draws everything and writes it to the disk, with rules of version 0. */
void sim_setup_begin(void);
/* Whether mail for this place goes to the other server when its own stays down. */
bool sim_setup_has_fallback(enum sim_place place);
/* Whether each upstream has a second address. */
bool sim_setup_has_standby(void);
/* Whether the upstreams give up within the world's time: then there are dead letters, for an operator to try again. */
bool sim_setup_gives_up(void);
/* Gateways of one queue, of which a client takes any; 1 unless it is said otherwise. How long they may take to end, and their servers to answer, is drawn. Before sim_setup_begin(). */
void sim_setup_set_nodes(unsigned nodes);
unsigned sim_setup_nodes(void);
/* Whether the upstream is configured with STARTTLS, with TLS from the first octet. */
bool sim_setup_starttls(unsigned server);
/*
 * Puts rules of this version on the disk, and other numbers of connections into the configuration; broken rules, of which nothing may ever
 * be taken, when it is 2.
 */
#define SIM_SETUP_BROKEN 2u
void sim_setup_write_rules(unsigned version);
/* Versions that a session on this machine that begins now may keep, 1 << version: the running one, and from a change of the file on the new one too. */
unsigned sim_setup_versions(unsigned machine);
/* The gateway of the machine has begun with what stands in the files; no session of before is left. */
void sim_setup_started(void);
/* It has loaded the files again; they may have changed while it did. */
void sim_setup_taken(void);
/* The gateway runs, and its last load ended well: some time after a change, nothing but that is in force. */
void sim_setup_runs(void);

#endif
