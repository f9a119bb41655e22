/*
 * sim_fiber - work that a lane's thread would do, on a stack of its own, so that it can stop in the middle while the rest of the world
 * goes on: at each operation of the disk and wherever it asks for the time.
 */
#ifndef MAILWEIR_SIM_FIBER_H
#define MAILWEIR_SIM_FIBER_H

#include "sim.h"

struct sim_fiber;

struct sim_fiber *sim_fiber_new(sim_fn *fn, void *ctx);
/* Runs on until the next pause or the end; true at the end, when *fiber becomes NULL. sleep_r: how long it wants to pause; 0: as drawn. */
bool sim_fiber_go_on(struct sim_fiber **fiber, uint64_t *sleep_us_r);
bool sim_fiber_is_inside(void);
/* Inside a fiber: gives way for a while, now and then. Outside: nothing. */
void sim_fiber_may_pause(void);
/* Inside a fiber: gives way for so long. Outside: nothing. */
void sim_fiber_sleep(uint64_t us);
/* A crash: all fibers are gone. Inside a fiber it leaves it for the loop's stack, where the crash goes on, and does not return. */
void sim_fiber_crash(void);

#endif
