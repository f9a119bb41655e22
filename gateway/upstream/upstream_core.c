/*
 * upstream_core - what everything of a pool calls: work comes in, its answer goes out, and the schedule is asked to
 * run, which it does from the loop only. See upstream_private.h.
 */
#include "base/expect.h"
#include "upstream/upstream_private.h"

void upstream_core_kick(struct upstream_pool *pool)
{
    net_timer_start(pool->kick, 0);
}

void upstream_pool_submit(struct upstream_pool *pool, struct upstream_append **append)
{
    NET_EXPECT_LOOP(pool->loop);
    /* In a batch with others it ended in doubt: alone, the next end tells which of them it was. */
    (*append)->batch_most = (*append)->doubt.alone ? 1 : 0;
    upstream_backlog_queue(pool, *append, false);
    if ((*append)->doubt.open && (*append)->shared) {
        upstream_backlog_expect(pool, *append);
    }
    *append = NULL;
    upstream_core_kick(pool);
}

size_t upstream_pool_waiting(const struct upstream_pool *pool)
{
    return pool->waiting_count + pool->active_count;
}

void upstream_core_answer(struct upstream_pool *pool, struct upstream_append *append,
                          const struct upstream_outcome *outcome)
{
    struct upstream_outcome whole = *outcome;
    whole.doubt = append->doubt;
    pool->active_count--;
    append->done(append->ctx, append, &whole);
}

void upstream_core_report(struct upstream_pool *pool, const struct upstream_report *report)
{
    upstream_report_fn *fn = pool->report;
    pool->report = NULL;
    if (fn != NULL) {
        fn(pool->report_ctx, report);
    }
}

bool upstream_core_report_failed(struct upstream_pool *pool, const struct fault *fault)
{
    bool tries = pool->report != NULL;
    upstream_core_report(pool, &(struct upstream_report){.fault = fault});
    return tries;
}

bool upstream_core_affords(struct upstream_pool *pool, uint64_t octets)
{
    uint64_t most = pool->account.settings[UPSTREAM_DAILY_OCTETS], now = net_now(pool->loop);
    if (pool->day_octets == 0 || now - pool->day_began >= UPSTREAM_DAY_MS) {
        pool->day_began = now;
        pool->day_octets = 0;
    }
    /* One that is larger than a day's octets has a day of its own. */
    return most == 0 || pool->day_octets == 0 || (octets <= most && pool->day_octets <= most - octets);
}
