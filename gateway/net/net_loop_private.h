/*
 * net_loop_private - what the files of this floor share about the loop.
 */
#ifndef MAILWEIR_NET_NET_LOOP_PRIVATE_H
#define MAILWEIR_NET_NET_LOOP_PRIVATE_H

#include <pthread.h>

#include <uv.h>

#include "base/list.h"
#include "net/net_loop.h"

/* One read from a socket takes at most this much. */
#define NET_LOOP_SCRATCH 65536

struct net_loop {
    uv_loop_t uv;
    uv_idle_t deferrer;             /* runs while something is deferred */
    struct list deferred;           /* struct deferral, private to net_loop.c */
    pthread_t thread;               /* that runs it, or has made it */
    uv_async_t poster;              /* wakes it for what was posted */
    pthread_mutex_t posting;        /* guards the next */
    struct list posted;             /* struct deferral */
    char scratch[NET_LOOP_SCRATCH]; /* what a socket is read into, one read at a time: idle connections need no room */
};

#endif
