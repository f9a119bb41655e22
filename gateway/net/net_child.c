/*
 * net_child - a helper program under uv_spawn(), or of the loop's runner; see net_child.h.
 *
 * It is over when the process has exited and both of its outputs are closed, or when it is killed for a limit. The
 * memory lives until every handle has closed, the process's last: it is waited for, so that no zombie stays.
 */
#include "net/net_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/expect.h"
#include "net/net_loop_private.h"
#include "net/net_runner.h"

/* Of standard error, of which the first line is told; the rest is read and dropped. */
#define ERROR_MAX ((size_t)200)

#define RUNNER_GONE "the helper process that runs programs has ended; restart the gateway"

struct net_child {
    struct net_loop *loop;
    char *program;
    net_child_fn *fn; /* NULL: told, or not wanted any more */
    void *ctx;
    uv_process_t process;
    uv_pipe_t output, error;
    uv_timer_t timer;
    struct buf out, err;
    int number; /* its number with the loop's runner; 0: none */
    bool started, exited, output_ended, error_ended, deferred, freed;
    unsigned handles; /* not closed yet */
    int64_t status;
    int signal;
    struct fault fault;
};

static void child_release(struct net_child *child)
{
    if (child->freed && child->handles == 0 && !child->deferred) {
        buf_wipe(&child->out);
        buf_wipe(&child->err);
        free(child->program);
        free(child);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct net_child *child = handle->data;
    child->handles--;
    child_release(child);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, on_closed);
    }
}

/* Ends what is left of it, with its children; on_ended() follows. */
static void put_down(struct net_child *child)
{
    if (child->started && !child->exited && child->number > 0) {
        if (child->loop->runner != NULL) {
            net_runner_kill(child->loop->runner, child->number);
        }
        child->exited = true;
    } else if (child->started && !child->exited) {
        uv_kill(-child->process.pid, SIGKILL);
    }
    close_handle(&child->output);
    close_handle(&child->error);
    close_handle(&child->timer);
}

static void first_line(struct net_child *child, struct bytes *line_r)
{
    struct bytes rest = buf_bytes(&child->err);
    *line_r = bytes_trim(bytes_cut(&rest, '\n'));
}

static void judge_child(struct net_child *child)
{
    struct bytes line;
    first_line(child, &line);
    const char *what = child->signal != 0 ? "ended by signal" : "exited with status";
    long long number = child->signal != 0 ? child->signal : (long long)child->status;
    if (number != 0) {
        fault_set(&child->fault, FAULT_TEMP, "child-status", child->program, "%s %s %lld%s%.*s", child->program, what,
                  number, line.len > 0 ? ": " : "", (int)line.len, (const char *)line.ptr);
    }
}

static void tell_child(struct net_child *child)
{
    net_child_fn *fn = child->fn;
    bool failed = fault_is_set(&child->fault);
    child->fn = NULL;
    if (fn != NULL) {
        fn(child->ctx, failed ? bytes_of("") : buf_bytes(&child->out), failed ? &child->fault : NULL);
    }
}

/* A limit is hit: what it has printed is worth nothing. */
static void give_up(struct net_child *child, const char *code, const char *what)
{
    struct bytes line;
    first_line(child, &line);
    fault_set(&child->fault, FAULT_TEMP, code, child->program, "%s %s and was ended%s%.*s", child->program, what,
              line.len > 0 ? "; it said: " : "", (int)line.len, (const char *)line.ptr);
    put_down(child);
    tell_child(child);
}

static void check_over(struct net_child *child)
{
    if (child->exited && child->output_ended && child->error_ended && child->fn != NULL) {
        judge_child(child);
        put_down(child);
        tell_child(child);
    }
}

/* ---- from libuv ---- */

static void on_ended(uv_process_t *process, int64_t status, int number)
{
    struct net_child *child = process->data;
    child->exited = true;
    child->status = status;
    child->signal = number;
    close_handle(&child->process);
    check_over(child);
}

static void on_timer(uv_timer_t *timer)
{
    give_up(timer->data, "child-timeout", "took too long");
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct net_child *child = handle->data;
    (void)suggested;
    *buf = uv_buf_init(child->loop->scratch, sizeof child->loop->scratch);
}

static void on_output(uv_stream_t *stream, ssize_t got, const uv_buf_t *data)
{
    struct net_child *child = stream->data;
    if (got > 0 && buf_append(&child->out, data->base, (size_t)got) < 0) {
        give_up(child, "child-output", "printed too much");
    } else if (got < 0) {
        child->output_ended = true;
        close_handle(&child->output);
        check_over(child);
    }
    if (got > 0) {
        explicit_bzero(data->base, (size_t)got); /* the loop's room is shared */
    }
}

static void on_error(uv_stream_t *stream, ssize_t got, const uv_buf_t *data)
{
    struct net_child *child = stream->data;
    if (got > 0) {
        size_t room = child->err.max - child->err.len;
        buf_append(&child->err, data->base, (size_t)got < room ? (size_t)got : room);
    } else if (got < 0) {
        child->error_ended = true;
        close_handle(&child->error);
        check_over(child);
    }
}

/* ---- by the runner ---- */

static void on_runner_ended(void *ctx, int status, int number, int error)
{
    struct net_child *child = ctx;
    child->exited = true;
    child->status = status;
    child->signal = number;
    if (error != 0) {
        fault_set(&child->fault, FAULT_TEMP, "child-start", child->program, "%s cannot be started: %s", child->program,
                  error == ECHILD ? RUNNER_GONE : uv_strerror(-error));
        put_down(child);
        tell_child(child);
    } else {
        check_over(child);
    }
}

/* A pipe from the program into the loop's handle; the program's end, or a negative errno. */
static int open_pipe(uv_pipe_t *handle)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    int status = uv_pipe_open(handle, ends[0]);
    if (status != 0) {
        close(ends[0]);
        close(ends[1]);
        return status;
    }
    return ends[1];
}

static int have_run(struct net_child *child, const char *const *arguments)
{
    int command = net_runner_find(child->loop->runner, arguments);
    int output = command < 0 ? -EPERM : open_pipe(&child->output);
    int error = output < 0 ? output : open_pipe(&child->error);
    if (error < 0) {
        if (output >= 0) {
            close(output);
        }
        return error;
    }
    child->number = net_runner_run(child->loop->runner, command, output, error, on_runner_ended, child);
    return child->number < 0 ? -ECHILD : 0;
}

bool net_child_may_run(const struct net_loop *loop, const char *const *arguments)
{
    return loop->runner == NULL || net_runner_find(loop->runner, arguments) >= 0;
}

/* ---- life ---- */

static int spawn(struct net_child *child, const char *const *arguments)
{
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->output},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->error}};
    uv_process_options_t options = {.exit_cb = on_ended,
                                    .file = arguments[0],
                                    .args = (char **)arguments, /* libuv does not write to them */
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    return uv_spawn(&child->loop->uv, &child->process, &options);
}

static void on_not_started(void *ctx)
{
    struct net_child *child = ctx;
    child->deferred = false;
    tell_child(child);
    child_release(child);
}

struct net_child *net_child_run(struct net_loop *loop, const struct net_child_options *options, net_child_fn *fn,
                                void *ctx)
{
    NET_EXPECT_LOOP(loop);
    struct net_child *child = expect_calloc(1, sizeof *child);
    child->loop = loop;
    child->program = expect_strdup(options->arguments[0]);
    child->fn = fn;
    child->ctx = ctx;
    buf_init(&child->out, options->output_max);
    buf_init(&child->err, ERROR_MAX);
    child->process.data = child->output.data = child->error.data = child->timer.data = child;
    EXPECT(uv_pipe_init(&loop->uv, &child->output, 0) == 0 && uv_pipe_init(&loop->uv, &child->error, 0) == 0);
    EXPECT(uv_timer_init(&loop->uv, &child->timer) == 0);
    bool by_runner = loop->runner != NULL;
    child->handles = by_runner ? 3 : 4;
    int status = by_runner ? have_run(child, options->arguments) : spawn(child, options->arguments);
    child->process.data = child;
    child->started = status == 0;
    if (child->started) {
        EXPECT(uv_read_start((uv_stream_t *)&child->output, on_buffer, on_output) == 0);
        EXPECT(uv_read_start((uv_stream_t *)&child->error, on_buffer, on_error) == 0);
        EXPECT(uv_timer_start(&child->timer, on_timer, options->timeout_ms, 0) == 0);
        return child;
    }
    bool gone = by_runner && status == -ECHILD, unknown = by_runner && status == -EPERM;
    fault_set(&child->fault, FAULT_TEMP, "child-start", child->program, "%s cannot be started: %s", child->program,
              gone      ? RUNNER_GONE
              : unknown ? "the program was not in the configuration when the gateway started; restart the gateway"
                        : uv_strerror(status));
    put_down(child);
    if (!by_runner) {
        close_handle(&child->process);
    }
    child->deferred = true;
    net_defer(loop, on_not_started, child);
    return child;
}

void net_child_free(struct net_child **child_ref)
{
    struct net_child *child = *child_ref;
    *child_ref = NULL;
    if (child == NULL) {
        return;
    }
    NET_EXPECT_LOOP(child->loop);
    child->fn = NULL;
    child->freed = true;
    put_down(child);
    child_release(child);
}
