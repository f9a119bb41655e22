/* net_child: output, exit status, standard error, limits, and what is left behind. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/net_child.h"
#include "net/net_runner.h"

static bool by_runner; /* the loop has one */
static char directory[] = "/tmp/mailweir-child-XXXXXX";

struct heard {
    struct net_loop *loop;
    struct net_child *child;
    struct fault fault;
    char output[256];
    unsigned calls;
    bool frees_inside;
};

static void on_child(void *ctx, struct bytes output, const struct fault *fault)
{
    struct heard *heard = ctx;
    heard->calls++;
    heard->fault = fault != NULL ? *fault : FAULT_INIT;
    assert_true(output.len < sizeof heard->output);
    if (output.len > 0) {
        memcpy(heard->output, output.ptr, output.len);
    }
    if (heard->frees_inside) {
        net_child_free(&heard->child);
    }
    net_loop_stop(heard->loop);
}

/* A program of the test's own, by an interpreter line. */
static const char *program(const char *text)
{
    static char path[128];
    static int number;
    snprintf(path, sizeof path, "%s/program-%d", directory, number++);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static void start_runner(struct net_loop *loop, const char *const *arguments)
{
    static const char *const other[] = {"/bin/false", NULL};
    const char *const *const commands[] = {other, arguments};
    struct fault fault = FAULT_INIT;
    if (by_runner) {
        assert_int_equal(net_runner_start(loop, commands, 2, &fault), 0);
        assert_true(net_child_may_run(loop, arguments));
    }
}

static void run_arguments(struct heard *heard, const char *const *arguments, uint64_t timeout_ms)
{
    struct net_child_options options = {.arguments = arguments, .timeout_ms = timeout_ms, .output_max = 100};
    *heard = (struct heard){.loop = net_loop_new(), .frees_inside = heard->frees_inside};
    start_runner(heard->loop, arguments);
    heard->child = net_child_run(heard->loop, &options, on_child, heard);
    assert_int_equal(heard->calls, 0);
    net_loop_run(heard->loop);
    assert_int_equal(heard->calls, 1);
    net_child_free(&heard->child);
    net_runner_stop(heard->loop);
    net_loop_free(&heard->loop);
    assert_int_equal(heard->calls, 1);
}

static void run(struct heard *heard, const char *text, uint64_t timeout_ms)
{
    const char *arguments[] = {program(text), NULL};
    run_arguments(heard, arguments, timeout_ms);
}

static void gives_output(void **state)
{
    struct heard heard = {0};
    (void)state;
    run(&heard, "echo warning >&2; echo one; echo two", 10000);
    assert_false(fault_is_set(&heard.fault));
    assert_string_equal(heard.output, "one\ntwo\n");
    heard.frees_inside = true;
    run(&heard, "echo three", 10000);
    assert_string_equal(heard.output, "three\n");
}

static void passes_arguments_as_they_are(void **state)
{
    struct heard heard = {0};
    const char *path = program("printf '%s|' \"$@\"; cat");
    const char *arguments[] = {path, "a b", "$HOME;`id`", "", NULL};
    (void)state;
    run_arguments(&heard, arguments, 10000);
    assert_string_equal(heard.output, "a b|$HOME;`id`||");
}

static void tells_status_and_first_line(void **state)
{
    struct heard heard = {0};
    (void)state;
    run(&heard, "echo secret; printf 'no ticket\\033\\nsecond\\n' >&2; exit 3", 10000);
    assert_string_equal(heard.fault.code, "child-status");
    assert_int_equal(heard.fault.class, FAULT_TEMP);
    assert_non_null(strstr(heard.fault.text, "exited with status 3: no ticket?"));
    assert_null(strstr(heard.fault.text, "second"));
    assert_null(strstr(heard.fault.text, "secret"));
    assert_string_equal(heard.output, "");
    run(&heard, "kill -9 $$", 10000);
    assert_non_null(strstr(heard.fault.text, "ended by signal 9"));
}

static void is_not_there(void **state)
{
    struct heard heard = {0};
    const char *arguments[] = {"/nonexistent/program", NULL};
    (void)state;
    run_arguments(&heard, arguments, 10000);
    assert_string_equal(heard.fault.code, "child-start");
    assert_non_null(strstr(heard.fault.text, "/nonexistent/program cannot be started: no such file"));
    heard.frees_inside = true;
    run_arguments(&heard, arguments, 10000);
}

static pid_t pid_in(const char *name)
{
    char path[160], text[32] = "";
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

static bool is_gone(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    bool gone = file == NULL || fgets(text, sizeof text, file) == NULL || strstr(text, ") Z ") != NULL;
    if (file != NULL) {
        fclose(file);
    }
    return gone;
}

/* It and its own child are ended, even where that one holds the output open. */
static void takes_too_long(void **state)
{
    struct heard heard = {0};
    char text[600];
    (void)state;
    snprintf(text, sizeof text, "echo waiting for a ticket >&2; sleep 1000 & echo $! >%s/grandchild; wait", directory);
    run(&heard, text, 500);
    assert_string_equal(heard.fault.code, "child-timeout");
    assert_non_null(strstr(heard.fault.text, "waiting for a ticket"));
    pid_t pid = pid_in("grandchild");
    for (int tries = 0; tries < 500 && !is_gone(pid); tries++) {
        usleep(10000);
    }
    assert_true(is_gone(pid));
    snprintf(text, sizeof text, "sleep 1000 & echo $! >%s/left; exit 0", directory);
    run(&heard, text, 500);
    assert_string_equal(heard.fault.code, "child-timeout");
    kill(pid_in("left"), SIGKILL); /* a program that leaves others behind is not followed there */
}

static void prints_too_much(void **state)
{
    struct heard heard = {0};
    (void)state;
    run(&heard, "while :; do echo 0123456789; done", 10000);
    assert_string_equal(heard.fault.code, "child-output");
    assert_null(strstr(heard.fault.text, "0123"));
}

static void freed_before_it_ends(void **state)
{
    struct heard heard = {.loop = net_loop_new()};
    const char *arguments[] = {program("sleep 1000"), NULL};
    struct net_child_options options = {.arguments = arguments, .timeout_ms = 60000, .output_max = 100};
    (void)state;
    start_runner(heard.loop, arguments);
    heard.child = net_child_run(heard.loop, &options, on_child, &heard);
    net_child_free(&heard.child);
    net_runner_stop(heard.loop);
    net_loop_free(&heard.loop); /* hangs if it were not killed */
    assert_int_equal(heard.calls, 0);
}

/* The runner knows other programs, or is gone: that is told, and nothing is run. */
static void is_not_run_by_the_runner(void **state)
{
    static const char *const known[] = {"/bin/true", NULL};
    static const char *const longer[] = {"/bin/true", "x", NULL};
    const char *const *const commands[] = {known};
    struct heard heard = {.loop = net_loop_new()};
    struct net_child_options options = {.arguments = longer, .timeout_ms = 60000, .output_max = 100};
    struct fault fault = FAULT_INIT;
    (void)state;
    assert_int_equal(net_runner_start(heard.loop, commands, 1, &fault), 0);
    assert_true(net_child_may_run(heard.loop, known) && !net_child_may_run(heard.loop, longer));
    heard.child = net_child_run(heard.loop, &options, on_child, &heard);
    net_loop_run(heard.loop);
    assert_string_equal(heard.fault.code, "child-start");
    assert_non_null(strstr(heard.fault.text, "was not in the configuration"));
    net_child_free(&heard.child);
    kill(net_runner_pid(heard.loop), SIGKILL);
    options.arguments = known;
    for (int tries = 0; tries < 500 && strstr(heard.fault.text, "has ended") == NULL; tries++) {
        heard.child = net_child_run(heard.loop, &options, on_child, &heard);
        net_loop_run(heard.loop);
        net_child_free(&heard.child);
    }
    assert_non_null(strstr(heard.fault.text, "has ended; restart the gateway"));
    net_runner_stop(heard.loop);
    net_loop_free(&heard.loop);
}

static int begin_directly(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int begin_by_runner(void **state)
{
    by_runner = true;
    memcpy(strrchr(directory, '-') + 1, "XXXXXX", 6);
    return begin_directly(state);
}

static int remove_directory(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_output),
        cmocka_unit_test(passes_arguments_as_they_are),
        cmocka_unit_test(tells_status_and_first_line),
        cmocka_unit_test(is_not_there),
        cmocka_unit_test(takes_too_long),
        cmocka_unit_test(prints_too_much),
        cmocka_unit_test(freed_before_it_ends),
        cmocka_unit_test(is_not_run_by_the_runner),
    };
    return cmocka_run_group_tests(tests, begin_directly, remove_directory) +
           cmocka_run_group_tests(tests, begin_by_runner, remove_directory);
}
