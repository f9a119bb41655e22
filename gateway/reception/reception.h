/*
 * reception - listeners and sessions that pump net/stream <-> engine/smtpd <-> spool.
 *
 * The dialogue itself is engine/smtpd_engine (no I/O). What the gateway decides about a recipient or a message comes
 * through struct reception_hooks, so that this floor knows no rules.
 */
#ifndef MAILWEIR_RECEPTION_RECEPTION_H
#define MAILWEIR_RECEPTION_RECEPTION_H

#include "base/arena.h"
#include "base/log.h"
#include "base/must_use.h"
#include "engine/smtpd_engine.h"
#include "mail/mail_about.h"
#include "mail/mail_envelope.h"
#include "net/net_lane.h"
#include "net/net_stream.h"
#include "reception/reception_clients.h"
#include "reception/reception_refusals.h"
#include "reception/reception_users.h"
#include "spool/spool.h"

struct reception;

/* The reply that takes a message begins so; its id follows. */
#define RECEPTION_ACCEPTED_AS "accepted as "

/* What a decision gives: a refusal (code not 0), or deliveries to commit. Strings live in the arena given. */
struct reception_decision {
    int code;
    const char *enhanced;
    const char *text;
    const char *rule;
    /*
     * On an LMTP listener, when not all recipients hear the same: one for each, code 0 for those that the deliveries
     * are for; else NULL.
     */
    const struct smtpd_answer *refusals;
    const char *const *refusal_rules; /* the rule behind each, or NULL */
    struct mail_delivery *deliveries;
    size_t delivery_count;
    const char *const *rules; /* names of the rules that acted, for the log */
    size_t rule_count;
    const char *const *watched; /* names of those that would have, and only watch */
    size_t watched_count;
    const char *const *tried; /* for the message's story: see mail_envelope.h */
    size_t tried_count;
    const struct mail_counted *counted; /* what it counts when it is acknowledged */
    size_t counted_count;
};

typedef void reception_decided_fn(void *ctx, const struct reception_decision *decision);

/* A message whose sender waits until the upstreams have answered. */
struct reception_awaited {
    const char *id;
    size_t count; /* open deliveries */
    bool each;    /* every one is waited for and has its own answer, as LMTP has; else the first that fails is all's */
    uint64_t timeout_ms;
};

/* What became of one delivery: code 0 when it is filed; else it is dropped. */
struct reception_delivered {
    unsigned number;
    struct smtpd_answer answer;
};

/*
 * The answer is for whatever of the message does not stand in the list, which only a message awaited for each has: code
 * 0 when the upstreams have it; else what the sender hears, and nothing of that is kept.
 */
typedef void reception_delivered_fn(void *ctx, const struct smtpd_answer *answer,
                                    const struct reception_delivered *each, size_t count);

struct reception_hooks {
    void *ctx;
    /*
     * What a session's decisions are made by, from its beginning to its end, whatever is changed meanwhile. Both may be
     * NULL: then rules is.
     */
    void *(*begin_session)(void *ctx);
    void (*end_session)(void *rules);
    /*
     * At RCPT TO; the recipient is the last one of the envelope, whose turn it is says turn. true: *decision_r is the
     * answer, code 0 accepts. false: it takes longer; done comes once, from the loop, and until then envelope, arena
     * and turn stay valid.
     */
    bool (*decide_recipient)(void *ctx, void *rules, const struct mail_envelope *envelope,
                             const struct net_lane_turn *turn, struct arena *arena,
                             struct reception_decision *decision_r, reception_decided_fn *done, void *done_ctx);
    /*
     * At the end of DATA. envelope, header (the header section), turn and stage stay valid until done was called, which
     * comes once, from the loop. The hook may read the stage by spool_stage_source().
     */
    void (*decide_message)(void *ctx, void *rules, const struct mail_envelope *envelope, struct bytes header,
                           struct spool_stage *stage, const struct net_lane_turn *turn, struct arena *arena,
                           reception_decided_fn *done, void *done_ctx);
    /* The sender hears that the message is accepted; also when it repeats an earlier one, whose id the envelope then
     * has. NULL: nobody wants to know. */
    void (*accepted)(void *ctx, const struct mail_envelope *envelope);
    /*
     * For listeners that acknowledge what is delivered; NULL where there are none. Called right before the commit of a
     * message, or behind that of one that repeats an earlier one with so many deliveries open; done comes once, from
     * the loop, within the time. false: another sender waits for that message already, and done does not come.
     */
    bool (*await_delivery)(void *ctx, const struct reception_awaited *awaited, reception_delivered_fn *done,
                           void *done_ctx);
    /* That commit has failed; done does not come any more. */
    void (*forget_delivery)(void *ctx, const char *id);
    void *delivery_ctx; /* of these two */
};

/* Senders that a network may use, beside those of the listener. */
struct reception_sender_rule {
    const char *const *networks;
    size_t network_count;
    const char *const *senders; /* patterns (proto/smtp_pattern.h) */
    size_t sender_count;
};

struct reception_listener_options {
    const char *name;
    struct net_address address;
    bool lmtp;
    enum reception_tls_mode { RECEPTION_TLS_NONE, RECEPTION_TLS_STARTTLS, RECEPTION_TLS_IMPLICIT } tls_mode;
    struct net_tls *tls;      /* the listener takes a share of its own; NULL with RECEPTION_TLS_NONE */
    bool tls_required;        /* no mail before STARTTLS */
    bool client_certificates; /* who has a verified one may send */
    const char *const *allow; /* networks "10.0.0.0/8", "::1/128" that may send; none: loopback only */
    size_t allow_count;
    const char *const *lenient; /* networks of devices whose mistakes are let pass */
    size_t lenient_count;
    struct net_tls *tls_lenient; /* for them, when they may use older TLS; else NULL */
    enum smtpd_recipients recipients_per_transaction;
    bool add_missing;              /* to their messages: Date and Message-ID */
    struct reception_users *users; /* who may authenticate; a share is taken; NULL: nobody */
    unsigned mechanisms;           /* of those that the users have keys for: enum smtpd_mechanism */
    bool auth_required;            /* those in `allow`, too, have to */
    bool auth_in_clear;            /* AUTH is offered without TLS */
    const char *const *proxies;    /* networks that send a PROXY protocol header in front, always */
    size_t proxy_count;
    const char *const *xclients; /* networks that may use XCLIENT */
    size_t xclient_count;
    const char *const *senders; /* patterns of MAIL FROM that are let in; none: all */
    size_t sender_count;
    const struct reception_sender_rule *sender_rules; /* the first whose networks have the client decides instead */
    size_t sender_rule_count;
    const char *const *recipients; /* patterns of RCPT TO that are let in; none: all */
    size_t recipient_count;
    bool acknowledge_delivered; /* 250 only when the upstream has it */
    uint64_t acknowledge_timeout_ms;
    struct smtpd_limits limits;
};

/* hostname and log are kept by reference; hooks are copied. */
MUST_USE struct reception *reception_new(struct net_loop *loop, struct spool *spool, const char *hostname,
                                         const struct reception_hooks *hooks, struct log *log);
/* Opens a listener; the fault names the address. Everything is copied. */
MUST_USE int reception_listen(struct reception *reception, const struct reception_listener_options *options,
                              struct fault *fault); /* for tests */
/*
 * Makes the listeners those of the list, all or none: new ones are opened, ones that are gone stop accepting and drain,
 * one of the same name and address goes on with the new settings for sessions to come; sessions that are open keep what
 * they began with. -1 with nothing changed.
 */
MUST_USE int reception_reload(struct reception *reception, const struct reception_listener_options *options,
                              size_t count, struct fault *fault);
/* The port of the listener of that name, 0 when there is none. */
uint16_t reception_port(const struct reception *reception, const char *name);
/* When the certificate of the listener of that name expires, seconds since 1970; 0 when it has none. */
int64_t reception_certificate_expires(const struct reception *reception, const char *name);
/*
 * Stops accepting; sessions finish the transaction they are in, then hear 421. done comes when the last session has
 * ended, at the latest after deadline_ms, when what is left is cut off.
 */
void reception_drain(struct reception *reception, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx);
/* Closes everything at once; sets *reception to NULL; NULL is fine. */
void reception_free(struct reception **reception);

/*
 * Keeps refusals in a file of the folder, for so long (0: in memory only), and reads those that are there; blocks. At
 * most once, before the first session.
 */
void reception_keep_refusals(struct reception *reception, const char *folder, uint64_t keep_ms);
/*
 * While the spool's store does not answer, new messages go there (spool_overflow.h); those of listeners that
 * acknowledge what is delivered do not. Before the first session; by reference.
 */
struct spool_overflow;
void reception_set_overflow(struct reception *reception, struct spool_overflow *overflow);
/* What is kept of each message's header, for those who look for it later; nothing before it was called. Copied. */
void reception_keep_about(struct reception *reception, const struct mail_about *about);
/* Forgets every refusal that names the address, anywhere in it; how many. */
size_t reception_forget_address(struct reception *reception, const char *address);
const struct reception_refusals *reception_refusals(const struct reception *reception);
const struct reception_clients *reception_clients(const struct reception *reception);

struct reception_counts {
    uint64_t sessions, sessions_open;
    uint64_t accepted, rejected, deferred; /* messages: 250; refused for good; answered 4xx */
    uint64_t logins, login_failures;
    uint64_t refusals_untold; /* refusals that the log has only as a number */
    struct smtpd_tally tally; /* replies by code, limits by name */
};
void reception_count(const struct reception *reception, struct reception_counts *counts_r);

#endif
