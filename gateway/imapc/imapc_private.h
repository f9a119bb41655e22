/*
 * imapc_private - what imapc_pool.c (which append goes where, when to connect) and imapc_connection.c (one stream and its engine) share.
 */
#ifndef MAILWEIR_IMAPC_IMAPC_PRIVATE_H
#define MAILWEIR_IMAPC_IMAPC_PRIVATE_H

#include "engine/imapc_engine.h"
#include "imapc/imapc_pool.h"

struct imapc_connection;

struct imapc_pool {
    struct net_loop *loop;
    struct log *log;
    struct imapc_account account;
    struct list waiting;     /* struct imapc_append.link */
    struct list connections; /* struct imapc_connection.link */
    size_t connection_count;
    size_t waiting_count, active_count;
    struct net_timer *kick; /* schedules, from the loop */
    unsigned failures;      /* connections in a row that did not become ready */
    uint64_t retry_at;      /* no new connection before it */
    struct fault fault;     /* of the last failure */
    bool draining, drained;
    struct net_timer *drain_timer;
    void (*drain_done)(void *ctx);
    void *drain_ctx;
};

/* imapc_connection.c */
struct imapc_connection {
    struct list link;
    struct imapc_pool *pool;
    struct net_stream *stream;
    struct imapc_engine *engine;
    struct net_timer *timer;
    struct imapc_append *append; /* under way, or NULL */
    struct imapc_message message;
    uint64_t moved;      /* net_stream_moved() when it was last looked at */
    uint64_t idle_since;
    uint64_t appends;    /* finished */
    bool open;           /* what is read is IMAP: connected, and the handshake done */
    bool ready;          /* logged in, and the log says so */
};

/* Begins to connect. */
struct imapc_connection *imapc_connection_new(struct imapc_pool *pool);
/* Goes on as far as possible; takes waiting appends of the pool. The connection may be gone afterwards. */
void imapc_connection_pump(struct imapc_connection *connection);
/* Ends it at once: what is under way is answered. */
void imapc_connection_cut(struct imapc_connection *connection, const struct fault *fault);

/* imapc_pool.c, for connections */
/* The next append, or NULL. */
struct imapc_append *imapc_pool_take(struct imapc_pool *pool);
/* Back to the head of the queue: the connection was gone before anything of it was sent. */
void imapc_pool_give_back(struct imapc_pool *pool, struct imapc_append *append);
void imapc_pool_answer(struct imapc_pool *pool, struct imapc_append *append, const struct imapc_outcome *outcome);
void imapc_pool_connected(struct imapc_pool *pool);
/* The connection frees itself behind this call. was_ready: it had logged in. */
void imapc_pool_gone(struct imapc_pool *pool, struct imapc_connection *connection, const struct imapc_request *why, bool was_ready);

#endif
