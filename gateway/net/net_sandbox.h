/*
 * net_sandbox - what this process may still do once its configuration is read: a user without rights, no core dumps, no
 * new privileges, a filter over its system calls (seccomp(2), by libseccomp) and rights on paths (landlock(7)).
 *
 * All of it is for good, and for every thread that is begun afterwards: so it comes before the first lane.
 */
#ifndef MAILWEIR_NET_NET_SANDBOX_H
#define MAILWEIR_NET_NET_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/must_use.h"

/*
 * Becomes this user: a name, or numbers as "UID:GID". Of root's rights only that to listen on ports below 1024 is kept.
 * Nothing happens when the process is that user already; -1 with a fault when it is another and not root, or there is
 * no such user.
 */
MUST_USE int net_sandbox_become(const char *user, struct fault *fault);
/* Whether there is such a user on this machine: 0, or -1 with a fault. */
MUST_USE int net_sandbox_knows(const char *user, struct fault *fault);

enum net_sandbox_place {
    NET_SANDBOX_FINE,       /* also when the disk is full for now */
    NET_SANDBOX_READ_ONLY,  /* the file system */
    NET_SANDBOX_FORBIDDEN,  /* for this user */
    NET_SANDBOX_IMPOSSIBLE, /* nobody can: it is no folder, or its file system makes its files itself (/proc) */
};
/*
 * Whether this user, or this process when user is NULL, can create files in the folder: tried with a file that never
 * gets a name, or, where the file system has none such, with a folder that is removed at once. Blocks. A user who
 * cannot be asked about, because he is unknown or this process is not root, is taken for able.
 */
MUST_USE enum net_sandbox_place net_sandbox_try_folder(const char *user, const char *folder);

/* A path that stays reachable, with all below it. One that does not exist is passed over. */
struct net_sandbox_path {
    const char *path;
    bool may_write; /* also make, rename and remove what is below it */
};

struct net_sandbox_options {
    const struct net_sandbox_path *paths; /* beside the system's libraries, name service and certificates */
    size_t path_count;
};

/* What holds. */
struct net_sandbox_state {
    bool entered; /* it was asked for */
    bool no_core_dumps, no_new_privileges, system_calls;
    bool runs_programs; /* those that it began with, by a runner (net_runner.h) */
    int paths;          /* the version of the kernel's Landlock; 0: all paths that the user may reach */
    char note[200];     /* why not all of it; "" when all holds */
};

/* Enters as far as the kernel can; what it cannot stands in the state. */
void net_sandbox_enter(const struct net_sandbox_options *options, struct net_sandbox_state *state_r);

/* net_sandbox_calls.c: sets the filter for all threads of the process; -1 with errno. may_execute: for a process that
 * runs programs (net_runner.h), which inherit it: only the dangerous calls are refused. */
MUST_USE int net_sandbox_filter(bool may_execute);

#endif
