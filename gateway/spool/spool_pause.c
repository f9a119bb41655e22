/*
 * spool_pause - what operators have paused, as the store tells it (spool_look.c), and with each change that is made
 * here.
 *
 * The store decides: it claims nothing of what is paused. What is kept here is as of then, for deliveries that are
 * offered right after their commit, and for who asks on the loop.
 */
#include <stdio.h>

#include "spool/spool_private.h"

void spool_end_pauses(struct spool *spool)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    spool->pause = (struct spool_pause){.on = false};
    while (map_next(spool->upstreams, &cursor, &key, &value)) {
        ((struct spool_upstream *)value)->pause = (struct spool_pause){.on = false};
    }
}

void spool_set_pause(struct spool *spool, const char *upstream, bool on, int64_t since_ms, const char *by)
{
    bool all = upstream[0] == '\0';
    struct spool_pause *pause = all ? &spool->pause : &spool_upstream(spool, upstream)->pause;
    if (on && pause->on) {
        return; /* the first one counts, as in the store */
    }
    if (all && !on) {
        spool_end_pauses(spool);
        return;
    }
    *pause = (struct spool_pause){.on = on, .all = all, .since_ms = on ? since_ms : 0};
    snprintf(pause->by, sizeof pause->by, "%s", on ? by : "");
    if (on && spool->halt != NULL && !spool->closing) {
        spool->halt(spool->halt_ctx, all ? NULL : upstream);
    }
}

struct spool_pause spool_pause_of(const struct spool *spool, const char *upstream)
{
    const struct spool_upstream *found = map_get(spool->upstreams, bytes_of(upstream));
    return spool->pause.on || found == NULL ? spool->pause : found->pause;
}
