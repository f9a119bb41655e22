/*
 * imapc_private - what the files of a pool share. Each calls only those below it; an answer that has come goes up by
 * connection->go_on, and the schedule runs when it was asked for.
 *
 *   imapc_pool.c        which work goes where, when to connect
 *   imapc_connection.c  one stream and its engine
 *   imapc_members.c     a connection joins its pool, and leaves it
 *   imapc_sasl.c        a login by SCRAM
 *   imapc_probe.c       a message that is taken back
 *   imapc_job.c         one piece of work and what became of it
 *   imapc_health.c      is it the message, the session or the account?
 *   imapc_place.c       which address
 *   imapc_backlog.c      what waits, by folder
 *   imapc_core.c        work comes in, answers go out, the schedule is asked to run
 */
#ifndef MAILWEIR_IMAPC_IMAPC_PRIVATE_H
#define MAILWEIR_IMAPC_IMAPC_PRIVATE_H

#include "base/map.h"
#include "base/must_use.h"
#include "engine/imapc_engine.h"
#include "imapc/imapc_deflate.h"
#include "imapc/imapc_pool.h"
#include "net/net_lane.h"
#include "proto/tracer.h"

/* The most appends that are looked for at once. */
#define IMAPC_SEARCH_BATCH 1000
/* A minute more than a day: the server's begins with the first octet that it has, when ours has begun. */
#define IMAPC_DAY_MS UINT64_C(86460000)
/* Messages that must wait for each connection that works on a folder, before one more joins it with batches. */
#define IMAPC_BATCH_SPILL 10

struct imapc_pool {
    struct net_loop *loop;
    struct log *log;
    struct imapc_account account;
    size_t place;            /* the one of the account's that new connections go to */
    bool probing;            /* a connection to the first is being tried, while a later one serves */
    uint64_t failback_at;    /* when it is tried next */
    struct map *folders;     /* struct imapc_backlog by name */
    struct list ring;        /* folders with something waiting, the next to be served first */
    struct list connections; /* struct imapc_connection.link */
    size_t connection_count;
    uint64_t connection_number; /* of the newest */
    size_t connection_most;     /* less than the setting when the server said that there are too many */
    uint64_t crowded_until;
    size_t share;              /* so many of the connections of all nodes are ours ... */
    size_t allowed;            /* ... and to so many it comes down; see imapc_pool_share() */
    bool dropping;             /* see imapc_pool_drop() */
    bool wants_turn, has_turn; /* see imapc_pool_take_turn() */
    void (*lacks)(void *ctx);
    void *lacks_ctx;
    struct imapc_names *names;  /* that imapc_pool_try() is to fill; or NULL */
    struct imapc_habits habits; /* what they have learned of the server */
    struct buf alert;           /* the last words of an ALERT that were told */
    uint64_t alerted_at;
    struct imapc_folders *known; /* what the connections have learned */
    size_t waiting_count, active_count;
    bool batches;                   /* the server has MULTIAPPEND */
    struct net_timer *kick;         /* schedules, from the loop */
    struct outage outage;           /* whether the account is down, and until when */
    unsigned refused_beside;        /* logins in a row that were refused while another connection was in */
    bool proven;                    /* the last login worked; before, one connection at a time tries */
    uint64_t search_at;             /* nothing is looked for before it: what an earlier start sent may be under way */
    struct list unsettled;          /* struct imapc_backlog.unsettled */
    struct net_timer *settling;     /* until what is in doubt may be looked for */
    struct imapc_token *token;      /* NULL: a password */
    struct net_lane *login;         /* of SCRAM's arithmetic; made when it is needed first */
    int64_t certificate_expires;    /* of the server's, seconds since 1970; 0: not seen yet */
    uint64_t day_began, day_octets; /* of the daily budget */
    struct imapc_probe *probe;      /* of imapc_pool_probe(), until it is over; or NULL */
    imapc_report_fn *report;        /* of imapc_pool_try(), until it was called */
    void *report_ctx;
    bool halted; /* see imapc_pool_halt() */
    bool draining, drained;
    struct net_timer *drain_timer;
    void (*drain_done)(void *ctx);
    void *drain_ctx;
};

/* ---- imapc_backlog.c: what waits ---- */

/* Of one folder. */
struct imapc_backlog {
    struct list link; /* of the ring */
    char *name;
    struct list waiting;  /* struct imapc_append, in order */
    struct list doubtful; /* to be looked for first */
    size_t waiting_count, doubtful_count;
    uint64_t settled_at;   /* nothing is looked for in it before: an append of unknown outcome may be under way */
    struct list unsettled; /* on the pool's list until then, in the order of their times */
    unsigned busy;         /* connections that append to it */
    bool searching;        /* one looks for messages in it */
};

/* Queues it, at the tail or (what was out already) at the head. */
void imapc_backlog_queue(struct imapc_pool *pool, struct imapc_append *append, bool at_head);
/* Takes any append off the queues; NULL when nothing waits. */
struct imapc_append *imapc_backlog_take_any(struct imapc_pool *pool);
/* Frees it when nothing waits and nobody works on it; puts it back on the ring when something does. */
void imapc_backlog_release(struct imapc_pool *pool, struct imapc_backlog *folder);
/* Whether something is to be looked for in it, and has had its time to settle. */
bool imapc_backlog_may_search(const struct imapc_pool *pool, const struct imapc_backlog *folder);
/* Milliseconds from the time when a look may find to the one when it may prove. */
uint64_t imapc_backlog_after_look(const struct imapc_pool *pool);
/* The outcome of an append to it is unknown: nothing is looked for in it before that had time to settle. Other folders
 * do not wait for it. */
void imapc_backlog_unsettle(struct imapc_pool *pool, struct imapc_backlog *folder);
/* Forgets the doubts that have had their time. When the next one has it, or 0. */
uint64_t imapc_backlog_settle(struct imapc_pool *pool);
/* When nothing waits. */
void imapc_backlog_free_all(struct imapc_pool *pool);
/* Connections that would find work now. */
size_t imapc_backlog_demand(const struct imapc_pool *pool);

/* ---- imapc_job.c: one piece of work of a connection ---- */

struct imapc_job {
    struct imapc_backlog *folder;
    bool is_search;
    uint64_t began;   /* of a search: net_now(), and ... */
    int64_t began_ms; /* ... the wall clock */
    size_t count;
    struct imapc_append **appends;
    struct imapc_message *messages; /* of an append */
    struct imapc_wanted *wanted;    /* of a search */
};

/* The next piece of work for a connection; NULL: none. can_batch: its server has MULTIAPPEND. */
struct imapc_job *imapc_job_take(struct imapc_pool *pool, bool can_batch);
/* The same, without searches. */
struct imapc_job *imapc_job_take_append(struct imapc_pool *pool, bool can_batch);
/* Whether appends wait, and no connection is free for them or can be opened. */
bool imapc_job_waits(struct imapc_pool *pool);
void imapc_job_start(struct imapc_job *job, struct imapc_engine *engine, uint64_t now);
/*
 * Answers the job's appends, or queues them again; sets *job to NULL. stale: the connection had been used before, and
 * was lost. place: as imapc_place_print() has it.
 */
void imapc_job_finish(struct imapc_pool *pool, struct imapc_job **job, const struct imapc_result *result, bool stale,
                      unsigned place);

/* ---- imapc_health.c: is it the message, the session or the account? ---- */

struct imapc_connection;
/* Whether nothing is filed and nobody connects for now. */
bool imapc_health_is_down(const struct imapc_pool *pool);
/* Whether a pause is over and nothing was filed since: one message goes alone, and says whether the others follow. */
bool imapc_health_is_trial(const struct imapc_pool *pool);
/* No connection, or no login. */
void imapc_health_unreached(struct imapc_pool *pool, const struct fault *fault, uint64_t retry_after_ms);
/* A connection has logged in; has ended. */
void imapc_health_reached(struct imapc_pool *pool, struct imapc_connection *connection);
void imapc_health_gone(struct imapc_pool *pool, struct imapc_connection *connection, const struct imapc_request *why,
                       bool was_ready);
/* The connection's job is over: notes what that says of the session and the account, and whether the fault is the
 * account's. */
void imapc_health_result(struct imapc_connection *connection, struct imapc_result *result);

/* ---- imapc_place.c: which address ---- */

/* A number for the place by its name, for doubts (struct doubt): the same after a restart or a reload. */
unsigned imapc_place_print(const struct imapc_pool *pool, size_t place);
/* Where the next connection goes: an index of the account's places. */
size_t imapc_place_choose(struct imapc_pool *pool);
/* Whether it is time to try the first place, and nobody does; whether this connection does. */
bool imapc_place_is_due(const struct imapc_pool *pool);
bool imapc_place_is_probe(const struct imapc_pool *pool, const struct imapc_connection *connection);
/* A connection did not become ready. true: another place takes over at once, or still serves; false: the upstream as a
 * whole has failed. */
bool imapc_place_failed(struct imapc_pool *pool, const struct imapc_connection *connection, const struct fault *fault);
void imapc_place_connected(struct imapc_pool *pool, const struct imapc_connection *connection);
/* Whether an idle connection should end: another place serves now, or the first could be tried if this one made room.
 */
bool imapc_place_is_left(const struct imapc_pool *pool, const struct imapc_connection *connection);

/* ---- imapc_connection.c ---- */

struct imapc_connection {
    struct list link;
    struct imapc_pool *pool;
    size_t place; /* of the account's */
    struct net_stream *stream;
    struct imapc_engine *engine;
    bool (*go_on)(struct imapc_connection *connection); /* imapc_connection_pump(): an answer has come */
    struct imapc_sasl *sasl;                            /* a login by SCRAM under way; see imapc_sasl.c */
    struct net_timer *timer;
    struct tracer tracer;
    uint64_t number;               /* of the pool's connections ever */
    struct imapc_job *job;         /* under way, or NULL */
    struct imapc_job *held;        /* a search that has made room for others; or NULL */
    bool probes;                   /* the pool's probe is under way on it */
    struct imapc_deflate *deflate; /* NULL: in the plain */
    struct buf packed;             /* deflated, for the stream */
    size_t inflated;               /* by this pump */
    bool body_due;                 /* octets of a message are to be asked for */
    size_t body_message, body_len;
    uint64_t body_offset;
    uint64_t moved; /* net_stream_moved() when it was last looked at */
    uint64_t idle_since;
    uint64_t jobs; /* finished */
    uint64_t ready_at;
    bool filed;           /* something */
    bool sick;            /* it takes no more work: another session may be better */
    bool leaving;         /* we have said goodbye */
    uint64_t parts_until; /* it waits so long for the server to close; 0: it does not */
    bool parted;          /* and need not any more */
    uint64_t killer;      /* outage_print() of the message that it ended over; 0: none */
    uint64_t words;       /* outage_words() of the last refusal */
    unsigned alike;       /* refusals in a row in these words */
    bool asking;          /* a body is asked for: an answer from inside the call is taken up there */
    bool open;            /* what is read is IMAP: connected, and the handshake done */
    bool ready;           /* logged in */
    bool spoken;          /* something was said */
};

/* Begins to connect. */
MUST_USE struct imapc_connection *imapc_connection_new(struct imapc_pool *pool);
/* Goes on as far as possible; takes work of the pool. Whether the connection is still there: it ends itself. */
bool imapc_connection_pump(struct imapc_connection *connection);
/* Ends it at once: what is under way is answered. */
void imapc_connection_cut(struct imapc_connection *connection, const struct fault *fault);

/* ---- imapc_probe.c: a message that is taken back ---- */

/* Whether a connection is wanted for it. */
bool imapc_probe_waits(const struct imapc_pool *pool);
/* An idle connection: whether it has begun with the probe's next step. */
bool imapc_probe_start(struct imapc_connection *connection);
/* The result of a connection that is at it. */
void imapc_probe_result(struct imapc_connection *connection, const struct imapc_result *result);
/* Nobody can be reached, or the pool ends. */
void imapc_probe_failed(struct imapc_pool *pool, const struct fault *fault);
/* Without a report. */
void imapc_probe_free(struct imapc_pool *pool);

/* ---- imapc_sasl.c: a login by SCRAM, whose arithmetic goes to the pool's login lane ---- */

/* What a login may be bound to, as net_stream_tls_channel() says it and the server's profile allows; NULL: nothing. */
const char *imapc_sasl_channel(const struct imapc_connection *connection, uint8_t into[NET_STREAM_CHANNEL_MAX],
                               size_t *len_r);
/* Answers a challenge of the engine, from the loop, and pumps the connection; makes connection->sasl on the first. */
void imapc_sasl_answer(struct imapc_connection *connection, const char *mechanism, struct bytes challenge);
/* The connection goes: no answer comes any more. Sets *sasl to NULL; NULL is fine. */
void imapc_sasl_free(struct imapc_sasl **sasl);

/* ---- imapc_core.c ---- */

/* Has the pool look for work, from the loop. */
void imapc_core_kick(struct imapc_pool *pool);
void imapc_core_answer(struct imapc_pool *pool, struct imapc_append *append, const struct imapc_outcome *outcome);
void imapc_pool_daily(const struct imapc_pool *pool, struct imapc_daily *daily_r);
/* Whether the day's budget pays for so many octets more; a new day begins it anew. */
bool imapc_core_affords(struct imapc_pool *pool, uint64_t octets);
/* Tells imapc_pool_try() that it failed; false: nobody tries. */
bool imapc_core_report_failed(struct imapc_pool *pool, const struct fault *fault);
void imapc_core_report(struct imapc_pool *pool, const struct imapc_report *report);

/* Connections that there may be now. */
static inline size_t imapc_core_most(const struct imapc_pool *pool)
{
    size_t ours = pool->share < pool->allowed ? pool->share : pool->allowed;
    return pool->connection_most < ours ? pool->connection_most : ours;
}

/* ---- imapc_members.c ---- */

/* The connection has logged in. */
void imapc_members_joined(struct imapc_pool *pool, struct imapc_connection *connection);
/* The connection frees itself behind this call. was_ready: it had logged in. */
void imapc_members_left(struct imapc_pool *pool, struct imapc_connection *connection, const struct imapc_request *why,
                        bool was_ready);

#endif
