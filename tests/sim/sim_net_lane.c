/*
 * sim_net_lane - gateway/net/net_lane.h as events: a job's work runs at once when its turn has come, and takes a drawn time; then
 * its done is called. Lanes interleave as their times fall.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "base/list.h"
#include "net/net_lane.h"
#include "sim.h"

struct job {
    struct list link;
    net_lane_fn *work;
    net_lane_fn *done;
    void *ctx;
};

struct net_lane {
    struct list queued; /* not worked yet */
    struct list worked; /* their done is still to be called */
    struct sim_event *event;
    size_t waiting;
    bool freed;
};

struct net_lane *net_lane_new(struct net_loop *loop, const char *name)
{
    (void)loop, (void)name;
    struct net_lane *lane = expect_calloc(1, sizeof *lane);
    list_init(&lane->queued);
    list_init(&lane->worked);
    return lane;
}

static void on_turn(void *ctx);

static void plan(struct net_lane *lane)
{
    if (lane->event == NULL && lane->waiting > 0 && !lane->freed) {
        lane->event = sim_gateway_after(sim_random_between(sim_gateway_random(), 10, 4 * SIM_MS), on_turn, lane);
    }
}

static void work_one(struct net_lane *lane)
{
    struct list *link = list_take(&lane->queued);
    if (link != NULL) {
        struct job *job = LIST_ITEM(link, struct job, link);
        job->work(job->ctx);
        list_append(&lane->worked, link);
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
    if (list_is_empty(&lane->worked) ||
        (!list_is_empty(&lane->queued) && sim_random_chance(sim_gateway_random(), 50))) {
        work_one(lane);
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

size_t net_lane_waiting(const struct net_lane *lane)
{
    return lane->waiting;
}

void net_lane_free(struct net_lane **lane_ref)
{
    struct net_lane *lane = *lane_ref;
    if (lane == NULL) {
        return;
    }
    *lane_ref = NULL;
    while (lane->waiting > 0) {
        work_one(lane);
        finish_one(lane);
    }
    sim_cancel(&lane->event);
    lane->freed =
        true; /* a done that frees its lane is still inside on_turn(): the memory stays until the process ends */
}
