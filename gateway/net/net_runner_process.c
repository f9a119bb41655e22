/*
 * net_runner_process - the runner's own life; see net_runner.h. Plain calls, one thread, no loop: it stands beside a
 * process whose library it shares and whose memory it has copied.
 */
#include "net/net_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net_sandbox.h"

struct process {
    pid_t pid; /* 0: none */
    int child;
};

struct serving {
    int socket, signals;
    char *const *const *commands;
    size_t count;
    struct process processes[NET_RUNNER_CHILDREN];
};

static void reply(const struct serving *serving, int child, int status, int signal, int error)
{
    const struct net_runner_reply reply = {.child = child, .status = status, .signal = signal, .error = error};
    if (send(serving->socket, &reply, sizeof reply, MSG_NOSIGNAL) < 0) {
        _exit(0); /* nobody is there any more */
    }
}

/* ---- one program ---- */

/* What was blocked or ignored here is not so for it. */
static void reset_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        signal(numbers[i], SIG_DFL);
    }
}

/* Behind the fork: becomes the program, or tells why not and ends. */
static _Noreturn void become(char *const *arguments, const int outputs[2], int failed)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool ready = nothing >= 0 && dup2(nothing, 0) >= 0 && dup2(outputs[0], 1) >= 0 && dup2(outputs[1], 2) >= 0;
    setpgid(0, 0);
    reset_signals();
    if (ready) {
        execve(arguments[0], arguments, environ);
    }
    int error = errno;
    disregard(write(failed, &error, sizeof error) < 0);
    _exit(127);
}

/* errno when it could not be started; else 0, and its number. */
static int start_program(char *const *arguments, const int outputs[2], pid_t *pid_r)
{
    int failed[2], error = 0;
    if (pipe2(failed, O_CLOEXEC) < 0) {
        return errno;
    }
    /* Not fork(3): libuv would have its handles made anew, among the program's own descriptors. */
    pid_t pid = _Fork();
    if (pid == 0) {
        become(arguments, outputs, failed[1]);
    }
    int forked = errno;
    close(failed[1]);
    /* The pipe's end closes as the program begins. */
    if (pid < 0) {
        error = forked;
    } else if (read(failed[0], &error, sizeof error) == (ssize_t)sizeof error) {
        waitpid(pid, NULL, 0);
    } else {
        error = 0;
        setpgid(pid, pid);
        *pid_r = pid;
    }
    close(failed[0]);
    return error;
}

static struct process *place_of(struct serving *serving, pid_t pid, int child)
{
    for (size_t i = 0; i < NET_RUNNER_CHILDREN; i++) {
        struct process *process = &serving->processes[i];
        if (process->pid == pid && (pid == 0 || child < 0 || process->child == child)) {
            return process;
        }
    }
    return NULL;
}

static void run_one(struct serving *serving, const struct net_runner_request *request, const int outputs[2])
{
    struct process *process = place_of(serving, 0, 0);
    bool known = request->command >= 0 && (size_t)request->command < serving->count && outputs[0] >= 0;
    int error = !known ? EINVAL : process == NULL ? EAGAIN : 0;
    pid_t pid = 0;
    if (error == 0) {
        error = start_program(serving->commands[request->command], outputs, &pid);
    }
    if (error != 0) {
        reply(serving, request->child, 0, 0, error);
        return;
    }
    *process = (struct process){.pid = pid, .child = request->child};
}

static void kill_child(struct serving *serving, int child)
{
    for (size_t i = 0; i < NET_RUNNER_CHILDREN; i++) {
        if (serving->processes[i].pid > 0 && serving->processes[i].child == child) {
            kill(-serving->processes[i].pid, SIGKILL);
        }
    }
}

static void collect_result(struct serving *serving)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;
    disregard(read(serving->signals, &info, sizeof info) < 0);
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process *process = place_of(serving, pid, -1);
        if (process != NULL) {
            reply(serving, process->child, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                  WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0);
            process->pid = 0;
        }
    }
}

/* ---- requests ---- */

/* The descriptors that came with a request; -1 for those that did not. */
static void take_descriptors(struct msghdr *message, int outputs[2])
{
    outputs[0] = outputs[1] = -1;
    const struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
        control->cmsg_len == CMSG_LEN(2 * sizeof(int))) {
        memcpy(outputs, CMSG_DATA(control), 2 * sizeof(int));
    }
}

static void take_request(struct serving *serving)
{
    struct net_runner_request request;
    union {
        char octets[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec data = {.iov_base = &request, .iov_len = sizeof request};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int outputs[2];
    ssize_t got = recvmsg(serving->socket, &message, MSG_CMSG_CLOEXEC);
    if (got != (ssize_t)sizeof request) {
        for (size_t i = 0; i < NET_RUNNER_CHILDREN; i++) {
            kill_child(serving, serving->processes[i].child);
        }
        _exit(0);
    }
    take_descriptors(&message, outputs);
    if (request.kind == NET_RUNNER_RUN) {
        run_one(serving, &request, outputs);
    } else {
        kill_child(serving, request.child);
    }
    for (size_t i = 0; i < 2; i++) {
        if (outputs[i] >= 0) {
            close(outputs[i]);
        }
    }
}

/* Nothing of the process that it was forked from stays open but the socket and what the log is written to. */
static void leave_behind(int socket)
{
    if (socket > 3) {
        syscall(SYS_close_range, 3u, (unsigned)socket - 1, 0u);
    }
    syscall(SYS_close_range, (unsigned)socket + 1, ~0u, 0u);
}

_Noreturn void net_runner_serve(int socket, char *const *const *commands, size_t count)
{
    struct serving serving = {.socket = socket, .commands = commands, .count = count};
    const struct rlimit none = {0, 0};
    sigset_t children;
    leave_behind(socket);
    /* It ends when its socket does, so that a program under way in a drain is not cut off. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    serving.signals = signalfd(-1, &children, SFD_CLOEXEC);
    disregard(setrlimit(RLIMIT_CORE, &none));
    disregard(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    disregard(prctl(PR_SET_NAME, "mailweir-runner", 0, 0, 0));
    disregard(net_sandbox_filter(true));
    while (serving.signals >= 0) {
        struct pollfd watched[] = {{.fd = socket, .events = POLLIN}, {.fd = serving.signals, .events = POLLIN}};
        if (poll(watched, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (watched[1].revents != 0) {
            collect_result(&serving);
        }
        if (watched[0].revents != 0) {
            take_request(&serving);
        }
    }
    _exit(1);
}
