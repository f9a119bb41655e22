/*
 * imapc_pool - which append goes to which connection, when to connect, and when not to; see imapc_pool.h.
 *
 * Work is handed out from the loop only: submit and drain start the kick timer. While an upstream is down, one connection at a time tries,
 * and appends are answered with the fault of the last try.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "engine/backoff.h"
#include "imapc/imapc_private.h"

#define RETRY_INITIAL_MS 1000
#define RETRY_MAXIMUM_MS 60000

static void on_kick(void *ctx);

struct imapc_pool *imapc_pool_new(struct net_loop *loop, const struct imapc_account *account, struct log *log)
{
    struct imapc_pool *pool = expect_calloc(1, sizeof *pool);
    pool->loop = loop;
    pool->log = log;
    pool->account = *account;
    pool->account.name = expect_strdup(account->name);
    pool->account.username = expect_strdup(account->username);
    pool->account.password = expect_strdup(account->password);
    pool->account.tls = account->tls != NULL ? net_tls_hold(account->tls) : NULL;
    list_init(&pool->waiting);
    list_init(&pool->connections);
    pool->kick = net_timer_new(loop, on_kick, pool);
    return pool;
}

void imapc_pool_free(struct imapc_pool **pool)
{
    if (*pool == NULL) {
        return;
    }
    EXPECT(imapc_pool_waiting(*pool) == 0);
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_LOCAL, "shutdown", "pool", "the upstream is no longer used");
    (*pool)->draining = true;
    while (!list_is_empty(&(*pool)->connections)) {
        imapc_connection_cut(LIST_ITEM((*pool)->connections.next, struct imapc_connection, link), &fault);
    }
    net_timer_free(&(*pool)->kick);
    net_timer_free(&(*pool)->drain_timer);
    net_tls_free(&(*pool)->account.tls);
    free((char *)(*pool)->account.name);
    free((char *)(*pool)->account.username);
    free((char *)(*pool)->account.password);
    free(*pool);
    *pool = NULL;
}

static void kick(struct imapc_pool *pool)
{
    net_timer_start(pool->kick, 0);
}

void imapc_pool_submit(struct imapc_pool *pool, struct imapc_append **append)
{
    list_append(&pool->waiting, &(*append)->link);
    pool->waiting_count++;
    *append = NULL;
    kick(pool);
}

size_t imapc_pool_waiting(const struct imapc_pool *pool)
{
    return pool->waiting_count + pool->active_count;
}

/* ---- for connections ---- */

struct imapc_append *imapc_pool_take(struct imapc_pool *pool)
{
    struct list *link = pool->draining ? NULL : list_take(&pool->waiting);
    if (link == NULL) {
        return NULL;
    }
    pool->waiting_count--;
    pool->active_count++;
    return LIST_ITEM(link, struct imapc_append, link);
}

void imapc_pool_give_back(struct imapc_pool *pool, struct imapc_append *append)
{
    list_prepend(&pool->waiting, &append->link);
    pool->waiting_count++;
    pool->active_count--;
    kick(pool);
}

void imapc_pool_answer(struct imapc_pool *pool, struct imapc_append *append, const struct imapc_outcome *outcome)
{
    pool->active_count--;
    append->done(append->ctx, append, outcome);
}

void imapc_pool_connected(struct imapc_pool *pool)
{
    if (pool->failures > 0) {
        log_event(pool->log, LOG_LEVEL_INFO, "upstream_up", LOG_STR("upstream", pool->account.name));
    }
    pool->failures = 0;
    pool->retry_at = 0;
    kick(pool); /* one connection stands: the others may follow */
}

static void note_failure(struct imapc_pool *pool, const struct imapc_request *why)
{
    uint64_t random;
    net_random(&random, sizeof random);
    pool->failures++;
    const struct backoff backoff = {
        .initial_ms = pool->account.retry_initial_ms != 0 ? pool->account.retry_initial_ms : RETRY_INITIAL_MS,
        .maximum_ms = pool->account.retry_maximum_ms != 0 ? pool->account.retry_maximum_ms : RETRY_MAXIMUM_MS};
    uint64_t delay = backoff_delay(&backoff, pool->failures, random);
    delay = delay > why->retry_after_ms ? delay : why->retry_after_ms;
    pool->retry_at = net_now(pool->loop) + delay;
    pool->fault = *why->fault;
    log_event(pool->log, LOG_LEVEL_WARNING, "upstream_failed", LOG_STR("upstream", pool->account.name),
              LOG_STR("server.address", pool->account.address.host), LOG_INT("server.port", pool->account.address.port),
              LOG_STR("during", why->fault->where), LOG_STR("error.code", why->fault->code),
              LOG_STR("error.message", why->fault->text), LOG_INT("attempt", pool->failures), LOG_INT("retry_after_ms", delay));
}

void imapc_pool_gone(struct imapc_pool *pool, struct imapc_connection *connection, const struct imapc_request *why, bool was_ready)
{
    list_remove(&connection->link);
    pool->connection_count--;
    if (fault_is_set(why->fault) && !was_ready && !pool->draining) {
        note_failure(pool, why);
    }
    kick(pool);
}

/* ---- the schedule ---- */

static void answer_waiting(struct imapc_pool *pool, const struct imapc_outcome *outcome)
{
    struct list all;
    list_init(&all);
    list_move(&all, &pool->waiting);
    struct list *link;
    while ((link = list_take(&all)) != NULL) {
        struct imapc_append *append = LIST_ITEM(link, struct imapc_append, link);
        pool->waiting_count--;
        pool->active_count++;
        imapc_pool_answer(pool, append, outcome);
    }
}

static size_t count_connecting(const struct imapc_pool *pool)
{
    size_t count = 0;
    for (const struct list *link = pool->connections.next; link != &pool->connections; link = link->next) {
        count += !LIST_ITEM(link, struct imapc_connection, link)->ready;
    }
    return count;
}

static void open_connections(struct imapc_pool *pool)
{
    size_t connecting = count_connecting(pool);
    while (connecting < pool->waiting_count && pool->connection_count < pool->account.connections &&
           net_now(pool->loop) >= pool->retry_at && (pool->failures == 0 || connecting == 0)) {
        struct imapc_connection *connection = imapc_connection_new(pool);
        list_append(&pool->connections, &connection->link);
        pool->connection_count++;
        connecting++;
    }
}

/* Answers what waits when nothing serves it: the upstream is down, or we are stopping. */
static void give_up_waiting(struct imapc_pool *pool)
{
    struct imapc_outcome outcome = {.fault = pool->fault, .account = true};
    uint64_t now = net_now(pool->loop);
    if (pool->draining) {
        outcome = (struct imapc_outcome){0};
        fault_set(&outcome.fault, FAULT_LOCAL, "shutdown", "pool", "shutting down");
    } else if (pool->connection_count > 0 || now >= pool->retry_at) {
        return;
    } else {
        outcome.retry_after_ms = pool->retry_at - now;
    }
    answer_waiting(pool, &outcome);
}

static void finish_drain(struct imapc_pool *pool)
{
    if (pool->draining && !pool->drained && pool->connection_count == 0 && imapc_pool_waiting(pool) == 0) {
        pool->drained = true;
        net_timer_stop(pool->drain_timer);
        pool->drain_done(pool->drain_ctx); /* may free the pool */
    }
}

static void on_kick(void *ctx)
{
    struct imapc_pool *pool = ctx;
    LIST_EACH (link, &pool->connections) {
        struct imapc_connection *connection = LIST_ITEM(link, struct imapc_connection, link);
        if (pool->draining && !connection->ready) {
            imapc_connection_cut(connection, NULL);
        } else if (connection->ready && connection->append == NULL) {
            imapc_connection_pump(connection);
        }
    }
    give_up_waiting(pool);
    if (!pool->draining) {
        open_connections(pool);
    }
    finish_drain(pool);
}

/* ---- the end ---- */

static void on_drain_deadline(void *ctx)
{
    struct imapc_pool *pool = ctx;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_LOCAL, "shutdown", "pool", "cut off at the end of the shutdown time");
    LIST_EACH (link, &pool->connections) {
        imapc_connection_cut(LIST_ITEM(link, struct imapc_connection, link), &fault);
    }
}

void imapc_pool_drain(struct imapc_pool *pool, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
    EXPECT(!pool->draining);
    pool->draining = true;
    pool->drain_done = done;
    pool->drain_ctx = ctx;
    pool->drain_timer = net_timer_new(pool->loop, on_drain_deadline, pool);
    net_timer_start(pool->drain_timer, deadline_ms);
    kick(pool);
}
