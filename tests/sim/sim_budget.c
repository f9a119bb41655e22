/*
 * sim_budget - see sim_budget.h.
 *
 * All messages of a backlog cost the same, so the solver needs no search: a schedule that begins each message at the first moment at which a
 * connection is free and the budget pays for it ends first. (Exchange the first message that another schedule begins later.)
 */
#include "sim_budget.h"

#include <stdio.h>

#include "base/expect.h"
#include "sim.h"

#define DAY_US (86400 * (uint64_t)SIM_SECOND)
/* What was under way when the account was shut is nobody's fault. */
#define UNDER_WAY_US (2 * (uint64_t)SIM_SECOND)

static void recharge(struct sim_budget *budget, uint64_t now)
{
    double passed = (double)(now - budget->balance_at_us);
    budget->balance_us += passed * budget->recharge;
    budget->balance_us = budget->balance_us > budget->burst_us ? budget->burst_us : budget->balance_us;
    budget->balance_at_us = now;
}

static const char *take_work(struct sim_budget *budget, uint64_t now)
{
    static char words[120];
    recharge(budget, now);
    if (now < budget->shut_until_us) {
        budget->known += now > budget->told_at_us + UNDER_WAY_US;
    } else if (budget->balance_us > 0) {
        budget->balance_us -= budget->work_us;
        return NULL;
    } else {
        budget->shut_until_us = now + (uint64_t)((budget->resume_us - budget->balance_us) / budget->recharge);
        budget->told_at_us = now;
    }
    snprintf(words, sizeof words, "BAD Request is throttled. Suggested Backoff Time: %llu milliseconds",
             (unsigned long long)((budget->shut_until_us - now) / SIM_MS + 1));
    return words;
}

static const char *take_octets(struct sim_budget *budget, uint64_t octets, uint64_t now)
{
    if (budget->day_used == 0 || now - budget->day_began_us >= DAY_US) {
        budget->day_began_us = now;
        budget->day_used = 0;
    }
    if (budget->day_used + octets > budget->day_octets) {
        budget->known++; /* it stands in the configuration */
        return "NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)";
    }
    budget->day_used += octets;
    return NULL;
}

const char *sim_budget_take(struct sim_budget *budget, uint64_t octets)
{
    const char *words = NULL;
    if (budget->burst_us > 0) {
        words = take_work(budget, sim_now());
    }
    if (words == NULL && budget->day_octets > 0) {
        words = take_octets(budget, octets, sim_now());
    }
    budget->refused += words != NULL;
    return words;
}

/* ---- the solver ---- */

static uint64_t when_paid(struct sim_budget *budget, uint64_t octets, uint64_t now)
{
    if (budget->burst_us > 0) {
        recharge(budget, now);
        if (budget->balance_us <= 0) {
            now += (uint64_t)(-budget->balance_us / budget->recharge) + 1;
            recharge(budget, now);
        }
        budget->balance_us -= budget->work_us;
    }
    if (budget->day_octets > 0 && take_octets(budget, octets, now) != NULL) {
        now = budget->day_began_us + DAY_US;
        take_octets(budget, octets, now);
    }
    return now;
}

uint64_t sim_budget_best(const struct sim_budget *known, const struct sim_backlog *backlog)
{
    struct sim_budget budget = *known;
    uint64_t free_at[16] = {0}, last = 0;
    EXPECT(backlog->connections <= 16);
    budget.balance_us = budget.burst_us;
    budget.balance_at_us = budget.day_used = budget.day_began_us = 0;
    for (unsigned i = 0; i < backlog->count; i++) {
        unsigned first = 0;
        for (unsigned k = 1; k < backlog->connections; k++) {
            first = free_at[k] < free_at[first] ? k : first;
        }
        uint64_t from = free_at[first] > last ? free_at[first] : last; /* the budget's time does not run back */
        last = when_paid(&budget, backlog->octets, from);
        free_at[first] = last + backlog->message_us;
    }
    return last + backlog->message_us;
}
