/* net_watch: what is written, renamed and removed beside a path is told, once or more often; after clear nothing is. */
#include "net/net_watch.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#define DEADLINE_MS 60000

static struct {
    struct net_loop *loop;
    struct net_watch *watch;
    struct net_timer *timer;
    unsigned events;
    bool timed_out;
} w;

static void on_event(void *ctx)
{
    assert_ptr_equal(ctx, &w);
    w.events++;
    net_loop_stop(w.loop);
}

static void on_timer(void *ctx)
{
    (void)ctx;
    w.timed_out = true;
    net_loop_stop(w.loop);
}

/* Whether something is told within the time. */
static bool is_told(uint64_t milliseconds)
{
    w.timed_out = false;
    net_timer_start(w.timer, milliseconds);
    net_loop_run(w.loop);
    net_timer_stop(w.timer);
    return !w.timed_out;
}

/* Reads what is left of an earlier change. */
static void calm(void)
{
    while (is_told(50)) {
    }
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void changes_are_told(void **state)
{
    (void)state;
    char folder[] = "/tmp/mailweir-watch-XXXXXX", file[100], other[100];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/rules.json", folder);
    snprintf(other, sizeof other, "%s/.new", folder);
    put(file, "1");
    w.loop = net_loop_new();
    w.timer = net_timer_new(w.loop, on_timer, NULL);
    w.watch = net_watch_new(w.loop, on_event, &w);
    assert_int_equal(net_watch_add(w.watch, file), 0);
    assert_int_equal(net_watch_add(w.watch, file), 0); /* is watched already */
    assert_int_equal(net_watch_add(w.watch, folder), 0);
    assert_int_equal(net_watch_add(w.watch, "/nonexistent/folder/file"), -1);
    calm();
    put(file, "22");
    assert_true(is_told(DEADLINE_MS));
    calm();
    put(other, "333");
    assert_int_equal(rename(other, file), 0);
    assert_true(is_told(DEADLINE_MS));
    calm();
    assert_int_equal(unlink(file), 0);
    assert_true(is_told(DEADLINE_MS));
    calm();
    net_watch_clear(w.watch);
    put(file, "1");
    assert_false(is_told(100));
    assert_int_equal(net_watch_add(w.watch, file), 0); /* and anew */
    put(file, "4444");
    assert_true(is_told(DEADLINE_MS));
    net_watch_free(&w.watch);
    net_watch_free(&w.watch);
    net_timer_free(&w.timer);
    net_loop_free(&w.loop);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
