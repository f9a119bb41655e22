/*
 * hasten - see hasten.h.
 */
#include "decision/hasten.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_lane.h"

/* One set. */
struct hasten_job {
    struct hasten *hasten;
    struct rules_share *rules;
    struct hasten_limits limits;
    struct filters_hastened progress; /* the lane's */
    const char *limit;                /* that it came to, as the configuration calls it; NULL: none */
    uint64_t took_ms;
    atomic_bool over; /* another set is in force, or none */
};

struct hasten {
    struct net_loop *loop;
    struct net_lane *lane; /* NULL: nothing was wanted so far */
    struct log *log;
    struct hasten_job *job; /* the newest, while it is at it */
    size_t wanted, ready;
};

struct hasten *hasten_new(struct net_loop *loop, struct log *log)
{
    struct hasten *hasten = expect_calloc(1, sizeof *hasten);
    hasten->loop = loop;
    hasten->log = log;
    return hasten;
}

static void leave_job(struct hasten *hasten)
{
    if (hasten->job != NULL) {
        atomic_store(&hasten->job->over, true);
        hasten->job = NULL;
    }
}

void hasten_free(struct hasten **hasten)
{
    if (*hasten == NULL) {
        return;
    }
    leave_job(*hasten);
    net_lane_free(&(*hasten)->lane);
    free(*hasten);
    *hasten = NULL;
}

static void work(void *ctx)
{
    struct hasten_job *job = ctx;
    const struct filters_set *set = job->rules->set;
    uint64_t began = net_now_us(job->hasten->loop);
    while (!atomic_load(&job->over) && job->limit == NULL && filters_hasten(set, &job->progress)) {
        job->took_ms = (net_now_us(job->hasten->loop) - began) / 1000;
        job->limit = job->took_ms > job->limits.milliseconds     ? "patterns.time"
                     : job->progress.octets > job->limits.octets ? "patterns.memory"
                                                                 : NULL;
    }
}

static void on_done(void *ctx)
{
    struct hasten_job *job = ctx;
    struct hasten *hasten = job->hasten;
    if (job == hasten->job) {
        hasten->job = NULL;
        hasten->ready = job->progress.ready;
        log_event(hasten->log, job->limit == NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "patterns_hastened",
                  LOG_INT("patterns", hasten->wanted), LOG_INT("ready", hasten->ready),
                  LOG_INT("octets", job->progress.octets), LOG_INT("took_ms", job->took_ms),
                  LOG_STR("limit", job->limit == NULL ? "none" : job->limit));
    }
    rules_share_release(&job->rules);
    free(job);
}

void hasten_begin(struct hasten *hasten, struct rules_share **share, const struct hasten_limits *limits)
{
    leave_job(hasten);
    hasten->wanted = filters_hasten_wanted((*share)->set);
    hasten->ready = 0;
    if (hasten->wanted == 0 || limits->milliseconds == 0) {
        rules_share_release(share);
        return;
    }
    if (hasten->lane == NULL) {
        hasten->lane = net_lane_new(hasten->loop, "patterns");
    }
    struct hasten_job *job = expect_calloc(1, sizeof *job);
    job->hasten = hasten;
    job->rules = *share;
    job->limits = *limits;
    *share = NULL;
    hasten->job = job;
    net_lane_submit(hasten->lane, work, on_done, job);
}

void hasten_state(const struct hasten *hasten, size_t *wanted_r, size_t *ready_r)
{
    *wanted_r = hasten->wanted;
    *ready_r = hasten->ready;
}
