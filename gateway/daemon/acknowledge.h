/*
 * acknowledge - for listeners with "acknowledge": "delivered": the sender's answer comes from the upstreams.
 *
 * A message is committed as any other, so that what is under way survives a crash; but its sender waits until every
 * delivery is filed. When one cannot be, or time runs out, the sender hears so, and what is still open of the message
 * is dropped: the sender keeps it. What is in doubt is looked into first, as long as his time lasts. When he comes
 * again, the spool knows the message (spool_stage_waits()): what was dropped is due again, in doubt or not, and what is
 * filed is not filed again.
 */
#ifndef MAILWEIR_DAEMON_ACKNOWLEDGE_H
#define MAILWEIR_DAEMON_ACKNOWLEDGE_H

#include "base/must_use.h"
#include "dispatch/dispatch.h"
#include "reception/reception.h"

struct acknowledge;

MUST_USE struct acknowledge *acknowledge_new(struct net_loop *loop, struct spool *spool, struct log *log);
/* Whoever still waits hears 451 from inside the call. Sets *acknowledge to NULL; NULL is fine. */
void acknowledge_free(struct acknowledge **acknowledge);
/* Fills in what reception is to call. */
void acknowledge_hooks(struct acknowledge *acknowledge, struct reception_hooks *hooks);
/* A dispatch_outcome_fn: what became of an attempt. */
void acknowledge_outcome(void *ctx, const struct dispatch_became *became);

#endif
