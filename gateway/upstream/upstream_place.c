/*
 * upstream_place - which of an upstream's addresses is connected to; see upstream_private.h.
 *
 * All of them lead to the same mailboxes, so what was sent by one is looked for by another. They are tried in their
 * order: the next when nothing answers at the one before, the first again after the last, then with a pause. While a
 * later one serves, the first is tried now and then by a single connection, a probe, which nobody waits for; when it
 * works, the others follow as they finish what they do.
 */
#include "upstream/upstream_private.h"

#define FAILBACK_MS UINT64_C(300000) /* where the account says nothing */

void upstream_account_release(struct upstream_account *account)
{
    for (size_t i = 0; i < account->place_count; i++) {
        net_tls_free(&account->places[i].tls);
    }
}

unsigned upstream_place_print(const struct upstream_pool *pool, size_t place)
{
    const struct net_address *address = &pool->account.places[place].address;
    uint64_t print = outage_print(bytes_of(address->host)) * 31 + address->port;
    unsigned folded = (unsigned)(print ^ print >> 32) & INT32_MAX;
    return folded | 1u << 16; /* no index of an earlier version, not 0, and not DOUBT_PLACES */
}

static uint64_t failback_ms(const struct upstream_pool *pool)
{
    return pool->account.failback_ms != 0 ? pool->account.failback_ms : FAILBACK_MS;
}

bool upstream_place_is_due(const struct upstream_pool *pool)
{
    return pool->place > 0 && !pool->probing && net_now(pool->loop) >= pool->failback_at;
}

bool upstream_place_is_probe(const struct upstream_pool *pool, const struct upstream_connection *connection)
{
    return pool->probing && connection->place < pool->place && !connection->ready;
}

size_t upstream_place_choose(struct upstream_pool *pool)
{
    if (upstream_place_is_due(pool)) {
        pool->probing = true;
        return 0;
    }
    return pool->place;
}

static bool is_served(const struct upstream_pool *pool, size_t place)
{
    for (const struct list *link = pool->connections.next; link != &pool->connections; link = link->next) {
        const struct upstream_connection *connection = LIST_ITEM(link, const struct upstream_connection, link);
        if (connection->place == place && connection->ready) {
            return true;
        }
    }
    return false;
}

static void log_move(const struct upstream_pool *pool, enum log_level level, const char *event, size_t from, size_t to,
                     const struct fault *fault)
{
    const struct net_address *left = &pool->account.places[from].address, *taken = &pool->account.places[to].address;
    log_event(pool->log, level, event, LOG_STR("upstream", pool->account.name), LOG_STR("server.address", taken->host),
              LOG_INT("server.port", taken->port), LOG_STR("left.address", left->host),
              LOG_INT("left.port", left->port), LOG_STR("during", fault == NULL ? NULL : fault->where),
              LOG_STR("error.code", fault == NULL ? NULL : fault->code),
              LOG_STR("error.message", fault == NULL ? NULL : fault->text));
}

bool upstream_place_failed(struct upstream_pool *pool, const struct upstream_connection *connection,
                           const struct fault *fault)
{
    size_t failed = connection->place;
    if (pool->probing && failed == 0 && pool->place > 0) {
        pool->probing = false;
        pool->failback_at = net_now(pool->loop) + failback_ms(pool);
        log_move(pool, LOG_LEVEL_INFO, "upstream_still_down", 0, pool->place, fault);
        return true;
    }
    if (fault->class != FAULT_TEMP || failed != pool->place || is_served(pool, failed)) {
        return false;
    }
    if (failed + 1 < pool->account.place_count) {
        pool->place = failed + 1;
        pool->failback_at = net_now(pool->loop) + failback_ms(pool);
        pool->proven = false;
        log_move(pool, LOG_LEVEL_WARNING, "upstream_failover", failed, pool->place, fault);
        return true;
    }
    pool->place = 0; /* none is left: from the first again, after the pause that follows */
    return false;
}

void upstream_place_connected(struct upstream_pool *pool, const struct upstream_connection *connection)
{
    if (connection->place < pool->place) {
        log_move(pool, LOG_LEVEL_INFO, "upstream_failback", pool->place, connection->place, NULL);
        pool->place = connection->place;
    }
    if (connection->place == 0) {
        pool->probing = false;
    }
}

bool upstream_place_is_left(const struct upstream_pool *pool, const struct upstream_connection *connection)
{
    bool in_the_way = upstream_place_is_due(pool) && pool->connection_count >= upstream_core_most(pool);
    return connection->place != pool->place || (connection->place > 0 && in_the_way);
}
