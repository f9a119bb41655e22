/*
 * upstream_private - what the files of a pool share. Each calls only those below it; an answer that has come goes up by
 * connection->go_on, and the schedule runs when it was asked for.
 *
 *   upstream_pool.c        which work goes where, when to connect
 *   upstream_connection.c  one stream and its engine
 *   upstream_members.c     a connection joins its pool, and leaves it
 *   upstream_sasl.c        a login by SCRAM
 *   upstream_probe.c       a message that is taken back
 *   upstream_task.c        one piece of work and what became of it
 *   upstream_health.c      is it the message, the session or the account?
 *   upstream_place.c       which address
 *   upstream_backlog.c     what waits, by folder
 *   upstream_core.c        work comes in, answers go out, the schedule is asked to run
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_PRIVATE_H
#define MAILWEIR_UPSTREAM_UPSTREAM_PRIVATE_H

#include "base/map.h"
#include "base/must_use.h"
#include "engine/imapc_engine.h"
#include "upstream/upstream_deflate.h"
#include "upstream/upstream_pool.h"
#include "net/net_lane.h"
#include "proto/tracer.h"

/* The most appends that are looked for at once. */
#define UPSTREAM_SEARCH_BATCH 1000
/* A minute more than a day: the server's begins with the first octet that it has, when ours has begun. */
#define UPSTREAM_DAY_MS UINT64_C(86460000)
/* Messages that must wait for each connection that works on a folder, before one more joins it with batches. */
#define UPSTREAM_BATCH_SPILL 10

struct upstream_pool {
    struct net_loop *loop;
    struct log *log;
    struct upstream_account account;
    size_t place;            /* the one of the account's that new connections go to */
    bool probing;            /* a connection to the first is being tried, while a later one serves */
    uint64_t failback_at;    /* when it is tried next */
    struct map *folders;     /* struct upstream_backlog by name */
    struct list ring;        /* folders with something waiting, the next to be served first */
    struct list connections; /* struct upstream_connection.link */
    size_t connection_count;
    uint64_t connection_number; /* of the newest */
    size_t connection_most;     /* less than the setting when the server said that there are too many */
    uint64_t crowded_until;
    size_t share;              /* so many of the connections of all nodes are ours ... */
    size_t allowed;            /* ... and to so many it comes down; see upstream_pool_share() */
    bool dropping;             /* see upstream_pool_drop() */
    bool wants_turn, has_turn; /* see upstream_pool_take_turn() */
    void (*lacks)(void *ctx);
    void *lacks_ctx;
    struct imapc_names *names;  /* that upstream_pool_try() is to fill; or NULL */
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
    struct list unsettled;          /* struct upstream_backlog.unsettled */
    struct net_timer *settling;     /* until what is in doubt may be looked for */
    struct upstream_token *token;   /* NULL: a password */
    struct net_lane *login;         /* of SCRAM's arithmetic; made when it is needed first */
    int64_t certificate_expires;    /* of the server's, seconds since 1970; 0: not seen yet */
    uint64_t day_began, day_octets; /* of the daily budget */
    struct upstream_probe *probe;   /* of upstream_pool_probe(), until it is over; or NULL */
    upstream_report_fn *report;     /* of upstream_pool_try(), until it was called */
    void *report_ctx;
    bool halted; /* see upstream_pool_halt() */
    bool draining, drained;
    struct net_timer *drain_timer;
    void (*drain_done)(void *ctx);
    void *drain_ctx;
};

/* ---- upstream_backlog.c: what waits ---- */

/* Of one folder. */
struct upstream_backlog {
    struct list link; /* of the ring */
    char *name;
    struct list waiting;  /* struct upstream_append, in order */
    struct list doubtful; /* to be looked for first */
    size_t waiting_count, doubtful_count;
    uint64_t settled_at;   /* nothing is looked for in it before: an append of unknown outcome may be under way */
    struct list unsettled; /* on the pool's list until then, in the order of their times */
    bool is_patient;       /* a look before then would prove nothing, and come again and again */
    unsigned busy;         /* connections that append to it */
    bool searching;        /* one looks for messages in it */
};

/* Queues it, at the tail or (what was out already) at the head. */
void upstream_backlog_queue(struct upstream_pool *pool, struct upstream_append *append, bool at_head);
/* Takes any append off the queues; NULL when nothing waits. */
struct upstream_append *upstream_backlog_take_any(struct upstream_pool *pool);
/* Frees it when nothing waits and nobody works on it; puts it back on the ring when something does. */
void upstream_backlog_release(struct upstream_pool *pool, struct upstream_backlog *folder);
/* Whether something is to be looked for in it, and has had its time to settle. */
bool upstream_backlog_may_search(const struct upstream_pool *pool, const struct upstream_backlog *folder);
/* Milliseconds from the time when a look may find to the one when it may prove. */
uint64_t upstream_backlog_after_look(const struct upstream_pool *pool);
/* The outcome of an append to it is unknown: nothing is looked for in it before that had time to settle. Other folders
 * do not wait for it. */
void upstream_backlog_unsettle(struct upstream_pool *pool, struct upstream_backlog *folder);
/* The same of what has just been queued, and may have gone out elsewhere a moment ago. */
void upstream_backlog_expect(struct upstream_pool *pool, const struct upstream_append *append);
/* Forgets the doubts that have had their time. When the next one has it, or 0. */
uint64_t upstream_backlog_settle(struct upstream_pool *pool);
/* When nothing waits. */
void upstream_backlog_free_all(struct upstream_pool *pool);
/* Connections that would find work now. */
size_t upstream_backlog_demand(const struct upstream_pool *pool);

/* ---- upstream_task.c: one piece of work of a connection ---- */

struct upstream_task {
    struct upstream_backlog *folder;
    bool is_search;
    uint64_t began;   /* of a search: net_now(), and ... */
    int64_t began_ms; /* ... the wall clock */
    size_t count;
    struct upstream_append **appends;
    struct imapc_message *messages; /* of an append */
    struct imapc_wanted *wanted;    /* of a search */
};

/* The next piece of work for a connection; NULL: none. can_batch: its server has MULTIAPPEND. */
struct upstream_task *upstream_task_take(struct upstream_pool *pool, bool can_batch);
/* The same, without searches. */
struct upstream_task *upstream_task_take_append(struct upstream_pool *pool, bool can_batch);
/* Whether appends wait, and no connection is free for them or can be opened. */
bool upstream_task_waits(struct upstream_pool *pool);
void upstream_task_start(struct upstream_task *task, struct imapc_engine *engine, uint64_t now);
/*
 * Answers the task's appends, or queues them again; sets *task to NULL. stale: the connection had been used before, and
 * was lost. place: as upstream_place_print() has it.
 */
void upstream_task_finish(struct upstream_pool *pool, struct upstream_task **task, const struct imapc_result *result,
                          bool stale, unsigned place);

/* ---- upstream_health.c: is it the message, the session or the account? ---- */

struct upstream_connection;
/* Whether nothing is filed and nobody connects for now. */
bool upstream_health_is_down(const struct upstream_pool *pool);
/* Whether a pause is over and nothing was filed since: one message goes alone, and says whether the others follow. */
bool upstream_health_is_trial(const struct upstream_pool *pool);
/* No connection, or no login. */
void upstream_health_unreached(struct upstream_pool *pool, const struct fault *fault, uint64_t retry_after_ms);
/* A connection has logged in; has ended. */
void upstream_health_reached(struct upstream_pool *pool, struct upstream_connection *connection);
void upstream_health_gone(struct upstream_pool *pool, struct upstream_connection *connection,
                          const struct imapc_request *why, bool was_ready);
/* The connection's task is over: notes what that says of the session and the account, and whether the fault is the
 * account's. */
void upstream_health_result(struct upstream_connection *connection, struct imapc_result *result);

/* ---- upstream_place.c: which address ---- */

/* A number for the place by its name, for doubts (struct doubt): the same after a restart or a reload. */
unsigned upstream_place_print(const struct upstream_pool *pool, size_t place);
/* Where the next connection goes: an index of the account's places. */
size_t upstream_place_choose(struct upstream_pool *pool);
/* Whether it is time to try the first place, and nobody does; whether this connection does. */
bool upstream_place_is_due(const struct upstream_pool *pool);
bool upstream_place_is_probe(const struct upstream_pool *pool, const struct upstream_connection *connection);
/* A connection did not become ready. true: another place takes over at once, or still serves; false: the upstream as a
 * whole has failed. */
bool upstream_place_failed(struct upstream_pool *pool, const struct upstream_connection *connection,
                           const struct fault *fault);
void upstream_place_connected(struct upstream_pool *pool, const struct upstream_connection *connection);
/* Whether an idle connection should end: another place serves now, or the first could be tried if this one made room.
 */
bool upstream_place_is_left(const struct upstream_pool *pool, const struct upstream_connection *connection);

/* ---- upstream_connection.c ---- */

struct upstream_connection {
    struct list link;
    struct upstream_pool *pool;
    size_t place; /* of the account's */
    struct net_stream *stream;
    struct imapc_engine *engine;
    bool (*go_on)(struct upstream_connection *connection); /* upstream_connection_pump(): an answer has come */
    struct upstream_sasl *sasl;                            /* a login by SCRAM under way; see upstream_sasl.c */
    struct net_timer *timer;
    struct tracer tracer;
    uint64_t number;                  /* of the pool's connections ever */
    struct upstream_task *task;       /* under way, or NULL */
    struct upstream_task *paused;     /* a search that has made room for others; or NULL */
    bool probes;                      /* the pool's probe is under way on it */
    struct upstream_deflate *deflate; /* NULL: in the plain */
    struct buf packed;                /* deflated, for the stream */
    size_t inflated;                  /* by this pump */
    bool body_due;                    /* octets of a message are to be asked for */
    size_t body_message, body_len;
    uint64_t body_offset;
    uint64_t moved; /* net_stream_moved() when it was last looked at */
    uint64_t idle_since;
    uint64_t tasks; /* finished */
    uint64_t ready_at;
    bool filed;           /* something */
    bool sick;            /* it takes no more work: another session may be better */
    bool leaving;         /* we have said goodbye */
    uint64_t parts_until; /* it waits so long for the server to close; 0: it does not */
    bool parted;          /* and need not any more */
    uint64_t killer;      /* outage_message() of what it ended over; 0: none */
    uint64_t words;       /* outage_words() of the last refusal */
    unsigned alike;       /* refusals in a row in these words */
    bool asking;          /* a body is asked for: an answer from inside the call is taken up there */
    bool open;            /* what is read is IMAP: connected, and the handshake done */
    bool ready;           /* logged in */
    bool spoken;          /* something was said */
    uint64_t unacked_ms;  /* after which the kernel gives it up, as it was told last; 0: not told */
};

/* Begins to connect. */
MUST_USE struct upstream_connection *upstream_connection_new(struct upstream_pool *pool);
/* Goes on as far as possible; takes work of the pool. Whether the connection is still there: it ends itself. */
bool upstream_connection_pump(struct upstream_connection *connection);
/* Ends it at once: what is under way is answered. */
void upstream_connection_cut(struct upstream_connection *connection, const struct fault *fault);

/* ---- upstream_probe.c: a message that is taken back ---- */

/* Whether a connection is wanted for it. */
bool upstream_probe_waits(const struct upstream_pool *pool);
/* An idle connection: whether it has begun with the probe's next step. */
bool upstream_probe_start(struct upstream_connection *connection);
/* The result of a connection that is at it. */
void upstream_probe_result(struct upstream_connection *connection, const struct imapc_result *result);
/* Nobody can be reached, or the pool ends. */
void upstream_probe_failed(struct upstream_pool *pool, const struct fault *fault);
/* Without a report. */
void upstream_probe_free(struct upstream_pool *pool);

/* ---- upstream_sasl.c: a login by SCRAM, whose arithmetic goes to the pool's login lane ---- */

/* What a login may be bound to, as net_stream_tls_channel() says it and the server's profile allows; NULL: nothing. */
const char *upstream_sasl_channel(const struct upstream_connection *connection, uint8_t into[NET_STREAM_CHANNEL_MAX],
                                  size_t *len_r);
/* Answers a challenge of the engine, from the loop, and pumps the connection; makes connection->sasl on the first. */
void upstream_sasl_answer(struct upstream_connection *connection, const char *mechanism, struct bytes challenge);
/* The connection goes: no answer comes any more. Sets *sasl to NULL; NULL is fine. */
void upstream_sasl_free(struct upstream_sasl **sasl);

/* ---- upstream_core.c ---- */

/* Has the pool look for work, from the loop. */
void upstream_core_kick(struct upstream_pool *pool);
void upstream_core_answer(struct upstream_pool *pool, struct upstream_append *append,
                          const struct upstream_outcome *outcome);
void upstream_pool_daily(const struct upstream_pool *pool, struct upstream_daily *daily_r);
/* Whether the day's budget pays for so many octets more; a new day begins it anew. */
bool upstream_core_affords(struct upstream_pool *pool, uint64_t octets);
/* Tells upstream_pool_try() that it failed; false: nobody tries. */
bool upstream_core_report_failed(struct upstream_pool *pool, const struct fault *fault);
void upstream_core_report(struct upstream_pool *pool, const struct upstream_report *report);

/* Connections that there may be now. */
static inline size_t upstream_core_most(const struct upstream_pool *pool)
{
    size_t ours = pool->share < pool->allowed ? pool->share : pool->allowed;
    return pool->connection_most < ours ? pool->connection_most : ours;
}

/* ---- upstream_members.c ---- */

/* The connection has logged in. */
void upstream_members_joined(struct upstream_pool *pool, struct upstream_connection *connection);
/* The connection frees itself behind this call. was_ready: it had logged in. */
void upstream_members_left(struct upstream_pool *pool, struct upstream_connection *connection,
                           const struct imapc_request *why, bool was_ready);

#endif
