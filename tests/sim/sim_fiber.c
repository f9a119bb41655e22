/*
 * sim_fiber - see sim_fiber.h. Stacks are used again; a crash leaves whatever was on them.
 */
#include "sim_fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include "base/expect.h"

#define STACK (1u << 20)
/* Of a hundred places where a fiber could pause. */
#define PAUSES 12

struct sim_fiber {
    struct sim_fiber *next; /* of all that were ever made */
    ucontext_t inside, outside;
    char *stack;
    sim_fn *fn;
    void *ctx;
    bool is_used, is_over, has_crashed;
    unsigned machine; /* that it runs on */
    uint64_t sleep_us;
};

static struct {
    struct sim_fiber *all, *current;
} fibers;

static void run(void)
{
    struct sim_fiber *fiber = fibers.current;
    fiber->fn(fiber->ctx);
    fiber->is_over = true;
}

static struct sim_fiber *take_unused(void)
{
    struct sim_fiber *fiber = fibers.all;
    while (fiber != NULL && fiber->is_used) {
        fiber = fiber->next;
    }
    if (fiber == NULL) {
        fiber = expect_calloc(1, sizeof *fiber);
        fiber->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        EXPECT(fiber->stack != MAP_FAILED);
        fiber->next = fibers.all;
        fibers.all = fiber;
    }
    return fiber;
}

static void make_context(struct sim_fiber *fiber)
{
    EXPECT(getcontext(&fiber->inside) == 0);
    fiber->inside.uc_stack.ss_sp = fiber->stack;
    fiber->inside.uc_stack.ss_size = STACK;
    fiber->inside.uc_link = &fiber->outside;
    makecontext(&fiber->inside, run, 0);
}

struct sim_fiber *sim_fiber_new(sim_fn *fn, void *ctx)
{
    struct sim_fiber *fiber = take_unused();
    fiber->fn = fn;
    fiber->ctx = ctx;
    fiber->is_used = true;
    fiber->machine = sim_machine();
    fiber->is_over = fiber->has_crashed = false;
    make_context(fiber);
    return fiber;
}

bool sim_fiber_go_on(struct sim_fiber **fiber_ref, uint64_t *sleep_us_r)
{
    struct sim_fiber *fiber = *fiber_ref;
    fiber->sleep_us = 0;
    fibers.current = fiber;
    EXPECT(swapcontext(&fiber->outside, &fiber->inside) == 0);
    fibers.current = NULL;
    if (fiber->has_crashed) {
        fiber->has_crashed = false;
        sim_leave();
    }
    *sleep_us_r = fiber->sleep_us;
    if (fiber->is_over) {
        fiber->is_used = false;
        *fiber_ref = NULL;
    }
    return fiber->is_over;
}

bool sim_fiber_is_inside(void)
{
    return fibers.current != NULL;
}

static void pause_for(uint64_t us)
{
    struct sim_fiber *fiber = fibers.current;
    fiber->sleep_us = us;
    EXPECT(swapcontext(&fiber->inside, &fiber->outside) == 0);
}

void sim_fiber_may_pause(void)
{
    if (fibers.current != NULL && sim_random_chance(sim_gateway_random(), PAUSES)) {
        pause_for(0);
    }
}

void sim_fiber_sleep(uint64_t us)
{
    if (fibers.current != NULL) {
        pause_for(us);
    }
}

void sim_fiber_crash(void)
{
    struct sim_fiber *current = fibers.current;
    for (struct sim_fiber *fiber = fibers.all; fiber != NULL; fiber = fiber->next) {
        fiber->is_used = fiber->is_used && fiber->machine != sim_machine();
    }
    if (current != NULL) {
        current->has_crashed = true;
        pause_for(0);
    }
}
