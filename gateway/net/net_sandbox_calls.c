/*
 * net_sandbox_calls - the system calls that a gateway needs, by what they are for. A call that stands nowhere here is
 * answered ENOSYS, as by an older kernel, so that the C library falls back; those that only an intruder makes end the
 * process (SIGSYS).
 */
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "net/net_sandbox.h"

static const char *const needed[] = {
    /* files */
    "read", "pread64", "readv", "preadv", "preadv2", "write", "pwrite64", "writev", "pwritev", "pwritev2", "open",
    "openat", "openat2", "creat", "close", "close_range", "lseek", "_llseek", "stat", "fstat", "lstat", "stat64",
    "fstat64", "lstat64", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "statfs64", "fstatfs64", "access",
    "faccessat", "faccessat2", "getdents", "getdents64", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename",
    "renameat", "renameat2", "link", "linkat", "readlink", "readlinkat", "chmod", "fchmod", "fchmodat", "fchown",
    "fchownat", "truncate", "ftruncate", "truncate64", "ftruncate64", "fallocate", "fsync", "fdatasync",
    "sync_file_range", "fcntl", "fcntl64", "flock", "dup", "dup2", "dup3", "pipe", "pipe2", "umask", "getcwd",
    "utimensat", "fadvise64", "copy_file_range", "sendfile", "sendfile64", "inotify_init", "inotify_init1",
    "inotify_add_watch", "inotify_rm_watch",
    /* memory */
    "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mincore", "msync", "mlock", "munlock",
    /* threads */
    "futex", "futex_time64", "set_robust_list", "get_robust_list", "rseq", "membarrier", "set_tid_address", "gettid",
    "getpid", "getppid", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "arch_prctl", "prctl", "exit", "exit_group",
    /* time */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep",
    "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times", "timerfd_create", "timerfd_settime",
    "timerfd_gettime",
    /* signals */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_sigpending",
    "rt_sigsuspend", "sigaltstack", "signalfd4", "sigreturn", "restart_syscall",
    /* network */
    "connect", "bind", "listen", "accept", "accept4", "getsockname", "getpeername", "getsockopt", "setsockopt", "send",
    "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64", "shutdown", "poll",
    "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
    /* about itself */
    "getrandom", "uname", "sysinfo", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid",
    "getuid32", "geteuid32", "getgid32", "getegid32", "getgroups32", "getrlimit", "ugetrlimit", "prlimit64",
    "getrusage", "getpgrp", "getpgid", "getsid", "getpriority", "capget"};

static const char *const dangerous[] = {"ptrace",
                                        "process_vm_readv",
                                        "process_vm_writev",
                                        "kexec_load",
                                        "kexec_file_load",
                                        "init_module",
                                        "finit_module",
                                        "delete_module",
                                        "bpf",
                                        "mount",
                                        "umount2",
                                        "pivot_root",
                                        "chroot",
                                        "swapon",
                                        "swapoff",
                                        "reboot",
                                        "setns",
                                        "unshare",
                                        "perf_event_open",
                                        "userfaultfd",
                                        "add_key",
                                        "request_key",
                                        "keyctl",
                                        "iopl",
                                        "ioperm",
                                        "acct",
                                        "quotactl",
                                        "settimeofday",
                                        "open_by_handle_at",
                                        "clock_settime",
                                        "adjtimex",
                                        "clock_adjtime",
                                        "sethostname",
                                        "setdomainname",
                                        "move_mount",
                                        "open_tree",
                                        "fsopen",
                                        "fsconfig",
                                        "fsmount",
                                        "io_uring_setup",
                                        "mount_setattr"};

static const char *const executing[] = {"execve", "execveat", "fork", "vfork"};

/* Calls that this machine or library does not know are passed over. */
static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number >= 0) {
            result = seccomp_rule_add(filter, action, number, 0);
        }
    }
    return result;
}

#define ADD_ALL(filter, action, names) add_all(filter, action, names, sizeof(names) / sizeof((names)[0]))

/* Threads, but no processes; clone3, whose arguments cannot be looked at, is answered ENOSYS, and clone comes in its
 * place. */
static int add_threads(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

/* To itself alone, as abort(3) and the C library's own signals between threads: no other process is its business. */
static int add_signals(scmp_filter_ctx filter)
{
    uint64_t self = (uint64_t)getpid();
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self, 0));
    return result != 0 ? result
                       : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, self, 0));
}

/*
 * Streams and datagrams of the families that mail, names and service managers come by. Not raw sockets, nor those of
 * the packet filter, of Bluetooth or of a virtual machine's host, whose code in the kernel is seldom looked at. Netlink
 * only as the C library asks for the machine's own addresses (getaddrinfo(3), RFC 6724).
 */
static int add_sockets(scmp_filter_ctx filter)
{
    static const struct {
        int family, type;
    } wanted[] = {{AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM},   {AF_INET, SOCK_STREAM},
                  {AF_INET, SOCK_DGRAM},  {AF_INET6, SOCK_STREAM}, {AF_INET6, SOCK_DGRAM}};
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
                                  SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE, 0));
    for (size_t i = 0; result == 0 && i < sizeof wanted / sizeof wanted[0]; i++) {
        const uint64_t type_bits = 0xF; /* the rest is SOCK_CLOEXEC and SOCK_NONBLOCK */
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                  SCMP_A0(SCMP_CMP_EQ, (uint64_t)wanted[i].family, 0),
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, type_bits, (uint64_t)wanted[i].type));
    }
    return result != 0
               ? result
               : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
}

static int add_ioctls(scmp_filter_ctx filter)
{
    static const uint64_t requests[] = {FIONBIO, FIONREAD, FIOCLEX, TCGETS};
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof requests / sizeof requests[0]; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, UINT64_C(0xFFFFFFFF), requests[i]));
    }
    return result;
}

/* What an intruder may do with programs that are run is another matter, but they shall not get at the kernel or at
 * other processes. */
static int fill_executing(scmp_filter_ctx filter)
{
    return ADD_ALL(filter, SCMP_ACT_ERRNO(EPERM), dangerous);
}

static int fill_filter(scmp_filter_ctx filter)
{
    int result = ADD_ALL(filter, SCMP_ACT_ALLOW, needed);
    result = result != 0 ? result : add_threads(filter);
    result = result != 0 ? result : add_signals(filter);
    result = result != 0 ? result : add_sockets(filter);
    result = result != 0 ? result : add_ioctls(filter);
    result = result != 0 ? result : ADD_ALL(filter, SCMP_ACT_KILL_PROCESS, dangerous);
    return result != 0 ? result : ADD_ALL(filter, SCMP_ACT_KILL_PROCESS, executing);
}

int net_sandbox_filter(bool may_execute)
{
    scmp_filter_ctx filter = seccomp_init(may_execute ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
    if (filter == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    result = result != 0 ? result : may_execute ? fill_executing(filter) : fill_filter(filter);
    result = result != 0 ? result : seccomp_load(filter);
    seccomp_release(filter);
    errno = -result;
    return result == 0 ? 0 : -1;
}
