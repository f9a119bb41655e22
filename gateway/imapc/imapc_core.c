/*
 * imapc_core - what everything of a pool calls: work comes in, its answer goes out, and the schedule is asked to run,
 * which it does from the loop only. See imapc_private.h.
 */
#include "base/expect.h"
#include "imapc/imapc_private.h"

void imapc_core_kick(struct imapc_pool *pool)
{
    net_timer_start(pool->kick, 0);
}

void imapc_pool_submit(struct imapc_pool *pool, struct imapc_append **append)
{
    NET_EXPECT_LOOP(pool->loop);
    /* In a batch with others it ended in doubt: alone, the next end tells which of them it was. */
    (*append)->batch_most = (*append)->doubt.alone ? 1 : 0;
    imapc_backlog_queue(pool, *append, false);
    *append = NULL;
    imapc_core_kick(pool);
}

size_t imapc_pool_waiting(const struct imapc_pool *pool)
{
    return pool->waiting_count + pool->active_count;
}

void imapc_core_answer(struct imapc_pool *pool, struct imapc_append *append, const struct imapc_outcome *outcome)
{
    struct imapc_outcome whole = *outcome;
    whole.doubt = append->doubt;
    pool->active_count--;
    append->done(append->ctx, append, &whole);
}

void imapc_core_report(struct imapc_pool *pool, const struct imapc_report *report)
{
    imapc_report_fn *fn = pool->report;
    pool->report = NULL;
    if (fn != NULL) {
        fn(pool->report_ctx, report);
    }
}

bool imapc_core_report_failed(struct imapc_pool *pool, const struct fault *fault)
{
    bool tries = pool->report != NULL;
    imapc_core_report(pool, &(struct imapc_report){.fault = fault});
    return tries;
}

bool imapc_core_affords(struct imapc_pool *pool, uint64_t octets)
{
    uint64_t most = pool->account.settings[IMAPC_DAILY_OCTETS], now = net_now(pool->loop);
    if (pool->day_octets == 0 || now - pool->day_began >= IMAPC_DAY_MS) {
        pool->day_began = now;
        pool->day_octets = 0;
    }
    /* One that is larger than a day's octets has a day of its own. */
    return most == 0 || pool->day_octets == 0 || (octets <= most && pool->day_octets <= most - octets);
}
