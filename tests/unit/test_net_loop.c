/*
 * test_net_loop - deferred calls, timers, signals, clocks, randomness.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net_lane.h"
#include "net/net_loop.h"
#include "net/net_turn.h"

static struct {
    struct net_loop *loop;
    char order[16];
    struct net_timer *timer;
    uint64_t came_at;
    int number;
    unsigned slow;
    struct net_turn turn;
} t;

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    t.loop = net_loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    net_timer_free(&t.timer);
    net_loop_free(&t.loop);
    return 0;
}

static void note(void *ctx)
{
    size_t len = strlen(t.order);
    snprintf(t.order + len, sizeof t.order - len, "%s", (const char *)ctx);
}

static void note_and_defer(void *ctx)
{
    note(ctx);
    net_defer(t.loop, note, "d");
}

static void deferred_calls_come_once_in_order(void **state)
{
    (void)state;
    net_defer(t.loop, note, "a");
    net_defer(t.loop, note_and_defer, "b");
    net_defer(t.loop, note, "c");
    assert_string_equal(t.order, "");
    net_loop_run(t.loop);
    assert_string_equal(t.order, "abcd");
}

static void spin(uint64_t milliseconds)
{
    uint64_t began = net_now_us(t.loop);
    while (net_now_us(t.loop) - began < milliseconds * 1000) {
    }
}

static void work_in_two_stretches(void *ctx)
{
    (void)ctx;
    net_turn_doing(t.loop, "something short");
    spin(10);
    net_turn_doing(t.loop, "something long");
    spin(60);
}

static void on_slow_turn(void *ctx, const struct net_turn *turn)
{
    assert_ptr_equal(ctx, &t);
    t.slow++;
    t.turn = *turn;
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

/* A turn is what is done in it; to wait for something is none. */
static void slow_turns_are_told_with_what_they_did(void **state)
{
    (void)state;
    struct net_turn longest;
    net_turn_watch(t.loop, 50000, on_slow_turn, &t);
    t.timer = net_timer_new(t.loop, do_nothing, NULL);
    net_timer_start(t.timer, 80);
    net_loop_run(t.loop);
    assert_int_equal(t.slow, 0);
    net_defer(t.loop, work_in_two_stretches, NULL);
    net_timer_start(t.timer, 100); /* a turn is told by the next one */
    net_loop_run(t.loop);
    assert_int_equal(t.slow, 1);
    assert_true(t.turn.took_us >= 70000 && t.turn.doing_us >= 60000 && t.turn.doing_us <= t.turn.took_us);
    assert_string_equal(t.turn.doing, "something long");
    net_turn_longest(t.loop, &longest);
    assert_int_equal(longest.took_us, t.turn.took_us);
}

static void stop_loop(void *ctx)
{
    net_loop_stop(ctx);
}

static void stop_ends_the_run(void **state)
{
    (void)state;
    t.timer = net_timer_new(t.loop, note, "never");
    net_timer_start(t.timer, 600000);
    net_defer(t.loop, stop_loop, t.loop);
    net_loop_run(t.loop);
    assert_string_equal(t.order, "");
}

static void on_timer(void *ctx)
{
    t.came_at = net_now_us(t.loop);
    if (ctx != NULL) {
        net_timer_free(&t.timer);
    }
}

static void timers_come_not_before(void **state)
{
    (void)state;
    t.timer = net_timer_new(t.loop, on_timer, NULL);
    /* The turn's time is old by now: the timer must not count from it. */
    const struct timespec while_turn_grows_old = {.tv_nsec = 8000000};
    nanosleep(&while_turn_grows_old, NULL);
    uint64_t before = net_now_us(t.loop);
    net_timer_start(t.timer, 6);
    net_loop_run(t.loop);
    assert_true(t.came_at - before >= 5000); /* libuv's clock is in whole milliseconds */
}

static void timers_restart_and_stop(void **state)
{
    (void)state;
    t.timer = net_timer_new(t.loop, note, "x");
    net_timer_start(t.timer, 1);
    net_timer_start(t.timer, 2);
    net_loop_run(t.loop);
    assert_string_equal(t.order, "x");
    net_timer_start(t.timer, 1);
    net_timer_stop(t.timer);
    net_loop_run(t.loop);
    assert_string_equal(t.order, "x");
}

static void timer_freed_by_itself(void **state)
{
    (void)state;
    t.timer = net_timer_new(t.loop, on_timer, &t);
    net_timer_start(t.timer, 1);
    net_loop_run(t.loop);
    assert_null(t.timer);
    assert_true(t.came_at > 0);
}

static void on_signal(void *ctx, int number)
{
    (void)ctx;
    t.number = number;
    net_loop_stop(t.loop);
}

static void signals_come_from_the_loop(void **state)
{
    (void)state;
    struct net_signal *handler = net_signal_new(t.loop, SIGUSR1, on_signal, NULL);
    net_loop_run(t.loop); /* a handler keeps no loop alive */
    assert_int_equal(t.number, 0);
    t.timer = net_timer_new(t.loop, note, "never");
    net_timer_start(t.timer, 600000);
    kill(getpid(), SIGUSR1);
    assert_int_equal(t.number, 0);
    net_loop_run(t.loop);
    assert_int_equal(t.number, SIGUSR1);
    net_signal_free(&handler);
    assert_null(handler);
}

static void clocks_and_random(void **state)
{
    (void)state;
    int64_t wall = net_wall(t.loop);
    assert_true(wall / 1000 - time(NULL) < 5 && wall / 1000 - time(NULL) > -5);
    assert_true(net_now_us(t.loop) / 1000 >= net_now(t.loop));
    uint8_t a[700] = {0}, b[700] = {0};
    net_random(a, sizeof a);
    net_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, b, 32);
    assert_memory_not_equal(a + 600, a + 650, 50);
}

#define POSTS 1000

static struct {
    unsigned came, disorder;
    bool here;
} posts;

static void on_post(void *ctx)
{
    posts.disorder += (uintptr_t)ctx != posts.came++;
    posts.here = posts.here && net_loop_is_here(t.loop);
    if (posts.came == POSTS) {
        net_loop_stop(t.loop);
    }
}

static void *post_all(void *ctx)
{
    posts.here = posts.here && !net_loop_is_here(t.loop);
    for (uintptr_t i = 0; i < POSTS; i++) {
        net_post(t.loop, on_post, (void *)i);
    }
    return ctx;
}

static void posts_of_another_thread_come_from_the_loop(void **state)
{
    (void)state;
    pthread_t thread;
    posts.came = posts.disorder = 0;
    posts.here = true;
    t.timer = net_timer_new(t.loop, note, "late"); /* keeps it running */
    net_timer_start(t.timer, 60000);
    assert_int_equal(pthread_create(&thread, NULL, post_all, NULL), 0);
    net_loop_run(t.loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(posts.came, POSTS);
    assert_int_equal(posts.disorder, 0);
    assert_true(posts.here);
}

static void what_is_posted_last_is_called_when_the_loop_is_freed(void **state)
{
    (void)state;
    net_post(t.loop, note, "p");
    net_loop_run(t.loop); /* nothing keeps it */
    net_loop_free(&t.loop);
    assert_string_equal(t.order, "p");
}

#define POSTERS 4

struct poster {
    pthread_t thread;
    unsigned came, disorder;
};

struct numbered {
    struct poster *poster;
    unsigned number;
};

static unsigned posters_left;

static void on_numbered(void *ctx)
{
    struct numbered *numbered = ctx;
    struct poster *poster = numbered->poster;
    poster->disorder += numbered->number != poster->came++;
    if (poster->came == POSTS && --posters_left == 0) {
        net_loop_stop(t.loop);
    }
    free(numbered);
}

static void *post_numbered(void *ctx)
{
    for (unsigned i = 0; i < POSTS; i++) {
        struct numbered *numbered = malloc(sizeof *numbered);
        *numbered = (struct numbered){ctx, i};
        net_post(t.loop, on_numbered, numbered);
    }
    return NULL;
}

static void posts_of_many_threads_are_all_called_each_in_its_order(void **state)
{
    (void)state;
    struct poster posters[POSTERS] = {{.came = 0}};
    posters_left = POSTERS;
    t.timer = net_timer_new(t.loop, note, "late"); /* keeps it running */
    net_timer_start(t.timer, 60000);
    for (size_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_numbered, &posters[i]), 0);
    }
    net_loop_run(t.loop);
    for (size_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
        assert_int_equal(posters[i].came, POSTS);
        assert_int_equal(posters[i].disorder, 0);
    }
}

/* ---- what belongs to a loop ---- */

static struct net_lane *lane;

static void make_timer(void *ctx)
{
    (void)ctx;
    disregard(net_timer_new(t.loop, note, "n") != NULL);
}

static void start_timer(void *ctx)
{
    (void)ctx;
    net_timer_start(t.timer, 1);
}

static void defer(void *ctx)
{
    (void)ctx;
    net_defer(t.loop, note, "d");
}

static void submit(void *ctx)
{
    (void)ctx;
    net_lane_submit(lane, note, note, "s");
}

static void post(void *ctx)
{
    (void)ctx;
    net_post(t.loop, note, "p");
}

static void (*called)(void *ctx);

static void *call_it(void *ctx)
{
    called(ctx);
    return NULL;
}

/* In a process of its own, which may end by it: the status, and what it said on standard error. */
static int call_from(bool another_thread, void (*fn)(void *ctx), char *said, size_t size)
{
    int ends[2], status = -1;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        t.loop = net_loop_new();
        t.timer = net_timer_new(t.loop, note, "t");
        lane = net_lane_new(t.loop, "test");
        called = fn;
        if (another_thread) {
            pthread_create(&thread, NULL, call_it, NULL);
            pthread_join(thread, NULL);
        } else {
            fn(NULL);
        }
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got; len < size - 1 && (got = read(ends[0], said + len, size - 1 - len)) > 0;) {
        len += (size_t)got;
    }
    said[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void who_touches_a_loop_from_another_thread_ends_the_program(void **state)
{
    (void)state;
    static void (*const of_the_loop[])(void *ctx) = {make_timer, start_timer, defer, submit};
    char said[4096];
    for (size_t i = 0; i < sizeof of_the_loop / sizeof of_the_loop[0]; i++) {
        int status = call_from(true, of_the_loop[i], said, sizeof said);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_non_null(strstr(said, "net_loop_is_here"));
        status = call_from(false, of_the_loop[i], said, sizeof said);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    int status = call_from(true, post, said, sizeof said); /* the way to come from another */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slow_turns_are_told_with_what_they_did, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deferred_calls_come_once_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_ends_the_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers_come_not_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers_restart_and_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timer_freed_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signals_come_from_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clocks_and_random, set_up, tear_down),
        cmocka_unit_test_setup_teardown(posts_of_another_thread_come_from_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_posted_last_is_called_when_the_loop_is_freed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(posts_of_many_threads_are_all_called_each_in_its_order, set_up, tear_down),
        cmocka_unit_test(who_touches_a_loop_from_another_thread_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
