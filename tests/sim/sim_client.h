/*
 * sim_client - a simulated SMTP or LMTP client (RFC 5321, 2033): it hands over some messages, in its own manner, and tries again until each
 * is acknowledged or refused for good. It keeps the book (sim_mail.h) of what it heard.
 */
#ifndef MAILWEIR_SIM_CLIENT_H
#define MAILWEIR_SIM_CLIENT_H

#include <stdint.h>

#include "sim_setup.h"

struct sim_client;

/* Draws its manners and its listener, and begins at a drawn time before `latest_us`. */
struct sim_client *sim_client_new(unsigned number, uint64_t latest_us);
/* A client without manners of its own: so many messages of that size to one recipient, one after the other, each after a pause. */
struct sim_client_plan {
    unsigned count, recipient;
    uint64_t size, begin_us, pause_us;
};
struct sim_client *sim_client_new_planned(unsigned number, const struct sim_client_plan *plan);
/* Whether nothing is left to do. */
bool sim_client_is_done(const struct sim_client *client);
bool sim_clients_are_done(struct sim_client *const *clients, size_t count);
/* Ends the world when the client has waited for an answer longer than any server may need. */
void sim_client_check(const struct sim_client *client);
/* From now on no cuts, no junk, and nothing that rules put off. */
void sim_client_behave(struct sim_client *client);

#endif
