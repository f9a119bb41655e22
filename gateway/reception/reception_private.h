/*
 * reception_private - what the files of reception share. Nobody else includes it.
 *
 *   reception.c            the whole: listeners, reload, drain
 *   reception_listener.c   one listening socket, and what is offered there
 *   reception_session.c    one connection: life, the pump, TLS, PROXY headers, authentication
 *   reception_told.c       refusals and messages as lines of the log, and for those who ask later
 *   reception_intake.c     one message of it: questions about the envelope, storing, decision, commit, log
 *   reception_door.c       who may connect and send, and who has gone
 *
 * Each calls only those below it; an answer that has come goes up by session->go_on.
 *
 * A listener owns its sessions. A session that waits for an answer (a decision, a commit) when everything is closed is
 * left alone with `listener` NULL, and ends itself when the answer has come.
 */
#ifndef MAILWEIR_RECEPTION_RECEPTION_PRIVATE_H
#define MAILWEIR_RECEPTION_RECEPTION_PRIVATE_H

#include "base/list.h"
#include "base/must_use.h"
#include "base/network.h"
#include "base/units.h"
#include "engine/smtpd_admission.h"
#include "engine/smtpd_budget.h"
#include "proto/tracer.h"
#include "reception/reception.h"
#include "reception/reception_clients.h"
#include "reception/reception_login.h"
#include "reception/reception_refusals.h"

#define RECEPTION_ADDRESS_MAX 64

struct reception {
    struct net_loop *loop;
    struct spool *spool;
    struct spool_overflow *overflow; /* or NULL */
    const char *hostname;
    struct reception_hooks hooks;
    struct log *log;
    struct list listeners;
    struct list leaving; /* listeners that are gone from the configuration, until their last session ends */
    struct reception_logins *logins;
    struct smtpd_budget *messages, *recipients; /* of a minute, per network */
    struct reception_clients *clients;
    struct reception_refusals *refusals;
    struct net_timer *untold_timer; /* tells how many refusals a minute left untold */
    struct mail_about about;        /* what is kept of each header */
    struct reception_counts counts;
    struct net_timer *drain_timer; /* while draining */
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* Networks in one block of memory. */
struct reception_networks {
    struct network *items;
    size_t count;
};

struct reception_sender_limit {
    struct reception_networks networks;
    const char *const *senders;
    size_t sender_count;
};

struct reception_listener {
    struct list link;
    struct reception *reception;
    struct arena *arena; /* of the options and what was made of them */
    struct reception_listener_options options;
    struct reception_networks allow, lenient, proxies, xclients;
    struct reception_sender_limit *sender_limits; /* options.sender_rule_count of them */
    struct net_listener *socket;                  /* NULL while draining */
    struct smtpd_admission *admission;            /* sessions, by network */
    struct smtpd_admission *users;                /* authenticated sessions, by user */
    struct list sessions;
};

struct reception_session {
    struct list link;                    /* among those of the listener */
    struct reception_listener *listener; /* NULL when left alone */
    struct reception *reception;         /* as above */
    struct net_stream *stream;           /* NULL when gone */
    struct net_timer *timer;
    void (*go_on)(struct reception_session *session); /* an answer has come */
    void (*abort)(struct reception_session *session); /* as reception_session_abort() */
    struct smtpd_engine *engine;                      /* NULL before a PROXY header has come */
    struct net_tls *tls;                              /* a share */
    struct net_tls *tls_lenient;                      /* a share, or NULL */
    struct reception_users *users;                    /* a share, or NULL */
    struct reception_login *login;
    struct tracer tracer;
    char address[RECEPTION_ADDRESS_MAX]; /* of the client; behind a proxy or XCLIENT, the one it names */
    uint16_t port;
    char counted[RECEPTION_ADDRESS_MAX]; /* as which it is in the listener's admission; "" when it is not */
    char *user;
    struct net_lane_turn turn;        /* as whom it waits for the rules */
    void *rules;                      /* that it began with */
    void (*end_session)(void *rules); /* kept for when the rest is gone */
    bool eof;
    bool spoken;    /* the greeting was said */
    bool stopped;   /* the disk is behind */
    bool yielded;   /* it has had its time, others come first */
    bool handshake; /* TLS is being negotiated */
    bool told;      /* a refusal or a message of it is in the log */

    /* the message under way */
    struct spool *spool; /* that takes it */
    struct spool_stage *stage;
    bool is_committing;       /* it is not known yet whether the message is kept ... */
    bool is_late;             /* ... and the time in which the upstreams should have answered is over already: */
    struct smtpd_answer late; /* that is what its sender hears, if it is kept */
    unsigned waits;           /* answers to come: of a decision, a commit, a delivery */
    void (*forget_delivery)(void *ctx, const char *id); /* kept for when the rest is gone */
    void *delivery_ctx;
    bool wants_delivery; /* 250 only when the upstreams have it */
    bool undelivered;    /* they do not have all of it */
    struct mail_envelope envelope;
    struct reception_decision decision;
    const struct smtpd_answer *refusals; /* of the decision: one for each recipient that the client named; or NULL */
    const struct smtpd_answer *answers;  /* what each hears, while it is said */
    size_t recipient_count;              /* that the client named */
    uint64_t size;
    char id[UNITS_ID_LEN + 1];
    char repeated[UNITS_ID_LEN + 1]; /* the id of the message that it repeats, which is kept instead; "" when none */
    size_t repeated_open;            /* deliveries of that which are open */
    char *message_id;                /* NULL when it has none */
    bool lacks_date, lacks_id;       /* and is to get one; see reception_listener_options.add_missing */
};

/* ---- reception_door.c ---- */
bool reception_door_has(const struct reception_networks *networks, const char *peer);
/* Whether a client is a device whose mistakes are let pass. */
bool reception_door_is_lenient(const struct reception_listener *listener, const char *peer);
/* Whether a client may send without authentication. */
bool reception_door_trusts(const struct reception_listener *listener, const char *peer);
/*
 * What a client hears instead of the greeting; SMTPD_REPLY_OK when it is welcome, and *counted_r then tells whether it
 * was counted.
 */
enum smtpd_reply reception_door_admit(struct reception_listener *listener, const char *peer, bool *counted_r);
/* Whether a sender may be used by this client: the listener's patterns, or those of the client's network. */
bool reception_door_lets_sender(const struct reception_listener *listener, const char *peer, struct bytes sender);
/* A session has gone: the last one of a drain, or of a listener that leaves. */
void reception_door_gone(struct reception *reception);

/* ---- reception_listener.c ---- */
MUST_USE int reception_listener_new(struct reception_listener **listener_r, struct reception *reception,
                                    const struct reception_listener_options *options, struct fault *fault);
/* Takes new settings; -1 with nothing changed. */
MUST_USE int reception_listener_update(struct reception_listener *listener,
                                       const struct reception_listener_options *options, struct fault *fault);
/* Stops accepting and tells each session. */
void reception_listener_drain(struct reception_listener *listener);
/* Ends all sessions at once, and itself. */
void reception_listener_free(struct reception_listener **listener);

/* ---- reception_session.c ---- */
/* Takes the stream. */
void reception_session_start(struct reception_listener *listener, struct net_stream *stream);
struct reception_session *reception_session_of(struct list *link);
void reception_session_drain(struct reception_session *session);
/* Cuts it off. It frees itself, at the latest when what it waits for has answered. */
void reception_session_abort(struct reception_session *session);

/* ---- reception_told.c ---- */
/* The engine's smtpd_refused_fn; ctx is the session. */
void reception_told_refusal(void *session, const struct smtpd_refusal *refusal);
/*
 * A refusal without an engine, which counts it: of a client that is not let in, or that never spoke SMTP. text: instead
 * of the row's own, or NULL.
 */
void reception_told_door(struct reception_session *session, enum smtpd_reply reply, const char *text);
/* A message that came whole: "accepted"; or went with its client: "abandoned". */
void reception_told_message(struct reception_session *session, const struct mail_envelope *envelope,
                            const char *action);
/* The client is gone, and nothing of it stands in the log though it said something. */
void reception_told_left(struct reception_session *session);
/* The timer: what a minute left untold. */
void reception_told_untold(void *reception);

/* ---- reception_intake.c: what the engine wants for a message ---- */
void reception_intake_mail(struct reception_session *session, const struct smtpd_request *request);
void reception_intake_recipient(struct reception_session *session, const struct mail_envelope *envelope);
void reception_intake_store(struct reception_session *session, struct bytes data);
void reception_intake_message(struct reception_session *session, const struct smtpd_request *request);
void reception_intake_reset(struct reception_session *session, const struct smtpd_request *request);
/* The client went in the middle of a transaction. */
void reception_intake_abandon(struct reception_session *session);

#endif
