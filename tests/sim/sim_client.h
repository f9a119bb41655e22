/*
 * sim_client - a simulated SMTP client (RFC 5321): it hands over some messages, in its own manner, and tries again until each is
 * acknowledged or refused for good. It keeps the book (sim_mail.h) of what it heard.
 */
#ifndef MAILWEIR_SIM_CLIENT_H
#define MAILWEIR_SIM_CLIENT_H

#include <stdint.h>

struct sim_client;

/* Draws its manners and begins at a drawn time before `latest_us`. */
struct sim_client *sim_client_new(unsigned number, uint16_t port, uint64_t latest_us);
/* Whether nothing is left to do. */
bool sim_client_is_done(const struct sim_client *client);
/* Ends the world when the client has waited for an answer longer than any server may need. */
void sim_client_check(const struct sim_client *client);
/* From now on no cuts and no junk. */
void sim_client_behave(struct sim_client *client);

#endif
