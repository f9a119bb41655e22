/*
 * upstream_probe - one message that is appended as any delivery is, looked for by its id, and removed: what an operator
 * wants to know of a folder before mail goes there; or one that came there by another way, which is waited for, read
 * back and removed. See upstream_pool_probe(), upstream_pool_take_back() and upstream_private.h.
 *
 * It is looked for whatever the APPEND was answered: a server may have kept what it did not acknowledge. Only what has
 * shown our id is removed, by its UID.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "upstream/upstream_private.h"

/* Some servers show what they have filed a moment later (Exchange). */
#define LOOKS   5
#define LOOK_MS 700
/* Who waits for a message that is under way looks often at first. */
#define LOOK_FIRST_MS 100
#define LOOK_LAST_MS  2000

struct upstream_probe {
    struct upstream_pool *pool;
    const char *folder, *id;
    struct bytes message;
    struct upstream_append append;
    struct imapc_wanted wanted;
    struct doubt doubt;
    struct net_timer *timer; /* before the next look */
    unsigned looks;
    uint64_t until;   /* it is looked for until then; 0: LOOKS times */
    uint64_t look_ms; /* before the next look */
    bool waits;       /* for a connection that looks, or removes */
    struct fault fault;
    struct upstream_probe_report report;
    upstream_probe_fn *fn;
    void *ctx;
};

static void end_probe(struct upstream_probe *probe, const struct fault *fault)
{
    if (!fault_is_set(&probe->fault) && fault != NULL) {
        probe->fault = *fault;
    }
    probe->report.fault = fault_is_set(&probe->fault) ? &probe->fault : NULL;
    probe->pool->probe = NULL;
    probe->fn(probe->ctx, &probe->report);
    net_timer_free(&probe->timer);
    free(probe);
}

bool upstream_probe_waits(const struct upstream_pool *pool)
{
    return pool->probe != NULL && pool->probe->waits;
}

void upstream_probe_failed(struct upstream_pool *pool, const struct fault *fault)
{
    if (upstream_probe_waits(pool)) {
        end_probe(pool->probe, fault);
    }
}

void upstream_probe_free(struct upstream_pool *pool)
{
    if (pool->probe != NULL) {
        net_timer_free(&pool->probe->timer);
        free(pool->probe);
        pool->probe = NULL;
    }
}

static void look_again(void *ctx)
{
    struct upstream_probe *probe = ctx;
    probe->waits = true;
    upstream_core_kick(probe->pool);
}

/* ---- the append ---- */

static void read_message(void *ctx, uint64_t offset, size_t len, upstream_body_fn *done, void *done_ctx)
{
    const struct upstream_probe *probe = ctx;
    done(done_ctx, bytes_slice(probe->message, (size_t)offset, len), NULL);
}

static void on_appended(void *ctx, struct upstream_append *append, const struct upstream_outcome *outcome)
{
    struct upstream_probe *probe = ctx;
    (void)append;
    probe->report.filed = !fault_is_set(&outcome->fault);
    bool may_lie_there = probe->report.filed || outcome->fault.class == FAULT_UNCERTAIN || outcome->doubt.open;
    if (!probe->report.filed) {
        probe->fault = outcome->fault;
    }
    if (may_lie_there) {
        look_again(probe);
    } else {
        end_probe(probe, NULL);
    }
}

void upstream_pool_probe(struct upstream_pool *pool, const char *folder, const char *id, struct bytes message,
                         upstream_probe_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(pool->loop);
    EXPECT(pool->probe == NULL && upstream_pool_waiting(pool) == 0);
    struct upstream_probe *probe = expect_calloc(1, sizeof *probe);
    *probe =
        (struct upstream_probe){.pool = pool, .folder = folder, .id = id, .message = message, .fn = fn, .ctx = ctx};
    probe->timer = net_timer_new(pool->loop, look_again, probe);
    probe->look_ms = LOOK_MS;
    probe->append = (struct upstream_append){.id = id,
                                             .folder = folder,
                                             .sender = "",
                                             .date_ms = net_wall(pool->loop),
                                             .body = {.size = message.len, .read = read_message, .ctx = probe},
                                             .done = on_appended,
                                             .ctx = probe};
    list_init(&probe->append.link);
    pool->probe = probe;
    struct upstream_append *append = &probe->append;
    upstream_pool_submit(pool, &append);
}

void upstream_pool_take_back(struct upstream_pool *pool, const char *folder, const char *id, uint64_t within_ms,
                             upstream_probe_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(pool->loop);
    EXPECT(pool->probe == NULL && upstream_pool_waiting(pool) == 0);
    struct upstream_probe *probe = expect_calloc(1, sizeof *probe);
    *probe = (struct upstream_probe){.pool = pool, .folder = folder, .id = id, .fn = fn, .ctx = ctx};
    probe->timer = net_timer_new(pool->loop, look_again, probe);
    probe->look_ms = LOOK_FIRST_MS;
    probe->until = net_now(pool->loop) + within_ms;
    pool->probe = probe;
    look_again(probe);
}

/* ---- the look, and the removal ---- */

static bool looks_again(const struct upstream_probe *probe)
{
    uint64_t next = net_now(probe->pool->loop) + probe->look_ms;
    return probe->until != 0 ? next < probe->until : probe->looks < LOOKS;
}

static void wait_for_look(struct upstream_probe *probe)
{
    net_timer_start(probe->timer, probe->look_ms);
    if (probe->until != 0) {
        probe->look_ms = probe->look_ms * 2 < LOOK_LAST_MS ? probe->look_ms * 2 : LOOK_LAST_MS;
    }
}

bool upstream_probe_start(struct upstream_connection *connection)
{
    struct upstream_probe *probe = connection->pool->probe;
    uint64_t now = net_now(connection->pool->loop);
    if (probe == NULL || !probe->waits) {
        return false;
    }
    probe->waits = false;
    connection->probes = true;
    if (probe->report.found) {
        imapc_engine_remove(connection->engine, now, probe->folder, probe->report.uidvalidity, probe->report.uid);
    } else {
        probe->looks++;
        probe->wanted = (struct imapc_wanted){.id = probe->id, .doubt = &probe->doubt};
        imapc_engine_locate(connection->engine, now, probe->folder, &probe->wanted, 1);
    }
    return true;
}

static void on_looked(struct upstream_probe *probe, const struct imapc_result *result)
{
    if (probe->wanted.uid != 0 && !fault_is_set(&result->fault)) {
        probe->report.found = true;
        probe->report.uid = probe->wanted.uid;
        probe->report.uidvalidity = result->uidvalidity;
        look_again(probe);
    } else if (looks_again(probe)) {
        wait_for_look(probe);
    } else if (fault_is_set(&result->fault)) {
        end_probe(probe, &result->fault);
    } else {
        struct fault fault = FAULT_INIT;
        fault_set(&fault, FAULT_TEMP, "not-found", "fetch", "%s",
                  probe->wanted.elsewhere
                      ? "a filter on the server moved the message to another folder; remove it there by hand"
                  : probe->report.filed ? "the server said that the message was filed, but it cannot be found by its id"
                                        : "the message cannot be found by its id: it was probably not filed");
        end_probe(probe, &fault);
    }
}

void upstream_probe_result(struct upstream_connection *connection, const struct imapc_result *result)
{
    struct upstream_probe *probe = connection->pool->probe;
    connection->probes = false;
    connection->idle_since = net_now(connection->pool->loop);
    if (probe == NULL) {
        return;
    }
    if (!probe->report.found) {
        on_looked(probe, result);
    } else {
        probe->report.removed = !fault_is_set(&result->fault);
        end_probe(probe, probe->report.removed ? NULL : &result->fault);
    }
}
