/*
 * net_runner - a second process that runs programs for this one, which cannot once it is in its sandbox.
 *
 * It is forked before the sandbox is entered and before the first thread, and knows from then on which commands there
 * are: it is asked for one by its number alone. Whoever takes over this process can have those run, with those
 * arguments, and nothing else. The runner reads no octet that came from a network; it ends with this process.
 */
#ifndef MAILWEIR_NET_NET_RUNNER_H
#define MAILWEIR_NET_NET_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/must_use.h"
#include "net/net_loop.h"

/*
 * Forks it, for the children of this loop (net_child.h). commands: so many lists of arguments, each ended by NULL, [0]
 * the program's path; copied. -1 with a fault (class LOCAL).
 */
MUST_USE int net_runner_start(struct net_loop *loop, const char *const *const *commands, size_t count,
                              struct fault *fault);
/* Ends it, with what it runs; blocks until it is gone. Nothing happens when there is none. */
void net_runner_stop(struct net_loop *loop);

/* Its process; 0 when there is none. */
MUST_USE int net_runner_pid(const struct net_loop *loop); /* for tests */

/* ---- for net_child.c ---- */

struct net_runner;
typedef void net_runner_fn(void *ctx, int status, int signal, int error);

/* The number of the command; -1: it is none of them. */
MUST_USE int net_runner_find(const struct net_runner *runner, const char *const *arguments);
/*
 * Has it run, with these as its standard output and error; they are closed. fn comes once from the loop: with the exit
 * status or the signal that ended it, or errno when it could not be started. Its number, or -1 when the runner is
 * gone: fn does not come then.
 */
MUST_USE int net_runner_run(struct net_runner *runner, int command, int output, int error, net_runner_fn *fn,
                            void *ctx);
/* Ends the child with all of its processes; fn does not come any more. */
void net_runner_kill(struct net_runner *runner, int child);

/* ---- net_runner_process.c ---- */

#define NET_RUNNER_CHILDREN 64

enum net_runner_kind { NET_RUNNER_RUN, NET_RUNNER_KILL };

struct net_runner_request {
    enum net_runner_kind kind;
    int child, command;
};

struct net_runner_reply {
    int child, status, signal, error;
};

/* The life of the runner, behind the fork: serves the socket, and does not return. */
_Noreturn void net_runner_serve(int socket, char *const *const *commands, size_t count);

#endif
