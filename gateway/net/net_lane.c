/*
 * net_lane - worker threads with a queue of their own; see net_lane.h.
 *
 * A job goes from `queued` (shared, under the mutex) to the thread, to `finished` (shared) and to `ready` (the loop's
 * own), where its done function is called. The async handle keeps the loop alive only while a job is under way.
 */
#include "net/net_lane.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_loop_private.h"

#define SECOND_US ((uint64_t)1000 * 1000)
#define ACCOUNTS  1024
/* One in so many is the job that has waited longest, whoever has used what: nobody waits for ever. */
#define OLDEST_EACH 8
/* A job that costs no more than this is light, if its member has used no more than the rest of it. */
#define LIGHT_US ((uint64_t)50 * 1000)

struct job {
    struct list link;
    net_lane_fn *work;
    net_lane_fn *done; /* may be NULL */
    void *ctx;
    struct net_lane_turn turn;
};

/* What a group or a member has used of late. One that shares its place with another's key begins anew: a wrong order
 * for a while, no more. */
struct account {
    uint64_t key, used_us, at_us;
};

struct worker {
    struct net_lane *lane;
    pthread_t thread;
    bool is_light;
    /* Of its own, so that a job wakes one thread: it would cost a wide lane more than the job to wake them all. */
    pthread_cond_t called;
    bool is_idle; /* under the mutex: it sleeps, and nobody has called it yet */
};

struct net_lane {
    struct net_loop *loop;
    uv_async_t async;
    struct worker workers[NET_LANE_WORKERS_MAX];
    size_t worker_count;
    char name[16];
    const char *doing; /* its name, for ever */
    struct list ready; /* the loop's: finished jobs whose done is still to be called */
    size_t waiting;    /* the loop's */
    bool freed;        /* the loop's: by one of the done functions; the memory lives until the handle has closed */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t to_loop;
    struct list queued, finished;
    struct account groups[ACCOUNTS], members[ACCOUNTS];
    unsigned chosen;
    bool ending;
};

/* ---- whose turn it is; under the mutex ---- */

static struct account *account_of(struct account *accounts, uint64_t key, uint64_t now)
{
    struct account *account = &accounts[key % ACCOUNTS];
    uint64_t seconds = (now - account->at_us) / SECOND_US;
    if (account->key != key) {
        *account = (struct account){.key = key, .at_us = now};
    } else if (seconds > 0) {
        account->used_us = seconds < 64 ? account->used_us >> seconds : 0;
        account->at_us += seconds * SECOND_US;
    }
    return account;
}

/* The smaller, the sooner. */
static uint64_t rank_of(struct net_lane *lane, const struct job *job, uint64_t now)
{
    uint64_t used = account_of(lane->groups, job->turn.group, now)->used_us +
                    account_of(lane->members, job->turn.member, now)->used_us;
    return used + job->turn.cost_us;
}

static bool is_light(struct net_lane *lane, const struct job *job, uint64_t now)
{
    return account_of(lane->members, job->turn.member, now)->used_us + job->turn.cost_us < LIGHT_US;
}

/* The job that this worker does next; NULL when there is none for it. */
static struct job *choose_job(struct worker *worker)
{
    struct net_lane *lane = worker->lane;
    struct job *best = NULL;
    uint64_t best_rank = 0;
    if (lane->worker_count == 1) {
        struct list *link = list_take(&lane->queued);
        return link == NULL ? NULL : LIST_ITEM(link, struct job, link);
    }
    uint64_t now = uv_hrtime() / 1000;
    bool oldest = !worker->is_light && ++lane->chosen % OLDEST_EACH == 0;
    LIST_EACH(link, &lane->queued)
    {
        struct job *job = LIST_ITEM(link, struct job, link);
        uint64_t its = oldest ? 0 : rank_of(lane, job, now);
        if ((best == NULL || its < best_rank) && (!worker->is_light || is_light(lane, job, now))) {
            best = job;
            best_rank = its;
        }
    }
    if (best != NULL) {
        list_remove(&best->link);
    }
    return best;
}

/* Who sleeps and may do this job, the light one last; NULL when there is none: then whoever is busy sees it next. Under
 * the mutex. */
static struct worker *choose_idle(struct net_lane *lane, const struct job *job)
{
    for (size_t i = 0; i < lane->worker_count; i++) {
        struct worker *worker = &lane->workers[i];
        if (worker->is_idle && (!worker->is_light || is_light(lane, job, uv_hrtime() / 1000))) {
            worker->is_idle = false;
            return worker;
        }
    }
    return NULL;
}

/* Who is called for what is left when a job was taken: perhaps that was not the one for which its worker was called. */
static struct worker *choose_for_rest(struct net_lane *lane)
{
    struct worker *idle = NULL;
    for (struct list *link = lane->queued.next; idle == NULL && link != &lane->queued; link = link->next) {
        idle = choose_idle(lane, LIST_ITEM(link, struct job, link));
    }
    return idle;
}

static void charge(struct net_lane *lane, const struct job *job, uint64_t used_us)
{
    uint64_t now = uv_hrtime() / 1000;
    account_of(lane->groups, job->turn.group, now)->used_us += used_us;
    account_of(lane->members, job->turn.member, now)->used_us += used_us;
}

/* ---- the threads ---- */

/* Without the mutex, or it would wake only to wait for that. */
static void call_worker(struct worker *idle)
{
    if (idle != NULL) {
        pthread_cond_signal(&idle->called);
    }
}

/* The next job, waited for; NULL when the lane ends and nothing is queued. */
static struct job *take_queued(struct worker *worker)
{
    struct net_lane *lane = worker->lane;
    struct job *job;
    pthread_mutex_lock(&lane->mutex);
    while ((job = choose_job(worker)) == NULL && !lane->ending) {
        worker->is_idle = true;
        pthread_cond_wait(&worker->called, &lane->mutex);
    }
    worker->is_idle = false;
    struct worker *idle = choose_for_rest(lane);
    pthread_mutex_unlock(&lane->mutex);
    call_worker(idle);
    return job;
}

static void put_finished(struct net_lane *lane, struct job *job, uint64_t used_us)
{
    pthread_mutex_lock(&lane->mutex);
    charge(lane, job, used_us);
    list_append(&lane->finished, &job->link);
    pthread_cond_signal(&lane->to_loop);
    pthread_mutex_unlock(&lane->mutex);
    uv_async_send(&lane->async);
}

static void *thread_main(void *arg)
{
    struct worker *worker = arg;
    pthread_setname_np(pthread_self(), worker->lane->name);
    for (struct job *job; (job = take_queued(worker)) != NULL;) {
        uint64_t began = uv_hrtime();
        job->work(job->ctx);
        put_finished(worker->lane, job, (uv_hrtime() - began) / 1000);
    }
    return NULL;
}

unsigned net_lane_worker(const struct net_lane *lane)
{
    unsigned index = 0;
    while (index + 1 < lane->worker_count && !pthread_equal(lane->workers[index].thread, pthread_self())) {
        index++;
    }
    return index;
}

/* Calls the done functions of what is ready; one of them may free the lane. */
static void call_ready(struct net_lane *lane)
{
    for (struct list *link; !lane->freed && (link = list_take(&lane->ready)) != NULL;) {
        struct job job = *LIST_ITEM(link, struct job, link);
        free(LIST_ITEM(link, struct job, link));
        lane->waiting--;
        if (lane->waiting == 0) {
            uv_unref((uv_handle_t *)&lane->async);
        }
        if (job.done != NULL) {
            net_turn_doing(lane->loop, lane->doing);
            job.done(job.ctx);
        }
    }
}

static void on_async(uv_async_t *async)
{
    struct net_lane *lane = async->data;
    pthread_mutex_lock(&lane->mutex);
    list_move(&lane->ready, &lane->finished);
    pthread_mutex_unlock(&lane->mutex);
    call_ready(lane);
}

/* Signals belong to the loop's thread. */
static void start_threads(struct net_lane *lane)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < lane->worker_count; i++) {
        struct worker *worker = &lane->workers[i];
        *worker = (struct worker){.lane = lane, .is_light = i > 0 && i + 1 == lane->worker_count};
        EXPECT(pthread_cond_init(&worker->called, NULL) == 0);
        EXPECT(pthread_create(&worker->thread, NULL, thread_main, worker) == 0);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct net_lane *lane_new(struct net_loop *loop, const char *name, size_t workers)
{
    struct net_lane *lane = expect_calloc(1, sizeof *lane);
    lane->loop = loop;
    lane->doing = name;
    for (size_t i = 0; i < sizeof lane->name - 1 && name[i] != '\0'; i++) {
        lane->name[i] = name[i];
    }
    list_init(&lane->ready);
    list_init(&lane->queued);
    list_init(&lane->finished);
    lane->worker_count = workers;
    EXPECT(pthread_mutex_init(&lane->mutex, NULL) == 0);
    EXPECT(pthread_cond_init(&lane->to_loop, NULL) == 0);
    EXPECT(uv_async_init(&loop->uv, &lane->async, on_async) == 0);
    lane->async.data = lane;
    uv_unref((uv_handle_t *)&lane->async);
    start_threads(lane);
    return lane;
}

struct net_lane *net_lane_new(struct net_loop *loop, const char *name)
{
    return lane_new(loop, name, 1);
}

struct net_lane *net_lane_new_wide(struct net_loop *loop, const char *name)
{
    size_t cores = uv_available_parallelism();
    return lane_new(loop, name, (cores < NET_LANE_WORKERS_MAX ? cores : NET_LANE_WORKERS_MAX - 1) + 1);
}

size_t net_lane_width(const struct net_lane *lane)
{
    return lane->worker_count;
}

void net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx)
{
    net_lane_submit_turn(lane, &(struct net_lane_turn){0, 0, 0}, work, done, ctx);
}

void net_lane_submit_turn(struct net_lane *lane, const struct net_lane_turn *turn, net_lane_fn *work, net_lane_fn *done,
                          void *ctx)
{
    NET_EXPECT_LOOP(lane->loop);
    struct job *job = expect_calloc(1, sizeof *job);
    *job = (struct job){.work = work, .done = done, .ctx = ctx, .turn = *turn};
    if (lane->waiting == 0) {
        uv_ref((uv_handle_t *)&lane->async);
    }
    lane->waiting++;
    pthread_mutex_lock(&lane->mutex);
    list_append(&lane->queued, &job->link);
    struct worker *idle = choose_idle(lane, job);
    pthread_mutex_unlock(&lane->mutex);
    call_worker(idle);
}

size_t net_lane_waiting(const struct net_lane *lane)
{
    return lane->waiting;
}

/* Waits until the thread has finished a job and takes it over to the loop's side. */
static void await_finished(struct net_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    while (list_is_empty(&lane->finished)) {
        pthread_cond_wait(&lane->to_loop, &lane->mutex);
    }
    list_move(&lane->ready, &lane->finished);
    pthread_mutex_unlock(&lane->mutex);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void net_lane_free(struct net_lane **lane_ref)
{
    struct net_lane *lane = *lane_ref;
    if (lane == NULL) {
        return;
    }
    *lane_ref = NULL;
    while (lane->waiting > 0) {
        if (list_is_empty(&lane->ready)) {
            await_finished(lane);
        }
        call_ready(lane);
    }
    pthread_mutex_lock(&lane->mutex);
    lane->ending = true;
    for (size_t i = 0; i < lane->worker_count; i++) {
        pthread_cond_signal(&lane->workers[i].called);
    }
    pthread_mutex_unlock(&lane->mutex);
    for (size_t i = 0; i < lane->worker_count; i++) {
        pthread_join(lane->workers[i].thread, NULL);
        pthread_cond_destroy(&lane->workers[i].called);
    }
    lane->freed = true;
    pthread_mutex_destroy(&lane->mutex);
    pthread_cond_destroy(&lane->to_loop);
    uv_close((uv_handle_t *)&lane->async, on_closed);
}
