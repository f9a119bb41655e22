/*
 * upstream_pace - what of a pool's pace outlives a restart: octets of the day, pauses that the server asked for, and
 * the mechanism that its login is pinned to. See struct upstream_pace.
 *
 * An upstream that merely could not be reached is not among it: after a restart it is tried at once.
 */
#include <string.h>

#include "upstream/upstream_private.h"

#include "base/expect.h"
static int64_t wall_of(const struct upstream_pool *pool, uint64_t then)
{
    return net_wall(pool->loop) + (int64_t)(then - net_now(pool->loop));
}

void upstream_pool_daily(const struct upstream_pool *pool, struct upstream_daily *daily_r)
{
    uint64_t passed = net_now(pool->loop) - pool->day_began, limit = pool->account.settings[UPSTREAM_DAILY_OCTETS];
    bool over = passed >= UPSTREAM_DAY_MS; /* the next message begins another */
    uint64_t used = over ? 0 : pool->day_octets, left = over ? UPSTREAM_DAY_MS : UPSTREAM_DAY_MS - passed;
    *daily_r = (struct upstream_daily){.limit = limit, .used = used, .ends_in_ms = left, .spent_in_ms = UINT64_MAX};
    if (limit > 0 && used >= limit) {
        daily_r->spent_in_ms = 0;
    } else if (limit > 0 && used > 0) {
        double pace = (double)used / (double)(passed > 0 ? passed : 1), spent = (double)(limit - used) / pace;
        daily_r->spent_in_ms = spent < (double)left ? (uint64_t)spent : UINT64_MAX;
    }
}

void upstream_pool_pace(const struct upstream_pool *pool, struct upstream_pace *pace_r)
{
    memset(pace_r, 0, sizeof *pace_r); /* also what lies between its members: it is compared octet by octet */
    if (pool->account.settings[UPSTREAM_DAILY_OCTETS] > 0 && pool->day_octets > 0) {
        pace_r->day_began_ms = wall_of(pool, pool->day_began);
        pace_r->day_octets = pool->day_octets;
    }
    pace_r->mechanism = pool->habits.mechanism;
    const struct outage *outage = &pool->outage;
    if (outage->asked && outage->until > net_now(pool->loop)) {
        pace_r->not_before_ms = wall_of(pool, outage->until);
        pace_r->pause_ms = (int64_t)outage->delay;
        pace_r->failures = outage_failures(outage);
        pace_r->login = outage->cause == OUTAGE_LOGIN;
        pace_r->fault = outage->fault;
    }
}

void upstream_pool_set_pace(struct upstream_pool *pool, const struct upstream_pace *pace)
{
    NET_EXPECT_LOOP(pool->loop);
    uint64_t now = net_now(pool->loop);
    int64_t passed = net_wall(pool->loop) - pace->day_began_ms, left = pace->not_before_ms - net_wall(pool->loop);
    if (pace->day_began_ms != 0 && passed >= 0 && passed < (int64_t)UPSTREAM_DAY_MS) {
        pool->day_began = now - (uint64_t)passed; /* a monotonic clock may be younger: the difference counts */
        pool->day_octets = pace->day_octets;
    }
    /* What would show the password to whoever answers there today is not gone back to after a restart either. */
    if (pace->mechanism > IMAPC_AUTH_AUTO && pace->mechanism < IMAPC_AUTH_MECHANISMS) {
        pool->habits.mechanism = pace->mechanism;
    }
    if (pace->pause_ms > 0 && left > pace->pause_ms) {
        left = pace->pause_ms; /* the clock was put back meanwhile */
    }
    /* No pause is as long as a day: what says so was kept by a clock that was wrong. */
    if (left > 0 && left < (int64_t)UPSTREAM_DAY_MS) {
        outage_resume(&pool->outage, now + (uint64_t)left, (uint64_t)left, pace->login, pace->failures, &pace->fault);
    }
}

void upstream_pool_try_now(struct upstream_pool *pool)
{
    NET_EXPECT_LOOP(pool->loop);
    outage_try_now(&pool->outage);
}
