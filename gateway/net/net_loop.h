/*
 * net_loop - the event loop, the clocks and the source of randomness: doors to the world.
 *
 * Floor 2 (net_*) is the only place that includes libuv and OpenSSL, and the only place that asks for time, random
 * octets, sockets and disk. A simulation replaces these symbols at link time; nothing above may notice.
 * Callbacks always come from the loop, never from inside the call that asked.
 */
#ifndef MAILWEIR_NET_NET_LOOP_H
#define MAILWEIR_NET_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must_use.h"

struct net_loop;

MUST_USE struct net_loop *net_loop_new(void);
/* Runs until net_loop_stop(), or until nothing is left that could happen. */
void net_loop_run(struct net_loop *loop);
void net_loop_stop(struct net_loop *loop);
/* Runs the closing of what was freed to its end; everything made on the loop must have been freed before. Sets *loop to
 * NULL. */
void net_loop_free(struct net_loop **loop);

/* Monotonic milliseconds, as of the beginning of this turn of the loop: for deadlines. */
uint64_t net_now(const struct net_loop *loop);
/* Monotonic microseconds, read now: for measuring. */
uint64_t net_now_us(const struct net_loop *loop);
/* Wall clock, milliseconds since 1970, read now. loop may be NULL, where there is none. */
int64_t net_wall(const struct net_loop *loop);

/* Fills data with len random octets fit for keys (getrandom); ends the program if the system has none. */
void net_random(void *data, size_t len);

/* Has fn called once from the loop's next turn. There is no way back: ctx must live until then. */
void net_defer(struct net_loop *loop, void (*fn)(void *ctx), void *ctx);

/*
 * From any thread: has fn called once from the loop, later, in the order of the posts of one thread. It does not keep
 * the loop running: what is still posted when the loop is freed is called then. ctx must live until then, and so must
 * the loop until the call returns.
 */
void net_post(struct net_loop *loop, void (*fn)(void *ctx), void *ctx);

/*
 * Everything that was made on a loop belongs to the thread that runs it, and only net_post() and a lane's work may come
 * from another. NET_EXPECT_LOOP() stands on entry of what would go wrong silently otherwise; with base/expect.h.
 */
bool net_loop_is_here(const struct net_loop *loop);
#define NET_EXPECT_LOOP(loop) EXPECT(net_loop_is_here(loop))

/* A timer with one owner. fn is called once per start; it may start the timer again or free it. */
struct net_timer;
typedef void net_timer_fn(void *ctx);
MUST_USE struct net_timer *net_timer_new(struct net_loop *loop, net_timer_fn *fn, void *ctx);
/* (Re)starts it: fn comes after `milliseconds`, not before. */
void net_timer_start(struct net_timer *timer, uint64_t milliseconds);
void net_timer_stop(struct net_timer *timer);
/* No call comes after it. Sets *timer to NULL; NULL is fine. */
void net_timer_free(struct net_timer **timer);

/* A signal handler: fn is called from the loop each time signal `number` comes. A started one does not keep the loop
 * alive. */
struct net_signal;
typedef void net_signal_fn(void *ctx, int number);
MUST_USE struct net_signal *net_signal_new(struct net_loop *loop, int number, net_signal_fn *fn, void *ctx);
void net_signal_free(struct net_signal **handler);

#endif
