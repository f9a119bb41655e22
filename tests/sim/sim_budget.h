/*
 * sim_budget - what an account may do at a provider, as providers count it: work that a balance pays for, which comes back with time (Exchange
 * Online), or octets in a day (Gmail). And the shortest time in which a backlog can go through it, for whoever knows the budget beforehand.
 */
#ifndef MAILWEIR_SIM_BUDGET_H
#define MAILWEIR_SIM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct sim_budget {
    /* A balance: each message takes work from it; below 0 the account is shut until it is at `resume` again. */
    double burst_us; /* the most that it holds, and what it begins with; 0: no such budget */
    double work_us;  /* of one message */
    double recharge; /* microseconds that come back in one */
    double resume_us;
    /* Octets of a day that begins with its first one. */
    uint64_t day_octets; /* 0: no such budget */
    /* What became of it. */
    double balance_us;
    uint64_t balance_at_us, shut_until_us, told_at_us;
    uint64_t day_began_us, day_used;
    unsigned refused; /* messages */
    unsigned known;   /* of them those of which the gateway could have known */
};

/* One message of so many octets. NULL: it is paid for; else the provider's words. */
const char *sim_budget_take(struct sim_budget *budget, uint64_t octets);

/* Messages of `octets` each by that many connections, of which each takes `message_us` for one. */
struct sim_backlog {
    unsigned count, connections;
    uint64_t octets, message_us;
};
/* The offline solver: microseconds from the first to the last, when nothing is ever refused. */
uint64_t sim_budget_best(const struct sim_budget *budget, const struct sim_backlog *backlog);

#endif
