/*
 * net_lane - a worker thread with a queue of its own; see net_lane.h.
 *
 * A job goes from `queued` (shared, under the mutex) to the thread, to `finished` (shared) and to `ready` (the loop's own), where its
 * done function is called. The async handle keeps the loop alive only while a job is under way.
 */
#include "net/net_lane.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_loop_private.h"

struct job {
    struct list link;
    net_lane_fn *work;
    net_lane_fn *done; /* may be NULL */
    void *ctx;
};

struct net_lane {
    uv_async_t async;
    pthread_t thread;
    char name[16];
    struct list ready; /* the loop's: finished jobs whose done is still to be called */
    size_t waiting;    /* the loop's */
    bool freed;        /* the loop's: by one of the done functions; the memory lives until the handle has closed */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t to_thread, to_loop;
    struct list queued, finished;
    bool ending;
};

/* The next job, waited for; NULL when the lane ends and nothing is queued. */
static struct job *take_queued(struct net_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    while (list_is_empty(&lane->queued) && !lane->ending) {
        pthread_cond_wait(&lane->to_thread, &lane->mutex);
    }
    struct list *link = list_take(&lane->queued);
    pthread_mutex_unlock(&lane->mutex);
    return link == NULL ? NULL : LIST_ITEM(link, struct job, link);
}

static void put_finished(struct net_lane *lane, struct job *job)
{
    pthread_mutex_lock(&lane->mutex);
    list_append(&lane->finished, &job->link);
    pthread_cond_signal(&lane->to_loop);
    pthread_mutex_unlock(&lane->mutex);
    uv_async_send(&lane->async);
}

static void *thread_main(void *arg)
{
    struct net_lane *lane = arg;
    pthread_setname_np(pthread_self(), lane->name);
    for (struct job *job; (job = take_queued(lane)) != NULL;) {
        job->work(job->ctx);
        put_finished(lane, job);
    }
    return NULL;
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
static void start_thread(struct net_lane *lane)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    EXPECT(pthread_create(&lane->thread, NULL, thread_main, lane) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct net_lane *net_lane_new(struct net_loop *loop, const char *name)
{
    struct net_lane *lane = expect_calloc(1, sizeof *lane);
    for (size_t i = 0; i < sizeof lane->name - 1 && name[i] != '\0'; i++) {
        lane->name[i] = name[i];
    }
    list_init(&lane->ready);
    list_init(&lane->queued);
    list_init(&lane->finished);
    EXPECT(pthread_mutex_init(&lane->mutex, NULL) == 0);
    EXPECT(pthread_cond_init(&lane->to_thread, NULL) == 0);
    EXPECT(pthread_cond_init(&lane->to_loop, NULL) == 0);
    EXPECT(uv_async_init(&loop->uv, &lane->async, on_async) == 0);
    lane->async.data = lane;
    uv_unref((uv_handle_t *)&lane->async);
    start_thread(lane);
    return lane;
}

void net_lane_submit(struct net_lane *lane, net_lane_fn *work, net_lane_fn *done, void *ctx)
{
    struct job *job = expect_calloc(1, sizeof *job);
    *job = (struct job){.work = work, .done = done, .ctx = ctx};
    if (lane->waiting == 0) {
        uv_ref((uv_handle_t *)&lane->async);
    }
    lane->waiting++;
    pthread_mutex_lock(&lane->mutex);
    list_append(&lane->queued, &job->link);
    pthread_cond_signal(&lane->to_thread);
    pthread_mutex_unlock(&lane->mutex);
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
    pthread_cond_signal(&lane->to_thread);
    pthread_mutex_unlock(&lane->mutex);
    pthread_join(lane->thread, NULL);
    lane->freed = true;
    pthread_mutex_destroy(&lane->mutex);
    pthread_cond_destroy(&lane->to_thread);
    pthread_cond_destroy(&lane->to_loop);
    uv_close((uv_handle_t *)&lane->async, on_closed);
}
