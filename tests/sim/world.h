/*
 * world - what is simulated: the real code of some floors, actors around it, and the properties that must hold. A world returns
 * when all is well and ends the process by sim_fail() when not.
 */
#ifndef MAILWEIR_SIM_WORLD_H
#define MAILWEIR_SIM_WORLD_H

#include "sim_faults.h"

#define WORLD_DISK_FAULTS                                                                                              \
    (1u << SIM_FAULT_CRASH | 1u << SIM_FAULT_CRASH_DISK | 1u << SIM_FAULT_WRITE_ERROR | 1u << SIM_FAULT_SYNC_ERROR |   \
     1u << SIM_FAULT_READ_ERROR | 1u << SIM_FAULT_DISK_FULL | 1u << SIM_FAULT_CLOCK)

/* The spool alone, with a reception and a dispatch that are made up: committed means there, settled means gone, bodies are whole. */
#define WORLD_SPOOL_FAULTS WORLD_DISK_FAULTS
void world_spool(void);

/* The whole gateway between SMTP clients and IMAP servers. */
#define WORLD_GATEWAY_FAULTS ((1u << SIM_FAULT_KINDS) - 1)
void world_gateway(void);

#endif
