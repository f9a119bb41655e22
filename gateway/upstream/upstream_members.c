/*
 * upstream_members - a connection comes to its pool, ready for work, and leaves it. See upstream_private.h.
 */
#include "upstream/upstream_private.h"

static void report_connected(struct upstream_pool *pool, const struct upstream_connection *connection)
{
    const struct net_stream *stream = connection->stream;
    upstream_core_report(pool, &(struct upstream_report){.peer = net_stream_peer(stream),
                                                         .tls_version = net_stream_tls_version(stream),
                                                         .tls_cipher = net_stream_tls_cipher(stream),
                                                         .tls_peer = net_stream_tls_peer(stream),
                                                         .certificate_expires = pool->certificate_expires,
                                                         .capabilities = imapc_engine_capabilities(connection->engine),
                                                         .namespaces = imapc_engine_namespaces(connection->engine)});
}

void upstream_members_joined(struct upstream_pool *pool, struct upstream_connection *connection)
{
    upstream_place_connected(pool, connection);
    upstream_health_reached(pool, connection);
    pool->certificate_expires = net_stream_tls_peer_expires(connection->stream);
    pool->batches = imapc_engine_takes_batches(connection->engine) && pool->account.settings[UPSTREAM_BATCH] > 1;
    report_connected(pool, connection);
    upstream_core_kick(pool); /* one connection stands: the others may follow */
}

/* An optional question that the server does not bear is told once, when it is left out. */
static void log_question(struct upstream_pool *pool)
{
    enum imapc_question question = imapc_habits_take_news(&pool->habits);
    if (question != IMAPC_QUESTIONS) {
        log_event(pool->log, LOG_LEVEL_WARNING, "question_left_out", LOG_STR("upstream", pool->account.name),
                  LOG_STR("question", imapc_habits_name(question)),
                  LOG_STR("message", "the connection broke at this question twice in a row: mail is filed without the "
                                     "question, which is asked again in a day; nothing is to be done"));
    }
}

void upstream_members_left(struct upstream_pool *pool, struct upstream_connection *connection,
                           const struct imapc_request *why, bool was_ready)
{
    list_remove(&connection->link);
    pool->connection_count--;
    log_question(pool);
    bool failed = fault_is_set(why->fault) && !was_ready && !pool->draining;
    if (pool->token != NULL) {
        upstream_token_spend(pool->token, failed && bytes_is(bytes_of(why->fault->where), "login"));
    }
    upstream_health_gone(pool, connection, why, was_ready);
    upstream_core_kick(pool);
}
