/*
 * net_loop_private - what the files of this floor share about the loop.
 */
#ifndef MAILWEIR_NET_NET_LOOP_PRIVATE_H
#define MAILWEIR_NET_NET_LOOP_PRIVATE_H

#include <uv.h>

#include "base/list.h"
#include "net/net_loop.h"

/* One read from a socket takes at most this much. */
#define NET_LOOP_SCRATCH 65536

struct net_loop {
    uv_loop_t uv;
    uv_idle_t deferrer;             /* runs while something is deferred */
    struct list deferred;           /* struct deferral, private to net_loop.c */
    char scratch[NET_LOOP_SCRATCH]; /* what a socket is read into, one read at a time: idle connections need no room */
};

#endif
