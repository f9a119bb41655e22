/*
 * sim_server - a simulated IMAP server (RFC 9051, 3501) with what a delivery needs: capabilities and manners are drawn from the
 * seed, folders survive its restarts, and what it files goes into the book (sim_mail.h).
 */
#ifndef MAILWEIR_SIM_SERVER_H
#define MAILWEIR_SIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct sim_server;

/* index: 0, in clear, or 1, under TLS. connections: what the gateway is configured to open at most; more at once ends the world. */
struct sim_server *sim_server_new(unsigned index, const char *host, unsigned connections);
/* Not taking connections, and dropping those there are. */
void sim_server_set_down(struct sim_server *server, bool is_down);
/* From now on it works at one pace: so long for each message, and without a delay for all the rest; all that were drawn are left out. */
void sim_server_set_pace(struct sim_server *server, uint64_t message_us);
/* Takes connections and says nothing on them. */
void sim_server_set_silent(struct sim_server *server, bool is_silent);
/* Octets of memory that its messages and connections take. */
uint64_t sim_server_memory(const struct sim_server *server);
/* Answering that it is busy. */
void sim_server_set_throttled(struct sim_server *server, bool is_throttled);
/* All folders get another UIDVALIDITY and new UIDs. */
void sim_server_renumber(struct sim_server *server);

#endif
