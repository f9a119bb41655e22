/*
 * sim_server - a simulated IMAP server (RFC 9051, 3501) with what a delivery needs: capabilities and manners are drawn from the
 * seed, folders survive its restarts, and what it files goes into the book (sim_mail.h).
 */
#ifndef MAILWEIR_SIM_SERVER_H
#define MAILWEIR_SIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct sim_server;

/* What a server makes of a look at a folder. */
enum sim_server_look {
    SIM_SERVER_LOOK_GOOD,
    SIM_SERVER_LOOK_NO_EXAMINE, /* the folder is locked just now */
    SIM_SERVER_LOOK_NO_FETCH,
    SIM_SERVER_LOOK_EMPTY,  /* FETCH says OK, and no data comes */
    SIM_SERVER_LOOK_GAPPED, /* FETCH says OK, and leaves messages out */
    SIM_SERVER_LOOKS
};

/* index: 0, in clear, or 1, under TLS. connections: what the gateway is configured to open at most; more at once ends the world. */
struct sim_server *sim_server_new(unsigned index, const char *host, unsigned connections);
/* Another host that leads to it: it takes connections while the first one is away, and shows what came by that so much later; 0: not. */
void sim_server_add_standby(struct sim_server *server, const char *host);
void sim_server_set_standby(struct sim_server *server, uint64_t lag_us);
/* Not taking connections, and dropping those there are. */
void sim_server_set_down(struct sim_server *server, bool is_down);
/* From now on it works at one pace: so long for each message, and without a delay for all the rest; all that were drawn are left out. */
void sim_server_set_pace(struct sim_server *server, uint64_t message_us);
/* It executes what it has heard within "settle", also while the connection stands: what takes over from a node that stands still counts on that. */
void sim_server_set_prompt(struct sim_server *server);
/* What the account may do from now on; by reference, NULL: as much as there is. */
struct sim_budget;
void sim_server_set_budget(struct sim_server *server, struct sim_budget *budget);
/* Takes connections and says nothing on them. */
void sim_server_set_silent(struct sim_server *server, bool is_silent);
/* It takes several messages in one command, each of which takes it so long; the first batch is filed but for its last message and refused, and the answer to what
 * is filed next is lost. */
void sim_server_set_batches(struct sim_server *server, uint64_t message_us);
/* Asked before each command; it says what becomes of it. The gateway may be gone behind it. */
enum sim_step { SIM_STEP_GOES_ON, SIM_STEP_CUT_BEFORE, SIM_STEP_CUT_BEHIND, SIM_STEP_SAYS_NO };
typedef enum sim_step sim_server_step_fn(void *ctx, const char *command);
void sim_server_watch(struct sim_server *server, sim_server_step_fn *fn, void *ctx);
/* Told when it has heard a message of an APPEND to its end, and nothing of that is done yet; true: it takes its time over it, as long as "settle" allows. */
typedef bool sim_server_heard_fn(unsigned machine);
void sim_server_set_heard(struct sim_server *server, sim_server_heard_fn *fn);
/* Octets of memory that its messages and connections take. */
uint64_t sim_server_memory(const struct sim_server *server);
/* Answering that it is busy. */
void sim_server_set_throttled(struct sim_server *server, bool is_throttled);
/* All folders get another UIDVALIDITY and new UIDs. */
void sim_server_renumber(struct sim_server *server);
void sim_server_set_look(struct sim_server *server, enum sim_server_look look);

/* What people and filters do to the mail there (sim_server_people.c). */
/* So many old messages, with dates of long ago, are copied into each folder. */
void sim_server_crowd(struct sim_server *server, unsigned count);
/* What is foreign is deleted; with_ours: some of what was filed, too. */
void sim_server_expunge(struct sim_server *server, bool with_ours);
/* What was filed into folders, and what comes, is moved to the archive, the trash or junk, now and then. */
void sim_server_set_moving(struct sim_server *server, bool is_moving);

#endif
