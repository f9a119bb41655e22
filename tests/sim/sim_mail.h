/*
 * sim_mail - the book of what was sent: every try to hand over a message is a message of its own, told from all others by its
 * token, with what the client heard and where the servers have it.
 */
#ifndef MAILWEIR_SIM_MAIL_H
#define MAILWEIR_SIM_MAIL_H

#include "base/buf.h"
#include "sim.h"
#include "sim_setup.h"

#define SIM_MAIL_ID_LEN 40
/* UIDs that one filed message had, one after the other. */
#define SIM_MAIL_UIDS 8

enum sim_try_state {
    SIM_TRY_OPEN,    /* its end of data was not sent: must not be anywhere */
    SIM_TRY_SENT,    /* sent whole, no answer (yet), or one that promises nothing: may be filed, once */
    SIM_TRY_REFUSED, /* must not be anywhere */
    SIM_TRY_ACKED,   /* must be in each of its folders, once */
};

/* What the servers know of a message in one folder. */
struct sim_filing {
    unsigned count;        /* how often it was filed ... */
    unsigned lost;         /* ... and how often moved or deleted since, by others */
    bool is_told;          /* that it may lie there twice stands in the log */
    unsigned server;       /* where; another than the place's own when that stayed down */
    unsigned refusals;     /* how often it was refused */
    unsigned cuts;         /* how often the connection was closed in the place of an answer */
    bool refused_for_good; /* a dead letter is right */
    bool has_uidplus;      /* the server told the UID */
    uint32_t validity[SIM_MAIL_UIDS], uid[SIM_MAIL_UIDS];
    unsigned uids;
    uint64_t at_us;                     /* virtual time */
    char delivery[SIM_MAIL_ID_LEN + 8]; /* its id, as it stands in the message */
};

struct sim_try {
    unsigned number;
    enum sim_try_state state;
    enum sim_mood mood;
    unsigned sender;     /* number of the client */
    unsigned recipients; /* 1 << index into sim_recipients that were accepted */
    unsigned versions;   /* 1 << version of the rules that may have decided about it */
    size_t size;
    char id[SIM_MAIL_ID_LEN];                /* the gateway's, once it is known */
    bool resent;                             /* it was sent whole more than once, and may be there by any of them */
    bool at_once;                            /* its listener acknowledges what is delivered */
    bool released, may_be_dropped, rerouted; /* what an operator has asked for since it was sent */
    uint64_t acked_us;                       /* virtual time */
    uint64_t
        dead_us[2]; /* by upstream: since when a delivery of it is a dead letter, and nobody took it up; 0: none is */
    bool is_told;   /* its whole story was held against the servers, and nothing of it is open */
    struct sim_filing filings[SIM_PLACES];
};

/* A new try; its text is drawn by its number. */
struct sim_try *sim_try_new(unsigned sender, uint64_t size, enum sim_mood mood);
/* The octets as the client means them (before dot-stuffing), CRLF line ends. */
void sim_try_text(const struct sim_try *try, struct buf *out);
/* It is sent whole, in a session that keeps rules of one of these versions. */
void sim_try_sent(struct sim_try *try, unsigned versions);
/* It was acknowledged, under this id. */
void sim_try_acked(struct sim_try *try, const char *id);
/* Folders that it belongs into by some version of the rules that may have decided: 1 << enum sim_place. */
unsigned sim_try_places(const struct sim_try *try);

size_t sim_mail_count(void);
struct sim_try *sim_mail_at(size_t index);

/*
 * Notes that a server has filed these octets under this UID; ends the world when they are no whole message of ours, in a wrong folder, or
 * there already. uid 0: not told. is_late: the gateway had given the connection up. Returns the try's entry, for later UIDs.
 */
struct sim_filing *sim_mail_filed(unsigned server, const char *folder, struct bytes octets, uint32_t validity,
                                  uint32_t uid, bool has_uidplus, bool is_late);
enum sim_append_end {
    SIM_APPEND_LATER, /* refused for now */
    SIM_APPEND_NEVER, /* refused for good */
    SIM_APPEND_CUT,   /* the connection was closed in the place of an answer, whether it was filed or not */
};
void sim_mail_not_filed(unsigned server, const char *folder, struct bytes octets, enum sim_append_end end);
/* The try that these octets belong to, or NULL. */
struct sim_try *sim_mail_find(struct bytes octets);
/* A line of the gateway's log. */
void sim_mail_log(struct bytes line);
/* Ends the world when something lies somewhere twice and nobody was told. */
void sim_mail_check_told(void);
/* The number of the try that ends a server's sessions, wherever it is sent; 0: none. */
unsigned sim_mail_killer(void);
void sim_mail_set_killer(unsigned number);
/* Ends the world when what was acknowledged by then, but the killer, is not in its folders. */
void sim_mail_check_others(uint64_t by_us);
/* A server has filed the message, and nobody hears of it: tells whoever watches (NULL: nobody). */
typedef void sim_mail_doubt_fn(struct sim_try *try);
void sim_mail_watch_doubts(sim_mail_doubt_fn *fn);
void sim_mail_doubted(struct bytes octets);
/* A message of this sender's that has been a dead letter for a while; or NULL. */
struct sim_try *sim_mail_dead_of(unsigned sender);
/* An operator has dead letters tried again. */
void sim_mail_retried(void);
/* An operator holds what waits for the upstream, and its dead letters: they wait for him from then on. */
void sim_mail_held(unsigned server);
/* No delivery of it is a dead letter, as far as is known. */
void sim_try_lives(struct sim_try *try);

#endif
