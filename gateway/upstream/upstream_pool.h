/*
 * upstream_pool - delivery: the connections to one upstream account, and the appends that wait for one.
 *
 * The dialogue of a connection is engine/imapc_engine (no I/O). What waits for one folder goes as a batch where the
 * server can take it, and never waits for company. An append that may lie in its folder already is looked for before it
 * is sent. A pool opens connections as appends wait for them, up to its limit, keeps them for the next, and closes idle
 * ones. It backs off from an upstream that is down: appends then wait in the pool until their owner takes them back, or
 * are answered with the fault.
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_POOL_H
#define MAILWEIR_UPSTREAM_UPSTREAM_POOL_H

#include "base/list.h"
#include "base/log.h"
#include "base/must_use.h"
#include "engine/imapc_engine.h"
#include "engine/outage.h"
#include "upstream/upstream_profile.h"
#include "upstream/upstream_token.h"
#include "net/net_stream.h"
#include "proto/imap_name.h"

struct upstream_pool;

/* Whether COMPRESS=DEFLATE is used where the server offers it. */
enum upstream_compress {
    UPSTREAM_COMPRESS_AUTO, /* not to loopback and private addresses */
    UPSTREAM_COMPRESS_NO,
    UPSTREAM_COMPRESS_YES,
    UPSTREAM_COMPRESSIONS, /* how many there are */
};

#define UPSTREAM_PLACES_MAX 8
/* One address of an account, and the TLS that is spoken there. */
struct upstream_place {
    struct net_address address;
    struct net_tls *tls; /* NULL without TLS */
};

struct upstream_account {
    const char *name; /* of the upstream */
    struct upstream_place
        places[UPSTREAM_PLACES_MAX]; /* in the order in which they are tried; all lead to the same mailboxes */
    size_t place_count;              /* at least 1 */
    uint64_t failback_ms;            /* while another serves, the first is tried again after it; 0: 5 minutes */
    enum upstream_tls_mode { UPSTREAM_TLS_IMPLICIT, UPSTREAM_TLS_STARTTLS, UPSTREAM_TLS_NONE } tls_mode;
    bool insecure; /* without TLS, also off loopback */
    const char *username;
    const char *password; /* NULL with a token or EXTERNAL */
    enum imapc_mechanism mechanism;
    enum imapc_binding binding;
    const struct upstream_token_options *token; /* where OAuth2 access tokens come from; NULL: a password */
    uint64_t settings[UPSTREAM_SETTINGS];       /* see upstream_profile_resolve() */
    const char *
        special_names[IMAP_SPECIAL_USES]; /* folders for "\Junk" ... where the server has none with that use; or NULL */
    enum upstream_compress compress;
    uint64_t connect_timeout_ms; /* until the greeting */
    uint64_t command_timeout_ms; /* without any octet moved */
    uint64_t idle_timeout_ms;    /* an unused connection is closed after it */
    uint64_t retry_initial_ms;   /* the first wait after a failed connect or login, doubled each time; 0: 1 s */
    uint64_t retry_maximum_ms;
    uint64_t settle_ms; /* a message whose outcome is unknown is not called absent before: the server may show it */
};
/* What is in doubt is looked for after so long, where `settle` is longer: what is found needs no more time. That it is
 * absent is believed after `settle`. */
#define UPSTREAM_LOOK_MS 2000

/* Code of the fault when doubt ended unproven: the message may be sent again, which is noted. */
#define UPSTREAM_UNPROVEN "unproven"

/* Code of the fault when the pool is halted: nothing was sent. */
#define UPSTREAM_HALTED "halted"

/* Code of the fault when the pool or the program ends. */
#define UPSTREAM_SHUTDOWN "shutdown"

/* Code of the fault when the other nodes of the queue have not heard this one for too long: it sends no last octet. */
#define UPSTREAM_LEASE "lease"

/*
 * On a shared queue the kernel gives a connection up when nobody has acknowledged the last octets of a message for so
 * long (TCP_USER_TIMEOUT): what it sent again after that would meet what another node has filed meanwhile. Sooner only
 * where `command_timeout_ms` is shorter. Not before the last octets: a server that does not read for a while is slow.
 */
#define UPSTREAM_UNACKED_MS 5000

/* What became of an append. fault.class NONE: it lies in the folder. */
struct upstream_outcome {
    struct fault fault;        /* UNCERTAIN: the message went out whole, and no answer came that settles it */
    uint32_t uidvalidity, uid; /* from APPENDUID (RFC 4315), else 0 */
    const char *folder;        /* as rules write it, when the append named its use; valid during the call; or NULL */
    uint64_t retry_after_ms;   /* the server asked for this pause; 0: none */
    bool account;              /* the fault is of the upstream (cannot connect, log in), not of this append */
    bool found;                /* nothing was sent: an earlier attempt had filed it */
    const char *elsewhere;     /* found, in this other folder of the account; valid during the call; or NULL */
    enum imapc_merged merged;  /* filed, and what lies under that UID is not it */
    uint32_t twin_uid;         /* found, and it lies there twice; else 0 */
    bool possible_duplicate;   /* filed, though one attempt more may have done so: that could not be found out */
    bool killed;               /* it went out alone, and the connection ended over it, not by us */
    bool general;              /* neither a code nor known words tell what the fault is about */
    struct doubt doubt;        /* as it stands now */
    struct doubt_mark mark;    /* what is known now of the folder; all 0: nothing */
};

/*
 * The bytes of one message: their exact number, and a way to ask for them. read() answers once, from inside the call or
 * later from the loop, by done with data that is valid during the call (NULL fault), in any pieces of at most len
 * octets, at least one. prepare() (NULL: there is nothing to prepare) comes before the first read, with the ctx of all
 * the messages of a batch: they will be asked for one after the other. Messages of a pool have the same prepare().
 */
typedef void upstream_body_fn(void *ctx, struct bytes data, const struct fault *fault);
struct upstream_body {
    uint64_t size;
    void (*read)(void *body_ctx, uint64_t offset, size_t len, upstream_body_fn *done, void *done_ctx);
    void (*prepare)(void *const *body_ctxs, size_t count);
    void *ctx;
};

/* One append. The owner fills it; the pool owns it from submit until done is called, which gives it back. */
struct upstream_append {
    struct list link;    /* the pool's */
    unsigned batch_most; /* the pool's: at most so many in one batch, after a refusal; 0: no limit */
    const char *id;      /* the delivery's id, as in the message's MAIL_ID_FIELD */
    struct doubt doubt;  /* open: an earlier attempt may have filed it: it is looked for first */
    bool shared;         /* that attempt may be another process's, a moment ago, by a clock that is not ours */
    const char *folder;  /* UTF-8, "/" between levels */
    const char *sender;  /* of the envelope; or NULL: not known */
    const char *const *flags;
    size_t flag_count;
    int64_t date_ms;
    bool utf8; /* octets above 127 stand in its header section */
    struct upstream_body body;
    void (*done)(void *ctx, struct upstream_append *append, const struct upstream_outcome *outcome);
    void *ctx;
};

/* Gives up the shares in TLS. */
void upstream_account_release(struct upstream_account *account);

/* Account strings are copied; TLS is shared. log by reference. */
MUST_USE struct upstream_pool *upstream_pool_new(struct net_loop *loop, const struct upstream_account *account,
                                                 struct log *log);
/* It takes the place of a pool that has just ended: what that one sent last may be under way, and is looked for when it
 * can have been filed. */
void upstream_pool_succeed(struct upstream_pool *pool);
/* What one try of the account showed; valid during the call. */
struct upstream_report {
    const struct fault *fault;                       /* NULL: logged in */
    const char *peer;                                /* "192.0.2.1"; NULL when nothing answered */
    const char *tls_version, *tls_cipher, *tls_peer; /* NULL without TLS */
    int64_t certificate_expires;                     /* seconds since 1970, the first of the chain; 0: not known */
    const struct imap_capabilities *capabilities;    /* NULL with a fault */
    const struct imap_namespaces *namespaces;
};
typedef void upstream_report_fn(void *ctx, const struct upstream_report *report);
/*
 * Connects and logs in once, for a pool that nothing was submitted to. fn comes once, from the loop; drain the pool
 * afterwards. names (may be NULL) is by reference and has the account's folders, and what the server says of those that
 * it asks about, when fn comes.
 */
void upstream_pool_try(struct upstream_pool *pool, struct imapc_names *names, upstream_report_fn *fn, void *ctx);

/* What became of a probe message; valid during the call. */
struct upstream_probe_report {
    const struct fault *fault; /* of the step that did not work; NULL: all did */
    bool filed;                /* it was appended */
    bool found;                /* and found by its id */
    bool removed;              /* and removed, that one alone */
    uint32_t uidvalidity, uid; /* of the message that was found */
};
typedef void upstream_probe_fn(void *ctx, const struct upstream_probe_report *report);
/*
 * Does with one message what a delivery does, and takes it back: appends it to folder, looks for it by its id (also
 * when no answer to the APPEND came), removes it. For a pool that nothing else was submitted to. message is whole, with
 * the id in its MAIL_ID_FIELD; all is by reference until fn, which comes once, from the loop.
 */
void upstream_pool_probe(struct upstream_pool *pool, const char *folder, const char *id, struct bytes message,
                         upstream_probe_fn *fn, void *ctx);

/*
 * The same for a message that another way brings there: looks for it by its id in MAIL_ID_FIELD, again and again until
 * it is found or within_ms are over, and removes it. A folder that is not there yet is none without the message. The
 * report's `filed` stays false.
 */
void upstream_pool_take_back(struct upstream_pool *pool, const char *folder, const char *id, uint64_t within_ms,
                             upstream_probe_fn *fn, void *ctx);

/* Queues the append (sets *append to NULL). done comes once, from the loop. */
void upstream_pool_submit(struct upstream_pool *pool, struct upstream_append **append);
/* The daily budget of octets. */
struct upstream_daily {
    uint64_t limit;       /* 0: none */
    uint64_t used;        /* since the day began */
    uint64_t ends_in_ms;  /* then it begins anew */
    uint64_t spent_in_ms; /* at the pace of the day so far; UINT64_MAX: not before it ends */
};
/* What operators see of a pool. Seconds count from now and are negative once it is too late; INT64_MIN: there is none,
 * or it is not known. */
struct upstream_pool_state {
    size_t connections; /* that stand or are being made */
    size_t share;       /* so many may be, where nodes share the account's; SIZE_MAX: all */
    size_t ready;       /* of them logged in */
    size_t busy;        /* of them at work */
    size_t place;       /* of the account's, that new ones go to */
    const struct net_address *address;
    const char *down; /* why the account is down: outage_cause_name(); NULL: it is not */
    struct upstream_daily daily;
    struct imapc_quota quota[IMAPC_RESOURCES]; /* of the fullest folder, as the server told it within the last hour */
    uint64_t outages[OUTAGE_CAUSES];           /* ever, by cause */
    int64_t token_expires_s;                   /* the OAuth2 access token; it is fetched anew before */
    int64_t certificate_expires_s;             /* the first in the chain that the server showed last */
    int64_t own_expires_s;                     /* our own certificate that the upstream is shown */
};
void upstream_pool_state(const struct upstream_pool *pool, struct upstream_pool_state *state_r);
/* Where what is submitted now would go, for doubts: the account's name as doubt_name() has it, and a print of the
 * address. */
struct upstream_origin {
    char account[DOUBT_NAME_MAX];
    unsigned place;
};
void upstream_pool_origin(const struct upstream_pool *pool, struct upstream_origin *origin_r);
/* What a pool should know again after a restart. Wall clock, milliseconds; 0: never. */
struct upstream_pace {
    int64_t day_began_ms;  /* of the daily budget; 0: there is none */
    uint64_t day_octets;   /* sent in it */
    int64_t not_before_ms; /* the server asked for the pause, or refused the password */
    int64_t pause_ms;  /* how long it was when it began: a clock that was put back makes it no longer; 0: not known */
    unsigned failures; /* in a row, that led to it */
    bool login;        /* it was the password */
    enum imapc_mechanism mechanism; /* that is pinned, see imapc_habits.h; IMAPC_AUTH_AUTO: none */
    struct fault fault;             /* the server's words */
};
void upstream_pool_pace(const struct upstream_pool *pool, struct upstream_pace *pace_r);
/* For a new pool; or of another node: 0 leaves what it has. What lies too far in the past, or further in the future
 * than any pause, is not believed. */
void upstream_pool_set_pace(struct upstream_pool *pool, const struct upstream_pace *pace);
/* An operator says that the next append may try it now, whatever it waits for. */
void upstream_pool_try_now(struct upstream_pool *pool);
/*
 * While it is halted nothing is begun: what waits, and what comes, is answered with a LOCAL fault UPSTREAM_HALTED. What
 * is under way goes on.
 */
void upstream_pool_halt(struct upstream_pool *pool, bool halted);
/*
 * Where several nodes share the connections to an account: this pool may have `share` of them from now on, and comes
 * down to `allowed` as soon as what they do is done. SIZE_MAX, as for a new pool: nobody else has any.
 */
void upstream_pool_share(struct upstream_pool *pool, size_t share, size_t allowed);
/*
 * It shares with other nodes from now on. fn comes when the share is too small for what waits, and when a turn is
 * wanted or over; from inside anything, so it may only note that.
 */
void upstream_pool_set_lacks(struct upstream_pool *pool, void (*fn)(void *ctx), void *ctx);
struct upstream_needs {
    size_t most;   /* connections that the account's settings allow */
    size_t open;   /* that there are, in any state */
    size_t wanted; /* for which there is work; at most `most` */
    bool turn;     /* a token is to be asked for, which one node does at a time */
};
void upstream_pool_needs(const struct upstream_pool *pool, struct upstream_needs *needs_r);
/* Whether it is this node's turn to ask for a token, since it wanted one. */
void upstream_pool_take_turn(struct upstream_pool *pool, bool has_turn);
/* Resets all connections at once, which says nothing about the account: they may be another node's by now. What was
 * under way is uncertain or waits again; for a pool that is halted. */
void upstream_pool_drop(struct upstream_pool *pool);
/* Appends submitted and not answered. */
size_t upstream_pool_waiting(const struct upstream_pool *pool);
/*
 * Finishes the appends under way, answers the waiting ones with a LOCAL fault "shutdown", logs out. done comes when
 * all connections are closed, at the latest after deadline_ms, when what is under way is cut off (and answered
 * UNCERTAIN).
 */
void upstream_pool_drain(struct upstream_pool *pool, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx);
/* For a drained pool, or one without appends, of whose probe no report comes then; sets *pool to NULL; NULL is fine. */
void upstream_pool_free(struct upstream_pool **pool);

#endif
