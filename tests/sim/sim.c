/*
 * sim - time and events; see sim.h. The queue is a binary heap by time, then by the order of asking.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/expect.h"
#include "sim_fiber.h"

/* 2026-01-01T00:00:00Z */
#define WALL_BEGIN 1767225600000

/* More events than any sane world needs: something spins. */
#define EVENTS_MAX 5000000

struct sim_event {
    uint64_t time, order;
    sim_fn *fn; /* NULL: cancelled */
    void *ctx;
    unsigned life; /* 0: the world's */
    unsigned machine;
};

struct machine {
    unsigned life;
    int64_t wall_offset;
    uint64_t paused_until; /* 0: it never stood still */
    sim_fn *on_crash;
    void *on_crash_ctx;
};

static struct {
    uint64_t seed, now, order, count;
    bool verbose;
    struct sim_event **heap;
    size_t len, size;
    uint64_t hash;
    struct sim_random random;
    struct machine machines[SIM_MACHINES];
    unsigned machine; /* that runs */
    jmp_buf *escape;  /* where a crash of the gateway's code goes */
} sim;

static struct machine *this_machine(void)
{
    return &sim.machines[sim.machine];
}

void sim_begin(uint64_t seed, bool verbose)
{
    sim.seed = seed;
    sim.verbose = verbose;
    for (size_t i = 0; i < SIM_MACHINES; i++) {
        sim.machines[i].life = 1;
    }
    sim.hash = 0xCBF29CE484222325u;
    setvbuf(stderr, NULL, _IOLBF, 4096);
    sim_random_init(&sim.random, seed, "gateway", 0);
}

uint64_t sim_seed(void)
{
    return sim.seed;
}

uint64_t sim_now(void)
{
    return sim.now;
}

int64_t sim_wall_right(void)
{
    return WALL_BEGIN + (int64_t)(sim.now / SIM_MS);
}

int64_t sim_wall(void)
{
    return sim_wall_right() + this_machine()->wall_offset;
}

void sim_jump(int64_t milliseconds)
{
    this_machine()->wall_offset += milliseconds;
}

struct sim_random *sim_gateway_random(void)
{
    return &sim.random;
}

unsigned sim_life(void)
{
    return this_machine()->life;
}

/* ---- machines ---- */

unsigned sim_machine(void)
{
    return sim.machine;
}

unsigned sim_machine_enter(unsigned machine)
{
    unsigned before = sim.machine;
    EXPECT(machine < SIM_MACHINES);
    sim.machine = machine;
    return before;
}

void sim_machine_pause(unsigned machine, uint64_t us)
{
    EXPECT(machine < SIM_MACHINES);
    /* What was put off to the end of an earlier, longer pause comes no sooner. */
    uint64_t until = sim.now + us;
    sim.machines[machine].paused_until =
        until > sim.machines[machine].paused_until ? until : sim.machines[machine].paused_until;
}

bool sim_machine_was_paused(unsigned machine, uint64_t since_us)
{
    EXPECT(machine < SIM_MACHINES);
    return sim.machines[machine].paused_until > 0 && sim.now < sim.machines[machine].paused_until + since_us;
}

bool sim_is_undisturbed(void)
{
    bool disturbed = false;
    for (size_t i = 0; i < SIM_MACHINES; i++) {
        disturbed = disturbed || sim.machines[i].life > 1 || sim.machines[i].paused_until > 0;
    }
    return !disturbed;
}

/* ---- the heap ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void swap(size_t a, size_t b)
{
    struct sim_event *kept = sim.heap[a];
    sim.heap[a] = sim.heap[b];
    sim.heap[b] = kept;
}

static void push(struct sim_event *event)
{
    if (sim.len == sim.size) {
        sim.size = sim.size == 0 ? 1024 : sim.size * 2;
        sim.heap = expect_memory(realloc(sim.heap, sim.size * sizeof sim.heap[0]));
    }
    size_t at = sim.len++;
    sim.heap[at] = event;
    for (; at > 0 && is_before(event, sim.heap[(at - 1) / 2]); at = (at - 1) / 2) {
        swap(at, (at - 1) / 2);
    }
}

static struct sim_event *pop(void)
{
    struct sim_event *first = sim.heap[0];
    sim.heap[0] = sim.heap[--sim.len];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < sim.len; child++) {
            least = is_before(sim.heap[child], sim.heap[least]) ? child : least;
        }
        if (least == at) {
            return first;
        }
        swap(at, least);
        at = least;
    }
}

static struct sim_event *add(uint64_t delay_us, sim_fn *fn, void *ctx, unsigned life)
{
    struct sim_event *event = expect_calloc(1, sizeof *event);
    *event = (struct sim_event){
        .time = sim.now + delay_us, .order = sim.order++, .fn = fn, .ctx = ctx, .life = life, .machine = sim.machine};
    push(event);
    return event;
}

struct sim_event *sim_after(uint64_t delay_us, sim_fn *fn, void *ctx)
{
    return add(delay_us, fn, ctx, 0);
}

struct sim_event *sim_gateway_after(uint64_t delay_us, sim_fn *fn, void *ctx)
{
    return add(delay_us, fn, ctx, this_machine()->life);
}

void sim_cancel(struct sim_event **event)
{
    if (*event != NULL) {
        (*event)->fn = NULL; /* its place in the heap is found when its time comes */
        *event = NULL;
    }
}

/* ---- running ---- */

void sim_on_crash(sim_fn *fn, void *ctx)
{
    this_machine()->on_crash = fn;
    this_machine()->on_crash_ctx = ctx;
}

void sim_crash(void)
{
    this_machine()->life++;
    sim_fiber_crash();
    if (sim.escape != NULL) {
        sim_leave();
    }
    this_machine()->on_crash(this_machine()->on_crash_ctx);
}

void sim_leave(void)
{
    longjmp(*sim.escape, 1);
}

bool sim_guard(sim_fn *fn, void *ctx)
{
    jmp_buf here;
    jmp_buf *outer = sim.escape;
    if (setjmp(here) == 0) {
        sim.escape = &here;
        fn(ctx);
        sim.escape = outer;
        return true;
    }
    sim.escape = outer;
    this_machine()->on_crash(this_machine()->on_crash_ctx);
    return false;
}

/* The event comes when its machine goes on, if that stands still. */
static bool put_off(struct sim_event *event)
{
    uint64_t until = sim.machines[event->machine].paused_until;
    bool waits = event->life != 0 && event->time < until;
    if (waits) {
        event->time = until;
        push(event);
    }
    return waits;
}

static void run_event(struct sim_event *event)
{
    if (put_off(event)) {
        return;
    }
    sim_fn *fn = event->fn;
    void *ctx = event->ctx;
    bool is_gateway = event->life != 0;
    bool is_dead = fn == NULL || (is_gateway && event->life != sim.machines[event->machine].life);
    sim.now = event->time;
    sim.machine = is_gateway ? event->machine : 0;
    free(event);
    if (is_dead) {
        return;
    }
    if (++sim.count > EVENTS_MAX) {
        sim_fail("more than %d events: something spins", EVENTS_MAX);
    }
    if (is_gateway) {
        sim_guard(fn, ctx);
    } else {
        fn(ctx);
    }
}

bool sim_run(bool (*until)(void *ctx), void *ctx, uint64_t until_us)
{
    while (until == NULL || !until(ctx)) {
        if (sim.len == 0 || sim.heap[0]->time > until_us) {
            return false;
        }
        run_event(pop());
    }
    return true;
}

/* ---- the trace ---- */

static void hash(const void *data, size_t len)
{
    const uint8_t *octets = data;
    for (size_t i = 0; i < len; i++) {
        sim.hash = (sim.hash ^ octets[i]) * 0x100000001B3u;
    }
}

void sim_trace(const char *what, const void *data, size_t len)
{
    hash(&sim.now, sizeof sim.now);
    hash(what, 1);
    hash(data, len);
}

void sim_say(const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sim_trace("say", text, len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
    if (sim.verbose) {
        fprintf(stderr, "%11.6f %s\n", (double)sim.now / 1e6, text);
    }
}

void sim_remark(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (sim.verbose) {
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
    }
    va_end(args);
}

uint64_t sim_trace_hash(void)
{
    return sim.hash;
}

uint64_t sim_event_count(void)
{
    return sim.count;
}

_Noreturn void sim_fail(const char *format, ...)
{
    char text[1200];
    int head = snprintf(text, sizeof text, "seed %llu, virtual time %.6f s: ", (unsigned long long)sim.seed,
                        (double)sim.now / 1e6);
    va_list args;
    va_start(args, format);
    vsnprintf(text + head, sizeof text - (size_t)head - 2, format, args);
    va_end(args);
    fflush(NULL);
    size_t len = strlen(text);
    text[len] = '\n';
    /* At once: worlds run beside each other. */
    ssize_t written = write(STDERR_FILENO, text, len + 1);
    _exit(written < 0 ? 2 : 1); /* what a crash left behind is nobody's leak */
}
