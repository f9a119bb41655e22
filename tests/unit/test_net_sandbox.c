/* net_sandbox: what a process can still do in it. Each test enters it in a child, because there is no way out. */
#include "test.h"

#include <limits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net_sandbox.h"

#define NO_LANDLOCK 77
#define SANITIZED   78

static char reached[] = "/tmp/mailweir-sandbox-XXXXXX", outside[] = "/tmp/mailweir-outside-XXXXXX";

static int in_child(int (*fn)(void), bool may_execute)
{
    pid_t child = fork();
    if (child == 0) {
        const struct net_sandbox_path paths[] = {{"/does/not/exist", true}, {reached, true}};
        const struct net_sandbox_options options = {.paths = paths, .path_count = 2};
        struct net_sandbox_state state = {0};
        if (may_execute) { /* as the process that runs programs for it */
            _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || net_sandbox_filter(true) < 0 ? 1 : fn());
        }
        net_sandbox_enter(&options, &state);
        if (strstr(state.note, "sanitizer") != NULL) {
            _exit(SANITIZED);
        }
        _exit(state.paths == 0 ? NO_LANDLOCK : fn());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == NO_LANDLOCK || WEXITSTATUS(status) == SANITIZED)) {
        skip();
    }
    return status;
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(reached) == NULL || mkdtemp(outside) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(reached) | rmdir(outside);
}

/* The number of the line that fails, or 0. */
#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            return __LINE__ % 70 + 1;                                                                                  \
        }                                                                                                              \
    } while (0)

static void *work(void *ctx)
{
    *(bool *)ctx = true;
    return NULL;
}

static int use_paths(void)
{
    char path[200], other[200];
    snprintf(path, sizeof path, "%s/file", reached);
    snprintf(other, sizeof other, "%s/folder", reached);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    HOLDS(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0);
    HOLDS(mkdir(other, 0700) == 0);
    snprintf(other, sizeof other, "%s/folder/file", reached);
    HOLDS(rename(path, other) == 0); /* into another folder, as the spool does */
    HOLDS(unlink(other) == 0);
    snprintf(other, sizeof other, "%s/folder", reached);
    HOLDS(rmdir(other) == 0);
    snprintf(path, sizeof path, "%s/file", outside);
    HOLDS(open(path, O_RDWR | O_CREAT, 0600) < 0 && errno == EACCES);
    HOLDS(open(outside, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
    HOLDS(open("/etc/hostname-of-mailweir", O_RDWR | O_CREAT, 0600) < 0 && errno != 0);
    HOLDS(open("/etc/passwd", O_RDONLY) >= 0);
    HOLDS(open("/dev/null", O_WRONLY) >= 0);
    HOLDS(open("/proc/self/status", O_RDONLY) >= 0 && open("/proc/meminfo", O_RDONLY) >= 0);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)getppid());
    HOLDS(open(path, O_RDONLY) < 0 && errno == EACCES);
    HOLDS(open("/proc/kallsyms", O_RDONLY) < 0 && errno == EACCES);
    return 0;
}

static void test_paths(void **state)
{
    (void)state;
    assert_int_equal(in_child(use_paths, false), 0);
}

static int start_thread(void)
{
    pthread_t thread;
    bool ran = false;
    HOLDS(pthread_create(&thread, NULL, work, &ran) == 0 && pthread_join(thread, NULL) == 0 && ran);
    struct rlimit core;
    HOLDS(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
    return 0;
}

/* What only an intruder asks for. */
static int change_root(void)
{
    return chroot("/") == 0 ? 0 : 1;
}

static void test_threads(void **state)
{
    (void)state;
    assert_int_equal(in_child(start_thread, false), 0);
    int status = in_child(change_root, false);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* Signals reach nobody but itself, and sockets are those that mail and names need. */
static int use_signals_and_sockets(void)
{
    static const struct {
        int family, type, protocol;
        bool works;
    } cases[] = {
        {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, true},
        {AF_INET6, SOCK_STREAM, 0, true},
        {AF_INET, SOCK_DGRAM, 0, true},
        {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, true},
        {AF_UNIX, SOCK_DGRAM, 0, true},
        {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE, true},
        {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, false},
        {AF_INET, SOCK_RAW, IPPROTO_ICMP, false},
        {AF_PACKET, SOCK_RAW, 0, false},
        {AF_VSOCK, SOCK_STREAM, 0, false},
        {AF_ALG, SOCK_SEQPACKET, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = socket(cases[i].family, cases[i].type, cases[i].protocol);
        if (fd >= 0 ? !cases[i].works : cases[i].works && errno != EAFNOSUPPORT) {
            return (int)i + 1;
        }
        if (fd < 0 && !cases[i].works && errno != ENOSYS) {
            return (int)i + 51;
        }
    }
    HOLDS(kill(getppid(), 0) < 0 && errno == ENOSYS);
    HOLDS(kill(getpid(), 0) == 0);
    HOLDS(getaddrinfo("localhost", NULL, NULL, &(struct addrinfo *){NULL}) != EAI_SYSTEM);
    return 0;
}

static void test_signals_and_sockets(void **state)
{
    (void)state;
    assert_int_equal(in_child(use_signals_and_sockets, false), 0);
}

static int abort_itself(void)
{
    abort();
}

/* A failed expectation still ends it as it should. */
static void test_abort(void **state)
{
    (void)state;
    int status = in_child(abort_itself, false);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static int run_program(void)
{
    char *arguments[] = {(char *)"true", NULL};
    execv("/bin/true", arguments);
    return 1;
}

static int fork_once(void)
{
    return fork() < 0 ? 1 : 0;
}

static void test_programs(void **state)
{
    (void)state;
    int status = in_child(run_program, false);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    assert_int_equal(in_child(fork_once, false), 1 << 8); /* ENOSYS: no process comes of it */
    assert_int_equal(in_child(run_program, true), 0);
}

static int trace_parent(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 && errno == EPERM ? 0 : 1;
}

static void test_other_processes(void **state)
{
    (void)state;
    int status = in_child(trace_parent, false);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    assert_int_equal(in_child(trace_parent, true), 0);
}

static void test_users(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    assert_int_equal(net_sandbox_become("no such user", &fault), -1);
    assert_non_null(strstr(fault.text, "no such user"));
    char self[64];
    snprintf(self, sizeof self, "%u:%u", (unsigned)getuid(), (unsigned)getgid());
    assert_int_equal(net_sandbox_become(self, &fault), 0);
    assert_int_equal(net_sandbox_become("12:34x", &fault), -1);
}

/* Where the spool may be: nothing is left behind, and root's rights do not count for another user. */
static void test_folders(void **state)
{
    char folder[] = "/tmp/mailweir-folder-XXXXXX", long_one[PATH_MAX];
    bool is_root = geteuid() == 0;
    (void)state;
    assert_non_null(mkdtemp(folder));
    memset(long_one, '/', sizeof long_one);
    memcpy(long_one, "/proc", 5);
    long_one[sizeof long_one - 2] = '.';
    long_one[sizeof long_one - 1] = '\0';
    const struct {
        const char *user, *folder;
        enum net_sandbox_place place;
    } cases[] = {
        {NULL, folder, NET_SANDBOX_FINE},
        {"nobody_of_that_name", "/proc", NET_SANDBOX_FINE}, /* said elsewhere */
        {"65534:65534", folder, is_root ? NET_SANDBOX_FORBIDDEN : NET_SANDBOX_FINE},
        {NULL, "/proc", NET_SANDBOX_IMPOSSIBLE},
        {NULL, "/nowhere", NET_SANDBOX_IMPOSSIBLE},
        {NULL, "/dev/null", NET_SANDBOX_IMPOSSIBLE},
        {NULL, long_one, NET_SANDBOX_IMPOSSIBLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(net_sandbox_try_folder(cases[i].user, cases[i].folder), cases[i].place);
    }
    assert_int_equal(rmdir(folder), 0); /* it is empty */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_programs), cmocka_unit_test(test_signals_and_sockets),
        cmocka_unit_test(test_abort),    cmocka_unit_test(test_other_processes),
        cmocka_unit_test(test_users),    cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
