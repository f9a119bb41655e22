/*
 * net_loop - the event loop, the clocks, randomness and deferred calls; see net_loop.h.
 *
 * Deferred calls stand in a list that an idle handle works off: it is active only while the list holds something, so it
 * neither keeps the loop alive nor makes it spin.
 */
#include "net/net_loop_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/expect.h"

struct deferral {
    struct list link;
    void (*fn)(void *ctx);
    void *ctx;
};

/* Takes each link off before it is called: what it does, it may do again. */
static void call_all(struct list *deferrals)
{
    for (struct list *link; (link = list_take(deferrals)) != NULL;) {
        struct deferral deferral = *LIST_ITEM(link, struct deferral, link);
        free(LIST_ITEM(link, struct deferral, link));
        deferral.fn(deferral.ctx);
    }
}

static void call_posted(struct net_loop *loop)
{
    /* Called outside the lock: what is called may post again. */
    struct list turn;
    list_init(&turn);
    pthread_mutex_lock(&loop->posting);
    list_move(&turn, &loop->posted);
    pthread_mutex_unlock(&loop->posting);
    net_turn_doing(loop, "a posted call");
    call_all(&turn);
}

static void on_posted(uv_async_t *poster)
{
    call_posted(poster->data);
}

struct net_loop *net_loop_new(void)
{
    /* A peer that goes away while we write to it is an error of that write, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    struct net_loop *loop = expect_calloc(1, sizeof *loop);
    list_init(&loop->deferred);
    list_init(&loop->posted);
    loop->thread = pthread_self();
    EXPECT(uv_loop_init(&loop->uv) == 0);
    EXPECT(uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME) == 0);
    EXPECT(uv_prepare_init(&loop->uv, &loop->turns.prepare) == 0);
    EXPECT(uv_idle_init(&loop->uv, &loop->deferrer) == 0);
    EXPECT(uv_async_init(&loop->uv, &loop->poster, on_posted) == 0);
    EXPECT(pthread_mutex_init(&loop->posting, NULL) == 0);
    loop->poster.data = loop;
    uv_unref((uv_handle_t *)&loop->poster); /* that somebody may post is no reason to go on */
    return loop;
}

bool net_loop_is_here(const struct net_loop *loop)
{
    return pthread_equal(loop->thread, pthread_self()) != 0;
}

void net_loop_run(struct net_loop *loop)
{
    /* A loop may be made by one thread and run by another: it belongs to the one that runs it. */
    loop->thread = pthread_self();
    net_turn_start(loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void net_loop_stop(struct net_loop *loop)
{
    uv_stop(&loop->uv);
}

void net_loop_free(struct net_loop **loop)
{
    if (*loop == NULL) {
        return;
    }
    while (uv_run(&(*loop)->uv, UV_RUN_DEFAULT) != 0) {
        /* A net_loop_stop() on the way does not end the closing. */
    }
    call_posted(*loop);
    uv_close((uv_handle_t *)&(*loop)->turns.prepare, NULL);
    uv_close((uv_handle_t *)&(*loop)->poster, NULL);
    uv_close((uv_handle_t *)&(*loop)->deferrer, NULL);
    while (uv_run(&(*loop)->uv, UV_RUN_DEFAULT) != 0) {
    }
    EXPECT(uv_loop_close(&(*loop)->uv) == 0);
    pthread_mutex_destroy(&(*loop)->posting);
    free(*loop);
    *loop = NULL;
}

uint64_t net_now(const struct net_loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t net_now_us(const struct net_loop *loop)
{
    (void)loop;
    return uv_hrtime() / 1000;
}

int64_t net_wall(const struct net_loop *loop)
{
    (void)loop;
    struct timespec now;
    EXPECT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void net_random(void *data, size_t len)
{
    uint8_t *next = data;
    while (len > 0) {
        ssize_t got = getrandom(next, len, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        EXPECT(got > 0);
        next += got;
        len -= (size_t)got;
    }
}

/* Calls what was deferred before this turn; what these calls defer waits for the next. */
static void on_idle(uv_idle_t *idle)
{
    struct net_loop *loop = idle->data;
    struct list turn;
    list_init(&turn);
    list_move(&turn, &loop->deferred);
    net_turn_doing(loop, "a deferred call");
    call_all(&turn);
    if (list_is_empty(&loop->deferred)) {
        uv_idle_stop(idle);
    }
}

static struct deferral *deferral_new(void (*fn)(void *ctx), void *ctx)
{
    struct deferral *deferral = expect_calloc(1, sizeof *deferral);
    *deferral = (struct deferral){.fn = fn, .ctx = ctx};
    return deferral;
}

void net_post(struct net_loop *loop, void (*fn)(void *ctx), void *ctx)
{
    struct deferral *deferral = deferral_new(fn, ctx);
    pthread_mutex_lock(&loop->posting);
    list_append(&loop->posted, &deferral->link);
    /* Inside the lock: the loop must not be freed between the two, by what it finds posted. */
    uv_async_send(&loop->poster);
    pthread_mutex_unlock(&loop->posting);
}

void net_defer(struct net_loop *loop, void (*fn)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(loop);
    struct deferral *deferral = deferral_new(fn, ctx);
    list_append(&loop->deferred, &deferral->link);
    loop->deferrer.data = loop;
    uv_idle_start(&loop->deferrer, on_idle);
}
