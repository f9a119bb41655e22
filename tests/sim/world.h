/*
 * world - what is simulated: the real code of some floors, actors around it, and the properties that must hold. A world returns
 * when all is well and ends the process by sim_fail() when not.
 */
#ifndef MAILWEIR_SIM_WORLD_H
#define MAILWEIR_SIM_WORLD_H

#include "base/log.h"
#include "sim_faults.h"
#include "spool/spool.h"

#define WORLD_DISK_FAULTS                                                                                              \
    (1u << SIM_FAULT_CRASH | 1u << SIM_FAULT_CRASH_DISK | 1u << SIM_FAULT_WRITE_ERROR | 1u << SIM_FAULT_SYNC_ERROR |   \
     1u << SIM_FAULT_READ_ERROR | 1u << SIM_FAULT_DISK_FULL | 1u << SIM_FAULT_CLOCK | 1u << SIM_FAULT_CLOCK_FULL)

/* What worlds have in common: a log that goes into the trace; faults that are of the disk or the clock alone (false: another kind). */
void world_log_init(struct log *log);
bool world_fault(const struct sim_fault *fault, bool begin, uint64_t capacity);
/* Nothing that was synced is ever damaged: whoever looks at it in the background must not find that it is. */
void world_health(const struct spool *spool);

/* The spool alone, with a reception and a dispatch that are made up: committed means there, settled means gone, bodies are whole. */
#define WORLD_SPOOL_FAULTS WORLD_DISK_FAULTS
void world_spool(void);

/* The whole gateway between SMTP clients and IMAP servers. */
#define WORLD_GATEWAY_FAULTS ((1u << SIM_FAULT_PAUSE) - 1)
void world_gateway(void);

/* Several gateways on one database, which fails, too. */
#define WORLD_CLUSTER_FAULTS                                                                                           \
    (1u << SIM_FAULT_CRASH | 1u << SIM_FAULT_CRASH_DISK | 1u << SIM_FAULT_WRITE_ERROR | 1u << SIM_FAULT_SYNC_ERROR |   \
     1u << SIM_FAULT_READ_ERROR | 1u << SIM_FAULT_BREAK | 1u << SIM_FAULT_COMMIT_CUT | 1u << SIM_FAULT_CUT_BEFORE |    \
     1u << SIM_FAULT_REFUSE | 1u << SIM_FAULT_KEEP_NO | 1u << SIM_FAULT_KEEP_PART | 1u << SIM_FAULT_BATCH |            \
     1u << SIM_FAULT_CROWD | 1u << SIM_FAULT_THROTTLE | 1u << SIM_FAULT_SERVER_DOWN | 1u << SIM_FAULT_UIDVALIDITY |    \
     1u << SIM_FAULT_TLS | 1u << SIM_FAULT_CLOCK | 1u << SIM_FAULT_RELOAD | 1u << SIM_FAULT_OPERATOR |                 \
     1u << SIM_FAULT_PAUSE | 1u << SIM_FAULT_STORE_CUT | 1u << SIM_FAULT_QUORUM | 1u << SIM_FAULT_FAILOVER |           \
     UINT64_C(1) << SIM_FAULT_IMAP_CUT | UINT64_C(1) << SIM_FAULT_RULES | UINT64_C(1) << SIM_FAULT_BRINK)
void world_cluster(void);

/*
 * The whole gateway under more than it can do at once: a flood of one sender into one folder, an upstream that is down or silent, large
 * messages on a slow disk. Nobody else waits for that, and memory keeps within bounds.
 */
#define WORLD_FLOOD_FAULTS 0u
void world_flood(void);

/*
 * The whole gateway with a backlog for an account that its provider holds to a budget: it is through about as fast as it could be for who knows
 * the budget, and nothing is sent that was known to be refused.
 */
#define WORLD_BACKLOG_FAULTS 0u
void world_backlog(void);

/*
 * The whole gateway in one story with refusals, a split, doubt and looks, and one fault at each command of it. Each story
 * has WORLD_STATES_COMMANDS, some more; seed n has a fault at command n / 20 + 1.
 */
#define WORLD_STATES_FAULTS   0u
#define WORLD_STATES_COMMANDS 25
void world_states(void);

#endif
