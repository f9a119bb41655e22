/*
 * sim_net_lane - gateway/net/net_lane.h as events: a job's work begins when its turn has come, goes on in pieces (sim_fiber.h), and its
 * done is called later still. So lanes and the loop interleave as threads do.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/list.h"
#include "net/net_lane.h"
#include "sim.h"
#include "sim_fiber.h"
#include "sim_net_lane.h"

#define LANES_MAX 200
/* Workers of a wide lane; which of them gets a job is drawn. */
#define WORKERS 3

struct job {
    struct list link;
    net_lane_fn *work;
    net_lane_fn *done;
    void *ctx;
};

struct net_lane {
    struct net_lane *parts[WORKERS]; /* of a wide one, which does nothing else itself */
    unsigned index;
    struct list queued;      /* not worked yet */
    struct job *job;         /* under way ... */
    struct sim_fiber *fiber; /* ... on this stack */
    struct list worked;      /* their done is still to be called */
    struct sim_event *event;
    uint64_t sleep_us; /* what the job wants to wait; 0: as drawn */
    bool writes;       /* to the disk */
    size_t waiting;
    bool freed;
};

/* All of a machine's present life: who waits for one of them has the others go on. */
static struct lanes {
    struct net_lane *items[LANES_MAX];
    size_t count;
    unsigned life;
} lanes[SIM_MACHINES];

struct net_lane *net_lane_new(struct net_loop *loop, const char *name)
{
    (void)loop;
    struct net_lane *lane = expect_calloc(1, sizeof *lane);
    lane->writes = strcmp(name, "disk") == 0;
    list_init(&lane->queued);
    list_init(&lane->worked);
    struct lanes *here = &lanes[sim_machine()];
    here->count = here->life == sim_life() ? here->count : 0;
    here->life = sim_life();
    EXPECT(here->count < LANES_MAX);
    here->items[here->count++] = lane;
    return lane;
}

struct net_lane *net_lane_new_wide(struct net_loop *loop, const char *name)
{
    struct net_lane *lane = expect_calloc(1, sizeof *lane);
    for (unsigned i = 0; i < WORKERS; i++) {
        lane->parts[i] = net_lane_new(loop, name);
        lane->parts[i]->index = i;
    }
    return lane;
}

size_t net_lane_width(const struct net_lane *lane)
{
    return lane->parts[0] == NULL ? 1 : WORKERS;
}

static unsigned worker_index;

unsigned net_lane_worker(const struct net_lane *lane)
{
    (void)lane;
    return worker_index;
}

static uint64_t slowness = 1;

void sim_net_lane_set_slow(bool is_slow)
{
    slowness = is_slow ? 50 : 1;
}

static void on_turn(void *ctx);

static void plan(struct net_lane *lane)
{
    if (lane->event == NULL && lane->waiting > 0 && !lane->freed) {
        uint64_t delay = sim_random_between(sim_gateway_random(), 10, 4 * SIM_MS) * (lane->writes ? slowness : 1);
        lane->event = sim_gateway_after(lane->sleep_us > 0 ? lane->sleep_us : delay, on_turn, lane);
        lane->sleep_us = 0;
    }
}

static void run_job(void *ctx)
{
    struct job *job = ctx;
    job->work(job->ctx);
}

/* A piece of the job under way, or the beginning of the next. */
static void work_on(struct net_lane *lane)
{
    struct list *link = lane->fiber == NULL ? list_take(&lane->queued) : NULL;
    if (link != NULL) {
        lane->job = LIST_ITEM(link, struct job, link);
        lane->fiber = sim_fiber_new(run_job, lane->job);
    }
    worker_index = lane->index;
    if (lane->fiber != NULL && sim_fiber_go_on(&lane->fiber, &lane->sleep_us)) {
        list_append(&lane->worked, &lane->job->link);
    }
}

static void finish_one(struct net_lane *lane)
{
    struct list *link = list_take(&lane->worked);
    if (link != NULL) {
        struct job job = *LIST_ITEM(link, struct job, link);
        free(LIST_ITEM(link, struct job, link));
        lane->waiting--;
        if (job.done != NULL) {
            job.done(job.ctx);
        }
    }
}

/* One step: an earlier job's done may come before or after the next one's work, as on real threads. */
static void on_turn(void *ctx)
{
    struct net_lane *lane = ctx;
    lane->event = NULL;
    bool has_work = lane->fiber != NULL || !list_is_empty(&lane->queued);
    if (list_is_empty(&lane->worked) || (has_work && sim_random_chance(sim_gateway_random(), 50))) {
        work_on(lane);
    } else {
        finish_one(lane);
    }
    plan(lane);
}

void net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx)
{
    struct job *job = expect_calloc(1, sizeof *job);
    *job = (struct job){.work = work, .done = done, .ctx = ctx};
    list_append(&lane->queued, &job->link);
    lane->waiting++;
    plan(lane);
}

void net_lane_submit_turn(struct net_lane *lane, const struct net_lane_turn *turn, net_lane_fn *work, net_lane_fn *done,
                          void *ctx)
{
    (void)turn;
    net_lane_submit(lane->parts[sim_random_between(sim_gateway_random(), 0, WORKERS - 1)], work, done, ctx);
}

size_t net_lane_waiting(const struct net_lane *lane)
{
    size_t waiting = lane->waiting;
    for (unsigned i = 0; lane->parts[0] != NULL && i < WORKERS; i++) {
        waiting += net_lane_waiting(lane->parts[i]);
    }
    return waiting;
}

void net_lane_free(struct net_lane **lane_ref)
{
    struct net_lane *lane = *lane_ref;
    if (lane == NULL) {
        return;
    }
    *lane_ref = NULL;
    for (unsigned i = 0; lane->parts[0] != NULL && i < WORKERS; i++) {
        net_lane_free(&lane->parts[i]);
    }
    const struct lanes *here = &lanes[sim_machine()];
    while (lane->waiting > 0) {
        work_on(lane);
        finish_one(lane);
        for (size_t i = 0; lane->sleep_us > 0 && i < here->count; i++) {
            if (here->items[i] != lane && here->items[i]->fiber != NULL) {
                work_on(here->items[i]);
            }
        }
    }
    sim_cancel(&lane->event);
    lane->freed =
        true; /* a done that frees its lane is still inside on_turn(): the memory stays until the process ends */
}
