/*
 * net_runner - this process's side of it; see net_runner.h. Owned by the loop.
 */
#include "net/net_runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/expect.h"
#include "net/net_loop_private.h"

struct child {
    int number; /* 0: free */
    net_runner_fn *fn;
    void *ctx;
};

struct net_runner {
    struct net_loop *loop;
    pid_t pid;
    int socket; /* -1: it is gone */
    uv_poll_t *poll;
    char ***commands;
    size_t count;
    int last; /* number of a child */
    struct child children[NET_RUNNER_CHILDREN];
};

/* ---- commands ---- */

static char **copy_command(const char *const *arguments)
{
    size_t count = 0;
    while (arguments[count] != NULL) {
        count++;
    }
    char **copy = expect_calloc(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = expect_strdup(arguments[i]);
    }
    return copy;
}

static void free_commands(struct net_runner *runner)
{
    for (size_t i = 0; i < runner->count; i++) {
        for (char **argument = runner->commands[i]; *argument != NULL; argument++) {
            free(*argument);
        }
        free(runner->commands[i]);
    }
    free(runner->commands);
}

static bool is_same(char *const *command, const char *const *arguments)
{
    size_t i = 0;
    while (command[i] != NULL && arguments[i] != NULL && strcmp(command[i], arguments[i]) == 0) {
        i++;
    }
    return command[i] == NULL && arguments[i] == NULL;
}

int net_runner_find(const struct net_runner *runner, const char *const *arguments)
{
    for (size_t i = 0; i < runner->count; i++) {
        if (is_same(runner->commands[i], arguments)) {
            return (int)i;
        }
    }
    return -1;
}

/* ---- children ---- */

static struct child *running_child(struct net_runner *runner, int number)
{
    for (size_t i = 0; i < NET_RUNNER_CHILDREN; i++) {
        if (runner->children[i].number == number) {
            return &runner->children[i];
        }
    }
    return NULL;
}

static void end_child(struct child *child, int status, int signal, int error)
{
    struct child ended = *child;
    *child = (struct child){0};
    if (ended.fn != NULL) {
        ended.fn(ended.ctx, status, signal, error);
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

/* The runner is gone: somebody has killed it. What it ran is over for us. */
static void on_gone(struct net_runner *runner)
{
    uv_close((uv_handle_t *)runner->poll, on_poll_closed);
    close(runner->socket);
    runner->poll = NULL;
    runner->socket = -1;
    for (size_t i = 0; i < NET_RUNNER_CHILDREN; i++) {
        if (runner->children[i].number != 0) {
            end_child(&runner->children[i], 0, 0, ECHILD);
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct net_runner *runner = poll->data;
    struct net_runner_reply reply;
    (void)status, (void)events;
    ssize_t got = recv(runner->socket, &reply, sizeof reply, MSG_DONTWAIT);
    if (got == (ssize_t)sizeof reply) {
        struct child *child = reply.child > 0 ? running_child(runner, reply.child) : NULL;
        if (child != NULL) {
            end_child(child, reply.status, reply.signal, reply.error);
        }
    } else if (got >= 0 || (errno != EAGAIN && errno != EINTR)) {
        on_gone(runner);
    }
}

static int send_request(const struct net_runner *runner, const struct net_runner_request *request, const int *outputs)
{
    union {
        char octets[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {.octets = {0}};
    struct iovec data = {.iov_base = (void *)request, .iov_len = sizeof *request};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (outputs != NULL) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.octets;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(head), outputs, 2 * sizeof(int));
    }
    return sendmsg(runner->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

int net_runner_run(struct net_runner *runner, int command, int output, int error, net_runner_fn *fn, void *ctx)
{
    const int outputs[] = {output, error};
    struct child *child = runner->socket < 0 ? NULL : running_child(runner, 0);
    const struct net_runner_request request = {.kind = NET_RUNNER_RUN, .child = runner->last + 1, .command = command};
    int sent = child == NULL ? -1 : send_request(runner, &request, outputs);
    close(output);
    close(error);
    if (sent < 0) {
        return -1;
    }
    runner->last = runner->last < INT32_MAX - 1 ? runner->last + 1 : 1;
    *child = (struct child){.number = request.child, .fn = fn, .ctx = ctx};
    return request.child;
}

void net_runner_kill(struct net_runner *runner, int number)
{
    struct child *child = running_child(runner, number);
    if (number <= 0 || child == NULL) {
        return;
    }
    const struct net_runner_request request = {.kind = NET_RUNNER_KILL, .child = number};
    child->fn = NULL; /* its place stays taken until it has ended */
    if (runner->socket >= 0) {
        disregard(send_request(runner, &request, NULL));
    }
}

/* ---- life ---- */

static int fork_runner(struct net_runner *runner, struct fault *fault)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        fault_set(fault, FAULT_LOCAL, "runner", "runner", "%s", strerror(errno));
        return -1;
    }
    runner->pid = _Fork(); /* without what libuv does behind a fork(3): there is no loop in the runner */
    if (runner->pid == 0) {
        net_runner_serve(ends[1], (char *const *const *)runner->commands, runner->count);
    }
    close(ends[1]);
    if (runner->pid < 0) {
        fault_set(fault, FAULT_LOCAL, "runner", "runner", "%s", strerror(errno));
        close(ends[0]);
        return -1;
    }
    runner->socket = ends[0];
    return 0;
}

int net_runner_start(struct net_loop *loop, const char *const *const *commands, size_t count, struct fault *fault)
{
    NET_EXPECT_LOOP(loop);
    EXPECT(loop->runner == NULL && count > 0);
    struct net_runner *runner = expect_calloc(1, sizeof *runner);
    runner->loop = loop;
    runner->socket = -1;
    runner->commands = expect_calloc(count, sizeof *runner->commands);
    runner->count = count;
    for (size_t i = 0; i < count; i++) {
        runner->commands[i] = copy_command(commands[i]);
    }
    if (fork_runner(runner, fault) < 0) {
        free_commands(runner);
        free(runner);
        return -1;
    }
    runner->poll = expect_calloc(1, sizeof *runner->poll);
    runner->poll->data = runner;
    EXPECT(uv_poll_init(&loop->uv, runner->poll, runner->socket) == 0);
    EXPECT(uv_poll_start(runner->poll, UV_READABLE | UV_DISCONNECT, on_readable) == 0);
    uv_unref((uv_handle_t *)runner->poll);
    loop->runner = runner;
    return 0;
}

int net_runner_pid(const struct net_loop *loop)
{
    return loop->runner == NULL ? 0 : (int)loop->runner->pid;
}

/* It ends when nobody can ask any more, and its end of the socket with it. */
static void wait_for_end(int socket)
{
    struct net_runner_reply reply;
    shutdown(socket, SHUT_WR);
    while (recv(socket, &reply, sizeof reply, 0) > 0) {
    }
    close(socket);
}

void net_runner_stop(struct net_loop *loop)
{
    struct net_runner *runner = loop->runner;
    loop->runner = NULL;
    if (runner == NULL) {
        return;
    }
    if (runner->socket >= 0) {
        uv_close((uv_handle_t *)runner->poll, on_poll_closed);
        wait_for_end(runner->socket);
    }
    /* Not under the sandbox, where there is no such call; whoever inherits it collects it then. */
    waitpid(runner->pid, NULL, 0);
    free_commands(runner);
    free(runner);
}
