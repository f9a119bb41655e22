/*
 * net_child - a helper program that is run once for what it prints: no shell, bounded in time and output.
 *
 * It gets this process's environment and user, nothing on standard input, and a process group of its own, which is
 * killed as a whole when it takes too long, prints too much, or is no longer wanted. The loop's runner runs it, where
 * there is one (net_runner.h).
 */
#ifndef MAILWEIR_NET_NET_CHILD_H
#define MAILWEIR_NET_NET_CHILD_H

#include "base/bytes.h"
#include "base/fault.h"
#include "net/net_loop.h"

struct net_child;

struct net_child_options {
    const char *const
        *arguments;      /* [0] the program's path, used as it stands; NULL ends them. Needed during the call only */
    uint64_t timeout_ms; /* from the start to the end of its output */
    size_t output_max;   /* octets of standard output */
};

/*
 * Comes once, from the loop: with all of standard output when the program exited with 0; else with a fault (class TEMP)
 * whose code is "child-start", "child-timeout", "child-output" or "child-status", and whose text names the program,
 * what happened, and the first line of its standard error. Standard output never stands in a fault: it may be a secret.
 * output is valid during the call.
 */
typedef void net_child_fn(void *ctx, struct bytes output, const struct fault *fault);

/* Whether it can be run: where programs are run by a runner (net_runner.h), only those that it knows. */
bool net_child_may_run(const struct net_loop *loop, const char *const *arguments);
/* Starts it. Never NULL: that it cannot start is told by fn as well. To be freed, at the earliest in fn. */
struct net_child *net_child_run(struct net_loop *loop, const struct net_child_options *options, net_child_fn *fn,
                                void *ctx);
/* Kills what still runs; no call comes after it. Sets *child to NULL; NULL is fine. */
void net_child_free(struct net_child **child);

#endif
