/*
 * sim_server_private - what the parts of the simulated IMAP server share: the connection with its parser (sim_server.c) and the
 * commands (sim_server_commands.c).
 */
#ifndef MAILWEIR_SIM_SERVER_PRIVATE_H
#define MAILWEIR_SIM_SERVER_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "sim.h"
#include "sim_budget.h"
#include "sim_link.h"
#include "sim_mail.h"
#include "sim_server.h"

#define SIM_SERVER_FOLDERS 16
#define SIM_SERVER_TOKENS  64
/* A view of a folder shows a message so much later at most; with LATE_MOST (sim_server.c) that keeps within "settle". */
#define SIM_SERVER_LAG_MOST (2800 * SIM_MS)

struct sim_stored {
    struct list link;
    uint32_t uid;
    char date[32];     /* INTERNALDATE */
    uint64_t shown_us; /* views that begin before do not show it */
    uint64_t stored_us;
    bool by_standby; /* it came by the standby, which has it at once */
    struct buf octets;
    struct sim_filing *filing; /* what the book has of it; NULL: it is somebody else's */
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
    bool is_prompt;             /* never slower than "settle" */
    sim_server_heard_fn *heard; /* NULL: nobody */
    bool is_steady;             /* at one pace: */
    uint64_t pace_us;           /* for each message */
    struct sim_budget *budget;  /* NULL: none */
    uint64_t octets;            /* stored */
    bool has_tls;               /* from the first octet */
    bool has_starttls;          /* nobody logs in without */
    bool has_literal_plus, has_literal_minus, has_uidplus, has_multiappend, has_create_hint;
    bool has_own_dates;        /* INTERNALDATE is what the server pleases */
    bool lags;                 /* views show new mail late, and ... */
    bool hides_next;           /* ... UIDNEXT with it */
    bool is_moving;            /* a filter, or somebody, moves what comes to other places */
    enum sim_server_look look; /* what becomes of looks at folders */
    char delimiter;
    uint32_t next_validity;
    struct sim_folder folders[SIM_SERVER_FOLDERS];
    size_t folder_count;
    struct list sessions;
    unsigned session_count;
    sim_server_step_fn *step; /* or NULL */
    void *step_ctx;
    bool refuses_batch, loses_answer; /* the next one */
    uint64_t standby_lag_us; /* the first address is away, and the standby is so far behind; 0: it takes nobody */
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
    bool is_standby;
    struct sim_folder *selected;
    uint32_t *view; /* the UIDs of the selected folder's messages, by their sequence numbers, as they were then */
    size_t view_count;
};

/* sim_server_people.c: takes the message out of its folder; what becomes of it there is the caller's. */
void sim_stored_free(struct sim_stored **stored);
struct sim_folder *sim_server_folder(struct sim_server *server, const char *name);

/* Executes session->tokens; may lose the connection. */
void sim_server_execute(struct sim_session *session);
/* Whether an APPEND may go on with its literal; answers NO otherwise. */
bool sim_server_allows_literal(struct sim_session *session);
void sim_session_say(struct sim_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The session is gone afterwards. */
void sim_session_end(struct sim_session *session, bool reset);

#endif
