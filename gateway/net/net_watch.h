/*
 * net_watch - tells that something may have changed beside one of several paths.
 *
 * A hint, not a proof: it comes for other files in the same folder too, more often than once for one change, and never
 * where the kernel does not see the change (network file systems, the target of a link that points elsewhere). Who must
 * not miss any looks by itself as well, now and then.
 */
#ifndef MAILWEIR_NET_NET_WATCH_H
#define MAILWEIR_NET_NET_WATCH_H

#include "base/must_use.h"
#include "net/net_loop.h"

#define NET_WATCH_FOLDERS_MAX 1000

struct net_watch;
typedef void net_watch_fn(void *ctx);

/* fn comes from the loop. A watch does not keep the loop alive. */
MUST_USE struct net_watch *net_watch_new(struct net_loop *loop, net_watch_fn *fn, void *ctx);
/*
 * Watches the folder in which the path stands, so that also what replaces it by a rename is seen, and when it is a
 * folder itself, what stands in it. -1 when that cannot be: there is no such folder, it may not be read, or the system
 * gives no more watches.
 */
MUST_USE int net_watch_add(struct net_watch *watch, const char *path);
/* Watches nothing any more. */
void net_watch_clear(struct net_watch *watch);
/* No call comes after it. Sets *watch to NULL; NULL is fine. */
void net_watch_free(struct net_watch **watch);

#endif
