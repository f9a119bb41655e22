/*
 * sim_server_private - what the parts of the simulated IMAP server share: the connection with its parser (sim_server.c) and the
 * commands (sim_server_commands.c).
 */
#ifndef MAILWEIR_SIM_SERVER_PRIVATE_H
#define MAILWEIR_SIM_SERVER_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "sim.h"
#include "sim_link.h"
#include "sim_mail.h"
#include "sim_server.h"

#define SIM_SERVER_FOLDERS 16
#define SIM_SERVER_TOKENS  64

struct sim_stored {
    struct list link;
    uint32_t uid;
    char date[32]; /* INTERNALDATE */
    struct buf octets;
    struct sim_filing *filing; /* what the book has of it */
};

struct sim_folder {
    char name[64];
    uint32_t uidvalidity, uidnext;
    struct list messages;
};

struct sim_server {
    unsigned index;
    unsigned connections; /* that the gateway is configured to open at most ... */
    unsigned most;        /* ... and that this server takes at once */
    struct sim_random random;
    bool is_down, is_throttled, is_silent;
    bool is_steady;    /* at one pace: */
    uint64_t pace_us;  /* for each message */
    uint64_t octets;   /* stored */
    bool has_tls;      /* from the first octet */
    bool has_starttls; /* nobody logs in without */
    bool has_literal_plus, has_literal_minus, has_uidplus, has_multiappend, has_create_hint;
    char delimiter;
    uint32_t next_validity;
    struct sim_folder folders[SIM_SERVER_FOLDERS];
    size_t folder_count;
    struct list sessions;
    unsigned session_count;
};

struct sim_token {
    struct buf text;
    bool is_literal;
};

struct sim_session {
    struct list all;
    struct sim_server *server;
    unsigned number; /* for the trace */
    struct sim_link *link;
    struct buf in;
    struct sim_event *event;                    /* works on what has come */
    uint64_t busy_until;                        /* with what has been filed */
    struct sim_token tokens[SIM_SERVER_TOKENS]; /* of the command so far */
    size_t count;
    uint64_t literal; /* octets of a literal still to come */
    bool in_literal;
    bool logged_in, under_tls;
    struct sim_folder *selected;
};

/* Executes session->tokens; may lose the connection. */
void sim_server_execute(struct sim_session *session);
/* Whether an APPEND may go on with its literal; answers NO otherwise. */
bool sim_server_allows_literal(struct sim_session *session);
void sim_session_say(struct sim_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The session is gone afterwards. */
void sim_session_end(struct sim_session *session, bool reset);

#endif
