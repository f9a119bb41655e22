/*
 * upstream_health - what becomes of a session, and of the account, by what its connections meet: the doors to
 * engine/outage.h. See upstream_private.h.
 */
#include "upstream/upstream_private.h"

/* So long the pool stays smaller after the server said that there are too many connections. */
#define CROWDED_MS UINT64_C(600000)
/* Refusals of unclear meaning in the same words, one after the other in a session, before another session tries. */
#define ALIKE_IN_SESSION 2

static uint64_t draw_number(void)
{
    uint64_t random;
    net_random(&random, sizeof random);
    return random;
}

/* ---- what is told ---- */

static void log_failure(struct upstream_pool *pool, const struct fault *fault, const char *cause, uint64_t delay)
{
    const struct net_address *address = &pool->account.places[pool->place].address;
    log_event(pool->log, LOG_LEVEL_WARNING, "upstream_failed", LOG_STR("upstream", pool->account.name),
              LOG_STR("server.address", address->host), LOG_INT("server.port", address->port),
              LOG_STR("during", fault->where), LOG_STR("cause", cause), LOG_STR("error.code", fault->code),
              LOG_STR("error.message", fault->text), LOG_INT("attempt", outage_failures(&pool->outage)),
              LOG_INT("retry_after_ms", delay));
}

static void log_up(struct upstream_pool *pool, bool is_up)
{
    if (is_up) {
        log_event(pool->log, LOG_LEVEL_INFO, "upstream_up", LOG_STR("upstream", pool->account.name));
    }
}

/* Tells of a failure unless it is one of several at once; before: the count of failures until then. */
static void tell_health(struct upstream_pool *pool, unsigned before)
{
    const struct outage *outage = &pool->outage;
    if (outage_failures(outage) > before) {
        log_failure(pool, &outage->fault, outage_cause_name(outage->cause), outage->delay);
    }
}

/* ---- connections ---- */

bool upstream_health_is_down(const struct upstream_pool *pool)
{
    return pool->outage.down && pool->outage.hard && net_now(pool->loop) < pool->outage.until;
}

bool upstream_health_is_trial(const struct upstream_pool *pool)
{
    return pool->outage.down && pool->outage.hard && pool->outage.cause >= OUTAGE_SESSIONS;
}

/* Whether another connection is logged in. */
static bool is_served(const struct upstream_pool *pool)
{
    for (const struct list *link = pool->connections.next; link != &pool->connections; link = link->next) {
        if (LIST_ITEM(link, const struct upstream_connection, link)->ready) {
            return true;
        }
    }
    return false;
}

void upstream_health_unreached(struct upstream_pool *pool, const struct fault *fault, uint64_t retry_after_ms)
{
    enum outage_cause cause = fault->class == FAULT_PERM ? OUTAGE_LOGIN : OUTAGE_UNREACHED;
    bool hard = !is_served(pool);
    unsigned before = outage_failures(&pool->outage);
    outage_failed(&pool->outage, net_now(pool->loop), draw_number(), cause, fault, retry_after_ms, hard);
    if (pool->token != NULL && cause == OUTAGE_LOGIN) {
        pool->outage.asked =
            false; /* a token is got anew: what was refused of the last one says nothing after a restart */
    }
    pool->proven = false;
    if (!upstream_core_report_failed(pool, fault)) {
        tell_health(pool, before);
    }
}

/* The other connections work: fewer is all that the server asks for. */
static void note_crowd(struct upstream_pool *pool, const struct fault *fault)
{
    /* What stands now is what the server bears; whether somebody else's program took the rest is asked again later. */
    pool->connection_most = pool->connection_count;
    pool->crowded_until = net_now(pool->loop) + CROWDED_MS;
    log_failure(pool, fault, "crowded", CROWDED_MS);
}

/*
 * A login that is refused while another connection is in with the same password: it is not the password. Servers with a
 * limit of connections say so in these words (Exchange). Of tokens the newest is another one, unless it was refused
 * twice.
 */
static bool is_crowded(struct upstream_pool *pool, const struct imapc_request *why)
{
    bool refused =
        bytes_is(bytes_of(why->fault->where), "login") && bytes_is(bytes_of(why->fault->code), "authentication");
    pool->refused_beside = refused && is_served(pool) ? pool->refused_beside + 1 : 0;
    bool same = pool->token == NULL || pool->refused_beside > 1;
    return pool->connection_count > 0 && (why->crowded || (pool->refused_beside > 0 && same));
}

static void on_unready(struct upstream_pool *pool, struct upstream_connection *connection,
                       const struct imapc_request *why)
{
    if (is_crowded(pool, why)) {
        note_crowd(pool, why->fault);
    } else if (!upstream_place_failed(pool, connection, why->fault)) {
        upstream_health_unreached(pool, why->fault, why->retry_after_ms);
    }
}

/* A session that was ready has ended, by the other side, and we had not said goodbye. */
static void on_session_end(struct upstream_pool *pool, const struct upstream_connection *connection,
                           const struct fault *fault)
{
    struct outage_session session = {.filed = connection->filed,
                                     .message = connection->killer,
                                     /* it may have ended in the same turn, before anybody saw it ready */
                                     .lived_ms = connection->ready ? net_now(pool->loop) - connection->ready_at : 0,
                                     .fault = *fault};
    if (!fault_is_set(fault)) {
        const char *said = imapc_engine_said(connection->engine);
        fault_set(&session.fault, FAULT_TEMP, "connection-lost", "ready",
                  "the server closed the connection after the login%s%s", said[0] != '\0' ? "; it said: " : "", said);
    }
    unsigned before = outage_failures(&pool->outage);
    if (outage_session_ended(&pool->outage, net_now(pool->loop), draw_number(), &session)) {
        pool->proven = false;
        if (upstream_place_failed(pool, connection, &session.fault)) {
            outage_try_now(&pool->outage); /* at another address */
        }
        tell_health(pool, before);
    }
}

void upstream_health_gone(struct upstream_pool *pool, struct upstream_connection *connection,
                          const struct imapc_request *why, bool was_ready)
{
    if (pool->draining || pool->dropping) {
        return;
    }
    if (fault_is_set(why->fault) && !was_ready) {
        on_unready(pool, connection, why);
    } else if (was_ready && !connection->leaving && why->fault->class != FAULT_LOCAL) {
        on_session_end(pool, connection, why->fault);
    }
}

void upstream_health_reached(struct upstream_pool *pool, struct upstream_connection *connection)
{
    connection->ready_at = net_now(pool->loop);
    pool->proven = true;
    log_up(pool, outage_reached(&pool->outage));
}

/* ---- results ---- */

static void on_filed(struct upstream_connection *connection)
{
    connection->filed = true;
    connection->alike = 0;
    log_up(connection->pool, outage_worked(&connection->pool->outage));
}

static bool found_any(const struct upstream_task *task)
{
    for (size_t i = 0; task->is_search && i < task->count; i++) {
        if (task->wanted[i].uid != 0 || task->wanted[i].elsewhere) {
            return true;
        }
    }
    return false;
}

/*
 * Refused in the same words as the message before: it may be the session (Dovecot's internal errors, Microsoft 365).
 * Not when they tell of the message or the folder. A BAD that nobody understands may be the session at the first time:
 * what it says of the message is believed when another session says it, too.
 */
static void note_in_session(struct upstream_connection *connection, const struct imapc_result *result, uint64_t words)
{
    bool of_folder = bytes_is(bytes_of(result->fault.code), "overquota") || result->fault.class == FAULT_PERM;
    bool telling = of_folder && !result->general;
    bool unclear = result->general && result->fault.class == FAULT_PERM;
    connection->alike = !telling && words == connection->words ? connection->alike + 1 : 1;
    connection->words = words;
    connection->sick = connection->sick || result->sick || unclear || connection->alike >= ALIKE_IN_SESSION;
}

static void on_refused(struct upstream_connection *connection, struct imapc_result *result)
{
    struct upstream_pool *pool = connection->pool;
    const struct upstream_append *append = connection->task->appends[0];
    struct bytes folder = bytes_of(connection->task->folder->name);
    const struct outage_refusal refusal = {.fault = &result->fault,
                                           .general = result->general,
                                           .message = outage_message(bytes_of(append->id)),
                                           .sender =
                                               outage_print(bytes_of(append->sender != NULL ? append->sender : "")),
                                           .folder = folder};
    unsigned before = outage_failures(&pool->outage);
    note_in_session(connection, result, outage_words(result->fault.text, folder));
    if (result->account) {
        outage_failed(&pool->outage, net_now(pool->loop), draw_number(), OUTAGE_REFUSED, &result->fault,
                      result->retry_after_ms, true);
    } else if (!connection->task->is_search && connection->task->count == 1) {
        result->account = outage_refused(&pool->outage, net_now(pool->loop), draw_number(), &refusal);
    }
    tell_health(pool, before);
    if (result->account && upstream_health_is_down(pool)) {
        result->retry_after_ms = pool->outage.until - net_now(pool->loop);
    }
}

void upstream_health_result(struct upstream_connection *connection, struct imapc_result *result)
{
    const struct upstream_task *task = connection->task;
    bool refused = result->fault.class == FAULT_TEMP || result->fault.class == FAULT_PERM;
    connection->killer = 0;
    if (connection->pool->draining) {
        return;
    }
    /* A look that finds nothing files nothing: it does not prove that the account takes mail. */
    if (!fault_is_set(&result->fault) && (!task->is_search || found_any(task))) {
        on_filed(connection);
    } else if (result->account) {
        connection->leaving = true; /* if it has ended: that is told */
        on_refused(connection, result);
    } else if (refused && imapc_engine_is_ready(connection->engine)) {
        on_refused(connection, result);
    } else if (fault_is_set(&result->fault)) {
        connection->killer = outage_message(bytes_of(task->appends[0]->id));
    }
}
