/*
 * sim - the simulated world's time: one virtual clock, one queue of events, one trace.
 *
 * Everything that happens is an event: of the gateway (what the doors of floor 2 do for it) or of the world around it (clients,
 * servers, faults). A crash throws away the gateway's events and leaves the stack of the call that was under way by a jump: nothing
 * of the gateway's memory is ever touched again. A process runs one world.
 *
 * A world has SIM_MACHINES, each with a gateway of its own, or one that is used. What belongs to a gateway belongs to the machine that
 * it runs on: its events, its life, its fibers and lanes, its listeners and connections, its wall clock. Whatever the world does to a gateway
 * it does on that machine (sim_machine_enter()); what a gateway does is there by itself.
 */
#ifndef MAILWEIR_SIM_H
#define MAILWEIR_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim_random.h"

/* Virtual microseconds. */
#define SIM_MS     1000u
#define SIM_SECOND (1000u * SIM_MS)
#define SIM_MINUTE (60u * (uint64_t)SIM_SECOND)

#define SIM_MACHINES 3

typedef void sim_fn(void *ctx);
struct sim_event;

/* Begins the world of a seed. verbose: what happens is told on standard error. */
void sim_begin(uint64_t seed, bool verbose);
uint64_t sim_seed(void);
uint64_t sim_now(void);
/* The machine's wall clock, milliseconds since 1970; jumps come from sim_jump(). And one that is right. */
int64_t sim_wall(void);
int64_t sim_wall_right(void);
void sim_jump(int64_t milliseconds);
/* Gateway's own randomness (keys, ids, jitter). */
struct sim_random *sim_gateway_random(void);

/* The machine on which what runs now runs: 0 unless it is said otherwise. enter returns where that was before, to go back. */
unsigned sim_machine(void);
unsigned sim_machine_enter(unsigned machine);
/* Nothing of the gateway's there happens for so long (SIGSTOP): its events come late. Its kernel goes on. */
void sim_machine_pause(unsigned machine, uint64_t us);
/* Whether it stands still, or did less than `since_us` ago. */
bool sim_machine_was_paused(unsigned machine, uint64_t since_us);

/* An event of the world's. */
struct sim_event *sim_after(uint64_t delay_us, sim_fn *fn, void *ctx);
/* An event of the gateway's on this machine; gone with a crash. */
struct sim_event *sim_gateway_after(uint64_t delay_us, sim_fn *fn, void *ctx);
/* Sets *event to NULL; NULL is fine. The event's own function must not cancel it: it is gone by then. */
void sim_cancel(struct sim_event **event);

/*
 * Runs events until until() says so (asked after each), nothing is left, or the virtual time is reached. Returns whether until()
 * was satisfied. A crash on the way calls the crash handler and goes on.
 */
bool sim_run(bool (*until)(void *ctx), void *ctx, uint64_t until_us);
/* What is to be done about a crash of this machine, once the gateway's stack and events are gone. */
void sim_on_crash(sim_fn *fn, void *ctx);
/* Ends the gateway's life here and now; does not return when called from inside an event of the gateway's. */
void sim_crash(void);
/* The second half of that for a lane's stack (sim_fiber.c): leaves the loop's stack. */
_Noreturn void sim_leave(void);
/* Lives that the gateway on this machine has begun: 1 before the first crash. */
unsigned sim_life(void);
/* Whether no machine has crashed, or stood still. */
bool sim_is_undisturbed(void);

/* Runs fn with crashes caught that come from inside: for starting and closing the gateway. False when it crashed. */
bool sim_guard(sim_fn *fn, void *ctx);

/* Puts octets into the trace's hash; the same seed gives the same hash. */
void sim_trace(const char *what, const void *data, size_t len);
/* Tells what happens (verbose) and puts it into the trace. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Tells, without putting it into the trace: for what is of this machine and not of the seed. */
void sim_remark(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t sim_trace_hash(void);
uint64_t sim_event_count(void);

/* Ends the process: a property does not hold. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
