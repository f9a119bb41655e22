/*
 * spool_change - what operators change in the queue, safe while the gateway runs. A delivery that is being delivered at
 * that moment is left alone and counted as busy.
 *
 * Typed, for whoever is in the same process; requests of others come as JSON (spool_admin.h).
 */
#ifndef MAILWEIR_SPOOL_SPOOL_CHANGE_H
#define MAILWEIR_SPOOL_SPOOL_CHANGE_H

#include "spool/spool.h"
#include "store/store_batch.h"

struct spool_change_result {
    uint64_t changed;
    uint64_t busy;     /* left alone, because they are being delivered */
    uint64_t doubtful; /* a reroute's or drop's: left alone, because they may lie where they were to go */
};
/*
 * fault is NULL on success. One with a result beside it: the change is done, but something that goes with it could not
 * be written. Comes once, from the loop, when it is durable or has failed.
 */
typedef void spool_change_fn(void *ctx, const struct spool_change_result *result, const struct fault *fault);

/* Who asks for it, and how; strings are by reference until done. */
struct spool_asker {
    const char *by; /* for the history; or NULL */
    bool again;     /* an operator's word that ends doubt: sent again without a look, or given up */
    spool_change_fn *done;
    void *ctx;
};
/* What the verb does to the chosen deliveries; strings are by reference until done. */
void spool_change(struct spool *spool, enum store_verb verb, const struct store_select *select,
                  const struct spool_asker *asker);
/* The open deliveries of the message with this id give way to new ones (none: they are dropped). By reference until
 * done. */
void spool_change_reroute(struct spool *spool, const char *id, const struct mail_delivery *deliveries, size_t count,
                          const struct spool_asker *asker);
/* by: who, for those who ask later; or NULL. upstream NULL: all; a resume of all ends the single pauses too. */
void spool_change_pause(struct spool *spool, const char *upstream, bool paused, const char *by, spool_change_fn *done,
                        void *ctx);

/*
 * Forgets every settled message that names the address (see store_batch.h): result.changed is how many, result.busy
 * how many name it and are open. The address is copied.
 */
void spool_change_erase(struct spool *spool, const char *address, spool_change_fn *done, void *ctx);

#endif
