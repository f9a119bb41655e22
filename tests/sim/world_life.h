/*
 * world_life - the life of the gateway in a world: it starts with what stands in its files, is stopped, loads them again, and dies with its
 * machine, which starts it once more a second later.
 */
#ifndef MAILWEIR_SIM_WORLD_LIFE_H
#define MAILWEIR_SIM_WORLD_LIFE_H

#include "base/log.h"
#include "daemon/gateway.h"
#include "sim_client.h"

struct world_life {
    struct net_loop *loop;
    struct log log;
    struct gateway *gateway; /* NULL: none runs */
    bool stopping;
    /* May be NULL: it runs; it is gone, by a crash or a stop; its machine has crashed. */
    void (*on_started)(void);
    void (*on_gone)(void);
    void (*on_crashed)(void);
    void (*on_drained)(void); /* all that it was to do before its end is done */
    /* May be NULL: a start fails. When it returns, another is tried later; without it, the world has failed. */
    void (*on_not_started)(const char *why);
};

/* The log and the loop; what the world wants to hear is filled in behind it. */
void world_life_begin(struct world_life *life);
/* Starts it in its machine, now; and whenever that comes back after a crash. */
void world_life_start(struct world_life *life);
/* For sim_gateway_after(), with the life as their ctx; nothing while none runs, or it is stopping. A stop is followed by a start. */
void world_life_stop(void *life);
void world_life_reload(void *life);
/* Whether there is one that works. */
bool world_life_runs(const struct world_life *life);
/* Whether these clients have sent all that they have, and nothing of it waits. */
bool world_life_is_over(const struct world_life *life, struct sim_client *const *clients, size_t count);

/*
 * How a world of faults ends when all is well again: by then it must be settled, after that nothing may be filed once more; what was promised lies
 * where it belongs, and each client has come to its end. look, which is never satisfied, is asked all the while.
 */
void world_life_end(bool (*is_settled)(void *ctx), bool (*look)(void *ctx), uint64_t within_us,
                    struct sim_client *const *clients, size_t count);

#endif
