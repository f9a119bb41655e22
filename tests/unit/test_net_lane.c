/*
 * test_net_lane - jobs of a lane in order, lanes beside each other, the end of a lane.
 */
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <semaphore.h>

#include <cmocka.h>

#include "net/net_lane.h"

#define JOBS 200

static struct {
    struct net_loop *loop;
    struct net_lane *lane;
    int worked[JOBS], done[JOBS];
    int work_count, done_count;
    sem_t gate;
    pthread_t loop_thread;
    int submitted_again;
} t;

static int numbers[JOBS];

static void work(void *ctx)
{
    assert_false(pthread_equal(pthread_self(), t.loop_thread));
    t.worked[t.work_count++] = *(int *)ctx;
}

static void done(void *ctx)
{
    assert_true(pthread_equal(pthread_self(), t.loop_thread));
    t.done[t.done_count++] = *(int *)ctx;
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    t.loop_thread = pthread_self();
    t.loop = net_loop_new();
    t.lane = net_lane_new(t.loop, "a name that is too long");
    for (int i = 0; i < JOBS; i++) {
        numbers[i] = i;
    }
    return sem_init(&t.gate, 0, 0);
}

static int tear_down(void **state)
{
    (void)state;
    net_lane_free(&t.lane);
    net_loop_free(&t.loop);
    return sem_destroy(&t.gate);
}

static void jobs_keep_their_order(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS; i++) {
        net_lane_submit(t.lane, work, done, &numbers[i]);
    }
    assert_int_equal(net_lane_waiting(t.lane), JOBS);
    assert_int_equal(t.done_count, 0);
    net_loop_run(t.loop); /* ends by itself: an idle lane keeps nothing alive */
    assert_int_equal(net_lane_waiting(t.lane), 0);
    assert_memory_equal(t.worked, numbers, sizeof numbers);
    assert_memory_equal(t.done, numbers, sizeof numbers);
}

static void wait_at_gate(void *ctx)
{
    (void)ctx;
    sem_wait(&t.gate);
}

static void open_gate(void *ctx)
{
    (void)ctx;
    assert_int_equal(t.done_count, 0);
    sem_post(&t.gate);
}

/* The first lane can go on only after a job of the second was done: if they shared a thread, this would hang. */
static void lanes_do_not_block_each_other(void **state)
{
    (void)state;
    struct net_lane *other = net_lane_new(t.loop, "other");
    net_lane_submit(t.lane, wait_at_gate, done, &numbers[1]);
    net_lane_submit(other, open_gate, NULL, NULL);
    net_loop_run(t.loop);
    assert_int_equal(t.done_count, 1);
    net_lane_free(&other);
}

static void submit_again(void *ctx)
{
    if (++t.submitted_again < 3) {
        net_lane_submit(t.lane, work, submit_again, ctx);
    }
}

static void free_finishes_all(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS; i++) {
        net_lane_submit(t.lane, work, done, &numbers[i]);
    }
    net_lane_free(&t.lane);
    assert_null(t.lane);
    assert_int_equal(t.done_count, JOBS);
}

static void free_lane(void *ctx)
{
    (void)ctx;
    net_lane_free(&t.lane);
}

/* Jobs behind the one whose done frees the lane are still worked and answered, once. */
static void freed_by_a_done(void **state)
{
    (void)state;
    net_lane_submit(t.lane, work, free_lane, &numbers[0]);
    net_lane_submit(t.lane, work, done, &numbers[1]);
    net_lane_submit(t.lane, work, done, &numbers[2]);
    net_loop_run(t.loop);
    assert_null(t.lane);
    assert_int_equal(t.work_count, 3);
    assert_int_equal(t.done_count, 2);
}

static void done_may_submit(void **state)
{
    (void)state;
    net_lane_submit(t.lane, work, submit_again, &numbers[0]);
    net_loop_run(t.loop);
    assert_int_equal(t.work_count, 3);
}

/* ---- turns ---- */

#define GATES (NET_LANE_WORKERS_MAX + 1)

/* Uses the processor for a while, so that its group and its member have used something. */
static void toil(void *ctx)
{
    uint64_t began = net_now_us(t.loop);
    (void)ctx;
    while (net_now_us(t.loop) - began < 20000) {
    }
}

static void nothing(void *ctx)
{
    assert_in_range(net_lane_worker(ctx), 0, NET_LANE_WORKERS_MAX - 1);
}

static void open_all(void *ctx)
{
    (void)ctx;
    t.done_count++;
    for (size_t i = 0; i < GATES; i++) {
        sem_post(&t.gate);
    }
}

/* More heavy jobs than there can be threads wait for the light one behind them: if it waited for the end of one of them, this would hang. */
static void a_light_job_does_not_wait_for_heavy_ones(void **state)
{
    const struct net_lane_turn heavy = {.group = 1, .member = 1, .cost_us = 10000000};
    const struct net_lane_turn light = {.group = 1, .member = 2};
    struct net_lane *lane = net_lane_new_wide(t.loop, "wide");
    (void)state;
    for (size_t i = 0; i < GATES; i++) {
        net_lane_submit_turn(lane, &heavy, wait_at_gate, NULL, NULL);
    }
    net_lane_submit_turn(lane, &light, nothing, open_all, lane);
    net_loop_run(t.loop);
    assert_int_equal(t.done_count, 1);
    net_lane_free(&lane);
}

static void note_work(void *ctx)
{
    t.worked[t.work_count++] = *(int *)ctx;
}

/* Opens the gate for the rest, once two of the three were worked by the one thread that could. */
static void note_done(void *ctx)
{
    t.done[t.done_count++] = *(int *)ctx;
    if (t.done_count == 2) {
        for (size_t i = 0; i < GATES; i++) {
            sem_post(&t.gate);
        }
    }
}

/*
 * One thread goes on, the others stand at the gate, so that the order can be seen: who has used less comes first, within
 * a group and between groups. Whether it was so.
 */
static bool least_comes_first(struct net_lane *lane)
{
    const struct net_lane_turn busy = {.group = 1, .member = 1}, same_group = {.group = 1, .member = 3};
    const struct net_lane_turn other = {.group = 2, .member = 2}, gate = {.group = 9, .member = 9};
    for (int i = 0; i < 10; i++) {
        net_lane_submit_turn(lane, &busy, toil, NULL, NULL);
    }
    net_loop_run(t.loop);
    t.work_count = t.done_count = 0;
    for (size_t i = 0; i < net_lane_width(lane); i++) {
        net_lane_submit_turn(lane, &gate, wait_at_gate, NULL, NULL);
    }
    net_lane_submit_turn(lane, &busy, note_work, note_done, &numbers[3]);
    net_lane_submit_turn(lane, &same_group, note_work, note_done, &numbers[2]);
    net_lane_submit_turn(lane, &other, note_work, note_done, &numbers[1]);
    sem_post(&t.gate);
    net_loop_run(t.loop);
    while (sem_trywait(&t.gate) == 0) {
    }
    return t.worked[0] == 1 && t.worked[1] == 2 && t.worked[2] == 3;
}

/* Now and then the job that has waited longest is the next, whoever has used what: not each time, then; in the order of submission never. */
static void who_has_used_least_comes_first(void **state)
{
    struct net_lane *lane = net_lane_new_wide(t.loop, "wide");
    bool seen = false;
    (void)state;
    for (int round = 0; round < 10 && !seen; round++) {
        seen = least_comes_first(lane);
    }
    assert_true(seen);
    net_lane_free(&lane);
}

/* ---- who is woken ---- */

#define WAKE_ROUNDS 64

/* Of the threads of this name: how often they have gone to sleep; and whether all of them sleep. */
static uint64_t count_sleeps(const char *name, bool *asleep_r)
{
    uint64_t sleeps = 0;
    char path[300], line[200];
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    *asleep_r = true;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        unsigned long switches = 0;
        char state = '?', its[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        while (status != NULL && fgets(line, sizeof line, status) != NULL) {
            (void)(sscanf(line, "Name: %31s", its) == 1 || sscanf(line, "State: %c", &state) == 1 ||
                   sscanf(line, "voluntary_ctxt_switches: %lu", &switches) == 1);
        }
        if (status != NULL) {
            fclose(status);
        }
        if (strcmp(its, name) == 0) {
            sleeps += switches;
            *asleep_r = *asleep_r && state == 'S';
        }
    }
    closedir(tasks);
    return sleeps;
}

static uint64_t sleeps_when_all_sleep(const char *name)
{
    uint64_t until_us = net_now_us(t.loop) + 30000000, sleeps = 0;
    bool asleep = false;
    while (!asleep && net_now_us(t.loop) < until_us) {
        sched_yield();
        sleeps = count_sleeps(name, &asleep);
    }
    assert_true(asleep);
    return sleeps;
}

/* If each job woke all threads, each of them would go to sleep again in each round. */
static void a_job_wakes_one_thread(void **state)
{
    (void)state;
    const struct net_lane_turn light = {.group = 1, .member = 2};
    struct net_lane *lane = net_lane_new_wide(t.loop, "woken");
    uint64_t before = sleeps_when_all_sleep("woken"), after = before;
    for (int i = 0; i < WAKE_ROUNDS; i++) {
        net_lane_submit_turn(lane, &light, nothing, NULL, lane);
        net_loop_run(t.loop);
        after = sleeps_when_all_sleep("woken");
    }
    size_t width = net_lane_width(lane);
    net_lane_free(&lane);
    assert_in_range(after - before, 1, WAKE_ROUNDS * (width + 1) / 2 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs_keep_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lanes_do_not_block_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(free_finishes_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freed_by_a_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(done_may_submit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_light_job_does_not_wait_for_heavy_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_used_least_comes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_job_wakes_one_thread, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
